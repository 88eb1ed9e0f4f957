"""Architectures: the frozen graphs that genotypes decode to.

A cell is a set of ``(source, target, op)`` edges; a skeleton says how cells are stacked into a network. There are four
skeletons; a network that fits none of them is a layer graph. :mod:`harness.core.lowering` writes any of them out as
layers, and the builder and the counter read these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.core.graph import LayerGraph


@dataclass(frozen=True, order=True)
class Edge:
    """A directed edge: ``op`` is applied to node ``source`` and the result goes into node ``target``."""

    source: int
    target: int
    op: str


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph. Nodes ``0..inputs-1`` are the inputs; every other node is the sum of its edges.

    Args:
        inputs: number of input nodes.
        nodes: number of all nodes, inputs included.
        edges: the edges; several edges between the same two nodes are allowed.
        output: nodes whose channel-wise concatenation is the output.
    """

    inputs: int
    nodes: int
    edges: tuple[Edge, ...]
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        for edge in self.edges:
            if not (0 <= edge.source < edge.target < self.nodes and edge.target >= self.inputs):
                raise ValueError(f"edge {edge} does not run forwards inside a cell of {self.nodes} nodes")

    def into(self, node: int) -> tuple[Edge, ...]:
        """The edges that end in ``node``, in the order given."""
        return tuple(edge for edge in self.edges if edge.target == node)


Style = Literal["darts", "nasnet", "enas", "nao"]
"""How the inputs of a cell are adapted to its width and resolution: by the rules of whose released code.

The adaptation of a width is ReLU, 1x1 convolution and BN; that of a resolution is a factorised reduction. An input fits
if it has the cell's width and resolution already.

- ``darts``: both inputs are always adapted.
- ``nasnet`` (NASNet and PNASNet): input 1 is always adapted, input 0 if it does not fit, and never in the first cell. A
  pooling whose input has another width ends with a 1x1 convolution. An identity that has a stride or whose input has
  another width is a 1x1 convolution.
- ``enas`` (ENAS micro, training of a fixed cell): both are adapted if they do not fit, and input 1 then gets another
  1x1 convolution in any case.
- ``nao`` (NAO in PyTorch): both are adapted if they do not fit.

``nasnet`` and ``enas`` have a ReLU in front of the classifier; that of ``enas`` has no bias.
"""


@dataclass(frozen=True)
class CellStack:
    """Cells with two inputs each, the outputs of the two previous cells (NASNet, DARTS, ENAS micro).

    Args:
        normal, reduction: the two cells.
        channels: filters of the first stage, doubled at each reduction cell.
        layers: number of cells, reduction cells included.
        reductions: indices of the reduction cells; DARTS puts them at ``layers//3`` and ``2*layers//3``.
        stem_multiplier: the stem convolution has ``stem_multiplier * channels`` filters.
        stem_stride: stride of the stem convolution.
        reduce: ``"edges"``: edges from the inputs have stride 2 (DARTS); ``"inputs"``: the inputs are halved by a
            factorised reduction and the cell runs with stride 1 (ENAS micro).
        project: whether ReLU, 1x1 convolution and BN bring the concatenated output back to the cell's width (ENAS
            micro's search network).
        style: the rules for inputs of another width or resolution, see :data:`Style`.
    """

    normal: Cell
    reduction: Cell
    channels: int
    layers: int
    reductions: tuple[int, ...]
    stem_multiplier: int = 3
    stem_stride: int = 1
    reduce: Literal["edges", "inputs"] = "edges"
    project: bool = False
    style: Style = "darts"


@dataclass(frozen=True)
class ResidualStages:
    """NAS-Bench-201's skeleton: three stages of ``repeats`` cells with a fixed residual block between two stages.

    The cell has one input and its last node is the output.
    """

    cell: Cell
    channels: int
    repeats: int
    stem_stride: int = 1


@dataclass(frozen=True)
class MacroStack:
    """ENAS macro: a chain of layers with additive skip connections.

    Node 0 is the stem's output, node k the output of layer k. The edge ``(k-1, k, op)`` carries layer k's operation
    and an edge ``(j, k, "skip")`` adds layer j's output to it. After the layers in ``reductions`` every stored output
    is halved by a factorised reduction, and the width doubles if ``widen`` says so.
    """

    graph: Cell
    channels: int
    reductions: tuple[int, ...]
    stem_stride: int = 1
    widen: bool = True


@dataclass(frozen=True)
class ConvChain:
    """Zoph & Le's chain: every layer concatenates its inputs, convolves, normalises, rectifies.

    Node 0 is the image. Layer i uses two nodes: edges ``(j, gather_i, "concat")`` collect the inputs and the edge
    ``(gather_i, out_i, "conv_HxW_N_sVxH")`` is the convolution: height x width, filters, vertical x horizontal stride.
    Outputs that nothing reads are concatenated before the classifier (``graph.output``). The chain has no stem, so a
    ``stem_stride`` of 2 halves the image by averaging. A layer has ``widen * (N + more)`` filters.
    """

    graph: Cell
    widen: float = 1.0
    stem_stride: int = 1
    more: int = 0


Architecture = CellStack | ResidualStages | MacroStack | ConvChain | LayerGraph
