"""The proxy task: builds, trains and validates one proposal, and leaves nothing behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from harness.core.budget import Meter
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Part, Proposal
from harness.core.files import readable, replacing
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.core.space import Genotype, Space
from harness.nets import count, runtime
from harness.nets.build import build_model
from harness.nets.child import Child, Shared, can_be_written
from harness.nets.training import Network, Training, TrainingFailed, predict, probabilities, train

FORGET_EVERY = 25
"""Evaluations until TensorFlow and Keras forget what they keep outside of models.

For every shape and every name that a variable has had there is a kernel of 35 to 70 kB, and sampled networks bring new
ones all the time: 0.1 MiB per cell network, 0.5 MiB per chain. Forgetting costs the next network some 0.1 s.
"""
UNKNOWN_MACS = 1_000_000
"""What an image's forward pass through a network that cannot be built is charged as: failures must cost something."""


class ProxyEvaluator:
    """Trains proposals from scratch by one recipe; the evaluator of every search that is not on a table.

    Args:
        space: of the genotypes.
        data: training and validation images.
        recipe: the proxy task.
        seed: with an evaluation's number it gives the seed of the weights, the batches and the augmentation.
        stopped: directory for the weights of stopped trainings, and for predictions that are to be kept, a file each;
            made when it is needed. Without it, and where a file is gone, a training is repeated from its start, with
            the same result.

    Raises:
        InputError: there are no validation images.
    """

    def __init__(self, space: Space, data: SearchData, recipe: Recipe, seed: int, stopped: Path | None = None) -> None:
        if len(data.x_valid) == 0:
            raise InputError(f"data set '{data.dataset}' has no validation images; a search needs some")
        self._space, self._data, self._recipe, self._seed = space, data, recipe, seed
        self._stopped, self._trainings, self._keep = stopped, 0, False
        self._macs: dict[str, int] = {}
        self._shared = Shared(data, recipe)

    def steps(self) -> int:
        """Gradient steps that one evaluation costs."""
        return self._recipe.steps

    def macs(self, proposal: Proposal) -> int:
        """Multiply-accumulates of one evaluation; of a network that cannot be built, those of :data:`UNKNOWN_MACS`."""
        return self.part_macs(proposal, Part(0, self._recipe.steps))

    def part_macs(self, proposal: Proposal, part: Part) -> int:
        """As :meth:`macs`, of a part of an evaluation."""
        return self._recipe.part_macs(self._of_an_image(proposal), len(self._data.x_valid), part)

    def can_predict(self) -> bool:
        """They can be had."""
        return True

    def keep_predictions(self) -> None:
        """Each complete training leaves a file: what its last validation has computed."""
        self._keep = True

    def predictions(self, proposal: Proposal, number: int) -> np.ndarray:
        """Class probabilities of the validation images; see :class:`harness.core.evaluation.Evaluator`.

        Raises:
            InputError: they are lost, and the training cannot be repeated.
        """
        file = self._file(number, "predictions")
        if file is None or not file.exists():
            seed, data = derive_seed(self._seed, f"evaluation {number}"), self._data
            with runtime.graph_optimizer_off():
                model = network(proposal, self._space, self._recipe, data, seed, self._shared)
                return self._predicted(model, train(model, data, self._recipe, seed=seed))
        try:
            stored: np.ndarray = np.load(readable(file), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{file} is damaged; move it away to train the network again") from error
        return stored

    def _predicted(self, model: Network, trained: Training) -> np.ndarray:
        if trained.logits is not None:
            return probabilities(trained.logits)
        images = self._data.x_valid[: self._recipe.validation_images or None]
        return predict(model, images, self._data.mean, self._data.std)

    def stops(self) -> Sequence[int]:
        """All gradient steps; the end only where nobody knows before how many there will be."""
        return range(self.steps() if self._recipe.seconds else 1, self.steps() + 1)

    def _of_an_image(self, proposal: Proposal) -> int:
        """Multiply-accumulates of one image's forward pass."""
        text = str(proposal)
        if text not in self._macs:
            try:
                self._macs[text] = self._count(proposal)
            except (InputError, ValueError):
                self._macs[text] = UNKNOWN_MACS
        return self._macs[text]

    def _count(self, proposal: Proposal) -> int:
        data, size = self._data, self._recipe.size
        if isinstance(proposal, Genotype):
            return measure(lower(self._space.decode(proposal, size)), data.image_shape, data.classes).macs
        return count.macs(build_model(proposal, self._space, size, data.image_shape, data.classes, seed=0))

    def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
        """Trains and validates ``proposal``; see :class:`harness.core.evaluation.Evaluator`.

        A proposal that cannot be built or trained gets accuracy 0 and the reason. It is charged a whole
        training, or a search that only proposes failures would never end.

        Raises:
            BudgetSpent: a budget in seconds ended during the training.
        """
        return self.evaluate_part(proposal, number, meter, Part(0, self._recipe.steps))

    def evaluate_part(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Evaluation:
        """Trains ``proposal`` up to ``part.end``; see :class:`harness.core.evaluation.Evaluator`.

        Raises:
            BudgetSpent: a budget in seconds ended during the training.
            InputError: the file of the stopped training is damaged.
        """
        began = time.perf_counter()
        try:
            with runtime.graph_optimizer_off():
                trained = self._train(proposal, number, meter, part)
        finally:
            # Models and traced functions refer to each other in circles.
            gc.collect()
            self._trainings += 1
            if self._trainings % FORGET_EVERY == 0:
                keras.utils.clear_session(free_memory=False)
        seconds, text = time.perf_counter() - began, str(proposal)
        macs, share = self.part_macs(proposal, part), part.end / self._recipe.steps
        if isinstance(trained, str):
            return Evaluation(text, 0.0, (), seconds, part.steps, trained, macs, share)
        steps = trained.steps - part.begin
        return Evaluation(text, trained.accuracy, trained.curve, seconds, steps, "", macs, share)

    def _train(self, proposal: Proposal, number: int, meter: Meter, part: Part) -> Training | str:
        """The training, or why there is none."""
        seed, recipe, data = derive_seed(self._seed, f"evaluation {number}"), self._recipe, self._data
        until = None if recipe.seconds else part.end
        # A whole training goes on from nothing, and nobody goes on from it.
        file = self._file(number) if part.steps < recipe.steps else None
        try:
            model = network(proposal, self._space, recipe, data, seed, self._shared)
        except (InputError, ValueError) as error:
            return f"the network cannot be built: {_first_line(error)}"
        except runtime.OUT_OF_MEMORY:
            return "the memory did not suffice to build the network"
        try:
            trained = train(model, data, recipe, seed=seed, on_step=_stop_with(meter), checkpoint=file, until=until)
        except TrainingFailed as error:
            return str(error)
        except runtime.OUT_OF_MEMORY:
            return "the memory did not suffice to train the network"
        complete = part.end == recipe.steps
        if file is not None and complete:
            file.unlink(missing_ok=True)
        if self._keep and complete and (kept := self._file(number, "predictions")) is not None:
            with replacing(kept) as new, new.open("wb") as stream:
                np.save(stream, self._predicted(model, trained), allow_pickle=False)
        return trained

    def _file(self, number: int, what: str = "weights") -> Path | None:
        """Where the training that began with evaluation ``number`` is kept when it is stopped; or its predictions."""
        if self._stopped is None:
            return None
        self._stopped.mkdir(exist_ok=True)
        return self._stopped / (f"{number}.npz" if what == "weights" else f"{number} {what}.npy")


def network(
    proposal: Proposal, space: Space, recipe: Recipe, data: SearchData, seed: int, shared: Shared
) -> keras.Model | Child:
    """Written down where that can do what the recipe asks for, which is faster; otherwise of Keras layers.

    Args:
        proposal: of ``space``.
        recipe, data: what it is trained by, and on.
        seed: of the weights.
        shared: of the same data and recipe.

    Raises:
        InputError, ValueError: it cannot be built.
    """
    drop_path, auxiliary = recipe.drop_path > 0.0, recipe.auxiliary > 0.0
    if isinstance(proposal, Genotype) and not drop_path and not auxiliary:
        graph = lower(space.decode(proposal, recipe.size))
        if can_be_written(graph):
            return Child(graph, data.image_shape, data.classes, seed, shared)
    return build_model(
        proposal,
        space,
        recipe.size,
        data.image_shape,
        data.classes,
        seed=seed,
        drop_path=drop_path,
        auxiliary=auxiliary,
    )


def _stop_with(meter: Meter) -> Callable[[int, int], None]:
    """Ends a training when a budget in seconds does; counted budgets are checked before a training begins."""
    return lambda done, total: None if meter.budget.counted else meter.check()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
