"""Where the work of a command is done: on this machine today. The scheduler is handed one of these back ends.

:mod:`~harness.run.backends.base` says what a back end is. A new one (for a cluster, say) is one module beside
:mod:`~harness.run.backends.local` and one line in :data:`BACKENDS`.
"""

from __future__ import annotations

from importlib import import_module

from harness.core.names import one_of
from harness.run.backends.base import Backend

BACKENDS = {"local": "harness.run.backends.local:Local"}
"""Back ends by their names on the command line."""


def make_backend(name: str) -> Backend:
    """The back end with this name.

    Raises:
        InputError: there is none.
    """
    module, _, attribute = BACKENDS[one_of("back end", name, BACKENDS)].partition(":")
    backend: Backend = getattr(import_module(module), attribute)()
    return backend
