"""The fence around a process of a run: test images, test labels and what could load them are refused.

A process also writes in its run's directory only, or it could replace the records of others, and it signals what it has
started only, or it could end the command.

Two layers. An audit hook of the interpreter refuses to open the files, to import the modules, to signal others, and to
change attributes of other files, on every platform. On Linux with Landlock (kernel 5.19 and later) the kernel refuses
to open the files too, and it alone watches over what is written; since kernel 6.12 it also refuses signals. That holds
for native code, for TensorFlow's own file functions and for programs that the search starts. A fence keeps a method
honest; it is no prison for code that sets out to break the interpreter.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _REFER = 1 << 2, 1 << 13
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14  # of a file; the second exists since version 3
_CHANGE = sum(1 << bit for bit in range(4, 13))  # in a directory: to make and to remove what it holds
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1  # to processes outside of the fence; since version 6
_NO_NEW_PRIVILEGES = 38
Strings = tuple[str, ...]
_PATH_EVENTS = frozenset({"open", "os.rename", "os.link", "os.symlink"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.truncate": ((0, None),),
}
"""Events that change a directory or a file: positions of each path, and of the directory that it is relative to."""
_ATTRIBUTES = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, None),),
    "os.removexattr": ((0, None),),
    "os.chflags": ((0, None),),
}
"""The same of what Landlock does not watch over: a file that nobody may read any more is as good as removed."""
_MEMORY = ("/dev/shm", "/dev/mqueue")
_CARDS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
ANYWHERE = (Path("/"),)


@dataclass(frozen=True)
class Forbidden:
    """What a search process may not touch.

    Args:
        paths: files and directories, with all that is in them.
        modules: module names, with their submodules.
        closed: directories that may not be read: what tells of results on the test set.
        opened: files and directories inside of them that may be read all the same; of two that are inside each other
            the inner one decides.
        writable: directories outside of which nothing is written, made, moved, or removed, and no attributes are
            changed; devices excepted.
    """

    paths: tuple[Path, ...]
    modules: tuple[str, ...]
    closed: tuple[Path, ...] = ()
    opened: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ANYWHERE

    def without(self, paths: tuple[Path, ...]) -> Forbidden:
        """The same, but ``paths`` may be opened."""
        allowed = {path.absolute() for path in paths}
        return replace(self, paths=tuple(path for path in self.paths if path not in allowed))

    @staticmethod
    def union(parts: Iterable[Forbidden]) -> Forbidden:
        """What any of ``parts`` forbids; what one of them opens is open."""
        each = list(parts)
        return Forbidden(
            paths=tuple({path: None for some in each for path in some.paths}),
            modules=tuple({module: None for some in each for module in some.modules}),
            closed=tuple({path: None for some in each for path in some.closed}),
            opened=tuple({path: None for some in each for path in some.opened}),
            writable=tuple({path: None for some in each for path in some.writable}),
        )


class Refused(PermissionError):
    """A search tried to reach test data, to write where others do, or to signal others."""


@cache  # one fence per process, also where it does several searches
def fence(forbidden: Forbidden) -> str:
    """Puts up the fence around this process, for good.

    Returns:
        What stands: ``"audit"`` or ``"audit+landlock"``.
    """
    paths, closed, opened = (
        tuple(os.path.realpath(path) for path in some) for some in (forbidden.paths, forbidden.closed, forbidden.opened)
    )
    for name in list(sys.modules):
        if _inside(name, forbidden.modules, "."):
            del sys.modules[name]
    ground = _Ground(with_targets(paths), closed, opened)
    writable = None
    if forbidden.writable != ANYWHERE:
        writable = tuple(os.path.realpath(path) for path in forbidden.writable)
    kernel = _landlock(ground, writable)
    sys.addaudithook(_hook(ground, forbidden.modules))
    sys.addaudithook(_process_hook())
    if writable is not None:
        sys.addaudithook(_write_hook(writable, _ATTRIBUTES if kernel else _ATTRIBUTES | _CHANGES, opening=not kernel))
    return "audit+landlock" if kernel else "audit"


def with_targets(paths: Strings) -> Strings:
    """The paths, and what the links inside of them point to, at any depth: test images may lie elsewhere."""
    known = dict.fromkeys(paths)
    waiting = list(paths)
    while waiting:
        for top, folders, files in os.walk(waiting.pop()):
            for name in (*folders, *files):
                path = os.path.join(top, name)
                if os.path.islink(path) and (target := os.path.realpath(path)) not in known:
                    known[target] = None
                    waiting.append(target)
    return tuple(known)


class _Ground:
    """Which files may be read: of the directories around a file, the innermost that is closed or opened decides.

    What is in ``paths`` is hidden in any case, and there may be thousands of them.
    """

    def __init__(self, paths: Strings, closed: Strings, opened: Strings) -> None:
        self._states = dict.fromkeys(closed, False) | dict.fromkeys(opened, True)
        inside = [path for path in self._states if _inside_any(path, paths)]
        self._states |= dict.fromkeys((*inside, *paths), False)
        self._below: dict[str, set[bool]] = {}
        for path, state in self._states.items():
            while (above := os.path.dirname(path)) != path:
                self._below.setdefault(above, set()).add(state)
                path = above

    def hidden(self, path: str, parent: Callable[[str], str] = os.path.dirname) -> bool:
        """Whether a path, without links in it, may not be read."""
        while path not in self._states:
            above = parent(path)
            if above == path:
                return False
            path = above
        return not self._states[path]

    def readable(self, top: str = "/", open_above: bool = True) -> Iterator[str]:
        """The largest files and directories that may be read with all that is in them; links are skipped."""
        is_open = self._states.get(top, open_above)
        if self._below.get(top, set()) <= {is_open}:
            if is_open:
                yield top
            return
        try:
            entries = [entry.path for entry in os.scandir(top) if not entry.is_symlink()]
        except OSError:
            return
        for entry in entries:
            yield from self.readable(entry, is_open)


def _inside(name: str, roots: Strings, separator: str) -> bool:
    return any(name == root or name.startswith(root + separator) for root in roots)


def _inside_any(path: str, roots: Strings) -> bool:
    return _inside(path, roots, os.sep)


def _hook(ground: _Ground, modules: Strings) -> Any:
    realpath, fsdecode, path_types, hidden = os.path.realpath, os.fsdecode, (str, bytes, os.PathLike), ground.hidden

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            if _inside(arguments[0], modules, "."):
                raise Refused(f"a search may not import {arguments[0]}")
        elif event in _PATH_EVENTS:
            target = arguments[0]
            if isinstance(target, path_types):
                real = realpath(fsdecode(target))
                if hidden(real) or _is_memory_of_another(real):
                    raise Refused(f"a search may not open {fsdecode(target)}, which tells about the test set")

    return hook


def _is_memory_of_another(path: str) -> bool:
    """Whether a file of Linux is the memory of another process: that of the command holds test labels."""
    parts = path.split(os.sep)
    return parts[1] == "proc" and parts[-1] == "mem" and parts[2].isdigit() and int(parts[2]) != os.getpid()


def _process_hook() -> Any:
    """Refuses to signal, and to limit, processes that this one has not started."""
    mine = os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.kill" or event == "os.killpg":
            group = event == "os.killpg" or arguments[0] < -1
            process = abs(arguments[0]) or (os.getpgrp() if group else -1)
        elif event == "resource.prlimit" and arguments[0] and arguments[2] is not None:
            process = arguments[0]
        else:
            return
        if process not in (mine, os.getpid()) and not _descends(process, mine):
            raise Refused(f"a search may not reach for process {process}, which it has not started")

    return hook


def _descends(process: int, ancestor: int) -> bool:
    """Whether a process was started by another one, or by one that was; False where the system does not tell."""
    while process > 1:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                process = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if process == ancestor:
            return True
    return False


def _write_hook(writable: Strings, changes: dict[str, Any], opening: bool) -> Any:
    """Refuses to change anything outside of ``writable``, links at the end of a path followed where the system does.

    Args:
        writable: directories.
        changes: of :data:`_CHANGES` and :data:`_ATTRIBUTES`.
        opening: whether files are opened for writing there only; devices excepted.
    """
    realpath, fsdecode, path_types = os.path.realpath, os.fsdecode, (str, bytes, os.PathLike)
    join, split, readlink = os.path.join, os.path.split, os.readlink

    def check(path: object, directory: object, follow: bool, devices: bool = False) -> None:
        if not isinstance(path, path_types):  # a descriptor, which was opened under this hook
            return
        text = fsdecode(path)
        if isinstance(directory, int) and directory >= 0 and not text.startswith(os.sep):
            try:
                text = join(readlink(f"/proc/self/fd/{directory}"), text)
            except OSError:
                return
        above, name = split(text.rstrip(os.sep))
        real = realpath(text) if follow else join(realpath(above), name)
        device = devices and _inside_any(real, ("/dev",)) and (_cards() or not _inside_any(real, _MEMORY))
        if not device and not _inside_any(real, writable):
            raise Refused(f"a search may not write {text}, which is outside of its run's directory")

    def opened(descriptor: int) -> str | None:
        try:
            return readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return None

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if opening and isinstance(arguments[2], int) and arguments[2] & _WRITING:
                check(arguments[0], None, True, devices=True)
        elif event in changes:
            for path, directory in changes[event]:
                above = None if directory is None else arguments[directory]
                changed = arguments[path]
                if event in _ATTRIBUTES and isinstance(changed, int):  # a descriptor, which needs no right to write
                    changed = opened(changed)
                check(changed, above, event == "os.truncate" or event in _ATTRIBUTES)

    return hook


def _cards() -> bool:
    """Whether there is a graphics card, whose driver may need shared memory and make devices."""
    return any(map(os.path.exists, _CARDS))


def _landlock(ground: _Ground, writable: Strings | None) -> bool:
    """Lets the kernel refuse to read what is hidden and to write elsewhere; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 2:  # version 1 cannot allow renames
        return False
    write = _WRITE_FILE | (_TRUNCATE if version > 2 else 0)
    files = _READ_FILE | _REFER | (0 if writable is None else write | _CHANGE)
    # Files, network, and what reaches for other processes; older kernels know the first only.
    handled = (ctypes.c_uint64 * 3)(files, 0, _ABSTRACT_SOCKETS | _SIGNALS)
    size = 24 if version > 5 else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        _allow(libc, ruleset, "/", _REFER)
        for path in ground.readable():
            _allow(libc, ruleset, path, _READ_FILE)
        for path in writable or ():
            _allow(libc, ruleset, path, write | _CHANGE)
        if writable is not None:  # nothing is made in /dev, or /dev/shm would carry what a search knows to others
            _allow(libc, ruleset, "/dev", write | _CHANGE if _cards() else write)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _Rule(rights, descriptor)
        libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
