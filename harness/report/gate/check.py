"""The regression gate: has any row of a baseline got worse, and could that have been seen?

A row that repeats exactly is compared exactly, seed by seed: a tabular one always, a counted one if it was made on the
same machine with the same versions. It fails if anything differs, unless the difference is accepted by the method's
name. Any other row is compared statistically, and so is a counted row from elsewhere: a drop of the mean beyond chance
is a regression, and so is one seed that collapses. Where chance allows more than five points, or more than the row is
better than a guess, the row is undecided. docs/gate.md has the rules, the exit codes and the measured rates of false
alarms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from harness.core.names import one_of
from harness.core.record import Run
from harness.report.gate.baseline import BaselineRow, Key, Kind, StoredBaseline, rows_of
from harness.report.gate.chance import ESTIMATED_FROM, LEVEL, MOST_POINTS, Room, room, seeds_needed, visible_drop
from harness.report.gate.differences import differences, first_of
from harness.report.model.numbers import mean, mean_text, numbers, signed

COLLAPSE_POINTS, COLLAPSE_RANGES = 10.0, 3.0
"""A seed that far below the worst stored one, in points and in ranges of the stored ones, is as good as failed. A mean
alone does not show it: two broken runs of five spread the results so much that their mean proves nothing."""

ALL = "all"
"""Instead of names: the differences of every method are accepted."""

GREEN, RED, NOT_RUN, UNDECIDED = 0, 1, 2, 3
"""Exit codes of a check; see :func:`exit_code`."""

Verdict = Literal[
    "same", "within spread", "better", "accepted", "new", "undecided", "not run", "changed", "regression", "failed"
]


@dataclass(frozen=True)
class Finding:
    """The verdict on one row.

    Args:
        key: which row.
        how: ``exact`` or ``statistical``; empty where nothing was compared.
        before, after: test accuracies in % per seed that were compared, in the order of the seeds.
        verdict: ``same``: equal in every seed. ``within spread``: no drop or gain beyond chance. ``better``: a gain
            beyond chance. ``changed``: an exact row that differs and whose mean did not fall, or a row with other
            settings. ``accepted``: the same, and its method was named. ``undecided``: chance allows so large a drop
            that no drop is no evidence. ``regression``: the mean of an exact row fell, the mean of another one fell
            beyond chance, or a run collapsed or failed. ``not run``: a seed of an exact row, or a whole row, is
            missing, or it was run with other recipes or limits, or on another table. ``new``: not in the baseline.
            ``failed``: not in the baseline, and a run failed.
        why: one sentence.
        elsewhere: how machine, threads, versions and settings differ from the baseline's.
    """

    key: Key
    how: Literal["exact", "statistical", ""]
    before: tuple[float, ...]
    after: tuple[float, ...]
    verdict: Verdict
    why: str
    elsewhere: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """All fields as values that ``json.dumps`` takes."""
        rest = {"before": self.before, "after": self.after, "verdict": self.verdict, "why": self.why}
        return {**self.key._asdict(), "how": self.how, **rest, "differences": self.elsewhere}

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


def check(runs: Sequence[Run], baseline: StoredBaseline, accept: Collection[str] = ()) -> list[Finding]:
    """Compares runs with a baseline: one finding per row of the baseline, then one per new row.

    Args:
        runs: the new ones.
        baseline: what they are compared with.
        accept: methods whose changes are meant, or :data:`ALL`. A regression cannot be accepted: renew the baseline.

    Raises:
        InputError: a name in ``accept`` is no method of the baseline.
    """
    for name in accept:
        one_of("accepted method", name, [ALL, *sorted({row.key.method for row in baseline.rows})])
    now = {row.key: row for row in rows_of(runs)}
    tested = sum(_tested(row, now[row.key]) for row in baseline.rows if row.key in now)
    findings = []
    for stored in baseline.rows:
        row = now.pop(stored.key, None)
        if row is None:
            findings.append(Finding(stored.key, "", stored.percent, (), "not run", "it was not run"))
        else:
            findings.append(_finding(stored, row, LEVEL / max(1, tested)))
    return [_accepted(finding, accept) for finding in findings] + [_new(row) for row in now.values()]


def exit_code(findings: Sequence[Finding]) -> int:
    """The first that applies: 1: a row got worse, failed or changed; 2: one was not run; 3: one is undecided; 0."""
    verdicts = {finding.verdict for finding in findings}
    if verdicts & {"regression", "changed", "failed"}:
        return RED
    if "not run" in verdicts:
        return NOT_RUN
    return UNDECIDED if "undecided" in verdicts else GREEN


def summary(findings: Sequence[Finding]) -> str:
    """How many rows got which verdict, how many were really tested, and what differs from the baseline's machine."""
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in get_args(Verdict)}
    rows = "1 row" if len(findings) == 1 else f"{len(findings)} rows"
    lines = [f"{rows}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)]
    if tested := sum(finding.how == "statistical" for finding in findings):
        lines.append(
            f"{tested} compared statistically, each at level {LEVEL / tested:.2g}, so that a false alarm of the whole "
            f"check has probability {LEVEL:g}"
        )
    for name in sorted({name for finding in findings for name in finding.elsewhere}):
        count = sum(name in finding.elsewhere for finding in findings)
        lines.append(f"differs from the baseline: {name} ({count} {'row' if count == 1 else 'rows'})")
    return "\n".join(lines)


def _tested(stored: BaselineRow, row: BaselineRow) -> bool:
    """Whether the row gets a statistical test, which can raise a false alarm."""
    clear = row.failures or _not_comparable(stored, row) or _equal(stored, row)
    return not clear and not _exact(stored, row)


def _finding(stored: BaselineRow, row: BaselineRow, level: float) -> Finding:
    if row.failures:
        finding = _told(stored, row, "", "regression", _failures(row.failures))
    elif problem := _not_comparable(stored, row):
        finding = _told(stored, row, "", "not run", problem)
    elif _equal(stored, row):
        finding = _told(stored, row, "exact", "same", "equal in every seed")
    elif _exact(stored, row):
        finding = _exactly(stored, row)
    else:
        finding = _statistically(stored, row, level)
    if other := differences(stored.settings, row.settings):
        verdict = "changed" if finding.verdict in ("same", "within spread", "better") else finding.verdict
        return replace(finding, verdict=verdict, why=f"other settings ({first_of(other)}); {finding.why}")
    return finding


def _told(
    stored: BaselineRow, row: BaselineRow, how: Literal["exact", "statistical", ""], verdict: Verdict, why: str
) -> Finding:
    """A finding on all seeds of an exact comparison that both have, else on all seeds."""
    after = row.percent
    if how == "exact":
        after = tuple(100 * row.results[seed].accuracy for seed in sorted(stored.results))
    elsewhere = differences(stored.origins, row.origins)
    elsewhere += tuple(f"settings.{name}" for name in differences(stored.settings, row.settings))
    return Finding(stored.key, how, stored.percent, after, verdict, why, elsewhere)


def _failures(failures: Mapping[int, str]) -> str:
    seeds = "seed" if len(failures) == 1 else "seeds"
    return f"{seeds} {numbers(failures)} {next(iter(failures.values()))}"


def _not_comparable(stored: BaselineRow, row: BaselineRow) -> str:
    """Why the new row is no repetition of the stored one; empty if it is."""
    if stored.recipes != row.recipes:
        which = first_of(differences(stored.recipes, row.recipes))
        return f"it was run with other recipes ({which}); renew the baseline"
    if stored.limits != row.limits:
        which = first_of(differences(stored.limits, row.limits))
        return f"it was run with other limits ({which}); give the same ones, or renew the baseline"
    if _looked_up(stored) and _tables(stored) != _tables(row):
        return "it was looked up in a table with other contents; renew the baseline"
    missing = stored.results.keys() - row.results.keys()
    if _exact(stored, row) and missing:
        return f"an exact comparison needs every seed of the baseline; these are missing: {numbers(missing)}"
    return ""


def _looked_up(row: BaselineRow) -> bool:
    return any("table" in recipe.get("final", {}) for recipe in row.recipes)


def _tables(row: BaselineRow) -> set[str]:
    return {origin["data"] for origin in row.origins}


def _exact(stored: BaselineRow, row: BaselineRow) -> bool:
    """Whether an unchanged program has to give the stored numbers again.

    A row that needed nothing but the table is still compared exactly where its search has loaded TensorFlow since.
    """
    if stored.kind == "counted" == row.kind:
        return len(stored.origins) == 1 and stored.origins == row.origins
    return stored.kind == "tabular" and row.kind != "timed"


def _equal(stored: BaselineRow, row: BaselineRow) -> bool:
    """Whether every stored seed is there again with all it was: accuracy, architecture and search."""
    if not _exact(stored, row) and stored.results.keys() != row.results.keys():
        return False
    return stored.results.keys() <= row.results.keys() and not _different(stored, row)


def _different(stored: BaselineRow, row: BaselineRow) -> list[int]:
    """The stored seeds whose result or search differs; a search without logs is not compared."""
    pairs = {seed: (old, row.results[seed]) for seed, old in stored.results.items()}
    return [
        seed
        for seed, (old, new) in pairs.items()
        if old[:2] != new[:2] or (old.search and new.search and old.search != new.search)
    ]


def _exactly(stored: BaselineRow, row: BaselineRow) -> Finding:
    """Only the baseline's seeds count."""
    different = _different(stored, row)
    pairs = [(stored.results[seed], row.results[seed]) for seed in different]
    worse = sum(new.accuracy < old.accuracy for old, new in pairs)
    better = sum(new.accuracy > old.accuracy for old, new in pairs)
    inside = sum(old[:2] == new[:2] for old, new in pairs)
    rest = len(pairs) - worse - better - inside
    why = f"{len(pairs)} of {len(stored.results)} seeds differ ({worse} worse, {better} better, "
    why += f"{rest} in the architecture only)"
    if inside:
        why += f", {inside} of them in the search only"
    if elsewhere := differences(stored.origins, row.origins):
        why += f"; the machine or the versions differ too ({first_of(elsewhere)})"
    if row.kind != stored.kind:
        why += f"; {_other_kind(stored, row)}"
    if mean([new.accuracy for _, new in pairs]) < mean([old.accuracy for old, _ in pairs]):
        return _told(stored, row, "exact", "regression", why)
    meant = f"if that is meant, renew the baseline or give --accept {stored.key.method}"
    return _told(stored, row, "exact", "changed", f"{why}; {meant}")


def _statistically(stored: BaselineRow, row: BaselineRow, level: float) -> Finding:
    before, after = stored.percent, row.percent
    can = room(before, after, level, stored.guess)
    change = mean(after) - mean(before)
    collapsed = _collapsed(before, row)
    verdict: Verdict = "within spread" if can.decides else "undecided"
    if change < -can.allowed or collapsed:
        verdict = "regression"
    elif change > can.allowed:
        verdict = "better"
    source = "" if len(before) >= ESTIMATED_FROM else f", assumed below {ESTIMATED_FROM} stored seeds"
    seen = visible_drop(len(before), len(after), level, can.spread)
    why = f"chance allows {can.allowed:.2f} points (spread {can.spread:.2f}{source}); "
    drop = f"a drop of {seen:.2f}" if seen < mean(before) else "no drop"
    why += f"{drop} would be seen nine times in ten"
    if verdict == "undecided":
        why += f"; {_too_wide(can, stored.guess, level)}"
    if collapsed:
        why += f"; far below anything stored: {'seed' if len(collapsed) == 1 else 'seeds'} {numbers(collapsed)}"
    if stored.kind != "timed":
        why += f"; compared statistically, not exactly, because {_not_exact(stored, row)}"
    return _told(stored, row, "statistical", verdict, why)


_BECAUSE: Mapping[Kind, str] = MappingProxyType(
    {
        "tabular": "its search no longer loads TensorFlow",
        "counted": "its search has loaded TensorFlow",
        "timed": "a clock has limited its work",
    }
)


def _not_exact(stored: BaselineRow, row: BaselineRow) -> str:
    if row.kind != stored.kind:
        return _other_kind(stored, row)
    where = first_of(differences(stored.origins, row.origins)) or "the baseline itself comes from several machines"
    return f"the machine or the versions differ ({where})"


def _other_kind(stored: BaselineRow, row: BaselineRow) -> str:
    """What has become of a row that repeats exactly, or that did so on any machine."""
    return f"it was stored as {stored.kind} and is {row.kind} now: {_BECAUSE[row.kind]}"


def _too_wide(can: Room, guess: float, level: float) -> str:
    """Why nothing can be decided, and how many seeds would change that."""
    most = f"{MOST_POINTS:g} points" if can.limit == MOST_POINTS else f"the row's distance to a guess ({guess:.2f} %)"
    needed = seeds_needed(can.spread, can.limit, level)
    seeds = "no number of seeds would help" if needed is None else f"{needed} stored and new seeds could decide it"
    return f"that is more than {most}, so nothing is decided; {seeds}"


def _collapsed(before: Sequence[float], row: BaselineRow) -> list[int]:
    """Seeds whose accuracy lies far below anything stored."""
    lowest = min(before) - max(COLLAPSE_POINTS, COLLAPSE_RANGES * (max(before) - min(before)))
    return [seed for seed, result in row.results.items() if 100 * result.accuracy < lowest]


def _accepted(finding: Finding, accept: Collection[str]) -> Finding:
    named = ALL in accept or finding.key.method in accept
    return replace(finding, verdict="accepted") if named and finding.verdict == "changed" else finding


def _new(row: BaselineRow) -> Finding:
    """A run that fails is red wherever it stands; a method that does not support the task says so in every check."""
    failed = {seed: why for seed, why in row.failures.items() if not why.startswith("unsupported")}
    if failed:
        return Finding(row.key, "", (), row.percent, "failed", _failures(failed))
    why = _failures(row.failures) if row.failures else "the baseline has no such row"
    return Finding(row.key, "", (), row.percent, "new", why)
