"""Architectures as files hold them: what `inspect` and `run --architecture` read.

Four notations:

- the text of a genotype, ``cell:0+1,sep_conv_3x3,...``, also as a JSON string;
- NAS-Bench-201's own string, ``|nor_conv_3x3~0|+...``;
- two cells as JSON with DARTS' names;
- what DARTS' code prints, ``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...)``, alone,
  assigned to a name, or in a line of a log.

Cells that are a point of DARTS' space become that point.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.architecture import Cell, CellStack
from harness.core.errors import InputError
from harness.core.files import readable
from harness.core.space import Genotype, Size, option_text
from harness.spaces.darts import CellSpace
from harness.spaces.given import KEYS, cell_stack, text_of
from harness.spaces.nasbench201 import NasBench201Space

LARGEST = 1_000_000
"""Bytes of a file with an architecture, at most."""
_CALL = re.compile(r"\bGenotype\(")


def read_text(path: Path) -> str:
    """The text of the genotype in a file: ``space:...``, of a built-in space or of a plug-in's, whose words are not
    looked at.

    Raises:
        InputError: unreadable, in none of the notations, or with several architectures.
    """
    return text_in(_content(path), str(path))


def text_in(content: str, where: str) -> str:
    """The text of the genotype in the content of a file; ``where`` names the file. Errors as of :func:`read_text`."""
    content = content.strip().removeprefix("\ufeff")
    if content.startswith("|"):
        return NasBench201Space().from_official(content).text
    if _CALL.search(content):
        return _of_cells(_only(content, where), where)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = content
    if not isinstance(value, str):
        return _of_cells(value, where)
    if not re.match(r"^[\w-]+:\S", value) or "\n" in value:
        raise InputError(
            f"{where} holds no architecture: neither a genotype's text (space:...) nor two cells in DARTS' notation"
        )
    return value


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"the genotype file {path} is larger than {LARGEST:,} bytes")
        return readable(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"the genotype file {path} cannot be read ({error})") from error


def _only(content: str, where: str) -> dict[str, Any]:
    """The one ``Genotype(...)`` of a text; several equal ones are one."""
    found = [_cells(call, where) for call in _calls(content, where)]
    if any(cells != found[0] for cells in found):
        raise InputError(f"{where} holds {len(found)} genotypes, and not all are the same; leave one")
    return found[0]


def _calls(content: str, where: str) -> Iterator[str]:
    """Each ``Genotype(...)``, up to its closing bracket."""
    for match in _CALL.finditer(content):
        depth = 0
        for end in range(match.end() - 1, len(content)):
            depth += {"(": 1, ")": -1}.get(content[end], 0)
            if depth == 0:
                yield content[match.start() : end + 1]
                break
        else:
            raise InputError(f"{where}: a Genotype(...) is not closed; the text is cut off")


def _cells(call: str, where: str) -> dict[str, Any]:
    """The arguments of ``Genotype(...)``, named or in order, as JSON would have them."""
    try:
        node = ast.parse(call, mode="eval").body
        if not isinstance(node, ast.Call):
            raise ValueError
        named = dict(zip(KEYS, node.args, strict=False)) | {str(word.arg): word.value for word in node.keywords}
        values = {name: _value(value) for name, value in named.items()}
        cells: dict[str, Any] = json.loads(json.dumps(values))
        return cells
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise InputError(f"{where}: '{call[:60]}...' is no Genotype(...) as DARTS' code prints it") from None


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id="range"), args=[*ends], keywords=[]):
            first, last = (ast.literal_eval(end) for end in ends)
            return list(range(first, min(last, first + 100)))
        case ast.Call(func=ast.Name(id="list"), args=[inner], keywords=[]):
            return _value(inner)
    return ast.literal_eval(node)


def _of_cells(value: Any, where: str) -> str:
    """The text of two cells: a genotype of DARTS' space if they are in it."""
    net = cell_stack(value, Size(1, 1), where)
    found = _in_darts_space(net)
    return text_of(value) if found is None else found.text


def _in_darts_space(net: CellStack) -> Genotype | None:
    cells = (net.normal, net.reduction)
    nodes = {cell.nodes - cell.inputs for cell in cells}
    if len(nodes) > 1 or any(cell.output != tuple(range(2, cell.nodes)) for cell in cells):
        return None
    [count] = nodes
    space = CellSpace() if count == 4 else CellSpace(f"cell-{count}", count)
    words = [word for cell in cells for node in range(2, cell.nodes) for word in _node(cell, node)]
    try:
        return space.parse(f"{space.name}:{','.join(words)}")
    except InputError:  # an operation or a pair of inputs that the space does not have
        return None


def _node(cell: Cell, node: int) -> list[str]:
    edges = sorted(cell.into(node), key=lambda edge: edge.source)
    return [option_text(tuple(edge.source for edge in edges)), *(edge.op for edge in edges)]
