"""How large and how slow the final network of a proposal is, before it is trained."""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from harness.core.errors import InputError
from harness.core.evaluation import Ensemble, Proposal
from harness.core.limits import Footprint, Limits
from harness.core.lowering import lower
from harness.core.measure import Shape, measure
from harness.core.space import Genotype, Size, Space
from harness.nets import count, runtime
from harness.nets.build import build_model

WARM, PASSES = 5, 50
"""Forward passes before the measurement, and of it."""


def latency(model: keras.Model) -> float:
    """Median time of a forward pass of one image, ms, on this machine with this process's threads.

    The clock runs from an image in the memory to logits there: what a caller waits for. The graph is optimised whether
    or not the process optimises others, so that one network takes the same time in the search of any method, as long as
    a run has one thread: with several, those of DARTS' search share out operations (docs/limits.md).
    """
    image = tf.zeros([1, *model.input_shape[1:]])

    def forward(images: tf.Tensor) -> tf.Tensor:
        outputs = model(images, training=False)
        return outputs[0] if isinstance(outputs, list | tuple) else outputs

    traced = tf.function(forward, input_signature=[tf.TensorSpec(image.shape, image.dtype)], autograph=False)
    times = []
    with runtime.graph_optimizer_on():
        for _ in range(WARM + PASSES):
            began = time.perf_counter()
            traced(image).numpy()
            times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[WARM:]))


@dataclass(frozen=True)
class Sizer:
    """Says what of a proposal's final network is beyond the limits.

    Args:
        space: of the genotypes.
        size: of the final network.
        image, classes: of the data set.
        limits: of the search.
    """

    space: Space
    size: Size
    image: Shape
    classes: int
    limits: Limits

    def __call__(self, proposal: Proposal) -> str:
        """A few words; empty if nothing is beyond, or if the network cannot be built, which its training will say.

        A network is built and timed only if there is a limit of time and the others are kept.
        """
        try:
            found = self._counted(proposal)
            if self.limits.latency and not self.limits.beyond(found):
                found = self._timed(proposal, found)
        except (InputError, ValueError):
            return ""
        return self.limits.beyond(found)

    def _counted(self, proposal: Proposal) -> Footprint:
        if isinstance(proposal, Genotype):
            sizes = measure(lower(self.space.decode(proposal, self.size)), self.image, self.classes)
            return Footprint(sizes.parameters, sizes.macs)
        if isinstance(proposal, Ensemble):
            members = [self._counted(member) for member in proposal.members]
            return Footprint(sum(one.parameters for one in members), sum(one.macs for one in members))
        model = self._built(proposal)
        return Footprint(count.parameters(model), count.macs(model))

    def _timed(self, proposal: Proposal, found: Footprint) -> Footprint:
        took = latency(self._built(proposal))
        runtime.forget()
        return Footprint(found.parameters, found.macs, took)

    def _built(self, proposal: Proposal) -> keras.Model:
        return build_model(proposal, self.space, self.size, self.image, self.classes, seed=0)
