"""What a back end is: it takes calls, works each of them off in a process of its own, and tells how far they are.

Nothing here knows what a call computes, and nobody else in the project knows processes. A call names the files that it
reads and writes, so that a back end without a shared file system can bring them along and back.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LOG, SCRATCH, LOCK = "log.txt", "scratch", ".lock"
"""Names in an item's directory: what its process printed, where it worked, and its lock."""
WAITING = "waiting for a node"
"""What a call does that no machine has begun with."""
Tell = Callable[[float, str], None]
"""``tell(share, words)``: called inside the process, as often as it likes; ``share`` of the present item, 0..1."""


class Busy(Exception):
    """Another process is working in the same directory."""


@dataclass(frozen=True)
class Outcome:
    """How an item of a call ended.

    Args:
        status: ``busy``: another process is working in the same directory, so that nothing was done here.
        reason: one sentence unless ``ok``.
    """

    status: Literal["ok", "failed", "unsupported", "busy"]
    reason: str = ""


@dataclass(frozen=True)
class Capacity:
    """What a back end offers.

    Args:
        workers: calls that it works off at the same time, unless the user says otherwise.
        cores: CPU cores that they share.
        memory: bytes that they share; 0 if unknown.
        cards: graphics cards that they share, of each machine that has some.
        devices: the kinds of devices that train, by name, if the back end has several machines.
    """

    workers: int = 1
    cores: int = 1
    memory: int = 0
    cards: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One of the things that a call works off.

    Args:
        value: what the call's function gets; picklable.
        directory: exists; the item's own: locked while it is worked on, and the only one that is written into.
        reads: files outside ``directory`` that are read.
    """

    value: Any
    directory: Path
    reads: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Call:
    """Work for one process: items, one after the other.

    The process runs in a scratch directory, with its output in a log in the directory of its first item. It ends when
    this command ends, however that ends.

    Args:
        words: what it does, for sentences about it: ``search``.
        function: ``function(value, tell)`` works off one item; module-level, picklable. It catches what goes wrong.
        items: at least one.
        writes: names of the files that it may leave in an item's directory.
        seconds: after which an item is stopped, and the process with it.
        memory: cap of the process's private memory, GiB.
        threads: of numerical libraries, in each of its processes.
        processes: that it computes in at the same time, itself and those that it starts.
        tensorflow: whether it needs TensorFlow, whose import takes seconds.
        ready: module-level, picklable: does what all items need, once before them. What it raises is dropped: an item
            that needs it raises the same again, and its outcome says so.
        apart: whether each item is worked off in a copy of the process, which sees nothing of what the others do.
        helps: ``helps(value, question, directory)``, module-level, picklable: in a process on another machine, what a
            copy of the item's process would answer; both are pickled. The directory is the helper's own. None: all
            processes have to be on one machine.
        far: of the processes, those that are on other machines; the back end's affair.
        cards: graphics cards of the machine that it gets for itself, as far as there are so many; none without
            ``tensorflow``.
    """

    words: str
    function: Callable[[Any, Tell], Outcome]
    items: tuple[Item, ...]
    writes: tuple[str, ...]
    seconds: float
    memory: float
    threads: int
    tensorflow: bool
    ready: Callable[[], object] | None = None
    apart: bool = False
    processes: int = 1
    helps: Callable[[Any, bytes, Path], bytes] | None = None
    far: int = 0
    cards: int = 1

    @property
    def here(self) -> int:
        """Processes on the machine that works it off."""
        return self.processes - self.far

    @property
    def cores(self) -> int:
        """That it keeps busy there."""
        return self.threads * self.here


@dataclass(frozen=True)
class Position:
    """How far a call is: at which item (the number of those that have ended), and what that item told last."""

    item: int = 0
    share: float = 0.0
    words: str = "starting"


@dataclass(eq=False)
class Handle:
    """A call that was submitted. Only its back end changes it.

    Attributes:
        call: what is to be done.
        position: how far it is.
        outcomes: how the items ended, in order. A process that breaks at an item takes the later ones with it: then the
            last outcome is that of the item, and says why, and the later ones have none.
        where: the machine and its device, if it is not this one.
        helpers: the machines that have helped it, likewise.
        lost: seconds that machines were at it which are gone.
        losses: how many these were.
    """

    call: Call
    position: Position = Position()
    outcomes: tuple[Outcome, ...] = ()
    where: str = ""
    helpers: tuple[str, ...] = ()
    lost: float = 0.0
    losses: int = 0

    def places(self, name: str) -> dict[str, str]:
        """Where it was worked off, for a record: under a name, and who has helped as ``children``."""
        helped = {"children": "; ".join(self.helpers)} if self.helpers else {}
        return {name: self.where, **helped} if self.where else {}


class Backend(abc.ABC):
    """Works off calls."""

    @property
    @abc.abstractmethod
    def capacity(self) -> Capacity:
        """What it offers; asked once, before the first call."""

    @abc.abstractmethod
    def submit(self, call: Call) -> Handle:
        """Starts a call at once. A call that cannot be started has ended, with an outcome that says why."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> list[Handle]:
        """Waits until a call has ended, at most so long, and brings the positions of the others up to date.

        Returns:
            The calls that have ended since the last time, by themselves or at their cap, each with its outcomes.
        """

    @abc.abstractmethod
    def cancel(self, handle: Handle) -> None:
        """Stops a call; :meth:`wait` does not return it any more."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stops every call that is still running and comes back when nothing of them is left; may be called again."""


class Broken(Exception):
    """A copy could not answer; the message goes on with "it"."""


@dataclass(eq=False)
class Question:
    """What was asked, and the answer.

    Args:
        value: picklable.
        near: whether it is to be answered on this machine.
        answered: whether there is an answer.
        answer: a picklable value; or why there is none.
        place: among the questions that were answered, in the order of the answers.
        lost: seconds that copies were at it which have ended before they had the answer.
        losses: how many these were.
        wanted: whether it has not been taken back.
    """

    value: Any
    near: bool = False
    answered: bool = False
    answer: Any = None
    place: int = 0
    lost: float = 0.0
    losses: int = 0
    wanted: bool = True


class Copies(abc.ABC):
    """Copies of a process that work for it, side by side; on other machines processes that are as good.

    A question whose copy has ended is asked again, of another one, as long as there are any and a few times at most.
    """

    @abc.abstractmethod
    def ask(self, value: Any, *, near: bool = False) -> Question:
        """Asks a copy that is idle, or the next one that will be.

        Args:
            value: picklable.
            near: whether the answer leaves something on this machine.
        """

    @abc.abstractmethod
    def answer(self, question: Question) -> Any:
        """Waits for the answer.

        Raises:
            Broken: answering has raised something, or copies have ended.
        """

    @abc.abstractmethod
    def first(self, questions: Sequence[Question]) -> Question:
        """Waits until one of these questions, one at least, is answered: the one that was answered first."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Takes questions back that no copy is at."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends all copies."""


@contextlib.contextmanager
def locked(directory: Path, patience: float) -> Iterator[None]:
    """Keeps the processes of calls out of an item's directory, which may meanwhile be renamed.

    Args:
        directory: exists.
        patience: seconds to wait for a process that is working in it.

    Raises:
        Busy: it goes on.
        OSError: the directory is gone, or cannot be written.
    """
    from harness.run.backends.sandbox import lock

    held = lock(directory, patience)
    try:
        yield
    finally:
        held.release()


def copies(many: int, serve: Callable[[], Callable[[Any], Any]]) -> Copies:
    """Copies of this process, for a call's function that has several things to compute at the same time.

    A copy has what the process has now, its fence included, and ends with it at the latest.

    Args:
        many: how many, those on other machines included.
        serve: called in a copy before its first answer; returns what answers there.
    """
    from harness.run.backends.copies import ForkedCopies
    from harness.run.backends.mailbox import mailbox

    return ForkedCopies(many, serve, mailbox())
