"""The cell of hierarchical representations (Liu et al. 2018): a graph of motifs, which are graphs of primitives."""

from __future__ import annotations

from harness.core.graph import LayerGraph
from harness.core.space import Size
from harness.spaces.hierarchical import Motif, network
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


_WORDS = {
    "id": "skip_connect",
    "conv": "conv_1x1",
    "sep": "sep_conv_3x3",
    "depth": "dep_conv_3x3",
    "max": "max_pool_3x3",
    "avg": "avg_pool_3x3",
}


def _read(text: str, nodes: int) -> Motif:
    entries = [entry.split() for entry in text.split(",")]
    edges = sorted((int(ends[1]), int(ends[0]), _WORDS.get(label, f"motif{label}")) for ends, label in entries)
    return Motif(nodes, tuple((source, target, label) for target, source, label in edges))


MOTIFS = {f"motif{number}": _read(text, 4) for number, text in _MOTIFS.items()}
CELL = _read(_CELL, 5)


def _hierarchical(size: Size) -> LayerGraph:
    return network(CELL, MOTIFS, size.channels, size.layers, size.stem_stride)


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
