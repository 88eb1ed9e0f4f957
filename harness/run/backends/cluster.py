"""The back end of a Ray cluster: slots on its nodes, actors that hold the back end of one machine, work calls off.

Nothing needs to be shared between the machines. A call travels with the files of its directories; arrays that many
calls read go into Ray's object store once, and from there to each node once. While a call runs, its slot reports what
has changed in its directories, and the head writes it where a local process would have. So a call whose node is lost
goes on elsewhere from what the head has, a killed head continues with the same command, and records are made from the
same files as always. Test labels are in no file that travels.

Needs the extra ``ray``. Ray's own words: https://docs.ray.io/en/latest/ray-core/actors.html
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.names import sentence
from harness.run.backends import joining, machine, node, sandbox
from harness.run.backends.arrivals import take_in
from harness.run.backends.base import WAITING, Backend, Busy, Call, Capacity, Handle, Outcome, Position
from harness.run.backends.interrupts import interrupts_wait
from harness.run.backends.parcels import Packer
from harness.run.backends.starts import IN_VAIN, Starts

PATIENCE = 20.0  # seconds that a call waits for the lock of a directory
_REPORT = 1.0  # seconds between two reports of a slot
_STUCK = 20.0  # seconds after which a slot that has not started waits for cores that others hold
_CLEAR = 15.0  # seconds that they have to remove their files


@dataclass(eq=False)
class _Slot:
    """The head's view of a slot.

    Args:
        actor: Ray's handle of a :class:`~harness.run.backends.node.Slot`.
        size: the cores and the graphics cards that it holds.
        has: files in its ground that several calls read.
    """

    actor: Any
    size: tuple[int, int]
    has: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Run:
    """A call that is running.

    Args:
        slot: where.
        started: Ray's reference to the end of the start.
        pending: Ray's reference to the next report.
        directories: of the items on this machine, by their paths in the slot's ground.
        starts: of the call so far.
        placed: whether the slot has got its cores.
        since: when the slot was asked for, or was first heard of.
    """

    slot: _Slot
    started: Any
    pending: Any
    directories: dict[str, Path]
    starts: Starts
    placed: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def stuck(self) -> bool:
        """Whether it seems to wait for cores, and not for its slot's process to start."""
        return not self.placed and time.monotonic() - self.since > _STUCK


class Cluster(Backend):
    """A Ray cluster.

    Args:
        root: directory of the command's results; what is inside of it has the same place on every node.
        address: of the cluster, as Ray takes it; "" for one on this machine that starts and ends with the command.
        inside: in a process of the cluster, which is connected: names the grounds on the nodes. It asks them nothing.

    Raises:
        InputError: Ray is not installed, there is no cluster at the address, or its nodes cannot take part.
    """

    def __init__(self, root: Path, address: str = "", inside: str = "") -> None:
        self._packer, self._session = Packer(root), inside or secrets.token_hex(6)
        self._ray = joining.installed() if inside else joining.connected(address)
        self._facts, self._inside = [] if inside else self._asked(), bool(inside)
        self._cards = () if inside else joining.cards_of(self._ray.nodes())
        self._running: dict[Handle, _Run] = {}
        self._ended: list[Handle] = []
        self._idle: list[_Slot] = []
        self._stored: dict[tuple[Path, int, int], Any] = {}

    def _asked(self) -> list[node.Facts]:
        """What the nodes are. If they cannot take part, nobody will close this back end: it lets the cluster go."""
        try:
            return joining.asked(self._ray)
        except BaseException:
            self._ray.shutdown()
            raise

    @property
    def capacity(self) -> Capacity:
        """That of all nodes."""
        each = self._facts
        return Capacity(
            workers=sum(one.cards or max(1, min(one.cores, one.memory // machine.MEMORY_OF_A_RUN)) for one in each),
            cores=sum(one.cores for one in each),
            memory=sum(one.memory for one in each),
            cards=self._cards,
            devices=tuple(sorted({one.device for one in each})),
        )

    def submit(self, call: Call) -> Handle:
        """Locks the directories and sends the call to a slot."""
        handle = Handle(call)
        starts = Starts([])
        try:
            for item in call.items:
                starts.locks.append(sandbox.lock(item.directory, PATIENCE))
        except Busy:
            self._give_up(handle, starts, Outcome("busy", "another process is working on the same run"))
            return handle
        except OSError as error:
            self._give_up(handle, starts, Outcome("failed", f"the {call.words} could not start: {sentence(error)}"))
            return handle
        self._begin(handle, starts)
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Takes reports in."""
        deadline = time.monotonic() + seconds
        while not self._ended and self._running:
            left = max(0.0, deadline - time.monotonic())
            pending = {run.pending: handle for handle, run in self._running.items()}
            if self._ray.wait(list(pending), num_returns=1, timeout=left)[0]:
                ready, _ = self._ray.wait(list(pending), num_returns=len(pending), timeout=0)
                for reference in ready:
                    if pending[reference] in self._running:
                        self._hear(pending[reference])
            while self._idle and any(run.stuck for run in self._running.values()):
                self._pass_on(self._idle.pop(0))
            if left == 0.0:
                break
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, handle: Handle) -> None:
        """Stops the call and the slot it has."""
        run = self._running.pop(handle, None)
        if run is not None:
            self._end(run.slot)
            run.starts.release()

    def close(self) -> None:
        """Stops all slots and lets the cluster go."""
        if not self._ray.is_initialized():
            return
        with interrupts_wait():
            for handle in list(self._running):
                self.cancel(handle)
            for slot in self._idle:
                self._end(slot)
            self._idle.clear()
            if self._inside:
                return
            with contextlib.suppress(Exception):  # a node that is gone has nothing to clear
                self._ray.get(joining.on_nodes(self._ray, node.clear, self._session), timeout=_CLEAR)
            self._ray.shutdown()

    def _begin(self, handle: Handle, starts: Starts, slot: _Slot | None = None, new: bool = False) -> None:
        """Sends a call to a slot, to the one given if there is one; if ``new``, to none that has worked off another."""
        call = joining.spread(handle.call, self._ray.nodes())
        slot = slot or self._slot_for(call, new)
        try:
            parcel = self._packer.pack(call)
            missing = {path: self._in_store(here) for path, here in parcel.reads.items() if path not in slot.has}
        except OSError as error:
            self._idle.append(slot)
            self._give_up(handle, starts, Outcome("failed", f"the {call.words} could not start: {sentence(error)}"))
            return
        kept = [slot.actor.keep.remote(path, [reference]) for path, reference in missing.items()]
        slot.has |= missing.keys()
        started = slot.actor.start.remote(parcel.call, parcel.directories, parcel.own, *kept)
        handle.position = Position(words=WAITING)
        directories = dict(zip(parcel.directories, (item.directory for item in call.items), strict=True))
        self._running[handle] = _Run(slot, started, slot.actor.report.remote(_REPORT), directories, starts)

    def _slot_for(self, call: Call, new: bool) -> _Slot:
        """An idle slot, or a new one that waits for its cores."""
        cores = joining.cores_to_ask_for(call.cores, self._ray.nodes())
        size = cores, call.cards if self._cards else 0
        idle = next((one for one in self._idle if one.size == size and not new), None)
        if idle is not None:
            self._idle.remove(idle)
            return idle
        cards = {"num_gpus": call.cards} if self._cards else {}
        make = self._ray.remote(num_cpus=cores, max_restarts=0, **cards)(node.Slot)
        return _Slot(make.remote(self._session), size)

    def _in_store(self, path: Path) -> Any:
        """A reference to a file's content; the same as long as the file is the same."""
        stat = path.stat()
        key = path, stat.st_mtime_ns, stat.st_size
        if key not in self._stored:
            self._stored[key] = self._ray.put(pickle.PickleBuffer(path.read_bytes()))  # a node has a view of it
        return self._stored[key]

    def _hear(self, handle: Handle) -> None:
        """Takes in what a slot reports, or that it is lost."""
        run = self._running[handle]
        try:
            self._ray.get(run.started)
            report: node.Report = self._ray.get(run.pending)
        except self._ray.exceptions.RayActorError as error:
            del self._running[handle]
            if run.placed:
                handle.lost += time.monotonic() - run.since
                handle.losses += 1
            if run.starts.lost(handle.position):
                self._begin(handle, run.starts, new=True)  # idle slots may be of the same node, and lost too
            else:
                again = f"lost its node {IN_VAIN} times without coming further"
                reason = f"the {handle.call.words} {again}: {sentence(error)}"
                self._give_up(handle, run.starts, Outcome("failed", reason))
            return
        except self._ray.exceptions.RayError as error:
            self.cancel(handle)
            reason = f"the {handle.call.words} could not be worked off: {sentence(error)}"
            self._give_up(handle, run.starts, Outcome("failed", reason))
            return
        try:
            take_in(handle.call.writes, run.directories, report)
        except OSError as error:
            self.cancel(handle)
            reason = f"what the {handle.call.words} sends cannot be written: {sentence(error)}"
            self._give_up(handle, run.starts, Outcome("failed", reason))
            return
        if not run.placed:
            run.placed, run.since = True, time.monotonic()
        handle.position, handle.where, handle.helpers = report.position, report.where, report.helpers
        if not report.over:
            run.pending = run.slot.actor.report.remote(_REPORT)
            return
        del self._running[handle]
        self._pass_on(run.slot)
        handle.outcomes = report.outcomes
        run.starts.release()
        self._ended.append(handle)

    def _pass_on(self, slot: _Slot) -> None:
        """What becomes of a slot without a call: it waits for the next one, unless others wait for it.

        That is so after the loss of a node. A slot that waits has its cores and a process that has imported TensorFlow.
        """
        stuck = {handle: run for handle, run in self._running.items() if run.stuck}
        handle = next((one for one, run in stuck.items() if run.slot.size == slot.size), None)
        if handle is not None:
            run = self._running.pop(handle)
            self._end(run.slot)
            self._begin(handle, run.starts, slot)
        elif stuck:
            self._end(slot)  # they need one of another size
        else:
            self._idle.append(slot)

    def _give_up(self, handle: Handle, starts: Starts, outcome: Outcome) -> None:
        handle.outcomes = (outcome,)
        starts.release()
        self._ended.append(handle)

    def _end(self, slot: _Slot) -> None:
        with contextlib.suppress(Exception):  # it is gone
            self._ray.kill(slot.actor)
