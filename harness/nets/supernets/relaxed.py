"""The contract of a supernet that is mixed by shares, or computes one path."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from harness.nets.supernets.cells import MixedCell
from harness.nets.supernets.flat_weights import Weights

Layers = list[list[np.ndarray]]
"""Weights grouped as the builder's layers, for :func:`harness.nets.build.assign`."""


class Relaxed(abc.ABC):
    """A network whose cells are of a few kinds; all cells of a kind have one architecture and weights of their own.

    Attributes:
        weights: laid out; ``weights.values`` are the initial ones.
        operations: candidates of each edge, in the order of a mixing matrix's columns.
        kinds: of cells: normal and reduction cell, or one.
        edges: of a cell, the rows of a mixing matrix.
        macs: multiply-accumulates of one image's forward pass, all candidates together.
    """

    weights: Weights
    operations: tuple[str, ...]
    kinds: int
    edges: int
    macs: int

    @property
    def initial(self) -> list[np.ndarray]:
        """The initial weights, a flat list."""
        return self.weights.values

    @abc.abstractmethod
    def cells(self) -> list[tuple[int, MixedCell]]:
        """Every cell with its kind, in the order of the stack."""

    @abc.abstractmethod
    def logits(self, images: tf.Tensor, weights: Sequence[tf.Tensor], *mixing: tf.Tensor) -> tf.Tensor:
        """The output of the mixed network.

        Args:
            images: normalised, (n, h, w, c).
            weights: in the order of :attr:`initial`; variables or tensors.
            mixing: per kind of cell, shares of the operations, (edges, operations): softmax of alpha, or one-hot rows,
                which make the network a discrete one.
        """

    @abc.abstractmethod
    def path_logits(
        self, images: tf.Tensor, weights: Sequence[tf.Tensor], ops: tf.Tensor, gates: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The output of one path: only the chosen operations are computed.

        Args:
            images, weights: see :meth:`logits`.
            ops: numbers of operations, kind after kind, (kinds * edges,).
            gates: factors on what the edges carry, of the same shape; None for ones.
        """

    @abc.abstractmethod
    def cut(self, ops: np.ndarray, values: Sequence[np.ndarray]) -> tuple[Layers, list[np.ndarray]]:
        """The weights of one path for the standalone network of the same architecture and size.

        Args:
            ops: of the path, as :meth:`path_logits` takes them.
            values: all weights.
        """

    def path_macs(self, ops: np.ndarray) -> int:
        """Multiply-accumulates of one image's forward pass along a path."""
        rows, number = ops.reshape(self.kinds, self.edges), np.arange(self.edges)
        macs = self.macs
        for kind, cell in self.cells():
            macs += int(cell.op_macs[number, rows[kind]].sum() - cell.op_macs.sum())
        return macs

    def most_macs(self) -> int:
        """Multiply-accumulates of one image's forward pass along the most expensive path."""
        return self.macs + sum(int(cell.op_macs.max(axis=1).sum() - cell.op_macs.sum()) for _, cell in self.cells())
