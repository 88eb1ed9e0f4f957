"""AutoKeras' tuner on the choices of a space: its greedy oracle in Keras Tuner's own loop, without its blocks.

Each choice is a hyper-parameter. Names make a tree of cells, nodes and choices, since the oracle copies the best trial
and draws everything below one node of that tree anew. A trial is an evaluation of the task.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from typing import Any

import numpy as np
from autokeras.tuners.greedy import GreedyOracle
from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FailedTrialError

from harness import Space, Task, derive_seed

from .autokeras import TRIALS, global_generators

ASKED = 30
"""Times that the oracle is asked again in a row when it draws nothing new. AutoKeras ends its search the first time:
with three options per choice that is soon, when it has tried all neighbours of the best architecture."""


def search(task: Task) -> None:
    """Runs trials until the budget is spent or the space is; the global generators have their old states afterwards."""
    with global_generators(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as directory:
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        tuner = ChoicesTuner(task, directory)
        while tuner.asked < ASKED:
            tuner.search(verbose=0)


def hyper_parameters(space: Space) -> tuple[HyperParameters, tuple[str, ...]]:
    """The choices as hyper-parameters, the numbers of options as their values; and their names in order."""
    parameters = HyperParameters()
    names = tuple(
        "/".join(part.replace("/", "|") for part in (choice.cell, choice.node, choice.name) if part)
        for choice in space.choices
    )
    for name, choice in zip(names, space.choices, strict=True):
        parameters.Choice(name, list(range(len(choice))), ordered=False)
    return parameters, names


class ChoicesTuner(BaseTuner):
    """Keras Tuner's loop; the first trial is a random architecture, where AutoKeras has fixed starts.

    Args:
        task: of the search; its space has choices.
        directory: for the files of Keras Tuner.

    Attributes:
        asked: how often the oracle was asked since the last trial.
    """

    def __init__(self, task: Task, directory: str) -> None:
        self._task, self.asked = task, 0
        parameters, self._names = hyper_parameters(task.space)
        start = dict(zip(self._names, task.sample().picks, strict=True))
        oracle = GreedyOracle(
            initial_hps=[start],
            objective=Objective("val_accuracy", "max"),
            max_trials=TRIALS,
            max_consecutive_failed_trials=TRIALS,
            hyperparameters=parameters,
            seed=derive_seed(task.seed, "oracle"),
        )
        super().__init__(oracle, directory=directory, project_name="trials", overwrite=True)

    def pre_create_trial(self) -> None:
        """Seeds each draw by the number of its trial, since the oracle draws from a global generator.

        Raises:
            BudgetSpent: nothing is left.
        """
        self._task.meter.check()
        seed = derive_seed(self._task.seed, f"trial {len(self._task.evaluations)}, draw {self.asked}")
        self.asked += 1
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002

    def run_trial(self, trial: Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Evaluates one architecture; a failure becomes the exception that the oracle expects."""
        self.asked = 0
        picks = tuple(int(trial.hyperparameters.values[name]) for name in self._names)
        [evaluation] = self._task.evaluate([self._task.space.genotype(picks)])
        if evaluation.failure:
            raise FailedTrialError(evaluation.failure)
        return {"val_accuracy": evaluation.accuracy}
