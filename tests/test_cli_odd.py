"""Odd words on the command line, odd surroundings, and data sets that end themselves: one sentence, before any work."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_files import write_squares
from report_records import make, save
from test_cli import call

from harness.cli import main
from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.run.request import absolute_path, make_request

DIGITS = "٣"
"""A three that Python takes for a digit."""
BRACKETS = "[" * 100_000


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The sentence of a command that is refused, in this process."""
    monkeypatch.setattr("sys.argv", ["harness", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert len(told.err.splitlines()) == 1
    return told.err


RUN = ("run", "--profile", "smoke", "--methods", "random_sampling")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*RUN, "--out", ""), "nothing is given for --out"),
        ((*RUN, "--out="), "nothing is given for --out"),
        ((*RUN, "--redo", ""), "nothing is given for --redo"),
        (("report", ""), "nothing is given for report"),
        ((*RUN, "--out", "~nobody-of-this-name/x"), "is nowhere on this machine"),
        ((*RUN, "--seeds", DIGITS), "write it with 0 to 9"),
        ((*RUN, "--seeds", "0-999999999"), "too many seeds"),
        ((*RUN, "--budget", f"{DIGITS}evals"), "is no budget"),
        ((*RUN, "--budget", "1e400s"), "is no budget"),
        ((*RUN, "--budget", "nans"), "is no budget"),
        ((*RUN, "--budget", "99999999999999evals"), "1e+09evals is the most"),
        ((*RUN, "--max-macs", DIGITS), "--max-macs"),
        ((*RUN, "--methods", "random_sampling\udcff"), "is no text in UTF-8"),
        ((*RUN, "--methods", "regularized_evolution:population=5:population=6"), "population twice"),
        ((*RUN, "--methods", "regularized_evolution:population=1e400"), "and the like, not '1e400'"),
        ((*RUN, "--methods", f"regularized_evolution:population={DIGITS}"), "write it with 0 to 9"),
        (("inspect", "--published", "darts_v2", "--image", f"{DIGITS}x3x3"), "is no image size"),
        (("inspect", "--published", "darts_v2", "--image", "999999x3x3"), "is no image size"),
    ],
)
def test_odd_words_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = refused(monkeypatch, capsys, *words)
    assert sentence in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("--layers", "9999999"), ("--channels", "9" * 20), ("--classes", "9" * 12), ("--layers", DIGITS)]
)
def test_absurd_sizes_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    assert words[0] in refused(monkeypatch, capsys, "inspect", "--published", "darts_v2", *words)


def test_from_python_an_empty_path_is_refused_too() -> None:
    with pytest.raises(InputError, match="a path is empty"):
        absolute_path("")
    with pytest.raises(InputError, match="a path is empty"):
        make_request(profile="smoke", out="")


@pytest.mark.parametrize("unit", ["s", "m", "h", "d", "evals", "steps", "macs"])
def test_a_budget_that_nobody_can_spend_is_refused(unit: str) -> None:
    with pytest.raises(InputError, match="is the most"):
        Budget.parse(f"9e30{unit}")
    assert Budget.parse(f"100{unit}").amount >= 100


@pytest.mark.parametrize("name", ["nes_rs:members=0", "asha:eta=1", "nes_re:members=99"])
def test_a_setting_that_the_method_refuses_is_refused_before_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    # Code of methods is never run by the command's own process; the one that it asks does not see this.
    monkeypatch.delattr("harness.run.search.load_method")
    told = refused(monkeypatch, capsys, "run", "--profile", "smoke", "--methods", name, "--out", str(tmp_path / "out"))
    assert name.partition(":")[0] in told
    assert not list((tmp_path / "out").rglob("inputs.json"))


def test_looking_at_settings_brings_no_tensorflow() -> None:
    program = (
        "import sys\nfrom harness.plugins.catalogue import Catalogue, load_method\n"
        "for name in Catalogue().names('method'):\n    source = Catalogue().source('method', name)\n"
        "    if not source.facts().trains:\n        load_method(source)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120)


COMMANDS = {
    "run": (*RUN, "--datasets", "squares", "--out", "{out}"),
    "tabulate": ("tabulate", "--dataset", "squares", "--out", "{out}.csv"),
    "table": ("table", "squares"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("where", ["the file", "load", "missing", "hidden"])
@pytest.mark.parametrize("how", ["raise SystemExit(0)", "raise SystemExit(3)", "sys.exit('bye')"])
def test_a_data_set_that_ends_its_process_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    where: str,
    how: str,
    command: str,
) -> None:
    if (command, where) == ("table", "hidden"):
        pytest.skip("it trains nothing, and hides nothing")
    file = write_squares(tmp_path, tmp_path / "data")
    text = file.read_text(encoding="utf-8")
    if where == "the file":
        text = f"import sys\n{how}\n{text}"
    else:
        text = f"{text}\n\ndef _end(*_):\n    import sys\n    {how}\n\nimport dataclasses\n"
        text += f"DATASET = dataclasses.replace(DATASET, {where}=_end, tabular={command == 'table'})\n"
    file.write_text(text, encoding="utf-8")
    words = [word.format(out=tmp_path / "out") for word in COMMANDS[command]]
    told = refused(monkeypatch, capsys, *words, "--plugin", str(file), "--data", str(tmp_path / "data"))
    assert "does not load: SystemExit" in told


@pytest.mark.parametrize("content", [BRACKETS, "9" * 5000], ids=["brackets", "digits"])
@pytest.mark.parametrize("words", [("check", "{runs}", "--against", "{file}"), ("inspect", "--genotype", "{file}")])
def test_nested_brackets_and_endless_numbers_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    content: str,
) -> None:
    save(make("darts", 0.9), tmp_path)
    file = tmp_path / "deep.json"
    file.write_text(content, encoding="utf-8")
    told = refused(monkeypatch, capsys, *(word.format(runs=tmp_path, file=file) for word in words))
    assert str(file) in told


def test_output_that_cannot_be_encoded_ends_no_report(tmp_path: Path) -> None:
    save(make("darts", 0.9, title="Größe ∞"), tmp_path)
    done = call("report", str(tmp_path), PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert "Gr" in done.stdout
    assert "Größe ∞" in (tmp_path / "performance.md").read_text(encoding="utf-8")


def test_a_reader_that_has_gone_leaves_a_whole_report(tmp_path: Path) -> None:
    save(make("darts", 0.9), tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        words = [sys.executable, "-m", "harness", "report", str(tmp_path)]
        done = subprocess.run(words, cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (141, "")
    assert (tmp_path / "runs" / "report.html").exists() or (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "words", [("report", "{runs}"), ("report", "{runs}", "--json"), ("list", "methods"), ("--help",)]
)
def test_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    save(make("darts", 0.9), tmp_path)
    command = [sys.executable, "-m", "harness", *(word.format(runs=tmp_path) for word in words)]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert done.returncode == 4
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert ["No space left on device" in line and "what was done before is stored" in line for line in errors] == [True]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [("list", "methods"), ("--help",), ("inspect", "--published", "all")])
def test_output_that_nobody_reads_is_no_failed_run(words: tuple[str, ...]) -> None:
    """Exit code 1 means that a run failed."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        command = [sys.executable, "-m", "harness", *words]
        done = subprocess.run(
            command, cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "--workers", "0"), "; see python -m harness run --help"),
        (("run", "--bogus"), "--bogus"),
        (("run", "--seeds"), "--seeds"),
        (("list", "foo"), "'foo' is not one of"),
        (("report",), "missing argument"),
        (("report", "a", "b"), "unexpected extra argument"),
        (("nonsense",), "no such command 'nonsense'"),
    ],
)
def test_words_that_no_command_has_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    told = refused(monkeypatch, capsys, *words)
    assert sentence in told
    assert told.rstrip().endswith("--help")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the error is another, the place where it comes is the same."""
    save(make("darts", 0.9), tmp_path)
    words = [sys.executable, "-m", "harness", "report", str(tmp_path)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("error: the runs are stored")
    assert f"make room, or make the directory writable, then: python -m harness report {tmp_path}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_home_is_no_hindrance(tmp_path: Path) -> None:
    assert "fashion_mnist" in call("list", "datasets", HOME="").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "--methods", "td,"), "a method has no name in 'td,'"),
        (("run", "--methods", "td,,gp"), "a method has no name"),
        (("run", "--redo", ",td"), "a method has no name"),
        (("run", "--datasets", "tables/fashion_mnist,"), "leave that comma out"),
        (("run", "--architecture", ","), "leave that comma out"),
        (("tabulate", "--dataset", "toy,", "--out", "t.csv"), "leave that comma out"),
        (("run", "--methods", "all,td"), "'all' stands alone"),
        (("run", "--children", "5"), "leave --children 5 out"),
        (("run", "--mixed-devices"), "leave it out, or add --backend ray"),
        (("run", "--budget", "0.5evals"), "write 1evals or more"),
        (
            ("run", "--methods", "td", "--budget", "1macs"),
            "buys no evaluation: the cheapest row of 'tables/fashion_mnist' costs",
        ),
        (
            ("run", "--methods", "td", "--budget", "99steps"),
            "buys no evaluation: the cheapest row of 'tables/fashion_mnist' costs 100 steps",
        ),
        (("run", "--budget", "0.1s"), "buys no evaluation: the cheapest row of 'tables/fashion_mnist' costs 1s"),
        (("run", "--datasets", "toy:x"), "'toy' takes nothing behind the colon; write toy"),
        (("run", "--datasets", "toy:"), "nothing is behind the colon of 'toy:'"),
        (("run", "--out", "\udcff"), "is no text in UTF-8"),
        (("report", "runs\udcff"), "is no text in UTF-8"),
        (("fetch", "fashion_mnist", "--data", "{file}"), "is no directory; make it one, or name another with --data"),
        (("table", "table:{directory}"), "is a directory; write table:FILE.csv"),
        (("show", "{directory}"), "is no run that has ended; name the directory of one, down to its seed"),
        (("tabulate", "--dataset", "toy", "--out", "{directory}"), "is a directory; name a file in it"),
    ],
)
def test_what_cannot_be_meant_or_would_do_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    (tmp_path / "d.csv").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    given = (word.format(directory=tmp_path / "d.csv", file=tmp_path / "file") for word in words)
    told = refused(monkeypatch, capsys, *given)
    assert sentence in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "file"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("inspect", "--published", "darts_v2", "--space", "nope"), "--space and --plugin are for --genotype"),
        (("inspect", "--genotype", "{file}", "--markdown"), "--markdown is for --published all"),
        (("inspect", "--genotype", "{file}"), "{file} holds no architecture: "),
        ((*RUN, "--architecture", "{file}"), "{file} holds no architecture: "),
        ((*RUN, "--datasets", "nothing"), "folder:PATH"),
        ((*RUN, "--datasets", "nothing"), "table:FILE.csv"),
        (("fetch", "nothing"), "table:FILE.csv"),
        (("report", "{run}/record.json"), "record.json is a file; name its directory, {run}"),
        (("show", "{run}/record.json"), "record.json is a file; name its directory, {run}"),
        (("report", "{run}"), "{run} is a single run"),
    ],
)
def test_the_sentence_says_how_it_would_be_written(
    words: tuple[str, ...],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    run, file = save(make("darts", 0.9), tmp_path), tmp_path / "one.txt"
    file.write_text("cell:x")
    monkeypatch.chdir(tmp_path)
    told = refused(monkeypatch, capsys, *(word.format(run=run, file=file) for word in words))
    assert sentence.format(run=run, file=file) in told
    assert sorted(path.name for path in run.iterdir()) == ["proposals.jsonl", "record.json"]


def test_nobody_is_told_to_delete_a_directory_that_is_no_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One level above a run, or all of its runs."""
    run = save(make("darts", 0.9), tmp_path)
    for above in list(run.parents)[:6]:
        assert "move its directory elsewhere" not in refused(monkeypatch, capsys, "show", str(above))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--methods", "td", "--out", "x"),
        ("run", "--datasets", "table:x.csv"),
        ("table", "table:x.csv"),
        ("experience", "{runs}", "x.csv"),
        ("show", "{runs}", "--svg", "x.svg"),
        ("tabulate", "--dataset", "toy", "--out", "x.csv"),
        ("list", "methods", "--plugin", "x.py"),
    ],
)
def test_a_present_directory_that_is_gone_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = save(make("darts", 0.9), tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    refused(monkeypatch, capsys, *(word.format(runs=run) for word in words))


def test_a_data_directory_that_cannot_be_looked_into_leaves_the_list_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that is too long stands for it: it is refused to everybody."""
    monkeypatch.setattr("sys.argv", ["harness", "list", "datasets", "--json", "--data", "x" * 300])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(told.out)}
    assert (ended.value.code, told.err) == (0, "")
    assert rows["toy"]["here"]
    assert rows["fashion_mnist"]["here"] is False
    assert "File name too long" in rows["fashion_mnist"]["missing"]
    assert rows["fashion_mnist"]["summary"], "what it is, is known all the same"
