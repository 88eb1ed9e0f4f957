"""How figures look, and how they are saved so that the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.model.groups import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677", "#AA4499", "#44AA99", "#882255", "#999933")
"""Paul Tol's muted scheme, which the colour-blind can tell apart."""

DARK_PALETTE = ("#9d94f0", "#88ccee", "#4fb878", "#ddcc77", "#e5899a", "#d58ac8", "#5cc4b3", "#d9628f", "#bcbc55")
"""The same hues, lighter, for a dark background."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
"""One per method: a second key beside the colour, and the first when there are more methods than colours."""

INK, FAINT = "#222222", "#bbbbbb"


def places(methods: Sequence[str]) -> dict[str, int]:
    """A number for each method, by which its colour and its marker go; one of the project has the same everywhere."""
    others = sorted(set(methods) - set(METHODS))
    numbers = {method: place for place, method in enumerate((*METHODS, *others))}
    return {method: numbers[method] for method in methods}


def looks(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each method, see :func:`places`."""
    return {
        method: (PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)])
        for method, place in places(methods).items()
    }


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of this size in inches, written to ``path`` as PNG on leaving.

    It is drawn with matplotlib's defaults, not with the user's, without pyplot's global state, and saved without
    the version of the library.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        canvas = Figure(figsize=(width, height), layout="constrained")
        yield canvas
        canvas.savefig(path, format="png", dpi=110, metadata={"Software": None})
