"""DARTS' search network: every edge is a weighted sum of all candidate operations (Liu et al., ICLR 2019, section 2).

Written on raw kernels, as pure functions of a list of weights, because the second-order step evaluates the network at
weights that are no variables. Four things keep the graph small without changing a number: what leaves one node shares
its ReLU; poolings and skips have no weights, so each is computed once per node and not once per edge, and mixed for all
edges at once; the share of any other candidate is the scale of its last normalisation; and pixels are rearranged for
dilated candidates once per node, because convolution, normalisation and sum do not care where an image's pixels lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import CellPrimitive, Conv, Depthwise, Norm, halve, primitives_of, relu_conv_norm
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.depthwise import assembled, scattered
from harness.nets.supernets.flat_weights import Handle, Weights
from harness.nets.supernets.kernels import run
from harness.spaces.cell import reductions

_DILATION = 2
"""Of every dilated candidate."""


def cell_edges(nodes: int) -> list[tuple[int, int]]:
    """All (source, target) pairs of a cell with two inputs and ``nodes`` computed nodes: 14 for four nodes."""
    return [(source, target) for target in range(2, nodes + 2) for source in range(target)]


@dataclass(frozen=True)
class _MixedCell:
    before: Handle
    last: Handle
    candidates: dict[tuple[int, int], dict[str, Handle]]
    reduces: bool
    channels: int

    def count(self, before: Shape, last: Shape) -> tuple[int, Shape]:
        """Multiply-accumulates on one image, given the shapes of the two inputs, and the shape of the output."""
        macs, _ = macs_of(self.before.steps, before)
        own, shape = macs_of(self.last.steps, last)
        macs += own
        node = (-(-shape[0] // 2), -(-shape[1] // 2), shape[2]) if self.reduces else shape
        for (source, _), operations in self.candidates.items():
            read = shape if source < 2 else node
            macs += sum(macs_of(handle.steps, read)[0] for handle in operations.values())
        targets = {target for _, target in self.candidates}
        return macs, (*node[:2], self.channels * len(targets))


@dataclass(frozen=True)
class _Source:
    """A node that edges leave, and what is made of it once for all of them.

    Args:
        apart: the rectified image with every second pixel as an image of its own; None where a side is odd.
        light: what the candidates without weights carry to each target.
    """

    state: tf.Tensor
    rectified: tf.Tensor
    apart: tf.Tensor | None
    light: dict[int, tf.Tensor]


class MixedSupernet:
    """The relaxed network.

    Args:
        nodes: computed nodes per cell.
        operations: candidates of each edge, ``none`` included.
        size: channels, cells, stem stride; 16 channels and 8 cells in the paper.
        image_shape, classes: of the data.
        rng: for the initial weights.

    Attributes:
        initial: initial weights, a flat list (1,930,618 numbers for the paper's size on CIFAR-10).
        edges: number of edges, the rows of an alpha matrix.
        macs: multiply-accumulates of one image's forward pass, all candidates together.
    """

    def __init__(
        self,
        nodes: int,
        operations: tuple[str, ...],
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
    ) -> None:
        self.nodes, self.operations = nodes, operations
        self.edges = len(cell_edges(nodes))
        weights = Weights(rng)
        channels = size.channels
        stem: tuple[CellPrimitive, ...] = (Conv(3, 3, 3 * channels, (size.stem_stride,) * 2), Norm())
        self._stem = weights.add(stem, image_shape[2])
        self.macs, last = macs_of(stem, image_shape)
        before, halved = last, False
        self._cells: list[_MixedCell] = []
        for number in range(size.layers):
            reduces = number in reductions(size.layers)
            channels *= 2 if reduces else 1
            adapter = halve(channels, affine=False) if halved else relu_conv_norm(channels, affine=False)
            cell = _MixedCell(
                before=weights.add(adapter, before[2]),
                last=weights.add(relu_conv_norm(channels, affine=False), last[2]),
                candidates=self._candidates(weights, channels, reduces),
                reduces=reduces,
                channels=channels,
            )
            self._cells.append(cell)
            macs, output = cell.count(before, last)
            self.macs += macs
            before, last, halved = last, output, reduces
        self._head = weights.add_dense(last[2], classes)
        self.macs += last[2] * classes
        self.initial = weights.values

    def _candidates(self, weights: Weights, channels: int, reduces: bool) -> dict[tuple[int, int], dict[str, Handle]]:
        found: dict[tuple[int, int], dict[str, Handle]] = {}
        for source, target in cell_edges(self.nodes):
            stride = 2 if reduces and source < 2 else 1
            found[source, target] = {}
            for op in self.operations:
                steps = primitives_of(op, channels, stride, affine=False, search=True)
                if steps is not None:
                    found[source, target][op] = weights.add(steps, channels)
        return found

    def logits(
        self, images: tf.Tensor, weights: Sequence[tf.Tensor], normal: tf.Tensor, reduction: tf.Tensor
    ) -> tf.Tensor:
        """The network's output.

        Args:
            images: normalised, (n, h, w, c).
            weights: in the order of :attr:`initial`; variables or tensors.
            normal, reduction: mixing weights per edge and operation, (edges, operations): softmax of alpha, or one-hot
                rows, which make the network a discrete one.
        """
        constants = Constants()
        x = run(self._stem.steps, images, self._stem.of(weights), constants=constants)
        before = last = x
        for cell in self._cells:
            mixing = reduction if cell.reduces else normal
            first = run(cell.before.steps, before, cell.before.of(weights), constants=constants)
            second = run(cell.last.steps, last, cell.last.of(weights), constants=constants)
            before, last = last, self._cell_output(cell, [first, second], weights, mixing, constants)
        kernel, bias = self._head.of(weights)
        return tf.matmul(tf.reduce_mean(last, [1, 2]), kernel) + bias

    def _cell_output(
        self,
        cell: _MixedCell,
        states: list[tf.Tensor],
        weights: Sequence[tf.Tensor],
        mixing: tf.Tensor,
        constants: Constants,
    ) -> tf.Tensor:
        # A candidate's share is the scale of its last normalisation: a row per (edge, operation), a column per channel.
        shares = tf.reshape(mixing, [-1, 1]) * constants.filled(1.0, cell.channels)
        scales = iter(tf.unstack(shares, len(cell.candidates) * len(self.operations)))
        scale_of = {(edge, op): next(scales) for edge in cell_edges(self.nodes) for op in self.operations}
        sources: list[_Source] = []
        for target in range(2, self.nodes + 2):
            for number in range(len(sources), target):
                sources.append(self._source(cell, number, states[number], mixing, constants))
            together: list[tf.Tensor] = []
            apart: list[tf.Tensor] = []
            for number, source in enumerate(sources):
                together += [source.light[target]] if target in source.light else []
                for op, handle in cell.candidates[number, target].items():
                    if not handle.count:
                        continue
                    steps, ready, terms = handle.steps, source.rectified, together
                    if source.apart is not None and _is_dilated(steps):
                        steps, ready, terms = _undilated(steps), source.apart, apart
                    scale = scale_of[(number, target), op]
                    own = handle.of(weights)
                    terms.append(run(steps, source.state, own, rectified=ready, scale=scale, constants=constants))
            if apart:
                # Dilated candidates keep the size, and the last source always has the target's.
                height, width = map(int, sources[-1].state.shape[1:3])
                together.append(assembled(tf.add_n(apart), _DILATION, height, width, constants))
            states.append(tf.add_n(together))
        return tf.concat(states[2:], -1)

    def _source(
        self, cell: _MixedCell, number: int, state: tf.Tensor, mixing: tf.Tensor, constants: Constants
    ) -> _Source:
        rectified = tf.nn.relu(state)
        # Parts of unequal size are filled up with zeros, which a normalisation must not see.
        equal = all(int(length) % _DILATION == 0 for length in state.shape[1:3])
        return _Source(
            state=state,
            rectified=rectified,
            apart=scattered(rectified, _DILATION, constants) if equal else None,
            light=self._light(cell, number, state, mixing, constants),
        )

    def _light(
        self, cell: _MixedCell, source: int, state: tf.Tensor, mixing: tf.Tensor, constants: Constants
    ) -> dict[int, tf.Tensor]:
        """What the candidates without weights carry from one node to every later one.

        Each is computed once; the mixtures for all targets are one matrix product, (targets, candidates) times
        (candidates, numbers of an image).
        """
        edges = cell_edges(self.nodes)
        targets = [target for start, target in edges if start == source]
        found = cell.candidates[source, targets[0]]
        ops = [op for op, handle in found.items() if not handle.count]
        if not ops:
            return {}
        results = [run(found[op].steps, state, (), constants=constants) for op in ops]
        rows = np.eye(len(edges), dtype=np.float32)[[edges.index((source, target)) for target in targets]]
        columns = np.eye(len(self.operations), dtype=np.float32)[:, [self.operations.index(op) for op in ops]]
        shares = tf.matmul(tf.matmul(tf.constant(rows), mixing), tf.constant(columns))
        flat = tf.reshape(tf.stack(results), [len(ops), -1])
        shape = tf.concat([[len(targets)], tf.shape(results[0])], 0)
        mixed = tf.reshape(tf.matmul(shares, flat), shape)
        return dict(zip(targets, tf.unstack(mixed, len(targets)), strict=True))


def _is_dilated(steps: Sequence[CellPrimitive]) -> bool:
    return any(isinstance(step, Depthwise) and step.dilation == _DILATION for step in steps)


def _undilated(steps: Sequence[CellPrimitive]) -> tuple[CellPrimitive, ...]:
    return tuple(replace(step, dilation=1) if isinstance(step, Depthwise) else step for step in steps)
