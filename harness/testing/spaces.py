"""What every search space promises: a text form, neighbours, and a graph for each of its genotypes."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.names import sentence
from harness.core.space import Genotype, Size, Space, option_text, positions_by_node
from harness.testing.checks import Broken, Check, ensure

DRAWS = 50
MOST_NEIGHBOURS = 5
SIZES = (Size(4, 3), Size(16, 8, 2))


def space_checks(space: Space) -> list[Check]:
    """The promises of one space, each with its test."""
    return [
        Check("draws the same genotype from the same generator", lambda: draws_depend_on_the_generator(space)),
        Check("reads its own text form", lambda: text_is_the_genotype(space)),
        Check("refuses what is not in it", lambda: refuses_others(space)),
        Check("decodes every genotype to a graph", lambda: decodes(space)),
        Check("knows which choices matter", lambda: effective(space)),
        Check("has neighbours that differ in one choice", lambda: neighbours(space)),
        Check("mutates to a neighbour", lambda: mutates(space)),
        Check("counts its genotypes", lambda: counts(space)),
        Check("keeps the choices of a node together", lambda: nodes_follow_each_other(space)),
    ]


def drawn(space: Space) -> list[Genotype]:
    """:data:`DRAWS` genotypes from a seeded generator."""
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(DRAWS)]


def every_option(space: Space) -> list[Genotype]:
    """Genotypes in which each option of each choice comes once at least."""
    most = max((len(choice) for choice in space.choices), default=0)
    return [space.genotype(tuple(turn % len(choice) for choice in space.choices)) for turn in range(most)]


def draws_depend_on_the_generator(space: Space) -> None:
    """Two generators of one seed draw the same; the draws of two seeds differ."""
    some, again = (
        [space.sample(rng) for _ in range(DRAWS)] for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    ensure(some == again, "two generators of one seed draw different genotypes; draw from the generator given only")
    other = np.random.default_rng(4)
    ensure(some != [space.sample(other) for _ in range(DRAWS)], "every generator draws the same genotypes")


def text_is_the_genotype(space: Space) -> None:
    """``parse`` turns the text back, ``genotype`` the picks, and different genotypes have different texts."""
    genotypes = [*drawn(space), *every_option(space)]
    for genotype in genotypes:
        text = str(genotype)
        ensure(text.startswith(f"{space.name}:"), f"the text '{text}' does not begin with '{space.name}:'")
        try:
            parsed = space.parse(text)
        except InputError as error:
            raise Broken(f"it cannot read its own text '{text}': {error}") from error
        ensure(parsed == genotype, f"'{text}' is read as '{parsed}'")
        ensure(hash(parsed) == hash(genotype), f"two equal genotypes '{text}' have different hashes")
        ensure(space.genotype(genotype.picks) == genotype, f"the picks of '{text}' make another genotype")
        ensure(space.contains(genotype), f"it says that its own draw '{text}' is not in it")
    texts, different = len({str(genotype) for genotype in genotypes}), len(set(genotypes))
    ensure(texts == different, f"{different} different genotypes have {texts} different texts")


def refuses_others(space: Space) -> None:
    """Texts and picks that are too short, too long or unknown raise :class:`InputError`."""
    genotype = drawn(space)[0]
    text = str(genotype)
    longer, shorter = text + ",1", text.rsplit(",", 1)[0] if "," in text else text.partition(":")[0]
    for wrong in (longer, shorter, text.replace(":", ":nonsense", 1), "other" + text, ""):
        try:
            space.parse(wrong)
        except InputError:
            continue
        except Exception as error:
            raise Broken(f"reading '{wrong}' raises {sentence(error)} instead of InputError") from error
        raise Broken(f"it reads '{wrong}' without a word")
    for picks in (genotype.picks[:-1], (*genotype.picks, 0), (-1, *genotype.picks[1:]), (99_999, *genotype.picks[1:])):
        try:
            space.genotype(picks)
        except InputError:
            ensure(not space.contains(Genotype(space.name, picks, text)), f"it says that the picks {picks} are in it")
            continue
        raise Broken(f"it makes a genotype of the picks {picks}")
    ensure(not space.contains(Genotype("other", genotype.picks, text)), "it contains genotypes of other spaces")


def decodes(space: Space) -> None:
    """``decode`` returns an equal, hashable graph each time, at two sizes."""
    for genotype in drawn(space):
        for size in SIZES:
            graph = space.decode(genotype, size)
            ensure(
                isinstance(graph, Architecture),
                f"decode('{genotype}') returns a {type(graph).__name__} instead of an Architecture",
            )
            ensure(graph == space.decode(genotype, size), f"decode('{genotype}') gives another graph the second time")
            try:
                hash(graph)
            except TypeError as error:
                raise Broken(f"the graph of '{genotype}' has no hash ({error}); use tuples, not lists") from error


def effective(space: Space) -> None:
    """Picks that do not matter change nothing, and a choice that matters goes on to when its pick changes."""
    rng = np.random.default_rng(2)
    for genotype in drawn(space)[:MOST_NEIGHBOURS]:
        mattering = list(space.effective(genotype))
        others = sorted(set(range(len(space.choices))) - set(mattering))
        ensure(
            mattering == sorted(set(mattering)) and len(mattering) + len(others) == len(space.choices),
            f"effective('{genotype}') gives {mattering}, which are not places of choices in order",
        )
        for position in others:
            other = _changed(space, genotype, position, rng)
            ensure(
                space.decode(other, SIZES[0]) == space.decode(genotype, SIZES[0]),
                f"'{genotype}' and '{other}' differ in a choice that is said not to matter, and are other networks",
            )
        for position in mattering:
            other = _changed(space, genotype, position, rng)
            ensure(
                position in space.effective(other),
                f"choice '{space.choices[position].name}' matters in '{genotype}' and not in '{other}'",
            )


def _changed(space: Space, genotype: Genotype, position: int, rng: np.random.Generator) -> Genotype:
    """With another pick at a position, where it has one."""
    count = len(space.choices[position])
    pick = (genotype.picks[position] + int(rng.integers(1, max(count, 2)))) % count
    return space.genotype((*genotype.picks[:position], pick, *genotype.picks[position + 1 :]))


def neighbours(space: Space) -> None:
    """Each differs in one pick, none comes twice, and being a neighbour goes both ways."""
    for genotype in drawn(space)[:MOST_NEIGHBOURS]:
        around = list(space.neighbours(genotype))
        ensure(around, f"'{genotype}' has no neighbours")
        ensure(len(set(around)) == len(around), f"a neighbour of '{genotype}' comes twice")
        for other in around:
            ensure(space.contains(other), f"the neighbour '{other}' of '{genotype}' is not in the space")
            differing = sum(a != b for a, b in zip(genotype.picks, other.picks, strict=True))
            ensure(differing == 1, f"the neighbour '{other}' of '{genotype}' differs in {differing} choices")
        for other in around[:: max(1, len(around) // MOST_NEIGHBOURS)]:
            ensure(
                genotype in set(space.neighbours(other)), f"'{genotype}' is not a neighbour of its neighbour '{other}'"
            )


def mutates(space: Space) -> None:
    """A mutation is one of the neighbours."""
    rng = np.random.default_rng(1)
    for genotype in drawn(space)[:10]:
        mutated = space.mutate(genotype, rng)
        ensure(mutated in set(space.neighbours(genotype)), f"the mutation '{mutated}' is no neighbour of '{genotype}'")


def counts(space: Space) -> None:
    """Choices and options have different names, and ``cardinality`` is the product of the numbers of options."""
    names = [choice.name for choice in space.choices]
    ensure(len(set(names)) == len(names), "two of its choices have the same name")
    for choice in space.choices:
        ensure(len(choice) >= 1, f"the choice '{choice.name}' has no options")
        ensure(len(set(choice.options)) == len(choice.options), f"the choice '{choice.name}' has an option twice")
        text, times = Counter(map(option_text, choice.options)).most_common(1)[0]
        ensure(times == 1, f"two options of the choice '{choice.name}' are written alike, as '{text}'")
    product = math.prod(len(choice) for choice in space.choices)
    ensure(space.cardinality == product, f"its cardinality is {space.cardinality}, and its choices make {product}")


def nodes_follow_each_other(space: Space) -> None:
    """The choices of a node stand in a row, and belong to one cell."""
    by_node = positions_by_node(space.choices)
    ensure(
        [position for positions in by_node.values() for position in positions] == list(range(len(space.choices))),
        "the choices of one node are not next to each other",
    )
    for node, positions in by_node.items():
        ensure(len({space.choices[at].cell for at in positions}) == 1, f"node {node} belongs to several cells")
