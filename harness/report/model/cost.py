"""The cost table, in the shape of the published Table B: what each search and its network cost, and the provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from harness.core.record import Run
from harness.report.model.groups import Block, MethodInSpace, blocks
from harness.report.model.literature import table_b
from harness.report.model.numbers import DASH, NOT_RECORDED, numbers
from harness.report.model.performance import keys, name_cell
from harness.report.model.results import (
    TEST,
    MethodResult,
    averaged_images,
    axis_of,
    ensembles,
    measures,
    mixed_devices,
    result_of,
)
from harness.report.model.systems import published_costs, published_values
from harness.report.model.table import NOT_RUN, Column, Fact, Facts, Heading, Notes, Part, Table, TableCell, Text
from harness.report.model.values import Absent, Evaluations, Number, Spread, Value, Words

READING = (
    "Means over the seeds with a result (over all seeds, where none has one). A number of evaluations is followed by "
    "the number of different architectures among them. What a search cost stands in both currencies: seconds, and "
    "multiply-accumulates of training (G: billions). Epochs (of the data set) and images per second are those of the "
    "final training. Parameters and MACs (multiply-accumulates of one forward pass) are those of the final network, "
    "without an auxiliary head; latency is the median of a forward pass of one image on the machine of the training. "
    "Test error in %, or what stands in its place: mean ± sample standard deviation (n); no ± below n = 3."
)
SIMULATED = (
    "Simulated wall time: how long the search would have taken with a device for every child that its replicas train "
    "at the same time. Here they were trained one after the other, and that was charged."
)
SIDE_BY_SIDE = (
    "Children trained at the same time: the seconds of the search are those of a clock on the wall. The seconds of its "
    "children, one by one, are what a budget in seconds is charged, besides the method's own."
)
_MILLION = 1e6
_BILLION = 1e9
_COSTS: tuple[tuple[Column, Callable[[MethodResult], Value]], ...] = (
    (Column("device", "device", left=True, wide=True, timed=True), lambda result: Words(_device(result.ended))),
    (
        Column("search_seconds", "search s", optional=True, timed=True),
        lambda result: Number(result.cost("search_seconds"), ",.1f"),
    ),
    (
        Column("device_seconds", "children, one by one, s", optional=True, timed=True),
        lambda result: Number(result.cost("device_seconds"), ",.1f", missing=DASH),
    ),
    (
        Column("simulated_wall", "simulated wall time, % of the charge", optional=True),
        lambda result: Number(result.cost("simulated_wall"), ",.1f", 0.01, DASH),
    ),
    (
        Column("final_seconds", "final training s", optional=True, timed=True),
        lambda result: Number(result.cost("final_seconds"), ",.1f"),
    ),
    (Column("epochs", "epochs", optional=True), lambda result: Number(result.cost("epochs"), ",.1f")),
    (
        Column("images_per_second", "images/s", optional=True, timed=True),
        lambda result: Number(result.cost("images_per_second")),
    ),
    (
        Column("search_macs", "search MACs (G)", optional=True),
        lambda result: _search_macs(result.cost("search_macs")),
    ),
    (
        Column("evaluations", "evaluations (unique)", optional=True),
        lambda result: Evaluations(result.cost("evaluations"), result.cost("unique")),
    ),
    (Column("steps", "steps of the search", optional=True), lambda result: Number(result.cost("steps"))),
    (Column("parameters", "parameters", optional=True), lambda result: Number(result.cost("parameters"))),
    (Column("macs", "MACs (M)", optional=True), lambda result: Number(result.cost("macs"), ",.2f", _MILLION)),
    (
        Column("latency", "latency (ms)", optional=True, timed=True),
        lambda result: Number(result.cost("latency"), ",.2f"),
    ),
)
_BESIDE = (
    Column("published_gpus", "GPUs", group="published", wide=True, optional=True),
    Column("published_days", "days", group="published", optional=True),
    Column("published_parameters_millions", "parameters (M)", group="published", optional=True),
    Column("published_error", "error %", group="published", optional=True),
)
_ERROR = Column("error", "test error %")
_ERROR_OF = f"{TEST} (%)"
"""What the results are where 100 minus them is the test error."""


def cost_table(block: Block, dataset: str, *, times: bool = True) -> Table:
    """What search and network cost on one data set, the published row of Table B beside it; a row per method.

    Args:
        block, dataset: which table.
        times: whether with what depends on the machine and the moment.
    """
    notes = Notes()
    axis = axis_of(block, dataset)
    last = _ERROR if axis == _ERROR_OF else Column("", axis)
    rows = [tuple(_row(block, dataset, method, notes, error=last is _ERROR)) for method in block.methods]
    beside = any(result_of(block, dataset, method).published_cost for method in block.methods)
    replicas = any(result_of(block, dataset, method).cost("simulated_wall") is not None for method in block.methods)
    beside_each_other = any(result_of(block, dataset, method).cost("device_seconds") for method in block.methods)
    simulated = [*([SIMULATED] if replicas else []), *([SIDE_BY_SIDE] if beside_each_other and times else [])]
    source = [f"Published, not measured here: {table_b().source}."] if beside else []
    table = Table(
        name=f"cost {dataset} {block.title}",
        title=f"Cost on {dataset}: {block.title}",
        columns=(Column("method", "method", left=True), *(column for column, _ in _COSTS), last, *_BESIDE),
        rows=tuple(rows),
        reading=READING,
        remarks=(
            *measures(block, dataset),
            *ensembles(block),
            *averaged_images(block),
            *(mixed_devices(block) if times else ()),
            *simulated,
            *source,
        ),
        notes=notes.all(),
        keys={**keys(block), "dataset": dataset},
    )
    return table.only(times or not column.timed for column in table.columns)


def _row(block: Block, dataset: str, method: MethodInSpace, notes: Notes, *, error: bool) -> list[TableCell]:
    """A method's row; ``error`` says that its last measured cell is 100 minus its result."""
    result = result_of(block, dataset, method)
    row = [name_cell(block, method)]
    row += [TableCell(_cost(value, result), result=result) for _, value in _COSTS]
    mean = 100 - result.mean if error and result.mean is not None else result.own_mean
    spread = Spread(mean, result.own_deviation, len(result.accuracies))
    row.append(TableCell(spread, notes.lost(result), (), result, notes.marks(result)))
    return row + [TableCell(value) for value in published_values(result.published_cost)]


def _cost(value: Callable[[MethodResult], Value], result: MethodResult) -> Value:
    """What stands in a column; a method that does not support the task has not forgotten to record its costs."""
    if not result.runs:
        return Absent(NOT_RUN)
    cost = value(result)
    return cost if cost.known or result.count("unsupported") < len(result.runs) else Absent(DASH)


def _search_macs(macs: float | None) -> Number:
    """In billions; where nothing was searched there was nothing to count, which is not the same as not recorded."""
    return Number(macs or None, ",.1f", _BILLION, NOT_RECORDED if macs is None else DASH)


def _device(runs: Sequence[Run]) -> str:
    return ", ".join(sorted({str(run.record.provenance.get("device", NOT_RECORDED)) for run in runs}))


def cost(runs: Sequence[Run], *, times: bool = True) -> list[Part]:
    """Cost of every method on every data set, the published rows, and where the numbers come from.

    Args:
        runs: any runs; one table per profile, budget, kind of space and data set.
        times: False leaves out what depends on the machine and the moment (device, seconds, provenance), so that two
            runs of a counted profile can be compared byte for byte.
    """
    parts: list[Part] = [Heading(1, "Cost"), Text(READING)]
    for block in blocks(runs):
        for dataset in block.datasets:
            table = cost_table(block, dataset, times=times).filled()
            parts += [Heading(2, table.title), table]
    parts += published_costs(runs, times=times)
    return [*parts, Heading(2, "Provenance"), provenance(runs)] if times else parts


def provenance(runs: Sequence[Run]) -> Facts:
    """Where the numbers come from; where runs differ, every value with its number of runs."""
    return Facts(
        (
            _fact("commit", runs, _commit),
            *(_fact(name, runs, _version(name)) for name in sorted({name for run in runs for name in _versions(run)})),
            *(_fact(name, runs, _provenance(name)) for name in ("device", "cores", "threads")),
            _fact("command", runs, _command, code=True),
            Fact("seeds of the searches", ((numbers(run.record.seed for run in runs), ""),)),
            Fact("seeds of the final trainings", ((_training_seeds(runs), ""),)),
            *(Fact(f"data {dataset}", ((checksum, ""),)) for dataset, checksum in _data(runs)),
        )
    )


def _fact(name: str, runs: Sequence[Run], value: Callable[[Run], str], code: bool = False) -> Fact:
    counts = sorted(Counter(map(value, runs)).items())
    several = len(counts) > 1
    return Fact(name, tuple((text, f" (runs: {count})" if several else "") for text, count in counts), code)


def _provenance(name: str) -> Callable[[Run], str]:
    return lambda run: str(run.record.provenance.get(name, "")) or NOT_RECORDED


def _commit(run: Run) -> str:
    dirty = " (dirty: with uncommitted changes)" if run.record.provenance.get("dirty") else ""
    return _provenance("commit")(run) + dirty


def _versions(run: Run) -> dict[str, Any]:
    versions = run.record.provenance.get("versions")
    return versions if isinstance(versions, dict) else {}


def _version(name: str) -> Callable[[Run], str]:
    return lambda run: str(_versions(run).get(name, NOT_RECORDED))


def _command(run: Run) -> str:
    command = run.record.provenance.get("command", NOT_RECORDED)
    return " ".join(map(str, command)) if isinstance(command, list) else str(command)


def _training_seeds(runs: Sequence[Run]) -> str:
    seeds = [run.record.final.get("training_seed") for run in runs]
    return numbers(int(seed) for seed in seeds if seed is not None) or NOT_RECORDED


def _data(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Data set and checksum, every pair once."""
    return sorted({(run.record.dataset, str(run.record.provenance.get("data", NOT_RECORDED))) for run in runs})
