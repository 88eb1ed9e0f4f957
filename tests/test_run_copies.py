"""Copies of a process: they end with it, whatever they are at, and closing them never raises."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.run.backends import mailbox, sandbox
from harness.run.backends.base import Broken
from harness.run.backends.copies import SPARE, TRIES, ForkedCopies
from harness.run.backends.mailbox import ANSWER, DECLINED, Letter, Mailbox
from harness.run.fence import Refused

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process that cannot watch anything")


def sleeps() -> None:
    time.sleep(100)


def holds_pythons_lock() -> None:
    re.match(r"(a+)+$", "a" * 50 + "b")  # the matcher never lets a thread run


def begun(work: Callable[[], None]) -> tuple[ForkedCopies, Connection, list[int]]:
    """Two copies at work; a pipe that is at its end when both have ended; their processes."""
    reads, writes = Pipe(duplex=False)

    def serve() -> Callable[[Any], Any]:
        def answer(value: Any) -> None:
            writes.send(os.getpid())
            work()

        return answer

    copies = ForkedCopies(2, serve)
    writes.close()
    for number in range(2):
        copies.ask(number)
    return copies, reads, [reads.recv(), reads.recv()]


def ended(pipe: Connection) -> bool:
    """Whether those that hold the pipe's other end have ended, or do so within seconds."""
    try:
        return pipe.poll(10) and pipe.recv() is None
    except EOFError:
        return True


@pytest.mark.parametrize(
    ("work", "kernel"),
    [(sleeps, True), (sleeps, False), pytest.param(holds_pythons_lock, True, marks=LINUX)],
)
def test_busy_copies_end_when_their_owner_is_killed(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], kernel: bool
) -> None:
    if not kernel:
        monkeypatch.setattr(sandbox, "signal_at_parents_end", lambda number: None)
    ours, theirs = Pipe()
    owner = os.fork()
    if owner == 0:
        try:
            ours.close()
            _, pipe, pids = begun(work)
            theirs.send(pids)
            theirs.poll(100)
            pipe.close()
        finally:
            os._exit(0)
    # The copies have inherited this end, so that it is closed when the last of them is.
    theirs.close()
    pids = ours.recv()
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    try:
        assert ended(ours)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_closing_ends_busy_copies_where_the_fence_refuses_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    copies, pipe, pids = begun(sleeps)

    def refuses(pid: int, number: int) -> None:
        raise Refused(f"a search may not reach for process {pid}")

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuses)
        copies.close()
    assert ended(pipe)
    for pid in pids:
        os.waitpid(pid, 0)


def children() -> list[int]:
    """Of this process, that have not ended."""
    return list(sandbox.family(os.getpid()))[1:]


def kills_itself_once(directory: Path) -> Callable[[], Callable[[Any], Any]]:
    """A question is a name; who is first at it dies."""

    def answer(name: str) -> str:
        path = directory / name
        if not path.exists():
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return name

    return lambda: answer


def test_a_question_whose_copy_has_died_is_asked_again_of_another_one(tmp_path: Path) -> None:
    with contextlib.closing(ForkedCopies(2, kills_itself_once(tmp_path))) as copies:
        questions = [copies.ask(name) for name in ("a", "b", "c")]
        answers = [copies.answer(question) for question in questions]
        assert answers == ["a", "b", "c"]
        assert [question.losses for question in questions] == [1, 1, 1]
        assert all(0 < question.lost < 60 for question in questions)
        again = copies.ask("a")
        assert copies.answer(again) == "a"
        assert (again.losses, again.lost) == (0, 0.0)


def test_who_dies_of_every_copy_is_given_up_and_the_others_are_not() -> None:
    def serve() -> Callable[[Any], Any]:
        def answer(value: int) -> int:
            if value < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        return answer

    with contextlib.closing(ForkedCopies(2, serve)) as copies:
        deadly, harmless = copies.ask(-1), [copies.ask(value) for value in range(5)]
        with pytest.raises(Broken, match=f"lost its process {TRIES} times"):
            copies.answer(deadly)
        assert [copies.answer(question) for question in harmless] == [0, 1, 2, 3, 4]
        assert deadly.losses == TRIES
        for _ in range(2):
            with contextlib.suppress(Broken):
                copies.answer(copies.ask(-1))
        with pytest.raises(Broken, match="all its processes"):
            copies.answer(copies.ask(1))


def test_idle_copies_that_have_died_are_no_loss_of_a_question() -> None:
    before = set(children())
    with contextlib.closing(ForkedCopies(1, lambda: lambda value: value)) as copies:
        made = sorted(set(children()) - before)
        assert len(made) == 1 + SPARE
        for pid in made[:-1]:
            os.kill(pid, signal.SIGKILL)
            # Until all its threads have ended: one of them may hold the pipe open when the first is gone already.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        question = copies.ask("word")
        assert copies.answer(question) == "word"
        assert question.losses == 0


def test_the_first_answer_is_the_one_that_came_first() -> None:
    def serve() -> Callable[[Any], Any]:
        def answer(seconds: float) -> float:
            time.sleep(seconds)
            return seconds

        return answer

    with contextlib.closing(ForkedCopies(2, serve)) as copies:
        slow, quick = copies.ask(3.0), copies.ask(0.01)
        assert copies.first([slow, quick]) is quick
        third = copies.ask(0.02)
        assert copies.first([slow, third]) is third
        assert copies.first([slow]) is slow
        assert copies.first([quick, slow, third]) is quick, "in the order of the answers, whoever asks when"


def test_what_was_taken_back_is_not_asked_again(tmp_path: Path) -> None:
    """Neither of another copy when its own is lost, nor of another machine."""
    for name in ("copies", "box"):
        (tmp_path / name).mkdir()
    with contextlib.closing(
        ForkedCopies(2, kills_itself_once(tmp_path / "copies"), Mailbox(tmp_path / "box", 1))
    ) as copies:
        near, far = copies.ask("a"), copies.ask("b")
        [asked] = (tmp_path / "box" / "asked").iterdir()
        copies.forget()
        assert not asked.exists()
        with pytest.raises(Broken, match="was taken back"):
            copies.answer(near)
        assert (near.losses, far.answered) == (1, False)
        assert copies.answer(copies.ask("a", near=True)) == "a", "new questions are answered"


def test_a_place_elsewhere_at_which_nobody_answered_rests_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> list[str]:
        return [path.name for path in (tmp_path / "asked").iterdir()]

    def sends(name: str, letter: Letter) -> None:
        (tmp_path / "new").write_bytes(letter.packed())
        (tmp_path / "new").rename(tmp_path / "answered" / name)

    now = [0.0]
    monkeypatch.setattr(mailbox, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with contextlib.closing(ForkedCopies(2, lambda: lambda value: value, Mailbox(tmp_path, 1))) as copies:
        questions = [copies.ask("a"), copies.ask("b")]
        assert asked() == ["0"]
        sends("0", Letter(DECLINED))
        assert [copies.answer(question) for question in questions] == ["a", "b"]
        now[0] = mailbox.REST - 1.0
        questions = [copies.ask("c"), copies.ask("d")]
        assert asked() == [], "its place rests"
        assert [copies.answer(question) for question in questions] == ["c", "d"]
        now[0] = mailbox.REST + 1.0
        questions = [copies.ask("e"), copies.ask("f")]
        assert asked() == ["1"]
        sends("1", Letter(ANSWER, pickle.dumps("from elsewhere")))
        assert [copies.answer(question) for question in questions] == ["e", "from elsewhere"]


def test_what_waits_is_asked_elsewhere_when_a_place_has_rested_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else need happen meanwhile: the copy here may be busy for hours."""

    def serve() -> Callable[[Any], Any]:
        def answer(seconds: float) -> float:
            time.sleep(seconds)
            return seconds

        return answer

    monkeypatch.setattr(mailbox, "REST", 0.5)
    box = Mailbox(tmp_path, 1)
    box.rest()
    with contextlib.closing(ForkedCopies(2, serve, box)) as copies:
        busy, waiting = copies.ask(100.0), copies.ask(0.0)
        (tmp_path / "answered" / "0").write_bytes(Letter(ANSWER, pickle.dumps("elsewhere")).packed())
        assert copies.answer(waiting) == "elsewhere"
        assert not busy.answered
