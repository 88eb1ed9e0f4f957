"""A cell with all candidate operations of every edge: computed together and mixed, or one chosen operation per edge.

Used by the supernets of DARTS' cells (two inputs) and of NAS-Bench-201's (one). A *path* is one operation per edge,
``none`` included: an architecture, or what GDAS samples.

Mixed, four things keep the graph small without changing a number: what leaves one node shares its ReLU; poolings and
skips have no weights, so each is computed once per node and not once per edge, and mixed for all edges at once; the
share of any other candidate is the scale of its last normalisation; and pixels are rearranged for dilated candidates
once per node, because convolution, normalisation and sum do not care where an image's pixels lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape, macs_of
from harness.core.primitives import CellPrimitive, Depthwise, Relu, primitives_of
from harness.nets.constants import Constants
from harness.nets.depthwise import assembled, scattered
from harness.nets.supernets.flat_weights import Handle, Weights, by_layer
from harness.nets.supernets.kernels import run

_DILATION = 2
"""Of every dilated candidate."""


def cell_edges(nodes: int, inputs: int = 2) -> list[tuple[int, int]]:
    """All (source, target) pairs of a cell with ``nodes`` computed nodes: 14 for four nodes and two inputs."""
    return [(source, target) for target in range(inputs, nodes + inputs) for source in range(target)]


class Choosers:
    """Runs lists of primitives, or one of several. Places of a network with the same ones share a traced function.

    A cell of four nodes has 14 edges of eight candidates: traced for every edge anew, a network would take a minute.

    A function that chooses stays a function in the graph that calls it. TensorFlow would write it out at every place,
    and then prepare its kernels as often, most of which no path ever runs: 17 instead of 7 CPU seconds before the first
    step of cell-3's paths, for the same steps. Functions whose kernels all run are written out: called, DARTS'
    candidates cost 15 to 20 % of a step.
    """

    def __init__(self) -> None:
        self._functions: dict[Any, Any] = {}

    def traced(
        self,
        body: Callable[..., tf.Tensor],
        static: tuple[Any, ...],
        x: tf.Tensor,
        *rest: Any,
        chooses: bool = True,
    ) -> Any:
        """``body(*static, x, *rest)``, traced once for all images of one shape.

        Args:
            body: a function of a module.
            static: hashable; what else the trace depends on.
            x: (n, h, w, c).
            rest: tensors, and lists of them.
            chooses: whether most of its kernels rest in most steps.
        """
        key = (body, static, tuple(x.shape[1:]))
        if key not in self._functions:
            attributes = {"_noinline": True} if chooses else {}
            self._functions[key] = tf.function(
                partial(body, *static), autograph=False, experimental_attributes=attributes
            )
        return self._functions[key](x, *rest)

    def __call__(
        self,
        lists: tuple[tuple[CellPrimitive, ...] | None, ...],
        op: tf.Tensor,
        x: tf.Tensor,
        weights: Sequence[Sequence[tf.Tensor]],
        shape: Shape,
    ) -> tf.Tensor:
        """List number ``op`` applied to ``x``, with its part of ``weights``; None gives zeros of ``shape``."""
        y: tf.Tensor = self.traced(_chosen, (lists, shape), x, op, [list(own) for own in weights])
        y.set_shape([None, *shape])
        return y

    def one(
        self, steps: tuple[CellPrimitive, ...], x: tf.Tensor, weights: Sequence[tf.Tensor], scale: tf.Tensor
    ) -> tf.Tensor:
        """The steps applied to ``x``; ``scale`` is that of the last (:func:`~harness.nets.supernets.kernels.run`)."""
        y: tf.Tensor = self.traced(_scaled, (steps,), x, list(weights), scale, chooses=False)
        return y


def _scaled(
    steps: tuple[CellPrimitive, ...], x: tf.Tensor, weights: Sequence[tf.Tensor], scale: tf.Tensor
) -> tf.Tensor:
    return run(steps, x, weights, scale=scale)


def _chosen(
    lists: Sequence[tuple[CellPrimitive, ...] | None],
    shape: Shape,
    x: tf.Tensor,
    op: tf.Tensor,
    weights: Sequence[Sequence[tf.Tensor]],
) -> tf.Tensor:
    branches = [partial(_branch, steps, shape, x, own) for steps, own in zip(lists, weights, strict=True)]
    return tf.switch_case(op, branches)


def _branch(
    steps: tuple[CellPrimitive, ...] | None, shape: Shape, x: tf.Tensor, weights: Sequence[tf.Tensor]
) -> tf.Tensor:
    if steps is None:
        return tf.zeros([tf.shape(x)[0], *shape])
    return run(steps, x, weights, branch=True) if steps else tf.identity(x)


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


class MixedCell:
    """The edges of a cell.

    Args:
        weights: collects their weights.
        inputs, nodes: of the cell; every computed node may read every earlier one.
        operations: candidates of each edge; ``none`` may be among them.
        shape: of the inputs.
        reduces: whether edges from the inputs halve the image.
        pools_normalised: whether a normalisation follows a pooling, as in DARTS' search network.
        choosers: shared by the cells of a network.

    Attributes:
        edges: (source, target), the rows of a mixing matrix.
        candidates: per edge the operations that are not ``none``.
        shape: of every computed node.
        op_macs: multiply-accumulates on one image, (edges, operations).
    """

    def __init__(
        self,
        weights: Weights,
        *,
        inputs: int,
        nodes: int,
        operations: tuple[str, ...],
        shape: Shape,
        reduces: bool,
        pools_normalised: bool,
        choosers: Choosers,
    ) -> None:
        self.inputs, self.nodes, self.operations, self._choosers = inputs, nodes, operations, choosers
        self.edges = cell_edges(nodes, inputs)
        self.shape = (-(-shape[0] // 2), -(-shape[1] // 2), shape[2]) if reduces else shape
        self.candidates: dict[tuple[int, int], dict[str, Handle]] = {}
        self.op_macs = np.zeros((len(self.edges), len(operations)), np.int64)
        for row, (source, target) in enumerate(self.edges):
            stride = 2 if reduces and source < inputs else 1
            own: dict[str, Handle] = {}
            for column, op in enumerate(operations):
                steps = primitives_of(op, shape[2], stride, affine=False, search=pools_normalised)
                if steps is not None:
                    own[op] = weights.add(steps, shape[2])
                    self.op_macs[row, column] = macs_of(steps, shape if source < inputs else self.shape)[0]
            self.candidates[source, target] = own
        self._dilates = any(_is_dilated(handle.steps) for own in self.candidates.values() for handle in own.values())

    def chosen(
        self,
        states: Sequence[tf.Tensor],
        weights: Sequence[tf.Tensor],
        ops: tf.Tensor,
        gates: tf.Tensor | None = None,
    ) -> list[tf.Tensor]:
        """All nodes, inputs first, when each edge computes one operation.

        Args:
            states: the inputs.
            weights: of the network.
            ops: numbers of operations, (edges,).
            gates: factors on what the edges carry, (edges,); None for ones.
        """
        states, row = list(states), 0
        for target in range(self.inputs, self.nodes + self.inputs):
            terms = []
            for source in range(target):
                handles = [self.candidates[source, target].get(op) for op in self.operations]
                lists = tuple(handle.steps if handle else None for handle in handles)
                own = [handle.of(weights) if handle else [] for handle in handles]
                carried = self._choosers(lists, ops[row], states[source], own, self.shape)
                terms.append(carried if gates is None else carried * gates[row])
                row += 1
            states.append(tf.add_n(terms))
        return states

    def cut(self, ops: np.ndarray, values: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The weights of a path's operations, grouped as the builder's layers; ``ops`` as for :meth:`chosen`."""
        layers: list[list[np.ndarray]] = []
        for edge, op in zip(self.edges, ops, strict=True):
            handle = self.candidates[edge].get(self.operations[int(op)])
            layers += by_layer(handle.steps, handle.of(values), self.shape[2]) if handle else []
        return layers

    def mixed(
        self, states: Sequence[tf.Tensor], weights: Sequence[tf.Tensor], mixing: tf.Tensor, constants: Constants
    ) -> list[tf.Tensor]:
        """All nodes, inputs first, when each edge carries a weighted sum of all operations.

        Args:
            states: the inputs.
            weights: of the network.
            mixing: the shares, (edges, operations).
            constants: of the graph.
        """
        # A candidate's share is the scale of its last normalisation: a row per (edge, operation), a column per channel.
        shares = tf.reshape(mixing, [-1, 1]) * constants.filled(1.0, self.shape[2])
        scales = iter(tf.unstack(shares, len(self.edges) * len(self.operations)))
        scale_of = {(edge, op): next(scales) for edge in self.edges for op in self.operations}
        states, sources = list(states), list[_Source]()
        for target in range(self.inputs, self.nodes + self.inputs):
            for number in range(len(sources), target):
                sources.append(self._source(number, states[number], mixing, constants))
            together: list[tf.Tensor] = []
            apart: list[tf.Tensor] = []
            for number, source in enumerate(sources):
                together += [source.light[target]] if target in source.light else []
                for op, handle in self.candidates[number, target].items():
                    if not handle.count:
                        continue
                    steps, ready, terms = handle.steps, source.rectified, together
                    if source.apart is not None and _is_dilated(steps):
                        steps, ready, terms = _undilated(steps), source.apart, apart
                    scale, x = scale_of[(number, target), op], source.state
                    if isinstance(steps[0], Relu):
                        steps, x = steps[1:], ready
                    terms.append(self._choosers.one(steps, x, handle.of(weights), scale))
            if apart:
                # Dilated candidates keep the size, and the last source always has the target's.
                height, width = map(int, sources[-1].state.shape[1:3])
                together.append(assembled(tf.add_n(apart), _DILATION, height, width, constants))
            states.append(tf.add_n(together))
        return states

    def _source(self, number: int, state: tf.Tensor, mixing: tf.Tensor, constants: Constants) -> _Source:
        rectified = tf.nn.relu(state)
        # Parts of unequal size are filled up with zeros, which a normalisation must not see.
        equal = all(int(length) % _DILATION == 0 for length in state.shape[1:3])
        return _Source(
            state=state,
            rectified=rectified,
            apart=scattered(rectified, _DILATION, constants) if equal and self._dilates else None,
            light=self._light(number, state, mixing, constants),
        )

    def _light(self, source: int, state: tf.Tensor, mixing: tf.Tensor, constants: Constants) -> dict[int, tf.Tensor]:
        """What the candidates without weights carry from one node to every later one.

        Each is computed once; the mixtures for all targets are one matrix product, (targets, candidates) times
        (candidates, numbers of an image).
        """
        targets = [target for start, target in self.edges if start == source]
        own = self.candidates[source, targets[0]]
        ops = [op for op, handle in own.items() if not handle.count]
        if not ops:
            return {}
        results = [run(own[op].steps, state, (), constants=constants) for op in ops]
        rows = np.eye(len(self.edges), dtype=np.float32)[[self.edges.index((source, target)) for target in targets]]
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
