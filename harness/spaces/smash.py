"""SMASH's memory banks (Brock, Lim, Ritchie & Weston, ICLR 2018), in a small form.

A network is three blocks of operations at three resolutions. The activations of a block lie in four banks of equal
width. An operation reads some banks, concatenated, compresses them to one bank's width by a 1x1 convolution, applies a
3x3 or a 5x5 convolution, and adds the result to one or two banks: a bank is the sum of all that was written to it.
Residual networks (read and write one bank) and densely connected ones (read all, write a new one) are members.

The first convolution, and then a transition before each further block, write bank 0. A transition reads all banks,
halves the image and doubles the width of the banks; the classifier reads all banks of the last block.

An operation may only read banks that have been written, and banks are filled in order. Every genotype is cut to that
(:meth:`SmashSpace.operations`): banks that are still empty are left out of what is read (bank 0 is read where nothing
else remains), and a write beyond the first empty bank goes to the first empty bank.

Not here, of the paper: free numbers of banks, of filters and of operations, groups, dilation, and other orders of
convolutions within an operation. Chosen here: the banks' width doubles from block to block, and ReLU comes before each
convolution and a normalisation after it, because networks are trained by one recipe in all spaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import Conv, Norm, Pool, Relu
from harness.core.space import Choice, Genotype, Size, Space

BANKS = 4
"""Memory banks of a block."""
BLOCKS = 3
"""Blocks, each at half the resolution of the one before."""
KERNELS = (3, 5)
"""Sides of an operation's second convolution."""


@dataclass(frozen=True)
class BankOperation:
    """What an operation does.

    Args:
        reads: banks that it reads, in order; all of them have been written.
        writes: one or two banks, in order.
        kernel: side of its second convolution.
        filled: banks that have been written after it; they are those with the smallest numbers.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    kernel: int
    filled: int


def most_filled(number: int) -> int:
    """Banks that may have been written before operation ``number`` of a block, counted from 0."""
    return min(BANKS, 1 + 2 * number)


def _writes(filled: int) -> tuple[str, ...]:
    """Sets of one or two banks that can be written when ``filled`` have been."""
    singles = [(bank,) for bank in range(min(BANKS, filled + 1))]
    pairs = [(a, b) for a, b in combinations(range(BANKS), 2) if b <= filled or (a, b) == (filled, filled + 1)]
    return tuple("+".join(map(str, banks)) for banks in (*singles, *pairs))


def _choices(operations: int) -> tuple[Choice, ...]:
    choices: list[Choice] = []
    for block in range(1, BLOCKS + 1):
        for number in range(operations):
            node, filled = f"{block}.{number + 1}", most_filled(number)
            if number:  # before the first one there is bank 0 alone
                choices += [Choice(f"{node}.read{bank}", (0, 1), node, "read") for bank in range(filled)]
            choices.append(Choice(f"{node}.write", _writes(filled), node, "write"))
            choices.append(Choice(f"{node}.kernel", KERNELS, node, "kernel"))
    return tuple(choices)


class SmashSpace(Space):
    """Networks of memory banks.

    Args:
        name: in genotypes.
        per_block: operations of a block, at least one.
    """

    def __init__(self, name: str = "smash", per_block: int = 4) -> None:
        self.name, self.per_block = name, per_block
        self.choices = _choices(per_block)

    def operations(self, picks: Iterable[int]) -> list[list[BankOperation]]:
        """What each operation of each block does, cut to banks that there are."""
        options = iter(choice.options[int(pick)] for choice, pick in zip(self.choices, picks, strict=True))
        blocks = []
        for _ in range(BLOCKS):
            block, filled = list[BankOperation](), 1
            for number in range(self.per_block):
                bits = [next(options) for _ in range(most_filled(number))] if number else [1]
                reads = tuple(bank for bank, bit in enumerate(bits[:filled]) if bit) or (0,)
                writes = list[int]()
                for word in str(next(options)).split("+"):
                    writes.append(min(int(word), filled))
                    filled = max(filled, writes[-1] + 1)
                block.append(BankOperation(reads, tuple(writes), int(str(next(options))), filled))
            blocks.append(block)
        return blocks

    def function(self, genotype: Genotype) -> str:
        """What is left of the genotype: per operation what it reads and writes, and its kernel."""
        words = [
            f"{'+'.join(map(str, op.reads))}>{'+'.join(map(str, op.writes))}:{op.kernel}"
            for block in self.operations(genotype.picks)
            for op in block
        ]
        return ",".join(words)

    def decode(self, genotype: Genotype, size: Size) -> LayerGraph:
        """Banks of ``size.channels`` channels in the first block; ``size.layers`` is not read."""
        layers, width = Layers(), size.channels
        source = layers.add(0, Conv(3, 3, width, (size.stem_stride,) * 2), Norm())
        for number, block in enumerate(self.operations(genotype.picks)):
            if number:
                width *= 2
                source = layers.add(source, Relu(), Pool("avg", 2, 2), Conv(1, 1, width), Norm())
            banks = [source]
            for op in block:
                read = layers.merged([banks[bank] for bank in op.reads], "concat")
                middle = layers.add(read, Relu(), Conv(1, 1, width), Norm())
                for bank in op.writes:
                    result = layers.add(middle, Relu(), Conv(op.kernel, op.kernel, width), Norm())
                    if bank < len(banks):
                        banks[bank] = layers.add((banks[bank], result))
                    else:
                        banks.append(result)
            source = layers.merged(banks, "concat")
        return layers.graph(layers.add(source, Norm(), Relu()))
