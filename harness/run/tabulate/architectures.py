"""Which networks a table is made of: one for each function that the genotypes of a space compute."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import InputError
from harness.core.seeds import rng
from harness.core.space import MOST_TABULATED, Genotype, Space

_TRIES = 100  # draws per architecture of a sample, until it is said that there are no more


@dataclass(frozen=True)
class Architectures:
    """What is trained.

    Args:
        genotypes: one for each function, in random order, so that a table that is not finished yet, or a part of one,
            is a random sample of the space.
        stands_for: how many genotypes of the space compute the same, by genotype; empty where nobody has counted.
    """

    genotypes: tuple[Genotype, ...]
    stands_for: dict[Genotype, int]


def architectures(space: Space, sample: int) -> Architectures:
    """All architectures of a space, or some.

    Args:
        space: with genotypes.
        sample: how many, drawn at random from the genotypes; 0 for all.

    Raises:
        InputError: the space has none, or too many, or fewer than the sample.
    """
    if not space.choices:
        raise InputError(f"space '{space.name}' has no genotypes that could be trained one after the other")
    whole = space.cardinality <= MOST_TABULATED
    if not whole and not sample:
        raise InputError(
            f"space '{space.name}' has {float(space.cardinality):.3g} genotypes, too many to train; draw some with "
            "--sample 500"
        )
    if whole:
        return _counted(space, sample)
    return Architectures(tuple(_drawn(space, sample)), {})


def _counted(space: Space, sample: int) -> Architectures:
    alike: dict[str, list[Genotype]] = {}
    for genotype in space.every():
        alike.setdefault(space.function(genotype), []).append(genotype)
    if sample > len(alike):
        raise InputError(f"space '{space.name}' has {len(alike)} different functions, not {sample}; leave --sample out")
    every = [same[0] for same in alike.values()]
    order = rng(0, f"table of {space.name}").permutation(len(every))
    chosen = [every[place] for place in order[: sample or None]]
    return Architectures(tuple(chosen), {genotype: len(alike[space.function(genotype)]) for genotype in chosen})


def _drawn(space: Space, sample: int) -> list[Genotype]:
    generator, found = rng(0, f"table of {space.name}"), dict[str, Genotype]()
    for _ in range(_TRIES * sample):
        genotype = space.sample(generator)
        found.setdefault(space.function(genotype), genotype)
        if len(found) == sample:
            return list(found.values())
    raise InputError(f"space '{space.name}' has no {sample} different functions; draw fewer")
