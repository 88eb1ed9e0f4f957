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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, make_task, run

from harness.core.dataset import SearchData
from harness.core.method import Method
from harness.core.task import Evaluation, Proposal
from harness.run.plugins import ROOT, Catalogue, load_method, method_names
from harness.run.profiles import PROFILES
from harness.spaces import get_space, names

DRIVER = Path(__file__).with_name("driver.py")
KILLED_AT = 4
Outcomes = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=method_names())
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What the driver says about a method: ``calm`` and ``killed``."""
    folder = tmp_path_factory.mktemp(request.param)
    words = {"calm": [], "killed": [str(KILLED_AT)]}
    processes = {
        name: subprocess.Popen(
            [sys.executable, str(DRIVER), request.param, str(folder / name), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
            text=True,
        )
        for name, more in words.items()
    }
    printed = {name: process.communicate(timeout=500)[0] for name, process in processes.items()}
    for name, process in processes.items():
        assert process.returncode == 0, f"{request.param}, {name}:\n{printed[name][-3000:]}"
    return {name: json.loads((folder / name / "outcome.json").read_text()) for name in words}


def test_a_method_keeps_its_promises(outcomes: Outcomes) -> None:
    calm = outcomes["calm"]
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


def test_a_method_that_was_killed_ends_as_if_it_had_not_been(outcomes: Outcomes) -> None:
    calm, killed = outcomes["calm"], outcomes["killed"]
    assert killed["died"] == (calm["writes"] > KILLED_AT)
    for name in ("proposal", "spent", "evaluations", "proposals", "generators"):
        assert killed[name] == calm[name], name


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


QUERYING = [name for name in method_names() if name not in ("autokeras", "darts", "enas_macro", "enas_micro")]
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
    assert not task.evaluations or 20 <= task.meter.spent < 23
