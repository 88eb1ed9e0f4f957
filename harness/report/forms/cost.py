"""The cost table, in the shape of the published Table B: what each search and its network cost, and the provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from harness.core.record import Run
from harness.report.forms.text import NOT_RECORDED, escape, numbers, table
from harness.report.model.cells import Cell, cell, measures
from harness.report.model.groups import Block, Column, Notes, blocks, cell_text
from harness.report.model.published import table_b

_READING = (
    "Means over the seeds with a result (over all seeds, where none has one). A number of evaluations is followed by "
    "the number of different architectures among them. Parameters and MACs (multiply-accumulates of one forward pass) "
    "are those of the final network, without an auxiliary head. Test error in %: mean ± sample standard deviation (n); "
    "no ± below n = 3."
)


def cost(runs: Sequence[Run], *, times: bool = True) -> str:
    """Cost of every method on every data set, the published rows, and where the numbers come from, as markdown.

    Args:
        runs: any runs; one table per profile, budget, kind of space and data set.
        times: False leaves out what depends on the machine and the moment (device, seconds, provenance), so that two
            runs of a counted profile can be compared byte for byte.
    """
    parts = ["# Cost", _READING]
    for block in blocks(runs):
        for dataset in block.datasets:
            parts += _table(block, dataset, times)
    parts += published_table(runs)
    if times:
        parts += ["## Provenance", "\n".join(provenance(runs))]
    return "\n\n".join(parts) + "\n"


def _table(block: Block, dataset: str, times: bool) -> list[str]:
    notes = Notes()
    beside = not block.common and dataset == table_b().dataset
    header = ["method", *(["device", "search s", "final training s"] if times else [])]
    header += ["evaluations (unique)", "steps of the search", "parameters", "MACs (M)", "test error %"]
    header += ["published: GPUs", "days", "parameters (M)", "error %"] if beside else []
    rows = [_row(block, dataset, place, notes, times) for place in block.columns]
    if beside:
        for row, place in zip(rows, block.columns, strict=True):
            published = table_b().row(dataset, place.method)
            row += published.texts() if published else ("–",) * 4
    parts = [f"## Cost on {escape(dataset)}: {escape(block.title)}", table(header, rows, left=2 if times else 1)]
    parts += map(escape, measures(block, dataset))
    return [*parts, "\n".join(notes.lines())] if notes.lines() else parts


def _row(block: Block, dataset: str, place: Column, notes: Notes, times: bool) -> list[str]:
    found = cell(block, dataset, place)
    title = f"{escape(block.heading(place))} <sub>{escape(place.space)}</sub>"
    if not found.runs:
        return [title, *["not run"] * (8 if times else 5)]
    row = [title]
    if times:
        row += [_device(found.ended), _number(found, "search_seconds", ".1f"), _number(found, "final_seconds", ".1f")]
    evaluations, unique = (_number(found, name, ",.1f").removesuffix(".0") for name in ("evaluations", "unique"))
    row += [f"{evaluations} ({unique})", _number(found, "steps", ",.0f")]
    row += [_number(found, "parameters", ",.0f"), _number(found, "macs", ",.2f", 1e6)]
    errors = [100 - accuracy for accuracy in found.accuracies]
    row.append(cell_text(found.runs, errors, f"{escape(block.heading(place))} on {escape(dataset)}", notes))
    return row


def _number(found: Cell, name: str, form: str, unit: float = 1) -> str:
    value = found.cost(name)
    return NOT_RECORDED if value is None else f"{value / unit:{form}}"


def _device(runs: Sequence[Run]) -> str:
    return ", ".join(sorted({escape(str(run.record.provenance.get("device", NOT_RECORDED))) for run in runs}))


def published_table(runs: Sequence[Run]) -> list[str]:
    """Table B as published, with the methods that were measured here pointed out."""
    titles = {run.record.method: run.record.title for run in sorted(runs, key=lambda run: run.record.title)}
    header = ["method", "GPUs", "days", "parameters (M)", "error %", "measured here as"]
    rows = [[row.name, *row.texts(), escape(titles.get(row.method or "", "–"))] for row in table_b().rows]
    about = f"Source: {table_b().source}. {table_b().what}. Published numbers, not measured here; other budgets."
    return [f"## Published: {table_b().title}", table(header, rows), about]


def provenance(runs: Sequence[Run]) -> list[str]:
    """Where the numbers come from: a markdown list; where runs differ, every value with its number of runs."""
    lines = [
        _fact("commit", runs, _commit),
        *(_fact(name, runs, _version(name)) for name in _version_names(runs)),
        *(_fact(name, runs, _provenance(name)) for name in ("device", "cores", "threads")),
        _fact("command", runs, _command),
        f"- seeds of the searches: {numbers(run.record.seed for run in runs)}",
        f"- seeds of the final trainings: {_training_seeds(runs)}",
        *(f"- data {line}" for line in _data(runs)),
    ]
    return lines


def _fact(name: str, runs: Sequence[Run], value: Callable[[Run], str]) -> str:
    counts = Counter(map(value, runs))
    if len(counts) == 1:
        return f"- {name}: {next(iter(counts))}"
    return f"- {name}: " + "; ".join(f"{text} (runs: {count})" for text, count in sorted(counts.items()))


def _provenance(name: str) -> Callable[[Run], str]:
    return lambda run: escape(str(run.record.provenance.get(name, ""))) or NOT_RECORDED


def _commit(run: Run) -> str:
    dirty = " (dirty: with uncommitted changes)" if run.record.provenance.get("dirty") else ""
    return _provenance("commit")(run) + dirty


def _version_names(runs: Sequence[Run]) -> list[str]:
    return sorted({name for run in runs for name in _versions(run)})


def _versions(run: Run) -> dict[str, Any]:
    versions = run.record.provenance.get("versions")
    return versions if isinstance(versions, dict) else {}


def _version(name: str) -> Callable[[Run], str]:
    return lambda run: escape(str(_versions(run).get(name, NOT_RECORDED)))


def _command(run: Run) -> str:
    command = run.record.provenance.get("command", NOT_RECORDED)
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command)
    return f"`{' '.join(text.split()).replace('`', ' ')}`"


def _training_seeds(runs: Sequence[Run]) -> str:
    seeds = [run.record.final.get("training_seed") for run in runs]
    return numbers(int(seed) for seed in seeds if seed is not None) or NOT_RECORDED


def _data(runs: Sequence[Run]) -> list[str]:
    """Data set and checksum, every pair once."""
    pairs = {(run.record.dataset, str(run.record.provenance.get("data", NOT_RECORDED))) for run in runs}
    return [f"{escape(dataset)}: {escape(checksum)}" for dataset, checksum in sorted(pairs)]
