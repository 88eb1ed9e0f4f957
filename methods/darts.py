"""DARTS, first and second order (Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search, ICLR 2019).

On every edge the choice of an operation is relaxed to a softmax over all operations, with logits ``alpha``. Gradient
steps alternate: ``alpha`` on the validation loss, the weights ``w`` on the training loss. In the first order the
gradient for ``alpha`` is that of L_val(w, alpha). In the second order it is that of L_val(w - xi grad L_train(w,
alpha), alpha), whose mixed second derivative is a finite difference (equations 7 and 8).

Deviations: the split is the harness' (the paper halves the training set). The learning rate depends on the share of the
budget that is spent and changes at every step (in the paper: at every epoch). Padding is TensorFlow's. A run is one
search, where the paper takes the best of four by a short training. Normalisations use batch statistics, as in the
paper's search. The search ends with the budget and not after 50 epochs; in long searches skip connections prevail.

Published: CIFAR-10 error 3.00 +- 0.14 (first order), 2.76 +- 0.09 (second order) with cutout after 600 epochs, 1.5 and
4 GPU-days of search. Cost: a step takes two gradients (order 1) or five (order 2) and is charged as two or five
gradient steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from harness import Genotype, InputError, Method, State, Task, derive_seed, needs_images, rng, space_is
from harness.core.schedule import cosine
from harness.nets import runtime
from harness.nets.batches import Batches, augmented
from harness.nets.supernets.darts import MixedSupernet, cell_edges
from harness.nets.supernets.flat_weights import Layout
from harness.spaces.darts import CellSpace

Tensors = Sequence[tf.Tensor]
Gradients = Callable[[tf.Tensor, Tensors], tuple[tf.Tensor, Tensors]]
"""``(w, alpha) -> (gradient for w, gradients for alpha)`` on one batch; TensorFlow computes only what is used."""

GRADIENTS_PER_STEP = {1: 2, 2: 5}


@dataclass(frozen=True)
class Darts(Method):
    """The hyper-parameters of the paper's search on CIFAR-10.

    Args:
        order: 1 or 2.
        batch: images per step, from the training and from the validation split each.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of ``w`` (SGD, cosine schedule).
        alpha_learning_rate, alpha_beta1, alpha_weight_decay: of ``alpha`` (Adam).
        alpha_deviation: standard deviation of the normal distribution that ``alpha`` starts from.
        propose_every: steps between two proposals.
    """

    name = "darts"
    title = "DARTS"
    space = "cell"
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"batch": 16, "propose_every": 2},
        "quick": {"batch": 32, "alpha_learning_rate": 3e-2, "propose_every": 5},
    }

    order: int = 1
    batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    alpha_learning_rate: float = 3e-4
    alpha_beta1: float = 0.5
    alpha_weight_decay: float = 1e-3
    alpha_deviation: float = 1e-3
    propose_every: int = 50

    def __post_init__(self) -> None:
        if self.order not in GRADIENTS_PER_STEP:
            raise InputError(f"darts has order 1 or 2, not {self.order}")

    def unsupported(self, task: Task) -> str | None:
        """The supernet is that of DARTS' cells, whose nodes read two different inputs."""
        return needs_images(task) or space_is(task, CellSpace)

    def search(self, task: Task) -> None:
        """Alternates the two gradient steps until the budget is spent, and proposes the current cells now and then."""
        assert isinstance(task.space, CellSpace)
        runtime.expect_large_graphs(wide=True)
        bilevel = Bilevel(self, task.space, task)
        restored = task.restored()
        if restored is not None:
            bilevel.restore(restored)
        accuracies: list[float] = []
        while True:
            task.step(GRADIENTS_PER_STEP[self.order])
            share = min(1.0, task.meter.spent / task.meter.limit)
            accuracies.append(bilevel.step(cosine(self.learning_rate, self.final_learning_rate, share)))
            if bilevel.steps % self.propose_every == 0 or bilevel.steps == 1:
                task.propose(derive(task.space, *bilevel.mixing()), float(np.mean(accuracies)))
                accuracies.clear()
            if not accuracies:
                task.checkpoint(bilevel.state)


class Bilevel:
    """The relaxed network with its two optimisers; ``w`` is one vector of all weights."""

    def __init__(self, settings: Darts, space: CellSpace, task: Task) -> None:
        data = task.data
        self._settings, self._data = settings, data
        weights = rng(task.seed, "supernet weights")
        self._net = MixedSupernet(
            space.nodes, ("none", *space.operations), task.recipe.size, data.image_shape[2], data.classes, weights
        )
        self._layout = Layout([value.shape for value in self._net.initial])
        self.w = tf.Variable(self._layout.join(self._net.initial))
        self.velocity = tf.Variable(tf.zeros_like(self.w), trainable=False)
        shape = (self._net.edges, len(self._net.operations))
        start = [weights.normal(0.0, settings.alpha_deviation, shape).astype(np.float32) for _ in range(2)]
        self.alpha = [tf.Variable(value) for value in start]
        self._adam = keras.optimizers.Adam(settings.alpha_learning_rate, beta_1=settings.alpha_beta1, beta_2=0.999)
        self._adam.build(self.alpha)
        self._train = Batches(data.x_train, data.y_train, settings.batch, derive_seed(task.seed, "training batches"))
        self._valid = Batches(data.x_valid, data.y_valid, settings.batch, derive_seed(task.seed, "validation batches"))
        self._seed = derive_seed(task.seed, "augmentation")
        self.steps = 0
        # Traced once, called two or four times: TensorFlow inlines the calls and drops the results that nobody uses.
        self._gradients = tf.function(self._batch_gradients, autograph=False)
        self._traced = tf.function(self._step, autograph=False)

    def step(self, rate: float) -> float:
        """One step of ``alpha`` and one of ``w``; returns the relaxed network's accuracy on the validation batch."""
        seeds = [tf.constant([self._seed, 2 * self.steps + i], tf.int64) for i in range(2)]
        batches = (*self._train[self.steps], *self._valid[self.steps])
        accuracy = self._traced(*batches, *seeds, tf.constant(rate, tf.float32))
        self.steps += 1
        return float(accuracy)

    def mixing(self) -> list[np.ndarray]:
        """Softmax of alpha: normal and reduction cell, (edges, operations) each."""
        return [tf.nn.softmax(alpha).numpy() for alpha in self.alpha]

    def _batch_gradients(
        self, images: tf.Tensor, labels: tf.Tensor, w: tf.Tensor, alpha: Tensors
    ) -> tuple[tf.Tensor, Tensors, tf.Tensor]:
        """Gradients for ``w`` and ``alpha``, and the accuracy."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([w, *alpha])
            logits = self._net.logits(images, self._layout.split_tensor(w), *(tf.nn.softmax(a) for a in alpha))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        for_w, for_alpha = tape.gradient(loss, [w, alpha])
        accuracy = tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))
        return for_w, for_alpha, accuracy

    def _step(
        self,
        train_images: tf.Tensor,
        train_labels: tf.Tensor,
        valid_images: tf.Tensor,
        valid_labels: tf.Tensor,
        train_seed: tf.Tensor,
        valid_seed: tf.Tensor,
        rate: tf.Tensor,
    ) -> tf.Tensor:
        settings = self._settings
        x_train = augmented(train_images, self._data, train_seed)
        x_valid = augmented(valid_images, self._data, valid_seed)
        seen: list[tf.Tensor] = []

        def on_train(w: tf.Tensor, alpha: Tensors) -> tuple[tf.Tensor, Tensors]:
            return self._gradients(x_train, train_labels, w, list(alpha))[:2]

        def on_valid(w: tf.Tensor, alpha: Tensors) -> tuple[tf.Tensor, Tensors]:
            for_w, for_alpha, accuracy = self._gradients(x_valid, valid_labels, w, list(alpha))
            seen.append(accuracy)
            return for_w, for_alpha

        w, alpha = tf.convert_to_tensor(self.w), [tf.convert_to_tensor(a) for a in self.alpha]
        direction = architecture_gradient(
            on_train,
            on_valid,
            w,
            alpha,
            tf.convert_to_tensor(self.velocity),
            order=settings.order,
            rate=rate,
            momentum=settings.momentum,
            decay=settings.weight_decay,
        )
        pull = settings.alpha_weight_decay
        self._adam.apply([g + pull * a for g, a in zip(direction, alpha, strict=True)], self.alpha)
        gradient, _ = on_train(w, [tf.convert_to_tensor(a) for a in self.alpha])
        tf.raw_ops.ResourceApplyMomentum(
            var=self.w.handle,
            accum=self.velocity.handle,
            lr=rate,
            grad=tf.clip_by_norm(gradient, settings.clip) + settings.weight_decay * w,
            momentum=settings.momentum,
        )
        return seen[0]

    def state(self) -> State:
        """All variables and the number of steps, for a checkpoint."""
        saved = {"steps": np.array(self.steps)}
        for group, variables in self._groups().items():
            saved |= {f"{group}{i}": np.asarray(variable) for i, variable in enumerate(variables)}
        return saved

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        self.steps = int(state["steps"])
        for group, variables in self._groups().items():
            for i, variable in enumerate(variables):
                variable.assign(state[f"{group}{i}"])

    def _groups(self) -> dict[str, list[Any]]:
        return {"w": [self.w], "velocity": [self.velocity], "alpha": self.alpha, "adam": self._adam.variables}


def architecture_gradient(
    on_train: Gradients,
    on_valid: Gradients,
    w: tf.Tensor,
    alpha: Tensors,
    velocity: tf.Tensor,
    *,
    order: int,
    rate: tf.Tensor | float,
    momentum: float,
    decay: float,
) -> Tensors:
    """The gradient that alpha descends; ``w`` and ``velocity`` are vectors.

    Order 1 is the gradient of L_val(w, alpha). Order 2 is that of L_val(w', alpha), where w' is ``w`` after one step of
    its own optimiser with rate xi:

        grad_alpha L_val(w', alpha) - xi (grad_alpha L_train(w+, alpha) - grad_alpha L_train(w-, alpha)) / (2 eps)

    with w+- = w +- eps v, v = grad_w' L_val(w', alpha) and eps = 0.01 / |v|. Momentum and weight decay are part of w'
    but not of the correction, as in the authors' code. No variable is assigned.
    """
    if order == 1:
        return on_valid(w, alpha)[1]
    gradient, _ = on_train(w, alpha)
    ahead = w - rate * (momentum * velocity + gradient + decay * w)
    towards, direct = on_valid(ahead, alpha)
    eps = 0.01 / tf.maximum(tf.norm(towards), 1e-12)
    _, plus = on_train(w + eps * towards, alpha)
    _, minus = on_train(w - eps * towards, alpha)
    return [d - rate * (p - m) / (2.0 * eps) for d, p, m in zip(direct, plus, minus, strict=True)]


def derive(space: CellSpace, normal: np.ndarray, reduction: np.ndarray) -> Genotype:
    """The discrete cells of mixing weights: per node the two strongest edges, each with its strongest operation.

    Args:
        space: DARTS' cell space.
        normal, reduction: (edges, 1 + operations). Column 0 is ``none``, which is never chosen and does not count in
            the strength of an edge.
    """
    edges = cell_edges(space.nodes)
    cells: list[list[tuple[str, int]]] = []
    for scores in (normal, reduction):
        assert scores.shape == (len(edges), 1 + len(space.operations))
        entries: list[tuple[str, int]] = []
        for node in range(2, space.nodes + 2):
            rows = [number for number, (_, target) in enumerate(edges) if target == node]
            strongest = sorted(rows, key=lambda row: -float(scores[row, 1:].max()))[:2]
            for row in sorted(strongest):
                entries.append((space.operations[int(scores[row, 1:].argmax())], edges[row][0]))
        cells.append(entries)
    return space.from_edges(*cells)


def one_hot(space: CellSpace, genotype: Genotype) -> list[np.ndarray]:
    """Mixing weights that are 1 on the genotype's edges and ``none`` elsewhere; ``derive`` gives the genotype back."""
    edges = cell_edges(space.nodes)
    cells = []
    for half in range(2):
        scores = np.zeros((len(edges), 1 + len(space.operations)), np.float32)
        for node in range(space.nodes):
            position = (half * space.nodes + node) * 3
            sources, *ops = (space.option(genotype, position + i) for i in range(3))
            assert isinstance(sources, tuple)
            for source, op in zip(sources, ops, strict=True):
                scores[edges.index((source, node + 2)), 1 + space.operations.index(str(op))] = 1.0
        scores[scores.sum(axis=1) == 0, 0] = 1.0
        cells.append(scores)
    return cells


METHOD = Darts
