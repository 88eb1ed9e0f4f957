"""What every method promises, for all that are discovered: own files and installed packages alike.

A method runs twice, in two processes side by side: once undisturbed, once killed in the middle and resumed. Both have
to end with the same numbers: it draws from its task alone, and its checkpoint or its log is complete. By default the
second run is made of one method of each kind (:data:`KILLED`); ``-m slow`` makes it of all the others, and kills those
with a checkpoint in every write.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from harness.core.dataset import SearchData
from harness.core.families import FAMILIES
from harness.core.method import Method
from harness.plugins.catalogue import Catalogue, load_method
from harness.run.profiles import SMOKE
from harness.spaces import get_space
from harness.testing import child, make_task, run
from harness.testing import methods as kit
from harness.testing.scenarios import SCENARIOS

SUPERNETS = ("darts", "enas_micro", "nao_ws", "gdas", "rs_ws", "one_shot", "setn")
"""Methods that need half a minute before their first step; twice that when they are resumed."""
KILLED = ("regularized_evolution", "pnas", "bohb", "fabrics")
"""A log alone; a model and a log; shares of trainings; a supernet. (Inherited weights, `eas`, are slow.)"""
TRAINING = ("autokeras", "enas_macro", "morphism_bo", "eas", "fabrics", "bsn", "smash", *SUPERNETS)
"""Methods that train by themselves. The others only ask for evaluations."""
SAVING = tuple(name for name in TRAINING if name != "autokeras")
"""Methods with a checkpoint. The others have their log alone."""
IDLE = ("random_sampling",)
"""Methods that are meant to evaluate nothing."""
SAMPLES = (*KILLED, "random_search", "bsn", "darts")
"""What searches here by default; of those that only evaluate, and of those with like supernets, some."""
NAMES = Catalogue().names("method")
PROMISES: tuple[Callable[[kit.Told], None], ...] = (
    kit.searches,
    kit.proposes,
    kit.stays_inside,
    kit.keeps_to_its_budget,
    kit.leaves_generators_alone,
)


class Copies(kit.Trials):
    """Undisturbed searches are copies of one process that has imported TensorFlow; the others are started on their own.

    So a search and its repetition differ in hash seed and process as before, and half of the imports are saved.
    """

    def begin(self, folder: Path, hash_seed: int) -> kit.Running:
        """See the base class."""
        if not folder.name.endswith(kit.CALM):
            return super().begin(folder, hash_seed)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["harness.run.backends.server"])
        return Copy(context, folder)


class Copy:
    """See :class:`Copies`."""

    def __init__(self, context: ForkServerContext, folder: Path) -> None:
        self.process = context.Process(target=_search, args=(str(folder),), daemon=True)
        self.process.start()

    def wait(self, timeout: float | None = None) -> int:
        """See :class:`harness.testing.methods.Running`."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("search", timeout or 0.0)
        return self.process.exitcode

    def kill(self) -> None:
        """See :class:`harness.testing.methods.Running`."""
        self.process.kill()


def _search(folder: str) -> None:
    """What the process does: its output goes where that of a process of its own does."""
    with Path(folder).with_suffix(".log").open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    child.main(str(Path(folder).with_suffix(".json")))


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Trials]:
    trials = Copies(tmp_path_factory.mktemp("methods"), strict=True)
    yield trials
    trials.close()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in SAMPLES else [pytest.mark.slow]) for name in NAMES],
)
def test_a_method_keeps_its_promises(name: str, trials: kit.Trials) -> None:
    if name in KILLED:
        trials.start(name, kit.KILLED)  # side by side with the other one, for the next test
    calm = trials.outcome(name, kit.CALM)
    for promise in PROMISES:
        promise(calm)
    assert bool(calm["checkpoint"]) == (name in SAVING)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in KILLED else [pytest.mark.slow]) for name in NAMES],
)
def test_a_method_that_was_killed_ends_as_if_it_had_not_been(name: str, trials: kit.Trials) -> None:
    trials.start(name, kit.KILLED)
    calm, killed = trials.outcome(name, kit.CALM), trials.outcome(name, kit.KILLED)
    assert killed["died"] or name in IDLE
    kit.same(calm, killed, "an undisturbed search", "one that was killed and resumed")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SAVING)
def test_a_method_with_a_checkpoint_may_be_killed_in_any_write(name: str, tmp_path: Path) -> None:
    """All in one process, because most of the time goes into imports and into tracing."""
    trials = kit.Trials(tmp_path, strict=True, seconds=3500)
    try:
        told = trials.outcome(name, kit.EVERYWHERE)
    finally:
        trials.close()
    calm, *resumed = (search | {"generators": told["generators"]} for search in told["searches"])
    assert len(resumed) == calm["writes"] > 1
    for number, search in enumerate(resumed):
        kit.same(calm, search, "an undisturbed search", f"one that was killed in write {number}")


def loaded(name: str) -> type[Method]:
    return load_method(Catalogue().source("method", name))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_what_it_is(name: str) -> None:
    kit.says_what_it_is(Catalogue().source("method", name))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_belongs_to_a_family(name: str) -> None:
    """Read from the source text, as the report reads it; a third party's method may do without."""
    families = Catalogue().source("method", name).facts().families
    assert families, f'state in the class of {name} what kind of search it is: families = ("evolutionary",)'
    assert set(families) <= set(FAMILIES)


def test_every_family_of_the_survey_has_a_method() -> None:
    stated = {family for name in NAMES for family in Catalogue().source("method", name).facts().families}
    assert set(FAMILIES) == stated


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_profiles_are_settings_of_the_method(name: str) -> None:
    kit.settings_of_profiles(Catalogue().source("method", name))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_answers_for_every_space(name: str) -> None:
    kit.answers_for_every_space(Catalogue().source("method", name))


def test_no_method_can_see_test_data() -> None:
    fields = {field.name for field in dataclasses.fields(SearchData)}
    assert not [name for name in fields if "test" in name]
    assert fields == {
        *("dataset", "x_train", "y_train", "x_valid", "y_valid", "classes", "mean", "std"),
        *("flip", "crop_padding", "cutout"),
    }


QUERYING = [name for name in NAMES if name not in (*TRAINING, *IDLE)]
"""Methods that train nothing themselves; the others do not come by this evaluator."""


@pytest.mark.parametrize("name", IDLE)
def test_an_idle_method_proposes_without_an_evaluation(name: str) -> None:
    cls = loaded(name)
    task = run(cls(), make_task(get_space(cls.space)))
    assert task.proposal is not None
    assert task.meter.spent == 0


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", QUERYING)
def test_a_method_comes_through_every_scenario(name: str, scenario: str) -> None:
    cls = loaded(name)
    space = get_space(cls.space if cls.space != "chain" else SMOKE.space_for("chain"))
    SCENARIOS[scenario](cls, space)
