"""AutoKeras 0.2.18: distance, process and moves one by one, the search with looked-up accuracies and with trainings."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from additive import additive
from fakes import MemoryJournal, make_task, run, tiny_data
from harness.methods.common.edit_distance import DistanceProcess, alignment, distance, signature
from harness.methods.common.inheriting import MEASURED
from harness.methods.common.morph_moves import Move, applied, expansions, second
from harness.methods.morphism_bo import METHOD
from harness.methods.random_search import METHOD as RANDOM_SEARCH
from morph_trainers import LookUp
from mortal import Mortal, Stopped
from scipy.stats import wilcoxon

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.journal import State
from harness.core.measure import measure
from harness.core.recipe import Recipe
from harness.core.space import Genotype, Size
from harness.core.task import Proposal, Task
from harness.spaces import get_space
from harness.spaces.morphism import ADD, CONCAT, Chain, Convolution, MorphSpace, Skip

pytestmark = pytest.mark.usefixtures("untraced")


def morph(name: str = "morph") -> MorphSpace:
    space = get_space(name)
    assert isinstance(space, MorphSpace)
    return space


SPACE = morph()


def walked(steps: int, seed: int, space: MorphSpace = SPACE) -> Chain:
    """A network so many random morphisms away from the first."""
    rng, chain = np.random.default_rng(seed), space.start
    for _ in range(steps):
        children = expansions(space, chain, rng)
        chain = children[0][1] if children else chain
    return chain


CHAINS = list({signature(c): c for c in (walked(seed % 12, seed) for seed in range(60))}.values())


def chain(*widths: int, dense: Sequence[int] = (), skips: Sequence[Skip] = ()) -> Chain:
    return Chain((tuple(Convolution(3, width) for width in widths),), tuple(dense), tuple(skips))


def apart(a: Chain, b: Chain) -> float:
    return distance(signature(a), signature(b))


def test_widths_are_aligned_at_the_least_cost() -> None:
    assert alignment((64, 64), (64, 64, 64)) == 1.0
    assert alignment((64, 64, 64), (64, 128, 64)) == 0.5
    assert alignment((32,), (64, 64)) == 1.5
    assert apart(chain(64, dense=(64,)), chain(128, dense=(64, 64))) == 1.5


def test_skips_are_matched_at_the_least_cost() -> None:
    a, b = Skip(ADD, 0, 2), Skip(CONCAT, 0, 2)
    plain = chain(64, 64, 64)
    assert apart(plain, chain(64, 64, 64, skips=[a])) == pytest.approx(0.1)
    assert apart(chain(64, 64, 64, skips=[a]), chain(64, 64, 64, skips=[b])) == pytest.approx(0.1)
    assert apart(chain(64, 64, 64, skips=[a, b]), chain(64, 64, 64, skips=[b])) == pytest.approx(0.1)
    moved = chain(64, 64, 64, skips=[Skip(ADD, 1, 2)])
    assert apart(chain(64, 64, 64, skips=[a]), moved) == pytest.approx(0.1 * (1 + 1) / (2 + 2))


def test_the_distance_is_a_metric_on_what_it_knows() -> None:
    for i, a in enumerate(CHAINS):
        for j, b in enumerate(CHAINS):
            assert apart(a, b) == pytest.approx(apart(b, a))
            assert (apart(a, b) < 1e-6) == (i == j)
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b, c = (CHAINS[n] for n in rng.integers(len(CHAINS), size=3))
        assert apart(a, c) <= apart(a, b) + apart(b, c) + 1e-9


def test_one_kernel_is_positive_semi_definite_and_holds_in_prediction_too() -> None:
    known, others = CHAINS[:20], CHAINS[20:]
    process = DistanceProcess(known, np.linspace(0, 1, len(known)))
    places = process.places([*known, *others])
    assert np.linalg.eigvalsh(process.kernel(places, places)).min() > -1e-8
    assert np.allclose(process.kernel(places, places)[:20, :20], process.kernel(process.places(known), places[:20]))


def test_that_of_the_release_is_not() -> None:
    """exp(-d^2) of an edit distance, why another kernel is needed at all."""
    rng = np.random.default_rng(1)
    widths = [tuple(64 * 2 ** rng.integers(4, size=rng.integers(2, 7))) for _ in range(60)]
    distances = np.array([[alignment(a, b) for b in widths] for a in widths])
    assert np.linalg.eigvalsh(np.exp(-(distances**2))).min() < -0.05


@pytest.mark.parametrize("known", [1, 2, 15])
def test_the_process_believes_what_it_has_seen(known: int) -> None:
    accuracies = np.random.default_rng(2).uniform(0.3, 0.9, known)
    mean, deviation = DistanceProcess(CHAINS[:known], accuracies).predict(CHAINS[:known])
    assert mean == pytest.approx(accuracies, abs=2e-3)
    assert deviation.max() < 0.01


def test_far_away_it_knows_little() -> None:
    process = DistanceProcess(CHAINS[:3], [0.2, 0.4, 0.6])
    _, deviation = process.predict([chain(*[512] * 12, dense=(256, 256))])
    assert deviation[0] == pytest.approx(np.std([0.2, 0.4, 0.6]), rel=0.05)


def test_moves_stay_in_the_space_and_kinds_are_equally_likely() -> None:
    rng, middle = np.random.default_rng(3), walked(2, 5)
    kinds = [move.what.partition("_")[0] for _ in range(300) for move, _ in expansions(SPACE, middle, rng)]
    assert set(kinds) == {"deeper", "wider", "skip"}
    for seed in range(15):
        for move, child in expansions(SPACE, walked(seed, seed), rng):
            assert SPACE.read(SPACE.write(child)) == child
            assert isinstance(move, Move)


def test_a_layer_that_is_put_in_between_leaves_skips_between_their_layers() -> None:
    before = chain(64, 128, 256, skips=[Skip(ADD, 0, 1), Skip(CONCAT, 1, 2)])
    after = applied(Move("deeper", 1), before)
    assert [conv.width for conv in after.convolutions] == [64, 128, 128, 256]
    assert set(after.skips) == {Skip(ADD, 0, 1), Skip(CONCAT, 1, 3)}


def test_the_second_network_is_the_releases_where_there_is_room() -> None:
    moves, found = second(SPACE)
    assert [len(block) for block in found.blocks] == [3, 2, 2]
    assert [skip.kind for skip in found.skips] == [ADD] * 3
    again = SPACE.start
    for move in moves:
        again = applied(move, again)
    assert again == found
    assert SPACE.read(SPACE.write(second(morph("morph-2"))[1])) == second(morph("morph-2"))[1]


def looked_up(
    budget: str,
    score: Callable[[Proposal], float],
    *,
    space: MorphSpace = SPACE,
    seed: int = 0,
    dead: Sequence[int] = (),
) -> tuple[Task, list[Chain]]:
    task = make_task(space, budget, score=score, seed=seed)
    trainer = LookUp(task, dead)
    with contextlib.suppress(BudgetSpent):
        METHOD().explore(task, trainer)
    return task, trainer.asked


def wide(proposal: Proposal) -> float:
    """The mean width of the convolutions."""
    assert isinstance(proposal, Genotype)
    return float(np.mean([conv.width for conv in SPACE.read(proposal).convolutions])) / 512


def test_nothing_is_proposed_twice_and_moves_are_replayed_from_trained_networks() -> None:
    task, chains = looked_up("25evals", wide)
    assert len(task.evaluations) == 25
    assert len({signature(c) for c in chains}) == len(chains) == 26, "the last one was not trained any more"
    assert chains[0] == SPACE.start
    assert task.best is not None
    assert task.best.accuracy > 0.5


def test_networks_whose_weights_are_gone_are_no_ancestors() -> None:
    task, _ = looked_up("12evals", wide, dead=range(1, 9))
    assert len(task.evaluations) == 12


def test_it_ends_where_there_is_nothing_new() -> None:
    tiny = MorphSpace(
        "morph-1", blocks=3, depth=1, kernels=(3,), widths=(64,), units=(64,), skips=0, start=SPACE.start, full=64
    )
    task, chains = looked_up("25evals", lambda _: 0.5, space=tiny)
    assert task.meter.left > 0
    assert {c.dense for c in chains} == {(64,), (64, 64)}


def test_the_queue_is_left_after_88_pops(monkeypatch: pytest.MonkeyPatch) -> None:
    pops, pop = [0], heapq.heappop

    def counted(queue: list[object]) -> object:
        pops[0] += 1
        return pop(queue)  # type: ignore[type-var]

    known = [(c, 0.5) for c in CHAINS[:10]]
    monkeypatch.setattr(heapq, "heappop", counted)
    assert METHOD().propose(SPACE, known, range(10), np.random.default_rng(4)) is not None
    assert pops[0] == 88


def test_deviations_count_in_favour_of_a_network() -> None:
    """Accuracies all alike: the more deviations count, the further it goes from what is known."""
    known = [(SPACE.start, 0.5), (walked(1, 3), 0.50001)]
    gaps = []
    for exploration in (0.0, 2.576):
        method = METHOD(exploration=exploration)
        found = [method.propose(SPACE, known, (0, 1), np.random.default_rng(seed)) for seed in range(6)]
        gaps.append(np.mean([apart(f.chain, SPACE.start) for f in found if f is not None]))
    assert gaps[1] > gaps[0]


def trained(budget: str, journal: MemoryJournal | None = None) -> Task:
    recipe = Recipe(size=Size(4, 3), steps=3, batch=8, learning_rate=0.05)
    return run(METHOD(), make_task(morph("morph-2"), budget, recipe=recipe, data=tiny_data(), journal=journal))


def test_trainings_are_charged_logged_and_proposed() -> None:
    journal = MemoryJournal()
    task = trained("14steps", journal)
    assert [evaluation.steps for evaluation in task.evaluations] == [3] * 4
    assert task.meter.steps == 12
    assert task.best is not None
    assert str(task.proposal) == task.best.genotype
    assert "3 evaluated, the last one on" in " ".join(journal.words)
    steps = [word for word in journal.words if "inherited" in word]
    assert steps[0].endswith("on 0 inherited steps")
    assert steps[1].endswith("on 3 inherited steps")


class Unsaved(Mortal):
    """Dies when a network is logged and not yet saved."""

    def save(self, state: State) -> None:
        if self.left == 1:
            raise Stopped
        super().save(state)


def test_measured_statistics_are_charged_and_a_killed_search_has_paid_the_same() -> None:
    whole, space, expected = trained("6steps"), morph("morph-2"), 0
    moves, _ = second(space)
    chain = space.start
    for move in moves:
        if move.what == "deeper":
            graph, _ = space.lay_out(chain, whole.recipe.size)
            expected += MEASURED * measure(graph, whole.data.image_shape, whole.data.classes).macs
        chain = applied(move, chain)
    assert whole.meter.macs == sum(evaluation.macs for evaluation in whole.evaluations) + expected
    assert expected > 0
    assert whole.meter.steps == 6, "they are no gradient steps"
    journal = Unsaved(2)
    with pytest.raises(Stopped):
        trained("6steps", journal)
    assert len(journal.evaluations) == 2
    journal.left = -1
    resumed = trained("6steps", journal)
    assert resumed.meter.macs == whole.meter.macs
    assert [e.accuracy for e in resumed.evaluations] == [e.accuracy for e in whole.evaluations]


def additive_on_networks(seed: int, space: MorphSpace) -> Callable[[Proposal], float]:
    """The additive task, one worth per network: genotypes that name the same one count as one."""
    score = additive(space, seed)

    def canonical(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        return score(space.write(space.read(proposal)))

    return canonical


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_beats_random_search_on_an_additive_task() -> None:
    lead = []
    for seed in range(100):
        score = additive_on_networks(seed, SPACE)
        task, _ = looked_up("20evals", score, seed=seed)
        control = run(RANDOM_SEARCH(), make_task(SPACE, "20evals", score=score, seed=seed))
        assert task.best is not None
        assert control.best is not None
        lead.append(task.best.accuracy - control.best.accuracy)
    print(f"mean lead {np.mean(lead):.3f}, p {wilcoxon(lead, alternative='greater').pvalue:.1e}")
    assert np.mean(lead) > 0
    assert wilcoxon(lead, alternative="greater").pvalue < 0.01


def test_says_where_it_cannot_work() -> None:
    assert "not search the space 'cell'" in (METHOD().unsupported(make_task(get_space("cell"))) or "")
    empty = tiny_data(images=0)
    assert "takes the images" in (METHOD().unsupported(make_task(SPACE, data=empty)) or "")


@pytest.mark.parametrize(
    "wrong", [{"cooling": 1.0}, {"temperature": 1e-5}, {"kept": 0}, {"exploration": -1.0}, {"noise": -0.1}]
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]
