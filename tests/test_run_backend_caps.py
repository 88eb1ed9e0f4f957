"""What a process prints and leaves on the disk is bounded, and the process neither waits nor dies for a long log."""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from backends import items

from harness.run.backends import caps, sandbox
from harness.run.backends import local as execute
from harness.run.backends.base import LOCK, LOG, Call, Outcome, Tell
from harness.run.backends.local import Local

LINE = b"x" * 1023 + b"\n"
MANY = 30 * 2**10  # lines: 30 MiB


def prints_without_end(directory: str, tell: Tell) -> Outcome:
    os.write(1, b"the first line\n")
    for _ in range(MANY):
        os.write(1, LINE)
    time.sleep(0.5)  # what is printed in the moment of a cut is lost
    os.write(2, b"the last line\n")
    return Outcome("ok", "printed")


def prints_and_is_seen(directory: str, tell: Tell) -> Outcome:
    """Goes on until its log was cut under its hands."""
    for _ in range(MANY):
        os.write(1, LINE)
    while (Path(directory) / LOG).stat().st_size > caps.LOG_MOST:
        time.sleep(0.05)
    os.write(1, b"the last line\n")
    return Outcome("ok", "printed")


def fills_the_disk(directory: str, tell: Tell) -> Outcome:
    Path("large").write_bytes(bytes(4 * 2**20))  # in the scratch directory
    time.sleep(60)
    return Outcome("ok")


def shares_memory(directory: str, tell: Tell) -> Outcome:
    """Memory that is no process's own."""
    shared = mmap.mmap(-1, 1200 * 2**20)
    for start in range(0, len(shared), mmap.PAGESIZE):
        shared[start] = 1
    time.sleep(60)
    return Outcome("ok")


def has_children_hoard(directory: str, tell: Tell) -> Outcome:
    """Each of them stays below the limit."""
    for _ in range(3):
        if os.fork() == 0:
            kept = bytearray(b"x") * (400 * 2**20)
            time.sleep(60)
            os._exit(len(kept) % 2)
    time.sleep(60)
    return Outcome("ok")


def prints_a_line(directory: str, tell: Tell) -> Outcome:
    print("a line")
    return Outcome("ok")


def forged_log(directory: str, tell: Tell) -> Outcome:
    """Makes its log a second name of a file of somebody else."""
    (Path(directory) / LOG).unlink()
    (Path(directory) / LOG).symlink_to(Path(directory).parent / "other")
    return Outcome("ok")


def ended(tmp_path: Path, function: Callable[[str, Tell], Outcome], memory: float = 4.0) -> Outcome:
    backend = Local()
    call = Call("search", function, items([tmp_path / "a"]), (), 60.0, memory, 1, False)
    handle = backend.submit(call)
    while handle not in backend.wait(0.1):
        pass
    backend.close()
    [outcome] = handle.outcomes
    return outcome


@pytest.mark.parametrize("body", [prints_without_end, prints_and_is_seen])
def test_a_search_that_prints_without_end_has_a_short_log_and_goes_on(
    tmp_path: Path, body: Callable[[str, Tell], Outcome]
) -> None:
    assert ended(tmp_path, body) == Outcome("ok", "printed")
    log = tmp_path / "a" / LOG
    assert log.stat().st_size <= caps.LOG_MOST
    text = log.read_bytes()
    if body is prints_without_end:
        assert text.startswith(b"the first line\n")
    assert text.endswith(b"the last line\n")
    assert b"[output was cut here: a log holds 10 MB" in text


@pytest.fixture
def small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "LOG_MOST", 2000)
    monkeypatch.setattr(caps, "LOG_END", 400)


@pytest.mark.usefixtures("small_logs")
def test_a_log_keeps_its_beginning_and_its_end_however_often_it_is_cut(tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_bytes(b"".join(b"%07d\n" % number for number in range(300)))
    assert caps.cut_log(log)
    with log.open("ab") as file:
        file.write(b"".join(b"%07d\n" % number for number in range(300, 600)))
    assert caps.cut_log(log)
    lines = log.read_text().splitlines()
    assert lines[:75] == [f"{number:07d}" for number in range(75)]
    assert lines[-50:] == [f"{number:07d}" for number in range(550, 600)]
    assert sum("output was cut" in line for line in lines) == 1
    assert not caps.cut_log(log)


@pytest.mark.usefixtures("small_logs")
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_another_file_is_neither_cut_nor_written_through_a_link(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    other, log = tmp_path / "other", tmp_path / LOG
    other.write_bytes(bytes(5000))
    link(other, log)
    assert not caps.cut_log(log)
    descriptor = caps.open_log(log)
    os.write(descriptor, b"printed")
    os.close(descriptor)
    assert other.read_bytes() == bytes(5000)
    assert log.read_bytes() == b"printed"


def test_a_fifo_in_the_place_of_a_log_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOG)
    assert not caps.cut_log(tmp_path / LOG)
    os.close(caps.open_log(tmp_path / LOG))
    assert (tmp_path / LOG).is_file()


def test_the_next_phase_does_not_print_into_the_file_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("record")
    assert ended(tmp_path, forged_log).status == "ok"
    assert ended(tmp_path, prints_a_line).status == "ok"
    assert (tmp_path / "other").read_text() == "record"
    assert "a line" in (tmp_path / "a" / LOG).read_text()


def test_a_search_that_fills_the_disk_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "DISK_MOST", 2**20)
    monkeypatch.setattr(execute, "_PAUSE", 0.2)
    outcome = ended(tmp_path, fills_the_disk)
    assert outcome.status == "failed"
    assert "had more than the allowed" in outcome.reason


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
@pytest.mark.parametrize("body", [shares_memory, has_children_hoard])
def test_memory_that_is_shared_or_of_children_counts(
    tmp_path: Path, body: Callable[[str, Tell], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "_PAUSE", 0.2)
    outcome = ended(tmp_path, body, memory=1.0)
    assert outcome.status == "failed"
    assert "had more than its 1 GiB of memory" in outcome.reason


@pytest.mark.usefixtures("small_logs")
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_another_file_is_not_emptied_through_a_lock(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    (tmp_path / "other").write_text("record")
    (tmp_path / "a").mkdir()
    link(tmp_path / "other", tmp_path / "a" / LOCK)
    sandbox.lock(tmp_path / "a", 1).release()
    assert (tmp_path / "other").read_text() == "record"


def test_files_are_weighed_by_what_they_take_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    empty = caps.on_disk(tmp_path)
    (tmp_path / "a" / "b" / "c").write_bytes(bytes(3 * 2**20))
    (tmp_path / "link").symlink_to("/")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    assert 3 * 2**20 <= caps.on_disk(tmp_path) - empty < 4 * 2**20
    assert caps.on_disk(tmp_path / "missing") == 0
