"""The supernet of NAS-Bench-201's cell, or of any part of its operations (Dong & Yang, ICLR 2020).

The skeleton is the benchmark's: three stages of cells, residual blocks between them. Normalisations in cells have no
weights, as in the benchmark's search networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import CellPrimitive, Conv, Norm, Pool, Relu, relu_conv_norm
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.supernets.cells import Choosers, MixedCell
from harness.nets.supernets.flat_weights import Handle, Weights, by_layer
from harness.nets.supernets.frame import classified
from harness.nets.supernets.kernels import run
from harness.nets.supernets.relaxed import Layers, Relaxed
from harness.spaces.nasbench201 import NB201_EDGES

_NODES = 3


class _Block:
    """A residual block: twice the channels, half the image.

    Attributes:
        shape: of its output.
        macs: of one image's forward pass.
    """

    def __init__(self, weights: Weights, before: Shape) -> None:
        channels = 2 * before[2]
        self._parts: list[Handle] = []
        self.macs = 0
        residual = (*relu_conv_norm(channels, 3, 2), *relu_conv_norm(channels, 3))
        shortcut: tuple[CellPrimitive, ...] = (Pool("avg", 2, 2), Conv(1, 1, channels))
        for steps in (residual, shortcut):
            self._parts.append(weights.add(steps, before[2]))
            macs, self.shape = macs_of(steps, before)
            self.macs += macs

    def run(self, x: tf.Tensor, weights: Sequence[tf.Tensor], constants: Constants) -> tf.Tensor:
        """The output for the input ``x``."""
        return tf.add_n([run(part.steps, x, part.of(weights), constants=constants) for part in self._parts])

    def cut(self, values: Sequence[np.ndarray]) -> Layers:
        """Its weights, grouped as the builder's layers."""
        return [group for part in self._parts for group in by_layer(part.steps, part.of(values))]


class MixedStages(Relaxed):
    """The relaxed network.

    Args:
        operations: candidates of each edge, in the order of the space's options.
        size: channels of the first stage, layers (a third of them are the cells of a stage), stem stride.
        image_shape, classes: of the data.
        rng: for the initial weights.
    """

    kinds = 1
    edges = len(NB201_EDGES)

    def __init__(
        self, operations: tuple[str, ...], size: Size, image_shape: Shape, classes: int, rng: np.random.Generator
    ) -> None:
        self.operations = operations
        self.weights, choosers = Weights(rng), Choosers()
        stem: tuple[CellPrimitive, ...] = (Conv(3, 3, size.channels, (size.stem_stride,) * 2), Norm())
        self._stem = self.weights.add(stem, image_shape[2])
        self.macs, shape = macs_of(stem, image_shape)
        self._parts: list[_Block | MixedCell] = []
        for stage in range(3):
            if stage:
                block = _Block(self.weights, shape)
                shape = block.shape
                self.macs += block.macs
                self._parts.append(block)
            for _ in range(max(1, size.layers // 3)):
                cell = MixedCell(
                    self.weights,
                    inputs=1,
                    nodes=_NODES,
                    operations=operations,
                    shape=shape,
                    reduces=False,
                    pools_normalised=False,
                    choosers=choosers,
                )
                self.macs += int(cell.op_macs.sum())
                self._parts.append(cell)
        self._end = self.weights.add((Norm(), Relu()), shape[2])
        self._head = self.weights.add_dense(shape[2], classes)
        self.macs += shape[2] * classes

    def cells(self) -> list[tuple[int, MixedCell]]:
        return [(0, part) for part in self._parts if isinstance(part, MixedCell)]

    def logits(self, images: tf.Tensor, weights: Sequence[tf.Tensor], *mixing: tf.Tensor) -> tf.Tensor:
        [shares], constants = mixing, Constants()
        x = run(self._stem.steps, images, self._stem.of(weights), constants=constants)
        for part in self._parts:
            if isinstance(part, MixedCell):
                x = part.mixed([x], weights, shares, constants)[-1]
            else:
                x = part.run(x, weights, constants)
        return self._classified(x, weights, constants)

    def path_logits(
        self, images: tf.Tensor, weights: Sequence[tf.Tensor], ops: tf.Tensor, gates: tf.Tensor | None = None
    ) -> tf.Tensor:
        constants = Constants()
        x = run(self._stem.steps, images, self._stem.of(weights), constants=constants)
        for part in self._parts:
            if isinstance(part, MixedCell):
                x = part.chosen([x], weights, ops, gates)[-1]
            else:
                x = part.run(x, weights, constants)
        return self._classified(x, weights, constants)

    def _classified(self, x: tf.Tensor, weights: Sequence[tf.Tensor], constants: Constants) -> tf.Tensor:
        x = run(self._end.steps, x, self._end.of(weights), constants=constants)
        return classified(x, self._head.of(weights))

    def cut(self, ops: np.ndarray, values: Sequence[np.ndarray]) -> tuple[Layers, list[np.ndarray]]:
        layers = by_layer(self._stem.steps, self._stem.of(values))
        for part in self._parts:
            layers += part.cut(ops, values) if isinstance(part, MixedCell) else part.cut(values)
        layers += by_layer(self._end.steps, self._end.of(values))
        return layers, self._head.of(values)
