"""Regularised evolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, Score, VectorSpace, by_hash, make_task, run
from harness.methods.regularized_evolution import METHOD
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.evaluation import Proposal
from harness.core.space import Choice, Genotype, Space
from harness.core.task import Task
from harness.spaces import get_space, names

WIDE = VectorSpace(60, 10)


class Witness(VectorSpace):
    """Remembers whom it drew or bred and whom each child was bred from."""

    def __init__(self) -> None:
        super().__init__(60, 10)
        self.born: list[Genotype] = []
        self.parents: list[Genotype] = []

    def sample(self, rng: np.random.Generator) -> Genotype:
        self.born.append(super().sample(rng))
        return self.born[-1]

    def mutate(
        self, genotype: Genotype, rng: np.random.Generator, among: Callable[[Choice], bool] = lambda _: True
    ) -> Genotype:
        self.parents.append(genotype)
        self.born.append(super().mutate(genotype, rng, among))
        return self.born[-1]

    def ages(self, population: int) -> list[int]:
        """For each child, its parent's place in the queue of that moment, 0 being the oldest."""
        found = []
        for child, parent in enumerate(self.parents):
            [age] = [age for age in range(population) if self.born[child + age] is parent]
            found.append(age)
        return found


def differing(a: Genotype, b: Genotype) -> list[int]:
    return [i for i, (x, y) in enumerate(zip(a.picks, b.picks, strict=True)) if x != y]


def noisy_ones(seed: int) -> FakeEvaluator:
    """The toy of the paper's supplement: the share of ones plus N(0, 0.01)."""
    noise = np.random.default_rng(1000 + seed)

    def score(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        return float(np.mean(proposal.picks) + noise.normal(0, 0.01))

    return FakeEvaluator(score)


def ones_found(population: int, sample: int, seed: int) -> int:
    task = run(
        METHOD(population, sample), make_task(VectorSpace(100), "1000evals", evaluator=noisy_ones(seed), seed=seed)
    )
    assert isinstance(task.proposal, Genotype)
    return sum(task.proposal.picks)


def evolve(population: int, sample: int, evaluations: int, score: Score = by_hash) -> Witness:
    space = Witness()
    run(METHOD(population, sample), make_task(space, f"{evaluations}evals", score=score))
    return space


@pytest.mark.slow
def test_toy_of_the_paper_reaches_its_band() -> None:
    ones = [ones_found(100, 10, seed) for seed in range(20)]
    assert 87 <= np.mean(ones) <= 91


def test_a_sample_of_one_only_drifts() -> None:
    assert np.mean([ones_found(100, 1, seed) for seed in range(10)]) == pytest.approx(63.5, abs=2.0)


def test_starts_with_a_random_population() -> None:
    space = evolve(12, 3, 20)
    assert len(space.born) - len(space.parents) == 12
    assert min(len(differing(a, b)) for a in space.born[:12] for b in space.born[:12] if a is not b) > 30


def test_the_oldest_leaves_however_good_it_is() -> None:
    """The third founder has the top score: it is the parent as long as it is in the queue, and never afterwards."""
    number = count()
    space = evolve(8, 200, 60, lambda _: 1.0 if next(number) == 2 else 0.1)
    assert [space.born.index(parent) for parent in space.parents[:3]] == [2, 2, 2]
    assert space.born[2] not in space.parents[3:]


def test_the_best_in_the_queue_is_parent_if_all_are_drawn() -> None:
    space = evolve(6, 200, 80)
    for child, age in enumerate(space.ages(6)):
        queue = [by_hash(member) for member in space.born[child : child + 6]]
        assert age == int(np.argmax(queue))


def test_each_rank_wins_a_tournament_with_replacement_as_often_as_it_should() -> None:
    population, sample, children = 10, 3, 2500
    space = evolve(population, sample, population + children)
    ranks: Counter[int] = Counter()
    for child, age in enumerate(space.ages(population)):
        scores = [by_hash(member) for member in space.born[child : child + population]]
        ranks[sorted(scores, reverse=True).index(scores[age])] += 1
    for rank in range(population):
        p = (1 - rank / population) ** sample - (1 - (rank + 1) / population) ** sample
        assert ranks[rank] / children == pytest.approx(p, abs=3.5 * np.sqrt(p * (1 - p) / children))


def test_a_sample_of_one_picks_parents_uniformly() -> None:
    ages = Counter(evolve(10, 1, 2010).ages(10))
    assert sum((ages[age] - 200) ** 2 / 200 for age in range(10)) < 27.9  # 9 degrees of freedom, p = 0.001


def test_the_result_is_the_best_of_the_history_even_after_it_died() -> None:
    number = count()
    evaluator = FakeEvaluator(lambda _: 1.0 if next(number) == 2 else 0.1)
    task = run(METHOD(4, 2), make_task(WIDE, "40evals", evaluator=evaluator))
    assert task.proposal == evaluator.trained[2]


def test_identity_children_are_as_frequent_as_stated_and_charged() -> None:
    space = get_space("cell")
    method, rng = METHOD(), np.random.default_rng(0)
    parent = space.sample(rng)
    same = sum(method.mutate(space, parent, rng) == parent for _ in range(3000))
    assert same / 3000 == pytest.approx(0.05, abs=0.012)
    task = run(METHOD(population=2, sample=2, identity=0.9), make_task(space, "30evals"))
    assert len(task.evaluations) == 30
    assert len({e.genotype for e in task.evaluations}) < 15


CELLS = sorted(
    name for name in names() if {"input", "op"} <= {choice.kind.removesuffix("s") for choice in get_space(name).choices}
)


def test_all_spaces_of_cells_are_told_by_their_choices() -> None:
    assert CELLS == ["cell", "enas_cell", "nao_cell", "nasnet", "pnas"]


@pytest.mark.parametrize("name", CELLS)
def test_one_cell_mutation_in_twenty_is_the_identity(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(4)
    parent = space.sample(rng)
    same = sum(METHOD().mutate(space, parent, rng) == parent for _ in range(3000))
    assert same / 3000 == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("name", CELLS)
def test_cell_mutations_are_half_hidden_state_and_half_operation(name: str) -> None:
    """NASNet's ways to combine and PNAS' number of blocks are among the operations."""
    space, rng = get_space(name), np.random.default_rng(1)
    method = METHOD(identity=0.0)
    parent = space.sample(rng)
    places = Counter(differing(parent, method.mutate(space, parent, rng))[0] for _ in range(4000))
    effective = set(space.effective(parent))
    states = {i for i in effective if space.choices[i].name.split(".")[-1].startswith("in")}
    assert sum(places[i] for i in states) / 4000 == pytest.approx(0.5, abs=0.03)
    for group in (states, effective - states):
        movable = [i for i in group if len(space.choices[i]) > 1]
        expected = 2000 / len(movable)
        assert sum((places[i] - expected) ** 2 / expected for i in movable) < 2.5 * len(movable)


@pytest.mark.parametrize("name", [*sorted(names()), "cell-1"])
def test_a_mutation_changes_one_pick_to_a_neighbour_and_leaves_the_parent(name: str) -> None:
    space, rng = get_space(name), np.random.default_rng(2)
    method = METHOD(identity=0.0)
    for _ in range(30):
        parent = space.sample(rng)
        before = str(parent)
        child = method.mutate(space, parent, rng)
        [place] = differing(parent, child)
        assert child.picks[place] in space.choices[place].neighbours(parent.picks[place])
        assert str(parent) == before


@pytest.mark.parametrize("name", [*sorted(names()), "cell-1"])
@pytest.mark.parametrize("budget", [6, 20])
def test_spends_a_small_budget_in_every_space(name: str, budget: int) -> None:
    task = run(METHOD(), make_task(get_space(name), f"{budget}evals"))
    assert len(task.evaluations) == budget
    assert task.planned == ({} if budget < 14 else {"population": 14, "sample": 7})


@pytest.mark.parametrize(
    ("children", "population", "sample"), [(20, 14, 7), (100, 20, 10), (300, 60, 25), (700, 100, 25)]
)
@pytest.mark.parametrize("unit", ["evals", "s", "macs"])
def test_the_queue_follows_from_the_number_of_children(unit: str, children: int, population: int, sample: int) -> None:
    space, evaluator = Witness(), FakeEvaluator(seconds=2.0, macs=50)
    amount = {"evals": children, "s": 2 * children, "macs": 50 * children}[unit]
    task = run(METHOD(), make_task(space, f"{amount}{unit}", evaluator=evaluator))
    assert task.planned == {"population": population, "sample": sample}
    assert len(task.evaluations) == children
    assert len(space.parents) == children - population + 1, "the last one did not fit"


def test_a_repeated_child_is_trained_again() -> None:
    evaluator = FakeEvaluator()
    task = run(METHOD(4, 2), make_task(VectorSpace(3), "40evals", evaluator=evaluator))
    assert len(evaluator.trained) == len(task.evaluations) == 40
    assert len(set(evaluator.trained)) <= 8


def resumed(space: Space, stop: int) -> tuple[Task, Task, FakeEvaluator]:
    method, journal, evaluator = METHOD(5, 2), MemoryJournal(), FakeEvaluator()
    run(method, make_task(space, f"{stop}evals", journal=journal))
    second = run(method, make_task(space, "30evals", journal=journal, evaluator=evaluator))
    return second, run(method, make_task(space, "30evals")), evaluator


@pytest.mark.parametrize("stop", [2, 17])
def test_resumes_from_the_log(stop: int) -> None:
    second, whole, evaluator = resumed(WIDE, stop)
    assert second.evaluations == whole.evaluations
    assert len(evaluator.trained) == 30 - stop


@pytest.mark.parametrize("wrong", [{"population": -1}, {"sample": -1}, {"identity": 1.0}, {"identity": -0.1}])
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


def test_the_papers_budget_gives_the_papers_settings() -> None:
    method = METHOD()
    assert (method.members(20_000), method.members(500), method.members(499), method.identity) == (100, 100, 99, 0.05)


@needs_table
def test_reaches_the_published_figure_of_nasbench201() -> None:
    assert returned(METHOD(population=10, sample=3), 200).mean() == pytest.approx(93.93, abs=0.15)
