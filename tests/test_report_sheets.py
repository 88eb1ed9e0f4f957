"""The CSV files: one row per cell, one per run, and the numbers that a program computes from the records itself."""

from __future__ import annotations

import csv
import io
import json
import random
import statistics

import pytest
from report_records import examples, make

from harness.report.forms.csv_files import records_csv, tables_csv
from harness.report.model.cost import cost_table
from harness.report.model.groups import blocks
from harness.report.model.performance import performance_table


def performance_csv(runs):
    return tables_csv([performance_table(block) for block in blocks(runs)])


def cost_csv(runs):
    return tables_csv([cost_table(block, dataset) for block in blocks(runs) for dataset in block.datasets])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("write", [performance_csv, cost_csv, records_csv])
def test_the_order_of_the_runs_does_not_matter(write):
    runs = examples()
    assert write(random.Random(1).sample(runs, len(runs))) == write(runs)


def test_every_cell_is_a_row_and_its_numbers_are_those_of_the_records():
    runs = examples()
    found = rows(performance_csv(runs))
    keys = [(row["profile"], row["common_space"], row["dataset"], row["method"], row["space"]) for row in found]
    assert len(set(keys)) == len(keys)
    for row in found:
        same = [
            run.record
            for run in runs
            if (run.record.profile, run.record.dataset, run.record.method, run.record.space)
            == (row["profile"], row["dataset"], row["method"], row["space"])
        ]
        values = [100 * record.test_accuracy for record in same if record.test_accuracy is not None]
        assert int(row["n"]) == len(values)
        assert int(row["failed"]) + int(row["unsupported"]) == len(same) - len(values)
        assert int(row["unsupported"]) == sum(record.status == "unsupported" for record in same)
        assert (row["mean"] == "") == (not values)
        if values:
            assert float(row["mean"]) == pytest.approx(statistics.fmean(values))
        assert (row["std"] == "") == (len(values) < 3)
        if len(values) >= 3:
            assert float(row["std"]) == pytest.approx(statistics.stdev(values), abs=1e-8)


def test_improvement_is_over_random_sampling_on_the_same_data_set():
    runs = [make("random_sampling", 0.8), make("darts", 0.88), make("darts", 0.5, dataset="cifar10")]
    found = {(row["dataset"], row["method"]): row["relative_improvement"] for row in rows(performance_csv(runs))}
    assert float(found["fashion_mnist", "darts"]) == pytest.approx(10)
    assert found["fashion_mnist", "random_sampling"] == ""
    assert found["cifar10", "darts"] == "", "random sampling was not run there"


def test_published_values_say_where_they_come_from():
    [row] = rows(performance_csv([make("morphism_bo", 0.9)]))
    assert (row["published"], row["published_remark"]) == ("91.84", "")
    assert "NNI" in row["published_source"]
    [row] = rows(performance_csv([make("darts", 0.9, space="nasbench201")]))
    assert row["published"] == "", "a published number belongs to the native space"
    looked = {"profile": "nb201", "dataset": "nasbench201/cifar10", "space": "nasbench201", "native": "cell"}
    [row] = rows(performance_csv([make("random_search", 0.937, **looked)]))
    assert (float(row["published"]), float(row["published_std"])) == (93.7, 0.36)
    assert row["measure"] == "test accuracy"


def test_a_table_without_test_accuracies_says_what_it_measures():
    run = make("random_search", 0.9, recipes={"final": {"table": "t", "score": "validation accuracy"}})
    [row] = rows(performance_csv([run]))
    assert row["measure"] == "validation accuracy"


def test_costs_are_means_over_the_runs_with_a_result():
    runs = [make("darts", 0.9, seed, search={"seconds": 10.0 * seed}, macs=100 * seed) for seed in (1, 2)]
    runs.append(make("darts", None, 3, search={"seconds": 1000.0}))
    [row] = rows(cost_csv(runs))
    assert float(row["search_seconds"]) == 15
    assert float(row["macs"]) == 150
    assert float(row["error_mean"]) == pytest.approx(10)
    assert row["steps"] == ""
    assert int(row["n"]) == 2


def test_records_have_a_line_per_run_and_every_number():
    runs = examples()
    found = rows(records_csv(runs))
    assert len(found) == len(runs)
    assert sum(row["status"] != "ok" for row in found) == 4
    assert {row["search.seconds"] for row in found} == {"61.5"}
    assert json.loads(found[0]["provenance.versions"])["python"] == "3.11.9"
