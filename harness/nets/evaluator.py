"""The proxy task: a proposal is built, trained briefly and validated."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from harness.core.budget import Meter
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.core.space import Space
from harness.core.task import Evaluation, Proposal
from harness.nets.build import build_model
from harness.nets.training import Training, TrainingFailed, train

FAILURES = (InputError, TrainingFailed, tf.errors.ResourceExhaustedError, MemoryError, ValueError)
"""What a proposal can do wrong: it gets the accuracy 0 and the search goes on."""


class ProxyEvaluator:
    """Trains proposals on the training images and scores them on the validation images.

    Args:
        space: of the genotypes.
        data: train and validation images.
        recipe: of the proxy training; its size is the proxy network's.
        seed: with an evaluation's number it names the training's seed.
    """

    def __init__(self, space: Space, data: SearchData, recipe: Recipe, seed: int) -> None:
        self._space, self._data, self._recipe, self._seed = space, data, recipe, seed

    def steps(self) -> int:
        """Gradient steps of one evaluation."""
        return self._recipe.steps

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """One proxy training, from building to validating; see :meth:`harness.core.task.Evaluator.evaluate`."""
        began = time.perf_counter()
        def watch(_done: int, _total: int) -> None:
            # In seconds the meter's clock runs during the evaluation too, so that the budget can end it.
            meter.check()

        failure, trained = "", None
        try:
            trained = self._train(proposal, number, watch)
        except FAILURES as error:
            failure = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        finally:
            # Keras keeps every model's graph alive in its global state.
            keras.backend.clear_session(free_memory=False)
            gc.collect()
        seconds = time.perf_counter() - began
        curve = trained.curve if trained else ()
        accuracy = trained.accuracy if trained else 0.0
        return Evaluation(str(proposal), accuracy, curve, seconds, self._recipe.steps, failure)

    def _train(self, proposal: Proposal, number: int, watch: Callable[[int, int], None]) -> Training:
        data, recipe = self._data, self._recipe
        seed = derive_seed(self._seed, f"evaluation {number}")
        model = build_model(
            proposal,
            self._space,
            recipe.size,
            data.image_shape,
            data.classes,
            seed=seed,
            drop_path=recipe.drop_path > 0,
            auxiliary=recipe.auxiliary > 0,
        )
        return train(model, data, recipe, seed=seed, on_step=watch)
