"""What works on a node of a cluster: the back end of one machine, in an actor of Ray, and a ground for its files.

A slot works one call off after the other. Each of them is a process that :mod:`~harness.run.backends.local` starts and
watches, with the same lock, caps, log and fence as on the head, and without a connection to Ray.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.core.files import replacing
from harness.core.home import PACKAGE, folder
from harness.core.processor import processor
from harness.run.backends import machine
from harness.run.backends.base import LOCK, LOG, Handle, Outcome, Position
from harness.run.backends.helpers import Helpers
from harness.run.backends.local import Local
from harness.run.backends.parcels import ROOT, files_at, unpack

LARGE = 2**20
"""Bytes from which on a file is not sent with every report, but with each tenth and with the last; nor are small ones
while it waits."""
_PACKAGES = ("tensorflow", "keras", "numpy", "autokeras")
_TRIES = 5
_TURN = 0.2  # seconds between two looks at what a process asks of other nodes
_HELPED = "-helped"


@dataclass(frozen=True)
class Facts:
    """What a node is.

    Args:
        name: its host's.
        device: what trains, the kind of graphics card or of processor.
        cards: number of graphics cards.
        cores, memory: what it offers; bytes.
        versions: of Python, of the packages that results depend on, and of this project's code.
    """

    name: str
    device: str
    cards: int
    cores: int
    memory: int
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Report:
    """How far the call of a slot is.

    Args:
        position, outcomes: of its handle.
        over: whether it has ended.
        files: contents of what has changed in its directories, by path relative to the ground.
        present: all files there; and those that are gone, as long as something that may have to do with that has not
            been sent.
        where: the node and its device.
        helpers: the nodes that have helped so far, likewise.
    """

    position: Position
    outcomes: tuple[Outcome, ...]
    over: bool
    files: Mapping[str, bytes]
    present: frozenset[str]
    where: str
    helpers: tuple[str, ...] = ()


class Slot:
    """Works calls off, one at a time.

    Args:
        session: names the ground, which the slots of a node share.
    """

    def __init__(self, session: str) -> None:
        self.ground, self._session = ground_of(session), session
        self._helpers: Helpers | None = None
        self._helped_by: set[str] = set()
        self._local, self._where = Local(), f"{platform.node()} ({_device()})"
        self._handle: Handle | None = None
        self._directories: tuple[str, ...] = ()
        self._sent: dict[str, tuple[int, int]] = {}
        self._reports = 0

    def has(self, path: str) -> bool:
        """Whether a file that several calls read is here."""
        return (self.ground / path).exists()

    def keep(self, path: str, boxed: Sequence[Any]) -> None:
        """Writes such a file, unless another slot of this node has.

        Args:
            path: relative to the ground.
            boxed: its content, a buffer, or Ray's reference to it. It is in a sequence, or Ray would fetch it before
                anybody has looked whether it is needed.
        """
        full = self.ground / path
        full.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(full.with_name(f".{full.name}{LOCK}")):
            if not self.has(path):
                [content] = boxed
                self._write(path, content if isinstance(content, bytes) else _fetched(content))

    def start(self, call: bytes, directories: tuple[str, ...], own: Mapping[str, bytes], *kept: None) -> None:
        """Starts a call in directories that hold these files and no others.

        Args:
            call: packed.
            directories: of its items, relative to the ground.
            own: contents of the files in them, by path relative to the ground.
            kept: what :meth:`keep` has returned for the files that it reads; if one of them has failed, so does this.
        """
        for directory in directories:
            shutil.rmtree(self.ground / directory, ignore_errors=True)
            (self.ground / directory).mkdir(parents=True)
        for path, content in own.items():
            self._write(path, content)
        self._directories, self._reports = directories, 0
        self._sent = {path: _stamp(self.ground / path) for path in own}
        self._helped_by.clear()
        unpacked = unpack(call, self.ground)
        if unpacked.far:
            from harness.run.backends.cluster import Cluster

            # Slots that this one starts end with it. Some may be on this node: they have a ground of their own.
            self._helpers = Helpers(unpacked, Cluster(self.ground / ROOT, inside=f"{self._session}{_HELPED}"))
        self._handle = self._local.submit(unpacked)

    def report(self, seconds: float) -> Report:
        """Waits so long for the call's end, and says how far it is."""
        handle, until = self._handle, time.monotonic() + seconds
        assert handle is not None, "nothing was started"
        if self._helpers is None:
            over = handle in self._local.wait(seconds)
        else:
            over = self._helped(handle, self._helpers, until)
        self._reports += 1
        files, present = self._changed(handle, everything=over or self._reports % 10 == 0)
        helpers = tuple(sorted(self._helped_by))
        return Report(handle.position, handle.outcomes, over, files, present, self._where, helpers)

    def _helped(self, handle: Handle, helpers: Helpers, until: float) -> bool:
        """Waits so long, and looks after the helpers; whether the call has ended."""
        over = False
        while not over and time.monotonic() < until:
            over = handle in self._local.wait(_TURN)
            helpers.turn()
            self._helped_by |= helpers.nodes
        if over:
            helpers.close()
            self._helpers = None
        return over

    def _changed(self, handle: Handle, everything: bool) -> tuple[dict[str, bytes], frozenset[str]]:
        """Changed files as they were at one moment, as a killed process leaves them, and the names of all there; none
        if they never rest.

        As long as a large file waits, only logs are sent, which speak of no other file: a small result may be that of
        a network which is in the large one, and whoever goes on elsewhere would miss that.
        """
        for _ in range(_TRIES):
            before = {path: _stamp(full) for path, full in self._files(handle)}
            changed = [path for path, stamp in before.items() if self._sent.get(path) != stamp]
            wait = not everything and any(before[path][1] > LARGE for path in changed)
            names = [path for path in changed if not wait or (_is_log(path) and before[path][1] <= LARGE)]
            contents = {}
            with contextlib.suppress(FileNotFoundError):
                contents = {path: (self.ground / path).read_bytes() for path in names}
            if before == {path: _stamp(full) for path, full in self._files(handle)} and len(contents) == len(names):
                self._sent |= {path: before[path] for path in names}
                if not wait:
                    self._sent = {path: self._sent[path] for path in before}
                return contents, frozenset(self._sent) | frozenset(before)
        return {}, frozenset(self._sent).union(path for path, _ in self._files(handle))

    def _files(self, handle: Handle) -> Iterator[tuple[str, Path]]:
        for directory in self._directories:
            for name in (*handle.call.writes, LOG):
                for path in files_at(self.ground / directory / name):
                    yield path.relative_to(self.ground).as_posix(), path

    def _write(self, path: str, content: Any) -> None:
        (self.ground / path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.ground / path, durable=False) as new:
            new.write_bytes(content)


def _fetched(reference: Any) -> Any:
    """What is in Ray's object store, which each node fetches once: a view of it, not a copy."""
    import ray

    return ray.get(reference)


def ground_of(session: str) -> Path:
    """Where the slots of a node have their files."""
    return Path(tempfile.gettempdir()).resolve() / f"nas-harness-{os.getuid()}-{session}"


def clear(session: str) -> None:
    """Removes the ground of a session whose slots were stopped; their processes may take a moment to end."""
    grounds = [ground_of(session), ground_of(f"{session}{_HELPED}")]
    for _ in range(_TRIES):
        for ground in grounds:
            shutil.rmtree(ground, ignore_errors=True)
        if not any(ground.exists() for ground in grounds):
            return
        time.sleep(1.0)


def facts() -> Facts:
    """What this node is."""
    versions = {"Python": platform.python_version(), "this project": _code()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return Facts(
        platform.node(),
        _device(),
        machine.installed_cards(),
        machine.cores(),
        machine.memory(),
        tuple(versions.items()),
    )


def _device() -> str:
    return "graphics card" if machine.installed_cards() else processor()


def _code() -> str:
    """A short fingerprint of this project's code."""
    digest = hashlib.sha256()
    for top in dict.fromkeys((PACKAGE, folder("methods"), folder("datasets"))):
        for path in sorted(top.rglob("*.py")):
            digest.update(f"{top.name}/{path.relative_to(top).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _is_log(path: str) -> bool:
    return path.endswith((".jsonl", f"/{LOG}"))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, -1)
    return stat.st_mtime_ns, stat.st_size
