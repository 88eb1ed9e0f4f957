"""Random sampling: one random architecture without a search, the lower baseline of every table.

Reference: the "random" rows of Li & Talwalkar, *Random search and reproducibility for NAS*, UAI 2019, and the relative
improvement over them of Yang et al., *NAS evaluation is frustratingly hard*, ICLR 2020. The draw is uniform over the
genotypes of the space, of which several may compute the same function.

Deviations: none. Expected: the mean of the space, 87.06 % on CIFAR-10 in NAS-Bench-201. Cost: no training at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness import Method, Task


@dataclass(frozen=True)
class RandomSampling(Method):
    """Proposes one genotype and stops, or as many as are to be trained finally; works in every space."""

    name = "random_sampling"
    title = "Random sampling"
    space = "cell"
    families = ("random",)
    position = 10
    look = 0

    def search(self, task: Task) -> None:
        """Proposes random genotypes, one per final training; nothing is spent."""
        for _ in range(task.top):
            task.propose(task.sample())


METHOD = RandomSampling
