"""AutoKeras' tuner on the choices of a space, where its blocks play no part."""

from __future__ import annotations

import random

import numpy as np
import pytest
from additive import TOY, against_random_search
from fakes import MemoryJournal, VectorSpace, make_task, run
from harness.methods.autokeras import METHOD

from harness.core.space import Genotype
from harness.spaces import get_space

SPACES = ("nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3", "cell-2", "chain-3")


@pytest.mark.parametrize("name", SPACES)
def test_every_trial_is_an_evaluation_of_its_own_in_the_space(name: str) -> None:
    space = get_space(name)
    task = run(METHOD(), make_task(space, "30evals"))
    texts = [evaluation.genotype for evaluation in task.evaluations]
    assert len(texts) == len(set(texts)) == 30
    assert all(space.contains(space.parse(text)) for text in texts)


def test_a_trial_is_the_best_one_with_a_node_a_cell_or_everything_drawn_anew() -> None:
    space = get_space("cell-2")
    task = run(METHOD(), make_task(space, "150evals"))
    kept = task.evaluations[0]
    nodes, cells, total = 0, 0, len(task.evaluations) - 1
    for evaluation in task.evaluations[1:]:
        new, old = (space.parse(one.genotype).picks for one in (evaluation, kept))
        changed = [place for place, (a, b) in enumerate(zip(new, old, strict=True)) if a != b]
        nodes += len({space.choices[place].node for place in changed}) == 1
        cells += len({space.choices[place].cell for place in changed}) == 1
        kept = max(kept, evaluation, key=lambda one: one.accuracy)
    assert total * 0.9 < nodes < cells < total


def test_it_goes_on_when_all_neighbours_have_been_tried_and_ends_with_the_space() -> None:
    whole = run(METHOD(), make_task(VectorSpace(3, 2), "50evals"))
    assert len({evaluation.genotype for evaluation in whole.evaluations}) == len(whole.evaluations) == 8


@pytest.mark.slow
def test_it_beats_random_search_on_an_additive_task() -> None:
    lead, p = against_random_search(METHOD(), "50evals", seeds=30)
    assert lead > 0
    assert p < 0.01


def test_it_repeats_itself_leaves_generators_alone_and_resumes_from_its_log() -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = random.random(), np.random.random()  # noqa: NPY002
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    journal = MemoryJournal()
    first = run(METHOD(), make_task(TOY, "25evals", seed=5, journal=journal))
    assert (random.random(), np.random.random()) == before  # noqa: NPY002
    begun = MemoryJournal()
    run(METHOD(), make_task(TOY, "9evals", seed=5, journal=begun))
    resumed = run(METHOD(), make_task(TOY, "25evals", seed=5, journal=begun))
    assert [one.genotype for one in resumed.evaluations] == [one.genotype for one in first.evaluations]
    assert isinstance(first.proposal, Genotype)
    assert resumed.proposal == first.proposal
    other = run(METHOD(), make_task(TOY, "25evals", seed=6))
    assert [one.genotype for one in other.evaluations] != [one.genotype for one in first.evaluations]
