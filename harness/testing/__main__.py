"""``python -m harness.testing FILE``: the checks of a plug-in file by hand, a line for each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import InputError
from harness.testing.checks import outcomes
from harness.testing.kit import checks_of, kinds_of


def main(words: Sequence[str] | None = None) -> int:
    """Does the checks.

    Returns:
        0 if none failed, 1 if one did, 2 if a file cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="python -m harness.testing",
        description="Checks what a method, a data set or a search space of your own has to promise.",
    )
    parser.add_argument("file", nargs="+", type=Path, help="a file that exports METHOD, DATASET or SPACE")
    parser.add_argument("--space", default="", help="the space that methods search; default: the method's own")
    parser.add_argument("--data", type=Path, help="the directory of the data sets; default: HARNESS_DATA")
    given = parser.parse_args(words)
    failed = 0
    try:
        for file in given.file:
            others = [other for other in given.file if other != file]
            for kind in kinds_of(file):
                with checks_of(kind, file, space=given.space, root=given.data, plugins=others) as checks:
                    print(f"{file} ({'data set' if kind == 'dataset' else kind})", flush=True)
                    for outcome in outcomes(checks):
                        print(f"  {outcome}", flush=True)
                        failed += bool(outcome.failure)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    if failed:
        print(f"{failed} checks failed" if failed > 1 else "one check failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
