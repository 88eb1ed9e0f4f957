"""The fence around a process of a run: test images, test labels and what could load them are refused.

A process also writes in its run's directory only, or it could replace the records of others. It signals only what it
has started, or it could end the command. It has no network, where public test labels lie.

Two layers. An audit hook of the interpreter refuses to open the files, to import the modules, to signal others, to
speak to the network, and to change attributes of other files, on every platform. On Linux with Landlock (kernel 5.19
and later) the kernel refuses to open the files too, and it alone watches over what is written; since kernel 6.7 it also
refuses TCP, and since 6.12 signals. That holds for native code, for TensorFlow's own file functions and for programs
that the search starts. A fence keeps a method honest; it is no prison for code that sets out to break the interpreter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.run.fence.ground import Ground, Strings, inside
from harness.run.fence.hooks import Refused as Refused
from harness.run.fence.hooks import close_descriptors_of_processes, network_hook, process_hook, read_hook, write_hook
from harness.run.fence.landlock import landlock

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
        if inside(name, forbidden.modules, "."):
            del sys.modules[name]
    ground = Ground(with_targets(paths), closed, opened)
    writable = None
    if forbidden.writable != ANYWHERE:
        writable = tuple(os.path.realpath(path) for path in forbidden.writable)
    kernel = landlock(ground, writable)
    sys.addaudithook(read_hook(ground, forbidden.modules))
    sys.addaudithook(process_hook())
    close_descriptors_of_processes()
    sys.addaudithook(network_hook())
    if writable is not None:
        sys.addaudithook(write_hook(writable, kernel))
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
