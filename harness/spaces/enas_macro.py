"""ENAS' macro space (Pham et al., ICML 2018): per layer an operation and one bit per earlier layer.

Twelve layers and six operations have 6^12 * 2^66 networks, about 1.6e29; a genotype has 78 picks.
"""

from __future__ import annotations

from harness.core.architecture import Cell, Edge, MacroStack
from harness.core.space import Choice, Genotype, Size, Space

MACRO_OPERATIONS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
"""The six operations, in the order of ENAS' codes 0 to 5."""


class MacroSpace(Space):
    """Layer k applies its operation to the output of layer k-1 and adds chosen ones of the stem and layers 1 to k-2.

    That is what the authors' code does with the k-1 bits of a layer: adding the previous layer is no choice.
    """

    def __init__(self, name: str = "macro", layers: int = 12) -> None:
        self.name, self.layers = name, layers
        choices: list[Choice] = []
        for layer in range(1, layers + 1):
            choices.append(Choice(f"{layer}.op", MACRO_OPERATIONS, node=str(layer), kind="op"))
            choices += [
                Choice(f"{layer}.skip{earlier}", (0, 1), node=str(layer), kind="skip") for earlier in range(layer - 1)
            ]
        self.choices = tuple(choices)

    def decode(self, genotype: Genotype, size: Size) -> MacroStack:
        """The network that is trained in the end: its width doubles where the image is halved.

        ``size.layers`` is ignored: the depth belongs to the space.
        """
        return self._stack(genotype, size, widen=True)

    def searched(self, genotype: Genotype, size: Size) -> MacroStack:
        """The same layers as a path of the shared network, which has one width."""
        return self._stack(genotype, size, widen=False)

    def _stack(self, genotype: Genotype, size: Size, *, widen: bool) -> MacroStack:
        edges: list[Edge] = []
        options = iter(self.options(genotype))
        for layer in range(1, self.layers + 1):
            edges.append(Edge(layer - 1, layer, str(next(options))))
            edges += [Edge(earlier, layer, "skip") for earlier in range(layer - 1) if next(options) == 1]
        graph = Cell(1, self.layers + 1, tuple(edges), (self.layers,))
        halves = tuple(sorted({max(1, self.layers // 3), max(1, 2 * self.layers // 3)}))
        return MacroStack(graph, size.channels, halves, size.stem_stride, widen)
