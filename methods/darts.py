"""DARTS, first and second order (Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search, ICLR 2019).

On every edge the choice of an operation is relaxed to a softmax over all operations, with logits ``alpha``. Gradient
steps alternate: ``alpha`` on the validation loss, the weights ``w`` on the training loss. In the first order the
gradient for ``alpha`` is that of L_val(w, alpha). In the second order it is that of L_val(w - xi grad L_train(w,
alpha), alpha), whose mixed second derivative is a finite difference (equations 7 and 8).

Schedule: a search has the paper's 19,500 steps at most (its 50 epochs of half the training set); in longer ones skip
connections prevail. A smaller budget is one shorter search, and the rate of ``alpha`` is larger in proportion: rate
times steps is the paper's, as long as the rate is not above 0.05. What 19,500 steps leave goes into further searches
with other seeds and equal shares; the cells of each are evaluated, and the best evaluation wins, which is the authors'
protocol. Less than half a search is left unspent.

Deviations: the split is the harness' (the paper halves the training set). The learning rate changes at every step (in
the paper: at every epoch). Padding is TensorFlow's. Normalisations use batch statistics, as in the paper's search.

Published: CIFAR-10 error 3.00 +- 0.14 (first order), 2.76 +- 0.09 (second order) with cutout after 600 epochs, 1.5 and
4 GPU-days of search. Cost: a step takes two gradients (order 1) or five (order 2) and is charged as two or five
gradient steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from harness import InputError, Method, Space, State, Task, derive_seed, needs_images, rng, space_is
from harness.core.budget import PASSES_PER_STEP
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.schedule import cosine
from harness.nets import runtime
from harness.nets.augment import normalise
from harness.nets.batches import Batches, augmented
from harness.nets.layout import Layout
from harness.nets.supernets.paths import RELAXED_SPACES, relaxed
from harness.nets.supernets.relaxed import Relaxed

from .common.alpha import alpha_rate
from .common.derive import derived
from .common.plan import MARGIN, examples
from .common.shared_weights import StepTimes

Tensors = Sequence[tf.Tensor]
Gradients = Callable[[tf.Tensor, Tensors], tuple[tf.Tensor, Tensors]]
"""``(w, alpha) -> (gradient for w, gradients for alpha)`` on one batch; TensorFlow computes only what is used."""

GRADIENTS_PER_STEP = {1: 2, 2: 5}
PAPER_STEPS = 19_500
"""Steps of the paper's search: 50 epochs of 25,000 images in batches of 64."""
DEAREST = 8.0
"""Cells cost less than that many times the mean of random ones: 5 in NAS-Bench-201, all convolutions 3x3."""


@dataclass(frozen=True)
class Darts(Method):
    """The hyper-parameters of the paper's search on CIFAR-10.

    Args:
        order: 1 or 2.
        batch: images per step, from the training and from the validation split each.
        learning_rate, final_learning_rate, momentum, weight_decay, clip: of ``w`` (SGD, cosine schedule).
        steps: of a search, at most.
        alpha_learning_rate, alpha_beta1, alpha_weight_decay: of ``alpha`` (Adam); the rate is that of a search of
            19,500 steps, a shorter one has a larger rate.
        alpha_deviation: standard deviation of the normal distribution that ``alpha`` starts from.
        propose_every: steps between two proposals.
    """

    name = "darts"
    title = "DARTS"
    space = "cell"
    families = ("differentiable",)
    trains = True
    position = 160
    look = 15
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"batch": 16, "propose_every": 2},
        "quick": {"batch": 32, "propose_every": 5},
        "nb201-weights": {"weight_decay": 5e-4},
    }

    order: int = 1
    batch: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    steps: int = PAPER_STEPS
    alpha_learning_rate: float = 3e-4
    alpha_beta1: float = 0.5
    alpha_weight_decay: float = 1e-3
    alpha_deviation: float = 1e-3
    propose_every: int = 50

    def __post_init__(self) -> None:
        if self.order not in GRADIENTS_PER_STEP:
            raise InputError(f"darts has order 1 or 2, not {self.order}")
        if min(self.steps, self.batch, self.propose_every) < 1 or self.alpha_learning_rate <= 0:
            raise InputError("darts needs steps, batch and propose_every of at least 1 and alpha_learning_rate > 0")

    def unsupported(self, task: Task) -> str | None:
        """The supernets are those of DARTS' cells and of NAS-Bench-201's."""
        return space_is(task, *RELAXED_SPACES) or needs_images(task)

    def search(self, task: Task) -> None:
        """Searches until the budget is spent, once or several times, and proposes the current cells now and then."""
        runtime.expect_large_graphs(wide=True)
        bilevel = Bilevel(self, task.space, task)
        restored = task.restored()
        if restored is not None:
            bilevel.restore(restored)
        else:
            # A short budget can end before the shared network is traced.
            task.propose(derived(task.space, bilevel.mixing()))
        while self.plan(task, bilevel).count > bilevel.number:
            self._descend(task, bilevel)
            # Asked again: in seconds nothing was known of a step's time before the first search.
            if self.plan(task, bilevel).count > 1:
                task.evaluate([derived(task.space, bilevel.mixing())])
            bilevel.begin(bilevel.number + 1)
            task.checkpoint(bilevel.paced_state)

    def plan(self, task: Task, bilevel: Bilevel) -> Searches:
        """How the budget is divided; in seconds it is guessed from the steps so far, once there are enough."""
        meter = task.meter
        step = meter.price(seconds=bilevel.step_seconds, steps=GRADIENTS_PER_STEP[self.order], macs=bilevel.macs)
        evaluation = self._expected(task, bilevel)
        if meter.budget.unit in ("s", "macs"):
            evaluation *= MARGIN
        return divided(meter.limit, step, evaluation, self.steps) if step else Searches(1, self.steps)

    def _expected(self, task: Task, bilevel: Bilevel) -> float:
        """Cost of evaluating the cells of a search, as far as that is known before there are any."""
        if task.meter.budget.unit == "macs":
            return bilevel.charged
        return task.cost(bilevel.first) or bilevel.guess()

    def _descend(self, task: Task, bilevel: Bilevel) -> None:
        """One search, or what is left of it."""
        accuracies: list[float] = []
        while True:
            plan = self.plan(task, bilevel)
            step = GRADIENTS_PER_STEP[self.order]
            ahead = task.meter.price(seconds=bilevel.step_seconds, steps=step, macs=bilevel.macs)
            if bilevel.steps >= plan.steps or ahead > task.meter.left - self._due(task, bilevel, plan):
                break
            task.plan(searches=plan.count, alpha_rate=self.alpha_rate(plan.steps))
            task.step(step, macs=bilevel.macs)
            bilevel.alpha_rate(self.alpha_rate(plan.steps))
            rate = cosine(self.learning_rate, self.final_learning_rate, bilevel.steps / plan.steps)
            accuracies.append(bilevel.step(rate))
            if bilevel.steps % self.propose_every == 0 or bilevel.steps == 1:
                if task.best is None:  # else only the evaluation of a whole search counts
                    task.propose(derived(task.space, bilevel.mixing()), float(np.mean(accuracies)))
                accuracies.clear()
                task.checkpoint(bilevel.paced_state)
        if accuracies and task.best is None:
            task.propose(derived(task.space, bilevel.mixing()), float(np.mean(accuracies)))

    def _due(self, task: Task, bilevel: Bilevel, plan: Searches) -> float:
        """Cost of evaluating this search's cells, or nothing as long as that is far away.

        The plan goes by the cost of random cells. Without an evaluation of its own a search would be lost.
        """
        if plan.count == 1 or task.meter.left > DEAREST * self._expected(task, bilevel):
            return 0.0
        return task.cost(derived(task.space, bilevel.mixing()))

    def alpha_rate(self, steps: int) -> float:
        """Adam's rate for ``alpha`` in a search of so many steps."""
        return alpha_rate(self.alpha_learning_rate, PAPER_STEPS, steps)


@dataclass(frozen=True)
class Searches:
    """Equal searches.

    Args:
        count: how many.
        steps: gradient steps of each.
    """

    count: int
    steps: int


def divided(limit: float, step: float, evaluation: float, most: int) -> Searches:
    """How many searches a budget holds, and how long they are.

    Args:
        limit: the budget; this and the costs are in one unit.
        step, evaluation: cost of a step, and of training the cells that a search ends with from scratch.
        most: steps of a search, at most.
    """
    count = max(1, int(limit / (most * step + evaluation) + 0.5))
    own = limit if count == 1 else limit / count - evaluation
    return Searches(count, max(1, min(most, int(own / step + 1e-9))))


class Bilevel:
    """The relaxed network with its two optimisers; ``w`` is one vector of all weights.

    Attributes:
        macs: multiply-accumulates of a step, all candidates of all edges computed.
        number, steps: of the searches before this one, and steps of this one.
        first: the cells of the first ``alpha``.
        evaluation_macs: multiply-accumulates of training random cells on the proxy task, the mean of some.
    """

    def __init__(self, settings: Darts, space: Space, task: Task) -> None:
        data = task.data
        self._settings, self._data, self._augments = settings, data, task.recipe.augment
        self._task, self._space = task, space
        self._net, start = self._drawn(0)
        gradients = GRADIENTS_PER_STEP[settings.order]
        self.macs = gradients * PASSES_PER_STEP * min(settings.batch, len(data.x_train)) * self._net.macs
        self._layout = Layout([value.shape for value in self._net.initial])
        self.w = tf.Variable(self._layout.join(self._net.initial))
        self.velocity = tf.Variable(tf.zeros_like(self.w), trainable=False)
        self.alpha = [tf.Variable(value) for value in start]
        self._adam = keras.optimizers.Adam(settings.alpha_learning_rate, beta_1=settings.alpha_beta1, beta_2=0.999)
        self._adam.build(self.alpha)
        self._train = Batches(data.x_train, data.y_train, settings.batch, derive_seed(task.seed, "training batches"))
        self._valid = Batches(data.x_valid, data.y_valid, settings.batch, derive_seed(task.seed, "validation batches"))
        self._seed = derive_seed(task.seed, "augmentation")
        self.first = derived(space, self.mixing())
        recipe = task.recipe
        graphs = [lower(space.decode(example, recipe.size)) for example in examples(task)]
        own = [measure(graph, data.image_shape, data.classes).macs for graph in graphs]
        self.evaluation_macs = float(np.mean([recipe.evaluation_macs(macs, len(data.x_valid)) for macs in own]))
        self.number = self.steps = self._seen = 0
        self._times = StepTimes()
        # Traced once, called two or four times: TensorFlow inlines the calls and drops the results that nobody uses.
        self._gradients = tf.function(self._batch_gradients, autograph=False)
        self._traced = tf.function(self._step, autograph=False)

    def step(self, rate: float) -> float:
        """One step of ``alpha`` and one of ``w``; returns the relaxed network's accuracy on the validation batch."""
        began = time.perf_counter()
        seeds = [tf.constant([self._seed, 2 * self._seen + i], tf.int64) for i in range(2)]
        batches = (*self._train[self._seen], *self._valid[self._seen])
        accuracy = float(self._traced(*batches, *seeds, tf.constant(rate, tf.float32)))
        self.steps += 1
        self._seen += 1
        self._times.note(time.perf_counter() - began)
        return accuracy

    @cached_property
    def charged(self) -> float:
        """What the task charges for evaluating random cells, the mean of some, in a counted budget's unit.

        A table charges its own trainings, whose networks may be larger than those that the relaxed one is cut to.
        """
        return float(np.mean([self._task.cost(example) for example in examples(self._task)]))

    @property
    def step_seconds(self) -> float:
        """Mean time of a step without the first one of a process, which traces; 0 before the second."""
        return self._times.seconds

    def alpha_rate(self, rate: float) -> None:
        """Sets the learning rate of ``alpha``."""
        self._adam.learning_rate = rate

    def begin(self, number: int) -> None:
        """Starts another search: new weights, a new ``alpha``, no memory in the optimisers; the images go on."""
        net, start = self._drawn(number)
        self.w.assign(self._layout.join(net.initial))
        self.velocity.assign(tf.zeros_like(self.velocity))
        for alpha, value in zip(self.alpha, start, strict=True):
            alpha.assign(value)
        for variable in self._adam.variables:
            variable.assign(tf.zeros_like(variable))
        self.number, self.steps = number, 0

    def _drawn(self, number: int) -> tuple[Relaxed, list[np.ndarray]]:
        """The network with the first weights of a search, and its first ``alpha``."""
        task, data, space = self._task, self._data, self._space
        weights = rng(task.seed, f"supernet weights {number}" if number else "supernet weights")
        size, shape = task.recipe.size, data.image_shape
        net = relaxed(space, size, shape, data.classes, weights, pools_normalised=True)
        alpha = (net.edges, len(net.operations))
        deviation = self._settings.alpha_deviation
        return net, [weights.normal(0.0, deviation, alpha).astype(np.float32) for _ in range(net.kinds)]

    def guess(self) -> float:
        """Seconds of training cells from scratch, if a multiply-accumulate takes as long as in a step."""
        return self.step_seconds * self.evaluation_macs / self.macs

    def mixing(self) -> list[np.ndarray]:
        """Softmax of alpha per kind of cell, (edges, operations)."""
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
        x_train = self._prepared(train_images, train_seed)
        x_valid = self._prepared(valid_images, valid_seed)
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

    def _prepared(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._augments:
            return augmented(images, self._data, seed)
        return normalise(images, self._data.mean, self._data.std)

    def state(self) -> State:
        """All variables and the number of steps, for a checkpoint."""
        saved = {"steps": np.array([self.number, self.steps, self._seen])}
        for group, variables in self._groups().items():
            saved |= {f"{group}{i}": np.asarray(variable) for i, variable in enumerate(variables)}
        return saved

    def paced_state(self) -> State:
        """The state with the time that steps have taken, from which a resumed search plans."""
        return self.state() | {"pace": self._times.state()}

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned."""
        self.number, self.steps, self._seen = (int(count) for count in state["steps"])
        if "pace" in state:
            self._times.restore(state["pace"])
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


METHOD = Darts
