"""Search spaces as data, by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.errors import InputError
from harness.core.space import Space
from harness.spaces.blockqnn import BlockSpace
from harness.spaces.darts import CellSpace
from harness.spaces.enas_macro import MacroSpace
from harness.spaces.enas_micro import EnasCellSpace
from harness.spaces.fabric import FabricSpace
from harness.spaces.given import GivenSpace
from harness.spaces.hierarchical import HierarchicalSpace
from harness.spaces.keras import KerasSpace
from harness.spaces.metaqnn import LayerChainSpace
from harness.spaces.morphism import eas_space, morph_space
from harness.spaces.nao import NaoCellSpace
from harness.spaces.nas_rl import ConvChainSpace
from harness.spaces.nasbench201 import NasBench201Space, restricted
from harness.spaces.nasnet import NasNetSpace, PnasSpace
from harness.spaces.smash import SmashSpace
from harness.spaces.zoo.space import PublishedSpace

SMALL_CELLS = "nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3"
"""The space of the project's own tables."""


def _small_cells() -> Space:
    return NasBench201Space(SMALL_CELLS.partition(":")[2].split(","))


_FIXED: dict[str, tuple[str, Callable[[], Space]]] = {
    "cell": ("DARTS' cells: four nodes, two different inputs each, seven operations", CellSpace),
    "enas_cell": ("ENAS micro's cells: five nodes, two inputs each, five operations", EnasCellSpace),
    "nao_cell": ("NAO: cells as ENAS micro's with eleven operations", NaoCellSpace),
    "macro": ("ENAS macro: twelve layers, six operations, skip connections", MacroSpace),
    "chain": ("Zoph & Le: fifteen convolutions, skip connections by anchor points", ConvChainSpace),
    "nasnet": ("NASNet: two cells of five blocks, thirteen operations, added or concatenated", NasNetSpace),
    "pnas": ("PNAS: one cell of one to five blocks, eight operations", PnasSpace),
    "qchain": ("MetaQNN: a chain of up to eighteen convolutions, poolings and dense layers", LayerChainSpace),
    "block": ("BlockQNN: a block of up to 23 layers, each reading any earlier ones", BlockSpace),
    "hierarchical": ("Liu et al.: a cell of six motifs, which are graphs of six primitives", HierarchicalSpace),
    "fabric": (
        "Convolutional neural fabrics: a trellis of eight layers and six scales, each edge on or off",
        FabricSpace,
    ),
    "smash": ("SMASH: three blocks of four operations, which read and write four memory banks", SmashSpace),
    "morph": ("AutoKeras 0.2.18: three blocks of convolutions, dense layers, a few skips", morph_space),
    "eas": ("EAS: four blocks of convolutions of thirteen widths, dense layers", eas_space),
    "nasbench201": ("NAS-Bench-201: one cell of six edges, five operations, 15,625 in all", NasBench201Space),
    SMALL_CELLS: ("NAS-Bench-201's cell with these operations (name any two or more): 729", _small_cells),
}
_SIZED: dict[str, tuple[int, int, Callable[[str, int], Space]]] = {
    "cell": (1, 4, CellSpace),
    "enas_cell": (1, 5, EnasCellSpace),
    "nao_cell": (1, 5, NaoCellSpace),
    "nasnet": (1, 5, NasNetSpace),
    "pnas": (1, 5, PnasSpace),
    "qchain": (3, 18, LayerChainSpace),
    "block": (3, 23, BlockSpace),
    "hierarchical": (2, 0, lambda name, n: HierarchicalSpace(name, motifs=n, nodes=3, cell_nodes=4)),
    "fabric": (2, 8, lambda name, n: FabricSpace(name, n, min(n, 6))),
    "smash": (1, 4, SmashSpace),
    "morph": (1, 4, morph_space),
    "eas": (1, 5, eas_space),
    "macro": (3, 12, MacroSpace),
    "chain": (3, 15, lambda name, n: ConvChainSpace(name, n, pools=(n // 3, 2 * n // 3))),
}
"""Spaces that exist in other sizes too: the smallest size, the size of the space without a number (0: it is built in
another way), and the space of ``n`` nodes, blocks or layers."""


def names() -> dict[str, str]:
    """The built-in spaces with genotypes, with one line about each."""
    return {name: line for name, (line, _) in _FIXED.items()}


def get_space(name: str) -> Space:
    """The space with this name.

    ``macro-N`` and ``chain-N`` are the same spaces with N layers, ``cell-N``, ``enas_cell-N`` and ``nao_cell-N`` with N
    nodes a cell, ``nasnet-N`` with N blocks a cell and ``pnas-N`` with at most N; ``qchain-N`` and ``block-N`` have N
    layers at most, ``morph-N`` and ``eas-N`` N convolutions a block at most; ``hierarchical-N`` has N motifs of three
    nodes in a cell of four, ``fabric-N`` N layers and as many scales, at most six, ``smash-N`` N operations a block. A
    chain of another depth than the paper's 15 has fixed 2x2 max poolings after a third and two thirds of its layers, as
    in the paper's third experiment. ``nasbench201:op,op`` has these operations only. ``keras`` is for methods that
    propose Keras models instead of genotypes; ``published`` is the space of the published networks, ``given`` that of
    given cells. A space has one name: the paper's size has no number, and numbers have no leading zeros.

    Raises:
        InputError: no such space, or another spelling of its name.
    """
    if name in _FIXED:
        return _FIXED[name][1]()
    if name == KerasSpace.name:
        return KerasSpace()
    if name == PublishedSpace.name:
        return PublishedSpace()
    if name == GivenSpace.name:
        return GivenSpace()
    if (some := restricted(name)) is not None:
        return some
    kind, _, number = name.rpartition("-")
    if kind in _SIZED and number.isdecimal():
        smallest, usual, sized_space = _SIZED[kind]
        size = int(number)
        only = kind if size == usual else f"{kind}-{size}"
        if size >= smallest and name != only:
            raise InputError(f"write '{name}' as {only}, so that one space has one name")
        if size >= smallest:
            return sized_space(name, size)
    sized = ", ".join(f"{kind}-N" for kind in _SIZED)
    raise InputError(f"there is no space '{name}'; there are {', '.join(_FIXED)}, and {sized} of N layers or nodes")
