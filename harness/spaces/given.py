"""Cells in DARTS' notation that are in no search space: any number of nodes, repeated inputs, ``none``."""

from __future__ import annotations

import json
from typing import Any

from harness.core.architecture import Cell, CellStack, Edge
from harness.core.errors import InputError
from harness.core.space import Genotype, Size, Space
from harness.spaces.cell import INPUTS, stacked
from harness.spaces.darts import DARTS_OPERATIONS

GIVEN_OPERATIONS = (*DARTS_OPERATIONS, "sep_conv_7x7", "conv_7x1_1x7")
"""The operations of the DARTS authors' file of genotypes."""
KEYS = ("normal", "normal_concat", "reduce", "reduce_concat")
"""The parts of a pair of cells in DARTS' notation."""


class GivenSpace(Space):
    """Pairs of cells in DARTS' notation; there is nothing to choose, and nothing to draw from.

    A genotype's text is ``given:`` and the cells as JSON.
    """

    name = "given"
    choices = ()

    def parse(self, text: str) -> Genotype:
        """The genotype of a text.

        Raises:
            InputError: another space's text, or no pair of cells.
        """
        head, _, cells = text.partition(":")
        if head != self.name:
            raise InputError(f"'{text}' belongs to space '{head}', not to '{self.name}'")
        try:
            value = json.loads(cells)
        except (ValueError, RecursionError):
            raise InputError(f"'{text[:80]}' is no pair of cells in DARTS' notation") from None
        cell_stack(value, Size(1, 1), "the genotype")
        return Genotype(self.name, (), text_of(value))

    def decode(self, genotype: Genotype, size: Size) -> CellStack:
        """The cells, stacked as DARTS stacks them."""
        return cell_stack(json.loads(genotype.text.partition(":")[2]), size, "the genotype")


def text_of(value: dict[str, Any]) -> str:
    """The text of a genotype of :class:`GivenSpace`: one spelling for each pair of cells."""
    return f"{GivenSpace.name}:{json.dumps({key: value[key] for key in KEYS}, separators=(',', ':'))}"


def cell_stack(value: Any, size: Size, where: str) -> CellStack:
    """The network of ``{"normal": [[op, input], ...], "normal_concat": [...], "reduce": ..., "reduce_concat": ...}``.

    Two entries per node, in order; inputs 0 and 1 are the two previous cells. Repeated inputs, ``none`` and any number
    of nodes are allowed, which the search space is stricter about.

    Args:
        value: lists and numbers, as JSON has them.
        size: of the network.
        where: what holds them, for error messages.

    Raises:
        InputError: another form.
    """
    if not isinstance(value, dict) or sorted(value) != sorted(KEYS):
        raise InputError(f"{where} must hold two cells, with exactly the keys {', '.join(KEYS)}")
    normal = _cell(value["normal"], value["normal_concat"], f"{where}, normal")
    return stacked(normal, _cell(value["reduce"], value["reduce_concat"], f"{where}, reduce"), size)


def _cell(entries: Any, concat: Any, where: str) -> Cell:
    if not isinstance(entries, list) or not entries or len(entries) % 2:
        raise InputError(f"{where}: an even number of [operation, input] entries is needed, two per node")
    nodes = INPUTS + len(entries) // 2
    edges = []
    for position, entry in enumerate(entries):
        node = INPUTS + position // 2
        match entry:
            case [str(op), int(source)] if op in GIVEN_OPERATIONS and type(source) is int and 0 <= source < node:
                edges.append(Edge(source, node, op))
            case _:
                raise InputError(
                    f"{where}: entry {position} is {str(entry)[:80]}, not one of {', '.join(GIVEN_OPERATIONS)} "
                    f"with an input from 0 to {node - 1}"
                )
    match concat:
        case [_, *_] if all(type(node) is int and 0 <= node < nodes for node in concat):
            return Cell(INPUTS, nodes, tuple(edges), tuple(concat))
        case _:
            raise InputError(f"{where}_concat: a list of nodes from 0 to {nodes - 1} is needed")
