"""The part of a fence that the kernel of Linux puts up."""

from __future__ import annotations

import ctypes
import os
import sys

from harness.run.fence.ground import Ground, Strings

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _REFER = 1 << 2, 1 << 13
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14  # of a file; the second exists since version 3
_CHANGE = sum(1 << bit for bit in range(4, 13))  # in a directory: to make and to remove what it holds
_TCP = 1 << 0 | 1 << 1  # to bind and to connect; since version 4
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1  # to processes outside of the fence; since version 6
_NO_NEW_PRIVILEGES = 38


def landlock(ground: Ground, writable: Strings | None) -> bool:
    """Lets the kernel refuse to read what is hidden, to write elsewhere, and TCP; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 2:  # version 1 cannot allow renames
        return False
    write = _WRITE_FILE | (_TRUNCATE if version > 2 else 0)
    files = _READ_FILE | _REFER | (0 if writable is None else write | _CHANGE)
    # Files, network, and what reaches for other processes; older kernels know the first only.
    handled = (ctypes.c_uint64 * 3)(files, _TCP, _ABSTRACT_SOCKETS | _SIGNALS)
    size = 24 if version > 5 else 16 if version > 3 else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        _allow(libc, ruleset, "/", _REFER)
        for path in ground.readable():
            _allow(libc, ruleset, path, _READ_FILE)
        for path in (*writable, "/dev") if writable is not None else ():
            _allow(libc, ruleset, path, write | _CHANGE)
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
