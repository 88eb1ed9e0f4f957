"""Searches that train shared weights: which images they see, and that they go on from a checkpoint as if not killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from controllers import CASES
from fakes import make_task, run
from harness.methods.common import eas_controller, morphism_training
from harness.methods.common.eas_controller import Controller as EasController
from harness.methods.common.morph_moves import Child, expansions
from harness.methods.common.nao import Learner
from harness.methods.common.nao_settings import ModelSettings
from harness.methods.common.shared_weights import StepTimes
from harness.methods.eas import METHOD as EAS
from harness.methods.nao_ws import METHOD as NAO_WS
from keeping import Keeping
from morph_trainers import LookUp
from parted import TRAIN, VALID
from round_trip import takes_everything
from weight_searches import SEARCHES, Made, begun

from harness.core.evaluation import Proposal
from harness.core.journal import State
from harness.core.space import Genotype
from harness.core.task import Task
from harness.spaces import get_space
from harness.spaces.morphism import Chain, MorphSpace

_morphs = get_space("eas-2")
assert isinstance(_morphs, MorphSpace)
MORPHS: MorphSpace = _morphs


class Wandering:
    """A policy of single random moves, in the place of EAS' controller."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._weights = 0.0

    def sample(self, chain: Chain, count: int, rng: np.random.Generator) -> list[Child]:
        return [Child((move,), child) for move, child in expansions(MORPHS, chain, rng)[:count]]

    def learn(self, advantages: np.ndarray) -> None:
        """Another number that stands for the weights."""
        self._weights = 0.9 * self._weights + float(advantages @ np.arange(1, 1 + len(advantages)))

    def state(self) -> State:
        return {"weights": np.array(self._weights)}

    def restore(self, state: State) -> None:
        self._weights = float(state["weights"])


class Saved(LookUp):
    """Saves what the search wants to be saved; networks are in the log."""

    def __init__(self, task: Task, *_: Any, **__: Any) -> None:
        super().__init__(task)

    def save(self, extra: Callable[[], State] = dict) -> None:
        self._task.checkpoint(extra)

    def restored(self) -> State | None:
        state = self._task.restored()
        self.found = [(MORPHS.read(MORPHS.parse(one.genotype)), one.accuracy) for one in self._task.evaluations]
        return state


def run_on(patch: pytest.MonkeyPatch, name: str, journal: Keeping) -> Made:
    made = begun(patch, name, journal)
    journal.calls = made.net.calls
    made.search.run()
    return made


@pytest.fixture(scope="module", params=SEARCHES)
def whole(request: pytest.FixtureRequest) -> tuple[str, Made, Keeping]:
    """A search that nobody kills, and its name."""
    journal = Keeping()
    with pytest.MonkeyPatch.context() as patch:
        return request.param, run_on(patch, request.param, journal), journal


def test_steps_see_training_images_and_everything_else_validation_images(whole: tuple[str, Made, Keeping]) -> None:
    _, (_, net), _ = whole
    assert net.learnt == TRAIN
    assert net.judged == VALID


def test_a_killed_search_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, whole: tuple[str, Made, Keeping]
) -> None:
    """The same calls of the supernet, the same further checkpoints and proposals: from early and late.

    ENAS is then in its first cycle and in its last, and what compares candidates trains and compares.
    """
    name, _, calm = whole
    assert len(calm.kept) >= 4
    for number in (len(calm.kept) // 4, len(calm.kept) - 2):
        resumed = calm.cut(number)
        run_on(monkeypatch, name, resumed)
        assert resumed.calls == calm.calls[calm.kept[number].calls :]
        assert resumed.evaluations == calm.evaluations
        resumed.goes_on_as(calm, number)
        assert resumed.proposals == calm.proposals[len(calm.proposals) - len(resumed.proposals) :]


def width(proposal: Proposal) -> float:
    """Of all convolutions together, which every stage widens."""
    assert isinstance(proposal, Genotype)
    return sum(convolution.width for convolution in MORPHS.read(proposal).convolutions) / 10_000


def test_so_does_eas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the budget has a start of its own; killed in three of them."""
    made = list[Saved]()

    def searched(journal: Keeping) -> list[int]:
        run(EAS(children=2), make_task(MORPHS, "15evals", score=width, journal=journal))
        return made[-1].starts

    def make(task: Task, *_: Any, **__: Any) -> Saved:
        made.append(Saved(task))
        return made[-1]

    monkeypatch.setattr(morphism_training, "MorphingTrainer", make)
    monkeypatch.setattr(eas_controller, "Controller", Wandering)
    whole = Keeping()
    starts = searched(whole)
    assert len(set(starts)) >= 3
    for number in (1, 3, 5):
        resumed = whole.cut(number)
        after = searched(resumed)
        assert after == starts[len(starts) - len(after) :]
        assert resumed.evaluations == whole.evaluations
        resumed.goes_on_as(whole, number)


@pytest.mark.parametrize("name", ["rs_ws", "one_shot", "setn", "gdas", "smash"])
def test_every_number_of_a_checkpoint_is_taken_over(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    search, _ = begun(monkeypatch, name)
    compared = {}
    if name != "gdas":
        drawn = [search.task.space.sample(np.random.default_rng(seed)).picks for seed in range(3)]
        compared = {"candidates.drawn": np.array(drawn), "candidates.scores": np.array([0.1, 0.5, 0.3])}
    takes_everything(search.state, search.restore, **compared)


@pytest.mark.parametrize("name", ["enas", "nao_ws"])
def test_so_is_every_number_of_the_loops_with_a_model(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    search, _ = begun(monkeypatch, name)
    pools = {}
    if name == "nao_ws":
        space = get_space("enas_cell-2")
        pools = {"pool": np.array([space.sample(np.random.default_rng(seed)).picks for seed in range(3)])}
    takes_everything(search._state, search._restore, **pools)


def test_and_of_models_and_times() -> None:
    model = ModelSettings.of(NAO_WS(epd_units=16, epd_layers=(8,)))
    learner = Learner(get_space("enas_cell-2"), model, seed=0)
    takes_everything(learner.state, learner.restore)
    times = StepTimes()
    takes_everything(lambda: {"times": times.state()}, lambda state: times.restore(state["times"]))
    controller = EasController(
        MORPHS, np.random.default_rng(0), steps=(1, 1), units=4, embedding=3, rate=0.1, entropy=0.0
    )  # fmt: skip
    takes_everything(controller.state, controller.restore)
    policy = CASES["edges"][1]()
    takes_everything(policy.state, policy.restore)
