"""Supernets of DARTS' and NAS-Bench-201's cells as shared weights of single paths.

The picks of a genotype become a path, one operation per edge (see :mod:`harness.nets.supernets.cells`), and the graph
is told the path. What :class:`harness.nets.supernets.gated.GatedSupernet` promises holds here: one trace for all paths,
and a step that moves only weights of its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from harness.core.measure import Shape
from harness.core.space import Size, Space
from harness.nets.supernets.cells import MixedCell, cell_edges
from harness.nets.supernets.darts import MixedSupernet
from harness.nets.supernets.flat_weights import Handle
from harness.nets.supernets.gated import GatedSupernet, accuracy, cross_entropy
from harness.nets.supernets.nasbench201 import MixedStages
from harness.nets.supernets.relaxed import Layers, Relaxed
from harness.spaces.darts import CellSpace
from harness.spaces.nasbench201 import NB201_EDGES, NasBench201Space

RELAXED_SPACES = (CellSpace, NasBench201Space)
"""The spaces that have such a supernet."""
_END = 3
"""Last node of NAS-Bench-201's cell."""


def relaxed(
    space: Space,
    size: Size,
    image_shape: Shape,
    classes: int,
    rng: np.random.Generator,
    *,
    pools_normalised: bool = False,
) -> Relaxed:
    """The relaxed network of a space of :data:`RELAXED_SPACES`.

    Args:
        pools_normalised: see :class:`harness.nets.supernets.darts.MixedSupernet`; NAS-Bench-201's poolings never are.
    """
    match space:
        case CellSpace():
            return MixedSupernet(
                space.nodes,
                ("none", *space.operations),
                size,
                image_shape,
                classes,
                rng,
                pools_normalised=pools_normalised,
            )
        case NasBench201Space():
            return MixedStages(space.operations, size, image_shape, classes, rng)
    raise ValueError(f"space '{space.name}' has no relaxed network")


def path_of(space: Space, picks: Sequence[int] | np.ndarray) -> np.ndarray:
    """The path of a genotype's picks, as :meth:`.Relaxed.path_logits` takes it."""
    if isinstance(space, CellSpace):
        edges, path = cell_edges(space.nodes), []
        for half in range(2):
            ops = np.zeros(len(edges), np.int32)
            for node in range(space.nodes):
                position = (half * space.nodes + node) * 3
                sources = space.choices[position].options[int(picks[position])]
                assert isinstance(sources, tuple)
                for slot, source in enumerate(sources):
                    ops[edges.index((int(source), node + 2))] = 1 + int(picks[position + 1 + slot])
            path.append(ops)
        return np.concatenate(path)
    return np.array(picks, np.int32)


def without_dead_ends(operations: Sequence[str], path: np.ndarray) -> np.ndarray:
    """A path of NAS-Bench-201's cell with ``none`` on each edge that the output does not depend on.

    Such an edge starts at a node that no input reaches, or ends at one that the output does not read.
    """
    if "none" not in operations:
        return path
    none = operations.index("none")
    open_edges = [edge for edge, op in zip(NB201_EDGES, path, strict=True) if op != none]
    reached, read = {0}, {_END}
    for source, target in open_edges:  # in the order of their targets
        reached |= {target} if source in reached else set()
    for source, target in reversed(open_edges):
        read |= {source} if target in read else set()
    alive = [source in reached and target in read for source, target in NB201_EDGES]
    return np.where(alive, path, none).astype(np.int32)


class GatedPaths(GatedSupernet):
    """Shared weights of all paths through a relaxed network.

    Args:
        space: one of :data:`RELAXED_SPACES`; picks are its genotypes' picks.
        size: channels, cells, stem stride.
        image_shape, classes: of the data.
        rng: for the initial weights.
        momentum, weight_decay, clip: of the optimiser; the decay is a factor on the weights.

    Attributes:
        net: the relaxed network.
    """

    def __init__(
        self,
        space: Space,
        size: Size,
        image_shape: Shape,
        classes: int,
        rng: np.random.Generator,
        *,
        momentum: float = 0.9,
        weight_decay: float = 3e-4,
        clip: float = 5.0,
    ) -> None:
        self._space = space
        self.net = relaxed(space, size, image_shape, classes, rng)
        self._owners = [_Owners.of(kind, self.net, cell) for kind, cell in self.net.cells()]
        super().__init__(
            self.net.weights,
            self.net.kinds * self.net.edges,
            image_shape,
            momentum=momentum,
            weight_decay=weight_decay,
            clip=clip,
        )
        self.gate_gradient = tf.function(self._gate_gradient, autograph=False)
        self.mixing_gradient = tf.function(self._mixing_gradient, autograph=False)
        self.mixed_step = tf.function(self._mixed_step, autograph=False)
        # Traced once, called for every part of a batch.
        self._mixed_loss = tf.function(self._weight_gradient, autograph=False)

    def vector(self, picks: Sequence[int] | np.ndarray) -> np.ndarray:
        """The path, without what the output does not depend on."""
        return self.reduced(path_of(self._space, picks))

    def reduced(self, path: np.ndarray) -> np.ndarray:
        """An operation for each edge, without those that the output does not depend on."""
        return without_dead_ends(self.net.operations, path) if isinstance(self._space, NasBench201Space) else path

    def network(self, images: tf.Tensor, weights: Sequence[tf.Tensor], picks: tf.Tensor) -> tf.Tensor:
        return self.net.path_logits(images, weights, picks)

    def gated(self) -> list[tuple[Handle, np.ndarray]]:
        return [(handle, np.array(0)) for owners in self._owners for handle in owners.handles]

    def flags(self, picks: tf.Tensor) -> list[tf.Tensor]:
        return [tf.gather(picks, owners.rows) == tf.constant(owners.columns) for owners in self._owners]

    def cut(self, picks: Sequence[int]) -> tuple[Layers, list[np.ndarray]]:
        return self.net.cut(path_of(self._space, picks), self.values())

    def macs(self, picks: Sequence[int] | np.ndarray) -> int:
        """The adapters of a cell's inputs are computed, read or not."""
        return self.net.path_macs(self.vector(picks))

    def _gate_gradient(self, images: tf.Tensor, labels: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss' derivative by a factor on what each edge of a path carries, and the accuracy; see GDAS.

        Args:
            images: normalised.
            labels: of the images.
            path: from :meth:`vector`, or any operation per edge.
        """
        weights = self.layout.split_tensor(tf.convert_to_tensor(self.weights))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            gates = tf.ones(path.shape)
            tape.watch(gates)
            logits = self.net.path_logits(images, weights, path, gates)
            loss = cross_entropy(logits, labels)
        return tape.gradient(loss, gates), accuracy(logits, labels)

    def _mixing_gradient(self, images: tf.Tensor, labels: tf.Tensor, mixing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss' derivative by the shares of all operations, (kinds, edges, operations), and the accuracy."""
        weights = self.layout.split_tensor(tf.convert_to_tensor(self.weights))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(mixing)
            logits = self.net.logits(images, weights, *tf.unstack(mixing, self.net.kinds))
            loss = cross_entropy(logits, labels)
        return tape.gradient(loss, mixing), accuracy(logits, labels)

    def _weight_gradient(self, images: tf.Tensor, labels: tf.Tensor, mixing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weights = tf.convert_to_tensor(self.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            split = self.layout.split_tensor(weights)
            loss = cross_entropy(self.net.logits(images, split, *tf.unstack(mixing, self.net.kinds)), labels)
        return loss, tape.gradient(loss, weights)

    def _mixed_step(self, images: tf.Tensor, labels: tf.Tensor, mixing: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """A gradient step in which every part of the batch has shares of its own; returns the loss.

        What has no share in any part rests.

        Args:
            images, labels: of the batch, which is divided into equal parts.
            mixing: (parts, kinds, edges, operations).
            rate: of learning.
        """
        parts = int(mixing.shape[0])
        split = (tf.split(images, parts), tf.split(labels, parts), tf.unstack(mixing, parts))
        losses, gradients = zip(*(self._mixed_loss(*part) for part in zip(*split, strict=True)), strict=True)
        shares = tf.reduce_max(mixing, axis=0)
        flags = [tf.gather_nd(shares, owners.places) > 0 for owners in self._owners]
        active = tf.gather(tf.concat([[True], *flags], 0), self._flag_of)
        self.descend(tf.add_n(gradients) / parts, active, rate)
        return tf.add_n(losses) / parts


@dataclass(frozen=True)
class _Owners:
    """To which operations of which edges the weights of a cell belong.

    Args:
        handles: of the operations that have weights.
        rows, columns: of each: where its edge stands in a path, and its number among the operations.
        places: of each: where it stands in (kinds, edges, operations).
    """

    handles: list[Handle]
    rows: np.ndarray
    columns: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, kind: int, net: Relaxed, cell: MixedCell) -> _Owners:
        """Those of a cell of this kind."""
        handles, places = [], []
        for row, edge in enumerate(cell.edges):
            for op, handle in cell.candidates[edge].items():
                if handle.count:
                    handles.append(handle)
                    places.append((kind, row, net.operations.index(op)))
        table = np.array(places, np.int32).reshape(-1, 3)
        return cls(handles, kind * net.edges + table[:, 1], table[:, 2], table)
