"""The regression gate from end to end: honest runs stay green, every planted defect goes red.

And the project's own gate: what ``results/baseline`` says must still come out.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from nb201 import TABLE, needs_table
from planted import DEFECTS, METHODS, runs
from report_records import counted
from tables_on_disk import write_table

from harness.core.home import CHECKOUT as ROOT
from harness.core.record import Run
from harness.report.gate.baseline import StoredBaseline, read_baseline, rows_of
from harness.report.gate.check import check as compare
from harness.report.gate.check import exit_code

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


@pytest.mark.slow
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


SLOW = ("pnas", "nasnet")
"""Methods whose searches take seconds here."""


@cache
def honest(name: str) -> tuple[Run, ...]:
    """Searches of an untouched method."""
    return tuple(runs(name))


def gate(before: Iterable[Run], after: Iterable[Run]) -> int:
    """The exit code of a check."""
    return exit_code(compare(list(after), StoredBaseline("here", (), tuple(rows_of(list(before))))))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if d.method in SLOW else n for n, d in DEFECTS.items()]
)
def test_every_planted_defect_turns_the_gate_red(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    defect = DEFECTS[name]
    before = honest(defect.method)
    defect.plant(monkeypatch)
    assert gate(before, runs(defect.method, defect)) == 1


@pytest.mark.parametrize("method", [m for m in METHODS if m not in SLOW])
def test_a_repetition_stays_green(method: str) -> None:
    assert gate(honest(method), runs(method)) == 0


@pytest.mark.slow
def test_twenty_repetitions_of_all_methods_stay_green() -> None:
    before = [run for name in METHODS for run in honest(name)]
    assert [gate(before, [run for name in METHODS for run in runs(name)]) for _ in range(20)] == [0] * 20


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["Haswell", "Nehalem"])
def test_other_kernels_of_linear_algebra_stay_green(kernels: str, tmp_path: Path) -> None:
    """Rows of a table are exact on any machine, those of methods with matrix products included."""
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "planted.py"), str(tmp_path), *METHODS],
        check=True,
        env=os.environ | {"OPENBLAS_CORETYPE": kernels, "PYTHONPATH": str(ROOT)},
        timeout=600,
    )
    elsewhere = read_baseline(tmp_path / "here.json")
    assert exit_code(compare([run for name in METHODS for run in honest(name)], elsewhere)) == 0


# Defects of trainings


def trained(*, shuffled: bool = False, raw: bool = False) -> list[Run]:
    """A small network trained by the recipe of ``smoke`` on three splits of 1,500 striped images, with its records.

    Args:
        shuffled: the labels belong to other images.
        raw: test images are not normalised.
    """
    from harness.datasets.toy import load

    from harness.core.dataset import SearchData
    from harness.nets.build import build_model
    from harness.nets.training import predict, train
    from harness.run.profiles import SMOKE
    from harness.spaces import get_space

    space, toy, found = get_space("chain-4"), load(Path()), []
    for seed in range(3):
        labels = np.random.default_rng(seed).permutation(toy.y_train) if shuffled else toy.y_train
        part = (toy.x_train, labels, toy.x_train[:0], toy.y_train[:0])
        data = SearchData("toy", *part, len(toy.classes), toy.mean, toy.std, False, 2, 0)
        genotype = space.sample(np.random.default_rng(seed))
        model = build_model(genotype, space, SMOKE.final.size, data.image_shape, data.classes, seed=seed)
        train(model, data, SMOKE.final, seed=seed)
        mean, std = ((0.0,), (1.0,)) if raw else (data.mean, data.std)
        right = predict(model, toy.x_test, mean, std).argmax(axis=1) == toy.y_test
        recipes = {"proxy": dataclasses.asdict(SMOKE.proxy), "final": dataclasses.asdict(SMOKE.final)}
        facts = {"proposal": str(genotype), "recipes": recipes, "final": {"chance": 0.2}}
        found.append(counted("random_sampling", float(right.mean()), seed, **facts))
    return found


@pytest.fixture(scope="module")
def untouched() -> list[Run]:
    return trained()


def _half(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    from harness.nets import training

    whole = training.learning_rate
    monkeypatch.setattr(training, "learning_rate", lambda *args: whole(*args) / 2)
    return trained()


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoilt",
    [_half, lambda _: trained(shuffled=True), lambda _: trained(raw=True)],
    ids=["halved learning rate", "shuffled labels", "test images not normalised"],
)
def test_a_defect_of_the_training_turns_the_gate_red(
    spoilt: Callable[[pytest.MonkeyPatch], list[Run]], untouched: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gate(untouched, spoilt(monkeypatch)) == 1


@pytest.mark.slow
def test_a_training_repeats(untouched: list[Run]) -> None:
    assert gate(untouched, trained()) == 0


@needs_table
@pytest.mark.parametrize("costly", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_small_nasbench201_run_repeats_the_stored_one(
    costly: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On any machine. Methods that compute much are a test of their own."""
    monkeypatch.setenv("HARNESS_NB201", str(TABLE))
    stored = json.loads((BASELINES / "nb201.json").read_text())
    methods = sorted({row["method"] for row in stored["rows"] if (row["method"] in (*SLOW, "gp")) == costly})
    words = ("--profile", "nb201", "--methods", ",".join(methods), "--seeds", "0-4", "--out", tmp_path)
    done = command("run", "--no-baselines", *words)
    assert done.returncode == 0, done.stderr
    _, rows = check(tmp_path, BASELINES / "nb201.json")
    assert {row["verdict"] for row in rows if row["method"] in methods} == {"same"}, rows


@pytest.mark.parametrize("costly", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_searches_on_the_projects_own_table_repeat_the_stored_ones(costly: bool, tmp_path: Path) -> None:
    """On any machine, and without a download."""
    stored = {row["method"] for row in json.loads((BASELINES / "table.json").read_text())["rows"]}
    assert stored >= set(SLOW)
    methods = sorted(method for method in stored if (method in (*SLOW, "gp", "transfer")) == costly)
    words = ("--profile", "table", "--methods", ",".join(methods), "--seeds", "0-4", "--out", tmp_path)
    done = command("run", "--no-baselines", *words)
    assert done.returncode == 0, done.stderr
    _, rows = check(tmp_path, BASELINES / "table.json")
    assert {row["verdict"] for row in rows if row["method"] in methods} == {"same"}, rows


CHEAP = ("random_search", "regularized_evolution")


@pytest.mark.parametrize("costly", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_smoke_repeats_the_stored_one(costly: bool, tmp_path: Path) -> None:
    """Exactly on the kind of machine that the baseline was made on; elsewhere nothing may be worse beyond chance."""
    stored = {row["method"]: row["accuracies"] for row in json.loads((BASELINES / "smoke.json").read_text())["rows"]}
    assert stored.keys() >= set(CHEAP)
    methods = sorted(stored.keys() - set(CHEAP) if costly else CHEAP)
    [seeds] = {",".join(accuracies) for accuracies in stored.values()}
    assert len(seeds.split(",")) >= 3, "fewer do not tell another processor's last digits from a regression"
    words = ("--profile", "smoke", "--methods", ",".join(methods), "--seeds", seeds, "--out", tmp_path)
    done = command("run", "--no-baselines", *words)
    assert done.returncode == 0, done.stderr
    _, rows = check(tmp_path, BASELINES / "smoke.json")
    mine = [row for row in rows if row["method"] in methods]
    assert len(mine) == len(methods)
    for row in mine:
        assert row["verdict"] in (
            ("within spread", "better", "undecided") if row["how"] == "statistical" else ("same",)
        ), row
