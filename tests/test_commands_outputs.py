"""Files that a person names: no command writes one over a result, or in among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_records import make, save
from test_cli_odd import refused

from harness.commands.baseline import store
from harness.commands.outputs import check_output
from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.core.record import Record
from harness.report.gate.baseline import read_baseline
from harness.run.store import RunDirectory
from harness.spaces.zoo import PUBLISHED

COMMANDS = {
    "experience": ("experience", "{runs}", "{file}"),
    "show": ("show", "{run}", "--svg", "{file}"),
    "table": ("table", "tables/fashion_mnist", "--runs", "{runs}", "--plot", "{file}"),
    "export": ("export", "{run}", "{file}"),
}
ENDINGS = {"experience": ".csv", "show": ".svg", "table": ".png", "export": ".keras"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory of runs with one that has ended, and has something to draw and to export."""
    run = RunDirectory(save(make("darts", 0.9, proposal=str(PUBLISHED["darts_v2"].genotype)), tmp_path))
    run.model.write_text("a trained network")
    run.final.write_text("{}")
    for name in ("drawing.svg", "plot.png", "log.csv"):
        (run.path / name).write_text("a result")
    return tmp_path / "runs"


def everything(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "file", ["record.json", "model.keras", "drawing.svg", "plot.png", "log.csv", "new", "up", "link"]
)
def test_no_command_writes_among_the_results(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    runs: Path,
    command: str,
    file: str,
) -> None:
    run, ending = next(runs.rglob("record.json")).parent, ENDINGS[command]
    up = runs if command == "experience" else run.parent
    path = {"new": run / f"new{ending}", "up": up / f"new{ending}", "link": tmp_path / f"link{ending}"}.get(file)
    if file == "link":
        (tmp_path / f"link{ending}").symlink_to(run / "record.json")
    before = everything(runs)
    words = [word.format(runs=runs, run=run, file=path or run / file) for word in COMMANDS[command]]
    told = refused(monkeypatch, capsys, *words)
    assert "among the results of runs" in told or "has to end in" in told
    assert everything(runs) == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("afile", "has to end in"),
        ("x.foo", "has to end in"),
        ("directory{ending}", "is a directory"),
        ("nowhere/x{ending}", "there is no directory"),
        ("/proc/x{ending}", "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_before_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    runs: Path,
    command: str,
    file: str,
    sentence: str,
) -> None:
    run, ending = next(runs.rglob("record.json")).parent, ENDINGS[command]
    (tmp_path / f"directory{ending}").mkdir()
    path = tmp_path / file.format(ending=ending)
    told = refused(monkeypatch, capsys, *(word.format(runs=runs, run=run, file=path) for word in COMMANDS[command]))
    assert sentence in told


def test_a_baseline_is_not_written_over_a_record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], runs: Path
) -> None:
    record = next(runs.rglob("record.json"))
    words = ("baseline", str(runs), "--name", "record", "--out", str(record.parent))
    assert "among the results of runs" in refused(monkeypatch, capsys, *words)
    assert Record.read(record).method == "darts"


def test_a_baseline_is_not_written_beside_runs_or_over_another_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], runs: Path, tmp_path: Path
) -> None:
    words = ("baseline", str(runs), "--out")
    assert "among the results of runs" in refused(monkeypatch, capsys, *words, str(runs), "--name", "x")
    assert not (runs / "x.json").exists()
    stored = tmp_path / "stored"
    assert "write --name x" in refused(monkeypatch, capsys, *words, str(stored), "--name", "x.json")
    stored.mkdir()
    (stored / "x.json").write_text("as it was")
    assert "add --replace" in refused(monkeypatch, capsys, *words, str(stored), "--name", "x")
    assert (stored / "x.json").read_text() == "as it was"
    assert store(runs, "x", stored, replace=True)[0] == stored / "x.json"
    assert read_baseline(stored / "x.json").name == "x"


def test_a_directory_of_runs_is_known_by_what_is_in_it(tmp_path: Path, runs: Path) -> None:
    """Not only the one that the command names: also another one, and a run that has not ended."""
    run = next(runs.rglob("record.json")).parent
    for without in (False, True):
        for inside in (run, *run.parents[:4]):
            with pytest.raises(InputError, match="among the results"):
                check_output(inside / "x.csv", (".csv",))
        if not without:
            (run / "record.json").rename(run / "inputs.json")
    for beside in (runs, tmp_path):  # as of a run with --out .
        (beside / ".claims").touch()
        assert check_output(beside / "x.csv", (".csv",)) == beside / "x.csv"


def test_experience_in_the_checkout_could_not_be_read() -> None:
    assert CHECKOUT is not None
    with pytest.raises(InputError, match="in the checkout"):
        check_output(CHECKOUT / "x.csv", (".csv",), checkout=False)
