"""Choices, genotypes and what every space inherits."""

from __future__ import annotations

import contextlib
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from fakes import VectorSpace

from harness.core.errors import InputError
from harness.core.space import Choice, Genotype, Size, Space, positions_by_node
from harness.run.profile import Profile
from harness.run.profiles import PROFILES
from harness.spaces import get_space, names

SPACES = ["cell", "enas_cell", "macro", "chain", "nasbench201", "macro-4", "chain-4"]


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    return get_space(request.param)


def differing(a: Genotype, b: Genotype) -> list[int]:
    return [i for i, (x, y) in enumerate(zip(a.picks, b.picks, strict=True)) if x != y]


def test_text_parses_back(space: Space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        genotype = space.sample(rng)
        assert space.parse(str(genotype)) == genotype
        assert space.contains(genotype)
        assert str(genotype).startswith(f"{space.name}:")


def test_genotypes_are_values(space: Space) -> None:
    first = space.genotype((0,) * len(space.choices))
    assert first == space.genotype(tuple(np.zeros(len(space.choices), np.int64)))
    assert len({first, space.genotype(first.picks)}) == 1
    assert all(type(pick) is int for pick in space.sample(np.random.default_rng(0)).picks)


def test_malformed_texts_and_picks_are_refused(space: Space) -> None:
    good = space.sample(np.random.default_rng(1))
    words = str(good).partition(":")[2].split(",")
    for text in (
        f"other:{','.join(words)}",
        f"{space.name}:{','.join(words[1:])}",
        f"{space.name}:{','.join([*words, words[0]])}",
        f"{space.name}:{','.join(['no_such_option', *words[1:]])}",
        "",
    ):
        with pytest.raises(InputError):
            space.parse(text)
    with pytest.raises(InputError):
        space.genotype(good.picks[1:])
    with pytest.raises(InputError):
        space.genotype((len(space.choices[0]), *good.picks[1:]))
    with pytest.raises(InputError):
        space.genotype((-1, *good.picks[1:]))


def test_contains_refuses_a_forgery(space: Space) -> None:
    good = space.sample(np.random.default_rng(2))
    place = next(i for i, choice in enumerate(space.choices) if len(choice) > 1)
    other = (good.picks[place] + 1) % len(space.choices[place])
    forged = Genotype(space.name, (*good.picks[:place], other, *good.picks[place + 1 :]), good.text)
    assert not space.contains(forged)
    assert not space.contains(Genotype("other", good.picks, good.text))


def test_cardinality_is_the_product(space: Space) -> None:
    assert space.cardinality == pytest.approx(float(np.prod([float(len(choice)) for choice in space.choices])))


def test_a_mutation_changes_exactly_one_pick_to_a_neighbour_and_leaves_the_parent(space: Space) -> None:
    rng = np.random.default_rng(3)
    parent = space.sample(rng)
    before = (parent.picks, parent.text)
    for _ in range(100):
        child = space.mutate(parent, rng)
        [place] = differing(parent, child)
        assert child.picks[place] in space.choices[place].neighbours(parent.picks[place])
        assert space.contains(child)
    assert (parent.picks, parent.text) == before


def test_mutation_can_be_restricted_to_some_choices() -> None:
    space = VectorSpace(6, 3)
    rng = np.random.default_rng(4)
    parent = space.sample(rng)
    places = {differing(parent, space.mutate(parent, rng, lambda c: int(c.name) < 2))[0] for _ in range(60)}
    assert places == {0, 1}


def test_a_mutation_of_choices_that_cannot_change_is_one_of_the_others() -> None:
    space = VectorSpace(4, 3)
    parent = space.sample(np.random.default_rng(4))
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(20):
        assert space.mutate(parent, one, lambda choice: False) == space.mutate(parent, other)


def test_the_only_genotype_of_a_space_mutates_to_itself() -> None:
    space = VectorSpace(4, 1)
    [only] = space.every()
    assert space.mutate(only, np.random.default_rng(0)) == only
    assert list(space.neighbours(only)) == []


@pytest.mark.parametrize("name", ["pnas-3", "pnas", "block-4", "block", "qchain-5", "qchain"])
def test_picks_that_do_not_matter_stay(name: str) -> None:
    """Else a search trains the same network again: a cell of one block has 13 choices in pnas-3, and five matter."""
    space, rng = get_space(name), np.random.default_rng(6)
    drawn = [space.sample(rng) for _ in range(200)]
    some = [genotype for genotype in drawn if len(space.effective(genotype)) < len(space.choices)]
    assert some, "none of the draws has choices that do not matter"
    for genotype in some[:10]:
        mattering = set(space.effective(genotype))
        around = {differing(genotype, neighbour)[0] for neighbour in space.neighbours(genotype)}
        mutated = {differing(genotype, space.mutate(genotype, rng))[0] for _ in range(30 * len(mattering))}
        assert around == mutated == mattering


@pytest.mark.parametrize("name", ["pnas-3", "block-4"])
def test_no_neighbour_is_the_same_network(name: str) -> None:
    space, size = get_space(name), Size(4, 3)
    rng = np.random.default_rng(7)
    for _ in range(10):
        genotype = space.sample(rng)
        network = space.decode(genotype, size)
        assert all(space.decode(neighbour, size) != network for neighbour in space.neighbours(genotype))


def test_the_choices_that_matter() -> None:
    pnas, block, chain = get_space("pnas-3"), get_space("block-4"), get_space("qchain-4")
    assert len(pnas.effective(pnas.genotype((0,) * 13))) == 5
    assert len(pnas.effective(pnas.genotype((1, *(0,) * 12)))) == 9
    assert len(pnas.effective(pnas.genotype((2, *(0,) * 12)))) == 13
    for space in (block, chain):
        last = [len(choice) - 1 for choice in space.choices]
        assert list(space.effective(space.genotype((0, *last[1:])))) == [0, 1]
        assert list(space.effective(space.genotype((0, last[1], 0, 0)))) == [0, 1]
        assert list(space.effective(space.genotype((0, 0, 0, 0)))) == [0, 1, 2, 3]
        assert list(space.effective(space.genotype((0, 0, 0, last[3])))) == [0, 1, 2, 3]


def test_mutation_is_uniform_over_choices() -> None:
    space = VectorSpace(5, 4)
    rng = np.random.default_rng(5)
    parent = space.sample(rng)
    count = Counter(space.mutate(parent, rng) for _ in range(3000))
    assert len(count) == 15
    expected = 3000 / 15
    chi2 = sum((seen - expected) ** 2 / expected for seen in count.values())
    assert chi2 < 36.1  # 14 degrees of freedom, p = 0.001


def test_neighbours_are_all_one_pick_away_each_once_and_mutual(space: Space) -> None:
    genotype = space.sample(np.random.default_rng(6))
    neighbours = list(space.neighbours(genotype))
    expected = sum(len(c.neighbours(p)) for c, p in zip(space.choices, genotype.picks, strict=True))
    assert len(set(neighbours)) == len(neighbours) == expected
    for neighbour in neighbours:
        [place] = differing(genotype, neighbour)
        assert genotype.picks[place] in space.choices[place].neighbours(neighbour.picks[place])


USUAL = {
    **{"cell": 4, "enas_cell": 5, "nao_cell": 5, "nasnet": 5, "pnas": 5, "qchain": 18, "block": 23, "fabric": 8},
    **{"smash": 4, "morph": 4, "eas": 5, "macro": 12, "chain": 15},
}


@pytest.mark.parametrize("kind", sorted(names()))
def test_a_space_has_one_name(kind: str) -> None:
    """Else rows of one space would be rows of two, and a zero line would be missing."""
    found = []
    for number in range(30):
        with contextlib.suppress(InputError):
            found.append(get_space(f"{kind}-{number}"))
    usual = get_space(kind).choices
    assert all(space.choices != usual for space in found)
    assert len({space.choices for space in found}) == len(found)
    if kind in USUAL:
        with pytest.raises(InputError, match=f"^write '{kind}-{USUAL[kind]}' as {kind}, so that"):
            get_space(f"{kind}-{USUAL[kind]}")


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("cell-03", "cell-3"), ("cell-04", "cell"), ("chain-0015", "chain"), ("pnas-\u0663", "pnas-3")],
)
def test_another_spelling_of_a_number_is_refused(name: str, canonical: str) -> None:
    with pytest.raises(InputError, match=f"as {canonical}, so that one space has one name"):
        get_space(name)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_profiles_name_spaces_as_they_are_called(profile: Profile) -> None:
    for name, sized in profile.spaces:
        assert get_space(sized).name == sized
        assert get_space(name).name == name


def test_tuple_options_are_neighbours_if_one_element_differs() -> None:
    choice = Choice("inputs", tuple(combinations(range(5), 2)))
    for pick, pair in enumerate(choice.options):
        near = {choice.options[i] for i in choice.neighbours(pick)}
        assert near == {other for other in choice.options if len(set(pair) & set(other)) == 1}  # type: ignore[arg-type]
    assert Choice("inputs", ((0, 1),)).neighbours(0) == ()


def test_samples_are_uniform_over_a_toy_space() -> None:
    space = VectorSpace(3, 3)
    rng = np.random.default_rng(7)
    count = Counter(space.sample(rng) for _ in range(5400))
    assert len(count) == 27
    chi2 = sum((seen - 200) ** 2 / 200 for seen in count.values())
    assert chi2 < 54.1  # 26 degrees of freedom, p = 0.001


def test_option_reads_the_pick(space: Space) -> None:
    genotype = space.sample(np.random.default_rng(8))
    for place, choice in enumerate(space.choices):
        assert space.option(genotype, place) == choice.options[genotype.picks[place]]


def test_positions_are_grouped_by_node_and_a_choice_is_a_node_of_its_own_by_default() -> None:
    choices = (Choice("a.x", (0, 1), node="a"), Choice("a.y", (0, 1), node="a"), Choice("b", (0, 1)))
    assert positions_by_node(choices) == {"a": [0, 1], "b": [2]}
