"""What the supernets of stacked two-input cells share: a stem, the rows of shapes and widths, a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import CellPrimitive, Conv, Norm
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.supernets.flat_weights import Weights
from harness.nets.supernets.kernels import run
from harness.spaces.cell import reductions


class Slot(NamedTuple):
    """Where a cell stands in the stack.

    Attributes:
        before, last: shapes of the outputs of the cell before the last one, and of the last one.
        channels: of every node of the cell.
        reduces: whether it halves the image.
        halved: whether the last cell did.
    """

    before: Shape
    last: Shape
    channels: int
    reduces: bool
    halved: bool


class Laid(Protocol):
    """A cell with its weights: ``shape`` of its output, ``macs`` of one image's forward pass."""

    @property
    def shape(self) -> Shape:
        """Height, width, channels."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates that are computed for every architecture."""


C = TypeVar("C", bound=Laid)


class Frame(Generic[C]):
    """The stack.

    Args:
        weights: collects the weights, in the order stem, cells, classifier.
        size: channels, cells, stem stride.
        image_shape, classes: of the data.
        lay: makes a cell and adds its weights.

    Attributes:
        stem, head: handles of the first convolution and of the classifier.
        cells: in order.
        macs: multiply-accumulates of the stem, the cells and the classifier on one image.
    """

    def __init__(
        self, weights: Weights, size: Size, image_shape: Shape, classes: int, lay: Callable[[Slot], C]
    ) -> None:
        channels = size.channels
        stem: tuple[CellPrimitive, ...] = (Conv(3, 3, 3 * channels, (size.stem_stride,) * 2), Norm())
        self.stem = weights.add(stem, image_shape[2])
        self.macs, last = macs_of(stem, image_shape)
        before, halved = last, False
        self.cells: list[C] = []
        for number in range(size.layers):
            reduces = number in reductions(size.layers)
            channels *= 2 if reduces else 1
            cell = lay(Slot(before, last, channels, reduces, halved))
            self.cells.append(cell)
            self.macs += cell.macs
            before, last, halved = last, cell.shape, reduces
        self.head = weights.add_dense(last[2], classes)
        self.macs += last[2] * classes

    def logits(
        self,
        images: tf.Tensor,
        weights: Sequence[tf.Tensor],
        constants: Constants,
        output: Callable[[C, tf.Tensor, tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """The network's output; ``output(cell, before, last)`` is that of one cell."""
        before = last = run(self.stem.steps, images, self.stem.of(weights), constants=constants)
        for cell in self.cells:
            before, last = last, output(cell, before, last)
        return classified(last, self.head.of(weights))


def classified(x: tf.Tensor, head: Sequence[tf.Tensor]) -> tf.Tensor:
    """Logits of a global average pooling and a dense layer with this kernel and bias."""
    kernel, bias = head
    return tf.matmul(tf.reduce_mean(x, [1, 2]), kernel) + bias
