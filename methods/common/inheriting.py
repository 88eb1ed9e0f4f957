"""Trains networks that begin with inherited weights, and keeps the weights: what EAS and AutoKeras' morphism share.

Every training is logged by :meth:`Task.record` and charged step by step. Weights are not in the log but in the
checkpoint, so that an interrupted search continues; a network that was logged but not saved is trained again without
being charged, which gives the same weights. Measured statistics are charged and not logged: a resumed search, whose
meter stands where it was saved, measures and pays them again.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from harness import Evaluation, State, Task, derive_seed
from harness.core.budget import PASSES_PER_STEP
from harness.core.measure import measure
from harness.nets import runtime
from harness.nets.augment import normalise
from harness.nets.build import build_model
from harness.nets.training import TrainingFailed, train
from harness.spaces.morphism import Chain, MorphSpace, Part

from .forward import rectified_output
from .morphism import LOGITS, Array, Key, Net, Weights

FORGET_EVERY = 25
"""Trainings until Keras forgets what it keeps outside of models, see :mod:`harness.nets.evaluator`."""
MEASURED = 64
"""Training images that the statistics of an inserted layer are measured on, EAS' number."""


@dataclass(frozen=True)
class Trained:
    """A network after its training.

    Args:
        chain: what was trained.
        weights: after the training; None where it failed.
        accuracy: on the validation images.
        inherited: gradient steps behind the weights that it began with.
        steps: of its own training.
    """

    chain: Chain
    weights: Weights | None
    accuracy: float
    inherited: int
    steps: int

    @property
    def behind(self) -> int:
        """Gradient steps behind its weights: what a child inherits."""
        return self.inherited + self.steps


class Inheriting:
    """The trainings of one search.

    Args:
        task: gives data and budget; its space is a :class:`MorphSpace`.

    Attributes:
        space: the task's.
    """

    def __init__(self, task: Task) -> None:
        assert isinstance(task.space, MorphSpace)
        self._task, self.space = task, task.space

    def first(self, chain: Chain) -> Net:
        """A network with random weights, which depend on the search's seed alone."""
        return Net(chain, self._read(chain, self._build(chain, "first weights")))

    def train(self, net: Net, inherited: int) -> Trained:
        """Trains a network by the proxy recipe, logs it, and proposes it if it is the best.

        Args:
            net: with the weights it begins with.
            inherited: gradient steps behind these.

        Raises:
            BudgetSpent: the training does not fit into the budget.
        """
        task, genotype = self._task, self.space.write(net.chain)
        number, text = len(task.evaluations), str(genotype)
        after: list[Weights | None] = []

        def charged() -> Evaluation:
            own, recipe = self._macs(net.chain), task.recipe
            task.meter.afford(recipe.steps, recipe.evaluation_macs(own, len(task.data.x_valid)))
            evaluation, weights = self._train(net, number, text, charge=True)
            after.append(weights)
            return evaluation

        best = task.best.accuracy if task.best else -1.0
        evaluation = task.record(text, charged, genotype)
        if not after:
            began = task.meter.now()
            after.append(None if evaluation.failure else self._train(net, number, text, charge=False)[1])
            task.meter.exclude(task.meter.now() - began)
        if not evaluation.failure and evaluation.accuracy > best:
            task.propose(genotype, evaluation.accuracy, shared_weights=False)
            task.plan(inherited_steps=inherited)
        task.progress(f"{number + 1} evaluated, the last one on {inherited} inherited steps")
        return Trained(net.chain, after[0], evaluation.accuracy, inherited, evaluation.steps)

    def statistics(self, net: Net, key: Key) -> tuple[Array, Array]:
        """Mean and variance per channel of what the layer behind this one reads, on some training images.

        Charged as forward passes of the whole network, though no layer behind this one is computed.

        Args:
            net: with its weights.
            key: ``("conv", number)`` or ``("dense", number)``.

        Raises:
            BudgetSpent: the forward passes do not fit into the budget.
            KeyError: the network has no such layer.
        """
        graph, parts = self.space.lay_out(net.chain, self._task.recipe.size)
        data = self._task.data
        images = normalise(tf.constant(data.x_train[:MEASURED]), data.mean, data.std)
        # No gradient steps, as for the validations of a training.
        self._task.step(0, macs=len(images) * self._macs(net.chain))
        out = rectified_output(graph, parts, net.weights, key, images)
        out = out.reshape(-1, out.shape[-1])
        return out.mean(axis=0), out.var(axis=0)

    def logits(self, net: Net, images: tf.Tensor) -> np.ndarray:
        """Outputs of a network in inference on normalised images."""
        model = self._build(net.chain, "logits")
        self._write(net, model)
        return model(images, training=False).numpy()

    def saved(self, networks: Sequence[Trained]) -> State:
        """Trained networks as a checkpoint's arrays."""
        state: State = {
            "networks": np.array([str(self.space.write(net.chain)) for net in networks], np.str_),
            "accuracies": np.array([net.accuracy for net in networks]),
            "counts": np.array([(net.inherited, net.steps) for net in networks], np.int64).reshape(-1, 2),
        }
        for number, net in enumerate(networks):
            for layer, arrays in enumerate((net.weights or {}).values()):
                state |= {f"weights {number} {layer} {place}": array for place, array in enumerate(arrays)}
        return state

    def loaded(self, state: State) -> list[Trained]:
        """The networks that :meth:`saved` made arrays of."""
        networks = []
        for number, (text, accuracy) in enumerate(zip(state["networks"], state["accuracies"], strict=True)):
            chain = self.space.read(self.space.parse(str(text)))
            weights: dict[Key, tuple[Array, ...]] = {}
            keys = [*((part.key, 5 if part.normalised else 1) for _, part in self._numbered(chain)), (LOGITS, 2)]
            for layer, (key, count) in enumerate(keys):
                if f"weights {number} {layer} 0" in state:
                    weights[key] = tuple(state[f"weights {number} {layer} {place}"] for place in range(count))
            inherited, steps = (int(count) for count in state["counts"][number])
            networks.append(Trained(chain, weights or None, float(accuracy), inherited, steps))
        return networks

    def _train(self, net: Net, number: int, text: str, *, charge: bool) -> tuple[Evaluation, Weights | None]:
        """One training, and the weights after it."""
        task, began = self._task, time.perf_counter()

        meter, macs = task.meter, self._macs(net.chain)
        before = meter.steps, meter.macs

        def step() -> None:
            if charge:
                task.step(macs=PASSES_PER_STEP * task.recipe.batch * macs)

        def one_more(done: int, total: int) -> None:
            if done < total:
                step()

        failure, result = "", None
        try:
            model = self._build(net.chain, f"training {number}")
            self._write(net, model)
            step()
            with runtime.graph_optimizer_off():
                seed = derive_seed(task.seed, f"inheriting {number}")
                result = train(model, task.data, task.recipe, seed=seed, on_step=one_more)
            weights = self._read(net.chain, model)
            if charge:
                whole = task.recipe.evaluation_macs(macs, len(task.data.x_valid))
                meter.charge(seconds=0.0, steps=0, macs=max(0, whole - (meter.macs - before[1])))
        except TrainingFailed as error:
            failure = str(error)
        except runtime.OUT_OF_MEMORY:
            failure = "the memory did not suffice to train the network"
        finally:
            gc.collect()
            if number % FORGET_EVERY == FORGET_EVERY - 1:
                keras.utils.clear_session(free_memory=False)
        seconds = time.perf_counter() - began
        spent = meter.steps - before[0], meter.macs - before[1]
        if result is None:
            return Evaluation(text, 0.0, (), seconds, spent[0], failure, spent[1]), None
        return Evaluation(text, result.accuracy, result.curve, seconds, spent[0], macs=spent[1]), weights

    def _macs(self, chain: Chain) -> int:
        """Multiply-accumulates of one image's forward pass."""
        graph, _ = self.space.lay_out(chain, self._task.recipe.size)
        return measure(graph, self._task.data.image_shape, self._task.data.classes).macs

    def _build(self, chain: Chain, role: str) -> keras.Model:
        data, seed = self._task.data, derive_seed(self._task.seed, role)
        genotype = self.space.write(chain)
        return build_model(genotype, self.space, self._task.recipe.size, data.image_shape, data.classes, seed=seed)

    def _numbered(self, chain: Chain) -> list[tuple[int, Part]]:
        """The layers with weights, each with the number that its convolution has in the builder's names."""
        _, parts = self.space.lay_out(chain, self._task.recipe.size)
        numbers, number = [], 1
        for part in parts:
            numbers.append(number)
            number += 1 + part.normalised
        return list(zip(numbers, parts, strict=True))

    def _layers(self, chain: Chain, model: keras.Model) -> dict[Key, list[keras.Variable]]:
        """The model's variables by layer, in the order of :data:`Weights`."""
        found: dict[Key, list[keras.Variable]] = {}
        for number, part in self._numbered(chain):
            found[part.key] = list(model.get_layer(f"conv_{number}").weights)
            if part.normalised:
                norm = model.get_layer(f"norm_{number + 1}")
                found[part.key] += [norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance]
        found[LOGITS] = list(model.get_layer("logits").weights)
        return found

    def _read(self, chain: Chain, model: keras.Model) -> Weights:
        layers = self._layers(chain, model)
        return {key: tuple(variable.numpy() for variable in variables) for key, variables in layers.items()}

    def _write(self, net: Net, model: keras.Model) -> None:
        for key, variables in self._layers(net.chain, model).items():
            for variable, value in zip(variables, net.weights[key], strict=True):
                variable.assign(value)
