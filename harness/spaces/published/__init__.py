"""Published architectures as constants of the project's own types, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.space import Genotype
from harness.spaces.cell import CellSpace


@dataclass(frozen=True)
class Published:
    """A published cell pair with the numbers its paper prints.

    Args:
        name, paper: which.
        genotype: the cells.
        channels, layers: of the network that the paper counts and trains on CIFAR-10.
        parameters: trainable weights of the reference implementation, without auxiliary head.
        error: published CIFAR-10 test error in percent, with cutout.
        source: where the cells were read.
    """

    name: str
    paper: str
    genotype: Genotype
    channels: int
    layers: int
    parameters: int
    error: float
    source: str


_DARTS = "Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search, ICLR 2019, arXiv 1806.09055"
_SPACE = CellSpace()

DARTS_V1 = Published(
    name="darts_v1",
    paper=_DARTS,
    genotype=_SPACE.from_edges(
        normal=[
            *[("sep_conv_3x3", 1), ("sep_conv_3x3", 0)],
            *[("skip_connect", 0), ("sep_conv_3x3", 1)],
            *[("skip_connect", 0), ("sep_conv_3x3", 1)],
            *[("sep_conv_3x3", 0), ("skip_connect", 2)],
        ],
        reduction=[
            *[("max_pool_3x3", 0), ("max_pool_3x3", 1)],
            *[("skip_connect", 2), ("max_pool_3x3", 0)],
            *[("max_pool_3x3", 0), ("skip_connect", 2)],
            *[("skip_connect", 2), ("avg_pool_3x3", 0)],
        ],
    ),
    channels=36,
    layers=20,
    parameters=3_169_414,
    error=3.00,
    source="quark0/darts cnn/genotypes.py, cnn/model.py",
)

DARTS_V2 = Published(
    name="darts_v2",
    paper=_DARTS,
    genotype=_SPACE.from_edges(
        normal=[
            *[("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
            *[("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
            *[("sep_conv_3x3", 1), ("skip_connect", 0)],
            *[("skip_connect", 0), ("dil_conv_3x3", 2)],
        ],
        reduction=[
            *[("max_pool_3x3", 0), ("max_pool_3x3", 1)],
            *[("skip_connect", 2), ("max_pool_3x3", 1)],
            *[("max_pool_3x3", 0), ("skip_connect", 2)],
            *[("skip_connect", 2), ("max_pool_3x3", 1)],
        ],
    ),
    channels=36,
    layers=20,
    parameters=3_349_342,
    error=2.76,
    source="quark0/darts cnn/genotypes.py, cnn/model.py",
)

PUBLISHED: dict[str, Published] = {entry.name: entry for entry in (DARTS_V1, DARTS_V2)}
