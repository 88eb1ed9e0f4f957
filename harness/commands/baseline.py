"""``baseline`` and ``check``: results as a file, and what later ones are against it."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from harness.commands.outputs import check_apart
from harness.commands.printing import print_json, print_rows
from harness.core.errors import InputError
from harness.report.gate.baseline import read_baseline, write_baseline
from harness.report.gate.chance import LEVEL
from harness.report.gate.check import check, exit_code, summary
from harness.report.model.load import load_runs
from harness.run.request import absolute_path


def store(directory: Path, name: str, out: Path, *, replace: bool = False) -> tuple[Path, list[str]]:
    """Writes the baseline of the runs below a directory; its path, and what has to be known about it.

    Args:
        directory: of the runs.
        name: of the baseline, and of its file without the ending.
        out: directory of baselines.
        replace: whether it may take the place of another one.

    Raises:
        InputError: the runs cannot be read or are no baseline, or the file cannot be written, or would be among
            the results of runs, or is there already.
    """
    if name.lower().endswith(".json"):
        raise InputError(f"the ending comes by itself; write --name {name[: -len('.json')] or 'NAME'}")
    path = absolute_path(out) / f"{name}.json"
    check_apart(path, [absolute_path(directory)])
    if os.path.lexists(path) and not replace:
        raise InputError(
            f"{path} is there already; add --replace to store these runs in its place, or use another --name"
        )
    return write_baseline(load_runs(directory), name, out)


def check_runs(directory: Path, against: Path, accept: Collection[str], *, as_json: bool) -> int:
    """Prints what the runs below a directory are against a baseline; the exit code.

    Raises:
        InputError: the runs or the baseline cannot be read, or no method of it has a name in ``accept``.
    """
    stored = read_baseline(against)
    findings = check(load_runs(directory), stored, accept)
    code = exit_code(findings)
    if as_json:
        facts = {"baseline": stored.name, "commits": stored.commits, "level": LEVEL, "exit_code": code}
        print_json({**facts, "rows": [finding.plain() for finding in findings]})
    else:
        print_rows([finding.short() for finding in findings])
        print(f"\n{summary(findings)}")
    return code
