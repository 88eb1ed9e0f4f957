"""`report`: what it refuses before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_records import PROVENANCE, make, save

from harness.commands.report import tables
from harness.core.errors import InputError


def test_runs_on_other_data_of_the_same_name_are_not_put_into_one_table(tmp_path: Path) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    save(make("darts", 0.1, 1, provenance={**PROVENANCE, "data": "another"}), tmp_path)
    with pytest.raises(InputError, match="different data of the name 'fashion_mnist'"):
        tables(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_older_records_and_other_tables_are_no_mixture(tmp_path: Path) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    save(make("darts", 0.8, 1, provenance={name: v for name, v in PROVENANCE.items() if name != "data"}), tmp_path)
    save(make("darts", 0.7, 2, budget="600s", provenance={**PROVENANCE, "data": "another"}), tmp_path)
    assert "85.00 (2)" in tables(tmp_path)


def test_what_is_left_out_is_said_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    run = save(make("darts", 0.8, 1), tmp_path)
    (run / "record.json").rename(run / "inputs.json")
    for metric in ("accuracy", "accuracy"):  # the second one finds the files as they are
        told = "1 run has not ended and is left out (darts seed 1); the same run command continues it"
        assert told in tables(tmp_path, metric)
        assert capsys.readouterr().err == f"{told}\n"
