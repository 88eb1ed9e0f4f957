"""Hierarchical evolution: mutations against enumeration, a population that keeps all, tournaments, the control."""

from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
import pytest
from additive import against_random_search
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task, run
from harness.methods.hierarchical import METHOD, MotifBreeder, breeder_of
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.task import Proposal
from harness.spaces import get_space, names
from harness.spaces.hierarchical import HierarchicalSpace

SPACE = HierarchicalSpace()
WIDE = VectorSpace(60, 10)


def differing(a: tuple[int, ...], b: tuple[int, ...]) -> list[int]:
    return [place for place, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]


@pytest.mark.parametrize("name", sorted(names()))
def test_a_mutation_changes_at_most_one_entry(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(0)
    breeder = breeder_of(space)
    changed = Counter[int]()
    for _ in range(300):
        parent = space.sample(rng).picks
        child = breeder.mutated(parent, rng)
        assert space.contains(space.genotype(child))
        changed[len(differing(parent, child))] += 1
    assert set(changed) == {0, 1}


def test_level_motif_target_and_source_are_uniform_in_turn() -> None:
    small = HierarchicalSpace("hierarchical-2", motifs=2, nodes=3, cell_nodes=3)
    breeder, rng = MotifBreeder(small), np.random.default_rng(1)
    drawn = Counter(breeder.position(rng) for _ in range(12_000))
    wanted = {}
    for graph in small.graphs:
        share = 1 / 2 if graph is small.graphs[-1] else 1 / 4
        wanted |= {place: share / 2 / (target - 1) for (_, target), place in graph.items()}
    assert sum(wanted.values()) == pytest.approx(1.0)
    deviation = sum((drawn[place] - 12_000 * p) ** 2 / (12_000 * p) for place, p in wanted.items())
    assert deviation < 26.1  # 8 degrees of freedom, p = 0.001


def test_the_new_label_is_uniform_and_may_be_the_old_one() -> None:
    breeder, rng, parent = MotifBreeder(SPACE), np.random.default_rng(2), SPACE.identity().picks
    children = [breeder.mutated(parent, rng) for _ in range(7000)]
    same = sum(child == parent for child in children)
    assert same / 7000 == pytest.approx(1 / 7, abs=0.015)


def test_the_first_population_comes_from_chains_of_identities() -> None:
    breeder = breeder_of(SPACE)
    start = breeder.first(0, np.random.default_rng(3))
    assert start == SPACE.identity().picks
    motifs, cell = SPACE.read(SPACE.identity())
    assert {m.edges for m in motifs.values()} == {tuple((n, n + 1, "skip_connect") for n in (1, 2, 3))}
    assert cell.edges == tuple((n, n + 1, "motif1") for n in (1, 2, 3, 4))
    rng = np.random.default_rng(4)
    far = [len(differing(start, breeder.first(1000, rng))) for _ in range(20)]
    assert np.mean(far) == pytest.approx(46 * 6 / 7, abs=2.0), "hardly anything is left of them"
    near = [len(differing(start, breeder.first(3, rng))) for _ in range(20)]
    assert max(near) <= 3


def test_tournaments_grow_with_the_population() -> None:
    method = METHOD(least=1)
    assert [method.tournament_size(n) for n in (1, 20, 21, 200, 201, 7200)] == [1, 1, 2, 10, 11, 360]
    assert [METHOD().tournament_size(n) for n in (3, 20, 100, 101)] == [3, 5, 5, 6]


def test_nobody_dies() -> None:
    """The second founder has the top score: it is every child's parent, for ever, if a tournament holds everybody."""
    number = count()
    evaluator = FakeEvaluator(lambda _: 1.0 if next(number) == 1 else 0.1)
    task = run(METHOD(population=5, tournament=1.0), make_task(WIDE, "60evals", evaluator=evaluator))
    picks = [WIDE.parse(evaluation.genotype).picks for evaluation in task.evaluations]
    changed = {len(differing(picks[1], child)) for child in picks[5:]}
    assert changed == {1} or changed == {0, 1}
    assert min(len(differing(a, b)) for a in picks[:5] for b in picks[:5] if a is not b) > 30


def test_a_tournament_of_one_has_any_member_as_parent() -> None:
    """Without selection children stay as random as their parents: the mean accuracy does not rise."""
    high = {"score": lambda proposal: sum(proposal.picks) / 540}  # type: ignore[attr-defined]
    drift = run(METHOD(population=10, least=1, tournament=1e-9), make_task(WIDE, "400evals", **high))
    bred = run(METHOD(population=10), make_task(WIDE, "400evals", **high))
    assert np.mean([e.accuracy for e in drift.evaluations[-100:]]) == pytest.approx(0.5, abs=0.07)
    assert np.mean([e.accuracy for e in bred.evaluations[-100:]]) > 0.65


def test_the_control_only_draws() -> None:
    task = run(METHOD(control="random"), make_task(WIDE, "60evals", score=by_hash))
    picks = [WIDE.parse(evaluation.genotype).picks for evaluation in task.evaluations]
    assert min(len(differing(a, b)) for a in picks for b in picks if a is not b) > 30
    own = run(METHOD(control="random", mutations=50), make_task(SPACE, "20evals"))
    assert len({evaluation.genotype for evaluation in own.evaluations}) == 20


def test_the_first_population_follows_the_budget() -> None:
    sizes = [METHOD().first_population(make_task(SPACE, f"{n}evals")) for n in (5, 40, 400, 7200)]
    assert sizes == [4, 10, 100, 200]
    assert METHOD(population=7).first_population(make_task(SPACE, "400evals")) == 7


@pytest.mark.parametrize("budget", ["40evals", "40s"])
def test_resumes_from_the_log(budget: str) -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator()
    whole = run(METHOD(mutations=20), make_task(SPACE, budget))
    journal.evaluations = whole.evaluations[:17]
    resumed = run(METHOD(mutations=20), make_task(SPACE, budget, journal=journal, evaluator=evaluator))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) <= 23


def test_equal_scores_do_not_stop_it() -> None:
    def alike(_: Proposal) -> float:
        return 0.5

    assert len(run(METHOD(mutations=5), make_task(SPACE, "30evals", score=alike)).evaluations) == 30


@pytest.mark.parametrize("name", sorted(names()))
def test_works_in_every_space_with_genotypes(name: str) -> None:
    task = make_task(get_space(name), "10evals")
    assert METHOD().unsupported(task) is None
    assert len(run(METHOD(), task).evaluations) == 10


def test_says_that_a_space_without_choices_is_not_for_it() -> None:
    assert "no choices" in (METHOD().unsupported(make_task(get_space("keras"))) or "")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"control": "flat"}, {"tournament": 0.0}, {"tournament": 1.1}, {"least": 0}),
        *({"population": -1}, {"mutations": -1}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", ["20evals", "100evals"])
def test_beats_random_search_on_an_additive_task(budget: str) -> None:
    lead, p = against_random_search(METHOD(), budget)
    assert lead > 0.02
    assert p < 0.01


@needs_table
def test_stands_before_random_search_in_nasbench201() -> None:
    """200 seeds; random search has 93.75, the best cell 94.37."""
    assert returned(METHOD(), 200).mean() == pytest.approx(94.0, abs=0.15)
