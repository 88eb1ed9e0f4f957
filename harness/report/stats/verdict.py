"""The verdict in words: which methods beat random search in their space beyond chance, and how many seeds would tell.

One test per method of a table, over its seeds; Holm's correction over these tests. docs/statistics.md says what each
number means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.record import Run
from harness.core.zero_line import RANDOM_SEARCH
from harness.report.model.groups import Block, MethodInSpace, accuracies, blocks
from harness.report.model.numbers import listed, plural, signed
from harness.report.model.results import fixed_trainings, measures, mixed_devices, not_blind, result_of, unsupported
from harness.report.model.table import Fact, Facts, Part, Text
from harness.report.stats import inference as stats
from harness.report.stats.family import Outcome, mixed
from harness.report.stats.leader import FEWEST, leader
from harness.report.stats.pairs import (
    Pairs,
    left_out,
    nothing_compared,
    searches,
    twins,
)
from harness.report.stats.power import MOST
from harness.report.stats.standing import Standing, standings


@dataclass(frozen=True)
class Verdict:
    """What is told of one table.

    Args:
        block, stands: the table, and how its methods stand.
        summary: a paragraph.
        methods: the methods by how they stand; None where there are too few seeds to say anything of a method.
    """

    block: Block
    stands: tuple[Standing, ...]
    summary: Text
    methods: Facts | None


def verdict(runs: Sequence[Run]) -> list[Part]:
    """The verdict on every table of the report, as paragraphs and lists, and what the numbers in them mean."""
    tables = verdicts(runs)
    parts = [part for one in tables for part in (one.summary, one.methods) if part is not None]
    return [*parts, *how_to_read(tables)]


def verdicts(runs: Sequence[Run]) -> list[Verdict]:
    """The verdict on every table of the report."""
    return [_verdict(block, standings(block)) for block in blocks(runs)]


def how_to_read(tables: Sequence[Verdict]) -> list[Text]:
    """What the numbers of the lists mean; nothing without a list."""
    return [Text(_HOW)] if any(one.methods for one in tables) else []


def _verdict(block: Block, stands: Sequence[Standing]) -> Verdict:
    summary = f"{_what(block, stands)}: {_summary(block, stands)}"
    text = Text(" ".join([summary, *_partial(stands), *_leaders(block, stands), *_remarks(block)]))
    return Verdict(block, tuple(stands), text, _list(block, stands) if _told(stands) else None)


def _told(stands: Sequence[Standing]) -> bool:
    """Whether there are seeds enough to say anything of a method."""
    return any(len(stand.differences) >= FEWEST for stand in stands)


def _what(block: Block, stands: Sequence[Standing]) -> str:
    """Which table this is about, and how many seeds its comparisons have."""
    counts = [len(stand.differences) for stand in stands if stand.comparison]
    counts = counts or [len({run.record.seed for run in block.runs})]
    title = block.title[:1].upper() + block.title[1:]
    least = f"{min(counts)} to " if min(counts) < max(counts) else ""
    return f"{title}; {listed(block.datasets)}; {least}{plural(max(counts), 'seed')}"


def _summary(block: Block, stands: Sequence[Standing]) -> str:
    tested = [stand for stand in stands if stand.comparison]
    if not stands:
        return f"nothing to compare, because {nothing_compared(block)}."
    if not tested:
        return f"nothing can be told, because {_untested(block, stands)}."
    if not any(accuracies(runs) for runs in _runs(block, tested)):
        return "nothing can be told, because all runs of these methods and of random search have failed."
    if max(len(stand.differences) for stand in tested) < FEWEST:
        return f"nothing can be told, because the differences may be chance: {_smallest(tested)}"
    hopeless = all(stand.outcome == "too few" for stand in tested)
    never = f" No result could have been beyond chance: {_smallest(tested)}" if hopeless else ""
    if len(tested) == 1:
        return f"the one method compared {_one(tested[0])}.{never}"
    if hopeless:
        return f"none of the {len(tested)} methods compared has enough seeds to be told apart from {_ITS}.{never}"
    if all(stand.outcome == "undecided" for stand in tested):
        return f"none of the {len(tested)} methods compared can be told apart from {_ITS}."
    return f"of {len(tested)} methods compared, {_counted(block, tested)}."


def _runs(block: Block, stands: Sequence[Standing]) -> list[tuple[Run, ...]]:
    """The runs of these methods and of random search in their spaces."""
    methods = {one for stand in stands for one in (stand.method, MethodInSpace(RANDOM_SEARCH, stand.method.space))}
    return [block.runs_of(dataset, method) for dataset in block.datasets for method in methods]


def _lead(stand: Standing) -> float:
    """The mean difference where it is one of at least :data:`FEWEST` pairs, else none: minus infinity."""
    one = stand.comparison
    return -math.inf if one is None or len(one.ended) < FEWEST else stand.lead


def _untested(block: Block, stands: Sequence[Standing]) -> str:
    """Why no method at all could be tested."""
    refused = unsupported(block)
    left = [stand for stand in stands if stand.method not in refused]
    if not left:
        return "none of the methods is supported there: the table says why"
    if all(block.zero(RANDOM_SEARCH, stand.method.space) is None for stand in left):
        return "random search was not run in the space of any method"
    if any(stand.pairs.partial for stand in left):
        return "no method has a seed with a pair on every data set"
    return "no method has a seed in common with random search in its space"


def _partial(stands: Sequence[Standing]) -> list[str]:
    """Says so where seeds are left out."""
    most = max((stand.pairs.partial for stand in stands), default=0)
    return [f"Up to {plural(most, 'seed')} of a method are left out, without a pair on every data set."] if most else []


def _leaders(block: Block, stands: Sequence[Standing]) -> list[str]:
    """Who is in front of each space where a method beats random search, and who may be as good."""
    sentences = list[str]()
    for space in dict.fromkeys(stand.method.space for stand in stands):
        own = [stand for stand in stands if stand.comparison and stand.method.space == space]
        # Who leads by its failures is not in front by its mean.
        ahead = [stand for stand in own if stand.outcome == "better" and _lead(stand) > 0]
        if len(own) > 1 and ahead:
            told = f"{'' if block.common else f'in {space}, '}{_leader(block, own, ahead)}"
            sentences.append(told[:1].upper() + told[1:])
    return sentences


def _leader(block: Block, own: Sequence[Standing], ahead: Sequence[Standing]) -> str:
    """The leader of a space, of those that are ahead on most data sets, and how the others stand against it there."""
    ground = max(ahead, key=lambda stand: len(stand.pairs.datasets)).pairs.datasets
    better = {stand.method: _lead(stand) for stand in ahead if stand.pairs.datasets == ground}
    worse = [stand.method for stand in own if stand.outcome == "worse" and stand.pairs.datasets == ground]
    there = [stand.method for stand in own if set(ground) <= set(stand.pairs.datasets)]
    one = leader(block, better, worse, [method for method in there if method not in (*better, *worse)])
    assert one is not None
    told = f"{block.heading(one.method)} is in front, {signed(one.lead)} points over random search."
    others = {
        "Worse than it beyond chance": one.behind,
        "Not shown to be worse than it, so that any of them may be better": one.close,
        "Too few seeds to tell from it": one.few,
        "Without one of its data sets, and not compared with it": [
            stand.method for stand in own if stand.method not in there
        ],
    }
    return " ".join(
        [
            told,
            *(f"{what}: {listed([block.heading(m) for m in methods])}." for what, methods in others.items() if methods),
        ]
    )


_ITS = "random search in its space"


def _one(stand: Standing) -> str:
    """What the only test of a table says."""
    match stand.outcome:
        case "better":
            return f"beats {_ITS} beyond chance"
        case "worse":
            return f"does worse than {_ITS} beyond chance"
        case "mixed" if stand.comparison:
            return f"is {mixed(stand.comparison)} than {_ITS}, beyond chance"
        case "too few":
            return f"has too few seeds to be told apart from {_ITS}"
        case _:
            return f"cannot be told apart from {_ITS}"


def _counted(block: Block, tested: Sequence[Standing]) -> str:
    """How many stand how, with the names of all but those that cannot be told apart."""
    clear, others = list[str](), list[str]()
    for outcome, words in _COUNTED.items():
        names = [block.heading(stand.method) for stand in tested if stand.outcome == outcome]
        if names:
            whom = "it" if clear or others else "random search in their space"
            told = f"{len(names)} {words.format(whom=whom, names=listed(names))}"
            (clear if outcome in ("better", "worse") else others).append(told)
    return "; ".join([*([f"{' and '.join(clear)} beyond chance"] if clear else []), *others])


_COUNTED: dict[Outcome, str] = {
    "better": "beat {whom} ({names})",
    "worse": "did worse than {whom} ({names})",
    "mixed": "went one way against {whom} by the ranks of their differences, beyond chance, and the other way on "
    "average ({names})",
    "undecided": "cannot be told apart from {whom}",
    "too few": "had too few seeds to tell ({names})",
}


def _smallest(tested: Sequence[Standing]) -> str:
    """How many seeds the smallest possible p needs."""
    needed = stats.pairs_needed(len(tested))
    many = f"{len(tested)} comparisons need" if len(tested) > 1 else "one comparison needs"
    return (
        f"{many} at least {needed} seeds, because the smallest p of n seeds is 2/2ⁿ and "
        f"{'each p is corrected for their number' if len(tested) > 1 else f'it has to be {stats.LEVEL:g} or less'}."
    )


def _list(block: Block, stands: Sequence[Standing]) -> Facts:
    """The methods by how they stand, the largest difference first; then, by reason, those that are not compared."""
    tested = [stand for stand in stands if stand.comparison]
    order: list[str] = list(_COUNTED)
    ordered = sorted(tested, key=lambda stand: (order.index(stand.outcome), -stand.lead))
    facts = [Fact(_name(block, stand.method), ((_standing(block, stand), ""),)) for stand in ordered]
    others: dict[str, list[MethodInSpace]] = {}
    refused = unsupported(block)
    for stand in stands:
        if not stand.comparison:
            why = _REFUSED if stand.method in refused else _reason(block, stand)
            others.setdefault(why, []).append(stand.method)
    for why, methods in left_out(block).items():
        others.setdefault(why, []).extend(methods)
    left = [
        Fact(f"not compared ({why})", (("; ".join(_name(block, method) for method in methods), ""),))
        for why, methods in others.items()
    ]
    return Facts((*facts, *left))


_REFUSED = "unsupported: the table says why"


def _name(block: Block, method: MethodInSpace) -> str:
    title = block.title_of(method)
    return title if block.common else f"{title} in {method.space}"


def _reason(block: Block, stand: Standing) -> str:
    """Why a method was not compared."""
    if block.zero(RANDOM_SEARCH, stand.method.space) is None:
        return "random search was not run in their space"
    if stand.pairs.partial:
        return "no seed has a pair on every data set"
    return "no seed with a result of theirs and of random search: the table says why"


def _standing(block: Block, stand: Standing) -> str:
    """``better than random search, +1.20 points (95 % interval +0.80 to +1.60; higher in 9, equal in ...)``."""
    one = stand.comparison
    assert one is not None
    interval = stats.mean_interval([value for value in stand.differences if math.isfinite(value)])
    facts = [] if interval is None else [f"95 % interval {signed(interval[0])} to {signed(interval[1])}"]
    counts = f"higher in {one.wins}, equal in {one.ties}, lower in {one.losses}"
    facts.append(f"{counts} of {plural(len(stand.differences), 'seed')}")
    facts += _failed(stand.pairs)
    if stand.pairs.partial:
        facts.append(f"{plural(stand.pairs.partial, 'seed')} without a pair on every data set left out")
    decided = stand.outcome not in ("undecided", "too few")
    facts.append(f"corrected p {stats.p_text(stand.corrected)}" if decided else _more(stand))
    by = "no two results to subtract" if one.difference is None else f"{signed(one.difference)} points"
    if one.difference is not None and not all(map(math.isfinite, stand.differences)):
        by += " where neither failed"
    where = f"on {listed(stand.pairs.datasets)} only, " if len(stand.pairs.datasets) < len(block.datasets) else ""
    return f"{where}{_against(stand, one)}, {by} ({'; '.join(facts)})"


def _failed(pairs: Pairs) -> list[str]:
    """How many of the seeds are higher, lower and equal because runs have failed."""
    told = {
        "lost": (pairs.lost, "lower because it"),
        "won": (pairs.won, "higher because random search"),
        "void": (pairs.void, "equal because both"),
    }
    several = len(pairs.datasets) > 1
    return [
        f"{count} {words} failed{f' on {listed(pairs.failed[outcome])}' if several else ''}"
        for outcome, (count, words) in told.items()
        if count
    ]


def _against(stand: Standing, one: stats.Comparison) -> str:
    match stand.outcome:
        case "better" | "worse":
            return f"{stand.outcome} than random search"
        case "mixed":
            return f"{mixed(one)} than random search"
        case "too few":
            return "too few seeds to tell"
        case _:
            return "cannot be told apart from random search"


def _more(stand: Standing) -> str:
    """How many more seeds would tell."""
    values = stand.differences
    if stand.hidden:
        return "undecided because of failures"
    if len(values) < FEWEST or len(stats.differ(values)) < 2:
        return "too few seeds differ to say how many would tell"
    if stand.seeds_needed is None:
        return f"more than {MOST:,} seeds would be needed to tell"
    more = stand.seeds_needed - len(values)
    return f"about {plural(more, 'more seed')} would tell" if more > 0 else "a few more seeds may tell"


_HOW = (
    "Points: mean difference of accuracy from random search with the same seed in the same space, over the pairs in "
    "which neither failed; a seed is one pair, with its mean over the data sets, and lost where the method failed on "
    "more of them than random search. Intervals are those of single methods, not corrected. Beyond chance: Wilcoxon's "
    f"signed-rank test, two-sided, at level {stats.LEVEL:g} after Holm's correction for the methods of the table; "
    "exact up to 50 seeds. It is a test of the ranks of the differences, not of their mean: better or worse is said "
    "where both agree, or where failures decide. Too few seeds to tell: no outcome of so many seeds could have been "
    "beyond chance. Leads over random search are with the same seeds: methods with fewer seeds are compared with "
    "fewer runs of it. In front: the largest mean lead of those that beat random search in a space; the others are "
    "compared with it by the same test, corrected for all pairs of methods there, because the same seeds have chosen "
    "it. Seeds that would tell: for power 80 % at the corrected level, if the true difference and spread are those "
    "seen; from few seeds this is a rough number."
)


def _remarks(block: Block) -> list[str]:
    """What else has to be known about this table."""
    same = [f"{listed(group)} are look-ups of the same searches." for group in searches(block) if len(group) > 1]
    remarks = [
        *twins(block),
        *not_blind(block),
        *fixed_trainings(block),
        *measures(block, *block.datasets),
        *mixed_devices(block),
    ]
    return [*same, *remarks, *_marked(block)]


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
