"""What ran where, and what it cost, of a comparison that several nodes of a cluster have made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import fsum

from harness.core.record import Run
from harness.report.model.table import Column, Table, TableCell
from harness.report.model.values import Number, Words

HERE = "the machine of the command"
"""Where a phase ran whose record names no node."""
UNKNOWN = "not recorded"
"""Where a phase ran of which a record does not tell that names the node of another: the command was killed between."""
PHASES = ("search", "final")
READING = (
    "Node, and in brackets its device. A run counts on each node that has done one of its phases, or has trained "
    "children of its search; seconds are those of a clock on the wall, summed over the runs whose record has them, and "
    "those of a search are told where the search was."
)
_COLUMNS = (
    Column("node", "node", left=True),
    Column("runs", "runs"),
    Column("searches", "searches"),
    Column("search_seconds", "search s", timed=True),
    Column("final_trainings", "final trainings"),
    Column("final_seconds", "final training s", timed=True),
)


def nodes_table(runs: Sequence[Run]) -> list[Table]:
    """A row per node; no table where one machine has done everything.

    Args:
        runs: any runs. A phase that took no time, because it never ended or there is none, counts where it is noted.
    """
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: {phase: [] for phase in PHASES})
    there: dict[str, set[int]] = defaultdict(set)
    for number, run in enumerate(runs):
        noted = run.record.provenance.get("nodes", {})
        for node in _helpers(noted):
            there[node].add(number)
        for phase, facts in zip(PHASES, (run.record.search, run.record.final), strict=True):
            took = facts.get("seconds")
            if phase in noted or took is not None:
                node = noted.get(phase, UNKNOWN if noted else HERE)
                there[node].add(number)
                seconds[node][phase].append(took or 0.0)
    if len(there) < 2:
        return []
    rows = [
        (
            TableCell(Words(node)),
            TableCell(Number(len(there[node]))),
            *(
                TableCell(Number(value, form))
                for phase in PHASES
                for value, form in ((len(seconds[node][phase]), ",.0f"), (fsum(seconds[node][phase]), ",.1f"))
            ),
        )
        for node in sorted(there)
    ]
    return [Table("nodes", "What ran where", _COLUMNS, tuple(rows), reading=READING)]


def where(run: Run) -> str:
    """The nodes that have done a run's phases, in words; "" if its record names none."""
    noted = run.record.provenance.get("nodes", {})
    nodes = {phase: str(noted[phase]) for phase in PHASES if phase in noted}
    helped = f", children also on {' and '.join(_helpers(noted))}" if _helpers(noted) else ""
    if len(set(nodes.values())) > 1:
        return f"search on {nodes['search']}{helped}, final training on {nodes['final']}"
    return "".join(f"on {node}{helped}" for node in set(nodes.values()))


def _helpers(noted: Mapping[str, str]) -> list[str]:
    """The nodes that have trained children of a search which was elsewhere."""
    return noted["children"].split("; ") if noted.get("children") else []
