"""PNAS: growing cells, the predictor, the beam search."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, Score, VectorSpace, by_hash, make_task, run
from harness.methods.common.growth import MOST_OPTIONS, CellGrowth, Growth, Integers, Numbers, Picks, growth_of
from harness.methods.common.predictor import PerceptronEnsemble
from harness.methods.common.ranks import levels, ranks
from harness.methods.pnas import METHOD, Surrogate
from nb201 import needs_table, returned
from scipy.stats import rankdata

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.home import CHECKOUT as ROOT
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.spaces import get_space, names
from harness.spaces.fabric import FabricSpace
from harness.spaces.nasnet import PNAS_OPERATIONS, PnasSpace

CELLS = CellGrowth(PnasSpace())
Blocks = tuple[Picks, ...]


def cut(prefix: Picks) -> Blocks:
    return tuple(prefix[place : place + 4] for place in range(0, len(prefix), 4))


def spellings(prefix: Picks) -> set[Picks]:
    """Every way to write a cell down, by trying all orders of its blocks and all swaps of their halves."""
    blocks, found = cut(prefix), set()
    for order in itertools.permutations(range(len(blocks))):
        place = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
        moved = [(place[in0], place[in1], op0, op1) for in0, in1, op0, op1 in (blocks[old] for old in order)]
        if all(max(in0, in1) < state for state, (in0, in1, *_) in enumerate(moved, start=2)):
            halves = [((a, b, x, y), (b, a, y, x)) for a, b, x, y in moved]
            found |= {tuple(itertools.chain(*choice)) for choice in itertools.product(*halves)}
    return found


def random_cell(rng: np.random.Generator, blocks: int) -> Picks:
    return tuple(int(rng.integers(n)) for block in range(blocks) for n in (block + 2, block + 2, 8, 8))


def test_first_blocks_number_256_ordered_and_136_unordered() -> None:
    ordered = list(itertools.product(range(2), range(2), range(8), range(8)))
    assert len(ordered) == 256
    assert {CELLS.canonical(block) for block in ordered} == {tuple(row) for row in CELLS.options(0).tolist()}
    assert [len(CELLS.options(block)) for block in range(5)] == [136, 300, 528, 820, 1176]


def test_children_of_a_cell_are_alike_where_brute_force_says_so() -> None:
    parent = (0, 1, 3, 5)
    children = [(*parent, *block) for block in itertools.product(range(3), range(3), range(8), range(8))]
    assert len(children) == 576
    assert len({CELLS.canonical(child) for child in children}) == len({min(spellings(child)) for child in children})


def test_the_canonical_form_is_the_least_spelling_and_the_same_for_all_of_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        cell = random_cell(rng, 4)
        every = spellings(cell)
        assert {CELLS.canonical(other) for other in every} == {min(every)}


def test_swapping_halves_changes_nothing_and_reading_another_block_does() -> None:
    assert CELLS.canonical((0, 1, 3, 5, 2, 0, 1, 1)) == CELLS.canonical((1, 0, 5, 3, 0, 2, 1, 1))
    two = (0, 0, 1, 1, 1, 1, 2, 2)
    assert CELLS.canonical((*two, 2, 2, 4, 4)) != CELLS.canonical((*two, 3, 3, 4, 4))
    twins = (0, 0, 1, 1, 0, 0, 1, 1)
    assert CELLS.canonical((*twins, 2, 2, 4, 4)) == CELLS.canonical((*twins, 3, 3, 4, 4))
    assert CELLS.canonical((*twins, 2, 2, 4, 4)) != CELLS.canonical((*twins, 2, 3, 4, 4))


def test_a_prefix_is_a_smaller_cell() -> None:
    space = PnasSpace(blocks=3)
    genotype = CellGrowth(space).genotype((0, 1, 3, 5, 2, 0, 1, 4))
    assert str(genotype).startswith("pnas:2,0,1,conv_1x7_7x1,avg_pool_3x3,2,0,sep_conv_5x5,skip_connect,")
    assert space.contains(genotype)


def test_features_of_a_cell_do_not_depend_on_the_order_of_its_blocks_nor_on_their_number() -> None:
    one, other = (0, 1, 3, 5), (0, 0, 2, 7)
    codes = CELLS.encode(np.array([[*one, *other], [*other, *one], [*one, *one]]))
    assert np.array_equal(codes[0], codes[1])
    assert np.array_equal(codes[2], CELLS.encode(np.array([one]))[0])
    assert not np.array_equal(codes[0], codes[2])


def test_blocks_of_other_spaces_are_nodes_or_layers() -> None:
    assert Growth(get_space("nasbench201")).blocks == [1, 2, 3]
    assert Growth(get_space("cell")).blocks == [3] * 8
    assert Growth(get_space("enas_cell")).blocks == [4] * 10
    assert Growth(get_space("macro-4")).blocks == [1, 2, 3, 4]
    assert Growth(VectorSpace(3)).blocks == [1, 1, 1]
    assert Growth(get_space("nasbench201")).genotype((3,)).text == f"nasbench201:nor_conv_3x3{',skip_connect' * 5}"


@pytest.mark.parametrize("name", sorted(names()))
def test_every_choice_belongs_to_a_block_of_a_size_that_can_be_listed(name: str) -> None:
    space = get_space(name)
    growth = growth_of(space)
    assert sum(growth.blocks) == len(space.choices) - isinstance(space, PnasSpace)
    for block in range(len(growth.blocks)):
        assert growth.options(block).shape == (len(growth.options(block)), growth.blocks[block])
        assert len(growth.options(block)) <= MOST_OPTIONS


def test_features_of_other_spaces_say_where_a_word_stands_and_how_often_it_occurs() -> None:
    growth = Growth(get_space("nasbench201"))
    codes = growth.encode(np.array([[3, 0, 3], [3, 3, 0]]))
    assert codes.shape == (2, 6 * 5 + 5)
    assert np.allclose(codes[:, -5:], np.array([1, 3, 0, 2, 0]) / 6), "three edges that are open count as skips"
    assert not np.array_equal(codes[0], codes[1])


def data(rng: np.random.Generator, n: int = 40) -> tuple[Numbers, Numbers]:
    features = rng.normal(size=(n, 6)).astype(np.float32)
    return features, features @ np.array([1, -2, 0, 0.5, 0, 1], np.float32)


def test_each_example_is_hidden_from_one_member_and_each_member_sees_four_fifths() -> None:
    ensemble = PerceptronEnsemble(np.random.default_rng(0), steps=3)
    features, values = data(np.random.default_rng(1))
    ensemble.fit(features, values)
    assert Counter(ensemble.hidden_from.tolist()) == dict.fromkeys(range(5), 8)
    before, member = [weight.copy() for weight in ensemble.weights], int(ensemble.hidden_from[7])
    features[7] += 100
    again = PerceptronEnsemble(np.random.default_rng(0), steps=3)
    again.fit(features, values)
    changed = {m for m in range(5) if any((a[m] != b[m]).any() for a, b in zip(before, again.weights, strict=True))}
    assert changed == set(range(5)) - {member}


def test_the_prediction_is_the_mean_of_the_members_in_any_order() -> None:
    ensemble = PerceptronEnsemble(np.random.default_rng(0))
    features, values = data(np.random.default_rng(1))
    ensemble.fit(features, values)
    mean, weights = ensemble.predict(features), ensemble.weights
    ensemble.weights = [weight[[3, 0, 4, 1, 2]] for weight in weights]
    assert np.allclose(ensemble.predict(features), mean, atol=1e-6)
    alone = []
    for member in range(5):
        ensemble.weights = [weight[[member]] for weight in weights]
        alone.append(ensemble.predict(features))
    assert np.ptp(alone, axis=0).max() > 0.01
    assert np.allclose(np.mean(alone, axis=0), mean, atol=1e-6)


RANKING = """
import numpy as np
from harness.methods.common.predictor import PerceptronEnsemble
rng, ensemble = np.random.default_rng(1), PerceptronEnsemble(np.random.default_rng(0))
features = rng.integers(0, 2, (120, 40)) / 8
ensemble.fit(features.astype(np.float32), features @ rng.normal(size=40))
print(np.argsort(-ensemble.predict((rng.integers(0, 2, (20_000, 40)) / 8).astype(np.float32)), kind="stable").tolist())
"""


def test_the_ranking_does_not_depend_on_the_kernels_of_linear_algebra() -> None:
    def ranking(kernels: str) -> str:
        environment = os.environ | {"OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": "1"}
        words = [sys.executable, "-c", RANKING]
        return subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout

    assert ranking("Haswell") == ranking("Nehalem")


def test_features_that_never_differed_say_nothing() -> None:
    ensemble = PerceptronEnsemble(np.random.default_rng(0))
    features, values = data(np.random.default_rng(1))
    features[:, 2] = 1
    ensemble.fit(features, values)
    before = ensemble.predict(features)
    features[:, 2] = 7
    assert np.array_equal(ensemble.predict(features), before)
    ensemble.fit(np.ones((3, 4), np.float32), np.arange(3, dtype=np.float32))
    assert np.ptp(ensemble.predict(np.eye(4, dtype=np.float32))) == 0


def test_a_fit_goes_down_the_mean_absolute_error_of_what_each_member_sees() -> None:
    """The first step of Adam is the sign of the gradient times the rate."""
    features, values = data(np.random.default_rng(1))
    tiny = 1e-4
    untrained, after = (
        PerceptronEnsemble(np.random.default_rng(0), units=4, steps=1, rate=rate) for rate in (0.0, tiny)
    )
    for ensemble in (untrained, after):
        ensemble.fit(features, values)
    assert np.array_equal(untrained.hidden_from, after.hidden_from)
    weights, checked = [weight.astype(np.float64) for weight in untrained.weights], 0

    def losses() -> Numbers:
        first, first_bias, second, second_bias, last, last_bias = weights
        below = np.maximum(features @ first + first_bias, 0)
        above = np.maximum(below @ second + second_bias, 0)
        error = np.abs((above @ last + last_bias)[..., 0] - (2 * levels(values) - 1))
        seen = untrained.hidden_from != np.arange(5)[:, None]
        return (error * seen).sum(axis=1) / seen.sum(axis=1)

    for number, weight in enumerate(weights):
        for place in np.ndindex(weight.shape):
            here, sides = losses()[place[0]], []
            for move in (1e-6, -1e-6):
                weight[place] += move
                sides.append((losses()[place[0]] - here) / move)
                weight[place] -= move
            if min(np.abs(sides)) > 1e-3 and sides[0] == pytest.approx(sides[1], rel=1e-3):  # not at a kink
                step = after.weights[number][place] - untrained.weights[number][place]
                assert step == pytest.approx(-tiny * np.sign(sides[0]), rel=0.02), (number, place)
                checked += 1
    assert checked > 100


def test_ranks_begin_at_one_and_equal_values_share_theirs() -> None:
    assert ranks([0.5, 0.1, 0.9, 0.2]).tolist() == [3, 1, 4, 2]
    assert ranks(np.array([[1.0, 0.0], [1.0, 1.0]])).tolist() == [3, 1, 3, 3]
    values = np.random.default_rng(3).integers(0, 40, 100) / 7
    assert ranks(values).tolist() == rankdata(values).tolist()


def test_levels_lie_between_zero_and_one() -> None:
    assert levels([0.5, 0.1, 0.9, 0.2]).tolist() == [0.625, 0.125, 0.875, 0.375]
    assert levels(np.full(3, 0.4)).tolist() == [0.5, 0.5, 0.5]


WORTH = np.random.default_rng(5).random((5, 7, 8))
"""Of an operation on a state in a block."""


def additive(prefix: Picks) -> float:
    """A score to which every half of every block contributes for itself, 0..1."""
    halves = [(block, state, op) for block, (a, b, x, y) in enumerate(cut(prefix)) for state, op in ((a, x), (b, y))]
    return float(np.mean([WORTH[half] for half in halves]))


def prefix_of(proposal: Proposal) -> Picks:
    """The blocks of a cell."""
    assert isinstance(proposal, Genotype)
    return proposal.picks[1 : 5 + 4 * proposal.picks[0]]


def on_cells(score: Score) -> FakeEvaluator:
    return FakeEvaluator(lambda proposal: score(prefix_of(proposal)))  # type: ignore[arg-type]


class Oracle:
    """Knows every score."""

    def __init__(self, score: Score) -> None:
        self.score = score

    def fit(self, prefixes: Sequence[Picks], accuracies: Sequence[float]) -> None:
        """Has nothing to learn."""

    def predict(self, prefixes: Integers) -> Numbers:
        """The truth."""
        return np.array([self.score(tuple(row)) for row in prefixes.tolist()], np.float32)


def grown(method: METHOD, task: Task, oracle: Oracle) -> Task:
    """A search with an oracle."""
    with contextlib.suppress(BudgetSpent):
        method.grow(task, growth_of(task.space), oracle)
    return task


def spearman(a: Numbers, b: Numbers) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def test_a_predictor_of_small_cells_ranks_larger_ones() -> None:
    """Of the sizes it has seen and of the next one; the worth of an operation does not depend on its place here."""
    worth, rng = np.random.default_rng(3).random(8), np.random.default_rng(4)

    def score(prefix: Picks) -> float:
        return float(np.mean([worth[op] for _, _, *ops in cut(prefix) for op in ops]))

    surrogate = Surrogate(CELLS, PerceptronEnsemble(rng))
    known = [tuple(row) for row in CELLS.options(0).tolist()] + [random_cell(rng, 2) for _ in range(60)]
    surrogate.fit(known, [score(prefix) for prefix in known])
    for blocks in (2, 3):
        new = [random_cell(rng, blocks) for _ in range(300)]
        assert spearman(surrogate.predict(np.array(new)), np.array([score(prefix) for prefix in new])) > 0.85


def test_with_an_oracle_and_a_beam_of_one_it_finds_the_greedy_optimum() -> None:
    space = PnasSpace(blocks=3)
    task = grown(
        METHOD(first=136, beam=1), make_task(space, "138evals", evaluator=on_cells(additive)), Oracle(additive)
    )
    best: Picks = ()
    for block in range(3):
        best = max(((*best, *row) for row in CellGrowth(space).options(block).tolist()), key=additive)
    assert task.proposal is not None
    assert additive(prefix_of(task.proposal)) == pytest.approx(additive(best))


def test_a_beam_that_holds_the_whole_space_trains_it_once_and_ends() -> None:
    space = VectorSpace(4, 3)
    for predictor in (Oracle(lambda _: 0.0), None):
        task, method = make_task(space, "500evals"), METHOD(beam=100)
        if predictor:
            grown(method, task, predictor)
        else:
            run(method, task)
        texts = [evaluation.genotype for evaluation in task.evaluations]
        assert len(texts) == len(set(texts)) == space.cardinality
        assert task.best is not None
        assert task.best.accuracy == max(by_hash(space.genotype(p)) for p in itertools.product(range(3), repeat=4))


@pytest.mark.parametrize(
    "space",
    [
        VectorSpace(4, 3),
        VectorSpace(6, 2),
        PnasSpace(blocks=1),
        get_space("nasbench201:skip_connect,nor_conv_3x3"),
        FabricSpace(layers=2, scales=2),
    ],
    ids=lambda space: space.name,
)
def test_a_narrow_beam_trains_the_whole_space_once_and_ends(space: Space) -> None:
    """Its parents have fewer extensions than the space has architectures."""
    task = run(METHOD(first=4, beam=2, steps=2), make_task(space, "500evals"))
    texts = [evaluation.genotype for evaluation in task.evaluations]
    assert len(texts) == len(set(texts)) == (136 if isinstance(space, PnasSpace) else space.cardinality)


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=[pytest.mark.slow] * (name == "block")) for name in sorted(names())),
        *("fabric-3", "smash-2"),
    ],
)
def test_the_whole_budget_is_spent_in_every_space(name: str) -> None:
    task = run(METHOD(first=3, beam=2, steps=2), make_task(get_space(name), "80evals"))
    assert len({evaluation.genotype for evaluation in task.evaluations}) == len(task.evaluations) == 80


def test_other_parents_have_their_turn_when_all_extensions_of_the_last_ones_are_trained() -> None:
    """With a beam of two no more than two parents have some of their extensions trained, and not all, at any time."""
    task = grown(METHOD(first=2, beam=2), make_task(SMALL := VectorSpace(4, 3), "500evals"), Oracle(lambda _: 0.0))
    complete = [SMALL.parse(evaluation.genotype).picks for evaluation in task.evaluations]
    trained: Counter[Picks] = Counter()
    for picks in complete:
        trained[picks[:-1]] += picks[-1] > 0
        assert list(trained.values()).count(1) <= 2
    assert set(trained.values()) == {2}


def test_the_papers_settings_train_1160_different_cells() -> None:
    class Arbitrary(Oracle):
        def predict(self, prefixes: Integers) -> Numbers:
            """A cheap hash."""
            weights = np.random.default_rng(prefixes.shape[1]).random(prefixes.shape[1])
            return np.modf(prefixes @ weights * 1e3)[0].astype(np.float32)

    task = grown(METHOD(), make_task(PnasSpace(), "1160evals"), Arbitrary(by_hash))
    cells = [prefix_of(task.space.parse(evaluation.genotype)) for evaluation in task.evaluations]
    assert Counter(len(cell) // 4 for cell in cells) == {1: 136, 2: 256, 3: 256, 4: 256, 5: 256}
    assert len({CELLS.canonical(cell) for cell in cells}) == 1160


def test_every_cell_of_a_beam_extends_one_of_the_beam_before() -> None:
    method = METHOD(first=10, beam=6)
    task = run(method, make_task(PnasSpace(blocks=3), "22evals", evaluator=on_cells(additive)))
    cells = [prefix_of(task.space.parse(evaluation.genotype)) for evaluation in task.evaluations]
    assert [len(cell) // 4 for cell in cells] == [1] * 10 + [2] * 6 + [3] * 6
    assert all(cell[:-4] in cells for cell in cells if len(cell) > 4)


def test_it_finds_better_cells_than_chance() -> None:
    space = PnasSpace(blocks=3)
    method, rng = METHOD(first=40, beam=20), np.random.default_rng(9)
    chance = max(additive(random_cell(rng, 3)) for _ in range(100))
    found = []
    for seed in range(3):
        task = run(method, make_task(space, "100evals", evaluator=on_cells(additive), seed=seed))
        assert task.proposal is not None
        found.append(additive(prefix_of(task.proposal)))
    assert np.mean(found) > chance


def test_the_largest_cells_are_proposed_even_if_smaller_ones_are_better() -> None:
    journal = MemoryJournal()
    evaluator = on_cells(lambda prefix: 0.9 - 0.2 * len(prefix) / 4 + 0.1 * additive(prefix))  # type: ignore[arg-type]
    method = METHOD(first=5, beam=4)
    task = run(method, make_task(PnasSpace(blocks=3), "13evals", evaluator=evaluator, journal=journal))
    assert task.proposal is not None
    assert task.best is not None
    assert task.best.genotype.startswith("pnas:1,")
    cells = {str(p): prefix_of(p) for p in evaluator.trained}
    large = [cell for cell in cells.values() if len(cell) == 12]
    assert len(large) == 4
    assert prefix_of(task.proposal) == max(large, key=additive)
    assert [len(prefix_of(proposal)) for proposal, *_ in journal.proposals] == sorted(
        len(prefix_of(proposal)) for proposal, *_ in journal.proposals
    )


def test_in_other_spaces_the_best_of_all_is_proposed_and_nothing_is_trained_twice() -> None:
    task = run(METHOD(beam=16), make_task(get_space("nasbench201"), "80evals"))
    texts = [evaluation.genotype for evaluation in task.evaluations]
    assert len(texts) == len(set(texts)) == 80
    assert all(text.endswith(",skip_connect" * 5) for text in texts[:5])
    assert task.best is not None
    assert str(task.proposal) == task.best.genotype == max(task.evaluations, key=lambda e: e.accuracy).genotype


@pytest.mark.parametrize("seed", range(4))
def test_of_several_the_best_of_the_largest_are_handed_over(seed: int) -> None:
    space = PnasSpace()
    task = run(METHOD(), make_task(space, "40evals", score=by_hash, seed=seed, top=3))
    largest = [one for one in task.evaluations if space.parse(one.genotype).picks[0] == 4]
    best = sorted({(-one.accuracy, one.genotype) for one in largest})[:3]
    assert [str(one) for one in task.handed_over()] == [genotype for _, genotype in best]


@pytest.mark.parametrize("stop", [3, 12])
def test_an_interrupted_run_goes_on_from_its_log(stop: int) -> None:
    space, journal, evaluator = PnasSpace(blocks=3), MemoryJournal(), FakeEvaluator()
    method = METHOD(first=5, beam=4)
    run(method, make_task(space, f"{stop}evals", journal=journal))
    resumed = run(method, make_task(space, "25evals", journal=journal, evaluator=evaluator))
    whole = run(method, make_task(space, "25evals"))
    assert resumed.evaluations == whole.evaluations
    assert resumed.proposal == whole.proposal
    assert len(evaluator.trained) == 25 - stop


@pytest.mark.parametrize("name", sorted(names()))
def test_works_in_every_space(name: str) -> None:
    space = get_space(name)
    task = run(METHOD(**METHOD.scaled.get("smoke", {})), make_task(space, "7evals"))
    assert METHOD().unsupported(task) is None
    assert len(task.evaluations) == 7
    assert all(space.contains(space.parse(evaluation.genotype)) for evaluation in task.evaluations)


def test_a_space_of_one_choice_is_gone_through() -> None:
    space = VectorSpace(1, 6)
    task = run(METHOD(first=2, beam=1), make_task(space, "50evals"))
    assert len(task.evaluations) == len({evaluation.genotype for evaluation in task.evaluations}) == 6


def test_a_space_without_choices_is_refused() -> None:
    assert "keras" in str(METHOD().unsupported(make_task(get_space("keras"))))


def test_defaults_are_the_papers() -> None:
    method = METHOD()
    assert (method.sizes(1160), method.members, method.units) == ((256, 256), 5, 100)
    assert [method.sizes(children) for children in (5, 20, 100)] == [(2, 2), (6, 2), (30, 5)]
    assert len(PNAS_OPERATIONS) == 8


@pytest.mark.parametrize(
    "wrong", [{"first": -1}, {"beam": -1}, {"members": 1}, {"units": 0}, {"steps": 0}, {"rate": 0.0}]
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@needs_table
def test_beats_random_search_in_nasbench201() -> None:
    """Random search finds 93.78 on the average."""
    assert returned(METHOD(**METHOD.scaled.get("nb201", {})), 10).mean() > 94.0
