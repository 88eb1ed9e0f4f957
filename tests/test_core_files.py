"""Files are replaced at once or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from harness.core.files import remove_torn, replace_text, replacing


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("first\n", "second, with ä and \r\n as it is\n"):
        replace_text(path, text)
        assert path.read_bytes() == text.encode()
    with replacing(tmp_path / "arrays.npz", durable=False) as new:
        np.savez(new, x=np.arange(3))  # NumPy adds a suffix of its own to other names
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["arrays.npz", "record.json"]


def test_after_a_failure_the_old_file_is_there_and_the_new_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    replace_text(path, "old")

    def interrupted() -> None:
        with replacing(path) as new:
            new.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        events.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    replace_text(tmp_path / "a", "text")
    assert events == ["file", "rename", "directory"]
    replace_text(tmp_path / "a", "text", durable=False)
    assert events == ["file", "rename", "directory", "rename"]


def test_a_missing_directory_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "missing" / "a", "text")


def test_a_link_in_the_place_of_the_new_file_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search has guessed the name that its parent will use, and has put a link to another run's record there."""
    other = tmp_path / "other.json"
    other.write_text("theirs")
    guessed = tmp_path / f".{os.getpid()}-{bytes(6).hex()}-record.json"
    guessed.symlink_to(other)
    draws = iter([bytes(6), bytes([1] * 6)])
    monkeypatch.setattr(os, "urandom", lambda size: next(draws))
    replace_text(tmp_path / "record.json", "mine")
    assert other.read_text() == "theirs"
    assert (tmp_path / "record.json").read_text() == "mine"
    assert not (tmp_path / "record.json").is_symlink()
    assert guessed.is_symlink(), "what was there is left alone"


def test_writers_with_the_same_process_number_do_not_write_into_the_same_file(tmp_path: Path) -> None:
    """Containers that share a directory count their processes from 1 each."""
    path = tmp_path / "record.json"
    with replacing(path) as first:
        first.write_text("the fir")
        with replacing(path) as second:
            assert second != first
            second.write_text("the second")
        assert path.read_text() == "the second"
        first.write_text("the first")
    assert path.read_text() == "the first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_was_writing_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".17-record.json").write_text("of an earlier version of this project")
    (tmp_path / ".lock").write_text("")
    with replacing(tmp_path / "record.json") as new:
        new.write_text("half of the n")
        remove_torn(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == [".lock"]
        new.write_text("all of it")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".lock", "record.json"]
