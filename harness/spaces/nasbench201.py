"""NAS-Bench-201 (Dong & Yang, ICLR 2020): one cell of four nodes and six edges with five operations, 15,625 cells.

``nasbench201:op,op,op`` is the same cell with some of the operations only: small enough to be trained as a whole.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from harness.core.architecture import Cell, Edge, ResidualStages
from harness.core.errors import InputError
from harness.core.names import one_of
from harness.core.space import Choice, Genotype, Size, Space

NB201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NB201_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) in the benchmark's order: 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""
_Term = tuple[str, int | None, "tuple[Any, ...]"]
"""A summand: what is applied, the edge if that learns something, and the summands that it is applied to."""
_INPUT: _Term = ("input", None, ())


def _choices(operations: Sequence[str]) -> tuple[Choice, ...]:
    return tuple(
        Choice(f"{target}<-{source}", tuple(operations), node=str(target), kind="op") for source, target in NB201_EDGES
    )


class NasBench201Space(Space):
    """The cell of NAS-Bench-201: every node sums its incoming edges, node 3 is the output.

    Args:
        operations: of every edge, in the benchmark's order; at least two. Without any, the benchmark's.
    """

    name = "nasbench201"
    operations: tuple[str, ...] = NB201_OPERATIONS
    choices = _choices(NB201_OPERATIONS)

    def __init__(self, operations: Sequence[str] = ()) -> None:
        if operations:
            self.operations = tuple(operations)
            self.name = f"nasbench201:{','.join(operations)}"
            self.choices = _choices(operations)

    def decode(self, genotype: Genotype, size: Size) -> ResidualStages:
        """Three stages of ``size.layers // 3`` cells (at least one); the benchmark has 15 layers and 16 channels."""
        edges = tuple(
            Edge(source, target, str(op))
            for op, (source, target) in zip(self.options(genotype), NB201_EDGES, strict=True)
            if op != "none"
        )
        return ResidualStages(Cell(1, 4, edges, (3,)), size.channels, max(1, size.layers // 3), size.stem_stride)

    def function(self, genotype: Genotype) -> str:
        """The cell's formula, nested sums written as one and zeros left out: ``input+nor_conv_3x3(input)``.

        Convolutions of the same thing are told apart, ``nor_conv_3x3#0(input)+nor_conv_3x3#1(input)``, because twice
        the output of one is another function than the sum of two. Nothing is made of the poolings' linearity, which
        holds up to rounding only.
        """
        terms = _output_terms(genotype, self)
        alike: dict[str, list[int]] = {}
        for edge, text in sorted(_convolutions(terms)):
            alike.setdefault(text, []).append(edge)
        orders = itertools.product(*(itertools.permutations(edges) for edges in alike.values()))
        return min(_sum(terms, _numbers(order)) for order in orders)

    def to_official(self, genotype: Genotype) -> str:
        """The benchmark's own string, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        nodes: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for op, (source, target) in zip(self.options(genotype), NB201_EDGES, strict=True):
            nodes[target].append(f"{op}~{source}")
        return "+".join(f"|{'|'.join(words)}|" for words in nodes.values())

    def from_official(self, text: str) -> Genotype:
        """The genotype of an official string.

        Raises:
            InputError: not such a string.
        """
        entries = re.findall(r"([a-z_0-9]+)~(\d)", text, re.ASCII)
        if len(entries) != len(NB201_EDGES) or any(op not in self.operations for op, _ in entries):
            raise InputError(f"'{text}' is no NAS-Bench-201 architecture string")
        genotype = self.genotype(tuple(self.operations.index(op) for op, _ in entries))
        if self.to_official(genotype) != text:
            raise InputError(f"'{text}' is no NAS-Bench-201 architecture string")
        return genotype


def restricted(name: str) -> NasBench201Space | None:
    """The space called ``nasbench201:op,op,...``; None if the name is another.

    Raises:
        InputError: an operation does not exist, there are fewer than two, or they are not in the benchmark's order.
    """
    family, colon, words = name.partition(":")
    if family != "nasbench201" or not colon:
        return None
    wanted = [one_of("operation of nasbench201", word.strip(), NB201_OPERATIONS) for word in words.split(",")]
    operations = tuple(op for op in NB201_OPERATIONS if op in wanted)
    space = NasBench201Space(operations if operations != NB201_OPERATIONS else ())
    if len(operations) < 2:
        raise InputError(f"'{name}' leaves nothing to choose from; name two or more of {', '.join(NB201_OPERATIONS)}")
    if name != space.name:
        raise InputError(f"write '{name}' as {space.name}, so that one space has one name")
    return space


def _output_terms(genotype: Genotype, space: NasBench201Space) -> tuple[_Term, ...]:
    """What the cell's last node is the sum of. An edge that learns something is told by its number."""
    nodes: dict[int, tuple[_Term, ...]] = {0: (_INPUT,), 1: (), 2: (), 3: ()}
    for edge, (op, (source, target)) in enumerate(zip(space.options(genotype), NB201_EDGES, strict=True)):
        if op == "skip_connect":
            nodes[target] += nodes[source]
        elif op in ("nor_conv_1x1", "nor_conv_3x3"):  # of zero it is its offset
            nodes[target] += ((str(op), edge, nodes[source]),)
        elif op == "avg_pool_3x3" and nodes[source]:
            nodes[target] += ((str(op), None, nodes[source]),)
    return nodes[3]


def _convolutions(terms: Sequence[_Term]) -> Iterator[tuple[int, str]]:
    """Edge and formula of every convolution in a sum; one that is read twice comes once."""
    found: dict[int, str] = {}
    for op, edge, inner in terms:
        found |= dict(_convolutions(inner))
        if edge is not None:
            found[edge] = f"{op}({_sum(inner, {})})"
    yield from found.items()


def _numbers(order: Sequence[Sequence[int]]) -> dict[int, str]:
    """Numbers for convolutions that are alike: ``#0``, ``#1``; one of its kind needs none."""
    return {edge: f"#{number}" for edges in order if len(edges) > 1 for number, edge in enumerate(edges)}


def _sum(terms: Sequence[_Term], numbers: dict[int, str]) -> str:
    words = []
    for op, edge, inner in terms:
        number = "" if edge is None else numbers.get(edge, "")
        words.append(op if (op, edge, inner) == _INPUT else f"{op}{number}({_sum(inner, numbers)})")
    return "+".join(sorted(words))
