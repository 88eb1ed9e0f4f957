"""Means, deviations, and numbers as text: the same text in every form of the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

NOT_RECORDED = "not recorded"
DASH = "–"
MIN_SPREAD = 3
"""Fewest values whose standard deviation is printed."""


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, summed exactly, so that it does not depend on the order."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (divided by n - 1) of at least two values."""
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def mean_text(values: Sequence[float]) -> str:
    """``mean ± standard deviation (n)`` with two decimals; no ± below three values, n always."""
    spread = f" ± {deviation(values):.2f}" if len(values) >= MIN_SPREAD else ""
    return f"{mean(values):.2f}{spread} ({len(values)})"


def signed(value: float) -> str:
    """Two decimals with a sign, and no sign on nothing."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text


def plural(count: int, word: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def span(least: int, most: int) -> str:
    """``5``, ``3 to 5``."""
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def numbers(values: Iterable[int]) -> str:
    """Sorted and without repeats, runs of three and more joined: ``0-3, 7``."""
    parts: list[list[int]] = []
    for value in sorted(set(values)):
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)
