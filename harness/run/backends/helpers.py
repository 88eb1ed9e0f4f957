"""Other machines that help the process of a call: each question in its mailbox is a call of its own there.

So a question has what every call has: its files travel with it, it is started, watched, capped and fenced as on one
machine, and goes on elsewhere when its node is lost.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.names import sentence
from harness.run.backends.base import WAITING, Backend, Broken, Call, Handle, Item, Outcome, Tell
from harness.run.backends.mailbox import ANSWER, ANSWERED, ASKED, DECLINED, REASON, Letter

PATIENCE = 60.0
"""Seconds that a question waits for a node before it is given back: there may be none any more."""
MOST = 2**20
"""Bytes of a question."""
_FILE = "answer"


@dataclass(frozen=True)
class Question:
    """What a helper works off.

    Args:
        helps, value: of the call that is helped.
        content: what its process has written.
        directory: of the helper.
    """

    helps: Callable[[Any, bytes, Path], bytes]
    value: Any
    content: bytes
    directory: Path


def answer(question: Question, tell: Tell) -> Outcome:
    """Leaves the answer in the helper's directory, or what answering has raised."""
    try:
        found = question.helps(question.value, question.content, question.directory)
    except Exception as error:
        found = pickle.dumps(Broken(f"raised {sentence(error)}"))
    (question.directory / _FILE).write_bytes(found)
    return Outcome("ok")


@dataclass(eq=False)
class _Asked:
    """A question that is being worked off.

    Args:
        name, handle, directory: of it.
        since: when it began to wait for a node, or when it was last seen on one.
        began: when it was first seen on the node that has it; None while it waits for one.
    """

    name: str
    handle: Handle
    directory: Path
    since: float = field(default_factory=time.monotonic)
    began: float | None = None

    def look(self) -> bool:
        """Notes how it is; whether it has waited for too long."""
        now = time.monotonic()
        if self.handle.position.words == WAITING:
            self.began = None
            return now - self.since > PATIENCE
        self.since, self.began = now, self.began or now
        return False

    def letter(self) -> Letter:
        """What has come of it."""
        lost, losses, outcome = self.handle.lost, self.handle.losses, self.handle.outcomes[0]
        if outcome.status == "ok":
            with contextlib.suppress(OSError):
                return Letter(ANSWER, (self.directory / _FILE).read_bytes(), lost, losses)
            outcome = Outcome("failed", "left no answer behind")
        lost += 0.0 if self.began is None else time.monotonic() - self.began
        return Letter(REASON, outcome.reason.encode(), lost, losses + 1)


class Helpers:
    """Works off what the process of a call asks.

    Args:
        call: of one item.
        backend: other machines; closed with this.

    Attributes:
        nodes: those that have answered, with their devices.
    """

    def __init__(self, call: Call, backend: Backend) -> None:
        self._call, [self._item], self._backend = call, call.items, backend
        self._asked: list[_Asked] = []
        self._over: set[str] = set()
        self.nodes: set[str] = set()

    def turn(self) -> None:
        """Begins with what was asked, and hands over what is answered; does not wait."""
        asked = self._item.directory / ASKED
        there = set(_names(asked))
        self._over &= there
        for one in [one for one in self._asked if one.name not in there]:  # nobody wants the answer any more
            self._backend.cancel(one.handle)
            self._forget(one)
        known = {one.name for one in self._asked} | self._over
        for name in sorted(there - known, key=int)[: self._call.far - len(self._asked)]:
            content = _content(asked, name)
            if content is None:
                self._over.add(name)
            else:
                self._begin(name, content)
        ended = self._backend.wait(0.0)
        for one in list(self._asked):
            if one.handle in ended:
                self.nodes |= {one.handle.where} - {""}
                self._deliver(one, one.letter())
            elif one.look():
                self._backend.cancel(one.handle)
                self._deliver(one, Letter(DECLINED, lost=one.handle.lost, losses=one.handle.losses))

    def close(self) -> None:
        """Ends what is under way."""
        self._backend.close()
        for one in list(self._asked):
            self._forget(one)

    def _begin(self, name: str, content: bytes) -> None:
        call, item = self._call, self._item
        # Outside of the process's own directory, where it might have put a link in its place.
        directory = item.directory.with_name(f".{item.directory.name}-helped") / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        work = Call(
            words=f"{call.words}'s helper",
            function=answer,
            items=(Item(Question(_of(call), item.value, content, directory), directory, item.reads),),
            writes=(_FILE,),
            seconds=call.seconds,
            memory=call.memory,
            threads=call.threads,
            tensorflow=call.tensorflow,
        )
        self._asked.append(_Asked(name, self._backend.submit(work), directory))

    def _deliver(self, one: _Asked, letter: Letter) -> None:
        with contextlib.suppress(OSError):  # the process has put something else there: it waits in vain
            _put(self._item.directory / ANSWERED, one.name, letter.packed())
        self._over.add(one.name)
        self._forget(one)

    def _forget(self, one: _Asked) -> None:
        self._asked.remove(one)
        shutil.rmtree(one.directory, ignore_errors=True)


def _of(call: Call) -> Callable[[Any, bytes, Path], bytes]:
    assert call.helps is not None, "nobody would know how to help"
    return call.helps


def _names(directory: Path) -> list[str]:
    """Names in a directory that are numbers; none if it is no directory, or a link."""
    with contextlib.suppress(OSError), _opened(directory) as top:
        return [name for name in os.listdir(top) if name.isdecimal() and name.isascii()]
    return []


def _content(directory: Path, name: str) -> bytes | None:
    """What a regular file of moderate size holds; None of a link, whoever has put it there, and of anything else."""
    with contextlib.suppress(OSError), _opened(directory) as top:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=top)
        with open(file, "rb", buffering=0) as stream:
            facts = os.fstat(file)
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 and facts.st_size <= MOST:
                return stream.read(MOST)
    return None


def _put(directory: Path, name: str, content: bytes) -> None:
    """Writes a file into a directory of a process that runs, and could put a link in the place of either meanwhile.

    Raises:
        OSError: the directory is none, or is a link.
    """
    with _opened(directory) as top:
        new = f".{name}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=top)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=top)
        with open(file, "wb") as stream:
            stream.write(content)
        os.rename(new, name, src_dir_fd=top, dst_dir_fd=top)


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield top
    finally:
        os.close(top)
