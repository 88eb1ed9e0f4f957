"""What the report measures networks by: test accuracy, or another number that the records hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from harness.core.errors import InputError
from harness.core.names import one_of
from harness.core.record import CORRUPTED_ACCURACY, Record, Run
from harness.core.table import Measure

ACCURACY = "accuracy"
_Measured = Callable[[int], Measure]
METRICS: dict[str, _Measured | None] = {
    ACCURACY: None,
    "balanced_accuracy": lambda _: Measure("balanced accuracy"),
    "macro_f1": lambda _: Measure("macro F1"),
    "nll": lambda classes: Measure("negative log-likelihood", "nats", worst=math.log(max(2, classes)), best=0.0),
    CORRUPTED_ACCURACY: lambda _: Measure("accuracy on corrupted images"),
    "calibration_error": lambda _: Measure("calibration error", "%", worst=100.0, best=0.0),
}
"""By name on the command line, what it is for a number of classes; None: what the records have as their result.

The worst negative log-likelihood is that of a guess without knowledge; a network may be worse.
"""


_MORE = {CORRUPTED_ACCURACY: ", for corrupted images (run ... --corruptions)"}
"""What a metric needs besides."""


@dataclass(frozen=True)
class _MeasuredRun(Run):
    """A run with another number in the place of its test accuracy; ``was`` is the run with its accuracy."""

    was: Run


def measured_by(runs: Sequence[Run], metric: str) -> list[Run]:
    """The runs with another number in the place of their test accuracy.

    Raises:
        InputError: there is no such metric, or a run with a result does not have it.
    """
    measure = METRICS[one_of("metric", metric, METRICS)]
    if measure is None:
        return list(runs)
    lacking = [run for run in runs if run.record.status == "ok" and metric not in run.record.metrics]
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(runs)} runs have no {metric}, among them {lacking[0].path}: it needs predictions, "
            f"which tables and older records do not have{_MORE.get(metric, '')}; leave --metric out"
        )
    return [
        _MeasuredRun(run.path, _measured(run.record, metric, measure), run.evaluations, run.proposals, run)
        if run.record.status == "ok"
        else run
        for run in runs
    ]


def by_accuracy(runs: Sequence[Run]) -> list[Run]:
    """The runs as they were before :func:`measured_by`, to stand beside published accuracies."""
    return [run.was if isinstance(run, _MeasuredRun) else run for run in runs]


def _measured(record: Record, metric: str, measure_of: _Measured) -> Record:
    measure, value = measure_of(len(record.classes.get("names", ()))), record.metrics[metric]
    own = 100 * value if measure.unit == "%" else value
    share = (own - measure.worst) / (measure.best - measure.worst)
    final = {**record.recipes.get("final", {}), "score": measure.name, "measure": asdict(measure)}
    return replace(record, test_accuracy=share, recipes={**record.recipes, "final": final})


def measure_of(record: Record) -> Measure:
    """What a run's result is, with its unit; test accuracy in percent where the record says nothing else."""
    final = record.recipes.get("final", {})
    if own := final.get("measure"):
        return Measure(**own)
    return Measure(str(final.get("score", "test accuracy")))


def shown(measure: Measure, points: float) -> float:
    """A result in hundredths of a share, as it reads in its own unit."""
    return points if is_percent(measure) else measure.value(points / 100)


def is_percent(measure: Measure) -> bool:
    """Whether hundredths of the share are the own unit."""
    return (measure.worst, measure.best) == (0.0, 100.0)
