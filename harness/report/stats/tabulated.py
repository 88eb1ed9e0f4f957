"""What a table of trained architectures can tell: how noisy its trainings are, and which of its networks it can order.

A pure function of the table. Every different architecture counts once, however many genotypes it stands for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from harness.core.table import Integers, Numbers, Signal, Table, within
from harness.report.model.numbers import DASH
from harness.report.model.table import Fact, Facts, Heading, Part, Text

_READING = (
    "A training is one network with one seed. Rank correlation: Spearman's, over the architectures. The signal is what "
    "a search is told about an architecture, from one training drawn at random; the score is what counts in the end, "
    "the mean of all trainings, and no search sees it."
)
_ORDERED = 1.96
"""Standard errors of a difference above which two architectures count as ordered: chance gets there in 5 of 100."""

_FEWEST = 3
"""Architectures that a rank correlation is of."""
_UNKNOWN = "cannot be computed: "


def page(table: Table) -> list[Part]:
    """A table's size, spread, noise and correlations, as a document."""
    rows = table.different
    signal = next(iter(table.signals.values()))
    scores, told = [column[rows] for column in table.scores], [one.accuracy[rows] for one in signal.each()]
    facts = [*_size(table, rows), *_noise(table.score[rows], scores, told), *_proxies(table, rows, signal, told)]
    notes = [Text(table.note)] if table.note else []
    return [Heading(2, f"The table {table.name}"), Text(_READING), *notes, Facts(tuple(facts))]


def _size(table: Table, rows: Integers) -> list[Fact]:
    score = 100 * table.score[rows]
    whole = f" of {table.space.cardinality:,}" if len(table.genotypes) < table.space.cardinality else ""
    return [
        _fact("space", table.space.name),
        _fact("architectures", f"{len(rows):,}, which stand for {len(table.genotypes):,}{whole} genotypes"),
        _fact(
            f"score ({table.measure}, %)",
            f"{score.min():.2f} to {score.max():.2f}, mean {score.mean():.2f}; standard deviation between "
            f"architectures {f'{score.std(ddof=1):.2f}' if len(rows) > 1 else _UNKNOWN + 'there is one'}",
        ),
    ]


def _noise(score: Numbers, scores: Sequence[Numbers], told: Sequence[Numbers]) -> list[Fact]:
    if len(scores) < 2:
        return [_fact("repeated trainings", "none: the table does not say how noisy it is")]
    if len(score) < 2:
        deviation = 100 * within(scores)
        return [
            _fact("trainings of each", str(len(scores))),
            _fact("standard deviation between trainings of one architecture", f"{deviation:.2f} points of the score"),
            _fact("pairs of architectures that the table can order", f"{_UNKNOWN}there is one architecture"),
        ]
    deviation = within(scores)
    low, high = np.triu_indices(len(score), 1)
    apart = np.abs(score[low] - score[high]) > _ORDERED * deviation * math.sqrt(2 / len(scores))
    alike = [
        np.mean(np.sign(one[low] - one[high]) == np.sign(other[low] - other[high]))
        for one, other in itertools.combinations(scores, 2)
    ]
    return [
        _fact("trainings of each", str(len(scores))),
        _fact("standard deviation between trainings of one architecture", f"{100 * deviation:.2f} points of the score"),
        _fact("rank correlation between seeds", f"scores {_between(scores)}, signals {_between(told)}"),
        _fact(
            "pairs of architectures that the table can order",
            f"{100 * float(np.mean(apart)):.0f} %: their mean scores differ by more than {_ORDERED} standard errors; "
            f"two single trainings order {100 * float(np.mean(alike)):.0f} % of the pairs alike",
        ),
    ]


def _proxies(table: Table, rows: Integers, signal: Signal, told: Sequence[Numbers]) -> list[Fact]:
    score = table.score[rows]
    words = _mean([(one, score) for one in told])
    if len(told) > 1 and not words.startswith(_UNKNOWN):
        words = f"{words} for one training, {_mean([(np.mean(told, axis=0), score)])} for the mean of {len(told)}"
    elif not words.startswith(_UNKNOWN):
        words = f"{words} for one training"
    best = int(np.argmax(np.mean(told, axis=0)))
    facts = [
        _fact("rank correlation of signal and score", words),
        _fact(
            "the architecture with the best mean signal",
            f"{100 * (score.max() - score[best]):.2f} points below the best score",
        ),
    ]
    if table.parameters is not None:
        facts.append(_fact("rank correlation of parameters and score", _mean([(table.parameters[rows], score)])))
    if np.ptp(signal.seconds[rows]) > 0:  # without seconds of its own every signal costs one unit
        seconds = float(np.mean(signal.seconds[rows]))
        facts.append(_fact("a signal costs", f"{seconds:.1f} s on the machine that made it"))
    return facts


def correlation(one: Numbers | Integers, other: Numbers) -> float:
    """Spearman's rank correlation; NaN where a column is constant or there are fewer than :data:`_FEWEST` rows."""
    if len(one) < _FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(spearmanr(one, other).statistic)


def _between(columns: Sequence[Numbers]) -> str:
    """Mean rank correlation of all pairs of columns."""
    if len(columns) < 2:
        return DASH
    return _mean(list(itertools.combinations(columns, 2)))


def _mean(pairs: Sequence[tuple[Numbers | Integers, Numbers]]) -> str:
    """The mean rank correlation of pairs of columns, or why there is none."""
    found = float(np.mean([correlation(one, other) for one, other in pairs]))
    if not math.isnan(found):
        return f"{found:.2f}"
    few = len(pairs[0][0]) < _FEWEST
    return f"{_UNKNOWN}{f'fewer than {_FEWEST} architectures' if few else 'all values of a column are equal'}"


def _fact(name: str, words: str) -> Fact:
    return Fact(name, ((words, ""),))
