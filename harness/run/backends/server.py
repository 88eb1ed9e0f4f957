"""Imported once per command by the server process of which the processes with TensorFlow are copies; see
:mod:`harness.run.backends.local`.

Importing it imports what every such process needs, without the messages that TensorFlow prints on the way. From then on
the server obeys the process that has started it and no other: its copies know its address, and a search could have it
start a process without a fence.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import socket
import struct
import sys
import warnings
from multiprocessing import forkserver, reduction
from typing import Any

from harness.run.backends import sandbox

_MODULES = ("harness.nets.evaluator", "harness.nets.runtime", "harness.run.search", "harness.run.final")


def _import_quietly() -> None:
    """A failure is kept silent: the child processes meet it again and put it into their records."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        for name in _MODULES:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


class _FromParent:
    """:mod:`multiprocessing.reduction` for the server: takes requests of its parent only."""

    def __getattr__(self, name: str) -> Any:
        return getattr(reduction, name)

    @staticmethod
    def recvfds(connection: socket.socket, size: int) -> list[int]:
        """The descriptors of a request.

        Raises:
            ConnectionAbortedError: another process asks; the server then goes on to the next request.
        """
        if asks(connection) not in (None, os.getppid()):
            raise ConnectionAbortedError(errno.ECONNABORTED, "a request of another process")
        return list(reduction.recvfds(connection, size))


def asks(connection: socket.socket) -> int | None:
    """The process at the other end of a connection; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


sandbox.adopt_orphans()
sandbox.end_with_command()
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")  # one that was adopted
forkserver.reduction = _FromParent()  # type: ignore[attr-defined]
_import_quietly()
