"""Runs that are thrown away, to be done again from scratch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.core.files import remove, replace_text
from harness.core.names import sentence
from harness.run.backends.base import Busy, locked
from harness.run.claims import Claims
from harness.run.store import RunDirectory

_PATIENCE = 5.0  # seconds that a process of a killed command has to end


def throw_away(runs: Sequence[RunDirectory], out: Path) -> None:
    """Removes what runs have left: all of them, or none if one of them cannot be removed.

    Each is renamed before it is removed, so that a command that is killed leaves a whole run or nothing of it.

    Args:
        runs: to be removed; of some there may be nothing.
        out: directory of the records.

    Raises:
        InputError: another command is working on one, or one cannot be removed.
    """
    if not runs:
        return
    with contextlib.closing(Claims(out)) as claims:
        for run in runs:
            if not claims.take(run.path):
                raise _in_use(run)
        _set_all_aside([run for run in runs if os.path.lexists(run.path)])
        for run in runs:
            run.note.unlink(missing_ok=True)
        for run in runs:
            _clear(run)


def clear(runs: Iterable[RunDirectory], out: Path) -> None:
    """Removes what a command that was killed has set aside of runs.

    What was set aside of a run that is claimed belongs to a command at work, which may put it back.

    Args:
        runs: to look at.
        out: directory of the records.

    Raises:
        InputError: it cannot be removed.
    """
    left = [*filter(_is_set_aside, runs)]
    if not left:
        return
    with contextlib.closing(Claims(out)) as claims:
        for run in left:
            if claims.take(run.path):
                _clear(run)


def _is_set_aside(run: RunDirectory) -> bool:
    aside = _aside(run)
    return os.path.lexists(aside.path) or os.path.lexists(aside.note)


def _clear(run: RunDirectory) -> None:
    """Removes what was set aside of a run that is claimed, if anything was.

    Raises:
        InputError: it cannot be removed.
    """
    if not _is_set_aside(run):
        return
    aside = _aside(run)
    try:
        remove(aside.path)
        aside.note.unlink(missing_ok=True)
    except (OSError, RecursionError) as error:
        raise InputError(f"{aside.path} cannot be removed ({sentence(error)}); remove it by hand") from error


def _set_all_aside(runs: Sequence[RunDirectory]) -> None:
    done: list[RunDirectory] = []
    for run in runs:
        try:
            _clear(run)
            _set_aside(run)
        except (InputError, OSError, Busy) as error:
            refusal = _refusal(run, error)
            raise InputError("; ".join([str(refusal), *_put_back(done)])) from error
        done.append(run)


def _refusal(run: RunDirectory, error: Exception) -> InputError:
    """What to say where a run cannot be set aside."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, Busy):
        return _in_use(run)
    return InputError(
        f"{run.path} is to be done again and cannot be removed ({sentence(error)}); remove it by hand, or name "
        "another directory with --out"
    )


def _set_aside(run: RunDirectory) -> None:
    """Renames the directory of a run; a record in it counts no more.

    Raises:
        Busy: a process is working in it.
        OSError: it cannot be renamed.
    """
    aside = _aside(run)
    with contextlib.suppress(OSError):  # a search may have closed it; where it cannot be opened, what follows says so
        run.path.chmod(0o700)
    with locked(run.path, _PATIENCE):
        replace_text(aside.note, "removed", durable=False)
        try:
            run.path.rename(aside.path)
        except OSError:
            aside.note.unlink(missing_ok=True)
            raise


def _put_back(runs: Sequence[RunDirectory]) -> list[str]:
    """Renames the directories of runs that were set aside as before; a sentence on each where that fails."""
    failed = []
    for run in runs:
        aside = _aside(run)
        try:
            aside.path.rename(run.path)
            aside.note.unlink(missing_ok=True)
        except OSError as error:
            failed.append(
                f"{aside.path} cannot be put back ({sentence(error)}); rename it to {run.path.name} by hand before the "
                "next command, which throws it away"
            )
    return failed


def _aside(run: RunDirectory) -> RunDirectory:
    """Where a run is until it is removed."""
    return RunDirectory(run.path.with_name(f".{run.path.name}.removed"))


def _in_use(run: RunDirectory) -> InputError:
    return InputError(
        f"another command is working on {run.path}, which is to be done again; stop that command or wait for it"
    )
