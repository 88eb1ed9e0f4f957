"""What every benchmark may rely on: TensorFlow as the runs have it, ratios taken in turn, and a table of the goals.

A benchmark calls the fixture ``claim`` with what it measured and what was to be reached. At the end a table says which
goals are met. ``--store FILE`` keeps the figures, ``--against FILE`` compares with kept ones: a figure that is worse by
more than a quarter fails the run, and so does a goal that was met then and is now missed by more than a tenth. Only
ratios are compared, and figures in seconds only with those of the same machine.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pytest

from harness.run.backends import machine

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

WORSE = 1.25
"""By how much a figure may be worse than the stored one; a shared machine moves ratios by a tenth."""
NOISE = 1.1
"""By how much a goal may be missed that the stored run met."""
Sense = Literal["at least", "at most"]


@dataclass(frozen=True)
class Claim:
    """One line of the table.

    Args:
        what: in words.
        value: measured.
        sense, goal: what is to be reached.
        unit: of both; empty for a ratio.
    """

    what: str
    value: float
    sense: Sense
    goal: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.reached(self.value)

    def reached(self, value: float, slack: float = 1.0) -> bool:
        """Whether ``value`` would reach the goal if that were easier by the factor ``slack``."""
        return value * slack >= self.goal if self.sense == "at least" else value <= self.goal * slack

    def worse_than(self, stored: float | None) -> bool:
        """Whether this is a quarter worse than ``stored``, or has lost a goal that ``stored`` reaches.

        Figures may be near zero: a quarter counts only if it is more than a tenth of a goal that is an upper limit.
        What was not stored is no worse.
        """
        if stored is None:
            return False
        if self.reached(stored) and not self.reached(self.value, NOISE):
            return True
        if self.sense == "at least":
            return self.value * WORSE < stored
        return self.value > max(stored * WORSE, stored + self.goal / 10)


class Claims(Protocol):
    """Notes a claim with the benchmark that measured it."""

    def __call__(self, what: str, value: float, sense: Sense, goal: float, unit: str = "") -> None: ...


_CLAIMS = pytest.StashKey[dict[str, Claim]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goals")
    group.addoption("--store", type=Path, help="write the figures to this file")
    group.addoption("--against", type=Path, help="fail if a figure is a quarter worse than in this file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CLAIMS] = {}


@pytest.fixture
def claim(request: pytest.FixtureRequest) -> Claims:
    """Notes what was measured, in the table and in the benchmark's ``extra_info``."""
    claims = request.config.stash[_CLAIMS]

    def note(what: str, value: float, sense: Sense, goal: float, unit: str = "") -> None:
        claims[what] = made = Claim(what, float(value), sense, goal, unit)
        if "benchmark" in request.fixturenames:
            request.getfixturevalue("benchmark").extra_info[what] = asdict(made)

    return note


@pytest.fixture(scope="session")
def cores() -> int:
    """Threads of one operation: all cores, for TensorFlow and PyTorch alike."""
    import tensorflow as tf

    threads = machine.cores()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return threads


def in_turn(*steps: Callable[[], object], rounds: int = 10) -> list[float]:
    """Seconds of each function: the median over rounds in which they take turns, after one that warms up."""
    for step in steps:
        step()
    seconds = np.zeros((rounds, len(steps)))
    for turn in range(rounds):
        for place, step in enumerate(steps):
            began = time.perf_counter()
            step()
            seconds[turn, place] = time.perf_counter() - began
    return np.median(seconds, axis=0).tolist()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    claims, against = session.config.stash[_CLAIMS], session.config.getoption("--against")
    stored = _stored(against) if against else {}
    if any(line.worse_than(stored.get(line.what)) for line in claims.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if target := session.config.getoption("--store"):
        text = json.dumps({"machine": _machine(), "claims": [asdict(line) for line in claims.values()]}, indent=1)
        target.write_text(text + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    claims, against = config.stash[_CLAIMS], config.getoption("--against")
    if not claims:
        return
    stored = _stored(against) if against else {}
    terminalreporter.section("goals")
    width = max(map(len, claims))
    for line in claims.values():
        before = stored.get(line.what)
        then = "" if before is None else f"   stored {before:.3g}{' WORSE' if line.worse_than(before) else ''}"
        state = "met" if line.met else "MISSED"
        terminalreporter.line(
            f"{line.what:<{width}}  {line.value:8.3g} {line.unit:<7} {line.sense} {line.goal:g}   {state}{then}"
        )
    for what in stored.keys() - claims.keys():
        terminalreporter.line(f"{what:<{width}}  not measured   stored {stored[what]:.3g}")


def _stored(path: Path) -> dict[str, float]:
    """Figures by name; those in seconds or other units only if they come from this machine."""
    kept = json.loads(path.read_text())
    same = kept["machine"] == _machine() != ""
    return {line["what"]: line["value"] for line in kept["claims"] if same or not line["unit"]}


def _machine() -> str:
    """Cores and processor; empty if the processor has no name here."""
    keys = ("model", "cpu family", "CPU implementer", "CPU part")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = sorted({" ".join(line.split()) for line in lines if line.startswith(keys)})
    return f"{platform.machine()}, {machine.cores()} cores, {'; '.join(names)}" if names else ""
