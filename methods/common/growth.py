"""Architectures that grow block by block, for PNAS: prefixes, their extensions, and which prefixes are equivalent.

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

from harness import Choice, Genotype, Space
from harness.core.space import option_text
from harness.spaces.cell import INPUTS
from harness.spaces.nasnet import PNAS_OPERATIONS, PnasSpace

Picks = tuple[int, ...]
Integers = NDArray[np.intp]
Numbers = NDArray[np.float32]
MOST_OPTIONS = 4096
"""A block with more combinations of options is split into several blocks; PNAS' largest has 2,304."""


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
        self._words[range(len(words)), [kinds.index(word) for word in words]] = 1

    def options(self, block: int) -> Integers:
        """All combinations of options of a block, as picks, shape ``(n, choices of the block)``."""
        begin = sum(self.blocks[:block])
        choices = self.space.choices[begin : begin + self.blocks[block]]
        return np.array(list(itertools.product(*(range(len(choice)) for choice in choices))))

    def genotype(self, prefix: Picks) -> Genotype:
        """The architecture of ``prefix``: open choices have their defaults."""
        return self.space.genotype((*prefix, *self._defaults[len(prefix) :].tolist()))

    def canonical(self, prefix: Picks) -> Picks:
        """A name that is equal for prefixes of the same architecture."""
        return self.genotype(prefix).picks

    def size(self, prefix: Picks) -> int:
        """Blocks of the architecture of ``prefix``: here every architecture is complete."""
        return len(self.blocks)

    def encode(self, prefixes: Integers) -> Numbers:
        """Features of prefixes of one length: all picks one-hot, and how often each word occurs, as a share.

        A word is an option of a kind of choice, such as an operation at any node. Its share tells the predictor
        something about nodes that no trained prefix has decided yet.
        """
        n, length = prefixes.shape
        full = np.concatenate([prefixes, np.tile(self._defaults[length:], (n, 1))], axis=1)
        one_hot = np.zeros((n, len(self._words)), np.float32)
        np.put_along_axis(one_hot, full + self._first, 1.0, axis=1)
        shares = (one_hot @ self._words) / len(self.space.choices)  # sums of ones have no rounding errors
        return np.concatenate([one_hot, shares], axis=1)


class CellGrowth(Growth):
    """Cells of :class:`PnasSpace`, which are complete at any size."""

    def __init__(self, space: PnasSpace) -> None:
        self.space: Space = space
        self.blocks = [4] * space.blocks
        self._states = INPUTS + space.blocks - 1

    def options(self, block: int) -> Integers:
        """All blocks, where a block and that with swapped halves count once: 136 first blocks, 300 second ones."""
        operations = range(len(PNAS_OPERATIONS))
        halves = list(itertools.product(range(INPUTS + block), operations))
        pairs = itertools.combinations_with_replacement(halves, 2)
        return np.array([(in0, in1, op0, op1) for (in0, op0), (in1, op1) in pairs])

    def genotype(self, prefix: Picks) -> Genotype:
        """The cell with the blocks of ``prefix``."""
        rest = len(self.space.choices) - 1 - len(prefix)
        return self.space.genotype((self.size(prefix) - 1, *prefix, *[0] * rest))

    def canonical(self, prefix: Picks) -> Picks:
        """The smallest spelling of the cell, over swaps of the halves and orders of the blocks."""
        blocks = [prefix[begin : begin + 4] for begin in range(0, len(prefix), 4)]
        return _smallest(blocks, {state: state for state in range(INPUTS)})

    def size(self, prefix: Picks) -> int:
        """Blocks of the cell."""
        return len(prefix) // 4

    def encode(self, prefixes: Integers) -> Numbers:
        """The mean over a cell's blocks of the one-hot codes of inputs and operations, as the paper's MLP has it."""
        blocks = prefixes.reshape(len(prefixes), -1, 4)
        inputs = np.eye(self._states, dtype=np.float32)[blocks[:, :, :2]].mean(axis=1)
        operations = np.eye(len(PNAS_OPERATIONS), dtype=np.float32)[blocks[:, :, 2:]].mean(axis=1)
        return np.concatenate([part.reshape(len(prefixes), -1) for part in (inputs, operations)], axis=1)


def growth_of(space: Space) -> Growth:
    """The growth that fits the space."""
    return CellGrowth(space) if isinstance(space, PnasSpace) else Growth(space)


def _smallest(blocks: Sequence[Picks], names: dict[int, int]) -> Picks:
    """The smallest spelling of the blocks that have no new number yet.

    The next block is always one with the smallest spelling among those whose inputs have new numbers; of several equal
    ones, each is tried.

    Args:
        blocks: all blocks of the cell, in the old order.
        names: new numbers of states, by the old ones.
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
    """Numbers of choices of the blocks: those of one node, split where there are too many combinations."""
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
