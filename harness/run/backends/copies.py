"""Copies of a process that work for it, side by side: for a call that has several things to compute at the same time.

A copy has what the process had when it was made, its fence included, and ends with it, busy or idle: on Linux the
kernel ends it, and everywhere a thread of it watches a pipe, its life-line, whose other end only that process has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from typing import Any

from harness.core.names import sentence
from harness.run.backends import base, sandbox
from harness.run.backends.base import Broken, Question


@dataclass(eq=False)
class _Copy:
    pid: int
    pipe: Connection
    question: Question | None = None


class Copies(base.Copies):
    """See :func:`harness.run.backends.base.copies`."""

    def __init__(self, many: int, serve: Callable[[], Callable[[Any], Any]]) -> None:
        self._waiting: deque[Question] = deque()
        self._copies: list[_Copy] = []
        owner, (line, self._lifeline) = os.getpid(), Pipe(duplex=False)
        for _ in range(many):
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

    def ask(self, value: Any) -> Question:
        """Asks a copy that is idle, or the next one that will be."""
        question = Question(value)
        self._waiting.append(question)
        self._hand_out()
        return question

    def answer(self, question: Question) -> Any:
        """Waits for the answer.

        Raises:
            Broken: answering has raised something, or the copy has ended.
        """
        while not question.answered:
            self._listen()
        if isinstance(question.answer, Broken):
            raise question.answer
        return question.answer

    def forget(self) -> None:
        """Takes questions back that no copy is at."""
        self._waiting.clear()

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
        for copy in self._copies:
            if copy.question is None and self._waiting:
                copy.question = self._waiting.popleft()
                with contextlib.suppress(OSError):  # it has ended, which is heard of next
                    copy.pipe.send(copy.question.value)
        if not self._copies:
            for question in self._waiting:
                question.answered, question.answer = True, Broken("has lost all its processes")
            self._waiting.clear()

    def _listen(self) -> None:
        busy = [copy for copy in self._copies if copy.question is not None]
        ready = connection.wait([copy.pipe for copy in busy])
        for copy in busy:
            if copy.pipe in ready and copy.question is not None:
                question, copy.question = copy.question, None
                try:
                    question.answer = copy.pipe.recv()
                except (EOFError, OSError):
                    self._copies.remove(copy)
                    question.answer = Broken("lost its process; perhaps the machine's memory was used up")
                question.answered = True
        self._hand_out()


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
