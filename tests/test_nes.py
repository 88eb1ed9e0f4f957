"""Neural ensemble search: the selection of an ensemble, the pool, random search and evolution for it."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run, tiny_data
from harness.methods.common.ensembles import Pool, forward_select, loss
from harness.methods.nes_re import NesRe, mutated
from harness.methods.nes_rs import NesRs

from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import MOST_MEMBERS, Ensemble, Proposal
from harness.core.limits import Footprint, Limits
from harness.core.method import Method
from harness.core.space import Genotype
from harness.core.table import Signal
from harness.core.task import Task
from harness.run.tables import TableEvaluator
from harness.spaces import get_space

SPACE = VectorSpace(8, 3)


def pool_of(networks: int, images: int = 200, seed: int = 0) -> np.ndarray:
    """Probabilities of the right class, each network good at images of its own."""
    return np.random.default_rng(seed).beta(2, 1, (networks, images))


class TestSelection:
    def test_one_member_is_the_best_single_network(self) -> None:
        shares = pool_of(12)
        [best] = forward_select(shares, 1)
        assert loss(shares[[best]]) == min(loss(shares[[row]]) for row in range(12))

    def test_the_second_member_is_the_best_of_all_pairs_with_the_first(self) -> None:
        shares = pool_of(12)
        first, second = forward_select(shares, 2)
        pairs = {row: loss(shares[[first, row]]) for row in range(12) if row != first}
        assert pairs[second] == min(pairs.values())

    def test_none_comes_twice_and_a_small_pool_is_taken_whole(self) -> None:
        shares = pool_of(7)
        for members in (3, 7, 20):
            chosen = forward_select(shares, members)
            assert len(chosen) == len(set(chosen)) == min(members, 7)
        assert forward_select(shares, 3) == forward_select(shares, 7)[:3], "a shorter ensemble is the beginning"

    def test_two_mediocre_complementary_networks_beat_two_strong_identical_ones(self) -> None:
        strong = np.full((2, 100), 0.6)
        left = np.where(np.arange(100) < 50, 0.99, 0.35)
        shares = np.array([*strong, left, left[::-1]])
        assert loss(shares[[2]]) > loss(shares[[0]])
        assert set(forward_select(shares, 4)[:3]) == {0, 2, 3}
        assert loss(shares[[2, 3]]) < loss(shares[[0, 1]])

    def test_a_mean_of_probabilities_has_at_most_the_mean_loss(self) -> None:
        shares = pool_of(5)
        assert loss(shares) <= np.mean([loss(shares[[row]]) for row in range(5)])

    def test_equal_networks_are_taken_in_their_order_and_zeros_are_no_infinity(self) -> None:
        assert forward_select(np.full((4, 10), 0.5), 3) == [0, 1, 2]
        shares = np.array([np.r_[0.0, np.full(99, 0.9)], np.full(100, 0.4)])
        assert np.isfinite(loss(shares[[0]]))
        assert forward_select(shares, 1) == [0], "one image does not decide alone"


def planted(data: SearchData) -> FakeEvaluator:
    """Networks that are right about the images of the classes in their picks, sure of it, and unsure elsewhere."""

    class Planted(FakeEvaluator):
        def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
            assert isinstance(proposal, Genotype)
            known = np.isin(data.y_valid, list(proposal.picks))
            right = np.where(known, 0.9, 1 / data.classes)
            rest = (1 - right) / (data.classes - 1)
            rows = np.repeat(rest[:, None], data.classes, axis=1)
            rows[np.arange(len(known)), data.y_valid] = right
            return rows.astype(np.float32)

    return Planted(lambda _: 0.5)


@cache
def searched(method: Method, budget: str = "40evals", seed: int = 0) -> Task:
    return run(method, make_task(SPACE, budget, seed=seed))


METHODS = (NesRs(), NesRe())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
class TestBoth:
    def test_the_result_is_the_selection_from_all_that_was_trained(self, method: Method) -> None:
        task = searched(method)
        labels = task.data.y_valid
        shares = np.array([task.predictions(n)[np.arange(len(labels)), labels] for n in range(40)], np.float64)
        chosen = [task.evaluations[row].genotype for row in forward_select(shares, 5)]
        assert isinstance(task.proposal, Ensemble)
        assert [member.text for member in task.proposal.members] == chosen
        assert task.planned["members"] == 5

    def test_every_evaluation_is_a_training_of_its_own_and_charged(self, method: Method) -> None:
        task = searched(method)
        assert len(task.evaluations) == 40
        assert task.meter.spent == 40

    def test_an_ensemble_stands_after_each_training_and_no_single_network_replaces_it(self, method: Method) -> None:
        journal = MemoryJournal()
        run(method, make_task(SPACE, "12evals", journal=journal))
        sizes = [len(one.members) for one, *_ in journal.proposals if isinstance(one, Ensemble)]
        assert sizes == [1, 2, 3, 4, *[5] * 8]
        assert [isinstance(one, Ensemble) for one, *_ in journal.proposals] == [False, *[True] * 12]

    def test_its_accuracy_is_that_of_the_mean_of_probabilities(self, method: Method) -> None:
        journal = MemoryJournal()
        task = run(method, make_task(SPACE, "9evals", journal=journal))
        proposal, accuracy, _, shared = journal.proposals[-1]
        assert isinstance(proposal, Ensemble)
        labels = task.data.y_valid
        shares = np.array([task.predictions(n)[np.arange(len(labels)), labels] for n in range(9)], np.float64)
        numbers = forward_select(shares, 5)
        mean = np.mean([task.predictions(number) for number in numbers], axis=0)
        assert accuracy == np.mean(mean.argmax(1) == task.data.y_valid)
        assert not shared

    def test_a_resumed_search_ends_the_same(self, method: Method) -> None:
        whole = searched(method)
        journal, evaluator = MemoryJournal(), FakeEvaluator()
        journal.evaluations = whole.evaluations[:7]
        resumed = run(method, make_task(SPACE, "40evals", journal=journal, evaluator=evaluator))
        assert resumed.evaluations == whole.evaluations
        assert resumed.proposal == whole.proposal
        assert len(evaluator.trained) == 33

    def test_a_network_that_predicts_no_numbers_is_no_member(self, method: Method) -> None:
        class Broken(FakeEvaluator):
            def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
                found = super().predictions(proposal, number)
                return np.full_like(found, np.nan) if number in (0, 3) else found

        task = run(method, make_task(SPACE, "9evals", evaluator=Broken()))
        sound = {one.genotype for number, one in enumerate(task.evaluations) if number not in (0, 3)}
        assert isinstance(task.proposal, Ensemble)
        assert {member.text for member in task.proposal.members} <= sound
        assert len(task.proposal.members) == 5

    def test_tables_are_refused_in_one_sentence(self, method: Method) -> None:
        signal = Signal(np.array([0.5]), np.array([1.0]))
        task = make_task(SPACE, evaluator=TableEvaluator({str(SPACE.genotype((0,) * 8)): 0}, signal, 9))
        words = method.unsupported(task)
        assert words is not None
        assert "averages predictions" in words
        assert method.unsupported(make_task(SPACE)) is None

    def test_an_ensemble_stays_within_the_limits_as_a_whole(self, method: Method) -> None:
        limits = Limits(parameters=20)

        def size(proposal: Proposal) -> int:
            if isinstance(proposal, Ensemble):
                return sum(map(size, proposal.members))
            assert isinstance(proposal, Genotype)
            return sum(proposal.picks)

        task = make_task(SPACE, "30evals", limits=limits, beyond=lambda one: limits.beyond(Footprint(size(one), 0)))
        run(method, task)
        assert isinstance(task.proposal, Ensemble)
        labels = task.data.y_valid
        shares = np.array([task.predictions(n)[np.arange(len(labels)), labels] for n in range(30)], np.float64)
        selected = [SPACE.parse(task.evaluations[row].genotype) for row in forward_select(shares, 5)]
        count = len(task.proposal.members)
        assert count < 5
        assert list(task.proposal.members) == selected[:count]
        assert size(task.proposal) <= 20 < size(Ensemble(tuple(selected[: count + 1])))
        assert task.planned["members"] == count

    def test_networks_that_know_different_classes_are_put_together(self, method: Method) -> None:
        data, space = tiny_data(images=200, classes=4), VectorSpace(1, 4)
        for seed in range(10):
            task = make_task(space, "25evals", data=data, evaluator=planted(data), seed=seed)
            run(type(method)(members=4), task)  # type: ignore[call-arg]
            assert isinstance(task.proposal, Ensemble)
            members = {member.text for member in task.proposal.members}
            assert members == {evaluation.genotype for evaluation in task.evaluations}, "there are four at most"

    def test_settings_that_make_no_sense_are_refused(self, method: Method) -> None:
        for members in (0, MOST_MEMBERS + 1):
            with pytest.raises(InputError, match="members"):
                type(method)(members=members)  # type: ignore[call-arg]


def test_a_deep_ensemble_is_the_best_network_as_often_as_there_are_members() -> None:
    task = searched(NesRs(selection="best"))
    assert isinstance(task.proposal, Ensemble)
    [member] = set(task.proposal.members)
    assert len(task.proposal.members) == 5
    selected = searched(NesRs()).proposal
    assert isinstance(selected, Ensemble)
    assert selected.members[0] == member, "the same pool, and its best network"
    with pytest.raises(InputError, match="selection=best"):
        NesRs(selection="worst")


class TestEvolution:
    def test_the_schedule_is_the_papers_at_its_budget(self) -> None:
        assert NesRe().size(400) == 50
        assert NesRe().size(10) == 4
        assert searched(NesRe()).planned == {"members": 5, "population": 5, "parents": 2}
        assert NesRe(population=7).size(400) == 7

    def test_parents_are_recent_networks_that_make_an_ensemble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[list[int], int, int]] = []
        select = Pool.select

        def watched(pool: Pool, among: list[int], members: int) -> list[int]:
            if members == 2:
                asked.append((list(among), members, len(pool.genotypes)))
            return select(pool, among, members)

        monkeypatch.setattr(Pool, "select", watched)
        run(NesRe(population=6, parents=2), make_task(SPACE, "20evals"))
        assert [among for among, _, _ in asked] == [list(range(count - 6, count)) for count in range(6, 21)]

    def test_children_are_mutations_of_a_candidate(self) -> None:
        task = searched(NesRe())
        texts = [SPACE.parse(evaluation.genotype) for evaluation in task.evaluations]
        for number in range(5, 40):
            queue = texts[number - 5 : number]
            far = min(sum(a != b for a, b in zip(texts[number].picks, one.picks, strict=True)) for one in queue)
            assert far <= 1

    @pytest.mark.parametrize("name", ["cell-3", "enas_cell-3", "nao_cell-3", "nasnet-3", "pnas-3"])
    def test_a_mutation_is_nothing_an_input_or_an_operation_of_either_cell(self, name: str) -> None:
        """NASNet's ways to combine and PNAS' number of blocks are among the operations, and the latter no cell."""
        space, rng = get_space(name), np.random.default_rng(0)
        parent = space.sample(rng)
        kinds: Counter[tuple[str, str]] = Counter()
        for _ in range(1500):
            child = mutated(space, parent, rng)
            changed = [choice for choice, a, b in zip(space.choices, parent.picks, child.picks, strict=True) if a != b]
            assert len(changed) <= 1
            state = bool(changed) and changed[0].kind in ("input", "inputs")
            kinds[(changed[0].cell or "cell", "input" if state else "op") if changed else ("", "none")] += 1
        cells = {choice.cell for choice in space.choices if choice.kind == "op"}
        assert len(cells) == (1 if name == "pnas-3" else 2)
        assert abs(kinds["", "none"] / 1500 - 1 / 3) < 0.05
        for cell, kind in itertools.product(cells, ("op", "input")):
            assert abs(kinds[cell, kind] / 1500 - 1 / 3 / len(cells)) < 0.05

    @pytest.mark.parametrize("name", ["hierarchical", "macro-4", "nasbench201"])
    def test_without_inputs_one_choice_changes_uniformly(self, name: str) -> None:
        space, rng = get_space(name), np.random.default_rng(0)
        parent, places = space.sample(rng), Counter[int]()
        for _ in range(3000):
            child = mutated(space, parent, rng)
            places.update(n for n, (a, b) in enumerate(zip(parent.picks, child.picks, strict=True)) if a != b)
        assert abs(places.total() / 3000 - 2 / 3) < 0.04
        expected = places.total() / len(space.choices)
        assert sum((places[n] - expected) ** 2 / expected for n in range(len(space.choices))) < 2.5 * len(space.choices)

    def test_a_space_without_such_kinds_changes_one_choice(self) -> None:
        rng = np.random.default_rng(0)
        parent = SPACE.sample(rng)
        distances = [
            sum(a != b for a, b in zip(parent.picks, mutated(SPACE, parent, rng).picks, strict=True))
            for _ in range(300)
        ]
        assert set(distances) == {0, 1}
        assert abs(distances.count(0) / 300 - 1 / 3) < 0.1
