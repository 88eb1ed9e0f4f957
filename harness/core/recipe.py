"""Recipes: how a network is trained, in the proxy task of a search or in the final training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from harness.core.budget import PASSES_PER_STEP
from harness.core.evaluation import Part
from harness.core.signal import ACCURACY
from harness.core.space import Size

LEAST_MACS = 100_000
"""What an image's forward pass in an evaluation is charged as, at least.

Steps on shared weights, trials of AutoKeras and rows of a table have no least.
"""
MORE = "+"
"""The value of a hyper-parameter that asks for another final training, ``nas_rl:filters=+``."""
NO_EXTRA: Mapping[str, float] = MappingProxyType({})
Limit = Literal["epochs", "seconds", "steps"]
"""What a training is counted in."""


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum and a cosine schedule, with the usual regularisers as options.

    Args:
        size: of the network.
        steps: gradient steps of one training; with ``seconds`` set, the most; with ``epochs`` set, of no account.
        epochs: if set, how often the training sees each of its images, whatever the data set's size. Gradient steps
            follow from it (:meth:`steps_on`).
        seconds: if set, how long the training takes on this machine. Its first gradient steps are timed, which fixes
            their number, and the cosine schedule runs over that number. With ``epochs`` set, a cap only: the schedule
            is cut short where the machine turns out too slow for it.
        batch: images per gradient step.
        learning_rate: at the start; it falls to ``final_learning_rate`` along half a cosine, step by step.
        warmup: share of the steps in which the rate rises linearly from 0.
        momentum: Nesterov momentum.
        weight_decay: added to the gradient as ``weight_decay * w`` for every trainable weight (PyTorch's convention).
        label_smoothing: probability that is moved from the label to the uniform distribution.
        augment: random crop and, where the data set allows it, flip.
        cutout: whether to cut a square of the data set's side out of each training image.
        drop_path: final probability of dropping a path, rising linearly from 0 (scheduled drop path).
        auxiliary: weight of the auxiliary head's loss; 0 for none.
        gradient_clip: global norm; 0 for none.
        validations: how many times the validation accuracy is measured, evenly spaced, the last time at the end.
        validation_images: how many validation images are used (the first ones of the split); 0 for all.
        train_images: how many training images are used; 0 for all. A proxy training takes the first ones, which the
            split has shuffled, a final training draws them by the seed.
        signal: what is measured on the validation images, by name in :data:`harness.core.signal.SIGNALS`. Wherever a
            value says accuracy, it means this number.
    """

    size: Size
    steps: int
    epochs: float = 0.0
    seconds: float = 0.0
    batch: int = 64
    learning_rate: float = 0.1
    final_learning_rate: float = 0.0
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    label_smoothing: float = 0.0
    augment: bool = True
    cutout: bool = False
    drop_path: float = 0.0
    auxiliary: float = 0.0
    gradient_clip: float = 5.0
    validations: int = 1
    validation_images: int = 0
    train_images: int = 0
    # A checkpoint knows its training by the recipe's repr; what is measured changes nothing of the weights.
    signal: str = field(default=ACCURACY, repr=False)

    @property
    def limit(self) -> Limit:
        """What decides how long a training is."""
        return "epochs" if self.epochs else "seconds" if self.seconds else "steps"

    def values(self) -> dict[str, Any]:
        """The recipe as plain values; a size without more filters does not mention them, nor does the usual signal."""
        values = asdict(self)
        if self.signal == ACCURACY:
            del values["signal"]
        if not self.size.more:
            del values["size"]["more"]
        return values

    def with_extra(self, extra: Mapping[str, float]) -> Recipe:
        """The recipe of a found network that is larger, or trained otherwise, than the profile's.

        Args:
            extra: ``channels``: factor of the width; ``more``: filters that every layer has besides; ``cutout``: 1 for
                cutout.
        """
        channels = round(self.size.channels * extra.get("channels", 1.0))
        size = replace(self.size, channels=channels, more=int(extra.get("more", self.size.more)))
        return replace(self, size=size, cutout=bool(extra.get("cutout", self.cutout)))

    def steps_on(self, images: int) -> int:
        """Gradient steps of a training on so many images; at least one. Limited by seconds it may take fewer."""
        return max(1, round(self.epochs * images / self.batch)) if self.epochs else self.steps

    def evaluation_macs(self, macs: int, validation_images: int) -> int:
        """Multiply-accumulates of one training by this recipe with its validations.

        An image counts as :data:`LEAST_MACS` at least: a network that is hardly more than a pooling takes time too, and
        a search that has come to like such networks has to end.

        Args:
            macs: of one image's forward pass; an auxiliary head is left out.
            validation_images: how many the split has.
        """
        return self.part_macs(macs, validation_images, Part(0, self.steps))

    def part_macs(self, macs: int, validation_images: int, part: Part) -> int:
        """As :meth:`evaluation_macs`, of a part of that training; its end is validated whether that is due or not."""
        # A training is validated once after a step at most.
        validations = min(self.validations, self.steps)
        begin, before, end = (step * validations // self.steps for step in (part.begin, part.end - 1, part.end))
        seen = min(self.validation_images or validation_images, validation_images)
        images = PASSES_PER_STEP * part.steps * self.batch + (end - begin + int(end == before)) * seen
        return max(macs, LEAST_MACS) * images
