"""The space of BlockQNN (Zhong et al., CVPR 2018): a block of layers, which the network repeats.

The paper writes a layer as five numbers, its Network Structure Code: index, type, kernel, predecessor, second
predecessor. The types are: 1 convolution with kernel 1, 3 or 5; 2 max pooling and 3 average pooling with kernel 1 or 3;
4 identity; 5 addition and 6 concatenation of two different layers; 7 the terminal code, which cannot be the first. A
predecessor is the index of an earlier layer, or 0 for the block's input. A convolution has a ReLU before it and a
normalisation after it. The outputs of layers that no layer reads are concatenated.

Deviations: the longest block, 23 layers, is from memory of the paper. After a concatenation inside a block each part
gets a 1x1 convolution to the block's width, and the results are added: a 1x1 convolution of the concatenation is such a
sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.space import Choice, Genotype, Size, Space

_ONE_INPUT = (
    *("conv_1x1", "conv_3x3", "conv_5x5", "max_pool_1x1", "max_pool_3x3", "avg_pool_1x1", "avg_pool_3x3"),
    "skip_connect",
)
_PAIRS = ("add", "concat")
TERMINAL = "terminal"


@dataclass(frozen=True)
class BlockLayer:
    """One layer of a block: its operation and the layers that it reads, 0 being the block's input."""

    op: str
    reads: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.op}@{'+'.join(map(str, self.reads))}"


def layers_at(index: int) -> list[BlockLayer]:
    """All layers that can have this index, without the terminal code."""
    single = [BlockLayer(op, (read,)) for op in _ONE_INPUT for read in range(index)]
    return single + [BlockLayer(op, pair) for op in _PAIRS for pair in combinations(range(index), 2)]


class BlockSpace(Space):
    """Blocks, with one choice per layer, and the decision process that builds them layer by layer.

    Args:
        layers: the most that a block can have.
    """

    start = (0, 0)
    """A state of the process: the number of layers so far and the option of the last one."""

    def __init__(self, name: str = "block", layers: int = 23) -> None:
        self.name = name
        self._layers = [layers_at(index) for index in range(1, layers + 1)]
        self.choices = tuple(
            Choice(str(index), (*map(str, known), *([TERMINAL] if index > 1 else [])), kind="layer")
            for index, known in enumerate(self._layers, start=1)
        )

    def actions(self, state: tuple[int, int]) -> Sequence[int]:
        """All options of the next layer."""
        return range(len(self.choices[state[0]]))

    def after(self, state: tuple[int, int], action: int) -> tuple[int, int] | None:
        """The state after an option, or None if the block is complete."""
        index = state[0] + 1
        over = index == len(self.choices) or action == len(self._layers[state[0]])
        return None if over else (index, action)

    def complete(self, actions: Sequence[int]) -> Genotype:
        """The genotype of a complete block."""
        return self.genotype((*actions, *(len(known) for known in self._layers[len(actions) :])))

    def effective(self, genotype: Genotype) -> Sequence[int]:
        """The layers of the block, and the terminal code behind them."""
        return range(min(len(self.read(genotype)) + 1, len(self.choices)))

    def read(self, genotype: Genotype) -> list[BlockLayer]:
        """The layers of a block: those before the first terminal, at least one."""
        layers = []
        for pick, known in zip(genotype.picks, self._layers, strict=True):
            if pick == len(known):
                break
            layers.append(known[pick])
        return layers

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """Three stages of ``size.layers // 3`` blocks (at least one) with a 2x2 max pooling between two stages.

        A block is a cell that reads only the cell before it, through a 1x1 convolution to the width of its stage. All
        layers of the block have this width: a concatenation becomes the sum of one 1x1 convolution of each part.
        """
        edges = []
        for node, layer in enumerate(self.read(genotype), start=2):
            op = {"add": "skip_connect", "concat": "conv_1x1"}.get(layer.op, layer.op)
            edges += [Edge(read + 1, node, op) for read in layer.reads]
        nodes = edges[-1].target + 1
        unread = set(range(2, nodes)) - {edge.source for edge in edges}
        repeats = max(1, size.layers // 3)
        return CellStack(
            normal=Cell(2, nodes, tuple(edges), tuple(sorted(unread))),
            reduction=Cell(2, 3, (Edge(1, 2, "max_pool_2x2"),), (2,)),
            channels=size.channels,
            layers=3 * repeats + 2,
            reductions=(repeats, 2 * repeats + 1),
            stem_stride=size.stem_stride,
        )
