"""A figure: regret and mean rank of the methods on tables over the number of evaluations, a column per table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.core.zero_line import RANDOM_SEARCH
from harness.report.stats.evaluations import Progress, ranks
from harness.report.style import FAINT, colour_of, figure, marker_of, short


def draw(found: Mapping[str, Sequence[Progress]], points: Sequence[int], looks: Mapping[str, int], path: Path) -> None:
    """Draws a PNG: above mean regret with its 95 % interval as a band, below mean ranks.

    Args:
        found: methods by table.
        points: numbers of evaluations.
        looks: of the methods, by name.
        path: of the file.
    """
    with figure(path, 5.6 * len(found) + 2.4, 8.0) as canvas:
        panels = canvas.subplots(2, len(found), squeeze=False, sharex=True)
        for column, (dataset, methods) in enumerate(found.items()):
            above, below = panels[0][column], panels[1][column]
            above.set_title(textwrap.fill(dataset, 70), fontsize=9)
            # The legend is in the order of the last point, the best first.
            for one, places in sorted(zip(methods, ranks(methods), strict=True), key=lambda pair: pair[0].last()):
                color, marker = colour_of(looks[one.method]), marker_of(looks[one.method])
                mean = one.mean()
                low, high = np.where(np.isnan(ends := one.intervals().T), mean, ends)
                label = f"{short(one.title)} (n = {len(one.seeds)})"
                style = "--" if one.method == RANDOM_SEARCH else "-"
                above.plot(points, mean, style, color=color, marker=marker, markersize=4, label=label)
                above.fill_between(points, low, high, color=color, alpha=0.15, linewidth=0)
                below.plot(points, places, style, color=color, marker=marker, markersize=4)
            above.set_ylabel("regret (points of the score)")
            below.set(ylabel="mean rank", xlabel="evaluations")
            below.invert_yaxis()
            for axes in (above, below):
                axes.set_xscale("log")
                axes.set_xticks(points, [str(point) for point in points])
                axes.minorticks_off()
                axes.grid(color=FAINT, linewidth=0.5)
                axes.spines[["top", "right"]].set_visible(False)
        shown = {
            label: line for axes in panels[0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        canvas.legend(list(shown.values()), list(shown), loc="outside right upper", fontsize=8, frameon=False)
