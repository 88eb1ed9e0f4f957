"""Search spaces as data: an ordered tuple of categorical choices, and genotypes, which pick an option of each.

A space builds no network. Every method reads the same tuple: a controller needs ``len(choice.options)``, evolution
changes one pick, a predictor encodes the picks one-hot, and a table of results is keyed by the genotype's text.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from harness.core.architecture import Architecture

Option = str | int | tuple[int, ...]
MOST_TABULATED = 20_000
"""Genotypes of a space that are looked through for those that compute the same function; a table of a larger one is a
sample."""


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
        """The picks that a mutation of ``pick`` can lead to.

        For plain options these are all others. For tuples (sets of inputs) they are those that differ in exactly one
        element, as in the evolution papers' mutation of a hidden state.
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
    """An ordered tuple of choices, and the function that turns a genotype into a graph.

    Source of the idea: a search space is data and builds nothing (pyglove; Peng et al., NeurIPS 2020).
    """

    name: str
    choices: tuple[Choice, ...]

    @abc.abstractmethod
    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        """The architecture of ``genotype`` at a size."""

    @property
    def cardinality(self) -> int:
        """Number of genotypes. Different genotypes may compute the same function."""
        total = 1
        for choice in self.choices:
            total *= len(choice)
        return total

    def function(self, genotype: Genotype) -> str:
        """A text that genotypes share only if their networks compute the same function of the same weights.

        A space that knows no such genotypes gives each its own.
        """
        return genotype.text

    def every(self) -> Iterator[Genotype]:
        """All genotypes, the last choice changing fastest."""
        for picks in itertools.product(*(range(len(choice)) for choice in self.choices)):
            yield self.genotype(picks)

    @cached_property
    def _option_index(self) -> tuple[dict[str, int], ...]:
        return tuple({option_text(o): i for i, o in enumerate(c.options)} for c in self.choices)

    @cached_property
    def _neighbours(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """By choice and pick, computed once, because evolution needs them for every child."""
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
        """The genotype of a text form, ``str(genotype)``.

        Raises:
            InputError: another space's text, a wrong number of words or an unknown option.
        """
        tail = text.removeprefix(f"{self.name}:")
        if tail == text:
            raise InputError(f"'{text}' belongs to space '{text.rpartition(':')[0]}', not to '{self.name}'")
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
        """A genotype drawn uniformly over all genotypes."""
        return self.genotype(tuple(int(rng.integers(len(c))) for c in self.choices))

    def effective(self, genotype: Genotype) -> Sequence[int]:
        """Positions of the choices whose picks matter: with another pick at any other position the network is the same.

        In order; a position of them stays one when its own pick changes. A space that knows no others names all.
        """
        return range(len(self.choices))

    def mutate(
        self, genotype: Genotype, rng: np.random.Generator, among: Callable[[Choice], bool] = lambda _: True
    ) -> Genotype:
        """A copy in which one pick that matters has changed to a neighbour: a uniform choice, then a uniform neighbour.

        Args:
            among: says which choices may change; all may if none of these can. If none can at all, the genotype itself
                comes back.
        """
        movable = [i for i in self.effective(genotype) if self._neighbours[i][genotype.picks[i]]]
        movable = [i for i in movable if among(self.choices[i])] or movable
        if not movable:
            return genotype
        position = movable[int(rng.integers(len(movable)))]
        options = self._neighbours[position][genotype.picks[position]]
        picks = list(genotype.picks)
        picks[position] = options[int(rng.integers(len(options)))]
        return self.genotype(tuple(picks))

    def neighbours(self, genotype: Genotype) -> Iterator[Genotype]:
        """All genotypes that differ in one pick that matters, which is a neighbour, in the order of the choices."""
        for position in self.effective(genotype):
            for pick in self._neighbours[position][genotype.picks[position]]:
                yield self.genotype((*genotype.picks[:position], pick, *genotype.picks[position + 1 :]))

    def option(self, genotype: Genotype, position: int) -> Option:
        """The picked option of the choice at ``position``."""
        return self.choices[position].options[genotype.picks[position]]

    def options(self, genotype: Genotype) -> list[Option]:
        """The picked option of every choice."""
        return [choice.options[pick] for choice, pick in zip(self.choices, genotype.picks, strict=True)]


@dataclass(frozen=True)
class Size:
    """How large the network of a genotype is. The profile decides this, not the method.

    Args:
        channels: filters of the first stage.
        layers: cells of the network. Spaces whose depth is part of the genotype ignore it.
        stem_stride: 1, or 2 to halve the image before the first cell, which quick profiles do to save time.
        more: filters that every layer has besides those of its genotype, before a profile shrinks it. Only spaces that
            choose numbers of filters read it (:mod:`harness.spaces.nas_rl`).
    """

    channels: int
    layers: int
    stem_stride: int = 1
    more: int = 0
