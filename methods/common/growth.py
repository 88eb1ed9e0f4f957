"""Architectures that grow block by block, for PNAS: what a prefix is, what may follow it, and which prefixes are alike.

A prefix is the tuple of the picks of a space's first few blocks. In PNAS' own space a prefix is a smaller cell. In any
other space a block is a node of a cell or a layer (the choices of one :attr:`~harness.core.space.Choice.node`), and
every choice that a prefix leaves open has a default: ``skip_connect`` where that is an option, else the first option.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from harness.core.space import Choice, Genotype, Space, option_text
from harness.spaces.cell import INPUTS
from harness.spaces.nasnet import PNAS_OPERATIONS, PnasSpace

Picks = tuple[int, ...]
Integers = NDArray[np.intp]
Numbers = NDArray[np.float32]
MOST_OPTIONS = 4096
"""A block with more combinations than this is cut into several; PNAS' largest has 2,304."""


class Growth:
    """Prefixes of the choices of a space.

    Args:
        space: with at least one choice.

    Attributes:
        blocks: how many choices each block decides, in order.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.blocks = _blocks(space.choices)
        self._defaults = np.array([_default(choice) for choice in space.choices])
        counts = [len(choice) for choice in space.choices]
        self._first = np.cumsum([0, *counts[:-1]])
        words = [(choice.kind, option_text(option)) for choice in space.choices for option in choice.options]
        kinds = list(dict.fromkeys(words))
        self._words = np.zeros((len(words), len(kinds)), np.float32)
        self._words[range(len(words)), [kinds.index(word) for word in words]] = 1 / len(counts)

    def options(self, block: int) -> Integers:
        """All ways to decide a block, shape ``(n, its choices)``."""
        begin = sum(self.blocks[:block])
        choices = self.space.choices[begin : begin + self.blocks[block]]
        return np.array(list(itertools.product(*(range(len(choice)) for choice in choices))))

    def genotype(self, prefix: Picks) -> Genotype:
        """The architecture that ``prefix`` stands for."""
        return self.space.genotype((*prefix, *self._defaults[len(prefix) :].tolist()))

    def canonical(self, prefix: Picks) -> Picks:
        """Equal for prefixes that stand for the same architecture."""
        return self.genotype(prefix).picks

    def size(self, prefix: Picks) -> int:
        """Of what ``prefix`` stands for, in blocks: here all architectures are complete."""
        return len(self.blocks)

    def encode(self, prefixes: Integers) -> Numbers:
        """Features of prefixes of one length: all picks one-hot, and the share of each word among them.

        A word is an option of a kind of choice, such as an operation at any place. Its share says something about
        places that no prefix has decided so far.
        """
        n, length = prefixes.shape
        full = np.concatenate([prefixes, np.tile(self._defaults[length:], (n, 1))], axis=1)
        one_hot = np.zeros((n, len(self._words)), np.float32)
        np.put_along_axis(one_hot, full + self._first, 1.0, axis=1)
        return np.concatenate([one_hot, one_hot @ self._words], axis=1)


class CellGrowth(Growth):
    """Cells of :class:`PnasSpace`, which are complete at any size."""

    def __init__(self, space: PnasSpace) -> None:
        self.space: Space = space
        self.blocks = [4] * space.blocks
        self._states = INPUTS + space.blocks - 1

    def options(self, block: int) -> Integers:
        """The blocks up to a swap of their halves: 136 for the first one, 300 for the second."""
        operations = range(len(PNAS_OPERATIONS))
        halves = list(itertools.product(range(INPUTS + block), operations))
        pairs = itertools.combinations_with_replacement(halves, 2)
        return np.array([(in0, in1, op0, op1) for (in0, op0), (in1, op1) in pairs])

    def genotype(self, prefix: Picks) -> Genotype:
        """The cell with the blocks of ``prefix``."""
        rest = len(self.space.choices) - 1 - len(prefix)
        return self.space.genotype((self.size(prefix) - 1, *prefix, *[0] * rest))

    def canonical(self, prefix: Picks) -> Picks:
        """The smallest of all ways to write the cell down: halves swapped, blocks in another order and renumbered."""
        blocks = [prefix[place : place + 4] for place in range(0, len(prefix), 4)]
        return _smallest(blocks, {state: state for state in range(INPUTS)})

    def size(self, prefix: Picks) -> int:
        """Blocks of the cell."""
        return len(prefix) // 4

    def encode(self, prefixes: Integers) -> Numbers:
        """The mean over a cell's blocks of their inputs and operations, one-hot: the paper's MLP for any length."""
        blocks = prefixes.reshape(len(prefixes), -1, 4)
        inputs = np.eye(self._states, dtype=np.float32)[blocks[:, :, :2]].mean(axis=1)
        operations = np.eye(len(PNAS_OPERATIONS), dtype=np.float32)[blocks[:, :, 2:]].mean(axis=1)
        return np.concatenate([part.reshape(len(prefixes), -1) for part in (inputs, operations)], axis=1)


def growth_of(space: Space) -> Growth:
    """The growth that fits the space."""
    return CellGrowth(space) if isinstance(space, PnasSpace) else Growth(space)


def _smallest(blocks: Sequence[Picks], names: dict[int, int]) -> Picks:
    """The smallest spelling of the blocks without a name, given the new names of the other states.

    Goes on with every block whose spelling is the least among those whose inputs have names: ties are the only choice.
    """
    spelled: dict[int, Picks] = {}
    for number, (in0, in1, op0, op1) in enumerate(blocks, start=INPUTS):
        if number not in names and in0 in names and in1 in names:
            (first, op_first), (second, op_second) = sorted([(names[in0], op0), (names[in1], op1)])
            spelled[number] = (first, second, op_first, op_second)
    if not spelled:
        return ()
    least = min(spelled.values())
    ties = [number for number, block in spelled.items() if block == least]
    return least + min(_smallest(blocks, {**names, number: len(names)}) for number in ties)


def _blocks(choices: Sequence[Choice]) -> list[int]:
    """Sizes of the blocks: runs of choices of one node or layer, cut where they have too many combinations."""
    sizes: list[int] = []
    for _, run in itertools.groupby(choices, attrgetter("node")):
        combinations = MOST_OPTIONS + 1
        for choice in run:
            combinations *= len(choice)
            if combinations > MOST_OPTIONS:
                combinations = len(choice)
                sizes.append(0)
            sizes[-1] += 1
    return sizes


def _default(choice: Choice) -> int:
    return choice.options.index("skip_connect") if "skip_connect" in choice.options else 0
