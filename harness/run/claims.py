"""Which command works on which run: several may work in one ``--out``, and a run is the affair of one at a time.

A run is claimed from its start to its record, by a lock on one byte of a file in ``--out``. The system lets go of it
when the command ends, however it ends. The lock of a run's directory does not tell as much: a process holds it, and
between the search and the final training of a run there is none.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from pathlib import Path

from harness.core.errors import InputError

FILE = ".claims"
_TAKEN = (errno.EAGAIN, errno.EACCES)


class Claims:
    """The claims of this process. It has one of these at a time: the system takes the end of one for that of all.

    Args:
        out: directory of the records.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._path = out, out / FILE
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._refused(error) from error

    def take(self, run: Path) -> bool:
        """Claims a run, by its directory; whether no other command has it.

        Raises:
            InputError: the file system has no locks.
        """
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._place(run))
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise self._refused(error) from error
        return True

    def leave(self, run: Path) -> None:
        """Lets go of a run; also of one that was not claimed."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place(run))

    def close(self) -> None:
        """Lets go of all runs."""
        os.close(self._file)

    def _place(self, run: Path) -> int:
        """The byte that stands for a run: the file holds nothing, and any byte of it can be locked."""
        name = run.relative_to(self._out).as_posix()
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")

    def _refused(self, error: OSError) -> InputError:
        return InputError(f"{self._path} cannot be locked ({error.strerror}); name another directory with --out")
