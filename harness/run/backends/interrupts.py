"""Ctrl-C while a process is started or stopped: remembered, and acted on when that is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C inside is acted on when the block has ended.

    A process that is started inside is deaf to Ctrl-C from its first moment on, because it inherits the blocked signal.
    Outside of the main thread, where Python acts on no signal, that is all.
    """
    main = threading.current_thread() is threading.main_thread()
    came: list[int] = []
    # Another thread may still be handed the signal; then Python calls the handler in the main thread.
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number)) if main else None
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        if main:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)
            if came:
                signal.raise_signal(signal.SIGINT)
