"""The one training loop: every network of the project that is trained as a whole is trained here.

SGD with Nesterov momentum, cosine schedule and the usual regularisers (:mod:`harness.nets.sgd` is one step of it). The
batches, the augmentation and the schedules are functions of (seed, step), so that a resumed training is the same as an
undisturbed one. Losses that a model's layers add themselves are left out: the recipe says how to train.
"""

from __future__ import annotations

import math
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.errors import InputError
from harness.core.files import readable, replacing
from harness.core.recipe import Recipe
from harness.core.schedule import cosine
from harness.core.signal import ACCURACY, SIGNALS
from harness.nets.augment import normalise
from harness.nets.batches import Order
from harness.nets.child import Child, ChildStep
from harness.nets.learning import LearningCurve
from harness.nets.mirrored import mirrored
from harness.nets.pace import Pace
from harness.nets.sgd import TrainingStep

CHECKPOINT_SECONDS = 30.0
"""How often an interruptible training is saved."""
_BATCH = 256
"""Images per call in validation and prediction."""


Network: TypeAlias = keras.Model | Child


class TrainingFailed(Exception):
    """A training cannot go on; the message is one sentence that says why."""


@dataclass(frozen=True)
class Training:
    """What came out of a training.

    Args:
        accuracy: on the validation images at the end, 0..1, or what else the recipe's signal is; NaN without validation
            images.
        curve: validation accuracies, evenly spaced over the training, the last one being ``accuracy``.
        steps: gradient steps.
        seconds: wall clock with tracing and validations; of an interrupted training, up to its last save and after.
        images_per_second: training rate without the first step, which traces; 0 if there was no other.
        epochs: how often each of the training images was seen, on average.
        capped: whether a cap in seconds has cut the recipe's epochs short.
        learning: of a Keras model, loss and accuracy by epoch, see :class:`~harness.nets.learning.LearningCurve`.
        logits: for the validation images at the end, which measured ``accuracy``; None without validation images, and
            of a training that was over when it was interrupted.
    """

    accuracy: float
    curve: tuple[float, ...]
    steps: int
    seconds: float
    images_per_second: float
    epochs: float
    capped: bool
    learning: dict[str, list[float]] = field(default_factory=dict)
    logits: np.ndarray | None = field(default=None, compare=False, repr=False)


def train(
    model: Network,
    data: SearchData,
    recipe: Recipe,
    *,
    seed: int,
    on_step: Callable[[int, int], None] | None = None,
    checkpoint: Path | None = None,
    until: int | None = None,
    devices: int = 1,
) -> Training:
    """Trains ``model`` in place.

    With ``recipe.epochs`` the number of steps follows from the number of images, and seconds are a cap: as long as it
    is not reached, the result does not depend on the clock.

    With ``recipe.seconds`` alone the clock runs from the call, so that tracing counts; it stops during validations and
    checkpoints. The number of steps is fixed from the rate in the first twentieth of the time (and estimated anew after
    every step until then), and lowered later only if the machine has become too slow for it.

    Args:
        model: takes normalised images and returns logits, or a list of two logits with an auxiliary head; or a proxy
            network, which was made for the same data and recipe.
        data: the training images are read where they lie; without validation images nothing is validated.
        recipe: all of it applies except ``size``.
        seed: of the order of the images and of the augmentation; the weights' seed was the builder's.
        on_step: called with (steps done, total steps) after every step; may raise to stop the training. The total of a
            training limited by time changes.
        checkpoint: file for the state of an interrupted training, written every :data:`CHECKPOINT_SECONDS` and at the
            end. If it exists the training goes on from there; a recipe that counts epochs or steps then ends with the
            very same weights.
        until: stop after this gradient step, validate, and leave the schedule as it is: a later call with the same
            checkpoint goes on, to the very same weights and curve as if there had been no stop. The checkpoint is
            written at the stop only; one that is already past it is neither read nor replaced. Not for a recipe
            limited by seconds, whose number of steps is not known before.
        devices: of this process, over which each batch is spread in equal parts. The numbers and the checkpoint are
            those of one device, but for rounding: a training may go on with another number. Not for a proxy network.

    Raises:
        TrainingFailed: the loss is not finite any more.
        InputError: there is nothing to train on, or the checkpoint belongs to another training, or the batches cannot
            be spread like that.
    """
    if until is not None and recipe.seconds:
        raise ValueError("a training that is limited by seconds cannot be stopped at a gradient step")
    clock = _Clock()
    if devices == 1:
        return _train(clock, model, data, recipe, seed, on_step, checkpoint, until, None)
    if isinstance(model, Child):
        raise ValueError("a proxy network is trained on one device")
    if recipe.batch % devices:
        raise InputError(f"batches of {recipe.batch} images have no {devices} equal parts")
    with mirrored(model, devices) as (copy, strategy):
        return _train(clock, copy, data, recipe, seed, on_step, checkpoint, until, strategy)


def _train(
    clock: _Clock,
    model: Network,
    data: SearchData,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, int], None] | None,
    checkpoint: Path | None,
    until: int | None,
    strategy: tf.distribute.Strategy | None,
) -> Training:
    """:func:`train` of a network that is where it is trained."""
    images = len(data.x_train[: recipe.train_images or None])
    planned = recipe.steps_on(images)
    if images == 0 or planned < 1:
        raise InputError(f"a training of {planned} steps on {images} images is none; give it at least one of each")
    pace, curve, done = Pace(planned, recipe.seconds, capped=recipe.limit == "epochs"), list[float](), 0
    learning = LearningCurve(images, recipe.batch)
    saved = _Checkpoint(checkpoint, f"{recipe} seed={seed} data={data.dataset}", model, until)
    state = saved.load()
    if state is not None:
        done, curve = int(state["done"]), state["curve"].tolist()
        pace.restore(int(state["total"]), float(state["used"]), bool(state["fixed"]))
        clock.restore(float(state["seconds"]))
        learning.restore(state)
    buffer = None if state is None else state["buffer"]
    step: ChildStep | TrainingStep
    if isinstance(model, Child):
        step = ChildStep(model, recipe.batch, seed, buffer)
    else:
        step = TrainingStep(model, data, recipe, seed, buffer, strategy)
    order, validate, traced = Order(images, recipe.batch, seed), _Validation(model, data, recipe), True
    measured = done == pace.total or (state is not None and bool(state.get("measured", False)))
    while done < min(pace.total, until or pace.total):
        batch = order.batch(done)
        rate, drop_path = learning_rate(recipe, done, pace.total), recipe.drop_path * done / pace.total
        loss = step(data.x_train[batch], data.y_train[batch], done, rate, drop_path)
        done += 1
        # Tracing again after an interruption takes nothing off the seconds that the training was given.
        pace.stepped(done, 0.0 if traced and state is not None else clock.lap(), traced=traced)
        traced = False
        if isinstance(step, TrainingStep):
            learning.step(done, loss, float(step.right), last=done == pace.total)
        if not math.isfinite(loss):
            raise TrainingFailed(f"the loss was {loss} at step {done} of {pace.total}")
        due = pace.fixed and done * recipe.validations >= (len(curve) + 1) * pace.total
        measured = due or done == pace.total
        if measured:
            curve += validate()
        if saved.due() or done in (until, pace.total):
            saved.write(step.buffer(), pace, curve, done, clock.seconds(), measured, learning.state())
        if on_step is not None:
            on_step(done, pace.total)
        clock.lap()
    curve += [] if measured else validate()
    return Training(
        accuracy=curve[-1] if curve else math.nan,
        curve=tuple(curve),
        steps=done,
        seconds=clock.seconds(),
        images_per_second=pace.rate() * recipe.batch,
        epochs=done * recipe.batch / images,
        capped=recipe.limit == "epochs" and done < min(planned, until or planned),
        learning=learning.values(),
        logits=validate.logits,
    )


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The rate of step number ``step`` (from 0) of ``total``: a linear rise from 0, then half a cosine."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    return cosine(recipe.learning_rate, recipe.final_learning_rate, (step - warmup) / (total - warmup))


def accuracy(model: Network, x: Images, y: Labels, mean: Sequence[float], std: Sequence[float]) -> float:
    """Share of the images ``x`` that ``model`` labels as ``y``; NaN without images. Arguments as :func:`predict`."""
    return _measured(_logits(_traced(model, mean, std), x), y, ACCURACY) if len(x) else math.nan


def predict(
    model: Network, images: Images, mean: Sequence[float], std: Sequence[float], batch: int = _BATCH
) -> np.ndarray:
    """Class probabilities, float32, shape ``(n, classes)``; of a model with two outputs, those of the first.

    Args:
        model: takes normalised images and returns logits.
        images: uint8, ``(n, h, w, c)``.
        mean, std: per channel, on the 0..255 scale.
        batch: images per call.
    """
    if len(images) == 0:
        classes = model.classes if isinstance(model, Child) else model.outputs[0].shape[-1]
        return np.zeros((0, classes), np.float32)
    return probabilities(_logits(_traced(model, mean, std), images, batch))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Class probabilities of logits ``(n, classes)``."""
    return tf.nn.softmax(logits).numpy()


def _traced(model: Network, mean: Sequence[float], std: Sequence[float]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from uint8 images to float32 logits, traced once for any number of images."""
    if isinstance(model, Child):
        return model.classifier()

    def logits(images: tf.Tensor) -> tf.Tensor:
        outputs = model(normalise(images, mean, std), training=False)
        return tf.cast(outputs[0] if isinstance(outputs, list | tuple) else outputs, tf.float32)

    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)]
    return tf.function(logits, input_signature=signature, autograph=False)


def _logits(network: Callable[[tf.Tensor], tf.Tensor], images: Images, batch: int = _BATCH) -> np.ndarray:
    batches = (images[start : start + batch] for start in range(0, len(images), batch))
    return np.concatenate([network(tf.constant(part)).numpy() for part in batches])


def _measured(logits: np.ndarray, y: Labels, signal: str) -> float:
    return SIGNALS[signal].measure(logits.argmax(-1), y)


class _Validation:
    """Measures the recipe's signal on the validation images; traced at the first call.

    Attributes:
        logits: of the last measurement; None before the first.
    """

    def __init__(self, model: Network, data: SearchData, recipe: Recipe) -> None:
        # A proxy network's function depends on its present weights and is made anew each time.
        fixed = None if isinstance(model, Child) else _traced(model, data.mean, data.std)
        self._network = lambda: fixed or _traced(model, data.mean, data.std)
        self._x = data.x_valid[: recipe.validation_images or None]
        self._y = data.y_valid[: recipe.validation_images or None]
        self._signal = recipe.signal
        self.logits: np.ndarray | None = None

    def __call__(self) -> list[float]:
        """The number, or nothing without validation images."""
        if len(self._x) == 0:
            return []
        self.logits = _logits(self._network(), self._x)
        return [_measured(self.logits, self._y, self._signal)]


class _Clock:
    """Seconds of a training, over interruptions."""

    def __init__(self) -> None:
        self._began = self._mark = time.perf_counter()
        self._before = 0.0

    def lap(self) -> float:
        """Seconds since the last call."""
        last, self._mark = self._mark, time.perf_counter()
        return self._mark - last

    def seconds(self) -> float:
        """Seconds in all."""
        return self._before + time.perf_counter() - self._began

    def restore(self, seconds: float) -> None:
        """Adds what was spent before an interruption."""
        self._before = seconds


class _Checkpoint:
    """The file of an interrupted or stopped training: all variables of the model, the momentum, the progress.

    Args:
        path: None for no file.
        label: what the training is; a file with another label is refused.
        model: whose variables are stored.
        until: where the training is to be stopped; None: nowhere.
    """

    def __init__(self, path: Path | None, label: str, model: Network, until: int | None) -> None:
        self._path, self._label, self._model, self._until = path, label, model, until
        self._last = time.perf_counter()

    def due(self) -> bool:
        late = time.perf_counter() - self._last >= CHECKPOINT_SECONDS
        return self._path is not None and self._until is None and late

    def load(self) -> dict[str, np.ndarray] | None:
        """Sets the model's variables and returns the rest; None if there is no file, or one past the stop."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with np.load(readable(self._path)) as file:
                state = dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"the checkpoint {self._path} is damaged; move it away to train anew") from error
        shapes = [value.shape for value in _values(self._model)]
        values = [state.get(f"variable {place}") for place in range(len(shapes))]
        if str(state.get("label")) != self._label or [getattr(v, "shape", None) for v in values] != shapes:
            raise InputError(f"the checkpoint {self._path} belongs to another training; move it away to train anew")
        if self._until is not None and int(state["done"]) > self._until:
            self._path = None
            return None
        _set_values(self._model, [state[f"variable {place}"] for place in range(len(shapes))])
        return state

    def write(
        self,
        buffer: np.ndarray,
        pace: Pace,
        curve: Sequence[float],
        done: int,
        seconds: float,
        measured: bool,
        learning: dict[str, np.ndarray],
    ) -> None:
        """Replaces the file, atomically; ``measured`` says whether the last value of the curve is of this step."""
        if self._path is None:
            return
        state: dict[str, Any] = {f"variable {place}": value for place, value in enumerate(_values(self._model))}
        progress = {"done": done, "total": pace.total, "used": pace.used, "fixed": pace.fixed, "seconds": seconds}
        state.update({name: np.array(value) for name, value in progress.items()}, measured=np.array(measured))
        state.update(learning)
        state.update(buffer=buffer, curve=np.array(curve, np.float64), label=np.array(self._label))
        with replacing(self._path) as new, new.open("wb") as file:
            np.savez(file, **state)
        self._last = time.perf_counter()


def _values(model: Network) -> list[np.ndarray]:
    """All variables of a network, statistics included."""
    variables = [model.weights, model.statistics] if isinstance(model, Child) else model.variables
    return [variable.numpy() for variable in variables]


def _set_values(model: Network, values: Sequence[np.ndarray]) -> None:
    if isinstance(model, Child):
        model.weights, model.statistics = (tf.constant(value) for value in values)
        return
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
