"""Search spaces as data: an ordered tuple of categorical choices, and picks from it.

A space builds nothing. A controller reads ``len(choice.options)``, evolution changes one pick, a predictor encodes
one-hot, a table is keyed by the text form: all from the same tuple.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from harness.core.architecture import Architecture

Option = str | int | tuple[int, ...]


def option_text(option: Option) -> str:
    """The spelling of an option inside a genotype's text: ``sep_conv_3x3``, ``5``, ``0+2``."""
    if isinstance(option, tuple):
        return "+".join(str(part) for part in option)
    return str(option)


@dataclass(frozen=True)
class Choice:
    """One categorical decision.

    Args:
        name: for people and messages, for example ``normal.2.op0``; unique in its space, and no program takes it apart.
        options: the values to choose from, in a fixed order.
        node: the node, block or layer that the choice belongs to, for example ``normal.2``. Choices of one node follow
            each other in a space. By default the choice is a node of its own.
        kind: what is decided: ``op``, ``input``, ``inputs``, ``skip``... Choices of one kind mean the same at every
            node, and equal options of them are the same thing.
        cell: the cell that the node belongs to, in spaces with several cells.
    """

    name: str
    options: tuple[Option, ...]
    node: str = ""
    kind: str = ""
    cell: str = ""

    def __post_init__(self) -> None:
        if not self.node:
            object.__setattr__(self, "node", self.name)

    def __len__(self) -> int:
        return len(self.options)

    def neighbours(self, pick: int) -> tuple[int, ...]:
        """Picks one small step away from ``pick``.

        For plain options that is every other one; for tuples (a set of inputs, say) those that differ in exactly one
        element, which is how the evolution papers mutate a hidden state.
        """
        here = self.options[pick]
        if isinstance(here, tuple):
            return tuple(
                i
                for i, there in enumerate(self.options)
                if isinstance(there, tuple) and len(set(here) & set(there)) == len(here) - 1 and there != here
            )
        return tuple(i for i in range(len(self.options)) if i != pick)


def positions_by_node(choices: Sequence[Choice]) -> dict[str, list[int]]:
    """For each node, in order, the positions of its choices in ``choices``."""
    positions: dict[str, list[int]] = {}
    for position, choice in enumerate(choices):
        positions.setdefault(choice.node, []).append(position)
    return positions


@dataclass(frozen=True)
class Genotype:
    """A point of a space: one pick (an option's index) per choice. Hashable, immutable, printable.

    ``str(genotype)`` is ``space:option,option,...`` and :meth:`Space.parse` reads it back.
    """

    space: str
    picks: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        return self.text


class Space(abc.ABC):
    """An ordered tuple of choices and the function that turns picks into a graph.

    Source of the idea: a search space is data and builds nothing (pyglove; Peng et al., NeurIPS 2020).
    """

    name: str
    choices: tuple[Choice, ...]

    @abc.abstractmethod
    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        """The graph that ``genotype`` names, scaled to ``size``."""

    @property
    def cardinality(self) -> int:
        """Number of genotypes (encodings; different encodings may name the same function)."""
        total = 1
        for choice in self.choices:
            total *= len(choice)
        return total

    @cached_property
    def _option_index(self) -> tuple[dict[str, int], ...]:
        return tuple({option_text(o): i for i, o in enumerate(c.options)} for c in self.choices)

    @cached_property
    def _neighbours(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """By choice and pick, computed once: evolution asks for them at every child."""
        return tuple(tuple(choice.neighbours(pick) for pick in range(len(choice))) for choice in self.choices)

    def genotype(self, picks: tuple[int, ...]) -> Genotype:
        """The genotype with these picks.

        Raises:
            InputError: wrong number of picks or a pick out of range.
        """
        if len(picks) != len(self.choices):
            raise InputError(f"a genotype of space '{self.name}' has {len(self.choices)} picks, not {len(picks)}")
        words = []
        for choice, pick in zip(self.choices, picks, strict=True):
            if not 0 <= pick < len(choice):
                raise InputError(f"pick {pick} of '{choice.name}' is out of range: it has {len(choice)} options")
            words.append(option_text(choice.options[pick]))
        return Genotype(self.name, tuple(int(p) for p in picks), f"{self.name}:{','.join(words)}")

    def parse(self, text: str) -> Genotype:
        """The genotype that ``str`` printed.

        Raises:
            InputError: another space's text, a wrong number of words or an unknown option.
        """
        head, _, tail = text.partition(":")
        if head != self.name:
            raise InputError(f"'{text}' belongs to space '{head}', not to '{self.name}'")
        words = tail.split(",")
        if len(words) != len(self.choices):
            raise InputError(f"a genotype of space '{self.name}' has {len(self.choices)} words, not {len(words)}")
        picks = []
        for choice, word, index in zip(self.choices, words, self._option_index, strict=True):
            if word not in index:
                raise InputError(f"'{word}' is no option of '{choice.name}'; it has {', '.join(index)}")
            picks.append(index[word])
        return self.genotype(tuple(picks))

    def contains(self, genotype: Genotype) -> bool:
        """Whether ``genotype`` is a well-formed point of this space."""
        try:
            return self.parse(genotype.text) == genotype
        except InputError:
            return False

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A genotype drawn uniformly over the encodings."""
        return self.genotype(tuple(int(rng.integers(len(c))) for c in self.choices))

    def mutate(
        self, genotype: Genotype, rng: np.random.Generator, among: Callable[[Choice], bool] = lambda _: True
    ) -> Genotype:
        """A copy with exactly one pick changed to a neighbouring option (choice uniform, then option uniform).

        ``among`` says which choices may be changed.
        """
        movable = [i for i, c in enumerate(self.choices) if among(c) and self._neighbours[i][genotype.picks[i]]]
        place = movable[int(rng.integers(len(movable)))]
        options = self._neighbours[place][genotype.picks[place]]
        picks = list(genotype.picks)
        picks[place] = options[int(rng.integers(len(options)))]
        return self.genotype(tuple(picks))

    def neighbours(self, genotype: Genotype) -> Iterator[Genotype]:
        """All genotypes one neighbouring pick away, in the order of the choices."""
        for place, neighbours in enumerate(self._neighbours):
            for option in neighbours[genotype.picks[place]]:
                yield self.genotype((*genotype.picks[:place], option, *genotype.picks[place + 1 :]))

    def option(self, genotype: Genotype, place: int) -> Option:
        """The option picked at choice number ``place``."""
        return self.choices[place].options[genotype.picks[place]]


@dataclass(frozen=True)
class Size:
    """How large the network around a genotype is; the profile decides, the method does not.

    Args:
        channels: filters of the first stage.
        layers: cells (cell spaces), or cells per stage (nasbench201), or layers (macro; ignored by the chain space,
            whose depth is part of the space).
        stem_stride: 1, or 2 to halve the image before the first cell, which quick profiles do to save time.
    """

    channels: int
    layers: int
    stem_stride: int = 1
