"""What every space promises: its text form, its neighbours, graphs for all of its genotypes."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.space import Genotype, Size, Space, positions_by_node
from harness.plugins.catalogue import Catalogue, named_space

SPACES = [*Catalogue().spaces(), "macro-3", "macro-6", "chain-3", "chain-6", "qchain-4", "block-3"]


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return named_space(request.param, Catalogue())


@pytest.fixture
def genotypes(space: Space) -> list[Genotype]:
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(50)]


def test_text_and_genotype_are_the_same_thing(space: Space, genotypes: list[Genotype]) -> None:
    for genotype in genotypes:
        assert str(genotype).startswith(f"{space.name}:")
        assert space.parse(str(genotype)) == genotype
        assert space.genotype(genotype.picks) == genotype
        assert space.contains(genotype)
        assert hash(space.parse(str(genotype))) == hash(genotype)
    assert len({str(g) for g in genotypes}) == len(set(genotypes)) > 40


def test_what_is_not_in_the_space_is_refused(space: Space, genotypes: list[Genotype]) -> None:
    genotype = genotypes[0]
    text = str(genotype)
    for wrong in (text + ",1", text.rsplit(",", 1)[0], text.replace(":", ":nonsense", 1), "other" + text, ""):
        with pytest.raises(InputError):
            space.parse(wrong)
    for picks in (genotype.picks[:-1], (*genotype.picks, 0), (-1, *genotype.picks[1:]), (99, *genotype.picks[1:])):
        with pytest.raises(InputError):
            space.genotype(picks)
        assert not space.contains(Genotype(space.name, picks, text))
    assert not space.contains(Genotype("other", genotype.picks, text))


def test_every_genotype_decodes_to_a_graph_of_known_kind(space: Space, genotypes: list[Genotype]) -> None:
    for genotype in genotypes:
        for size in (Size(4, 3), Size(16, 8, 2)):
            graph = space.decode(genotype, size)
            assert isinstance(graph, Architecture)
            assert graph == space.decode(genotype, size)
            hash(graph)


def test_neighbours_are_other_genotypes_one_step_away(space: Space, genotypes: list[Genotype]) -> None:
    for genotype in genotypes[:5]:
        neighbours = list(space.neighbours(genotype))
        assert neighbours
        assert len(set(neighbours)) == len(neighbours)
        for neighbour in neighbours:
            assert space.contains(neighbour)
            assert sum(a != b for a, b in zip(genotype.picks, neighbour.picks, strict=True)) == 1
        for neighbour in neighbours[:: len(neighbours) // 5]:
            assert genotype in set(space.neighbours(neighbour)), "being a neighbour goes both ways"


def test_a_mutation_is_a_neighbour(space: Space, genotypes: list[Genotype]) -> None:
    rng = np.random.default_rng(1)
    for genotype in genotypes[:10]:
        assert space.mutate(genotype, rng) in set(space.neighbours(genotype))


def test_draws_depend_on_the_generator_alone(space: Space) -> None:
    first, again = (space.sample(np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert first != space.sample(np.random.default_rng(4))


def test_size_is_counted(space: Space) -> None:
    product = 1
    for choice in space.choices:
        assert len(choice) >= 1
        assert len(set(choice.options)) == len(choice.options)
        product *= len(choice.options)
    assert space.cardinality == product > 1000
    assert len({choice.name for choice in space.choices}) == len(space.choices)


def test_the_choices_of_a_node_follow_each_other(space: Space) -> None:
    runs = [position for node in positions_by_node(space.choices).values() for position in node]
    assert runs == list(range(len(space.choices)))
    assert all(len({space.choices[p].cell for p in node}) == 1 for node in positions_by_node(space.choices).values())
