"""The cell of hierarchical representations (Liu et al. 2018): a graph of motifs, which are graphs of primitives."""

from __future__ import annotations

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, Depthwise, Norm, Pool, Primitive, Relu
from harness.core.space import Size
from harness.spaces.zoo.entry import ZooNetwork

_MOTIFS = {
    1: "12 max, 13 conv, 14 sep, 23 depth, 24 conv, 34 max",
    3: "12 sep, 13 depth, 14 sep, 23 sep, 24 id, 34 avg",
    4: "12 avg, 13 sep, 14 id, 23 sep, 24 max, 34 avg",
    5: "12 id, 13 sep, 14 sep, 23 id, 24 id, 34 sep",
}
"""The motifs that the cell uses: from which node to which, and the primitive on that edge."""
_CELL = "12 5, 13 3, 14 3, 15 4, 23 3, 24 1, 25 5, 34 3, 35 5, 45 5"
"""From which node to which, and the number of the motif on that edge."""


def _conv(filters: int) -> tuple[Primitive, ...]:
    return (Conv(1, 1, filters), Norm(), Relu())


def _separable(filters: int, stride: int = 1) -> tuple[Primitive, ...]:
    return (Depthwise(3, stride), Norm(), Relu(), *_conv(filters))


def _primitives(name: str, filters: int) -> tuple[Primitive, ...]:
    """The layers of what the paper calls a primitive."""
    by_name: dict[str, tuple[Primitive, ...]] = {
        "id": (),
        "conv": _conv(filters),
        "sep": _separable(filters),
        "depth": (Depthwise(3), Norm(), Relu()),
        "max": (Pool("max", 3, 1),),
        "avg": (Pool("avg", 3, 1),),
    }
    return by_name[name]


def _edges(text: str) -> list[tuple[int, int, str]]:
    """Source, target and label of every edge, by target."""
    entries = [entry.split() for entry in text.split(",")]
    return sorted((int(ends[0]), int(ends[1]), label) for ends, label in entries)


def _motif(layers: Layers, number: int, node: int, filters: int) -> int:
    """A motif: the inputs of a node are concatenated, and a 1x1 convolution at the end restores the width."""
    nodes, edges = {1: node}, _edges(_MOTIFS[number])
    for target in range(2, 5):
        parts = []
        for source, end, name in edges:
            if end == target:
                primitives = _primitives(name, filters)
                parts.append(layers.add(nodes[source], *primitives) if primitives else nodes[source])
        nodes[target] = layers.merged(parts, "concat")
    return layers.add(nodes[4], *_conv(filters))


def _cell(layers: Layers, node: int, filters: int) -> int:
    nodes, edges = {1: node}, _edges(_CELL)
    for target in range(2, 6):
        parts = [_motif(layers, int(number), nodes[source], filters) for source, end, number in edges if end == target]
        nodes[target] = layers.merged(parts, "concat")
    return nodes[5]


def _hierarchical(size: Size) -> LayerGraph:
    layers, filters = Layers(), size.channels
    node = layers.add(0, Conv(3, 3, filters, (size.stem_stride,) * 2), Norm())
    for stage in range(3):
        for number in range(size.layers):
            if stage > 0 or number > 0:
                strided = number == 0
                filters *= 2 if strided else 1
                node = layers.add(node, *_separable(filters, 2 if strided else 1))
            node = _cell(layers, node, filters)
    return layers.graph(node)


HIERARCHICAL = ZooNetwork(
    name="hierarchical_nas",
    title="Hierarchical NAS",
    row="Hierarchical NAS",
    paper="Liu et al. 2018, arXiv 1711.00436",
    build=_hierarchical,
    size=Size(128, 2),
    parameters=61_329_802,
    sources=(
        "automl/NASLib: naslib/search_spaces/hierarchical/graph.py, primitives.py",
        "negrinho/deep_architect: contrib/misc/search_spaces/tensorflow_eager/hierarchical_space.py",
    ),
    layers_are="cells per stage",
    least=1,
    millions=61.3,
    error=3.63,
    also_counted=("statistics",),
    open=(
        "Motifs and cell are NASLib's transcription of the drawing, in which one edge is marked as unclear. How nodes "
        "merge and where widths are restored is the one reading with the rules of the re-implementations whose count, "
        "with the moving averages of the normalisations, is the printed one at both widths the paper gives: a fit, not "
        "proof. Without moving averages it has 61.0M."
    ),
)
