"""Two figures: how each search got on over its budget, and what accuracy its networks buy with their parameters."""

from __future__ import annotations

import bisect
import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.record import Run
from harness.report.model.curves import BAND, Anytime, anytime_curves, unit
from harness.report.model.groups import Block, MethodInSpace, accuracies, blocks
from harness.report.model.results import axis_of, own_values
from harness.report.style import FAINT, INK, colour_of, count_logarithmically, figure, marker_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTERS = 12
"""Of a title, per inch."""
_TITLE = 76
"""Of a panel's title, on a line."""
_ENTRY = 40
"""Of a legend with two columns, on a line."""
_WIDE = 3
_MANY = 30
"""With more marks than this they are drawn small."""


def anytime(runs: Sequence[Run], path: Path) -> None:
    """Validation accuracy of the incumbent over the charged budget, as a PNG: what stopping earlier would have given.

    A panel per table, data set and space, a line per method: the median over its seeds, from three on with the
    quartiles as a band. Lines of methods that know their proposals only under shared weights are dashed: such an
    accuracy is not that of a separately trained network.
    """
    told = {block.told for block in blocks(runs)}
    name = told.pop() if len(told) == 1 else "what the search was told"
    what = name[:1].upper() + name[1:]
    _draw(
        runs,
        path,
        _anytime_panel,
        f"{what} of the incumbent over the search budget: median over seeds, quartiles as a band\n"
        "dashed: measured under shared weights, not comparable with the solid lines; "
        "what lies below the axis is of the first tenth of the budget",
    )


def accuracy_parameters(runs: Sequence[Run], path: Path) -> None:
    """The result of every final network over its trainable weights, as a PNG; panels as in :func:`anytime`.

    The panels of one table and data set have the same axes, so that a tenth of a point looks the same in all of them.
    """
    title = "Result and size of the final networks, one mark per seed"
    _draw(runs, path, _parameters_panel, title, same_axes=True)


def _draw(
    runs: Sequence[Run],
    path: Path,
    panel: Callable[[Axes, Block, str, str], bool],
    title: str,
    *,
    same_axes: bool = False,
) -> None:
    """One panel per table, data set and space with a run there, at most three side by side, each with its legend."""
    panels = [
        (table, dataset, space)
        for table in blocks(runs)
        for dataset in table.datasets
        for space in table.spaces
        if any(table.runs_of(dataset, method) for method in table.of_space(space))
    ]
    titles = list(dict.fromkeys(block.title for block, _, _ in panels))
    title = f"{title}\n{titles[0]}" if len(titles) == 1 else title
    together: dict[tuple[str, str], list[Axes]] = {}
    wide = min(_WIDE, len(panels))
    high = math.ceil(len(panels) / wide)
    # The legend needs a line per two methods.
    lines = math.ceil(max(len(block.of_space(space)) for block, _, space in panels) / 2)
    with figure(path, 6.4 * wide, (4.2 + 0.25 * lines) * high + 0.6) as canvas:
        # A line of the title that is wider than the canvas would be cut off at both ends.
        fitting = (textwrap.fill(line, round(_LETTERS * 6.4 * wide)) for line in title.splitlines())
        canvas.suptitle("\n".join(fitting), fontsize=11)
        for number, (block, dataset, space) in enumerate(panels, start=1):
            axes = canvas.add_subplot(high, wide, number)
            where = short(dataset) if block.common else f"{short(dataset)}, space {short(space)}"
            table = textwrap.wrap(block.title, _TITLE) if len(titles) > 1 else []
            axes.set_title("\n".join([where, *table]), fontsize=9)
            if not panel(axes, block, dataset, space):
                axes.set(xticks=[], yticks=[])
                axes.text(0.5, 0.5, "no run has anything to draw here", ha="center", transform=axes.transAxes)
            elif same_axes:
                together.setdefault((block.title, dataset), []).append(axes)
            axes.grid(color=FAINT, linewidth=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=8, frameon=False)
        for group in together.values():
            _align(group)


def _align(group: Sequence[Axes]) -> None:
    """Gives all, whose x is logarithmic, the limits that hold the marks of all of them, and a little room."""
    left, right = (pick(axes.dataLim.intervalx[side] for axes in group) for side, pick in enumerate((min, max)))
    bottom, top = (pick(axes.dataLim.intervaly[side] for axes in group) for side, pick in enumerate((min, max)))
    room = 0.05 * (top - bottom) or 0.05 * abs(top) or 1.0
    factor = max((right / left) ** 0.05, 1.1)
    for axes in group:
        axes.set(xlim=(left / factor, right * factor), ylim=(bottom - room, top + room))
        count_logarithmically(axes.xaxis)


def _anytime_panel(axes: Axes, block: Block, dataset: str, space: str = "") -> bool:
    curves, silent = anytime_curves(block, dataset, space)
    for curve in curves:
        band = curve.band
        color, marker = _look(block, curve.method)
        axes.plot(
            band.moments,
            [100 * accuracy for accuracy in band.middle],
            drawstyle="steps-post",
            color=color,
            marker=marker,
            markersize=4,
            markevery=max(1, len(band.moments) // 8),
            linewidth=1.8,
            linestyle="--" if curve.shared else "-",
            label=f"{short(block.heading(curve.method))} ({curve.count})"
            + (", shared weights" if curve.shared else ""),
        )
        if band.n >= BAND:
            low, high = ([100 * accuracy for accuracy in edge] for edge in (band.low, band.high))
            axes.fill_between(band.moments, low, high, step="post", color=color, alpha=0.18, linewidth=0)
    axes.set_xlabel(unit(block.budget))
    axes.set_ylabel(f"{block.told} (%)")
    if silent:
        axes.plot([], [], " ", label=textwrap.fill("accuracy not known: " + ", ".join(map(short, silent)), _ENTRY))
    axes.set_xlim(left=0)
    _leave_out_the_start(axes, curves)
    return bool(curves)


def _leave_out_the_start(axes: Axes, curves: Sequence[Anytime]) -> None:
    """Lets the axis begin below the curves from a tenth of the budget on, so that first steps do not set its scale."""
    begin = max((curve.band.moments[-1] for curve in curves), default=0) / 10
    low, high = list[float](), list[float]()
    for curve in curves:
        first = max(0, bisect.bisect_right(curve.band.moments, begin) - 1)
        many = curve.band.n >= BAND
        low += (curve.band.low if many else curve.band.middle)[first:]
        high += (curve.band.high if many else curve.band.middle)[first:]
    bottom = min((value for value in low if not math.isnan(value)), default=0)
    top = max((value for value in high if not math.isnan(value)), default=0)
    if top > bottom:
        axes.set_ylim(100 * (bottom - 0.05 * (top - bottom)), 100 * (top + 0.05 * (top - bottom)))


def _parameters_panel(axes: Axes, block: Block, dataset: str, space: str = "") -> bool:
    drawn = False
    for method in block.of_space(space):
        runs = [run for run in block.runs_of(dataset, method) if accuracies([run]) and (run.record.parameters or 0) > 0]
        if not runs:
            continue
        drawn = True
        color, marker = _look(block, method)
        axes.scatter(
            [float(run.record.parameters or 0) for run in runs],
            own_values(runs),
            s=46 if len(runs) <= _MANY else 14,
            color=color,
            marker=marker,
            edgecolors=INK,
            linewidths=0.6,
            label=_label(block, method, dataset, runs),
        )
    axes.set_xscale("log")
    axes.set_xlabel("trainable parameters of the final network")
    axes.set_ylabel(axis_of(block, dataset))
    return drawn


def _look(block: Block, method: MethodInSpace) -> tuple[str, str]:
    """Colour and marker."""
    look = block.looks[method.name]
    return colour_of(look), marker_of(look)


def _label(block: Block, method: MethodInSpace, dataset: str, drawn: Sequence[Run]) -> str:
    all_runs = len(block.runs_of(dataset, method))
    count = f"{len(drawn)}" if len(drawn) == all_runs else f"{len(drawn)} of {all_runs}"
    return f"{short(block.heading(method))} (n = {count})"
