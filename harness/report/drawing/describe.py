"""An architecture as parts that can be told or drawn, and told in words; :mod:`harness.report.drawing.draw` draws them.

A cell becomes boxes and edges, a chain-like network a column of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.architecture import Architecture, Cell, CellStack, ConvChain, MacroStack, ResidualStages
from harness.core.graph import Layer, LayerGraph
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Depthwise,
    Dropout,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Primitive,
    Relu,
    ShakeShortcut,
    Unpool,
    Zero,
)


@dataclass(frozen=True)
class ChainRow:
    """A row of a chain.

    Args:
        name, op: what it is called and what it computes; no ``op`` where nothing is computed.
        reads: rows that the operation reads.
        added: rows whose outputs are added to its own.
        halved: whether the image is halved behind it.
        merge: how several rows that are read become one.
    """

    name: str
    op: str
    reads: tuple[int, ...]
    added: tuple[int, ...] = ()
    halved: bool = False
    merge: str = "concat"


def parts(architecture: Architecture) -> list[tuple[str, Cell | list[ChainRow]]]:
    """What there is to see of an architecture, with a title each: its cells, or the rows of its chain."""
    match architecture:
        case CellStack():
            return [("normal cell", architecture.normal), ("reduction cell", architecture.reduction)]
        case ResidualStages():
            return [("cell", architecture.cell)]
        case MacroStack():
            return [("layers", _macro_rows(architecture))]
        case ConvChain():
            return [("layers", _chain_rows(architecture))]
        case LayerGraph():
            return [("layers", _graph_rows(architecture))]


def describe(architecture: Architecture) -> str:
    """The architecture in readable lines: the network around it, then what every node computes."""
    lines = [_network(architecture)]
    for title, part in parts(architecture):
        lines += [f"{title}:", *(_cell_lines(part) if isinstance(part, Cell) else _row_lines(part))]
    return "\n".join(lines)


def _network(architecture: Architecture) -> str:
    """The skeleton in one line."""
    match architecture:
        case CellStack(channels=channels):
            return (
                f"{architecture.layers} cells, {channels} channels in the first stage, "
                f"reduction cells at {', '.join(map(str, architecture.reductions)) or 'none'}, "
                f"stem of {architecture.stem_multiplier * channels} channels with stride {architecture.stem_stride}"
            )
        case ResidualStages(channels=channels):
            return (
                f"3 stages of {architecture.repeats} cells, {channels} channels in the first stage, stem with stride "
                f"{architecture.stem_stride}, a residual block between two stages"
            )
        case MacroStack(channels=channels):
            return (
                f"{architecture.graph.nodes - 1} layers, {channels} channels in the first stage, stem with stride "
                f"{architecture.stem_stride}"
            )
        case ConvChain():
            convolutions = sum(row.op.startswith("conv") for row in _chain_rows(architecture))
            return f"a chain of {convolutions} convolutions, filters times {architecture.widen:g}"
        case LayerGraph(layers=layers):
            return f"{len(layers)} layers"


def boxes(cell: Cell) -> tuple[dict[str, str], list[tuple[str, str]], list[str]]:
    """A cell as boxes: label by name, edges between names, and the names of the boxes that are operations."""
    labels = {f"node{node}": str(node) if cell.into(node) else f"{node}: zeros" for node in range(cell.nodes)}
    labels |= {f"node{node}": _node_name(cell, node) for node in range(cell.inputs)}
    edges: list[tuple[str, str]] = []
    operations = [f"op{number}" for number in range(len(cell.edges))]
    for name, edge in zip(operations, cell.edges, strict=True):
        labels[name] = edge.op
        edges += [(f"node{edge.source}", name), (name, f"node{edge.target}")]
    labels["out"] = "concatenate" if len(cell.output) > 1 else "output"
    edges += [(f"node{node}", "out") for node in cell.output]
    return labels, edges, operations


def _cell_lines(cell: Cell) -> list[str]:
    lines = []
    if cell.inputs == 2:
        lines.append("  input 0 = the cell before the last, input 1 = the last cell")
    for node in range(cell.inputs, cell.nodes):
        terms = [f"{edge.op}({_node_name(cell, edge.source)})" for edge in cell.into(node)]
        lines.append(f"  node {node} = {' + '.join(terms) or 'zeros'}")
    ends = ", ".join(_node_name(cell, node) for node in cell.output)
    lines.append(f"  output = concat({ends})" if len(cell.output) > 1 else f"  output = {ends}")
    return lines


def _node_name(cell: Cell, node: int) -> str:
    if node >= cell.inputs:
        return f"node {node}"
    return "input" if cell.inputs == 1 else f"input {node}"


def _row_lines(rows: list[ChainRow]) -> list[str]:
    lines = []
    for row in rows[1:]:
        sources = (" + " if row.merge == "sum" else ", ").join(rows[source].name for source in row.reads)
        if row.merge not in ("sum", "concat") and len(row.reads) > 1:
            sources = f"{row.merge}({sources})"
        text = " + ".join([f"{row.op}({sources})" if row.op else sources, *(rows[source].name for source in row.added)])
        lines.append(f"  {row.name} = {text}" + (", then halved" if row.halved else ""))
    return lines


def _macro_rows(macro: MacroStack) -> list[ChainRow]:
    rows = [ChainRow("stem", "", ())]
    for node in range(1, macro.graph.nodes):
        edges = macro.graph.into(node)
        skips = tuple(edge.source for edge in edges if edge.op == "skip")
        [main] = [edge for edge in edges if edge.op != "skip"]
        rows.append(ChainRow(f"layer {node}", main.op, (main.source,), skips, node in macro.reductions))
    return [*rows, ChainRow("classifier", "", macro.graph.output)]


def _chain_rows(chain: ConvChain) -> list[ChainRow]:
    """A gathering node is no row of its own: the convolution behind it reads what it gathers."""
    rows, row_of, number = [ChainRow("image", "", ())], {0: 0}, 0
    for node in range(1, chain.graph.nodes):
        edges = chain.graph.into(node)
        if all(edge.op == "concat" for edge in edges):
            continue
        [edge] = edges
        pool = "pool" in edge.op
        number += not pool
        gathered = (edge,) if edge.source in row_of else chain.graph.into(edge.source)
        row_of[node] = len(rows)
        name = f"pooling behind layer {number}" if pool else f"layer {number}"
        rows.append(ChainRow(name, edge.op, tuple(row_of[source.source] for source in gathered)))
    return [*rows, ChainRow("classifier", "", tuple(row_of[node] for node in chain.graph.output))]


def _graph_rows(graph: LayerGraph) -> list[ChainRow]:
    """The layers that the output depends on."""
    live = graph.live()
    rows, row_of = [ChainRow("image", "", ())], {0: 0}
    for node, layer in enumerate(graph.layers, start=1):
        if live[node]:
            row_of[node] = len(rows)
            reads = tuple(row_of[source] for source in layer.inputs)
            rows.append(ChainRow(f"layer {len(rows)}", _layer_text(layer), reads, merge=layer.merge))
    return [*rows, ChainRow("classifier", "", (row_of[graph.output],))]


def _layer_text(layer: Layer) -> str:
    """What a layer computes, the rectifiers and normalisations around its operations left out."""
    kept = [step for step in layer.primitives if not isinstance(step, Relu | Norm)] or layer.primitives
    return ", ".join(map(_step_text, kept))


def _step_text(step: Primitive) -> str:
    match step:
        case Conv(height, width, filters, strides):
            return f"conv_{height}x{width}_{filters}" + ("" if strides == (1, 1) else f"_s{strides[0]}x{strides[1]}")
        case BiasedConv(size, filters, stride):
            return f"conv_{size}x{size}_{filters}" + ("" if stride == 1 else f"_s{stride}")
        case Depthwise(size, stride):
            return f"depthwise_{size}x{size}" + ("" if stride == 1 else f"_s{stride}")
        case Pool(kind, size, stride):
            return f"{kind}_pool_{size}x{size}_s{stride}"
        case FloorPool(size, stride):
            return f"max_pool_{size}x{size}_s{stride}"
        case Dropout(rate):
            return f"dropout_{rate:g}"
        case FactorizedReduce():
            return "halve"
        case ShakeShortcut() | Unpool() | Flatten() | Zero() | Relu() | Norm():
            return type(step).__name__.lower()
