"""The verdict in words: which methods beat random search in their space beyond chance, and how many seeds would tell.

One test per method of a table, over its seeds; Holm's correction over these tests. docs/statistics.md says what each
number means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.record import Run
from harness.report.model.groups import REFERENCE, Block, MethodInSpace, accuracies, blocks
from harness.report.model.numbers import listed, plural, signed
from harness.report.model.results import measures, mixed_devices, result_of
from harness.report.model.table import Fact, Facts, Part, Text
from harness.report.stats import tests as stats
from harness.report.stats.pairs import compared, differences, failures, searches
from harness.report.stats.power import MOST, pairs_for_power

FEWEST = 3
"""With fewer seeds nothing is told."""

Outcome = Literal["better", "worse", "undecided", "not compared"]


@dataclass(frozen=True)
class Standing:
    """How a method stands against random search in its space.

    Args:
        method: which.
        outcome: at level 0.05, after Holm's correction.
        differences: by seed, in points; empty if the two have no seed in common.
        comparison: the test of these; None without one.
        corrected: its p after the correction.
        allowed: the smallest corrected p that so many seeds can give.
        seeds_needed: how many would show a difference like the one seen with power 80 %; None above a bound, and
            where it cannot be estimated.
        failures, reference_failures: failed runs of the method, and of random search in its space.
    """

    method: MethodInSpace
    outcome: Outcome
    differences: tuple[float, ...] = ()
    comparison: stats.Comparison | None = None
    corrected: float = 1.0
    allowed: float = 1.0
    seeds_needed: int | None = None
    failures: int = 0
    reference_failures: int = 0


def verdict(runs: Sequence[Run]) -> list[Part]:
    """The verdict on every table of the report, as paragraphs and lists, and what the numbers in them mean."""
    tables = [(block, standings(block)) for block in blocks(runs)]
    parts = [part for block, stands in tables for part in _verdict(block, stands)]
    return [*parts, Text(_HOW)] if any(_told(stands) for _, stands in tables) else parts


def _verdict(block: Block, stands: Sequence[Standing]) -> list[Part]:
    """A paragraph, and the methods by how they stand."""
    summary = f"{_what(block)}: {_summary(block, stands)}"
    text = Text(" ".join([summary, *_remarks(block)]))
    return [text, _list(block, stands)] if _told(stands) else [text]


def _told(stands: Sequence[Standing]) -> bool:
    """Whether there are seeds enough to say anything of a method."""
    return any(len(stand.differences) >= FEWEST for stand in stands)


def standings(block: Block) -> list[Standing]:
    """How each method of a table stands, in the table's order; random sampling and random search are not among them."""
    methods = compared(block)
    pairs = {method: tuple(differences(block, method, block.datasets).values()) for method in methods}
    tested = {method: stats.compare_differences(values) for method, values in pairs.items() if values}
    corrected = dict(zip(tested, stats.holm([one.p for one in tested.values()]), strict=True))
    # Holm's correction never falls when a p rises, so correcting the smallest possible ones bounds what n can give.
    allowed = dict(zip(tested, stats.holm([one.smallest for one in tested.values()]), strict=True))
    shown = {method for method in tested if corrected[method] <= stats.LEVEL}
    # The level at which Holm's correction tests the methods that have not been told apart yet.
    level = stats.LEVEL / max(1, len(tested) - len(shown))
    found = []
    for method in methods:
        if method not in tested:
            found.append(Standing(method, "not compared"))
            continue
        one = tested[method]
        outcome: Outcome = "undecided" if method not in shown else "better" if one.effect > 0 else "worse"
        few = len(pairs[method]) < FEWEST
        needed = None if few or method in shown else pairs_for_power(pairs[method], level)
        numbers = (pairs[method], one, corrected[method], allowed[method], needed)
        lost = [failures(block, each) for each in (method, MethodInSpace(REFERENCE, method.space))]
        found.append(Standing(method, outcome, *numbers, *lost))
    return found


def _what(block: Block) -> str:
    """Which table this is about."""
    seeds = len({run.record.seed for run in block.runs})
    title = block.title[:1].upper() + block.title[1:]
    return f"{title}; {listed(block.datasets)}; {plural(seeds, 'seed')}"


def _summary(block: Block, stands: Sequence[Standing]) -> str:
    tested = [stand for stand in stands if stand.comparison]
    if not stands:
        return "nothing to compare, because only random sampling and random search were run."
    if not tested:
        return "nothing can be told, because no method has a seed in common with random search in its space."
    if max(len(stand.differences) for stand in tested) < FEWEST:
        return f"nothing can be told, because the differences may be chance: {_smallest(tested)}"
    hopeless = all(stand.allowed > stats.LEVEL for stand in tested)
    never = f" No result could have been beyond chance: {_smallest(tested)}" if hopeless else ""
    if len(tested) == 1:
        return f"the one method compared {_ONE[tested[0].outcome]}.{never}"
    names: dict[Outcome, list[str]] = {"better": [], "worse": [], "undecided": []}
    for stand in tested:
        names[stand.outcome].append(block.heading(stand.method))
    better, worse = names["better"], names["worse"]
    clear = [f"{len(better)} beat random search in their space ({listed(better)})"] if better else []
    if worse:
        whom = "it" if better else "random search in their space"
        clear.append(f"{len(worse)} did worse than {whom} ({listed(worse)})")
    if not clear:
        return f"none of the {len(tested)} methods compared can be told apart from random search in its space.{never}"
    rest = f"; {len(names['undecided'])} cannot be told apart from it" if names["undecided"] else ""
    return f"of {len(tested)} methods compared, {' and '.join(clear)} beyond chance{rest}."


_ONE: dict[Outcome, str] = {
    "better": "beats random search in its space beyond chance",
    "worse": "does worse than random search in its space beyond chance",
    "undecided": "cannot be told apart from random search in its space",
}


def _smallest(tested: Sequence[Standing]) -> str:
    """How many seeds the smallest possible p needs."""
    needed = stats.pairs_needed(len(tested))
    many = f"{len(tested)} comparisons need" if len(tested) > 1 else "one comparison needs"
    return (
        f"{many} at least {needed} seeds, because the smallest p of n seeds is 2/2ⁿ and "
        f"{'each p is corrected for their number' if len(tested) > 1 else f'it has to be {stats.LEVEL:g} or less'}."
    )


_OUTCOMES: dict[Outcome, str] = {
    "better": "better than random search",
    "worse": "worse than random search",
    "undecided": "cannot be told apart from random search",
}


def _list(block: Block, stands: Sequence[Standing]) -> Facts:
    """The methods by how they stand, the clearest first."""
    order = list(_OUTCOMES)
    tested = [stand for stand in stands if stand.comparison]
    ordered = sorted(tested, key=lambda s: (order.index(s.outcome), s.comparison.p if s.comparison else 0.0))
    facts = [Fact(_name(block, stand), ((_standing(stand), ""),)) for stand in ordered]
    others: dict[str, list[str]] = {}
    for stand in stands:
        if not stand.comparison:
            others.setdefault(_reason(block, stand), []).append(_name(block, stand))
    left = [Fact(f"not compared ({why})", (("; ".join(names), ""),)) for why, names in others.items()]
    return Facts((*facts, *left))


def _name(block: Block, stand: Standing) -> str:
    title = block.title_of(stand.method)
    return title if block.common else f"{title} in {stand.method.space}"


def _reason(block: Block, stand: Standing) -> str:
    """Why a method was not compared."""
    if block.zero(REFERENCE, stand.method.space) is None:
        return "random search was not run in their space"
    return "no seed with a result of theirs and of random search: the table says why"


def _standing(stand: Standing) -> str:
    """``better than random search, +1.20 points (95 % interval +0.80 to +1.60; higher in 9 of 10 seeds; ...)``."""
    one, words = stand.comparison, _OUTCOMES[stand.outcome]
    assert one is not None
    interval = stats.mean_interval([value for value in stand.differences if math.isfinite(value)])
    facts = [] if interval is None else [f"95 % interval {signed(interval[0])} to {signed(interval[1])}"]
    facts.append(f"higher in {one.wins} of {plural(len(stand.differences), 'seed')}")
    if stand.failures:
        facts.append(f"{plural(stand.failures, 'failed run')} counted as worst")
    if stand.reference_failures:
        facts.append(f"random search failed in {plural(stand.reference_failures, 'run')}")
    facts.append(_more(stand) if stand.outcome == "undecided" else f"corrected p {stats.p_text(stand.corrected)}")
    by = "no two results to subtract" if one.difference is None else f"{signed(one.difference)} points"
    return f"{words}, {by} ({'; '.join(facts)})"


def _more(stand: Standing) -> str:
    """How many more seeds would tell."""
    values = stand.differences
    if len(values) < FEWEST or sum(math.isfinite(value) and value != 0 for value in values) < 2:
        return "too few seeds differ to say how many would tell"
    if stand.seeds_needed is None:
        return f"more than {MOST:,} seeds would be needed to tell"
    more = stand.seeds_needed - len(values)
    return f"about {plural(more, 'more seed')} would tell" if more > 0 else "a few more seeds may tell"


_HOW = (
    "Points: mean difference of accuracy from random search with the same seed in the same space, over the pairs in "
    "which neither failed; a seed is one pair, with its mean over the data sets. Intervals are those of single "
    f"methods, not corrected. Beyond chance: Wilcoxon's signed-rank test, two-sided, at level {stats.LEVEL:g} after "
    "Holm's correction for the methods of the table; exact up to 50 seeds. Seeds that would tell: for power 80 % at "
    "the corrected level, if the true difference and spread are those seen; from few seeds this is a rough number."
)


def _remarks(block: Block) -> list[str]:
    """What else has to be known about this table."""
    same = [f"{listed(group)} are look-ups of the same searches." for group in searches(block) if len(group) > 1]
    return [*same, *measures(block, *block.datasets), *mixed_devices(block), *_marked(block)]


def _marked(block: Block) -> list[str]:
    """How many runs the tables mark."""
    results = [result_of(block, dataset, method) for dataset in block.datasets for method in block.methods]
    capped, over = sum(len(r.capped) for r in results), sum(len(r.overrun) for r in results)
    sentences = []
    if capped:
        total = sum(len(accuracies(r.runs)) for r in results)
        sentences.append(f"{capped} of {total} final trainings were cut short by the cap in seconds.")
    if over:
        sentences.append(f"{over} of {len(block.runs)} searches spent more than 1.05 times their budget.")
    return [*sentences, "The tables mark them."] if sentences else []
