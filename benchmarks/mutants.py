"""How many small faults in a module its tests notice: ``python -m benchmarks.mutants MODULE.py TEST.py [TEST.py ...]``.

Cosmic Ray (``pip install -e '.[mutants]'``) makes the mutants: another comparison, operator or number, a negated
condition, a loop that is not entered. A sample of places is drawn, one mutant at each, written into a copy of the
checkout, and the tests named are run there until one fails. Survivors are printed with their line: each is a test that
is missing, or a mutant that means the same.

    python -m benchmarks.mutants harness/core/budget.py tests/test_core_budget.py --sample 30 --seed 0
"""

from __future__ import annotations

import argparse
import difflib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
_LEFT_OUT = ("BitOr", "_Is", "RShift", "LShift", "BitXor", "RemoveDecorator", "ExceptionReplacer", "Variable")
"""Parts of names of operators: the first is what types are written with, the others change what nobody would write."""
_SLACK = 20.0
"""Seconds that the tests of a mutant may take, besides three times what they take without."""


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Args:
        line: where.
        operator: its name.
        text: of the module with the change.
    """

    line: int
    operator: str
    text: str

    def difference(self, original: str) -> str:
        """The lines that differ, with a minus and a plus."""
        lines = difflib.unified_diff(original.splitlines(), self.text.splitlines(), n=0, lineterm="")
        return "\n".join(f"    {line}" for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def places(text: str) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """By line and column, the operators that change something there, each with the number of its occurrence."""
    found: dict[tuple[int, int], list[tuple[str, int]]] = {}
    tree = get_ast(text)
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments() or any(part in name for part in _LEFT_OUT):
            continue
        operator = operator_class()
        positions = (start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(positions):
            found.setdefault(start, []).append((name, occurrence))
    return found


def mutants(text: str, sample: int, seed: int) -> Iterator[Mutant]:
    """A sample of the places of a module, in the order of its lines, with one mutant each."""
    draws, known = random.Random(seed), places(text)
    for start in sorted(draws.sample(sorted(known), min(sample, len(known)))):
        name, occurrence = draws.choice(known[start])
        changed = mutate_code(text, get_operator(name)(), occurrence)
        if changed is not None and changed != text:
            yield Mutant(start[0], name.partition("/")[2], changed)


def copied(to: Path) -> None:
    """Copies the files of the checkout that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def fails(tree: Path, tests: list[str], words: list[str], limit: float | None) -> bool:
    """Whether a test fails in a copy of the checkout, or none has ended after ``limit`` seconds."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *words, *tests]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"the tests could not be run: {done.stdout}{done.stderr}")
    return done.returncode != 0


def main() -> None:
    """Prints a line per survivor, and their share."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("module", help="like harness/core/budget.py")
    parser.add_argument("tests", nargs="+", help="like tests/test_core_budget.py")
    parser.add_argument("--sample", type=int, default=30, help="places to change")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("-k", default="", help="as pytest has it")
    given = parser.parse_args()
    text, words = (ROOT / given.module).read_text(encoding="utf-8"), ["-k", given.k] if given.k else []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copied(tree)
        began = time.monotonic()
        if fails(tree, given.tests, words, None):
            raise SystemExit("the tests fail without a mutant; nothing can be told")
        limit = 3 * (time.monotonic() - began) + _SLACK
        tried = survived = 0
        for mutant in mutants(text, given.sample, given.seed):
            (tree / given.module).write_text(mutant.text, encoding="utf-8")
            tried += 1
            if not fails(tree, given.tests, words, limit):
                survived += 1
                print(f"{given.module}:{mutant.line} {mutant.operator}\n{mutant.difference(text)}", flush=True)
    print(f"{given.module}: {survived} of {tried} mutants survived ({100 * survived / max(1, tried):.0f} %)")


if __name__ == "__main__":
    main()
