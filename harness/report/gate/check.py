"""The regression gate: has any row of a baseline got worse?

A row that repeats exactly is compared exactly, seed by seed: a tabular one always, a counted one if it was made on the
same machine with the same versions. Any other row is compared statistically, and so is a counted row from elsewhere: a
drop of the mean beyond chance is a regression, and so is one seed that collapses. docs/statistics.md has the measured
rates of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harness.core.record import Run
from harness.report.gate.baseline import BaselineRow, Key, SeedResult, StoredBaseline, rows_of
from harness.report.model.numbers import mean, mean_text, numbers, signed

LEVEL = 0.001
"""Probability that a whole check raises a false alarm: each of its k statistical comparisons gets LEVEL / k."""

ESTIMATED_FROM = 3
"""Fewest stored seeds from which a spread is estimated."""

ASSUMED_SPREAD = 1.0
"""Standard deviation over seeds, in points, assumed for a row with fewer stored seeds."""

MINIMAL_SPREAD = 0.1
"""A smaller estimate, in points, is taken for luck: ten images of a test set of ten thousand."""

COLLAPSE_POINTS, COLLAPSE_RANGES = 10.0, 3.0
"""A seed that far below the worst stored one, in points and in ranges of the stored ones, is as good as failed. A mean
alone does not show it: two broken runs of five spread the results so much that their mean proves nothing."""

Verdict = Literal["same", "within spread", "better", "changed", "regression", "not run", "new"]


@dataclass(frozen=True)
class Finding:
    """The verdict on one row.

    Args:
        key: which row.
        how: ``exact`` or ``statistical``; empty where nothing was compared.
        before, after: test accuracies in % per seed that were compared, in the order of the seeds.
        verdict: ``same``: equal in every seed. ``changed``: an exact row that differs and whose mean did not fall.
            ``within spread``: no drop or gain beyond chance. ``better``: a gain beyond chance. ``regression``: the mean
            of an exact row fell, the mean of another one fell beyond chance, or a run collapsed or failed. ``not run``:
            a seed of an exact row, or a whole row, is missing, or it was run with other recipes or on another table.
            ``new``: not in the baseline.
        why: one sentence.
    """

    key: Key
    how: Literal["exact", "statistical", ""]
    before: tuple[float, ...]
    after: tuple[float, ...]
    verdict: Verdict
    why: str

    def plain(self) -> dict[str, Any]:
        """All fields as values that ``json.dumps`` takes."""
        rest = {"before": self.before, "after": self.after, "verdict": self.verdict, "why": self.why}
        return {**self.key._asdict(), "how": self.how, **rest}

    def short(self) -> dict[str, str]:
        """The finding as one line of a table."""
        change = signed(mean(self.after) - mean(self.before)) if self.before and self.after else "–"
        return {
            "profile": f"{self.key.profile}, {self.key.budget}",
            "data set": self.key.dataset,
            "method": f"{self.key.method}, {self.key.space}",
            "before": mean_text(self.before) if self.before else "–",
            "after": mean_text(self.after) if self.after else "–",
            "change": change,
            "verdict": self.verdict,
            "why": self.why,
        }


def check(runs: Sequence[Run], baseline: StoredBaseline) -> list[Finding]:
    """Compares runs with a baseline: one finding per row of the baseline, then one per new row."""
    now = {row.key: row for row in rows_of(runs)}
    pairs = [(stored, now[stored.key]) for stored in baseline.rows if stored.key in now]
    statistical = sum(not _exact(*pair) for pair in pairs)
    findings = []
    for stored in baseline.rows:
        row = now.pop(stored.key, None)
        if row is None:
            findings.append(Finding(stored.key, "", _percent(stored.results), (), "not run", "it was not run"))
        else:
            findings.append(_finding(stored, row, LEVEL / max(1, statistical)))
    return findings + [_new(row) for row in now.values()]


def exit_code(findings: Sequence[Finding]) -> int:
    """1 with a regression, else 2 if a row of the baseline was not run, else 0."""
    verdicts = {finding.verdict for finding in findings}
    return 1 if "regression" in verdicts else 2 if "not run" in verdicts else 0


def summary(findings: Sequence[Finding]) -> str:
    """How many rows got which verdict: ``10 rows: 9 same, 1 regression``."""
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in get_args(Verdict)}
    rows = "1 row" if len(findings) == 1 else f"{len(findings)} rows"
    return f"{rows}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def tolerance(before: Sequence[float], after: Sequence[float], level: float) -> float:
    """How far below the mean of ``before`` the mean of ``after`` may lie by chance, if both are results of one method.

    A one-sided t-test on the pooled spread, as a distance: ``t * spread * sqrt(1 / len(before) + 1 / len(after))``,
    where ``t`` is exceeded with probability ``level``. Below three stored results the spread is assumed, not estimated.

    Args:
        before, after: stored and new results in %, at least one each.
        level: probability of a false alarm.

    Returns:
        Points.
    """
    from scipy import stats

    if len(before) < ESTIMATED_FROM:
        quantile = float(stats.norm.isf(level))
    else:
        quantile = float(stats.t.isf(level, len(before) + len(after) - 2))
    return quantile * _spread(before, after) * math.sqrt(1 / len(before) + 1 / len(after))


def _spread(before: Sequence[float], after: Sequence[float]) -> float:
    """The standard deviation within ``before`` and ``after``, each around its own mean."""
    if len(before) < ESTIMATED_FROM:
        return ASSUMED_SPREAD
    squares = math.fsum((value - mean(part)) ** 2 for part in (before, after) for value in part)
    return max(math.sqrt(squares / (len(before) + len(after) - 2)), MINIMAL_SPREAD)


def _collapsed(before: Sequence[float], row: BaselineRow) -> list[int]:
    """Seeds whose accuracy lies far below anything stored."""
    lowest = min(before) - max(COLLAPSE_POINTS, COLLAPSE_RANGES * (max(before) - min(before)))
    return [seed for seed, result in row.results.items() if 100 * result.accuracy < lowest]


def _finding(stored: BaselineRow, row: BaselineRow, level: float) -> Finding:
    before, after = _percent(stored.results), _percent(row.results)
    if row.failures:
        return Finding(stored.key, "", before, after, "regression", _failures(row))
    if problem := _not_comparable(stored, row):
        return Finding(stored.key, "", before, after, "not run", problem)
    if _exact(stored, row):
        return _exactly(stored, row)
    if stored.results == row.results:
        return Finding(stored.key, "exact", before, after, "same", "equal in every seed")
    return _statistically(stored, row, level)


def _failures(row: BaselineRow) -> str:
    seeds = "seed" if len(row.failures) == 1 else "seeds"
    return f"{seeds} {numbers(row.failures)} {next(iter(row.failures.values()))}"


def _not_comparable(stored: BaselineRow, row: BaselineRow) -> str:
    """Why the new row is no repetition of the stored one; empty if it is."""
    if stored.recipes != row.recipes:
        return f"it was run with other recipes ({_first_difference(stored.recipes, row.recipes)}); renew the baseline"
    if stored.kind == "tabular" and _tables(stored) != _tables(row):
        return "it was looked up in a table with other contents; renew the baseline"
    missing = stored.results.keys() - row.results.keys()
    if _exact(stored, row) and missing:
        return f"an exact comparison needs every seed of the baseline; these are missing: {numbers(missing)}"
    return ""


def _tables(row: BaselineRow) -> set[str]:
    return {origin["data"] for origin in row.origins}


def _exact(stored: BaselineRow, row: BaselineRow) -> bool:
    """Whether an unchanged program has to give the stored numbers again."""
    if stored.kind == "counted" == row.kind:
        return len(stored.origins) == 1 and stored.origins == row.origins
    return stored.kind == "tabular" == row.kind


def _exactly(stored: BaselineRow, row: BaselineRow) -> Finding:
    """Only the baseline's seeds count."""
    same_seeds = {seed: row.results[seed] for seed in stored.results}
    before, after = _percent(stored.results), _percent(same_seeds)
    pairs = [(stored.results[seed], result) for seed, result in same_seeds.items()]
    different = sum(old != new for old, new in pairs)
    if not different:
        return Finding(stored.key, "exact", before, after, "same", "equal in every seed")
    worse = sum(new.accuracy < old.accuracy for old, new in pairs)
    better = sum(new.accuracy > old.accuracy for old, new in pairs)
    why = f"{different} of {len(pairs)} seeds differ ({worse} worse, {better} better, "
    why += f"{different - worse - better} in the architecture only)"
    if stored.origins != row.origins:
        why += f"; the machine or the versions differ too ({_first_difference(stored.origins, row.origins)})"
    if mean(after) < mean(before):
        return Finding(stored.key, "exact", before, after, "regression", why)
    return Finding(stored.key, "exact", before, after, "changed", f"{why}; renew the baseline if that is meant")


def _statistically(stored: BaselineRow, row: BaselineRow, level: float) -> Finding:
    before, after = _percent(stored.results), _percent(row.results)
    allowed = tolerance(before, after, level)
    change = mean(after) - mean(before)
    collapsed = _collapsed(before, row)
    verdict: Verdict = "better" if change > allowed else "within spread"
    if change < -allowed or collapsed:
        verdict = "regression"
    source = "" if len(before) >= ESTIMATED_FROM else f", assumed below {ESTIMATED_FROM} stored seeds"
    why = f"chance allows {allowed:.2f} points (spread {_spread(before, after):.2f}{source})"
    if collapsed:
        why += f"; far below anything stored: {'seed' if len(collapsed) == 1 else 'seeds'} {numbers(collapsed)}"
    if stored.kind == "counted":
        where = _first_difference(stored.origins, row.origins)
        why += f"; compared statistically, not exactly, because the machine or the versions differ ({where})"
    return Finding(stored.key, "statistical", before, after, verdict, why)


def _new(row: BaselineRow) -> Finding:
    why = _failures(row) if row.failures else "the baseline has no such row"
    return Finding(row.key, "", (), _percent(row.results), "new", why)


def _percent(results: Mapping[int, SeedResult]) -> tuple[float, ...]:
    return tuple(100 * results[seed].accuracy for seed in sorted(results))


def _first_difference(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> str:
    """The first leaf in which two lists of nested values differ: ``versions.keras 3.15.1, now 3.16.0``."""
    if len(before) != 1 or len(after) != 1:
        return f"{len(before)} different ones, now {len(after)}"
    old, new = _leaves(before[0]), _leaves(after[0])
    name = min(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"{name} {old.get(name, 'absent')}, now {new.get(name, 'absent')}"


def _leaves(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, part in value.items():
        inner = _leaves(part, f"{prefix}{name}.") if isinstance(part, Mapping) else {f"{prefix}{name}": part}
        leaves |= inner
    return leaves
