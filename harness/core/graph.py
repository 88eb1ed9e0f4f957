"""Layer graphs: a network as a list of layers, each of which merges earlier outputs and applies primitives.

:mod:`harness.core.lowering` writes every skeleton of :mod:`harness.core.architecture` out as a layer graph. A network
without a skeleton is a layer graph from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.primitives import Pool, Primitive

Merge = Literal["sum", "mean", "concat", "shake"]
"""How the inputs of a layer become one.

``sum`` and ``mean``: larger inputs are cut at the bottom and at the right to the size of the smallest. ``concat``: of
the channels; smaller inputs are padded there with zeros to the size of the largest. ``shake``: two inputs are mixed
with random shares per image, and with other shares in the backward pass; at inference it is their mean (Gastaldi 2017).
"""


@dataclass(frozen=True)
class Layer:
    """One node of a layer graph.

    Args:
        inputs: nodes that it reads; node 0 is the image and node k the output of layer k - 1 of the list.
        primitives: applied in order to the merged inputs.
        merge: how several inputs are merged.
        drop_path: whether scheduled drop path may drop it for an image.
    """

    inputs: tuple[int, ...]
    primitives: tuple[Primitive, ...] = ()
    merge: Merge = "sum"
    drop_path: bool = False


@dataclass(frozen=True)
class LayerGraph:
    """A network up to its classifier: global average pooling and a dense layer.

    Args:
        layers: each reads earlier ones only.
        output: the node that the classifier reads.
        bias: whether the classifier has a bias.
        auxiliary: the node for DARTS' auxiliary head, if there is one.
    """

    layers: tuple[Layer, ...]
    output: int
    bias: bool = True
    auxiliary: int | None = None

    def __post_init__(self) -> None:
        for node, layer in enumerate(self.layers, start=1):
            if not layer.inputs or not all(0 <= source < node for source in layer.inputs):
                raise ValueError(f"node {node} reads {layer.inputs}, not one or more earlier nodes")

    def live(self) -> list[bool]:
        """Per node, whether the output depends on it."""
        live = [False] * (len(self.layers) + 1)
        live[self.output] = True
        for node in range(len(self.layers), 0, -1):
            if live[node]:
                for source in self.layers[node - 1].inputs:
                    live[source] = True
        return live


class Layers:
    """Builds a layer graph, layer by layer."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def add(
        self, inputs: int | Sequence[int], *primitives: Primitive, merge: Merge = "sum", drop_path: bool = False
    ) -> int:
        """Appends a layer and returns its node."""
        sources = (inputs,) if isinstance(inputs, int) else tuple(inputs)
        self._layers.append(Layer(sources, primitives, merge, drop_path))
        return len(self._layers)

    def image(self, stride: int) -> int:
        """The node of the image, with a ``stride`` of 2 halved by averaging: for networks without a stem that could."""
        return self.add(0, Pool("avg", stride, stride)) if stride > 1 else 0

    def merged(self, inputs: Sequence[int], merge: Merge = "sum") -> int:
        """The node that merges ``inputs``: a new one, or the only one there is."""
        return inputs[0] if len(inputs) == 1 else self.add(inputs, merge=merge)

    def graph(self, output: int, *, bias: bool = True, auxiliary: int | None = None) -> LayerGraph:
        """The graph of all layers that were added."""
        return LayerGraph(tuple(self._layers), output, bias, auxiliary)
