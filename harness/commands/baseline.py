"""``baseline`` and ``check``: results as a file, and what later ones are against it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness.commands.outputs import check_apart
from harness.commands.printing import print_json, print_rows
from harness.report.gate.baseline import read_baseline, write_baseline
from harness.report.gate.chance import LEVEL
from harness.report.gate.check import check, exit_code, summary
from harness.report.model.load import load_runs
from harness.run.request import absolute_path


def store(directory: Path, name: str, out: Path) -> tuple[Path, list[str]]:
    """Writes the baseline of the runs below a directory; its path, and what has to be known about it.

    Raises:
        InputError: the runs cannot be read or are no baseline, or the file cannot be written, or would be among
            the results of runs.
    """
    check_apart(absolute_path(out) / f"{name}.json")
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
