"""How figures look, and how they are saved so that the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

PALETTE = ("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677", "#AA4499", "#44AA99", "#882255", "#999933")
"""Paul Tol's muted scheme, which the colour-blind can tell apart."""

DARK_PALETTE = ("#9d94f0", "#88ccee", "#4fb878", "#ddcc77", "#e5899a", "#d58ac8", "#5cc4b3", "#d9628f", "#bcbc55")
"""The same hues, lighter, for a dark background."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
"""One per method: a second key beside the colour, and the first when there are more methods than colours."""

INK, FAINT = "#222222", "#bbbbbb"


def colour_of(look: int) -> str:
    """The colour of a method with this look, see :func:`harness.report.model.groups.assign_looks`."""
    return PALETTE[look % len(PALETTE)]


def marker_of(look: int) -> str:
    """The marker of a method with this look."""
    return MARKERS[look % len(MARKERS)]


def short(text: str, width: int = 44) -> str:
    """``text`` on one line of at most ``width`` letters: what does not fit into a figure stands in the tables."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def count_logarithmically(axis: Axis) -> None:
    """Labels an axis with logarithmic scale ``20k``, ``1M``: matplotlib's own labels are formulas, which are not read.

    Over less than two powers of ten also at two and five times one, over less than one at all of its multiples. Call it
    when everything is drawn.
    """
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if 10 * low <= high < 100 * low:
        axis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    axis.set_major_formatter(EngFormatter(sep=""))
    axis.set_minor_formatter(EngFormatter(sep="") if high < 100 * low else NullFormatter())


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of this size in inches, written to ``path`` as PNG on leaving.

    It is drawn with matplotlib's defaults, not with the user's, without pyplot's global state, without reading
    formulas into texts, and saved without the version of the library.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"), matplotlib.rc_context({"text.parse_math": False}):
        canvas = Figure(figsize=(width, height), layout="constrained")
        yield canvas
        canvas.savefig(path, format="png", dpi=110, metadata={"Software": None})
