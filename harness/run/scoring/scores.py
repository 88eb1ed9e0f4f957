"""Runs on a table: the only reader of its scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from harness.core.evaluation import ENSEMBLE
from harness.core.ranking import chosen
from harness.core.record import Record
from harness.core.table import Table, within
from harness.run.job import Job
from harness.run.scoring.fields import several, text
from harness.run.store import read_json


class HiddenScores:
    """The only reader of a table's scores: looks up what a search has proposed, in the parent process.

    Args:
        tables: by name on the command line.
        signals: what searches are told, by table.
    """

    def __init__(self, tables: Mapping[str, Table], signals: Mapping[str, str]) -> None:
        self._tables, self._signals = tables, signals
        self._facts = {name: _facts(table) for name, table in tables.items()}

    def score(self, job: Job, record: Record) -> Record:
        """The record with the score of its proposal; failed if the table does not have it.

        Of several proposals, that of the one with the best validation accuracy in the table; those that it does not
        have are listed as failures.
        """
        table = self._tables[job.dataset]
        if job.profile.top > 1:
            record = self._chosen(job, table, record)
        row = table.rows.get(record.proposal)
        if row is None and record.proposal.startswith(ENSEMBLE):
            reason = "the search proposed an ensemble, and the table has accuracies and no predictions to average"
            return dataclasses.replace(record, status="failed", reason=reason)
        if row is None:
            return dataclasses.replace(
                record, status="failed", reason=f"the search proposed {record.proposal}, which is not in the table"
            )
        return dataclasses.replace(
            record,
            test_accuracy=float(table.score[row]),
            parameters=None if table.parameters is None else int(table.parameters[row]),
            final={**self._facts[job.dataset], **_chosen(record)},
        )

    def _chosen(self, job: Job, table: Table, record: Record) -> Record:
        """The record with a line for each proposal of the search, and the best of them on validation images."""
        searched = read_json(job.directory.search)
        valid = table.validation(self._signals[job.dataset])
        lines: list[dict[str, Any]] = []
        for rank, stored in enumerate([searched["proposal"], *searched["others"]][: job.profile.top], start=1):
            line: dict[str, Any] = {"rank": rank, "genotype": text(stored["text"])}
            row = table.rows.get(line["genotype"])
            if row is None:
                line["failure"] = "it is not in the table"
            else:
                line |= {"validation_accuracy": float(valid[row]), "test_accuracy": float(table.score[row])}
            lines.append(line)
        best = chosen(lines) or lines[0]
        return dataclasses.replace(record, proposal=best["genotype"], networks=lines)

    def recipes(self, job: Job) -> dict[str, Any]:
        """What stands in the record for the recipes of trainings."""
        table = self._tables[job.dataset]
        own_unit = {} if table.scored is None else {"measure": dataclasses.asdict(table.scored)}
        return {
            "proxy": {"table": table.name, "signal": self._signals[job.dataset]},
            "final": {
                "table": table.name,
                "score": table.scored.words() if table.scored else table.measure,
                **own_unit,
                **several(job),
                **({"chosen_by": table.final_signal or self._signals[job.dataset]} if several(job) else {}),
            },
        }


def _facts(table: Table) -> dict[str, float]:
    """What is the same for every search on a table; each different architecture counts once in its noise."""
    facts = {"optimum": float(table.score.max()), "chance": float(table.score.mean())}
    if len(table.scores) > 1:
        single = within([score[table.different] for score in table.scores])
        facts["noise"] = single / math.sqrt(len(table.scores))
    return facts


def _chosen(record: Record) -> dict[str, int]:
    """Of several networks, how many there were and the rank of the one that counts."""
    if not record.networks:
        return {}
    ranks = [line["rank"] for line in record.networks if line["genotype"] == record.proposal]
    return {"trainings": sum("failure" not in line for line in record.networks), "chosen": ranks[0]}
