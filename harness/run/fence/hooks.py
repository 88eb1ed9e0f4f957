"""The part of a fence that the interpreter puts up: audit hooks, on every platform."""

from __future__ import annotations

import _socket
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from harness.run.fence.ground import Ground, Strings, inside, inside_any

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
    "os.chmod": (0, 2),
    "os.chown": (0, 3),
    "os.utime": (0, 3),
    "os.setxattr": (0, None),
    "os.removexattr": (0, None),
    "os.chflags": (0, None),
}
"""The same of what Landlock does not watch over: a file that nobody may read any more is as good as removed."""
_NETWORK = frozenset({"socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"})


class Refused(PermissionError):
    """A search tried to reach test data or the network, to write where others do, or to signal others."""


def read_hook(ground: Ground, modules: Strings) -> Any:
    realpath, fsdecode, path_types, hidden = os.path.realpath, os.fsdecode, (str, bytes, os.PathLike), ground.hidden

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            if inside(arguments[0], modules, "."):
                raise Refused(f"a search may not import {arguments[0]}")
        elif event in _PATH_EVENTS:
            target = arguments[0]
            if isinstance(target, path_types):
                text = fsdecode(target)
                for path in _meant(text, arguments[1]) if event == "open" else (text,):
                    real = realpath(path)
                    if hidden(real) or _is_memory_of_another(real):
                        raise Refused(f"a search may not open {text}, which tells about the test set")

    return hook


def _meant(path: str, mode: object) -> Iterator[str]:
    """What a path that is opened may mean.

    Of ``os.open``, whose mode is None, the event does not tell ``dir_fd``: a relative path may be below each directory
    that is open. Linux only.
    """
    yield path
    if mode is None and not os.path.isabs(path):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir("/proc/self/fd"):
                directory = os.path.realpath(os.path.join("/proc/self/fd", descriptor))
                if os.path.isdir(directory):
                    yield os.path.join(directory, path)


def _is_memory_of_another(path: str) -> bool:
    """Whether a file of Linux is the memory of another process: that of the command holds test labels."""
    parts = path.split(os.sep)
    return parts[1] == "proc" and parts[-1] == "mem" and parts[2].isdigit() and int(parts[2]) != os.getpid()


def process_hook() -> Any:
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


def network_hook() -> Any:
    """Refuses to speak to other machines, and to this one by the network; sockets that are files are left."""
    # Of the interpreter's own class: a derived one might say something else.
    family, local = vars(_socket.socket)["family"].__get__, socket.AF_UNIX

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NETWORK and family(arguments[0]) != local:
            raise Refused("a search may not use the network")

    return hook


def close_descriptors_of_processes() -> None:
    """Signals through a descriptor raise no event: the interpreter loses the function."""

    def refuse(*_: object) -> None:
        raise Refused("a search may not signal a process by a descriptor")

    for name in ("_signal", "signal"):  # the second takes what the first has
        module = sys.modules.get(name)
        if module is not None and "pidfd_send_signal" in vars(module):
            setattr(module, "pidfd_send_signal", refuse)  # noqa: B010 - some systems have no such function


def _descends(process: int, ancestor: int) -> bool:
    """Whether a process was started by another one, or by one that was.

    Where the system does not tell whom a process has started, only the process above it is known not to be.
    """
    if not os.path.exists("/proc/self/stat"):
        return process not in (-1, 0, 1, os.getppid(), os.getpgrp())
    while process > 1:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                process = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if process == ancestor:
            return True
    return False


def write_hook(writable: Strings, kernel: bool) -> Any:
    """Refuses to change anything outside of ``writable``, links at the end of a path followed where the system does.

    Args:
        writable: directories.
        kernel: whether the kernel watches over it too. It does not over attributes, nor over what is made in ``/dev``:
            semaphores are made in ``/dev/shm``, and so could be what the search of another seed would read.
    """
    realpath, fsdecode, path_types = os.path.realpath, os.fsdecode, (str, bytes, os.PathLike)
    join, split, readlink = os.path.join, os.path.split, os.readlink

    def check(path: object, directory: object, follow: bool, event: str) -> None:
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
        if inside_any(real, ("/dev",)):
            refused = event != "open" or not os.path.exists(real) or os.path.isfile(real)
        else:
            refused = (event in _ATTRIBUTES or not kernel) and not inside_any(real, writable)
        if refused:
            raise Refused(f"a search may not write {text}, which is outside of its run's directory")

    def opened(descriptor: int) -> str | None:
        try:
            return readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return None

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and isinstance(path, path_types):
                for meant in _meant(fsdecode(path), mode):
                    check(meant, None, True, event)
        elif event in _CHANGES:
            for path, directory in _CHANGES[event]:
                above = None if directory is None else arguments[directory]
                check(arguments[path], above, event == "os.truncate", event)
        elif event in _ATTRIBUTES:
            path, directory = _ATTRIBUTES[event]
            changed = arguments[path]
            if isinstance(changed, int):  # a descriptor, which needs no right to write
                changed = opened(changed)
            check(changed, None if directory is None else arguments[directory], True, event)

    return hook
