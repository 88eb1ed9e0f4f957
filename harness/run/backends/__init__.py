"""Where the work of a command is done: on this machine, or on a Ray cluster. The scheduler is handed one of these.

:mod:`~harness.run.backends.base` says what a back end is. A new one is one module beside
:mod:`~harness.run.backends.local` and one line in :data:`BACKENDS`.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.names import one_of
from harness.run.backends.base import Backend, Call, Item, Outcome, Tell


def _local(root: Path, address: str) -> Backend:
    from harness.run.backends.local import Local

    if address:
        raise InputError("the back end 'local' has no address; leave --address out, or use --backend ray")
    return Local()


def _ray(root: Path, address: str) -> Backend:
    from harness.run.backends.cluster import Cluster

    return Cluster(root, address)


def in_a_process(words: str, function: Callable[[Any, Tell], Outcome], value: Any) -> Outcome:
    """Does a small thing in a process of this machine without TensorFlow, in a directory that is gone afterwards.

    Args:
        words, function: see :class:`~harness.run.backends.base.Call`.
        value: what the function gets.
    """
    from harness.run.backends.local import Local

    with tempfile.TemporaryDirectory() as directory, contextlib.closing(Local()) as here:
        handle = here.submit(Call(words, function, (Item(value, Path(directory)),), (), 120.0, 8.0, 1, False))
        while handle not in here.wait(1.0):
            pass
        return handle.outcomes[0]


BACKENDS: dict[str, Callable[[Path, str], Backend]] = {"local": _local, "ray": _ray}
"""Back ends by their names on the command line."""


def make_backend(name: str, root: Path, address: str = "") -> Backend:
    """The back end with this name.

    Args:
        root: directory of the command's results.
        address: of a cluster.

    Raises:
        InputError: there is none, or it cannot be reached.
    """
    return BACKENDS[one_of("back end", name, BACKENDS)](root, address)
