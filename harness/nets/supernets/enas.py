"""ENAS' shared networks, macro and micro (Pham et al., ICML 2018); see :mod:`harness.nets.supernets.gated`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import (
    CellPrimitive,
    Conv,
    FactorizedReduce,
    Norm,
    macro_primitives_of,
    primitives_of,
    relu_conv_norm,
    relu_factorized_reduce_norm,
    weight_shapes,
)
from harness.core.space import Size
from harness.nets.constants import Constants
from harness.nets.layout import Layout
from harness.nets.supernets.cells import Choosers
from harness.nets.supernets.flat_weights import Handle, Weights, by_layer
from harness.nets.supernets.frame import Frame, Slot, classified
from harness.nets.supernets.gated import GatedSupernet
from harness.nets.supernets.kernels import normalise, run
from harness.nets.supernets.relaxed import Layers
from harness.spaces.cell import CELL_NAMES
from harness.spaces.enas_macro import MACRO_OPERATIONS, MacroSpace
from harness.spaces.enas_micro import EnasCellSpace


class GatedMacro(GatedSupernet):
    """The shared network of ENAS macro.

    Args:
        space: the macro space; picks are its genotypes' picks.
        size: channels and stem stride.
        image_shape, classes: of the data.
    """

    def __init__(
        self,
        space: MacroSpace,
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 2.5e-4,
        clip: float = 5.0,
    ) -> None:
        self._net = space.searched(space.genotype((0,) * len(space.choices)), size)
        self._layers = space.layers
        weights = Weights(rng)
        channels = size.channels
        stem: tuple[CellPrimitive, ...] = (Conv(3, 3, channels, (size.stem_stride,) * 2), Norm())
        self._stem = weights.add(stem, image_shape[2])
        base, shape = macs_of(stem, image_shape)
        self._choosers = Choosers()
        self._op_macs: list[list[int]] = []
        self._branches: list[list[Handle]] = []
        self._norms: list[Handle] = []
        self._reducers: dict[int, list[Handle]] = {}
        for layer in range(1, space.layers + 1):
            branches = [macro_primitives_of(op, channels) for op in MACRO_OPERATIONS]
            self._branches.append([weights.add(steps, channels) for steps in branches])
            self._op_macs.append([macs_of(steps, shape)[0] for steps in branches])
            self._norms.append(weights.add((Norm(),), channels))
            if layer in self._net.reductions:
                steps = (FactorizedReduce(channels), Norm())
                self._reducers[layer] = [weights.add(steps, channels) for _ in range(layer + 1)]
                halving, shape = macs_of(steps, shape)
                base += (layer + 1) * halving
        self._head = weights.add_dense(channels, classes)
        self._base_macs = base + channels * classes
        super().__init__(
            weights, len(space.choices), image_shape, momentum=momentum, weight_decay=weight_decay, clip=clip
        )

    def _place(self, layer: int) -> int:
        return layer * (layer - 1) // 2

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """The reductions of all stored outputs are computed, read or not."""
        ops = (self._op_macs[layer - 1][int(picks[self._place(layer)])] for layer in range(1, self._layers + 1))
        return self._base_macs + sum(ops)

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        constants = Constants()
        outputs = [run(self._stem.steps, images, self._stem.of(weights), constants=constants)]
        for layer in range(1, self._layers + 1):
            place, last = self._place(layer), outputs[-1]
            handles = self._branches[layer - 1]
            lists, own = tuple(handle.steps for handle in handles), [handle.of(weights) for handle in handles]
            height, width, channels = map(int, last.shape[1:])
            total = self._choosers(lists, picks[place], last, own, (height, width, channels))
            for earlier in range(1, layer):
                total += tf.cast(picks[place + earlier], tf.float32) * outputs[earlier - 1]
            norm = self._norms[layer - 1]
            outputs.append(run(norm.steps, total, norm.of(weights), constants=constants))
            if layer in self._reducers:
                outputs = [
                    run(handle.steps, output, handle.of(weights), constants=constants)
                    for handle, output in zip(self._reducers[layer], outputs, strict=True)
                ]
        return classified(outputs[-1], self._head.of(weights))

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        switched = (
            handle
            for layer in range(1, self._layers + 1)
            for handle in (*self._branches[layer - 1], *self._reducers.get(layer, ()))
        )
        return [(handle, np.array(0)) for handle in switched]

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        flags: list[tf.Tensor] = []
        for layer in range(1, self._layers + 1):
            flags.append(picks[self._place(layer)] == tf.range(len(self._branches[layer - 1])))
            for stored in range(len(self._reducers.get(layer, ()))):
                flags.append(self._read_after(picks, stored, layer)[None])
        return flags

    def _read_after(self, picks: tf.Tensor, stored: int, layer: int) -> tf.Tensor:
        """Whether any layer after ``layer`` reads the output of layer ``stored``; 0 is the stem."""
        if stored == layer:
            return tf.constant(True)
        bits = [picks[self._place(later) + stored + 1] for later in range(layer + 1, self._layers + 1)]
        return tf.reduce_any(tf.stack(bits) == 1) if bits else tf.constant(False)

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        values = self.values()
        layers = by_layer(self._stem.steps, self._stem.of(values))
        for layer in range(1, self._layers + 1):
            handle = self._branches[layer - 1][picks[self._place(layer)]]
            for part in (handle, self._norms[layer - 1], *self._reducers.get(layer, ())):
                layers += by_layer(part.steps, part.of(values))
        return layers, self._head.of(values)


class _Cell:
    """The shared weights of one cell: per operation, one slice per (node, slot, input)."""

    def __init__(
        self,
        weights: Weights,
        space: EnasCellSpace,
        slot: Slot,
    ) -> None:
        before, last, channels, reduces, halved = slot
        self.reduces, self.nodes = reduces, space.nodes
        self.before = weights.add(
            relu_factorized_reduce_norm(channels) if halved else relu_conv_norm(channels), before[2]
        )
        self.last = weights.add(relu_conv_norm(channels), last[2])
        self.halvers = (
            [weights.add(relu_factorized_reduce_norm(channels), channels) for _ in range(2)] if reduces else []
        )
        base, shape = macs_of(self.before.steps, before)
        last_macs, own = macs_of(self.last.steps, last)
        base += last_macs
        for handle in self.halvers:
            halving, shape = macs_of(handle.steps, own)
            base += halving
        self.shape: Shape = shape
        """Of the output and of every node."""
        joined = (*self.shape[:2], channels * (space.nodes + 2))
        self.macs = base + macs_of((Conv(1, 1, channels),), joined)[0]
        self.op_macs = [macs_of(primitives_of(op, channels) or (), self.shape)[0] for op in space.operations]
        self.rows = 2 * sum(range(2, space.nodes + 2))
        self.ops = weights.add_bundle(
            [primitives_of(op, channels) or () for op in space.operations], channels, self.rows
        )
        # The projection of the loose ends: one (channels x channels) slice per node, then a normalisation.
        self.project = weights.add((Conv(1, 1, channels),), channels, copies=space.nodes + 2)
        self.project_norm = weights.add((Norm(),), channels)

    def row(self, node: int, slot: int) -> int:
        """Row of the slice for (node, slot, input 0)."""
        return 2 * sum(range(2, node)) + slot * node


class GatedCells(GatedSupernet):
    """The shared network of ENAS micro.

    Args:
        space: the ENAS cell space; picks are its genotypes' picks.
        size: channels, cells, stem stride.
        image_shape, classes: of the data.
    """

    def __init__(
        self,
        space: EnasCellSpace,
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        clip: float = 5.0,
    ) -> None:
        self._space = space
        self._choosers = Choosers()
        weights = Weights(rng)
        self._frame = Frame(weights, size, image_shape, classes, lambda slot: _Cell(weights, space, slot))
        super().__init__(
            weights, len(space.choices), image_shape, momentum=momentum, weight_decay=weight_decay, clip=clip
        )

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """The projection reads all nodes of a cell; slices of those that are read by others are zero."""
        total = self._frame.macs
        for cell in self._frame.cells:
            base = self._base(cell)
            total += sum(cell.op_macs[int(op)] for op in picks[base + 1 : base + 4 * cell.nodes : 2])
        return total

    def _base(self, cell: _Cell) -> int:
        return len(self._space.choices) // len(CELL_NAMES) if cell.reduces else 0

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        constants = Constants()
        return self._frame.logits(
            images,
            weights,
            constants,
            lambda cell, before, last: self._cell(cell, before, last, weights, picks, constants),
        )

    def _cell(
        self,
        cell: _Cell,
        before: tf.Tensor,
        last: tf.Tensor,
        weights: Sequence[tf.Tensor],
        picks: tf.Tensor,
        constants: Constants,
    ) -> tf.Tensor:
        base = self._base(cell)
        states = [
            run(handle.steps, x, handle.of(weights), constants=constants)
            for handle, x in ((cell.before, before), (cell.last, last))
        ]
        for place, handle in enumerate(cell.halvers):
            states[place] = run(handle.steps, states[place], handle.of(weights), constants=constants)
        for node in range(2, cell.nodes + 2):
            terms = []
            stacked = tf.stack(states)
            for slot in range(2):
                place = base + 4 * (node - 2) + 2 * slot
                source, op = picks[place], picks[place + 1]
                terms.append(
                    self._operation(cell, op, tf.gather(stacked, source), weights, cell.row(node, slot) + source)
                )
            states.append(tf.add_n(terms))
        unread = tf.cast(self._unread(cell, picks), tf.float32)
        [slices] = cell.project.of(weights)
        kernel = slices * tf.reshape(unread, [-1, 1, 1, 1, 1])
        joined = tf.nn.relu(tf.concat(states, -1))
        width = int(states[0].shape[-1])
        y = tf.nn.conv2d(joined, tf.reshape(kernel, [1, 1, -1, width]), 1, "SAME")
        scale, offset = cell.project_norm.of(weights)
        return normalise(y, scale, offset, constants.filled(0.0, 0))

    def _operation(
        self, cell: _Cell, op: tf.Tensor, x: tf.Tensor, weights: Sequence[tf.Tensor], row: tf.Tensor
    ) -> tf.Tensor:
        [rows] = cell.ops.handle.of(weights)
        # Read outside the branches: the gradient of the other rows stays out of their functions. ``gather``, because
        # the gradient of a slice is slower.
        y: tf.Tensor = self._choosers.traced(_switched, (cell.ops.steps,), x, op, cell.ops.parts(tf.gather(rows, row)))
        y.set_shape(x.shape)
        return y

    def _unread(self, cell: _Cell, picks: tf.Tensor) -> tf.Tensor:
        """Per node, inputs included, whether no node of the cell reads it."""
        base = self._base(cell)
        sources = picks[base : base + 4 * cell.nodes : 2]
        # Not by counting: bincount has no deterministic form for graphics cards.
        return tf.reduce_all(sources[None, :] != tf.range(cell.nodes + 2)[:, None], axis=1)

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        gates = []
        for cell in self._frame.cells:
            gates.append((cell.ops.handle, cell.ops.owners * cell.rows + np.arange(cell.rows)[:, None]))
            gates.append((cell.project, np.arange(cell.nodes + 2).reshape(-1, 1, 1, 1, 1)))
        return gates

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        flags: list[tf.Tensor] = []
        for cell in self._frame.cells:
            base = self._base(cell)
            wanted = picks[base : base + 4 * cell.nodes]
            sources, ops = wanted[0::2], wanted[1::2]
            starts = tf.constant([cell.row(node, slot) for node in range(2, cell.nodes + 2) for slot in range(2)])
            for number, layout in enumerate(cell.ops.layouts):
                if layout.size:
                    used = tf.where(ops == number, starts + sources, cell.rows)
                    flags.append(tf.reduce_any(tf.range(cell.rows)[:, None] == used[None, :], axis=1))
            flags.append(self._unread(cell, picks))
        return flags

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        values = self.values()
        layers = by_layer(self._frame.stem.steps, self._frame.stem.of(values))
        for cell in self._frame.cells:
            base = self._base(cell)
            for handle in (cell.before, cell.last, *cell.halvers):
                layers += by_layer(handle.steps, handle.of(values))
            for node in range(2, cell.nodes + 2):
                for slot in range(2):
                    source, op = picks[base + 4 * (node - 2) + 2 * slot :][:2]
                    [rows] = cell.ops.handle.of(values)
                    weights = cell.ops.arrays(rows[cell.row(node, slot) + source], op)
                    layers += by_layer(cell.ops.steps[op], weights)
            read = set(picks[base : base + 4 * cell.nodes : 2])
            [slices] = cell.project.of(values)
            kept = [slices[node] for node in range(cell.nodes + 2) if node not in read]
            layers.append([np.concatenate(kept, axis=2)])
            layers += by_layer((Norm(),), cell.project_norm.of(values))
        return layers, self._frame.head.of(values)


def _switched(
    lists: Sequence[Sequence[CellPrimitive]], x: tf.Tensor, op: tf.Tensor, parts: Sequence[tf.Tensor | None]
) -> tf.Tensor:
    """List number ``op`` applied to ``x``, each with its part of a row."""
    branches = [partial(_applied, steps, part, x) for steps, part in zip(lists, parts, strict=True)]
    return tf.switch_case(op, branches)


def _applied(steps: Sequence[CellPrimitive], part: tf.Tensor | None, x: tf.Tensor) -> tf.Tensor:
    """A branch: the steps with their part of a row."""
    if not steps:
        return tf.identity(x)
    layout = Layout(weight_shapes(steps, int(x.shape[-1])))
    return run(steps, x, () if part is None else layout.split_tensor(part), branch=True)
