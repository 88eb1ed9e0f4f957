"""Primitives: the smallest layers of a network, and the operations of the search spaces as short lists of them.

One description has three readers. :mod:`harness.nets.make` makes Keras layers of it: the standalone network, which is
trained, counted and exported. :func:`harness.nets.supernets.kernels.run` applies TensorFlow kernels to given weights:
the supernets, where tracing hundreds of Keras layers would take minutes. :mod:`harness.core.measure` counts. All read
the weights in the same order, so that a child can be cut out of a supernet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Relu:
    """Rectifier."""


@dataclass(frozen=True)
class Conv:
    """Convolution without bias, padding ``same``.

    A strided 1x1 convolution is computed as a plain one on the subsampled image: the same function, and TensorFlow
    2.21's oneDNN kernel for its weight gradient writes outside its buffer when there are fewer than eight channels.
    """

    height: int
    width: int
    filters: int
    strides: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Depthwise:
    """Depthwise convolution without bias, padding ``same``."""

    size: int
    stride: int = 1
    dilation: int = 1


@dataclass(frozen=True)
class Norm:
    """Batch normalisation; without ``affine`` it has no weights (DARTS' search network)."""

    affine: bool = True


@dataclass(frozen=True)
class Pool:
    """Pooling with padding ``same``; an average does not count the padding, as in DARTS and NAS-Bench-201."""

    kind: Literal["max", "avg"]
    size: int
    stride: int


@dataclass(frozen=True)
class FactorizedReduce:
    """Factorised reduction: two 1x1 convolutions of stride 2, the second on the image shifted by one pixel."""

    filters: int


CellPrimitive = Relu | Conv | Depthwise | Norm | Pool | FactorizedReduce
"""The primitives of the search spaces' operations; the supernets know these."""


@dataclass(frozen=True)
class BiasedConv:
    """Convolution with bias, padding ``same``, square."""

    size: int
    filters: int
    stride: int = 1


@dataclass(frozen=True)
class ShakeShortcut:
    """Shake-Shake's change of width: two 1x1 convolutions, each to half of the filters, side by side.

    The first reads the image subsampled by ``stride``, the second does that with the image moved down and right by one.
    """

    filters: int
    stride: int


@dataclass(frozen=True)
class Unpool:
    """Twice the height and width: every pixel goes to the upper left of a 2x2 square of otherwise zeros."""


@dataclass(frozen=True)
class FloorPool:
    """Max pooling without padding: ``s`` rows become ``(s - size + 1) // stride``, at least one; columns likewise.

    This is MetaQNN's rule. Where it gives one row fewer than usual, the last rows are left out.
    """

    size: int
    stride: int


@dataclass(frozen=True)
class Flatten:
    """The whole image as the channels of a single pixel."""


@dataclass(frozen=True)
class Dropout:
    """Zeroes single values with probability ``rate`` during training and rescales the others."""

    rate: float


@dataclass(frozen=True)
class Zero:
    """Zeros of the same shape."""


Primitive = CellPrimitive | BiasedConv | ShakeShortcut | Unpool | FloorPool | Flatten | Dropout | Zero
"""All primitives; the builder of standalone networks knows these."""

_CONV = re.compile(r"^(nor_conv|conv|sep_conv|dil_conv)_(\d)x\2$")
_PAIR = re.compile(r"^conv_1x(\d)_\1x1$")
_ONCE = re.compile(r"^conv_(\d)x1_1x\1$")
_POOL = re.compile(r"^(max|avg)_pool_(\d)x\2$")


def relu_conv_norm(filters: int, size: int = 1, stride: int = 1, affine: bool = True) -> tuple[CellPrimitive, ...]:
    """ReLU, convolution, normalisation: the usual adaptation of a width."""
    return (Relu(), Conv(size, size, filters, (stride, stride)), Norm(affine))


def relu_factorized_reduce_norm(filters: int, affine: bool = True) -> tuple[CellPrimitive, ...]:
    """ReLU, factorised reduction, normalisation: the usual adaptation of a resolution."""
    return (Relu(), FactorizedReduce(filters), Norm(affine))


def primitives_of(
    op: str, filters: int, stride: int = 1, *, affine: bool = True, search: bool = False
) -> tuple[CellPrimitive, ...] | None:
    """The primitives of a cell operation, or None for ``none``.

    Args:
        op: its name, as in DARTS, ENAS micro and NAS-Bench-201: ``none``, ``skip_connect``, and for a size k
            ``max_pool_kxk``, ``avg_pool_kxk``, ``conv_kxk`` (``nor_conv_kxk``), ``sep_conv_kxk``, ``dil_conv_kxk``, and
            ``conv_1xk_kx1`` (NASNet, NAO): a row convolution, then a column convolution, each rectified before and
            normalised after; ``conv_kx1_1xk`` (DARTS' file of genotypes): the same two, rectified and normalised once.
        filters: channels of the cell; input and output have as many.
        stride: 1, or 2 on an edge that halves the image.
        affine: whether normalisations have a scale and an offset.
        search: whether a normalisation follows a pooling, as in DARTS' search network.

    Raises:
        ValueError: unknown operation.
    """
    if op == "none":
        return None
    if op == "skip_connect":
        return () if stride == 1 else relu_factorized_reduce_norm(filters, affine)
    pool, pair, once, conv = (pattern.match(op) for pattern in (_POOL, _PAIR, _ONCE, _CONV))
    if pool:
        pooled: tuple[CellPrimitive, ...] = (Pool("max" if pool[1] == "max" else "avg", int(pool[2]), stride),)
        return (*pooled, Norm(affine=False)) if search else pooled
    if pair:
        long = int(pair[1])
        return (
            *(Relu(), Conv(1, long, filters, (1, stride)), Norm(affine)),
            *(Relu(), Conv(long, 1, filters, (stride, 1)), Norm(affine)),
        )
    if once:
        long = int(once[1])
        return (Relu(), Conv(1, long, filters, (1, stride)), Conv(long, 1, filters, (stride, 1)), Norm(affine))
    if conv is None:
        raise ValueError(f"unknown operation '{op}'")
    kind, size = conv[1], int(conv[2])
    if kind in ("nor_conv", "conv"):
        return relu_conv_norm(filters, size, stride, affine)
    pointwise = Conv(1, 1, filters)
    if kind == "dil_conv":
        if stride == 1:
            return (Relu(), Depthwise(size, dilation=2), pointwise, Norm(affine))
        # A convolution with dilation 2 and stride 2 reads every second pixel only. That equals a plain convolution of
        # the subsampled image, for which TensorFlow has a kernel.
        return (Relu(), Pool("max", 1, 2), Depthwise(size), pointwise, Norm(affine))
    return (
        *(Relu(), Depthwise(size, stride), pointwise, Norm(affine)),
        *(Relu(), Depthwise(size), pointwise, Norm(affine)),
    )


def macro_primitives_of(op: str, filters: int) -> tuple[CellPrimitive, ...]:
    """The primitives of an ENAS macro operation: a 1x1 convolution, then the operation; BN and ReLU after each."""
    first: tuple[CellPrimitive, ...] = (Conv(1, 1, filters), Norm(), Relu())
    if op.endswith("pool_3x3"):
        return (*first, Pool("max" if op.startswith("max") else "avg", 3, 1))
    size = int(op[-1])
    if op.startswith("sep"):
        return (*first, Depthwise(size), Conv(1, 1, filters), Norm(), Relu())
    return (*first, Conv(size, size, filters), Norm(), Relu())


def weight_shapes(primitives: Sequence[Primitive], channels: int) -> list[tuple[int, ...]]:
    """Shapes of the trainable weights of ``primitives`` on an input of ``channels`` channels, in order.

    Only the last primitive may be :class:`Flatten`: what follows it has as many channels as the image says.
    """
    shapes: list[tuple[int, ...]] = []
    for primitive in primitives:
        match primitive:
            case Conv(height, width, filters):
                shapes.append((height, width, channels, filters))
                channels = filters
            case Depthwise(size):
                shapes.append((size, size, channels, 1))
            case Norm(affine) if affine:
                shapes += [(channels,), (channels,)]
            case BiasedConv(size, filters):
                shapes += [(size, size, channels, filters), (filters,)]
                channels = filters
            case FactorizedReduce(filters) | ShakeShortcut(filters):
                shapes += [(1, 1, channels, filters // 2), (1, 1, channels, filters - filters // 2)]
                channels = filters
    return shapes
