"""Cells and stacks of cells written out as layers, by the rules of their authors' code."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.architecture import Cell, CellStack, Style
from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import (
    Conv,
    FactorizedReduce,
    Norm,
    Pool,
    Primitive,
    Relu,
    Zero,
    primitives_of,
    relu_conv_norm,
    relu_factorized_reduce_norm,
)


@dataclass(frozen=True)
class _State:
    """A node of the graph with its width and how often its image was halved since the stem."""

    node: int
    channels: int
    halvings: int


def cell_stack(net: CellStack) -> LayerGraph:
    """The layers of a stack of cells; the auxiliary head reads the cell at two thirds of the depth."""
    layers, channels, halvings = Layers(), net.channels, 0
    stem = net.stem_multiplier * channels
    last = _State(layers.add(0, Conv(3, 3, stem, (net.stem_stride,) * 2), Norm()), stem, 0)
    before, auxiliary = last, last.node
    for number in range(net.layers):
        reduces = number in net.reductions
        channels *= 2 if reduces else 1
        inputs = _inputs(layers, net.style, before, last, channels, first=number == 0)
        if reduces and net.reduce == "inputs":
            inputs = [
                _State(layers.add(x.node, *relu_factorized_reduce_norm(channels)), channels, halvings + 1)
                for x in inputs
            ]
        cell = net.reduction if reduces else net.normal
        halvings += int(reduces)
        output = _cell(layers, cell, inputs, channels, halvings, net.style)
        if net.project:
            output = _State(layers.add(output.node, *relu_conv_norm(channels)), channels, halvings)
        before, last = last, output
        if number == 2 * net.layers // 3:
            auxiliary = last.node
    rectified = net.style in ("nasnet", "enas")
    end = layers.add(last.node, Relu()) if rectified else last.node
    return layers.graph(end, bias=net.style != "enas", auxiliary=auxiliary)


def one_cell(layers: Layers, cell: Cell, source: int, channels: int) -> int:
    """Adds a cell with one input of ``channels`` channels and returns its output."""
    return _cell(layers, cell, [_State(source, channels, 0)], channels, 0, "darts").node


def _inputs(layers: Layers, style: Style, before: _State, last: _State, channels: int, *, first: bool) -> list[_State]:
    """The outputs of the two previous cells, adapted to one width and resolution."""

    def adapted(x: _State, always: bool) -> _State:
        if x.halvings != last.halvings:
            primitives: tuple[Primitive, ...] = relu_factorized_reduce_norm(channels)
        elif always or x.channels != channels:
            primitives = relu_conv_norm(channels)
        else:
            return x
        return _State(layers.add(x.node, *primitives), channels, last.halvings)

    match style:
        case "darts":
            return [adapted(before, True), adapted(last, True)]
        case "nasnet":
            return [before if first else adapted(before, False), adapted(last, True)]
        case "enas":
            return [adapted(before, False), adapted(adapted(last, False), True)]
        case "nao":
            return [adapted(before, False), adapted(last, False)]


def _cell(layers: Layers, cell: Cell, inputs: list[_State], channels: int, halvings: int, style: Style) -> _State:
    """Adds a cell.

    Args:
        channels: of every node; the output has this many per concatenated node.
        halvings: how often the output's image was halved since the stem.
    """
    states = list(inputs)
    for node in range(cell.inputs, cell.nodes):
        terms = []
        for edge in cell.into(node):
            source = states[edge.source]
            stride = 2 if source.halvings < halvings else 1
            primitives = _operation(style, edge.op, source.channels, channels, stride)
            if primitives is not None:
                terms.append(_edge(layers, source.node, edge.op, primitives, style))
        if not terms:
            shrunk = (Pool("max", 1, 2),) if states[0].halvings < halvings else ()
            terms.append(layers.add(states[0].node, *shrunk, Zero()))
        states.append(_State(layers.merged(terms), channels, halvings))
    parts = [_fitted(layers, states[node], channels, halvings) for node in cell.output]
    return _State(layers.merged(parts, "concat"), channels * len(parts), halvings)


def _operation(style: Style, op: str, before: int, channels: int, stride: int) -> tuple[Primitive, ...] | None:
    """The primitives of an operation on an input of ``before`` channels; None for ``none``."""
    if op == "skip_connect" and style == "nasnet":
        return relu_conv_norm(channels, 1, stride) if stride == 2 or before != channels else ()
    if op == "skip_connect" and stride == 2 and style in ("enas", "nao"):
        return (FactorizedReduce(channels), Norm())
    primitives = primitives_of(op, channels, stride)
    if "pool" in op and before != channels and primitives is not None:
        return (*primitives, Conv(1, 1, channels), Norm())
    return primitives


def _edge(layers: Layers, source: int, op: str, primitives: tuple[Primitive, ...], style: Style) -> int:
    """Adds an edge.

    Drop path may drop every edge in NAO, every edge with a layer in DARTS, and elsewhere every edge but an identity.
    """
    dropped = {"nao": True, "darts": bool(primitives)}.get(style, op != "skip_connect")
    return layers.add(source, *primitives, drop_path=dropped) if primitives or dropped else source


def _fitted(layers: Layers, x: _State, channels: int, halvings: int) -> int:
    """A part of the cell's output; an input of the cell that does not fit is adapted, without a rectifier."""
    if x.halvings < halvings:
        return layers.add(x.node, FactorizedReduce(channels), Norm())
    return x.node if x.channels == channels else layers.add(x.node, Conv(1, 1, channels), Norm())
