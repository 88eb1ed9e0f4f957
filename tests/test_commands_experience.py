"""The command ``experience``: validation accuracies of complete trainings, and nothing of the test set."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from report_records import make

from harness.commands.experience import write_experience
from harness.core.errors import InputError
from harness.core.record import Record
from harness.core.space import Space
from harness.run.store import RunDirectory
from harness.spaces import get_space


def stored(out: Path, made: Record, evaluations: list[dict], proposals: list[dict]) -> None:
    directory = RunDirectory.of(out, made.profile, made.dataset, made.space, made.method, made.seed)
    directory.path.mkdir(parents=True)
    if evaluations:  # a search on a table keeps no such log
        made = dataclasses.replace(made, search={**made.search, "evaluations": len(evaluations)})
        directory.evaluations.write_text("".join(json.dumps(row) + "\n" for row in evaluations))
    directory.record.write_text(made.to_json())
    proposals = proposals or [proposal("unknown", None)]  # a search with a result has proposed
    directory.proposals.write_text("".join(json.dumps(row) + "\n" for row in proposals))


def evaluation(text: str, accuracy: float, **changes: object) -> dict[str, object]:
    row = {"number": 0, "genotype": text, "accuracy": accuracy, "curve": [accuracy], "seconds": 1.0, "steps": 1}
    return {**row, "failure": "", "spent": 1.0, **changes}


def proposal(text: str, accuracy: float | None, shared: bool = False) -> dict[str, object]:
    return {"genotype": text, "accuracy": accuracy, "spent": 1.0, "shared_weights": shared}


def test_it_writes_complete_trainings_or_where_none_are_logged_proposals(tmp_path: Path) -> None:
    space: Space = get_space("nasbench201")
    texts = [str(space.genotype((pick,) * 6)) for pick in range(5)]
    out, file = tmp_path / "runs", tmp_path / "e.csv"
    first = make("gp", 0.8125, dataset="cifar10", space="nasbench201").record
    rows = [
        evaluation(texts[0], 0.5),
        evaluation(texts[1], 0.9, share=0.25),
        evaluation(texts[2], 0.0, failure="it did not fit"),
        evaluation(texts[3], 0.7, share=1.0),
    ]
    stored(out, first, rows, [proposal(texts[3], 0.7)])
    table = make("gp", 0.8125, dataset="cifar100", space="nasbench201").record
    stored(out, table, [], [proposal(texts[0], 0.4), proposal(texts[1], None), proposal(texts[2], 0.6, shared=True)])
    assert write_experience(out, file) == 3
    with file.open(encoding="utf-8", newline="") as stream:
        told = [tuple(row.values()) for row in csv.DictReader(stream)]
    assert sorted(told) == [
        ("cifar10", "nasbench201", texts[0], "0.5"),
        ("cifar10", "nasbench201", texts[3], "0.7"),
        ("cifar100", "nasbench201", texts[0], "0.4"),
    ]
    assert "0.8125" not in file.read_text(), "what was measured on the test set stays where it is"


def test_nothing_to_learn_from_is_one_sentence(tmp_path: Path) -> None:
    stored(tmp_path / "runs", make("gp", 0.8125).record, [], [])
    with pytest.raises(InputError, match="nothing to learn from"):
        write_experience(tmp_path / "runs", tmp_path / "e.csv")
    with pytest.raises(InputError):
        write_experience(tmp_path / "none", tmp_path / "e.csv")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipes": {"proxy": {"steps": 40, "size": {"channels": 8}}}}, r"size\.channels is 4 .* and 8 "),
        ({"recipes": {"proxy": {"steps": 99, "size": {"channels": 4}}}}, "steps is 40 .* and 99 "),
        ({"provenance": {"data": "another"}}, "different data of the name 'cifar10'"),
    ],
)
def test_accuracies_that_do_not_compare_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    out, text = tmp_path / "runs", str(get_space("nasbench201").genotype((0,) * 6))
    usual: dict[str, Any] = {
        "dataset": "cifar10",
        "space": "nasbench201",
        "recipes": {"proxy": {"steps": 40, "size": {"channels": 4}}},
        "provenance": {"data": "one"},
    }
    logged = [evaluation(text, 0.5)]
    stored(out, make("gp", 0.8, **usual).record, logged, [])
    stored(out, make("gp", 0.8, **usual, profile="full", budget="100s").record, logged, [])
    stored(out, make("gp", 0.8, **{**usual, **change, "dataset": "cifar100"}).record, logged, [])
    stored(out, make("gp", 0.8, **{**usual, **change}, seed=1).record, [], [])
    assert write_experience(out, tmp_path / "e.csv") == 3, "what has logged nothing refuses nobody"
    stored(out, make("gp", 0.8, **{**usual, **change}, seed=2).record, logged, [])
    with pytest.raises(InputError, match=f"{told}.*; give a directory of runs that were made alike"):
        write_experience(out, tmp_path / "e.csv")


@pytest.mark.parametrize("file", ["/proc/experience.csv", "directory.csv"])
def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, file: str) -> None:
    (tmp_path / "directory.csv").mkdir()
    text = str(get_space("nasbench201").genotype((0,) * 6))
    stored(tmp_path / "runs", make("gp", 0.8125, space="nasbench201").record, [evaluation(text, 0.5)], [])
    with pytest.raises(InputError, match=r"cannot be written|is a directory"):
        write_experience(tmp_path / "runs", tmp_path / file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory.csv", "runs"]
