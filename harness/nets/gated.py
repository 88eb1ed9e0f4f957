"""ENAS' shared weights: one traced network, one path of it switched on per step (Pham et al., ICML 2018).

An architecture is an integer vector, the picks of a genotype, given to the traced graph as a tensor: a thousand
children share one trace. Only the chosen branch of each ``switch_case`` runs. A step updates only weights on the chosen
path: momentum and weight decay of all others rest, so that a path is exactly as it was left. Normalisations always use
the statistics of the batch, in search and in evaluation (ENAS micro does; ENAS macro's code uses moving averages, which
mix the statistics of all architectures).
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from harness.core.space import Size
from harness.core.steps import Conv, Halve, Norm, Step, halve, macro_steps_of, relu_conv_norm, steps_of
from harness.nets.ops import normalise, run
from harness.nets.weights import Handle, Weights, by_layer
from harness.spaces.cell import CELLS, EnasCellSpace, reductions
from harness.spaces.macro import MACRO_OPERATIONS, MacroSpace

Layers = list[list[np.ndarray]]
"""Weights grouped as the builder's layers, for :func:`harness.nets.build.assign`."""


class GatedSupernet(abc.ABC):
    """Shared weights, a masked Nesterov step, and the accuracy of one path.

    Args:
        weights: the laid-out weights.
        picks: length of the picks vector.
        momentum, weight_decay, clip: of the shared weights' optimiser; the norm is clipped at ``clip``.
    """

    def __init__(self, weights: Weights, picks: int, *, momentum: float, weight_decay: float, clip: float) -> None:
        self.variables = [tf.Variable(value, trainable=True) for value in weights.values]
        self._buffers = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]
        self._momentum, self._decay, self._clip = momentum, weight_decay, clip
        vector = tf.TensorSpec([picks], tf.int32)
        images, labels = tf.TensorSpec([None, None, None, None], tf.float32), tf.TensorSpec([None], tf.int64)
        signature = [images, labels, vector, tf.TensorSpec([], tf.float32)]
        self.train_step = tf.function(self._train_step, input_signature=signature, autograph=False)
        self.correct = tf.function(self._correct, input_signature=signature[:3], autograph=False)

    @abc.abstractmethod
    def logits(self, images: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        """Logits of the path ``picks`` on normalised images (n, h, w, c)."""

    @abc.abstractmethod
    def masks(self, picks: tf.Tensor) -> list[tf.Tensor]:
        """Per weight, whether the path uses it: a boolean scalar, or a vector over the leading axis."""

    @abc.abstractmethod
    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        """The weights of one child, for the standalone network of the same genotype and size."""

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = self.logits(images, picks)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        # Macro: the stem's reductions are laid out but no layer can read them; their gradient is zero, not None.
        sparse = tape.gradient(loss, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(gradient) for gradient in sparse]
        gradients, _ = tf.clip_by_global_norm(gradients, self._clip)
        for variable, buffer, gradient, mask in zip(
            self.variables, self._buffers, gradients, self.masks(picks), strict=True
        ):
            active = tf.reshape(mask, [-1] + [1] * (len(variable.shape) - 1)) if mask.shape.rank else mask
            gradient += self._decay * variable
            moved = self._momentum * buffer + gradient
            buffer.assign(tf.where(active, moved, buffer))
            update = rate * (gradient + self._momentum * moved)
            variable.assign_sub(tf.where(active, update, tf.zeros_like(update)))
        return loss

    def _correct(self, images: tf.Tensor, labels: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        hits = tf.argmax(self.logits(images, picks), -1) == labels
        return tf.reduce_mean(tf.cast(hits, tf.float32))

    def state(self) -> dict[str, np.ndarray]:
        """Weights and momentum, for a checkpoint."""
        named = {f"weight{i}": variable.numpy() for i, variable in enumerate(self.variables)}
        return {**named, **{f"buffer{i}": buffer.numpy() for i, buffer in enumerate(self._buffers)}}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Takes up a checkpoint."""
        for i, (variable, buffer) in enumerate(zip(self.variables, self._buffers, strict=True)):
            variable.assign(state[f"weight{i}"])
            buffer.assign(state[f"buffer{i}"])

    def _values(self, handle: Handle, copy: int | None = None) -> list[np.ndarray]:
        arrays = [variable.numpy() for variable in handle.of(self.variables)]
        return arrays if copy is None else [array[copy] for array in arrays]


class GatedMacro(GatedSupernet):
    """The shared network of ENAS macro.

    Args:
        space: the macro space; picks are its genotypes' picks.
        size: channels and stem stride.
    """

    def __init__(
        self,
        space: MacroSpace,
        size: Size,
        image_channels: int,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 2.5e-4,
        clip: float = 5.0,
    ) -> None:
        self._net = space.decode(space.genotype((0,) * len(space.choices)), size)
        self._layers = space.layers
        weights = Weights(rng)
        channels = size.channels
        stem: tuple[Step, ...] = (Conv(3, 3, channels, (size.stem_stride,) * 2), Norm())
        self._stem = weights.add(stem, image_channels)
        self._branches: list[list[Handle]] = []
        self._norms: list[Handle] = []
        self._reducers: dict[int, list[Handle]] = {}
        for layer in range(1, space.layers + 1):
            self._branches.append([weights.add(macro_steps_of(op, channels), channels) for op in MACRO_OPERATIONS])
            self._norms.append(weights.add((Norm(),), channels))
            if layer in self._net.reductions:
                steps = (Halve(2 * channels), Norm())
                self._reducers[layer] = [weights.add(steps, channels) for _ in range(layer + 1)]
                channels *= 2
        self._head = weights.add_dense(channels, classes)
        super().__init__(weights, len(space.choices), momentum=momentum, weight_decay=weight_decay, clip=clip)

    def _place(self, layer: int) -> int:
        return layer * (layer - 1) // 2

    def logits(self, images: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        flat = self.variables
        outputs = [run(self._stem.steps, images, self._stem.of(flat))]
        for layer in range(1, self._layers + 1):
            place, last = self._place(layer), outputs[-1]
            branches = [
                lambda handle=handle, last=last: run(handle.steps, last, handle.of(flat))
                for handle in self._branches[layer - 1]
            ]
            total = tf.switch_case(picks[place], branches)
            for earlier in range(1, layer):
                total += tf.cast(picks[place + earlier], tf.float32) * outputs[earlier]
            norm = self._norms[layer - 1]
            total.set_shape(last.shape)
            outputs.append(run(norm.steps, total, norm.of(flat)))
            if layer in self._reducers:
                outputs = [
                    run(handle.steps, output, handle.of(flat))
                    for handle, output in zip(self._reducers[layer], outputs, strict=True)
                ]
        kernel, bias = self._head.of(flat)
        return tf.matmul(tf.reduce_mean(outputs[-1], [1, 2]), kernel) + bias

    def masks(self, picks: tf.Tensor) -> list[tf.Tensor]:
        masks: list[tf.Tensor] = [tf.constant(True)] * len(self.variables)
        for layer in range(1, self._layers + 1):
            for op, handle in enumerate(self._branches[layer - 1]):
                masks[handle.start : handle.start + handle.count] = [picks[self._place(layer)] == op] * handle.count
            for stored, handle in enumerate(self._reducers.get(layer, ())):
                masks[handle.start : handle.start + handle.count] = [
                    self._read_after(picks, stored, layer)
                ] * handle.count
        return masks

    def _read_after(self, picks: tf.Tensor, stored: int, layer: int) -> tf.Tensor:
        """Whether any layer after ``layer`` reads the output of layer ``stored``."""
        if stored == layer:
            return tf.constant(True)
        if stored == 0:
            return tf.constant(False)
        bits = [picks[self._place(later) + stored] for later in range(layer + 1, self._layers + 1)]
        return tf.reduce_any(tf.stack(bits) == 1) if bits else tf.constant(False)

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        layers = by_layer(self._stem.steps, self._values(self._stem))
        for layer in range(1, self._layers + 1):
            handle = self._branches[layer - 1][picks[self._place(layer)]]
            for part in (handle, self._norms[layer - 1], *self._reducers.get(layer, ())):
                layers += by_layer(part.steps, self._values(part))
        return layers, self._values(self._head)


class _Cell:
    """The shared weights of one cell: per operation, one slice per (node, slot, input)."""

    def __init__(
        self,
        weights: Weights,
        space: EnasCellSpace,
        widths: tuple[int, int],
        channels: int,
        reduces: bool,
        halved: bool,
    ) -> None:
        self.reduces, self.nodes = reduces, space.nodes
        self.before = weights.add(halve(channels) if halved else relu_conv_norm(channels), widths[0])
        self.last = weights.add(relu_conv_norm(channels), widths[1])
        self.halvers = [weights.add(halve(channels), channels) for _ in range(2)] if reduces else []
        self.rows = 2 * sum(range(2, space.nodes + 2))
        self.ops = [weights.add(steps_of(op, channels) or (), channels, copies=self.rows) for op in space.operations]
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
    """

    def __init__(
        self,
        space: EnasCellSpace,
        size: Size,
        image_channels: int,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        clip: float = 5.0,
    ) -> None:
        self._space = space
        weights = Weights(rng)
        channels = size.channels
        stem: tuple[Step, ...] = (Conv(3, 3, 3 * channels, (size.stem_stride,) * 2), Norm())
        self._stem = weights.add(stem, image_channels)
        widths, halved = (3 * channels, 3 * channels), False
        self._cells: list[_Cell] = []
        for number in range(size.layers):
            reduces = number in reductions(size.layers)
            channels *= 2 if reduces else 1
            self._cells.append(_Cell(weights, space, widths, channels, reduces, halved))
            widths, halved = (widths[1], channels), reduces
        self._head = weights.add_dense(channels, classes)
        super().__init__(weights, len(space.choices), momentum=momentum, weight_decay=weight_decay, clip=clip)

    def _base(self, cell: _Cell) -> int:
        return len(self._space.choices) // len(CELLS) if cell.reduces else 0

    def logits(self, images: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        before = last = run(self._stem.steps, images, self._stem.of(self.variables))
        for cell in self._cells:
            before, last = last, self._cell(cell, before, last, picks)
        kernel, bias = self._head.of(self.variables)
        return tf.matmul(tf.reduce_mean(last, [1, 2]), kernel) + bias

    def _cell(self, cell: _Cell, before: tf.Tensor, last: tf.Tensor, picks: tf.Tensor) -> tf.Tensor:
        flat, base = self.variables, self._base(cell)
        states = [
            run(cell.before.steps, before, cell.before.of(flat)),
            run(cell.last.steps, last, cell.last.of(flat)),
        ]
        for place, handle in enumerate(cell.halvers):
            states[place] = run(handle.steps, states[place], handle.of(flat))
        for node in range(2, cell.nodes + 2):
            terms = []
            for slot in range(2):
                place = base + 4 * (node - 2) + 2 * slot
                source, op = picks[place], picks[place + 1]
                x = tf.switch_case(source, [lambda state=state: tf.identity(state) for state in states])
                x.set_shape(states[0].shape)
                terms.append(self._operation(cell, op, x, cell.row(node, slot) + source))
            states.append(tf.add_n(terms))
        unread = tf.cast(self._unread(cell, picks), tf.float32)
        [slices] = cell.project.of(flat)
        kernel = slices * tf.reshape(unread, [-1, 1, 1, 1, 1])
        joined = tf.nn.relu(tf.concat(states, -1))
        width = int(states[0].shape[-1])
        y = tf.nn.conv2d(joined, tf.reshape(kernel, [1, 1, -1, width]), 1, "SAME")
        return normalise(y, *cell.project_norm.of(flat))

    def _operation(self, cell: _Cell, op: tf.Tensor, x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        branches: list[Callable[[], tf.Tensor]] = []
        for handle in cell.ops:
            # Reading the row outside the branch keeps the gradient of the other rows out of the branch functions.
            parts = [variable[row] for variable in handle.of(self.variables)]
            branches.append(partial(run, handle.steps, x, parts) if handle.steps else partial(tf.identity, x))
        y = tf.switch_case(op, branches)
        y.set_shape(x.shape)
        return y

    def _unread(self, cell: _Cell, picks: tf.Tensor) -> tf.Tensor:
        """Per node, inputs included, whether no node of the cell reads it."""
        base = self._base(cell)
        sources = picks[base : base + 4 * cell.nodes : 2]
        counts = tf.math.bincount(sources, minlength=cell.nodes + 2, maxlength=cell.nodes + 2)
        return counts == 0

    def masks(self, picks: tf.Tensor) -> list[tf.Tensor]:
        masks: list[tf.Tensor] = [tf.constant(True)] * len(self.variables)
        for cell in self._cells:
            base = self._base(cell)
            wanted = picks[base : base + 4 * cell.nodes]
            sources, ops = wanted[0::2], wanted[1::2]
            starts = tf.constant([cell.row(node, slot) for node in range(2, cell.nodes + 2) for slot in range(2)])
            for number, handle in enumerate(cell.ops):
                used = tf.where(ops == number, starts + sources, cell.rows)
                mask = tf.reduce_any(tf.range(cell.rows)[:, None] == used[None, :], axis=1)
                masks[handle.start : handle.start + handle.count] = [mask] * handle.count
            masks[cell.project.start] = self._unread(cell, picks)
        return masks

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        layers = by_layer(self._stem.steps, self._values(self._stem))
        for cell in self._cells:
            base = self._base(cell)
            for handle in (cell.before, cell.last, *cell.halvers):
                layers += by_layer(handle.steps, self._values(handle))
            for node in range(2, cell.nodes + 2):
                for slot in range(2):
                    source, op = picks[base + 4 * (node - 2) + 2 * slot :][:2]
                    handle = cell.ops[op]
                    layers += by_layer(handle.steps, self._values(handle, cell.row(node, slot) + source))
            read = set(picks[base : base + 4 * cell.nodes : 2])
            [slices] = self._values(cell.project)
            kept = [slices[node] for node in range(cell.nodes + 2) if node not in read]
            layers.append([np.concatenate(kept, axis=2)])
            layers += by_layer((Norm(),), self._values(cell.project_norm))
        return layers, self._values(self._head)
