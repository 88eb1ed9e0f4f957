"""An architecture from a file or a record, and its size without training it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from harness.core.architecture import Architecture, Cell, CellStack, Edge
from harness.core.errors import InputError
from harness.core.record import Record
from harness.core.space import Size, Space
from harness.spaces import get_space
from harness.spaces.cell import reductions
from harness.spaces.darts import DARTS_OPERATIONS
from harness.spaces.nasbench201 import NasBench201Space

_IMAGE = re.compile(r"^(\d+)x(\d+)(?:x(\d+))?$")
_KEYS = ("normal", "normal_concat", "reduce", "reduce_concat")


def proposed(record: Record) -> Architecture | None:
    """What a run has found, at the size of its final training; None where its text names no built-in space's genotype.

    A run on a table has no final training: its network has the size of NAS-Bench-201's.
    """
    size = record.recipes.get("final", {}).get("size", {"channels": 16, "layers": 15})
    try:
        space = get_space(record.proposal.partition(":")[0])
        return space.decode(space.parse(record.proposal), Size(**size))
    except InputError:
        return None


def from_file(path: Path, space: Space, size: Size) -> Architecture:
    """The architecture in a file: cells in DARTS' notation as JSON, or a genotype's text.

    Raises:
        InputError: unreadable, not in one of the two forms, or not a point of ``space``.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the genotype file {path} cannot be read ({error})") from error
    if text.startswith("|") and isinstance(space, NasBench201Space):
        return space.decode(space.from_official(text), size)
    try:
        value = json.loads(text)
    except ValueError:
        return space.decode(space.parse(text), size)
    if isinstance(value, str):
        return space.decode(space.parse(value), size)
    return cell_stack(value, size, path)


def cell_stack(value: Any, size: Size, path: Path) -> CellStack:
    """The network of ``{"normal": [[op, input], ...], "normal_concat": [...], "reduce": ..., "reduce_concat": ...}``.

    Two entries per node, in order; inputs 0 and 1 are the two previous cells. Repeated inputs, ``none`` and any number
    of nodes are allowed, which the search space is stricter about.

    Args:
        value: what the JSON file holds.
        size: of the network.
        path: of the file, for error messages.

    Raises:
        InputError: another form.
    """
    if not isinstance(value, dict) or sorted(value) != sorted(_KEYS):
        raise InputError(f"{path} must hold a JSON object with exactly the keys {', '.join(_KEYS)}")
    return CellStack(
        normal=_cell(value["normal"], value["normal_concat"], f"{path}, normal"),
        reduction=_cell(value["reduce"], value["reduce_concat"], f"{path}, reduce"),
        channels=size.channels,
        layers=size.layers,
        reductions=reductions(size.layers),
        stem_stride=size.stem_stride,
    )


def _cell(entries: Any, concat: Any, where: str) -> Cell:
    if not isinstance(entries, list) or not entries or len(entries) % 2:
        raise InputError(f"{where}: an even number of [operation, input] entries is needed, two per node")
    nodes = 2 + len(entries) // 2
    edges = []
    for place, entry in enumerate(entries):
        node = 2 + place // 2
        match entry:
            case [str(op), int(source)] if op in DARTS_OPERATIONS and 0 <= source < node:
                edges.append(Edge(source, node, op))
            case _:
                raise InputError(
                    f"{where}: entry {place} is {json.dumps(entry)}, not one of {', '.join(DARTS_OPERATIONS)} "
                    f"with an input from 0 to {node - 1}"
                )
    match concat:
        case [_, *_] if all(isinstance(node, int) and 0 <= node < nodes for node in concat):
            return Cell(2, nodes, tuple(edges), tuple(concat))
        case _:
            raise InputError(f"{where}_concat: a list of nodes from 0 to {nodes - 1} is needed")


def parse_image(text: str) -> tuple[int, int, int]:
    """Reads ``32x32`` or ``28x28x1`` as height, width and channels.

    Raises:
        InputError: anything else.
    """
    match = _IMAGE.match(text)
    height, width, channels = (int(word or 3) for word in match.groups()) if match else (0, 0, 0)
    if min(height, width, channels) < 1:
        raise InputError(f"'{text}' is no image size; write one like 32x32 or 28x28x1 (height, width, channels)")
    return height, width, channels
