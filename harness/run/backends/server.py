"""Imported once per command by the server process of which the processes with TensorFlow are copies; see
:mod:`harness.run.backends.local`.

Importing it imports what every such process needs, without the messages that TensorFlow prints on the way.
"""

from __future__ import annotations

import contextlib
import importlib
import os

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


_import_quietly()
