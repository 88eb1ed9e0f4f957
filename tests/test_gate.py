"""The regression gate from end to end: honest runs stay green, a method that was weakened on purpose goes red.

And the project's own gate: what ``results/baseline`` says must still come out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nb201 import TABLE, needs_table
from tables_on_disk import write_table

from harness.core.home import CHECKOUT as ROOT

BASELINES = ROOT / "results" / "baseline"
_LEARNER = '''
"""REINFORCE under another name, and a spoilt one."""
from dataclasses import dataclass
from harness.methods.reinforce import Reinforce

@dataclass(frozen=True)
class Learner(Reinforce):
    name = "learner"
    title = "Learner"
    space = "nasbench201"
    learning_rate: float = 0.2

    def search(self, task):
        {spoil}
        super().search(task)

METHOD = Learner
'''
_SPOIL = (
    "from dataclasses import replace; honest = task.evaluate; "
    "task.evaluate = lambda some: [replace(one, accuracy=0.5) for one in honest(some)]"
)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


def searched(tmp_path: Path, out: str, *, spoil: str = "pass") -> Path:
    """Thirty searches of the learner on a small table."""
    table, learner = write_table(tmp_path), tmp_path / "learner.py"
    learner.write_text(_LEARNER.format(spoil=spoil))
    done = command(
        *("run", "--no-baselines", "--profile", "nb201", "--budget", "250s", "--methods", "learner"),
        *("--datasets", f"table:{table}"),
        *("--seeds", "0-29", "--plugin", learner, "--out", tmp_path / out),
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / out


def check(runs: Path, baseline: Path) -> tuple[int, list[dict[str, str]]]:
    done = command("check", runs, "--against", baseline, "--json")
    return done.returncode, json.loads(done.stdout)["rows"]


def test_a_controller_that_ignores_its_reward_is_noticed_and_an_honest_one_is_left_alone(tmp_path: Path) -> None:
    made = command("baseline", searched(tmp_path, "first"), "--name", "learner", "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    baseline = tmp_path / "learner.json"
    code, [row] = check(searched(tmp_path, "again"), baseline)
    assert (code, row["verdict"], row["how"]) == (0, "same", "exact")
    code, [row] = check(searched(tmp_path, "spoilt", spoil=_SPOIL), baseline)
    assert (code, row["verdict"]) == (1, "regression"), row


@pytest.mark.slow
def test_twenty_honest_repetitions_stay_green(tmp_path: Path) -> None:
    command("baseline", searched(tmp_path, "first"), "--name", "learner", "--out", tmp_path)
    codes = [check(searched(tmp_path, f"run {number}"), tmp_path / "learner.json")[0] for number in range(20)]
    assert codes == [0] * 20


@needs_table
def test_the_small_nasbench201_run_repeats_the_stored_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_NB201", str(TABLE))
    stored = json.loads((BASELINES / "nb201.json").read_text())
    methods = sorted({row["method"] for row in stored["rows"]})
    words = ("--profile", "nb201", "--methods", ",".join(methods), "--seeds", "0-4", "--out", tmp_path)
    done = command("run", "--no-baselines", *words)
    assert done.returncode == 0, done.stderr
    code, rows = check(tmp_path, BASELINES / "nb201.json")
    assert (code, {row["verdict"] for row in rows}) == (0, {"same"}), rows


def test_smoke_repeats_the_stored_one(tmp_path: Path) -> None:
    """Exactly on the kind of machine that the baseline was made on, within its spread elsewhere."""
    methods = ",".join(sorted({row["method"] for row in json.loads((BASELINES / "smoke.json").read_text())["rows"]}))
    words = ("--profile", "smoke", "--methods", methods, "--seeds", "0-2", "--out", tmp_path)
    done = command("run", "--no-baselines", *words)
    assert done.returncode == 0, done.stderr
    code, rows = check(tmp_path, BASELINES / "smoke.json")
    assert code == 0, rows
