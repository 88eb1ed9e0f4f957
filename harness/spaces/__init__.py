"""Search spaces as data, by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.errors import InputError
from harness.core.space import Space
from harness.spaces.cell import CellSpace, EnasCellSpace
from harness.spaces.chain import ConvChainSpace
from harness.spaces.keras import KerasSpace
from harness.spaces.macro import MacroSpace
from harness.spaces.nasbench201 import NasBench201Space

_FIXED: dict[str, tuple[str, Callable[[], Space]]] = {
    "cell": ("DARTS' cells: four nodes, two different inputs each, seven operations", CellSpace),
    "enas_cell": ("ENAS micro's cells: five nodes, two inputs each, five operations", EnasCellSpace),
    "macro": ("ENAS macro: twelve layers, six operations, skip connections", MacroSpace),
    "chain": ("Zoph & Le: fifteen convolutions, skip connections by anchor points", ConvChainSpace),
    "nasbench201": ("NAS-Bench-201: one cell of six edges, five operations, 15,625 in all", NasBench201Space),
}
_SIZED: dict[str, tuple[int, Callable[[str, int], Space]]] = {
    "cell": (1, CellSpace),
    "enas_cell": (1, EnasCellSpace),
    "macro": (3, MacroSpace),
    "chain": (3, lambda name, n: ConvChainSpace(name, n, pools=(n // 3, 2 * n // 3))),
}
"""Spaces that also come in other sizes: the smallest one, and how to make one of ``n`` nodes per cell or layers."""


def names() -> dict[str, str]:
    """Built-in spaces with genotypes, and one line about each."""
    return {name: line for name, (line, _) in _FIXED.items()}


def get_space(name: str) -> Space:
    """The space with this name.

    ``macro-N`` and ``chain-N`` are the same spaces with N layers, ``cell-N`` and ``enas_cell-N`` with N nodes a cell. A
    chain of another depth than the paper's 15 has fixed 2x2 max poolings after a third and two thirds of its layers, as
    the paper's third experiment has them. ``keras`` is for methods that propose Keras models and not genotypes.

    Raises:
        InputError: no such space.
    """
    if name in _FIXED:
        return _FIXED[name][1]()
    if name == KerasSpace.name:
        return KerasSpace()
    kind, _, number = name.rpartition("-")
    if kind in _SIZED and number.isdecimal() and int(number) >= _SIZED[kind][0]:
        return _SIZED[kind][1](name, int(number))
    sized = ", ".join(f"{kind}-N" for kind in _SIZED)
    raise InputError(f"there is no space '{name}'; there are {', '.join(_FIXED)}, and {sized} of N layers or nodes")
