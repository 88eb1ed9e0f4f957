"""AutoKeras' search space, oracle and tuner loop, with the harness' data, budget and log.

AutoKeras provides the graph of blocks, the fixed starts, the greedy oracle, the compiled optimiser and the loop over
trials. A trial itself is replaced: it trains on the task's batches, charges every gradient step, is logged as an
evaluation and proposes its model if it is the best. See :mod:`harness.methods.autokeras` for the reasons.
"""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import autokeras as ak
import keras
import numpy as np
from autokeras.engine.tuner import AutoTuner
from autokeras.tuners.task_specific import ImageClassifierTuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FailedTrialError

from harness import BudgetSpent, Evaluation, KerasConfig, Task, derive_seed
from harness.core.budget import PASSES_PER_STEP
from harness.core.evaluation import REFUSED
from harness.nets import count

from .autokeras_data import BATCH, Data

STOP_AFTER = {"patience": 10, "min_delta": 1e-4}
"""The early stopping on the validation loss that AutoKeras adds by default."""
FAILURES = 50
"""Consecutive failed trials that end the search. Keras Tuner's 3 is too few: two of the three starts may fail."""
TRIALS = 10_000
"""More trials than any budget allows, so that the budget ends a search."""

_IMAGE, _HEAD = "image_block_1", "classification_head_1"
_NETWORKS = {"resnet": "res_net_block_1", "xception": "xception_block_1", "efficient": "efficient_net_block_1"}


@dataclass(frozen=True)
class TrialLimits:
    """The limits of a trial; see the fields of :class:`harness.methods.autokeras.AutoKeras`."""

    epochs: int
    images: int
    trial_share: float
    max_model_size: int


def search(task: Task, limits: TrialLimits) -> None:
    """Runs AutoKeras until the budget is spent; the global generators have their old states afterwards."""
    with global_generators(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as directory:
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        trials = Trials(task, limits)
        trials.seed("graph")
        auto = ak.AutoModel(
            inputs=NormalisedImages(),
            outputs=Head(multi_label=True, name=_HEAD),
            tuner=BudgetedTuner,
            trials=trials,
            largest=limits.max_model_size,
            max_trials=TRIALS,
            objective="val_accuracy",
            directory=directory,
            overwrite=True,
            seed=derive_seed(task.seed, "oracle"),
        )
        # AutoKeras looks at shapes and types only; the trials' images come from the task, batch by batch.
        images, classes = trials.data.images, task.data.classes
        x = np.broadcast_to(np.float32(0.0), (images, *task.data.image_shape))
        y = np.broadcast_to(np.float32(0.0), (images, classes))
        auto.fit(x, y, validation_data=(x, y), epochs=limits.epochs, batch_size=BATCH, verbose=0)


@contextlib.contextmanager
def global_generators() -> Iterator[None]:
    """Restores the global generators at the end: AutoKeras' oracle and Keras' initialisers draw from them."""
    plain, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(legacy)  # noqa: NPY002


class NormalisedImages(ak.ImageInput):
    """Float images as the harness feeds them: no cast, no normalisation and no augmentation inside the network."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        """The input itself: AutoKeras' cast is a custom layer, which cannot be loaded from the stored JSON."""
        return inputs

    def get_block(self) -> ak.ImageBlock:
        """The block whose hyper-parameters the fixed starts name."""
        return ak.ImageBlock(normalize=False, augment=False, name=_IMAGE)


class Head(ak.ClassificationHead):
    """Softmax over the classes, also if there are two; ``multi_label`` makes AutoKeras accept two one-hot columns."""

    shape: tuple[int, ...]

    def infer_loss(self) -> keras.losses.Loss:
        """Categorical cross-entropy; AutoKeras would take the binary one for two classes or several labels."""
        return keras.losses.CategoricalCrossentropy()

    def build(self, hp: Any, inputs: Any = None) -> Any:
        """Makes the shape plain integers: Keras 3.13 and later refuse NumPy's as the width of a dense layer."""
        self.shape = tuple(int(length) for length in self.shape)
        return super().build(hp, inputs)


class BudgetedTuner(ImageClassifierTuner):
    """AutoKeras' image classification tuner without checkpoints and without the final fit.

    Args:
        trials: runs the trials.
        largest: AutoKeras' ``max_model_size``, for trials only: the default network, which is built once to register
            its hyper-parameters, may be larger.
    """

    def __init__(self, *, trials: Trials, largest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.oracle.max_consecutive_failed_trials = FAILURES
        self._trials, self._largest = trials, largest

    def search(self, *, x: Any, y: Any, epochs: int, **_: Any) -> None:
        """Searches as AutoKeras does, without the final fit on training and validation images."""
        self.hypermodel.set_fit_args(0, epochs=epochs)
        space = self.oracle.get_space()
        self._prepare_model_build(space, x=x, y=y)
        self._try_build(space)
        self.oracle.update_space(space)
        self.max_model_size = self._largest or None
        super(AutoTuner, self).search(verbose=0)

    def pre_create_trial(self) -> None:
        """Gives each trial seeds of its own, so that a resumed search need not run the logged trials again."""
        self._trials.begin()

    def run_trial(self, trial: Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Trains one model; a failure becomes the exception that the oracle expects."""
        parameters = trial.hyperparameters
        evaluation = self._trials.run(parameters.values, lambda: self._try_build(parameters))
        if evaluation.failure:
            raise FailedTrialError(evaluation.failure)
        return {"val_accuracy": evaluation.accuracy}


class Trials:
    """Runs the trials of one search.

    Args:
        task: of the search.
        limits: of a trial.
    """

    def __init__(self, task: Task, limits: TrialLimits) -> None:
        self._task, self._limits = task, limits
        self.data = Data(task, limits.images)
        self._best = -1.0
        self._json = ""  # of the running trial's model, once it is built

    def seed(self, role: str) -> None:
        """Sets the global generators, which the oracle (NumPy) and Keras' layers (``random``) draw from."""
        seed = derive_seed(self._task.seed, role)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002

    def begin(self) -> None:
        """Before the oracle chooses the next trial.

        Raises:
            BudgetSpent: nothing is left.
        """
        self._task.meter.check()
        self.seed(f"trial {len(self._task.evaluations)}")

    def run(self, values: Mapping[str, Any], build: Callable[[], keras.Model]) -> Evaluation:
        """Trains a trial's model, or reads it from the log of an interrupted run.

        Args:
            values: of the hyper-parameters.
            build: makes the compiled model.

        Raises:
            BudgetSpent: the budget ended on the way. A model that had trained whole epochs is proposed first.
        """
        name = f"{_network(values)}-{len(self._task.evaluations) + 1}"
        label = str(KerasConfig(name, ""))
        charge, self._json = _Charge(self._task, self._limits.trial_share), ""
        try:
            evaluation = self._task.record(label, lambda: self._trained(label, values, build, charge))
        except BudgetSpent:
            self._offer(name, max(charge.curve, default=-1.0), build)
            raise
        if evaluation.refused:  # as the task counts what it refuses itself
            self._task.refusals.add(label, evaluation.failure.removeprefix(REFUSED))
        if not evaluation.failure:
            self._offer(name, evaluation.accuracy, build)
        return evaluation

    def _trained(
        self, label: str, values: Mapping[str, Any], build: Callable[[], keras.Model], charge: _Charge
    ) -> Evaluation:
        """Runs a trial; its curve ends at the best epoch, whose weights AutoKeras would keep."""
        began, meter = time.perf_counter(), self._task.meter
        steps, macs, failure = meter.steps, meter.macs, ""
        try:
            self._fit(values, build, charge)
        except Exception as error:
            failure = _sentence(error)
        curve = () if failure else tuple(charge.curve[: 1 + int(np.argmax(charge.curve))])
        accuracy = max(curve, default=0.0)
        seconds = time.perf_counter() - began
        return Evaluation(label, accuracy, curve, seconds, meter.steps - steps, failure, meter.macs - macs)

    def _fit(self, values: Mapping[str, Any], build: Callable[[], keras.Model], charge: _Charge) -> None:
        if values.get(f"{_IMAGE}/{_NETWORKS.get(values[f'{_IMAGE}/block_type'])}/pretrained"):
            raise FailedTrialError("it starts from weights pretrained on ImageNet, which no method here may use")
        model = build()
        self._json = _to_json(model)
        if words := self._task.refusal(KerasConfig("trial", self._json)):
            raise FailedTrialError(f"{REFUSED}{words}")
        charge.counts(count.macs(model), self.data.validation_images)
        seed = derive_seed(self._task.seed, f"images of trial {len(self._task.evaluations)}")
        model.fit(
            self.data.training(seed),
            steps_per_epoch=self.data.steps,
            epochs=self._limits.epochs,
            validation_data=self.data.validation(),
            callbacks=[charge, keras.callbacks.EarlyStopping(**STOP_AFTER)],
            shuffle=False,
            verbose=0,
        )

    def _offer(self, name: str, accuracy: float, build: Callable[[], keras.Model]) -> None:
        """Proposes the running trial's model if it is the best so far; one read from the log is built for it."""
        if accuracy > self._best:
            self._best = accuracy
            config = KerasConfig(name, self._json or _to_json(build()))
            self._task.propose(config, accuracy, shared_weights=False)


class _Charge(keras.callbacks.Callback):
    """Charges every gradient step of a trial and keeps its validation accuracies.

    Args:
        task: of the search.
        share: of the budget; a trial that has spent it stops and is validated.
    """

    def __init__(self, task: Task, share: float) -> None:
        super().__init__()
        self._task = task
        self._until = min(task.meter.spent + share * task.meter.limit, task.meter.limit)
        self.curve: list[float] = []
        self._step = self._validation = 0

    def counts(self, macs: int, validation_images: int) -> None:
        """Says what the trial's model computes.

        Args:
            macs: multiply-accumulates of one image's forward pass.
            validation_images: of a validation.
        """
        self._step, self._validation = PASSES_PER_STEP * BATCH * macs, validation_images * macs

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Raises BudgetSpent before the step that does not fit, or whose validation would not."""
        self._task.meter.afford(1, self._step + self._validation)
        self._task.step(macs=self._step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Ends the training when the trial's share, or the last counted step, is used up."""
        meter = self._task.meter
        ahead = meter.price(seconds=0.0, steps=0, macs=self._step + self._validation)
        if meter.spent >= self._until or meter.spent + ahead > meter.limit:
            self.model.stop_training = True

    def on_test_begin(self, logs: Any = None) -> None:
        """A validation costs no gradient steps; room for its multiply-accumulates was kept."""
        self._task.meter.charge(seconds=0.0, steps=0, macs=self._validation)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Raises BudgetSpent if no time is left; counted budgets have paid for the validation."""
        if not self._task.meter.budget.counted:
            self._task.meter.check()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Notes the accuracy of a whole epoch."""
        assert logs is not None
        self.curve.append(float(logs["val_accuracy"]))


def _network(values: Mapping[str, Any]) -> str:
    """A short name: ``vanilla``, ``xception``, ``resnet50_v2``, ``efficientnet-b7``."""
    kind = str(values[f"{_IMAGE}/block_type"])
    version = values.get(f"{_IMAGE}/{_NETWORKS.get(kind)}/version")
    if version is None:
        return kind
    return f"efficientnet-{version}" if kind == "efficient" else str(version)


def _to_json(model: keras.Model) -> str:
    """The architecture alone, without the optimiser and the losses that AutoKeras compiled."""
    config = json.loads(model.to_json())
    for name in ("compile_config", "build_config"):
        config.pop(name, None)
    return json.dumps(config)


def _sentence(error: Exception) -> str:
    """The first line of an error, short enough for a table."""
    line = (str(error).strip().splitlines() or [""])[0][:300]
    return line if isinstance(error, FailedTrialError) else f"{type(error).__name__}: {line}"
