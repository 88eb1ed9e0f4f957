"""Limits of the final network: what is beyond is refused before training, at no cost, and everybody is told."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.regularized_evolution import METHOD as RegularizedEvolution
from report_records import make
from tables_on_disk import write_table
from test_core_task import share_of_ones, spend
from test_run_plan import pretend, request_for

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, KerasConfig, Proposal
from harness.core.limits import Footprint, Limits
from harness.core.refusals import MOST_REFUSALS
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.core.task import Task
from harness.plugins.catalogue import Catalogue, load_method
from harness.report.model.groups import blocks
from harness.run.job import Failure
from harness.run.plan import make_plan
from harness.run.profiles import NB201
from harness.run.request import make_request
from harness.run.search import checked, summary

SPACE = VectorSpace(12)
LIMITS = Limits(parameters=6)


def beyond(proposal: Proposal) -> str:
    """A genotype of this toy has as many parameters as ones."""
    assert isinstance(proposal, Genotype)
    return LIMITS.beyond(Footprint(sum(proposal.picks), 0))


def limited(budget: str = "30evals", **changes: object) -> Task:
    return make_task(SPACE, budget, limits=LIMITS, beyond=beyond, **changes)  # type: ignore[arg-type]


def of(ones: int) -> Genotype:
    return SPACE.genotype((1,) * ones + (0,) * (12 - ones))


class TestWords:
    @pytest.mark.parametrize(
        ("words", "limits"),
        [
            (("500000", "", ""), Limits(500_000)),
            (("0.5M", "5e7", ""), Limits(500_000, 50_000_000)),
            (("", "2g", "2.5"), Limits(0, 2_000_000_000, 2.5)),
            (("500k", "", "1s"), Limits(500_000, 0, 1000.0)),
            (("", "", "2.5ms"), Limits(latency=2.5)),
        ],
    )
    def test_are_read(self, words: tuple[str, str, str], limits: Limits) -> None:
        assert Limits.parse(*words) == limits
        assert limits

    @pytest.mark.parametrize("word", ["x", "-1", "0", "1e400", "٣", "5 5", "nan", "inf"])
    def test_nonsense_is_one_sentence(self, word: str) -> None:
        for place in range(3):
            with pytest.raises(InputError, match="--max-"):
                Limits.parse(*("" if place != other else word for other in range(3)))

    def test_no_words_are_no_limit(self) -> None:
        assert not Limits.parse()
        assert Limits().words() == ""
        assert Limits().beyond(Footprint(10**9, 10**12, 1e6)) == ""

    def test_at_the_limit_is_within_it(self) -> None:
        limits = Limits(10, 20, 1.5)
        assert limits.beyond(Footprint(10, 20, 1.5)) == ""
        for found in (Footprint(11, 20, 1.5), Footprint(10, 21, 1.5), Footprint(10, 20, 1.6)):
            assert limits.beyond(found)
        assert limits.beyond(Footprint(10, 20)) == "", "what was not measured is not beyond"


class TestTask:
    def test_a_proposal_beyond_is_not_trained_and_costs_nothing(self) -> None:
        evaluator = FakeEvaluator(seconds=5.0, gradient_steps=7, macs=9)
        task = limited(evaluator=evaluator)
        [refused, trained] = task.evaluate([of(7), of(6)])
        assert (refused.accuracy, refused.steps, refused.macs, refused.seconds) == (0.0, 0, 0, 0.0)
        assert refused.refused
        assert refused.failure == "refused: 7 parameters, 6 at most"
        assert evaluator.trained == [of(6)]
        assert task.meter.steps == 7
        assert not trained.refused
        assert task.proposal == of(6)

    def test_a_budget_buys_as_many_trainings_as_without(self) -> None:
        evaluator = FakeEvaluator(share_of_ones)
        task = limited("12evals", evaluator=evaluator)
        spend(task)
        assert task.refusals.count > 0
        assert len(evaluator.trained) == 12
        facts = summary(task, evaluator.steps())
        assert (facts["evaluations"], facts["refused"], facts["charged"]) == (12, task.refusals.count, 12)

    def test_a_proposal_beyond_leaves_the_one_before(self) -> None:
        task = limited()
        task.propose(of(7), 0.9)
        assert task.proposal is None
        task.propose(of(3), 0.5)
        task.propose(of(8), 0.9)
        assert task.proposal == of(3)

    def test_draws_stay_within_and_without_limits_the_stream_is_the_same(self) -> None:
        task = limited()
        assert all(sum(task.sample().picks) <= 6 for _ in range(50))
        free = make_task(SPACE)
        again = np.random.default_rng(0)
        assert [free.sample() for _ in range(5)] == [SPACE.sample(again) for _ in range(5)]

    def test_a_search_that_only_asks_for_what_it_may_not_ends_and_says_why(self) -> None:
        task = limited()
        for _ in range(MOST_REFUSALS):
            task.evaluate([of(12)])
        with pytest.raises(BudgetSpent):
            task.evaluate([of(12)])
        with pytest.raises(Failure, match=r"within the limits, at most 6 parameters; 1001 were refused.*12 par"):
            checked(task, SPACE)
        drawing = limited()
        with pytest.raises(BudgetSpent):
            drawing.draw(lambda: of(12))
        assert drawing.refusals.count == MOST_REFUSALS + 1

    def test_an_interrupted_search_is_not_asked_again(self) -> None:
        journal = MemoryJournal()
        first = limited("5evals", journal=journal)
        wanted = [of(9), of(2), of(8), of(1)]
        told = first.evaluate(wanted)
        asked: list[Proposal] = []

        def measured_otherwise(proposal: Proposal) -> str:
            asked.append(proposal)
            return ""

        again = make_task(SPACE, "5evals", journal=journal, limits=LIMITS, beyond=measured_otherwise)
        assert again.evaluate(wanted) == told
        assert asked == []

    def test_a_checkpoint_keeps_what_was_refused(self) -> None:
        journal = MemoryJournal()
        first = limited("9evals", journal=journal)
        first.evaluate([of(9), of(2), of(8), of(10)])
        first.propose(of(11), 0.5)
        first.checkpoint(dict)
        first.evaluate([of(12)])
        again = limited("9evals", journal=journal)
        assert again.restored() is not None
        assert again.refusals.count == 4
        again.evaluate([of(12)])
        assert again.refusals.state() == first.refusals.state() == [5, f"{of(12)}: 12 parameters, 6 at most", 4, 1]

    def test_refusals_are_in_a_row_only_where_nothing_is_trained_between_them(self) -> None:
        named, training, sampling = limited("9000steps"), limited("9000steps"), limited("9000steps")
        for _ in range(3 * MOST_REFUSALS):
            named.propose(of(7))
            named.propose(of(2))
            training.propose(of(7))
            training.step()
            sampling.propose(of(7))
            sampling.sample()
        assert (named.meter.steps, training.meter.steps) == (0, 3 * MOST_REFUSALS)
        for _ in range(MOST_REFUSALS - 1):
            training.propose(of(7))
        training.propose(of(7))
        with pytest.raises(BudgetSpent):
            training.propose(of(7))

    @pytest.mark.parametrize("way", ["sample", "propose", "record", "evaluate"])
    @pytest.mark.parametrize("checkpoint", [False, True])
    def test_an_interrupted_search_keeps_what_was_measured(self, way: str, checkpoint: bool) -> None:
        """A second measurement may come out otherwise, and then the search would go another way."""
        timed, measured = Limits(latency=2.5), iter(np.random.default_rng(1).normal(2.5, 0.1, 1000))
        asked: list[Proposal] = []

        def beyond(proposal: Proposal) -> str:
            asked.append(proposal)
            return timed.beyond(Footprint(0, 0, float(next(measured))))

        def search(journal: MemoryJournal, rounds: int) -> Task:
            task = make_task(SPACE, "99evals", journal=journal, limits=timed, beyond=beyond)
            task.restored()
            while len(task.evaluations) < rounds:
                one = task.sample() if way == "sample" else SPACE.sample(task.rng)
                if way == "propose":
                    task.propose(one, 0.5)
                if way == "record":
                    task.record(str(one), partial(Evaluation, str(one), 0.5, (), 0.0, 0), one)
                else:
                    task.evaluate([one])
                if checkpoint and len(task.evaluations) == 4:
                    task.checkpoint(dict)
            return task

        journal = MemoryJournal()
        first = search(journal, 10)
        looks = len(asked)
        again = search(journal, 10)
        assert len(asked) == looks, "nothing is measured twice"
        assert again.evaluations == first.evaluations
        assert again.proposal == first.proposal
        assert again.refusals.state() == first.refusals.state()

    def test_a_keras_model_is_measured_by_what_it_is_and_not_by_its_name(self) -> None:
        asked: list[Proposal] = []
        limits = Limits(latency=1.0)

        def beyond(proposal: Proposal) -> str:
            asked.append(proposal)
            return ""

        task = make_task(SPACE, limits=limits, beyond=beyond)
        for text in ("{}", "[]", "{}", '{"name": "conv2d"}', '{"name": "conv2d_7"}'):
            task.refusal(KerasConfig("trial", text))
        told = [one.json for one in asked if isinstance(one, KerasConfig)]
        assert told == ["{}", "[]", '{"name": "conv2d"}'], "Keras numbers layers on when a model is built again"

    def test_a_training_of_the_methods_own_is_looked_at_before(self) -> None:
        task = limited()

        def train() -> Evaluation:
            raise AssertionError("trained")

        assert task.record(str(of(7)), train, of(7)).refused

    def test_plans_count_trainings_only(self) -> None:
        task = limited("100macs", evaluator=FakeEvaluator(macs=10))
        task.evaluate([of(9), of(9), of(2)])
        assert task.children() == 10


DRAWING = ("random_sampling", "random_search", "regularized_evolution", "hierarchical")


@pytest.mark.parametrize("name", [*DRAWING, "local_search"])
def test_methods_that_draw_stay_within(name: str) -> None:
    method = load_method(Catalogue().source("method", name))
    task = run(method(), limited("30evals", score=share_of_ones))
    assert isinstance(task.proposal, Genotype)
    assert sum(task.proposal.picks) <= 6
    if name != "random_sampling":
        assert sum(task.proposal.picks) == 6 or name in ("random_search", "hierarchical")
        vain = any(evaluation.refused for evaluation in task.evaluations)
        assert vain == (name == "local_search"), "which looks at neighbours, and those beyond are refused"


@pytest.mark.parametrize("name", ["reinforce", "nasnet", "nas_rl", "nao"])
def test_policies_and_models_draw_again_and_are_taught_nothing(name: str) -> None:
    """The gap between nothing and any accuracy would be all that they learn."""
    method = load_method(Catalogue().source("method", name))
    task = run(method(**method.scaled.get("table", {})), limited("24evals", score=share_of_ones))
    assert len(task.evaluations) >= 24
    assert task.refusals.count > 0
    assert not any(evaluation.refused for evaluation in task.evaluations)


def test_a_policy_beats_random_search_within_a_limit_too() -> None:
    """One architecture in twelve is allowed."""
    space, worth = VectorSpace(8, 5), np.random.default_rng(1).random((8, 5))
    limits = Limits(parameters=10)

    def score(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        return float(worth[np.arange(8), proposal.picks].mean())

    def refused(proposal: Proposal) -> str:
        assert isinstance(proposal, Genotype)
        return limits.beyond(Footprint(sum(proposal.picks), 0))

    def best(name: str) -> list[float]:
        method = load_method(Catalogue().source("method", name))
        tasks = [
            run(method(), make_task(space, "50evals", limits=limits, beyond=refused, score=score, seed=seed))
            for seed in range(20)
        ]
        return [task.best.accuracy for task in tasks if task.best]

    policy, chance = best("reinforce"), best("random_search")
    assert len(policy) == len(chance) == 20
    assert np.mean(policy) > np.mean(chance) + 2 * np.std(np.subtract(policy, chance)) / np.sqrt(20)


def test_what_is_given_to_evolution_from_elsewhere_stays_within_too() -> None:
    task = limited("30evals", score=share_of_ones)
    with contextlib.suppress(BudgetSpent):
        RegularizedEvolution().search(task, [of(9), of(3), of(12), of(2)])
    assert [evaluation.genotype for evaluation in task.evaluations[:3:2]] == [str(of(3)), str(of(2))]
    assert not any(evaluation.refused for evaluation in task.evaluations)


class TestImages:
    def test_counted_as_the_built_network_at_the_final_size(self) -> None:
        from harness.nets import count
        from harness.nets.build import build_model
        from harness.nets.footprint import Sizer
        from harness.spaces import get_space

        space, size = get_space("cell-2"), Size(8, 3)
        genotype = space.sample(rng(0, "limits"))
        model = build_model(genotype, space, size, (8, 8, 3), 4, seed=0)
        found = Footprint(count.parameters(model), count.macs(model))
        exact, less = Limits(found.parameters, found.macs), Limits(found.parameters - 1)
        assert Sizer(space, size, (8, 8, 3), 4, exact)(genotype) == ""
        assert f"{found.parameters:,} parameters" in Sizer(space, size, (8, 8, 3), 4, less)(genotype)
        assert Sizer(space, Size(16, 3), (8, 8, 3), 4, exact)(genotype)

    def test_latency_is_measured_where_it_is_asked_for(self) -> None:
        from harness.nets.footprint import Sizer
        from harness.spaces import get_space

        space = get_space("cell-2")
        genotype = space.sample(rng(0, "limits"))
        slow = Sizer(space, Size(8, 3), (8, 8, 3), 4, Limits(latency=1e-6))
        assert "ms a forward pass" in slow(genotype)
        assert Sizer(space, Size(8, 3), (8, 8, 3), 4, Limits(latency=1e6))(genotype) == ""

    @pytest.mark.parametrize("off", [False, True])
    def test_a_network_is_timed_alike_in_the_search_of_every_method(self, off: bool) -> None:
        """Supernets switch the graph optimiser off for their process; the networks they find work with it."""
        import keras
        import tensorflow as tf

        from harness.nets import footprint

        def is_off() -> bool:
            return bool(tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False))

        class Spy(keras.layers.Layer):
            def call(self, images: tf.Tensor) -> tf.Tensor:
                during.append(is_off())
                return images

        during, before = list[bool](), is_off()
        image = keras.Input((2, 2, 1))
        model = keras.Model(image, Spy()(image))
        during.clear()
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": off})
        try:
            assert footprint.latency(model) > 0
            assert is_off() is off
        finally:
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
        assert during
        assert not any(during)


class TestPlan:
    def test_limits_are_part_of_the_inputs_and_a_directory_holds_one_kind(self, tmp_path: Path) -> None:
        free = request_for(tmp_path)
        small = dataclasses.replace(free, profile=dataclasses.replace(free.profile, limits=Limits(1000)))
        for job in make_plan(small).jobs:
            pretend(job)
        assert make_plan(small).jobs == ()
        other = dataclasses.replace(free, profile=dataclasses.replace(free.profile, limits=Limits(1001)))
        for request in (free, other, dataclasses.replace(free, methods=("random_search",))):
            with pytest.raises(InputError, match=r"at most 1,000 parameters.*--out"):
                make_plan(request)

    def test_of_a_request(self) -> None:
        made = make_request(max_parameters="500k", max_latency="3ms")
        assert made.profile.limits == Limits(500_000, 0, 3.0)
        assert not make_request().profile.limits

    def test_a_table_that_cannot_be_counted_is_refused(self, tmp_path: Path) -> None:
        base = request_for(tmp_path, methods=("random_search",), datasets=(f"table:{write_table(tmp_path)}",))
        for limits, sentence in ((Limits(5), "cannot be counted"), (Limits(latency=5), "networks to time")):
            profile = dataclasses.replace(NB201, limits=limits)
            with pytest.raises(InputError, match=sentence):
                make_plan(dataclasses.replace(base, profile=profile))


def test_a_table_says_its_limits_and_does_not_mix_them() -> None:
    runs = [make("darts", 0.9), make("darts", 0.8, limits={"parameters": 1000})]
    titles = [block.title for block in blocks(runs)]
    assert len(titles) == 2
    assert sum("networks of at most 1,000 parameters" in title for title in titles) == 1
