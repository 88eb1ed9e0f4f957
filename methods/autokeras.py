"""AutoKeras 3.0, the package itself: a greedy search over Keras models of four kinds.

Paper: Jin, Chollet, Song & Hu, *AutoKeras: an AutoML library for deep learning*, JMLR 2023. A graph of blocks has
hyper-parameters: the kind of network (plain CNN, ResNet, Xception, EfficientNet), its depth, widths and kernels, the
head, the optimiser and the learning rate. The greedy oracle first runs three fixed starts (a small plain CNN, ResNet-50
at 224 pixels, a pretrained EfficientNet-B7), then copies the best trial and draws one group of its hyper-parameters
anew. The published tables measured another system, AutoKeras 0.2.18: network morphism and Bayesian optimisation.

Deviations, for the same conditions as the other methods: the harness' split, normalisation and augmentation instead of
the package's own (also instead of the flips in the fixed starts); validation accuracy as the objective (the package's
default is the validation loss); no final fit, because the harness trains every proposal again; a trial that wants
ImageNet weights fails; the budget ends the search, not 100 trials or three failures in a row; a trial that runs out of
memory fails, where AutoKeras halves the batch.

In a space of choices, such as that of a table, AutoKeras' blocks, starts and trainings play no part: there it is the
greedy oracle alone, in Keras Tuner's loop, and its first trial is a random architecture.

Expected: no published number for 3.0. Cost: gradient steps of 32 images; in budgets of seconds also the package's
import (about a second) and the building and tracing of each model (two seconds for a plain CNN on one core).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness import InputError, Method, Task, needs_images, space_is
from harness.spaces.keras import KerasSpace


@dataclass(frozen=True)
class AutoKeras(Method):
    """The package's defaults: 1000 epochs with early stopping, 10 epochs without a better validation loss.

    Args:
        epochs: of a trial, at most.
        images: training images of a trial, the same ones for all trials; 0 for all.
        trial_share: of the budget; a trial that has spent this share stops and is validated.
        max_model_size: weights of a model, all counted; a larger one is a failed trial. 0 for any size.
    """

    name = "autokeras"
    title = "AutoKeras 3.0 (greedy tuner)"
    space = "keras"
    families = ("evolutionary",)
    follows_signal = False
    position = 170
    look = 16
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "smoke": {"epochs": 2, "images": 160, "max_model_size": 200_000},
        "quick": {"epochs": 1, "images": 2_000, "trial_share": 0.15, "max_model_size": 2_000_000},
        "hour": {"epochs": 5, "images": 10_000, "trial_share": 0.1, "max_model_size": 5_000_000},
    }

    epochs: int = 1000
    images: int = 0
    trial_share: float = 1.0
    max_model_size: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.images < 0 or self.max_model_size < 0 or not 0 < self.trial_share <= 1:
            raise InputError(
                "autokeras needs epochs >= 1, images >= 0, max_model_size >= 0 and trial_share above 0, at most 1"
            )

    def unsupported(self, task: Task) -> str | None:
        """It searches a space of its own, and with its tuner alone any space of choices."""
        if task.space.choices:
            return None
        return space_is(task, KerasSpace) or needs_images(task)

    def search(self, task: Task) -> None:
        """Runs trials until the budget is spent; the model of each better trial is proposed."""
        if task.space.choices:
            from .common.autokeras_choices import search as search_choices

            search_choices(task)
            return
        from .common.autokeras import TrialLimits, search

        search(task, TrialLimits(self.epochs, self.images, self.trial_share, self.max_model_size))


METHOD = AutoKeras
