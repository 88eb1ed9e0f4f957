"""What the page shows of proposed architectures: one card per different one, drawn, with the runs that proposed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core.architecture import Architecture
from harness.core.record import Record, Run
from harness.report.drawing.draw import drawings
from harness.report.model.groups import accuracies
from harness.report.model.metrics import measure_of
from harness.report.model.numbers import mean
from harness.report.model.results import MethodResult, own_values

Decode = Callable[[Record], Architecture | None]
"""The architecture that a record's proposal means; None where the proposal can be shown as text only."""

DRAWN = 5
"""Of up to so many runs of a method all architectures are drawn; of more, the one that was proposed most often."""


@dataclass(frozen=True)
class Card:
    """One architecture.

    Args:
        title: of the method.
        runs: the runs that proposed it.
        often: empty, or how often it was proposed, where not all architectures are drawn.
        parts: title and SVG of each of its parts, which escapes its labels itself; empty where it cannot be drawn.
    """

    title: str
    runs: tuple[Run, ...]
    often: str
    parts: tuple[tuple[str, str], ...]

    @property
    def accuracy(self) -> float:
        """Mean result of its runs, in its own unit."""
        return mean(own_values(self.runs))

    @property
    def unit(self) -> str:
        """What stands behind that number."""
        unit = measure_of(self.runs[0].record).unit
        return f" {unit}" if unit else ""


def cards(result: MethodResult, decode: Decode) -> list[Card]:
    """The different architectures, the one that was proposed most often first; of many runs that one only."""
    runs = [run for run in result.runs if run.record.proposal and accuracies([run])]
    different: dict[str, list[Run]] = {}
    for run in runs:
        different.setdefault(run.record.proposal, []).append(run)
    ordered = sorted(different.values(), key=len, reverse=True)
    many = len(runs) > DRAWN
    often = f"proposed most often; {len(different)} different ones in {len(runs)} runs" if many else ""
    return [Card(result.title, tuple(same), often, _parts(same, decode)) for same in (ordered[:1] if many else ordered)]


def _parts(runs: Sequence[Run], decode: Decode) -> tuple[tuple[str, str], ...]:
    architecture = decode(runs[0].record)
    if architecture is None:
        return ()
    return tuple((part.title, part.svg()) for part in drawings(architecture))
