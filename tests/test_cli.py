"""The command line: what it prints, what it exits with, and how fast it answers."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from plugin_files import GOOD, write_method, write_squares
from report_records import make, save
from test_run_plan import pretend, request_for

from harness.__main__ import main
from harness.commands.report import brief
from harness.core.home import CHECKOUT as ROOT
from harness.run.plan import make_plan
from harness.spaces.zoo import PUBLISHED

SLOW_MODULES = ("tensorflow", "keras", "autokeras", "matplotlib")


def call(*words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command here, which takes a tenth of a process, and checks its exit code."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", ["harness", *words])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", errors)
        for name, value in {"COLUMNS": "200", **environment}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == code, (ended.value.code, out.getvalue(), errors.getvalue())
    return subprocess.CompletedProcess(words, code, out.getvalue(), errors.getvalue())


def spawn(*words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own and checks its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def seconds(words: tuple[str, ...]) -> float:
    """CPU time of a command, which a busy machine does not stretch as it does wall-clock time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spawn(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A directory of records that no training has made."""
    for job in make_plan(request_for(tmp_path)).jobs:
        pretend(job, proposal=str(job.seed), parameters=1000, macs=2000)
    return tmp_path / "out"


def test_help_teaches() -> None:
    assert "python -m harness run" in spawn("--help").stdout
    for command in ("run", "list", "report", "baseline", "check", "inspect", "fetch", "export", "show"):
        text = call(command, "--help").stdout
        assert "python -m harness" in text
        assert "Usage" in text


def test_the_help_promises_the_times_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promised = re.findall(r"\d+ (?:seconds|minutes) on two cores", " ".join(call("--help").stdout.split()))
    assert len(promised) == 2
    assert all(words in readme for words in promised)
    text = " ".join(call("run", "--help").stdout.split())
    assert "run # all methods on the project's own table" in text, "that is what a command without data sets does"


QUICK_WORDS = [("--help",), ("list", "methods"), ("list", "datasets"), ("list", "profiles"), ("report",)]


@pytest.mark.slow
@pytest.mark.parametrize("words", QUICK_WORDS)
def test_what_needs_no_tensorflow_answers_at_once(finished: Path, words: tuple[str, ...]) -> None:
    """Half a second on a machine with nothing else to do; beside other tests even CPU time is stretched."""
    words = (*words, str(finished)) if words == ("report",) else words
    spawn(*words)  # the first report draws the plots, and bytecode is written
    assert min(seconds(words) for _ in range(4)) < 0.5


@pytest.mark.parametrize("words", QUICK_WORDS)
def test_what_needs_no_tensorflow_loads_none(finished: Path, words: tuple[str, ...]) -> None:
    words = (*words, str(finished)) if words == ("report",) else words
    call(*words)  # the first report draws the plots
    program = f"import sys, runpy; sys.argv = ['harness', *{words!r}]\n"
    program += "try:\n    runpy.run_module('harness', run_name='__main__')\nexcept SystemExit:\n    pass\n"
    program += f"print([name for name in {SLOW_MODULES!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_lists_say_what_there_is() -> None:
    methods = json.loads(call("list", "methods", "--json").stdout)
    assert "random_search" in [row["name"] for row in methods]
    assert all(row["title"] and row["space"] and row["summary"] for row in methods)
    datasets = {row["name"]: row for row in json.loads(call("list", "datasets", "--json", "--data", "/nowhere").stdout)}
    assert datasets["toy"]["here"] is True
    assert datasets["fashion_mnist"]["here"] is False
    assert "fetch fashion_mnist" in datasets["fashion_mnist"]["missing"]
    assert "folder:PATH" in datasets
    assert "nasbench201" in call("list", "spaces").stdout
    profiles = json.loads(call("list", "profiles", "--json").stdout)
    names = ["smoke", "quick", "hour", "published", "tabulate", "table", "nb201", "nb201-own", "nb201-full"]
    names += ["nb201-weights"]
    assert [row["name"] for row in profiles] == names


def test_a_broken_file_does_not_break_the_list(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit\nDATASET = 1\nMETHOD = 2")
    rows = json.loads(call("list", "methods", "--json", "--plugin", str(broken)).stdout)
    assert "broken" in [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--methods", "dartz"), "did you mean darts"),
        (("--datasets", "fashion_mist"), "did you mean fashion_mnist"),
        (("--datasets", "cifar10"), "fetch cifar10"),
        (("--profile", "quik"), "did you mean quick"),
        (("--budget", "soon"), "is no budget"),
        (("--budget", "0s"), "larger than zero"),
        (("--seeds", "a-b"), "no seeds"),
        (("--space", "nowhere"), "no space 'nowhere'"),
        (("--out", "/proc/nowhere"), "cannot write into /proc/nowhere"),
        (("--plugin", "/nowhere.py"), "cannot be read"),
        (("--methods", ","), "at least one method"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    out = tmp_path / "out"
    common = ("run", "--profile", "smoke", "--methods", "random_sampling", "--out", str(out), "--data", str(tmp_path))
    done = call(*common, *words, code=2)
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not out.exists() or not list(out.iterdir())


def test_the_wrong_workers_are_bad_input() -> None:
    assert "workers" in call("run", "--workers", "0", code=2).stderr


def test_other_settings_in_a_directory_are_bad_input(tmp_path: Path, finished: Path) -> None:
    plugins = [
        word for name in ("squares", "good", "b") for word in ("--plugin", str(tmp_path / "plugins" / f"{name}.py"))
    ]
    words = ["run", "--profile", "smoke", "--methods", "good,b", "--datasets", "squares", "--seeds", "0,1", *plugins]
    words.append("--no-baselines")
    words += ["--out", str(finished), "--data", str(tmp_path / "data")]
    assert "| squares |" in call(*words).stdout
    done = call(*words, "--budget", "41steps", code=2)
    assert "another budget" in done.stderr
    assert "--out" in done.stderr


def test_report_prints_and_writes_and_is_the_same_again(finished: Path) -> None:
    first = call("report", str(finished))
    files = {path.name: path.read_bytes() for path in finished.iterdir() if path.is_file()}
    assert {"performance.md", "cost.tex", "performance.csv", "anytime.png", "report.html"} <= set(files)
    assert brief(files["performance.md"].decode(), "performance.md").strip() in first.stdout
    assert call("report", str(finished)).stdout == first.stdout
    assert {path.name: path.read_bytes() for path in finished.iterdir() if path.is_file()} == files
    records = json.loads(call("report", str(finished), "--json").stdout)
    assert {(record["method"], record["seed"]) for record in records} == {(m, s) for m in ("good", "b") for s in (0, 1)}


def test_report_draws_again_when_a_record_has_changed(finished: Path) -> None:
    call("report", str(finished))
    record = next(finished.rglob("record.json"))
    record.write_text(record.read_text().replace('"test_accuracy": 0.5', '"test_accuracy": 0.75'))
    call("report", str(finished))
    assert "62.50 (2)" in (finished / "performance.md").read_text()


@pytest.mark.parametrize("damage", ["{", '{"schema": 1}', "\xff"])
def test_a_damaged_record_is_bad_input(finished: Path, damage: str) -> None:
    record = next(finished.rglob("record.json"))
    record.write_text(damage, encoding="latin-1")
    assert str(record) in call("report", str(finished), code=2).stderr


def test_report_on_nothing_is_bad_input(tmp_path: Path) -> None:
    assert str(tmp_path) in spawn("report", str(tmp_path), code=2).stderr
    assert "error: " in call("show", str(tmp_path), code=2).stderr
    assert "error: " in call("export", str(tmp_path), "x.keras", code=2).stderr
    assert ".keras" in call("export", str(tmp_path), "x.h5", code=2).stderr


def test_show_tells_about_a_run(finished: Path) -> None:
    run = next(finished.rglob("record.json")).parent
    text = call("show", str(run)).stdout
    assert "50.00 %" in text
    assert "1,000" in text
    assert json.loads(call("show", str(run), "--json").stdout)["record"]["parameters"] == 1000


def test_show_draws_what_was_found_into_a_file(tmp_path: Path, finished: Path) -> None:
    run = save(make("darts", 0.9, proposal=str(PUBLISHED["darts_v2"].genotype)), tmp_path)
    picture = tmp_path / "darts.svg"
    assert "node 2 = sep_conv_3x3(input 0)" in call("show", str(run), "--svg", str(picture)).stdout
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    other = next(finished.rglob("record.json")).parent
    assert "nothing to draw" in call("show", str(other), "--svg", str(picture), code=2).stderr


def test_fetch_knows_what_is_there_and_what_it_cannot_bring(tmp_path: Path) -> None:
    assert "toy is here" in call("fetch", "toy", "--data", str(tmp_path)).stdout
    assert "adience" in call("fetch", "toy", "adience_age", "--data", str(tmp_path), code=2).stderr
    assert "did you mean" in call("fetch", "toyy", code=2).stderr


def test_inspect_refuses_what_it_cannot_count(tmp_path: Path) -> None:
    assert "either" in call("inspect", code=2).stderr
    assert "cannot be read" in call("inspect", "--genotype", str(tmp_path / "none.json"), code=2).stderr
    assert "did you mean darts_v" in call("inspect", "--published", "darts_v3", code=2).stderr
    assert "image size" in call("inspect", "--published", "darts_v2", "--image", "0x3", code=2).stderr


def test_inspect_counts_a_published_network_and_the_same_cell_from_a_file(tmp_path: Path) -> None:
    tiny = ("--channels", "4", "--layers", "3", "--classes", "10", "--json")
    named = json.loads(call("inspect", "--published", "darts_v2", *tiny).stdout)
    sep, skip, pool = "sep_conv_3x3", "skip_connect", "max_pool_3x3"
    cell = {
        "normal": [[sep, 0], [sep, 1], [sep, 0], [sep, 1], [sep, 1], [skip, 0], [skip, 0], ["dil_conv_3x3", 2]],
        "normal_concat": [2, 3, 4, 5],
        "reduce": [[pool, 0], [pool, 1], [skip, 2], [pool, 1], [pool, 0], [skip, 2], [skip, 2], [pool, 1]],
        "reduce_concat": [2, 3, 4, 5],
    }
    file = tmp_path / "cell.json"
    file.write_text(json.dumps(cell))
    read = json.loads(call("inspect", "--genotype", str(file), "--space", "cell", *tiny).stdout)
    assert read == {name: named[name] for name in read}
    assert read["parameters"] > 1000
    assert read["macs"] > read["parameters"]


def started(tmp_path: Path) -> subprocess.Popen[str]:
    """A command whose only search waits for a minute."""
    plugins = [
        write_squares(tmp_path, tmp_path / "data"),
        write_method(tmp_path, "waits", f"import time\ntime.sleep(60)\n{GOOD}"),
    ]
    words = [sys.executable, "-m", "harness", "run", "--profile", "smoke", "--methods", "waits", "--no-baselines"]
    words += ["--datasets", "squares", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")]
    words += [word for plugin in plugins for word in ("--plugin", str(plugin))]
    # A shell starts background jobs deaf to Ctrl-C, and they pass that on to whatever they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    return process


def test_interrupting_keeps_what_there_is_and_the_same_command_goes_on(tmp_path: Path) -> None:
    process = started(tmp_path)
    settings = tmp_path / "out" / "smoke" / "squares" / "macro-3" / "waits" / "0" / "settings.json"
    while not settings.exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command continues" in errors
    assert "Traceback" not in errors
    assert not (settings.parent / "record.json").exists()
    lock = subprocess.run(["flock", "-n", str(settings.parent / ".lock"), "true"], check=False)
    assert lock.returncode == 0, "a child process is still there"


@pytest.mark.parametrize("times", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_an_interrupt_while_tensorflow_is_imported_is_remembered(tmp_path: Path, times: int) -> None:
    process = started(tmp_path)
    inputs = tmp_path / "out" / "smoke" / "squares" / "macro-3" / "waits" / "0" / "inputs.json"
    while not inputs.exists() and process.poll() is None:
        time.sleep(0.02)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == "stopped; the same command continues where this one was\n"
    lock = subprocess.run(["flock", "-n", str(inputs.parent / ".lock"), "true"], check=False)
    assert lock.returncode == 0, "a child process is still there"


_INTERRUPTED = """
import sys

class Finder:
    def find_spec(name, *rest):
        if name == "harness.cli.options":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("how", ["runpy.run_module('harness', run_name='__main__')", "SCRIPT.load()()"])
def test_an_interrupt_while_the_command_line_is_imported_is_one_word(how: str) -> None:
    value = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["nas-harness"]
    program = f"{_INTERRUPTED}\nimport runpy\nfrom importlib.metadata import EntryPoint\n"
    program += f"SCRIPT = EntryPoint('nas-harness', {value!r}, 'console_scripts')\n{how}\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


def test_an_interrupt_while_it_plans_is_one_sentence(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\nfrom pathlib import Path\nfrom harness import DatasetSource\n"
        f"Path({str(tmp_path / 'planning')!r}).write_text('')\ntime.sleep(60)\nDATASET = DatasetSource\n"
    )
    words = [sys.executable, "-m", "harness", "run", "--datasets", "slow", "--plugin", str(slow)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    while not (tmp_path / "planning").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "stopped; the same command continues where this one was\n"
