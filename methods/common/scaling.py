"""Settings that follow from the number of children that a budget buys."""

from __future__ import annotations

import math

Point = tuple[float, float]
"""A number of children and the value of a setting that fits it."""


def between(children: float, few: Point, paper: Point) -> float:
    """The value for a search of so many children: a power law through two points, and constant outside.

    Args:
        children: of the search.
        few: what has proved good for a small search (see docs/synthetic.md).
        paper: the paper's own setting for the paper's number of children.
    """
    (fewest, start), (most, end) = few, paper
    if children <= fewest:
        return start
    if children >= most:
        return end
    return start * (end / start) ** (math.log(children / fewest) / math.log(most / fewest))


def nearest_positive(value: float) -> int:
    """The nearest positive integer."""
    return max(1, round(value))
