"""How figures look, and how they are saved so that the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.groups import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677", "#AA4499", "#44AA99", "#882255", "#999933")
"""Paul Tol's muted scheme, which the colour-blind can tell apart."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
"""One per method: a second key beside the colour, and the first when there are more methods than colours."""

INK, FAINT = "#222222", "#bbbbbb"


def looks(methods: list[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each method; a method of the project has the same ones in every figure."""
    others = sorted(set(methods) - set(METHODS))
    places = {method: place for place, method in enumerate((*METHODS, *others))}
    return {m: (PALETTE[places[m] % len(PALETTE)], MARKERS[places[m] % len(MARKERS)]) for m in methods}


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
