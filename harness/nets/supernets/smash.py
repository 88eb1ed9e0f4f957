"""SMASH's network: a HyperNet makes the weights of the architecture that a step is about (Brock et al., ICLR 2018).

Generated are the 1x1 convolutions by which operations read memory banks (:mod:`harness.spaces.smash`). An architecture
becomes a binary encoding by location, an operation and a bank; the HyperNet makes the part of the operation's kernel
that belongs to the bank; the parts of banks that are read are one tensor, which is divided by its norm. The second
convolutions are learned as usual and shared by the operations of a block: a 3x3 kernel is the middle of the 5x5 one,
and what is written to one bank is the first half of what is written to two. First convolution, transitions and
classifier are learned and shared too; they use the first of their weights, as many as there are banks.

Normalisations use the statistics of the batch, in scores as well. Those in operations have no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import CellPrimitive, Conv, Norm, Pool, Relu
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.supernets.flat_weights import Handle, Weights, by_layer
from harness.nets.supernets.frame import classified
from harness.nets.supernets.gated import GatedSupernet
from harness.nets.supernets.hypernet import HyperNet
from harness.nets.supernets.kernels import run
from harness.nets.supernets.relaxed import Layers
from harness.spaces.smash import BANKS, BLOCKS, KERNELS, SmashSpace, most_filled

_ROW = BANKS + 5
"""Numbers of an operation: bits of the banks that it reads, the first and the second bank that it writes (for none the
number of banks), its kernel, and how many banks have been written before and after it."""
_FIRST, _SECOND, _KERNEL, _BEFORE, _AFTER = range(BANKS, _ROW)
_CHANNELS = 4 + 1 + len(KERNELS) + BLOCKS + 1
"""Of the encoding: of a bank, of an operation, kernel, block, noise."""
_MOST = KERNELS[-1]
"""Side of the shared kernels."""


class GatedSmash(GatedSupernet):
    """HyperNet and shared weights of the space of memory banks, trained by Adam.

    Args:
        space: picks are its genotypes' picks.
        size: channels of the first block's banks, stem stride.
        image_shape, classes: of the data.
        rng: for the first weights, and for the encoding's channel of noise, which never changes.
        hyper_layers, growth: of the HyperNet.
        images: that share one generation of weights, of whose cost each bears its part.
        mean_decay, square_decay, epsilon: Adam's.
        weight_decay: added to the gradient as a multiple of the weights; not the HyperNet's.
    """

    def __init__(
        self,
        space: SmashSpace,
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        hyper_layers: int,
        growth: int,
        images: int = 1,
        mean_decay: float = 0.5,
        square_decay: float = 0.999,
        epsilon: float = 1e-4,
        weight_decay: float = 1e-4,
    ) -> None:
        self._space, self._operations = space, space.per_block
        self._square_decay, self._epsilon = square_decay, epsilon
        weights = Weights(rng)
        self._lay_out(weights, size, image_shape, classes)
        self._noise = rng.normal(size=(self._locations, 1)).astype(np.float32)
        shared = len(weights.values)
        widths = [size.channels * 2**block for block in range(BLOCKS)]
        self._hyper = HyperNet(
            weights,
            rng,
            channels=_CHANNELS,
            layers=hyper_layers,
            growth=growth,
            groups=[width**2 for width in widths],
        )
        self._generation = -(-self._hyper.macs(self._locations) // images)
        super().__init__(
            weights,
            BLOCKS * self._operations * _ROW,
            image_shape,
            momentum=mean_decay,
            weight_decay=weight_decay,
            clip=0.0,
        )
        decayed = [np.full(value.shape, number < shared, np.float32) for number, value in enumerate(weights.values)]
        self._decayed = tf.constant(self.layout.join(decayed))
        self._squares = tf.Variable(tf.zeros_like(self.weights), trainable=False)
        self._steps = tf.Variable(0.0, trainable=False)

    @property
    def _locations(self) -> int:
        return BLOCKS * self._operations * BANKS

    def _lay_out(self, weights: Weights, size: Size, image_shape: Shape, classes: int) -> None:
        """The shared weights, and what each operation costs."""
        stem: tuple[CellPrimitive, ...] = (Conv(3, 3, size.channels, (size.stem_stride,) * 2), Norm())
        self._stem = weights.add(stem, image_shape[2])
        self._base, shape = macs_of(stem, image_shape)
        self._transitions, self._kernels = list[Handle](), list[Handle]()
        self._reads, self._units = list[int](), list[int]()
        last = most_filled(self._operations)
        for block in range(BLOCKS):
            if block:
                change = (Relu(), Pool("avg", 2, 2), Conv(1, 1, 2 * shape[2]), Norm())
                self._transitions.append(weights.add(change, last * shape[2]))
                macs, shape = macs_of(change, (*shape[:2], last * shape[2]))
                self._base += macs
            width = shape[2]
            self._kernels.append(weights.add((Conv(_MOST, _MOST, 2 * width),), width))
            self._units.append(shape[0] * shape[1] * width**2)
            self._reads.append(self._units[-1] * sum(most_filled(number) for number in range(self._operations)))
        self._end = weights.add((Norm(), Relu()), last * shape[2])
        self._head = weights.add_dense(last * shape[2], classes)
        self._base += last * shape[2] * classes

    def vector(self, picks: Sequence[int] | np.ndarray) -> np.ndarray:
        """A row per operation; see :data:`_ROW`."""
        rows = list[list[int]]()
        for block in self._space.operations(picks):
            filled = 1
            for op in block:
                bits = [int(bank in op.reads) for bank in range(BANKS)]
                writes = (*op.writes, BANKS)[:2]
                rows.append([*bits, *writes, KERNELS.index(op.kernel), filled, op.filled])
                filled = op.filled
        return np.array(rows, np.int32).ravel()

    def encoding(self, picks: tf.Tensor) -> tf.Tensor:
        """What the HyperNet is told of an architecture, (locations, channels).

        A location is an operation and a bank. Its channels: whether the bank is read; whether it had been written;
        whether it gets the first, and the second half of the result; whether there is a second half; the kernel; the
        block; the noise.
        """
        rows = tf.reshape(picks, [-1, _ROW])
        banks = tf.range(BANKS)
        by_bank = [
            rows[:, :BANKS] == 1,
            banks < rows[:, _BEFORE, None],
            banks == rows[:, _FIRST, None],
            banks == rows[:, _SECOND, None],
        ]
        blocks = tf.repeat(tf.eye(BLOCKS), self._operations, axis=0)
        wide = tf.cast(rows[:, _SECOND, None] < BANKS, tf.float32)
        by_operation = tf.concat([wide, tf.one_hot(rows[:, _KERNEL], len(KERNELS)), blocks], 1)
        parts = [tf.reshape(tf.cast(part, tf.float32), [-1, 1]) for part in by_bank]
        return tf.concat([*parts, tf.repeat(by_operation, BANKS, axis=0), tf.constant(self._noise)], 1)

    def generated(self, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> list[tf.Tensor]:
        """The kernels by which each block's operations read, (operations, banks, width, width).

        What belongs to banks that an operation does not read is zero; the rest has norm 1.
        """
        bits = tf.cast(tf.reshape(picks, [BLOCKS, self._operations, _ROW])[..., :BANKS, None, None], tf.float32)
        kernels = []
        for block, flat in enumerate(self._hyper.generate(self.encoding(picks), weights)):
            width = round(int(flat.shape[-1]) ** 0.5)
            kernel = tf.reshape(flat, [self._operations, BANKS, width, width]) * bits[block]
            kernels.append(kernel * tf.math.rsqrt(tf.reduce_sum(kernel**2, [1, 2, 3], keepdims=True)))
        return kernels

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        constants = Constants()
        kernels = self.generated(weights, picks)
        rows = tf.unstack(tf.reshape(picks, [-1, _ROW]))
        x = run(self._stem.steps, images, self._stem.of(weights), constants=constants)
        for block in range(BLOCKS):
            if block:
                handle = self._transitions[block - 1]
                x = run(handle.steps, x, handle.of(weights), constants=constants)
            banks = [x] + [tf.zeros_like(x)] * (BANKS - 1)
            for number, kernel in enumerate(tf.unstack(kernels[block])):
                read = most_filled(number)
                width = int(x.shape[-1])
                own = tf.reshape(kernel[:read], [1, 1, read * width, width])
                steps = (Relu(), Conv(1, 1, width), Norm(affine=False), Relu())
                middle = run(steps, tf.concat(banks[:read], -1), [own], constants=constants)
                row = rows[block * self._operations + number]
                [shared] = self._kernels[block].of(weights)
                self._write(banks, middle, row, shared, most_filled(number + 1))
            x = tf.concat(banks[: most_filled(self._operations)], -1)
        x = run(self._end.steps, x, self._end.of(weights), constants=constants)
        # The normalisation makes offsets of banks that are empty.
        there = tf.range(int(x.shape[-1])) < rows[-1][_AFTER] * width
        return classified(x * tf.cast(there, tf.float32), self._head.of(weights))

    def _write(
        self, banks: list[tf.Tensor], middle: tf.Tensor, row: tf.Tensor, kernel: tf.Tensor, possible: int
    ) -> None:
        """Applies an operation's second convolution and adds its one or two results to ``banks``."""
        branches = [partial(_results, middle, kernel, size, count) for count in (1, 2) for size in KERNELS]
        wide = tf.cast(row[_SECOND] < BANKS, tf.int32)
        results = tf.switch_case(wide * len(KERNELS) + row[_KERNEL], branches)
        for bank in range(possible):
            for result, written in zip(results, (row[_FIRST], row[_SECOND]), strict=True):
                banks[bank] += tf.cast(written == bank, tf.float32) * tf.ensure_shape(result, middle.shape)

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """Banks that may have been written are read, full or empty; and an image's part of the generation."""
        total = self._base + sum(self._reads) + self._generation
        for units, block in zip(self._units, self._space.operations(picks), strict=True):
            total += units * sum(op.kernel**2 * len(op.writes) for op in block)
        return total

    def most_macs(self) -> int:
        """Of an architecture all of whose operations write two banks with the largest kernel."""
        written = 2 * self._operations * _MOST**2 * sum(self._units)
        return self._base + sum(self._reads) + self._generation + written

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        return []  # the HyperNet makes the weights of all architectures, and the others are shared by all

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        return []

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        values = self.values()
        vector = tf.constant(self.vector(picks))
        kernels = [kernel.numpy() for kernel in self.generated([tf.constant(value) for value in values], vector)]
        layers = by_layer(self._stem.steps, self._stem.of(values))
        filled = 1
        for block, operations in enumerate(self._space.operations(picks)):
            width = kernels[block].shape[-1]
            if block:
                kernel, *norm = self._transitions[block - 1].of(values)
                layers += [[kernel[:, :, : filled * width // 2]], norm]
            for op, kernel in zip(operations, kernels[block], strict=True):
                own = kernel[list(op.reads)].reshape(1, 1, -1, width)
                layers += by_layer((Conv(1, 1, width), Norm(affine=False)), [own], width)
                [shared] = self._kernels[block].of(values)
                for second in np.split(_middle(shared, op.kernel), 2, axis=-1)[: len(op.writes)]:
                    layers += by_layer((Conv(op.kernel, op.kernel, width), Norm(affine=False)), [second], width)
            filled = operations[-1].filled
        layers.append([value[: filled * width] for value in self._end.of(values)])
        kernel, bias = self._head.of(values)
        return layers, [kernel[: filled * width], bias]

    def descend(self, gradient: tf.Tensor, active: tf.Tensor, rate: tf.Tensor) -> None:
        """A step of Adam; ``active`` is true everywhere."""
        weights = tf.convert_to_tensor(self.weights)
        gradient += self._decay * self._decayed * weights
        steps = self._steps.assign_add(1.0)
        mean = self._velocity.assign(self._momentum * self._velocity + (1.0 - self._momentum) * gradient)
        squares = self._squares.assign(self._square_decay * self._squares + (1.0 - self._square_decay) * gradient**2)
        root = tf.sqrt(squares / (1.0 - self._square_decay**steps)) + self._epsilon
        self.weights.assign(weights - rate * mean / (1.0 - self._momentum**steps) / root)

    def state(self) -> dict[str, np.ndarray]:
        """Weights and Adam's means, for a checkpoint."""
        return {**super().state(), "squares": self._squares.numpy(), "adam_steps": self._steps.numpy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes up a checkpoint."""
        super().restore(state)
        self._squares.assign(state["squares"])
        self._steps.assign(state["adam_steps"])


def _middle(kernel: Any, size: int) -> Any:
    """The middle of a shared kernel, ``size`` rows and columns."""
    edge = (_MOST - size) // 2
    return kernel[edge : _MOST - edge, edge : _MOST - edge]


def _results(middle: tf.Tensor, kernel: tf.Tensor, size: int, count: int) -> list[tf.Tensor]:
    """What an operation writes to the first bank and to the second; zeros if it writes only one."""
    width = int(middle.shape[-1])
    own = tf.slice(_middle(kernel, size), [0] * 4, [size, size, width, count * width])
    y = run((Conv(size, size, count * width), Norm(affine=False)), middle, [own])
    return tf.split(y, 2, -1) if count == 2 else [y, tf.zeros_like(y)]
