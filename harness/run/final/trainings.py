"""The networks of a run's final trainings: each is trained by the final recipe, and kept until all are."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import Images, SearchData
from harness.core.errors import InputError
from harness.core.evaluation import KerasConfig, Proposal
from harness.core.files import replacing
from harness.core.space import Space
from harness.run.job import Failure, Job
from harness.run.journal import Progress
from harness.run.store import read_json, write_json

Model = Any
"""A Keras model; Keras stays on the floors below."""


class Unreadable(InputError):
    """A network that was trained cannot be read again: that is no fault of its proposal."""


@dataclass(frozen=True)
class Network:
    """A network that is to be trained.

    Args:
        proposal: what it is.
        seed: of its training.
    """

    proposal: Proposal
    seed: int


class Trainings:
    """Trains the networks of a run one after the other; of several, each is kept until all are trained.

    Args:
        job: of the run.
        space: of the proposals.
        data: to train on; validation images in it are not touched.
        networks: at least one.
        progress: of all of them together.
    """

    def __init__(
        self, job: Job, space: Space, data: SearchData, networks: Sequence[Network], progress: Progress
    ) -> None:
        self.job, self.data, self.networks = job, data, networks
        self.progress, self._space = progress, space

    def train(self, number: int) -> tuple[Model, dict[str, Any]]:
        """The trained network with this number, from 0, and the counts of its training."""
        from harness.nets import runtime, training
        from harness.nets.build import build_model

        recipe, network, data = self.job.final, self.networks[number], self.data
        # A Keras model may have any layer, also such as work on whole batches only.
        cards = 1 if isinstance(network.proposal, KerasConfig) else self.job.profile.cards
        model = build_model(
            network.proposal,
            self._space,
            recipe.size,
            data.image_shape,
            data.classes,
            seed=network.seed,
            drop_path=recipe.drop_path > 0,
            auxiliary=recipe.auxiliary > 0,
        )
        try:
            trained = training.train(
                model,
                dataclasses.replace(data, x_valid=data.x_valid[:0], y_valid=data.y_valid[:0]),
                recipe,
                seed=network.seed,
                on_step=lambda step, steps: self._tell(number, step, steps),
                checkpoint=self._checkpoint(number),
                devices=cards,
            )
        except training.TrainingFailed as error:
            raise Failure(f"the final training failed: {error}") from error
        except runtime.OUT_OF_MEMORY as error:
            raise Failure("the memory did not suffice for the final training") from error
        counts = {
            "limit": recipe.limit,
            "epochs": trained.epochs,
            "steps": trained.steps,
            "capped": trained.capped,
            "images_per_second": trained.images_per_second,
            "training_seed": network.seed,
            **({"cards": cards} if self.job.profile.cards > 1 else {}),
            **self.progress.times(),
        }
        return model, {"final": counts, "learning": trained.learning}

    def kept(self, number: int) -> tuple[Model, dict[str, Any]]:
        """As :meth:`train`, unless it was trained before, by an interrupted process say; the model is read from a file.

        What was computed before is forgotten, so that the memory of a process holds one network.

        Raises:
            Unreadable: there is a file, and nothing can be made of it.
        """
        from harness.nets import runtime

        runtime.forget()
        model_file, facts_file = self._files(number)
        if not (facts_file.exists() and model_file.exists()):  # of a lost node, the one may not have arrived
            model_file.parent.mkdir(exist_ok=True)
            model, facts = self.train(number)
            with replacing(model_file) as new:
                model.save(new)
            write_json(facts_file, facts)
            self._checkpoint(number).unlink(missing_ok=True)
        try:
            return runtime.load(model_file), read_json(facts_file)
        except InputError as error:
            raise Unreadable(str(error)) from error

    def load(self, number: int) -> Model:
        """A network that was trained before."""
        from harness.nets import runtime

        return runtime.load(self._files(number)[0])

    def measured(
        self, number: int, images: Images, line: dict[str, Any], predictions: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Trains a network and looks at it; returns the counts of its training.

        Args:
            number: of the network.
            images: of the test set.
            line: of the network in the record; gets its size, and its accuracy on validation images if there are any.
            predictions: get those for ``images``.
        """
        from harness.nets import count, training

        model, facts = self.kept(number)
        data = self.data
        line |= {"parameters": count.parameters(model), "macs": count.macs(model)}
        if len(data.x_valid):
            line["validation_accuracy"] = training.accuracy(model, data.x_valid, data.y_valid, data.mean, data.std)
        predicted = training.predict(model, images, data.mean, data.std)
        if not np.isfinite(predicted).all():
            raise Failure("the final training diverged: the network's predictions are not finite")
        predictions[f"network {number + 1}"] = predicted
        counts: dict[str, Any] = facts["final"]
        return counts

    def _files(self, number: int) -> tuple[Path, Path]:
        stem = self.job.directory.networks / str(number + 1)
        return stem.with_suffix(".keras"), stem.with_suffix(".json")

    def _checkpoint(self, number: int) -> Path:
        """Each of several networks has its own: a process may be killed before it has removed that of the last one."""
        own = self._files(number)[0].with_suffix(".checkpoint")
        return own if len(self.networks) > 1 else self.job.directory.final_checkpoint

    def clear(self) -> None:
        """Removes what an interrupted process would need."""
        shutil.rmtree(self.job.directory.networks, ignore_errors=True)
        self.job.directory.final_checkpoint.unlink(missing_ok=True)

    def _tell(self, number: int, step: int, steps: int) -> None:
        words, many = f"step {step} of {steps}", len(self.networks)
        told = words if many == 1 else f"network {number + 1} of {many}, {words}"
        self.progress.tell((number + step / steps) / many, told)
