"""A small table in the format of ``table:FILE.csv``: 64 architectures with known best ones."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

CHOICES = ("first", "second", "third")
WORDS = ("a", "b", "c", "d")


def write_table(directory: Path, *, name: str = "small", description: str = "") -> Path:
    """Writes ``small.csv`` and ``small.toml``; returns the CSV file.

    The signal is the sum of the letters' places over 12; the score is the same with a fixed little noise; an evaluation
    costs between 5 and 15 seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    lines = [",".join([*CHOICES, "valid", "test", "cost", "weights"])]
    for words in itertools.product(WORDS, repeat=3):
        signal = sum(WORDS.index(word) for word in words) / 12 * 100
        score = min(100.0, max(0.0, signal + rng.normal(0, 2)))
        lines.append(f"{','.join(words)},{signal},{score},{rng.uniform(5, 15)},{rng.integers(100, 1000)}")
    path = directory / f"{name}.csv"
    path.write_text("\n".join(lines) + "\n")
    usual = (
        'choices = ["first", "second", "third"]\nsignal = "valid"\nseconds = "cost"\nscore = "test"\nscale = 0.01\n'
        'parameters = "weights"\n'
    )
    path.with_suffix(".toml").write_text(description or usual)
    return path
