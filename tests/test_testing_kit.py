"""The shipped test kit: what is right passes every check, and each way of being wrong fails the check that is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plugin_files import write_squares

from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.core.method import Method
from harness.core.space import Choice, Genotype, Size, Space
from harness.run.store import RunDirectory
from harness.spaces import get_space
from harness.testing import (
    Broken,
    Check,
    Skipped,
    VectorSpace,
    check_dataset,
    check_space,
    checks_of,
    child,
    make_task,
    run,
)
from harness.testing import methods as promises
from harness.testing.__main__ import main
from harness.testing.checks import outcomes, require
from harness.testing.request import killed_at
from harness.testing.scenarios import SCENARIOS, all_scenarios
from harness.testing.spaces import space_checks

METHOD = '''"""{name}: a plug-in of a test."""
import random
import time
from dataclasses import dataclass

import numpy as np

from harness import Evaluation, Method, Task


@dataclass(frozen=True)
class Mine(Method):
    name = "{name}"
    title = "Mine"
    space = "cell"
    draws: int = 1

    def search(self, task: Task) -> None:
{body}


METHOD = Mine
'''
GOOD = "while True:\n    task.evaluate([task.space.sample(task.rng) for _ in range(self.draws)])"
WRONG = {
    "clock": (
        "rng = np.random.default_rng(time.time_ns())\nwhile True:\n    task.evaluate([task.space.sample(rng)])",
        "repeats itself in another process: the genotype of evaluation 1 was",
    ),
    "outside": (
        "from harness.spaces import get_space\ntask.evaluate([get_space('macro-4').sample(task.rng)])",
        "stays inside its space: it left its space: ValueError",
    ),
    "greedy": (
        "while True:\n    try:\n        task.evaluate([task.space.sample(task.rng)])\n    except BaseException:\n"
        "        pass",
        "keeps to its budget: it went on after BudgetSpent",
    ),
    "late_each": (
        "for _ in range(12):\n    try:\n        for _ in task.evaluate_each(task.sample() for _ in range(9)):\n"
        "            pass\n    except BaseException:\n        pass",
        "keeps to its budget: it went on after BudgetSpent",
    ),
    "late_beside": (
        "beside = task.beside()\nfor _ in range(12):\n    try:\n        beside.begin(task.sample())\n"
        "        beside.next()\n    except BaseException:\n        pass",
        "keeps to its budget: it went on after BudgetSpent",
    ),
    "late_record": (
        "one = task.sample()\ntask.propose(one)\ndef train():\n    task.meter.afford(4)\n"
        "    task.meter.charge(seconds=0.0, steps=4)\n    return Evaluation(str(one), 0.5, (), 0.0, 4)\n"
        "for _ in range(12):\n    try:\n        task.record(str(one), train)\n    except BaseException:\n        pass",
        "keeps to its budget: it went on after BudgetSpent",
    ),
    "refunded": (
        f"task.step(8)\ntask.meter.steps -= 8\n{GOOD}",
        "keeps to its budget: its meter says 28 gradient steps, and 36 were due",
    ),
    "unpaid": (
        "one = task.sample()\ntask.propose(one)\nfor _ in range(7):\n"
        "    task.record(str(one), lambda: Evaluation(str(one), 0.5, (), 0.0, 4))",
        "keeps to its budget: its meter says 0 gradient steps, and 28 were due",
    ),
    "richer": (
        f"task.meter.limit = 100\n{GOOD}",
        "keeps to its budget: it changed the limit of its meter from 28 to 100 steps",
    ),
    "around": (
        "for n in range(30):\n    one = task.space.sample(task.rng)\n    task._evaluator.evaluate(one, n, task.meter)\n"
        "task.propose(one)",
        "keeps to its budget: it trained 30 architectures and logged 0",
    ),
    "seeding": (
        "np.random.seed(task.seed)\nrandom.seed(1)\ntask.propose(task.space.sample(task.rng))",
        "leaves the global random generators alone: it used a global random generator",
    ),
    "peeking": (
        "task.propose(task.space.sample(task.rng), float(task.data.y_test.mean()))",
        "searches without an error: it reaches for test data, which no search may see: AttributeError",
    ),
    "loading": (
        "from harness.datasets import toy\ntask.propose(task.space.sample(task.rng))",
        "searches without an error: it reaches for test data, which no search may see: Refused",
    ),
    "silent": ("pass", "proposes something within a small budget: it proposed nothing within 7 evaluations"),
    "forgetful": (
        "n = 0\nwhile n < 20:\n    task.checkpoint(lambda: {'n': np.array(n)})\n"
        "    task.evaluate([task.space.sample(task.rng)])\n    n += 1 if task.restored() is None else 5\n",
        "continues after a kill as if there had been none",
    ),
    "planning": (
        "task.plan(resumed=task.restored() is not None)\nwhile True:\n    task.checkpoint(dict)\n"
        "    task.evaluate([task.space.sample(task.rng)])",
        "continues after a kill as if there had been none: its planned_resumed is 0 in an undisturbed search and 1 in",
    ),
    "amnesiac": (
        "state = task.restored()\nn, seen = 0 if state is None else int(state['n']), 0\nwhile True:\n"
        "    task.evaluate([task.sample()])\n    n, seen = n + 1, seen + 1\n"
        "    task.checkpoint(lambda: {'n': np.array(n), 'seen': np.array(seen)})",
        "continues after a kill as if there had been none: the last checkpoint of an undisturbed search and that of "
        "one that was killed and resumed differ in 'seen';",
    ),
    "idle_elsewhere": (
        f"if task.recipe.steps == 1:\n    return\n{GOOD}",
        "survives trainings that fail: when every training fails, it used 0 of 15 evaluations",
    ),
    "gives_up_on_failures": (
        "while True:\n    [found] = task.evaluate([task.sample()])\n    if found.failure:\n        return",
        "survives trainings that fail: when every training fails, it used 1 of 15 evaluations",
    ),
    "gives_up_on_ties": (
        "while True:\n    one, other = task.evaluate([task.sample(), task.sample()])\n"
        "    if one.accuracy == other.accuracy > 0:\n        return",
        "survives architectures that are all alike: when all architectures are equally good, it used 2 of 15",
    ),
    "gives_up_in_seconds": (
        f"if not task.meter.budget.counted:\n    return\n{GOOD}",
        "ends with a budget in seconds: with a budget of 20 s, it spent 0.0 s",
    ),
}


def write(folder: Path, name: str, body: str) -> Path:
    path = folder / f"{name}.py"
    indented = "\n".join(f"        {line}" for line in body.splitlines())
    path.write_text(METHOD.format(name=name, body=indented), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> promises.Trials:
    """All plug-ins, each as a file; only the searches that a test asks for are run."""
    folder = tmp_path_factory.mktemp("plugins")
    files = [write(folder, name, body) for name, (body, _) in WRONG.items()] + [write(folder, "good", GOOD)]
    return promises.Trials(tmp_path_factory.mktemp("trials"), files, seconds=300)


def failures(checks: list[Check]) -> str:
    return "\n".join(f"{outcome.check}: {outcome.failure}" for outcome in outcomes(checks) if outcome.failure)


def of_one_search(told: promises.Told) -> list[Check]:
    """The checks that need one search only."""
    return [
        Check("searches without an error", lambda: promises.searches(told)),
        Check("proposes something within a small budget", lambda: promises.proposes(told)),
        Check("stays inside its space", lambda: promises.stays_inside(told)),
        Check("keeps to its budget", lambda: promises.keeps_to_its_budget(told)),
        Check("leaves the global random generators alone", lambda: promises.leaves_generators_alone(told)),
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("outside", marks=pytest.mark.slow),
        "seeding",
        pytest.param("richer", marks=pytest.mark.slow),
        pytest.param("loading", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_method_fails_the_check_that_says_why(name: str, trials: promises.Trials) -> None:
    assert WRONG[name][1] in failures(of_one_search(trials.outcome(name, promises.CALM)))


CHECKPOINT = (
    "state = task.restored()\nn = 0 if state is None else int(state['n'])\nwhile True:\n"
    "    task.evaluate([task.sample()])\n    n += 1\n"
    "    task.checkpoint(lambda: {'n': np.array(n), 'step_times': np.array(time.perf_counter())})"
)
"""A right method with a checkpoint, which holds a time."""
RIGHT = {"good": GOOD, "saving": CHECKPOINT}


def here(name: str, folder: Path) -> tuple[Method, Space]:
    """One of the plug-ins and its space, for a search in this process: nothing is trained, so that none is costly."""
    path = write(folder, name, RIGHT[name] if name in RIGHT else WRONG[name][0])
    return child.make_method(name, [str(path)]), get_space("cell-2")


@pytest.mark.parametrize("name", [*RIGHT, "late_each", "late_beside", "late_record", "refunded", "unpaid"])
def test_what_goes_by_the_task_is_watched(name: str, tmp_path: Path) -> None:
    told = child.search(*here(name, tmp_path), RunDirectory(tmp_path / "run")) | {"generators": True}
    failed = failures(of_one_search(told))
    assert WRONG[name][1] in failed if name in WRONG else not failed


@pytest.mark.parametrize("name", [*RIGHT, "amnesiac", "planning", "forgetful"])
def test_a_kill_shows_what_is_not_restored(name: str, tmp_path: Path) -> None:
    method, space = here(name, tmp_path)
    calm = child.search(method, space, RunDirectory(tmp_path / "calm"))
    killed = child.killed(method, space, tmp_path / "killed", killed_at(name))
    everywhere = child.killed_everywhere(method, space, tmp_path / "everywhere")
    assert killed["died"]
    assert len(everywhere) == 1 + calm["writes"]
    wrong = list[str]()
    for resumed in (killed, *everywhere):
        try:
            promises.same(*(told | {"generators": True} for told in (calm, resumed)), "an undisturbed search",
                          "one that was killed and resumed")  # fmt: skip
        except Broken as error:
            wrong.append(f"continues after a kill as if there had been none: {error}")
    if name in RIGHT:
        assert not wrong
    else:
        assert WRONG[name][1] in wrong[0]
        # A kill in an early write leaves nothing that could be restored wrongly.
        assert 1 < len(wrong) < len(everywhere)


def test_a_search_of_few_writes_is_killed_in_its_last_one(tmp_path: Path) -> None:
    path = write(tmp_path, "short", "task.evaluate([task.sample()])\ntask.propose(task.sample())")
    done = child.killed(child.make_method("short", [str(path)]), get_space("cell-2"), tmp_path / "killed", 6)
    assert (done["died"], done["writes"]) == (True, 2)  # its evaluation is in the log
    path = write(tmp_path, "shorter", "task.propose(task.sample())")
    done = child.killed(child.make_method("shorter", [str(path)]), get_space("cell-2"), tmp_path / "shorter", 6)
    assert not done["died"]


@pytest.mark.parametrize(
    "name", ["good", "idle_elsewhere", "gives_up_on_failures", "gives_up_on_ties", "gives_up_in_seconds"]
)
def test_a_method_that_gives_up_has_not_come_through_a_scenario(name: str, tmp_path: Path) -> None:
    method, space = here(name, tmp_path)
    found = all_scenarios(type(method), space)
    told = "\n".join(f"{scenario}: {sentence}" for scenario, sentence in found.items() if sentence)
    assert WRONG[name][1] in told if name in WRONG else not told
    assert told.count("\n") == (len(SCENARIOS) - 1 if name == "idle_elsewhere" else 0)


def test_two_searches_with_another_number_in_their_records_are_not_the_same() -> None:
    told = {
        **{"evaluations": [], "proposals": [], "proposal": "a", "spent": 4.0, "generators": True},
        "checkpoint": {"weights": "0f"},
    }
    one, other = (told | {"summary": {"steps": 4, **more}} for more in ({"planned_size": 7}, {}))
    promises.same(one, one, "one search", "another")
    for first, second, words in ((one, other, "7 in one search and None"), (other, one, "None in one search and 7")):
        with pytest.raises(Broken, match=f"its planned_size is {words}"):
            promises.same(first, second, "one search", "another")
    for checkpoint in ({}, {"weights": "f0"}, {"weights": "0f", "more": "0f"}):
        with pytest.raises(Broken, match=r"differ in '(weights|more)'"):
            promises.same(one, one | {"checkpoint": checkpoint}, "one search", "another")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WRONG)
def test_an_author_is_told_what_is_wrong_from_outside_the_checkout(name: str, tmp_path: Path) -> None:
    body, sentence = WRONG[name]
    write(tmp_path, name, body)
    done = subprocess.run(
        [sys.executable, "-m", "harness.testing", f"{name}.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    failed = " ".join(line.removeprefix("  FAILED   ") for line in done.stdout.splitlines() if "  FAILED   " in line)
    assert sentence in failed
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_right_method_passes_every_check_under_plain_pytest(tmp_path: Path) -> None:
    write(tmp_path, "good", GOOD)
    (tmp_path / "test_good.py").write_text(
        "from harness.testing import check_method\n\n\ndef test_good():\n    check_method('good.py')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_good.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout[-3000:]


def test_a_method_that_hangs_is_said_so(tmp_path: Path) -> None:
    path = write(tmp_path, "hanging", "time.sleep(600)")
    trials = promises.Trials(tmp_path / "trials", [path], seconds=0.5)
    (tmp_path / "trials").mkdir()
    with pytest.raises(Broken, match="did not end within 0 s of a budget of 7 evaluations"):
        trials.outcome("hanging", promises.CALM)


# --- the checks themselves ------------------------------------------------------------------------------------------


def fails() -> None:
    raise Broken("it is wrong")


def skips() -> None:
    raise Skipped("it does not apply")


def test_all_failures_are_told_at_once() -> None:
    checks = [Check("one", fails), Check("two", lambda: None), Check("three", fails), Check("four", skips)]
    with pytest.raises(AssertionError) as caught:
        require("the thing", checks)
    assert str(caught.value) == "the thing breaks 2 of its promises:\n- one: it is wrong\n- three: it is wrong"
    require("the thing", [checks[1], checks[3]])
    told = [str(outcome) for outcome in outcomes(checks)]
    assert told[1] == "ok       two"
    assert told[3] == "skipped  four: it does not apply"


def test_a_file_or_name_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no method 'drats'"), checks_of("method", "drats"):
        pass
    (tmp_path / "empty.py").write_text('"""Nothing."""\n')
    assert main([str(tmp_path / "empty.py")]) == 2
    assert main([str(tmp_path / "none.py")]) == 2
    error = capsys.readouterr().err
    assert "defines none of METHOD" in error
    assert "none.py cannot be read" in error


def test_a_task_without_training_is_one_line() -> None:
    class Best:
        def search(self, task: object) -> None:
            for genotype in space.neighbours(space.sample(task.rng)):  # type: ignore[attr-defined]
                task.evaluate([genotype])  # type: ignore[attr-defined]

    space = VectorSpace(6)
    task = run(Best(), make_task(space, "4evals", score=lambda g: sum(g.picks) / 6))  # type: ignore[arg-type, union-attr]
    assert len(task.evaluations) == 4


# --- data sets ------------------------------------------------------------------------------------------------------


def right_squares(folder: Path) -> tuple[Path, str]:
    """A data set that keeps its promises, and its text."""
    path = write_squares(folder, folder / "data")
    text = path.read_text().replace("mean=(100.0,), std=(80.0,)", "mean=(109.5,), std=(66.0,)")
    text = text.replace('"squares is missing; make it"', 'f"{root} has no squares; make it"')
    check = "    if not (root / 'squares').is_dir():\n        raise InputError(f'{root} has no squares; make it')\n"
    text = text.replace("def load(root):\n", f"from harness import InputError\n\ndef load(root):\n{check}")
    path.write_text(text)
    return path, text


def test_a_data_set_of_ones_own(tmp_path: Path) -> None:
    path, _ = right_squares(tmp_path)
    check_dataset(path, root=tmp_path / "data")


def test_the_data_set_of_the_guide_keeps_its_promises(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[1] / "docs" / "adding-a-data-set.md").read_text(encoding="utf-8")
    code = re.search(r"```py\n(.*?)```", guide, re.DOTALL)
    assert code is not None
    (tmp_path / "shapes.py").write_text(code[1], encoding="utf-8")
    write_squares(tmp_path, tmp_path / "data")
    (tmp_path / "data" / "squares").rename(tmp_path / "data" / "shapes")
    check_dataset(tmp_path / "shapes.py", root=tmp_path / "data")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('f"{root} has no squares; make it"', '"squares is missing"', "does not name the file"),
        ("mean=(109.5,)", "mean=(12.0,)", "its mean is stated as 12.0 and is 109"),
        ("std=(66.0,)", "std=(66.0, 66.0)", "1 channels, 1 means and 2 standard deviations"),
        ("**part)", "**{**part, 'y_train': part['y_train'] / 1})", "the train labels are float64"),
        ('name="squares"', 'name="circles"', "its name is 'circles'"),
        ('(root / "squares" / "y_test.npy",)', "()", "hidden(root) is empty, and it reads"),
        ('"y_test.npy",)', '"z_test.npy",)', "it loads although"),
        ('(root / "squares" / "y_test.npy",)', "(root,)", "which holds other data sets"),
        pytest.param(
            *("import numpy as np", "import numpy as np, tensorflow", "importing it imports keras, tensorflow"),
            marks=pytest.mark.slow,
        ),
        ('"bright")', '"bright", "blinding")', "the class 'blinding' has no training image"),
        ("def load(root):", "def load(root):\n    raise KeyError('x')", "fails without an InputError"),
        (
            "part = {name:",
            "noise = np.random.default_rng().integers(0, 9, (120, 8, 8, 1))\n    part = {name:",
            "differs when it is loaded again",
        ),
    ],
)
def test_a_wrong_data_set_fails_the_check_that_says_why(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path, text = right_squares(tmp_path)
    assert old in text
    text = text.replace(old, new, 1)
    if "noise" in new:
        text = text.replace(
            "    return Dataset(",
            "    part['x_train'] = (part['x_train'] // 2 + noise).astype(np.uint8)\n    return Dataset(",
        )
    path.write_text(text)
    with pytest.raises(Broken) as caught:
        check_dataset(path, root=tmp_path / "data")
    assert sentence in str(caught.value)


# --- spaces ---------------------------------------------------------------------------------------------------------


class Wrong(VectorSpace):
    """A space that is right in everything but in what a test changes."""

    def __init__(self) -> None:
        super().__init__(5, 3, name="wrong")

    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        from harness.spaces import get_space

        space = get_space("macro-4")
        return space.decode(space.sample(np.random.default_rng(genotype.picks[0])), size)


def test_a_right_space_passes() -> None:
    require("the space", space_checks(Wrong()))
    check_space("macro-4")


def drifting(space: Space, rng: np.random.Generator) -> Genotype:
    return VectorSpace.sample(space, np.random.default_rng())


def far(space: Space, genotype: Genotype) -> list[Genotype]:
    return [space.genotype(tuple((pick + 1) % 3 for pick in genotype.picks))]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sample", drifting, "two generators of one seed draw different genotypes"),
        ("neighbours", far, "differs in 5 choices"),
        ("neighbours", lambda space, genotype: [], "has no neighbours"),
        ("decode", lambda space, genotype, size: [], "returns a list instead of an Architecture"),
        ("contains", lambda space, genotype: True, "it says that the picks"),
        ("parse", lambda space, text: space.genotype((0,) * 5), "is read as"),
        ("mutate", lambda space, genotype, rng: genotype, "is no neighbour of"),
        ("effective", lambda space, genotype: range(1, 5), "differ in a choice that is said not to matter"),
        ("effective", lambda space, genotype: (0, 0, 1, 2, 3, 4), "which are not places of choices in order"),
        ("effective", lambda space, genotype: range(2 if genotype.picks[1] else 1), "matters in"),
        ("cardinality", property(lambda space: 7), "its cardinality is 7, and its choices make 243"),
    ],
)
def test_a_wrong_space_fails_the_check_that_says_why(name: str, value: object, sentence: str) -> None:
    space = type("Changed", (Wrong,), {name: value})()
    assert sentence in failures(space_checks(space))


def test_a_choice_twice_is_said_so() -> None:
    space = Wrong()
    space.choices = (*space.choices[:-1], Choice("0", (0, 1, 2)))
    assert "two of its choices have the same name" in failures(space_checks(space))


def test_two_options_that_are_written_alike_are_said_so() -> None:
    """Drawn by chance, either of them is rare."""
    space = Wrong()
    space.choices = (*space.choices[:-1], Choice("4", (*range(1_000), "1")))
    found = failures(space_checks(space))
    assert "counts its genotypes: two options of the choice '4' are written alike, as '1'" in found
    assert "reads its own text form: 'wrong:1,1,1,1,1' is read as 'wrong:1,1,1,1,1'" in found
