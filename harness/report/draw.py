"""Draws an architecture, and says it in words.

A cell is drawn from its inputs down to its output: a box per operation, a circle per node that sums what comes in. The
two chain-like spaces are drawn as a column of layers with their skip connections as arcs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.architecture import Architecture, Cell, CellStack, ConvChain, MacroStack, ResidualStages
from harness.report.layout import layered
from harness.report.style import FAINT, INK, PALETTE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAMILIES = (
    ("sep_conv", "#CFE3F3"),
    ("dil_conv", "#D5EBD3"),
    ("conv", "#F3E3B8"),
    ("nor_conv", "#F3E3B8"),
    ("avg_pool", "#F3D0D4"),
    ("max_pool", "#E9C6DF"),
    ("skip", "#FFFFFF"),
)
"""Light fill per family of operations, under black text: the text says it all, the colour helps to find it."""

_OTHER = "#EEEEEE"


def draw_cell(architecture: Architecture, path: Path) -> None:
    """Writes a picture of ``architecture`` as a PNG; the two cells of a cell stack stand side by side."""
    match architecture:
        case CellStack():
            _draw_cells([("normal cell", architecture.normal), ("reduction cell", architecture.reduction)], path)
        case ResidualStages():
            _draw_cells([("cell", architecture.cell)], path)
        case MacroStack():
            _draw_chain(_macro_layers(architecture), path)
        case ConvChain():
            _draw_chain(_chain_layers(architecture), path)


def describe(architecture: Architecture) -> str:
    """The architecture in readable lines: the network around it, then what every node computes."""
    match architecture:
        case CellStack():
            lines = [
                f"{architecture.layers} cells, {architecture.channels} channels in the first stage, "
                f"reduction cells at {', '.join(map(str, architecture.reductions)) or 'no place'}, "
                f"stem of {architecture.stem_multiplier * architecture.channels} channels with stride "
                f"{architecture.stem_stride}"
            ]
            lines += ["normal cell:", *_cell_lines(architecture.normal)]
            lines += ["reduction cell:", *_cell_lines(architecture.reduction)]
        case ResidualStages():
            lines = [
                f"3 stages of {architecture.repeats} cells, {architecture.channels} channels in the first stage, stem "
                f"with stride {architecture.stem_stride}, a residual block between two stages",
                "cell:",
                *_cell_lines(architecture.cell),
            ]
        case MacroStack():
            lines = [
                f"{architecture.graph.nodes - 1} layers, {architecture.channels} channels in the first stage, stem "
                f"with stride {architecture.stem_stride}"
            ]
            lines += _chain_lines(_macro_layers(architecture))
        case ConvChain():
            layers = _chain_layers(architecture)
            convolutions = sum(layer.op.startswith("conv") for layer in layers)
            lines = [f"a chain of {convolutions} convolutions, filters times {architecture.widen:g}"]
            lines += _chain_lines(layers)
    return "\n".join(lines)


def _cell_lines(cell: Cell) -> list[str]:
    lines = []
    for node in range(cell.inputs, cell.nodes):
        terms = [f"{edge.op}({_node_name(cell, edge.source)})" for edge in cell.into(node)]
        lines.append(f"  node {node} = {' + '.join(terms) or '0'}")
    ends = ", ".join(_node_name(cell, node) for node in cell.output)
    lines.append(f"  output = concat({ends})" if len(cell.output) > 1 else f"  output = {ends}")
    return lines


def _node_name(cell: Cell, node: int) -> str:
    if node >= cell.inputs:
        return f"node {node}"
    return "input" if cell.inputs == 1 else f"input {node}"


def _draw_cells(cells: list[tuple[str, Cell]], path: Path) -> None:
    graphs = [_boxes(cell) for _, cell in cells]
    layouts = [layered(edges, late=late, alone=list(labels)) for labels, edges, late in graphs]
    widths = [max(x for x, _ in lay.places.values()) - min(x for x, _ in lay.places.values()) + 2 for lay in layouts]
    ranks = max(rank for lay in layouts for _, rank in lay.places.values())
    with figure(path, 1.15 * sum(widths) + 0.5, 0.72 * ranks + 1.2) as canvas:
        for axes, (title, _), (labels, _, _), lay in zip(
            canvas.subplots(1, len(cells), width_ratios=widths, squeeze=False)[0], cells, graphs, layouts, strict=True
        ):
            axes.set_title(title, fontsize=11)
            for line in lay.lines:
                _line(axes, line)
            for box, (x, rank) in lay.places.items():
                _box(axes, x, -rank, labels[box], circle=labels[box].isdigit())
            _bare(axes, [x for line in (*lay.lines, tuple(lay.places.values())) for x, _ in line], ranks)


def _boxes(cell: Cell) -> tuple[dict[str, str], list[tuple[str, str]], list[str]]:
    """A cell as boxes: label by name, edges, and the names of the boxes that are operations."""
    labels = {f"node{node}": str(node) if cell.into(node) else f"{node}: zeros" for node in range(cell.nodes)}
    labels |= {f"node{node}": _input_label(cell, node) for node in range(cell.inputs)}
    edges: list[tuple[str, str]] = []
    operations = [f"op{number}" for number in range(len(cell.edges))]
    for name, edge in zip(operations, cell.edges, strict=True):
        labels[name] = edge.op
        edges += [(f"node{edge.source}", name), (name, f"node{edge.target}")]
    labels["out"] = "concatenate" if len(cell.output) > 1 else "output"
    edges += [(f"node{node}", "out") for node in cell.output]
    return labels, edges, operations


def _input_label(cell: Cell, node: int) -> str:
    return "input" if cell.inputs == 1 else ("input 0: cell before the last", "input 1: last cell")[node]


@dataclass(frozen=True)
class _Layer:
    """A row of a chain.

    Args:
        name, op: what it is called and what it computes; no ``op`` for the first and the last row.
        reads: rows that the operation reads, concatenated if there are several.
        added: rows whose outputs are added to its own.
        halved: whether the image is halved behind it.
    """

    name: str
    op: str
    reads: tuple[int, ...]
    added: tuple[int, ...] = ()
    halved: bool = False


def _macro_layers(macro: MacroStack) -> list[_Layer]:
    layers = [_Layer("stem", "", ())]
    for node in range(1, macro.graph.nodes):
        edges = macro.graph.into(node)
        skips = tuple(edge.source for edge in edges if edge.op == "skip")
        [main] = [edge for edge in edges if edge.op != "skip"]
        layers.append(_Layer(f"layer {node}", main.op, (main.source,), skips, node in macro.reductions))
    return [*layers, _Layer("classifier", "", macro.graph.output)]


def _chain_layers(chain: ConvChain) -> list[_Layer]:
    """A gathering node is no row of its own: the convolution behind it reads what it gathers."""
    layers, rows, number = [_Layer("image", "", ())], {0: 0}, 0
    for node in range(1, chain.graph.nodes):
        edges = chain.graph.into(node)
        if all(edge.op == "concat" for edge in edges):
            continue
        [edge] = edges
        pool = "pool" in edge.op
        number += not pool
        gathered = (edge,) if edge.source in rows else chain.graph.into(edge.source)
        rows[node] = len(layers)
        name = f"pooling behind layer {number}" if pool else f"layer {number}"
        layers.append(_Layer(name, edge.op, tuple(rows[source.source] for source in gathered)))
    return [*layers, _Layer("classifier", "", tuple(rows[node] for node in chain.graph.output))]


def _chain_lines(layers: list[_Layer]) -> list[str]:
    lines = []
    for layer in layers[1:]:
        text = f"{layer.op}({', '.join(layers[row].name for row in layer.reads)})"
        text = " + ".join([text, *(layers[row].name for row in layer.added)])
        lines.append(f"  {layer.name} = {text}" + (", then halved" if layer.halved else ""))
    lines[-1] = lines[-1].replace("classifier = (", "classifier reads (")
    return lines


def _draw_chain(layers: list[_Layer], path: Path) -> None:
    """Rows from top to bottom. A row reads the one above it by a straight line, all others by arcs on the right."""
    arcs = [
        (source, row)
        for row, layer in enumerate(layers)
        for source in (*layer.added, *(source for source in layer.reads if source != row - 1))
    ]
    bulge = max((_bulge(source, row) for source, row in arcs), default=0.0)
    with figure(path, 4.2 + 1.1 * bulge, 0.55 * len(layers) + 0.5) as canvas:
        axes = canvas.subplots()
        for source, row in arcs:
            _arc(axes, source, row)
        for row, layer in enumerate(layers):
            if row - 1 in layer.reads:
                _line(axes, ((0.0, row - 1.0), (0.0, float(row))))
            _box(axes, 0.0, -row, f"{layer.name}: {layer.op}" if layer.op else layer.name, circle=False)
            if layer.halved:
                axes.plot([-1.3, 1.3], [-row - 0.5] * 2, color=INK, linewidth=0.8, linestyle=":")
                axes.text(-1.35, -row - 0.5, "halved", fontsize=7, ha="right", va="center", color=INK)
        _bare(axes, [-1.3, _EDGE + bulge], len(layers) - 1)


_EDGE = 1.3
"""x at which arcs begin and end, just right of the widest box."""


def _bulge(source: int, row: int) -> float:
    """How far an arc reaches to the right: further for longer ones, so that they nest."""
    return 0.3 + 0.2 * (row - source)


def _arc(axes: Axes, source: int, row: int) -> None:
    """An arrow from row ``source`` to row ``row``; the colour goes with the source, to follow it by."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    # Starts a little below and ends a little above the middle: what leaves a row is told from what enters it.
    start, end, control = -source - 0.12, -row + 0.12, _EDGE + _bulge(source, row) * 4 / 3
    points = [(_EDGE, start), (control, start), (control, end), (_EDGE, end)]
    line = Line(points, [Line.MOVETO, Line.CURVE4, Line.CURVE4, Line.CURVE4])
    color = PALETTE[source % len(PALETTE)]
    axes.add_patch(FancyArrowPatch(path=line, arrowstyle="-|>", mutation_scale=8, color=color, fc=color, lw=1.1))
    axes.plot([0, _EDGE], [start, start], color=color, lw=1.1, zorder=1)
    axes.plot([0, _EDGE], [end, end], color=FAINT, lw=0.8, zorder=0)


def _line(axes: Axes, line: tuple[tuple[float, float], ...]) -> None:
    """A line through points (x, rank)."""
    axes.plot([x for x, _ in line], [-rank for _, rank in line], color="#777777", linewidth=1.0, zorder=1)


def _box(axes: Axes, x: float, y: float, label: str, *, circle: bool) -> None:
    op = label.rpartition(": ")[2]
    family = next((color for start, color in _FAMILIES if op.startswith(start)), _OTHER)
    shape = {"boxstyle": "circle,pad=0.25" if circle else "round,pad=0.3", "fc": family, "ec": INK, "lw": 0.8}
    axes.text(x, y, label, fontsize=8, ha="center", va="center", color=INK, bbox=shape, zorder=3)


def _bare(axes: Axes, xs: list[float], ranks: int) -> None:
    """Limits around what was drawn, and no axes."""
    axes.set_xlim(min(xs) - 0.7, max(xs) + 0.7)
    axes.set_ylim(-ranks - 0.6, 0.6)
    axes.axis("off")
