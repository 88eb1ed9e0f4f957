"""``python -m harness``."""

from __future__ import annotations

import signal
import sys

_INTERRUPTED = 130  # harness.cli.options has it, too, and may not be imported yet


def main() -> None:
    """Runs the command line. Ctrl-C is one line and not a traceback also while that is imported."""
    try:
        from harness.cli import main as run

        run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
