"""Copies of a process that work for it, side by side: for a call that has several things to compute at the same time.

A copy has what the process had when it was made, its fence included, and ends with it, busy or idle: on Linux the
kernel ends it, and everywhere a thread of it watches a pipe, its life-line, whose other end only that process has.

The process cannot be copied again later, when it has threads and whatever its work has brought: so a few copies more
are made in the beginning. They are idle, with next to no memory of their own, until another one has ended.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from typing import Any

from harness.core.names import sentence
from harness.run.backends import sandbox
from harness.run.backends.base import Broken, Copies, Question
from harness.run.backends.mailbox import ANSWER, DECLINED, Letter, Mailbox

SPARE = 4
"""Copies that wait in reserve."""
TRIES = 3
"""Copies that may end at a question: it is more likely to be the reason then than chance."""
_POLL = 0.1  # seconds between two looks at the mailbox


@dataclass(eq=False)
class _Copy:
    pid: int
    pipe: Connection
    question: Question | None = None
    since: float = 0.0


class ForkedCopies(Copies):
    """Copies that were made by ``fork``; see :func:`harness.run.backends.base.copies`.

    Args:
        many, serve: see there.
        mailbox: to processes on other machines, each of which replaces one copy here; None: all copies are here.
    """

    def __init__(self, many: int, serve: Callable[[], Callable[[Any], Any]], mailbox: Mailbox | None = None) -> None:
        self._waiting: deque[Question] = deque()
        self._mailbox, self._far = mailbox, dict[str, Question]()
        self._many, self._answers = many - (mailbox.places if mailbox else 0), 0
        self._copies: list[_Copy] = []
        owner, (line, self._lifeline) = os.getpid(), Pipe(duplex=False)
        for _ in range(self._many + SPARE):
            ours, theirs = Pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    for pipe in (ours, self._lifeline, *(copy.pipe for copy in self._copies)):
                        pipe.close()  # or the others would not notice that this process has ended
                    _end_with(owner, line)
                    _answer(serve, theirs)
                finally:
                    os._exit(0)
            theirs.close()
            self._copies.append(_Copy(pid, ours))
        line.close()

    def ask(self, value: Any, *, near: bool = False) -> Question:
        """Asks a copy that is idle, or the next one that will be; else another machine."""
        question = Question(value, near)
        self._waiting.append(question)
        self._hand_out()
        return question

    def answer(self, question: Question) -> Any:
        """Waits for the answer.

        Raises:
            Broken: answering has raised something, or copies have ended.
        """
        self.first([question])
        if isinstance(question.answer, Broken):
            raise question.answer
        return question.answer

    def first(self, questions: Sequence[Question]) -> Question:
        """Waits until one of these questions, one at least, is answered: the one that was answered first."""
        while not (there := [question for question in questions if question.answered]):
            self._listen()
        return min(there, key=lambda question: question.place)

    def forget(self) -> None:
        """Takes questions back: those that no copy is at, and those asked of other machines. What a copy is at ends by
        itself, and is not asked again if that copy is lost."""
        self._waiting.clear()
        while self._far and self._mailbox:
            self._mailbox.take_back(self._far.popitem()[0])
        for copy in self._copies:
            if copy.question is not None:
                copy.question.wanted = False

    def close(self) -> None:
        """Ends all copies."""
        self._lifeline.close()
        for copy in self._copies:
            copy.pipe.close()
            # A fence that cannot tell whose process it is refuses the signal. The life-line ends the copy all the same.
            with contextlib.suppress(OSError):
                os.kill(copy.pid, signal.SIGKILL)
                os.waitpid(copy.pid, 0)
        self._copies.clear()

    def _hand_out(self) -> None:
        """Idle copies are asked what waits; as many as were wanted work at the same time."""
        for copy in [copy for copy in self._copies if copy.question is None and copy.pipe.poll()]:
            self._forget(copy)  # it has not been asked anything: its pipe is at its end
        for copy in self._copies[: self._many]:
            if copy.question is None and self._waiting:
                copy.question, copy.since = self._waiting.popleft(), time.monotonic()
                with contextlib.suppress(OSError):  # it has ended, which is heard of next
                    copy.pipe.send(copy.question.value)
        box = self._mailbox
        while box and len(self._far) < box.open and (far := [one for one in self._waiting if not one.near]):
            self._waiting.remove(far[0])
            self._far[box.ask(pickle.dumps(far[0].value))] = far[0]
        if not self._copies:
            for question in self._waiting:
                self._answered(question, Broken("has lost all its processes"))
            self._waiting.clear()

    def _listen(self) -> None:
        busy = [copy for copy in self._copies if copy.question is not None]
        ready = connection.wait([copy.pipe for copy in busy], _POLL if self._mailbox else None)
        for copy in busy:
            if copy.pipe in ready and copy.question is not None:
                question, copy.question = copy.question, None
                try:
                    self._answered(question, copy.pipe.recv())
                except (EOFError, OSError):
                    self._lost(copy, question)
        for name in list(self._far):
            if self._mailbox and (letter := self._mailbox.answer(name)):
                self._take_in(self._far.pop(name), letter)
        self._hand_out()

    def _take_in(self, question: Question, letter: Letter) -> None:
        """What another machine says to a question."""
        question.lost += letter.lost
        question.losses += letter.losses
        if letter.kind == ANSWER:
            self._answered(question, pickle.loads(letter.content))
        elif letter.kind == DECLINED and self._mailbox:
            question.near = True
            self._waiting.appendleft(question)
            self._mailbox.rest()
        else:
            self._again(question, letter.content.decode())

    def _lost(self, copy: _Copy, question: Question) -> None:
        """A copy has ended at a question."""
        self._forget(copy)
        question.lost += time.monotonic() - copy.since
        question.losses += 1
        self._again(question, "perhaps the machine's memory was used up")

    def _again(self, question: Question, reason: str) -> None:
        """A process has ended at a question, which is the next to be asked, unless it has cost too many."""
        if not question.wanted:
            self._answered(question, Broken("was taken back"))
        elif question.losses < TRIES:
            self._waiting.appendleft(question)
        else:
            self._answered(question, Broken(f"lost its process {TRIES} times; {reason}"))

    def _forget(self, copy: _Copy) -> None:
        """What is left of a copy that has ended."""
        self._copies.remove(copy)
        copy.pipe.close()
        with contextlib.suppress(OSError):
            os.waitpid(copy.pid, 0)

    def _answered(self, question: Question, answer: Any) -> None:
        question.answered, question.answer, question.place = True, answer, self._answers
        self._answers += 1


def _end_with(owner: int, line: Connection) -> None:
    """Makes this process, a copy, end when its owner does.

    Args:
        owner: process id.
        line: closed at the other end when the owner has ended or wants no more answers.
    """
    sandbox.signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != owner:  # it has ended before
        os._exit(0)
    threading.Thread(target=_watch, args=(line,), daemon=True).start()


def _watch(line: Connection) -> None:
    connection.wait([line])
    os._exit(0)


def _answer(serve: Callable[[], Callable[[Any], Any]], pipe: Connection) -> None:
    """Answers what comes through a pipe until it is closed."""
    answers = None
    while True:
        try:
            value = pipe.recv()
        except EOFError:
            return
        try:
            answers = answers or serve()
            answer = answers(value)
        except Exception as error:
            answer = Broken(f"raised {sentence(error)}")
        pipe.send(answer)
