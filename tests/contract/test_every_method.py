"""What every method promises, for all that are discovered: own files and installed packages alike.

A method runs twice, in two processes side by side: once undisturbed, once killed in the middle and resumed. Both have
to end with the same numbers: it draws from its task alone, and its checkpoint or its log is complete.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, make_task, run

from harness.core.dataset import SearchData
from harness.core.evaluation import Evaluation, Proposal
from harness.core.home import CHECKOUT as ROOT
from harness.core.method import Method
from harness.plugins.catalogue import Catalogue, load_method, method_names
from harness.run.profiles import PROFILES
from harness.spaces import get_space, names

DRIVER = Path(__file__).with_name("driver.py")
KILLED_AT = 4
SUPERNETS = ("darts", "enas_micro", "nao_ws")
"""Methods that need half a minute before their first step; twice that when they are resumed."""


class Runs:
    """What the driver says about a method, undisturbed and killed; each is run once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[tuple[str, bool], subprocess.Popen[str]] = {}

    def start(self, name: str, killed: bool) -> Path:
        """Starts the driver unless it was; the directory it writes into."""
        folder = self._folder / f"{name} {'killed' if killed else 'calm'}"
        if (name, killed) not in self._running:
            words = [sys.executable, str(DRIVER), name, str(folder), *([str(KILLED_AT)] if killed else [])]
            path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
            with folder.with_suffix(".log").open("w") as log:
                self._running[name, killed] = subprocess.Popen(
                    words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": path}, text=True
                )
        return folder

    def outcome(self, name: str, *, killed: bool) -> dict[str, Any]:
        """Waits for the driver."""
        folder = self.start(name, killed)
        code = self._running[name, killed].wait(timeout=500)
        assert code == 0, folder.with_suffix(".log").read_text()[-3000:]
        told: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
        return told

    def stop(self) -> None:
        """Ends what nobody waited for."""
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    runs = Runs(tmp_path_factory.mktemp("methods"))
    yield runs
    runs.stop()


@pytest.mark.parametrize("name", method_names())
def test_a_method_keeps_its_promises(name: str, runs: Runs) -> None:
    if name not in SUPERNETS:
        runs.start(name, killed=True)  # side by side with the other one, for the next test
    calm = runs.outcome(name, killed=False)
    assert calm["proposal"] is not None, "it has to propose something within a small budget"
    assert calm["inside"] or not calm["genotype"], "its proposal is not in its space"
    assert calm["parsed"], "one of its proposals is not in its space"
    assert calm["proposals"][-1]["genotype"] == calm["proposal"]
    assert calm["spent"] <= calm["limit"]
    for row in [*calm["evaluations"], *calm["proposals"]]:
        assert 0 <= row["spent"] <= calm["limit"]
    spent = [row["spent"] for row in calm["proposals"]]
    assert spent == sorted(spent)
    assert calm["generators"], "it has used a global random generator"


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SUPERNETS else []) for name in method_names()],
)
def test_a_method_that_was_killed_ends_as_if_it_had_not_been(name: str, runs: Runs) -> None:
    runs.start(name, killed=True)
    calm, killed = runs.outcome(name, killed=False), runs.outcome(name, killed=True)
    assert killed["died"] == (calm["writes"] > KILLED_AT)
    for fact in ("proposal", "spent", "evaluations", "proposals", "generators"):
        assert killed[fact] == calm[fact], fact


def loaded(name: str) -> type[Method]:
    return load_method(Catalogue().source("method", name))


@pytest.mark.parametrize("name", method_names())
def test_a_method_says_what_it_is(name: str) -> None:
    source = Catalogue().source("method", name)
    cls, facts = load_method(source), source.facts()
    assert cls.name == name
    assert (cls.title, cls.space) == (facts.title, facts.space), "title and space have to be plain strings"
    assert facts.summary
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert cls() == cls(), "every hyper-parameter has a default"
    get_space(cls.space)


@pytest.mark.parametrize("name", method_names())
def test_settings_of_profiles_are_settings_of_the_method(name: str) -> None:
    cls = loaded(name)
    assert set(cls.scaled) <= set(PROFILES)
    assert "published" not in cls.scaled, "the published protocol has the paper's settings"
    for profile, changes in cls.scaled.items():
        json.dumps(dataclasses.asdict(cls(**changes)))
        known = Catalogue().source("method", name).facts().under(profile)
        assert {key: known[key] for key in changes if key in known} == {k: v for k, v in changes.items() if k in known}


@pytest.mark.parametrize("name", method_names())
def test_a_method_answers_for_every_space(name: str) -> None:
    method = loaded(name)()
    answers = {
        space: method.unsupported(make_task(get_space(space))) for space in (*names(), "macro-4", "chain-4", "keras")
    }
    assert all(answer is None or (isinstance(answer, str) and answer) for answer in answers.values())
    assert answers[method.space] is None


def test_no_method_can_see_test_data() -> None:
    fields = {field.name for field in dataclasses.fields(SearchData)}
    assert not [name for name in fields if "test" in name]
    assert fields == {
        *("dataset", "x_train", "y_train", "x_valid", "y_valid", "classes", "mean", "std"),
        *("flip", "crop_padding", "cutout"),
    }


class Failing(FakeEvaluator):
    """Every training fails."""

    def evaluate(self, proposal: Proposal, number: int, meter: object) -> Evaluation:
        """Accuracy 0 and a reason."""
        return Evaluation(str(proposal), 0.0, (), 1.0, self.gradient_steps, failure="it cannot be built")


QUERYING = [
    name for name in method_names() if name not in ("autokeras", "enas_macro", "morphism_bo", "eas", *SUPERNETS)
]
"""Methods that train nothing themselves; the others do not come by this evaluator."""


@pytest.mark.parametrize("name", QUERYING)
@pytest.mark.parametrize("evaluator", [Failing, lambda: FakeEvaluator(lambda _: 0.5)], ids=["failing", "all alike"])
def test_a_method_survives_failures_and_ties(name: str, evaluator: Callable[[], FakeEvaluator]) -> None:
    cls = loaded(name)
    method = cls(**cls.scaled.get("smoke", {}))
    space = get_space({"chain": "chain-4"}.get(cls.space, cls.space))
    task = run(method, make_task(space, "15evals", evaluator=evaluator()))
    assert len(task.evaluations) in (0, 15)


@pytest.mark.parametrize("name", QUERYING)
def test_a_budget_in_seconds_ends_a_search_too(name: str) -> None:
    cls = loaded(name)
    method = cls(**cls.scaled.get("smoke", {}))
    space = get_space({"chain": "chain-4"}.get(cls.space, cls.space))
    rng = np.random.default_rng(1)
    costs = FakeEvaluator(seconds=lambda _: float(rng.uniform(1, 3)))
    task = run(method, make_task(space, "20s", evaluator=costs))
    assert not task.evaluations or 17 < task.meter.spent < 23, "up to a repeat that no longer fits"
