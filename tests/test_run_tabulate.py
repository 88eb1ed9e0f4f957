"""Tables of one's own: which networks are trained, that nothing is lost or done twice, that parts make the whole."""

from __future__ import annotations

import csv
import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_run_plan import request_for

from harness.commands.tabulate import Made, _images, _trainings, tabulate
from harness.core.errors import InputError, StorageError
from harness.core.home import CHECKOUT
from harness.core.space import Space
from harness.run.backends.base import Backend, Call, Capacity, Handle, Outcome
from harness.run.images import locate
from harness.run.plan import make_plan
from harness.run.tabulate import sheet
from harness.run.tabulate.architectures import architectures
from harness.run.tabulate.request import make_table_request
from harness.run.tabulate.tabulation import Tabulator, Tally, alone
from harness.spaces import get_space

SMALL = "nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3"
FOUR = "nasbench201:none,skip_connect,nor_conv_3x3,avg_pool_3x3"
TIMES = ("seconds", "per_second")


def make(
    out: Path, *, seeds: str = "0", sample: int = 3, part: str = "1/1", command: str = "a test", **more: object
) -> Made:
    """A little table of toy images."""
    usual = {"dataset": "toy", "space": SMALL, "profile": "smoke", "data": out.parent, "workers": 1}
    request = make_table_request(**{**usual, "seeds": seeds, "out": out, "sample": sample, "part": part, **more})  # type: ignore[arg-type]
    return tabulate(request, command=command)


def rows(path: Path) -> list[dict[str, str]]:
    """The rows without what a clock has measured."""
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if not any(word in name for word in TIMES)} for row in found]


class TestArchitectures:
    def test_one_for_each_function(self) -> None:
        space = get_space(SMALL)
        found = architectures(space, 0)
        functions = Counter(space.function(genotype) for genotype in space.every())
        assert {space.function(genotype) for genotype in found.genotypes} == set(functions)
        assert len(found.genotypes) == len(functions)
        assert sum(found.stands_for.values()) == space.cardinality

    def test_a_sample_is_the_beginning_of_the_whole(self) -> None:
        space = get_space(SMALL)
        assert architectures(space, 20).genotypes == architectures(space, 0).genotypes[:20]

    def test_the_order_is_not_that_of_the_space(self) -> None:
        """The first third of a table is no corner of the space: each operation is about a third of its edges."""
        some = architectures(get_space(SMALL), 150).genotypes
        for edge in range(6):
            assert max(Counter(genotype.picks[edge] for genotype in some).values()) < 90

    def test_a_large_space_is_sampled(self) -> None:
        space = get_space("cell-2")
        found = architectures(space, 5)
        assert len({genotype.text for genotype in found.genotypes}) == 5
        with pytest.raises(InputError, match="--sample"):
            architectures(space, 0)

    @pytest.mark.parametrize(("space", "sample"), [(SMALL, 460), ("keras", 0)])
    def test_what_there_is_not_is_refused(self, space: str, sample: int) -> None:
        with pytest.raises(InputError):
            architectures(get_space(space), sample)


def one_missing(whole: Path, path: Path, failure: str = "") -> None:
    """A copy of a table that lacks a training, or says that it has failed."""
    path.with_suffix(".toml").write_bytes(whole.with_suffix(".toml").read_bytes())
    with whole.open(newline="") as file:
        found = list(csv.DictReader(file))
    for name in found[0]:
        if name.endswith("_s1"):
            found[0][name] = failure if name.startswith("failure") else ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three architectures with two seeds."""
    path = tmp_path_factory.mktemp("whole") / "whole.csv"
    made = make(path, seeds="0-1")
    assert (made.rows, made.architectures, made.tally.failures) == (3, 3, [])
    return path


class TestTable:
    @pytest.mark.slow
    def test_every_training_has_its_own_numbers(self, whole: Path) -> None:
        found = rows(whole)
        assert len(found) == 3
        for row in found:
            for name in ("valid_8_s0", "valid_8_s1", "test_s0", "test_s1"):
                assert 0 < float(row[name]) < 1
            assert row["steps_s0"] == "60"
            assert not row["failure_s0"]
        assert len({row["test_s0"] for row in found} | {row["test_s1"] for row in found}) > 3

    def test_nothing_is_trained_twice(self, whole: Path) -> None:
        before = whole.read_bytes()
        assert make(whole, seeds="0-1").tally.done == 0
        assert whole.read_bytes() == before
        assert not whole.with_name("whole.csv.work").exists()

    def test_parts_and_more_seeds_make_the_whole(self, whole: Path, tmp_path: Path) -> None:
        """The first part with seed 0 at first, then with both; merged, and nothing is left to train."""
        parts = [tmp_path / "one.csv", tmp_path / "two.csv"]
        make(parts[0], part="1/2")
        make(parts[0], part="1/2", seeds="0-1")
        make(parts[1], part="2/2", seeds="0-1")
        assert len(rows(parts[1])) == 1
        merged = make(tmp_path / "merged.csv", seeds="0-1", merged=tuple(parts))
        assert (merged.tally.done, merged.rows) == (0, 3)
        assert rows(tmp_path / "merged.csv") == rows(whole)

    def test_kills_lose_nothing(self, whole: Path, tmp_path: Path) -> None:
        """Killed three times wherever it was, a second after a change of its files, it ends with the same rows."""
        path = tmp_path / "killed.csv"
        command = [sys.executable, "-m", "harness", "tabulate", "--dataset", "toy", "--profile", "smoke"]
        command += ["--sample", "3", "--workers", "1", "--data", str(tmp_path), "--out", str(path)]
        state, kills = list[str](), 0
        while kills < 3:
            process = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL, start_new_session=True)
            while process.poll() is None and _state(tmp_path) == state:
                time.sleep(0.05)
            if process.poll() is not None:
                break
            state = _state(tmp_path)
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        assert kills > 1
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert rows(path) == rows(whole)

    def test_another_thing_is_refused(self, whole: Path) -> None:
        before = whole.read_bytes(), whole.with_suffix(".toml").read_bytes()
        for other in ({"sample": 4}, {"profile": "tabulate"}, {"space": FOUR}):
            with pytest.raises(InputError, match="another"):
                make(whole, **other)  # type: ignore[arg-type]
        assert (whole.read_bytes(), whole.with_suffix(".toml").read_bytes()) == before

    def test_what_another_table_left_behind_is_not_taken_over(self, tmp_path: Path) -> None:
        made = {"data": "abc", "space": SMALL, "sample": 3}
        mine = _trainings(tmp_path, made)
        assert mine == _trainings(tmp_path, dict(reversed(made.items())))
        for other in ({"data": "abd"}, {"sample": 4}, {"final": "{}"}):
            assert _trainings(tmp_path, {**made, **other}) != mine

    @pytest.mark.parametrize("text", ["", "genotype,a\nx\n", "genotype\nnobody\n"])
    def test_a_damaged_file_is_refused_and_kept(self, whole: Path, tmp_path: Path, text: str) -> None:
        path = tmp_path / "damaged.csv"
        path.with_suffix(".toml").write_bytes(whole.with_suffix(".toml").read_bytes() if text else b"")
        path.write_text(text)
        with pytest.raises(InputError):
            make(path, seeds="0-1")
        assert path.read_text() == text

    def test_a_full_disk_loses_nothing(self, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "full.csv"
        one_missing(whole, path)

        def full(path: Path, text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def begin(tabulator: Tabulator) -> Tally:
            monkeypatch.setattr(sheet, "replace_text", full)
            return run(tabulator)

        run = Tabulator.run
        monkeypatch.setattr(Tabulator, "run", begin)
        with pytest.raises(StorageError, match=r"takes no more .*: \d of 1 trainings are stored; make room, and"):
            make(path, seeds="0-1")
        monkeypatch.undo()
        assert make(path, seeds="0-1").rows == 3
        assert rows(path) == rows(whole)

    def test_a_training_that_is_done_stands_before_a_failed_one_in_either_order(
        self, whole: Path, tmp_path: Path
    ) -> None:
        failed = tmp_path / "failed.csv"
        one_missing(whole, failed, "it diverged")
        for number, parts in enumerate(((failed, whole), (whole, failed))):
            merged = tmp_path / f"merged{number}.csv"
            assert make(merged, seeds="0-1", merged=parts).rows == 3
            assert rows(merged) == rows(whole), "and no sentence of the failure beside good numbers"

    def test_a_column_of_somebody_else_is_refused_and_kept(self, whole: Path, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        path.with_suffix(".toml").write_bytes(whole.with_suffix(".toml").read_bytes())
        head, *lines = whole.read_text().splitlines()
        path.write_text("\n".join([f"{head},remark", *(f"{line},good" for line in lines)]) + "\n")
        before = path.read_bytes()
        with pytest.raises(InputError, match="has the column 'remark'"):
            make(path, seeds="0-1")
        assert path.read_bytes() == before

    def test_any_command_can_be_written_down(self, whole: Path, tmp_path: Path) -> None:
        """Characters beyond the basic plane, control characters, bytes of a path that are no UTF-8."""
        path = tmp_path / "odd.csv"
        for command in ("tabulate --data /x/\U0001f600", 'tabulate --data /x/\x7f\x01"', "tabulate --data /x/\udcff"):
            one_missing(whole, path)
            make(path, seeds="0-1", command=command)
            assert make(path, seeds="0-1").rows == 3, "it is read again"

    def test_what_is_left_is_said(self, whole: Path, tmp_path: Path) -> None:
        part = make(tmp_path / "part.csv", part="1/2")
        assert part.words().endswith("not complete; part 1/2 is; --merge puts the parts together")
        path = tmp_path / "seeds.csv"
        one_missing(whole, path)
        assert make(path).words().endswith("not complete; seed 1 is missing in some rows; name all with --seeds")
        one_missing(whole, path, "it diverged")
        assert make(path, seeds="0-1").words().endswith("1 trainings have failed; --retry-failed does them again")
        assert make(path, seeds="0-1", retry_failed=True).words().endswith("3 of 3 architectures, complete")

    def test_a_failed_training_is_a_row_and_can_be_done_again(self, whole: Path, tmp_path: Path) -> None:
        path = tmp_path / "failed.csv"
        one_missing(whole, path, "it diverged")
        assert make(path, seeds="0-1").rows == 2
        assert rows(path)[0]["failure_s1"] == "it diverged"
        assert make(path, seeds="0-1", retry_failed=True).rows == 3
        assert rows(path) == rows(whole)


def test_a_tables_images_are_those_of_a_run(tmp_path: Path) -> None:
    """They go by the name on the command line, on which checksum and splits depend: a search may train on the images
    behind a table, which it finds by their checksum."""
    request = request_for(tmp_path)
    plugin = tmp_path / "plugins" / "squares.py"
    plugin.write_text(plugin.read_text().replace('Dataset("squares"', 'Dataset("another name"'))
    [planned] = {job.prepared.checksum for job in make_plan(request).jobs}
    asked = make_table_request(
        dataset="squares", space=SMALL, profile="smoke", seeds="0", out=tmp_path / "t.csv", data=request.data_root,
        plugins=request.plugins,
    )  # fmt: skip
    data, hidden = _images(asked)
    assert locate(data, asked.profile.validation_share, tmp_path).checksum == planned
    assert [path.name for path in hidden] == ["y_test.npy"]


def test_work_that_is_no_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.csv.work").write_text("somebody's")
    with pytest.raises(InputError, match=r"t\.csv\.work \(.*--out"):
        make(tmp_path / "t.csv")
    assert (tmp_path / "t.csv.work").read_text() == "somebody's"


def test_two_commands_do_not_write_one_table_and_other_errors_are_their_own(tmp_path: Path) -> None:
    work = tmp_path / "t.csv.work"
    with alone(work), pytest.raises(InputError, match="another command is writing"), alone(work):
        pass
    with pytest.raises(BlockingIOError), alone(work):
        raise BlockingIOError("of what is done meanwhile")
    with alone(work):
        pass


class Elsewhere(Backend):
    """Every item is being worked on by another process, as after a kill that has left one behind."""

    def __init__(self) -> None:
        self.handles = list[Handle]()

    capacity = Capacity()  # type: ignore[assignment]

    def submit(self, call: Call) -> Handle:
        for item in call.items:
            (item.directory / "theirs").write_text("half a training")
        self.handles.append(Handle(call, outcomes=(Outcome("busy"),) * len(call.items)))
        return self.handles[-1]

    def wait(self, seconds: float) -> list[Handle]:
        ended, self.handles = self.handles, []
        return ended

    def cancel(self, handle: Handle) -> None: ...

    def close(self) -> None: ...


def test_what_another_process_is_working_on_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands.tabulate.make_backend", lambda *_: Elsewhere())
    made = make(tmp_path / "t.csv")
    assert (made.tally.busy, made.rows) == (3, 0)
    assert len(list((tmp_path / "t.csv.work").glob("trainings/*/*/theirs"))) == 3
    assert made.words().endswith("not complete; the same command continues it")


def _state(directory: Path) -> list[str]:
    """The files of a table under way; a kill follows whenever they change."""
    names = [str(path) for path in directory.rglob("*") if path.name in ("killed.csv", "signal.json", "result.json")]
    lines = sum(path.read_text().count("\n") for path in directory.glob("killed.csv"))
    return [*sorted(names), str(lines)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "t.txt"], ".csv"),
        (["--out", "t.csv", "--part", "5/4"], "1/4"),
        (["--out", "t.csv", "--profile", "nb201"], "looks tables up"),
        (["--out", "t.csv", "--space", "nasbench201:nor_conv_3x3,skip_connect"], "one name"),
        (["--out", "t.csv", "--space", "nasbench201:skip_connect"], "two or more"),
        (["--out", "t.csv", "--space", "cell"], "--sample"),
        (["--out", "t.csv", "--sample", "1000"], "459"),
        (["--out", "t.csv", "--part", "460/500"], "empty"),
        (["--out", "t.csv", "--dataset", "table:x.csv"], "missing"),
        (["--out", "nowhere/\0/t.csv"], "t.csv"),
        (["--out", "t.csv", "--merge", "none.csv"], "none.toml"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, words: list[str], told: str) -> None:
    command = [sys.executable, "-c", "from harness.cli import main; main()", "tabulate"]
    usual = [] if "--dataset" in words else ["--dataset", "toy"]
    if any("\0" in word for word in words):
        pytest.skip("no process takes such an argument")
    done = subprocess.run(
        [*command, *usual, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
    assert not list(tmp_path.glob("*.csv"))


def formula(space: Space, picks: tuple[int, ...]) -> tuple[str, ...]:
    """A cell's output as a sum, zeros dropped and sums flattened, without regard to which convolution is which."""
    nodes: dict[int, tuple[str, ...]] = {0: ("x",), 1: (), 2: (), 3: ()}
    edges = itertools.chain.from_iterable([(source, target) for source in range(target)] for target in (1, 2, 3))
    for pick, (source, target) in zip(picks, edges, strict=True):
        op = space.choices[0].options[pick]
        if op == "skip_connect":
            nodes[target] += nodes[source]
        elif op != "none" and nodes[source]:
            nodes[target] += (f"{op}({'+'.join(sorted(nodes[source]))})",)
    return tuple(sorted(nodes[3]))


@pytest.mark.parametrize(
    ("name", "cells", "formulas", "functions"),
    [(SMALL, 729, 435, 459), (FOUR, 4096, 871, 1041), ("nasbench201", 15_625, 4930, 5875)],
)
def test_numbers_of_cells_formulas_and_functions(name: str, cells: int, formulas: int, functions: int) -> None:
    """Functions are finer than formulas: they say which convolutions are the same, and an offset of zero is none."""
    space = get_space(name)
    every = list(space.every())
    assert len(every) == len({genotype.text for genotype in every}) == space.cardinality == cells
    assert len({formula(space, genotype.picks) for genotype in every}) == formulas
    assert len({space.function(genotype) for genotype in every}) == functions
    of_function: dict[str, tuple[str, ...]] = {}
    if name == SMALL:
        for genotype in every:
            text = formula(space, genotype.picks)
            assert of_function.setdefault(space.function(genotype), text) == text


def test_a_random_generator_is_not_needed() -> None:
    assert np.array_equal(
        [g.picks for g in architectures(get_space(SMALL), 9).genotypes],
        [g.picks for g in architectures(get_space(SMALL), 9).genotypes],
    )
