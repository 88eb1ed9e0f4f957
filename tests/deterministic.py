"""Looks through a graph for operations that graphics cards refuse where a run has to repeat itself."""

from __future__ import annotations

import tensorflow as tf

REFUSED = {"Bincount", "DenseBincount", "RaggedBincount", "MaxPoolGradWithArgmax"}
"""Without a deterministic kernel for graphics cards (TensorFlow 2.20 and 2.21); those of processors all have one."""


def refused_on_cards(function: tf.types.experimental.ConcreteFunction) -> set[str]:
    """Names of such operations in a traced function and in all that it calls.

    Gradients of normalisations by given statistics belong to them, those by a batch's own do not.
    """
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    still = {node.op for node in nodes if node.op.startswith("FusedBatchNormGrad") and not node.attr["is_training"].b}
    return still | {node.op for node in nodes if node.op in REFUSED}
