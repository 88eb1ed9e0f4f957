"""The critical-difference diagram: average ranks on a line, and bars over methods that cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.record import Run
from harness.report.model.groups import Block, blocks
from harness.report.stats.page import Ranking, ranking
from harness.report.style import INK, colour_of, figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rankings(runs: Sequence[Run]) -> list[tuple[Block, Ranking]]:
    """The tables with enough data sets for a diagram, with the ranks in each of their spaces."""
    ranked = [(block, ranking(block, space)) for block in blocks(runs) for space in block.spaces]
    return [(block, ranks) for block, ranks in ranked if isinstance(ranks, Ranking) and ranks.ranks.enough]


def critical_difference(runs: Sequence[Run], path: Path) -> None:
    """Draws one diagram per table and space with enough data sets (see :func:`rankings`; at least one) as a PNG.

    Best on the left. A method's line hangs from its average rank; a bar joins methods whose ranks differ by no more
    than Nemenyi's critical difference, or all of them where Friedman's test finds no difference.
    """
    panels = rankings(runs)
    heights = [1.6 + 0.28 * len(ranked.names) for _, ranked in panels]
    with figure(path, 8.0, sum(heights)) as canvas:
        axes = canvas.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for panel, (block, ranked) in zip(axes, panels, strict=True):
            _panel(panel, block, ranked)


def _panel(axes: Axes, block: Block, ranked: Ranking) -> None:
    ranks, k = ranked.ranks, len(ranked.names)
    order = sorted(range(k), key=lambda method: (ranks.average[method], method))
    groups = ranks.groups()
    left = (k + 1) // 2
    lowest = -0.6 - 0.25 * len(groups) - 0.5 * left
    where = f", space {short(ranked.space)}" if len(block.spaces) > 1 else ""
    axes.set_title(f"Average ranks over {ranks.n} data sets{where}: {short(block.title, 90)}", fontsize=9)
    axes.set(xlim=(1 - 0.45 * (k - 1), k + 0.45 * (k - 1)), ylim=(lowest - 0.3, 1.6))
    axes.axis("off")
    axes.plot([1, k], [0, 0], color=INK, linewidth=1)
    for rank in range(1, k + 1):
        axes.plot([rank, rank], [0, 0.15], color=INK, linewidth=1)
        axes.text(rank, 0.25, str(rank), ha="center", va="bottom", fontsize=8)
    axes.plot([1, 1 + ranks.critical], [1.0, 1.0], color=INK, linewidth=1.5, marker="|", markersize=8)
    axes.text(1 + ranks.critical / 2, 1.1, f"critical difference {ranks.critical:.2f}", ha="center", fontsize=8)
    for level, group in enumerate(groups):
        ends = [ranks.average[method] for method in group]
        height = -0.25 - 0.25 * level
        axes.plot([min(ends) - 0.04, max(ends) + 0.04], [height, height], color=INK, linewidth=3.5)
    for position, method in enumerate(order):
        on_left = position < left
        # The outer methods hang lowest on neither side: lines of one side never cross.
        row = position if on_left else k - 1 - position
        height = -0.6 - 0.25 * len(groups) - 0.5 * row
        average = ranks.average[method]
        end = 1 - 0.06 * (k - 1) if on_left else k + 0.06 * (k - 1)
        colour = colour_of(block.looks[ranked.methods[method].name])
        axes.plot([average, average, end], [0, height, height], color=colour, linewidth=1.3)
        name = short(ranked.names[method])
        text = f"{name}  {average:.2f}" if on_left else f"{average:.2f}  {name}"
        axes.text(end, height, f" {text} ", ha="right" if on_left else "left", va="center", fontsize=8, color=INK)
