"""Writes an architecture out as a layer graph; the builder's weights have the order of its layers."""

from __future__ import annotations

import re

from harness.core.architecture import Architecture, CellStack, ConvChain, MacroStack, ResidualStages
from harness.core.cells import cell_stack, one_cell
from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, FactorizedReduce, Norm, Pool, Relu, macro_primitives_of, relu_conv_norm

_CHAIN_CONV = re.compile(r"^conv_(\d+)x(\d+)_(\d+)_s(\d+)x(\d+)$")


def lower(architecture: Architecture) -> LayerGraph:
    """The layers of an architecture."""
    match architecture:
        case CellStack():
            return cell_stack(architecture)
        case ResidualStages():
            return _residual_stages(architecture)
        case MacroStack():
            return _macro_stack(architecture)
        case ConvChain():
            return _conv_chain(architecture)
        case LayerGraph():
            return architecture


def _residual_stages(net: ResidualStages) -> LayerGraph:
    layers, channels = Layers(), net.channels
    x = layers.add(0, Conv(3, 3, channels, (net.stem_stride,) * 2), Norm())
    for stage in range(3):
        if stage > 0:
            channels *= 2
            residual = layers.add(x, *relu_conv_norm(channels, 3, 2), *relu_conv_norm(channels, 3))
            x = layers.add([residual, layers.add(x, Pool("avg", 2, 2), Conv(1, 1, channels))])
        for _ in range(net.repeats):
            x = one_cell(layers, net.cell, x, channels)
    return layers.graph(layers.add(x, Norm(), Relu()))


def _macro_stack(net: MacroStack) -> LayerGraph:
    layers, channels = Layers(), net.channels
    outputs = [layers.add(0, Conv(3, 3, channels, (net.stem_stride,) * 2), Norm())]
    for number in range(1, net.graph.nodes):
        terms = []
        for edge in net.graph.into(number):
            if edge.op == "skip":
                terms.append(outputs[edge.source])
            else:
                terms.append(layers.add(outputs[-1], *macro_primitives_of(edge.op, channels)))
        outputs.append(layers.add(terms, Norm()))
        if number in net.reductions:
            channels *= 2 if net.widen else 1
            outputs = [layers.add(output, FactorizedReduce(channels), Norm()) for output in outputs]
    return layers.graph(outputs[-1])


def _conv_chain(net: ConvChain) -> LayerGraph:
    layers, graph = Layers(), net.graph
    nodes = [layers.image(net.stem_stride)]
    for node in range(1, graph.nodes):
        edges = graph.into(node)
        if all(edge.op == "concat" for edge in edges):
            nodes.append(layers.merged([nodes[edge.source] for edge in edges], "concat"))
            continue
        [edge] = edges
        match = _CHAIN_CONV.match(edge.op)
        if match is None:
            nodes.append(layers.add(nodes[edge.source], Pool("max", 2, 2)))
            continue
        height, width, filters, vertical, horizontal = (int(word) for word in match.groups())
        convolution = Conv(height, width, max(1, round((filters + net.more) * net.widen)), (vertical, horizontal))
        nodes.append(layers.add(nodes[edge.source], convolution, Norm(), Relu()))
    return layers.graph(layers.merged([nodes[node] for node in graph.output], "concat"))
