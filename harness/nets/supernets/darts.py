"""The supernet of DARTS' cells: every edge has all candidate operations (Liu et al., ICLR 2019, section 2).

Written on raw kernels, as pure functions of a list of weights, because the second-order step evaluates the network at
weights that are no variables. The edges are :class:`harness.nets.supernets.cells.MixedCell`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import relu_conv_norm, relu_factorized_reduce_norm
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.supernets.cells import Choosers, MixedCell, cell_edges
from harness.nets.supernets.flat_weights import Weights, by_layer
from harness.nets.supernets.frame import Frame, Slot
from harness.nets.supernets.kernels import run
from harness.nets.supernets.relaxed import Layers, Relaxed


class StackedCell:
    """A cell in the stack: its two inputs adapted to one width and resolution, and its edges.

    Args:
        weights: collects the weights.
        slot: where it stands.
        nodes, operations, pools_normalised, choosers: see :class:`harness.nets.supernets.cells.MixedCell`.
    """

    def __init__(
        self,
        weights: Weights,
        slot: Slot,
        *,
        nodes: int,
        operations: tuple[str, ...],
        pools_normalised: bool,
        choosers: Choosers,
    ) -> None:
        channels = slot.channels
        adapter = (
            relu_factorized_reduce_norm(channels, affine=False)
            if slot.halved
            else relu_conv_norm(channels, affine=False)
        )
        self.reduces = slot.reduces
        self.before = weights.add(adapter, slot.before[2])
        self.last = weights.add(relu_conv_norm(channels, affine=False), slot.last[2])
        first, _ = macs_of(self.before.steps, slot.before)
        second, shape = macs_of(self.last.steps, slot.last)
        self.mixed = MixedCell(
            weights,
            inputs=2,
            nodes=nodes,
            operations=operations,
            shape=shape,
            reduces=slot.reduces,
            pools_normalised=pools_normalised,
            choosers=choosers,
        )
        self.widths = slot.before[2], slot.last[2]
        self.shape: Shape = (*self.mixed.shape[:2], channels * nodes)
        self.macs = first + second + int(self.mixed.op_macs.sum())

    def inputs(
        self, before: tf.Tensor, last: tf.Tensor, weights: Sequence[tf.Tensor], constants: Constants
    ) -> list[tf.Tensor]:
        """The adapted outputs of the two previous cells."""
        pairs = ((self.before, before), (self.last, last))
        return [run(handle.steps, x, handle.of(weights), constants=constants) for handle, x in pairs]


class MixedSupernet(Relaxed):
    """The relaxed network.

    Args:
        nodes: computed nodes per cell.
        operations: candidates of each edge, ``none`` included.
        size: channels, cells, stem stride; 16 channels and 8 cells in the paper.
        image_shape, classes: of the data.
        rng: for the initial weights.
        pools_normalised: whether a normalisation follows a pooling, as in the paper's search network; without it a path
            is the network that is trained in the end, but for scales and offsets.

    Attributes:
        initial: initial weights, a flat list (1,930,618 numbers for the paper's size on CIFAR-10).
    """

    kinds = 2

    def __init__(
        self,
        nodes: int,
        operations: tuple[str, ...],
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        pools_normalised: bool = True,
    ) -> None:
        self.nodes, self.operations = nodes, operations
        self.edges = len(cell_edges(nodes))
        self.weights, choosers = Weights(rng), Choosers()

        def lay(slot: Slot) -> StackedCell:
            return StackedCell(
                self.weights,
                slot,
                nodes=nodes,
                operations=operations,
                pools_normalised=pools_normalised,
                choosers=choosers,
            )

        self.frame = Frame(self.weights, size, image_shape, classes, lay)
        self.macs = self.frame.macs

    def cells(self) -> list[tuple[int, MixedCell]]:
        return [(int(cell.reduces), cell.mixed) for cell in self.frame.cells]

    def logits(self, images: tf.Tensor, weights: Sequence[tf.Tensor], *mixing: tf.Tensor) -> tf.Tensor:
        constants = Constants()

        def output(cell: StackedCell, before: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            inputs = cell.inputs(before, last, weights, constants)
            return tf.concat(cell.mixed.mixed(inputs, weights, mixing[int(cell.reduces)], constants)[2:], -1)

        return self.frame.logits(images, weights, constants, output)

    def path_logits(
        self, images: tf.Tensor, weights: Sequence[tf.Tensor], ops: tf.Tensor, gates: tf.Tensor | None = None
    ) -> tf.Tensor:
        constants = Constants()

        def output(cell: StackedCell, before: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            inputs = cell.inputs(before, last, weights, constants)
            own = slice(int(cell.reduces) * self.edges, (int(cell.reduces) + 1) * self.edges)
            nodes = cell.mixed.chosen(inputs, weights, ops[own], None if gates is None else gates[own])
            return tf.concat(nodes[2:], -1)

        return self.frame.logits(images, weights, constants, output)

    def cut(self, ops: np.ndarray, values: Sequence[np.ndarray]) -> tuple[Layers, list[np.ndarray]]:
        layers = by_layer(self.frame.stem.steps, self.frame.stem.of(values))
        for cell in self.frame.cells:
            for handle, width in zip((cell.before, cell.last), cell.widths, strict=True):
                layers += by_layer(handle.steps, handle.of(values), width)
            layers += cell.mixed.cut(ops.reshape(2, -1)[int(cell.reduces)], values)
        return layers, self.frame.head.of(values)
