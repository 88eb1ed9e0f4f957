"""Processes on other machines that help a call; here the other machine is this one, or none."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.run.backends import helpers, mailbox
from harness.run.backends.base import (
    WAITING,
    Backend,
    Broken,
    Call,
    Capacity,
    Handle,
    Item,
    Outcome,
    Position,
    Tell,
    copies,
)
from harness.run.backends.copies import TRIES
from harness.run.backends.helpers import Helpers
from harness.run.backends.local import Local
from harness.run.backends.mailbox import ANSWER, ANSWERED, ASKED, DECLINED, Letter, Mailbox

TIMES = 6


def near() -> Callable[[Any], Any]:
    def square(number: int) -> list[Any]:
        time.sleep(0.5)
        return [number**2, "near"]

    return square


def asks(directory: Path, tell: Tell) -> Outcome:
    """Asks for squares, and writes down who has answered and what was lost on the way."""
    rows = []
    with contextlib.closing(copies(3, near)) as several:
        for question in [several.ask(number) for number in range(TIMES)]:
            try:
                rows.append([*several.answer(question), question.losses, question.lost])
            except Broken as broken:
                rows.append([str(broken), "nobody", question.losses, question.lost])
    (directory / "rows.json").write_text(json.dumps(rows))
    return Outcome("ok")


def asks_again(directory: Path, tell: Tell) -> Outcome:
    """Does not let a place rest for long at which nobody has answered."""
    mailbox.REST = 0.3
    return asks(directory, tell)


def far(directory: Path, question: bytes, own: Path) -> bytes:
    assert own.is_dir()
    assert Path.cwd().is_relative_to(own)
    return pickle.dumps([pickle.loads(question) ** 2, "far"])


def dies_once(directory: Path, question: bytes, own: Path) -> bytes:
    mark = directory.parent / f"mark {pickle.loads(question)}"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return far(directory, question, own)


def dies(directory: Path, question: bytes, own: Path) -> bytes:
    if pickle.loads(question) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return far(directory, question, own)


def raises(directory: Path, question: bytes, own: Path) -> bytes:
    raise ValueError("no squares here")


class Lossy(Local):
    """Has lost a node on the way to each answer."""

    def wait(self, seconds: float) -> list[Handle]:
        ended = super().wait(seconds)
        for handle in ended:
            handle.lost, handle.losses = 2.5, 1
        return ended


class Full(Backend):
    """A cluster none of whose nodes is free, ever; keeps what it was asked to do."""

    def __init__(self) -> None:
        self.live: list[Handle] = []
        self.calls: list[Call] = []

    @property
    def capacity(self) -> Capacity:
        return Capacity()

    def submit(self, call: Call) -> Handle:
        self.live.append(Handle(call, Position(words=WAITING)))
        self.calls.append(call)
        return self.live[-1]

    def wait(self, seconds: float) -> list[Handle]:
        return []

    def cancel(self, handle: Handle) -> None:
        self.live.remove(handle)

    def close(self) -> None:
        self.live.clear()


class Late(Full):
    """A cluster whose nodes are busy at first, and free after so many questions."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self._questions, self._free = questions, Local()

    def submit(self, call: Call) -> Handle:
        if len(self.calls) < self._questions:
            return super().submit(call)
        self.calls.append(call)
        return self._free.submit(call)

    def wait(self, seconds: float) -> list[Handle]:
        return self._free.wait(seconds)

    def cancel(self, handle: Handle) -> None:
        if handle in self.live:
            super().cancel(handle)
        self._free.cancel(handle)

    def close(self) -> None:
        super().close()
        self._free.close()


def call_of(directory: Path, helps: Callable[[Path, bytes, Path], bytes] = far) -> Call:
    directory.mkdir(parents=True, exist_ok=True)
    item = Item(directory, directory)
    return Call("test", asks, (item,), ("rows.json",), 300.0, 8.0, 1, False, processes=3, helps=helps, far=2)


def worked_off(call: Call, other: Backend) -> list[list[Any]]:
    """What came of each question: the answer, from whom, how many processes and seconds it has cost."""
    [item] = call.items
    with contextlib.closing(Local()) as local:
        handle, helping = local.submit(call), Helpers(call, other)
        deadline = time.monotonic() + 300
        while handle not in local.wait(0.05):
            helping.turn()
            assert time.monotonic() < deadline
        helping.close()
    assert handle.outcomes == (Outcome("ok"),), (item.directory / "log.txt").read_text()
    rows: list[list[Any]] = json.loads((item.directory / "rows.json").read_text())
    return rows


def test_what_copies_here_have_no_place_for_is_answered_elsewhere(tmp_path: Path) -> None:
    rows = worked_off(call_of(tmp_path / "run"), Local())
    assert [row[0] for row in rows] == [number**2 for number in range(TIMES)]
    assert [row[1] for row in rows[:3]] == ["near", "far", "far"]
    assert {row[2] for row in rows} == {0}
    assert list((tmp_path / ".run-helped").iterdir()) == [], "nothing is left of the helpers"


def test_a_helper_that_dies_is_replaced_and_costs_its_seconds(tmp_path: Path) -> None:
    rows = worked_off(call_of(tmp_path / "run", dies_once), Local())
    assert [row[0] for row in rows] == [number**2 for number in range(TIMES)]
    for row in rows[1:3]:
        assert row[2] == 1
        assert 0 < row[3] < 100


def test_a_node_that_is_lost_costs_its_seconds(tmp_path: Path) -> None:
    rows = worked_off(call_of(tmp_path / "run"), Lossy())
    assert {(row[1], row[2], row[3]) for row in rows} == {("near", 0, 0.0), ("far", 1, 2.5)}


def test_a_question_that_kills_is_given_up_and_what_raises_is_told(tmp_path: Path) -> None:
    """It may also be a copy here that is asked in the end."""
    rows = worked_off(call_of(tmp_path / "run", dies), Local())
    assert [row[0] for row in rows[:1] + rows[2:]] == [0, 4, 9, 16, 25]
    assert rows[1][:2] == [1, "near"] or f"lost its process {TRIES} times" in rows[1][0]
    assert 1 <= rows[1][2] <= TRIES
    rows = worked_off(call_of(tmp_path / "other", raises), Local())
    assert "no squares here" in rows[1][0]


def test_what_no_node_takes_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "PATIENCE", 0.2)
    full = Full()
    rows = worked_off(call_of(tmp_path / "run"), full)
    assert [row[:2] for row in rows] == [[number**2, "near"] for number in range(TIMES)]
    assert len(full.calls) == 2, "then nobody asks any more"


def test_nodes_that_are_free_again_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "PATIENCE", 0.2)
    late = Late(2)
    rows = worked_off(dataclasses.replace(call_of(tmp_path / "run"), function=asks_again), late)
    assert [row[0] for row in rows] == [number**2 for number in range(TIMES)]
    assert [row[1] for row in rows[:3]] == ["near"] * 3, "who was asked in vain is not asked twice"
    assert "far" in {row[1] for row in rows[3:]}
    assert len(late.calls) > 2


def test_what_nobody_waits_for_is_stopped(tmp_path: Path) -> None:
    call = call_of(tmp_path / "run")
    box, full = Mailbox(tmp_path / "run", 2), Full()
    helping = Helpers(call, full)
    names = [box.ask(b"one"), box.ask(b"two"), box.ask(b"three")]
    helping.turn()
    assert [one.call.items[0].value.content for one in full.live] == [b"one", b"two"], "as many as there are places"
    (tmp_path / "run" / ASKED / names[0]).unlink()
    helping.turn()
    assert [one.call.items[0].value.content for one in full.live] == [b"two", b"three"]
    helping.turn()
    assert len(full.calls) == 3, "none twice"


def test_links_and_odd_files_are_no_questions(tmp_path: Path) -> None:
    """A search may have put anything there; what collects is not fenced."""
    secret, outside = tmp_path / "secret", tmp_path / "outside"
    secret.write_bytes(b"the test labels")
    outside.mkdir()
    asked = tmp_path / "run" / ASKED
    call, full = call_of(tmp_path / "run"), Full()
    asked.mkdir()
    (asked / "0").symlink_to(secret)
    (asked / "1").hardlink_to(secret)
    os.mkfifo(asked / "2")
    (asked / "3").mkdir()
    (asked / "name").write_bytes(b"x")
    (asked / "4").write_bytes(b"x" * (helpers.MOST + 1))
    Helpers(call, full).turn()
    assert full.calls == []
    asked.rename(tmp_path / "moved")
    (tmp_path / "moved" / "5").write_bytes(b"behind a link")
    asked.symlink_to(tmp_path / "moved")
    Helpers(call, full).turn()
    assert full.calls == []
    asked.unlink()
    box = Mailbox(tmp_path / "run", 1)
    box.ask(b"one")
    (tmp_path / "run" / ANSWERED).rmdir()
    (tmp_path / "run" / ANSWERED).symlink_to(outside)
    helping = Helpers(call, full)
    helping.turn()
    helping._deliver(helping._asked[0], Letter(ANSWER, b"x"))
    assert list(outside.iterdir()) == []


def test_a_letter_says_what_was_packed(tmp_path: Path) -> None:
    for letter in (Letter(ANSWER, b"\0\xff", 1.5, 2), Letter(DECLINED)):
        assert Letter.unpacked(letter.packed()) == letter
    box = Mailbox(tmp_path, 1)
    name = box.ask(b"?")
    assert box.answer(name) is None
    (tmp_path / ANSWERED / name).write_bytes(letter.packed())
    assert box.answer(name) == letter
    assert not list((tmp_path / ASKED).iterdir())
    again = Mailbox(tmp_path, 1)
    assert again.ask(b"!") == name, "what an earlier process has asked is gone"
    assert again.answer(name) is None


def test_a_call_without_places_elsewhere_has_no_mailbox(tmp_path: Path) -> None:
    call = dataclasses.replace(call_of(tmp_path / "run"), far=0)
    rows = worked_off(call, Full())
    assert {row[1] for row in rows} == {"near"}
    assert not (tmp_path / "run" / ASKED).exists()
