"""More than accuracy: what stored predictions say, and what tables show of it."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from report_records import make, save, tabular

from harness.commands.report import tables
from harness.core.errors import InputError
from harness.core.families import Member
from harness.core.record import CORRUPTED_ACCURACY, Run
from harness.core.table import Measure
from harness.report.forms.classes import classes
from harness.report.forms.html import report_html
from harness.report.forms.markdown import markdown
from harness.report.model.classes import by_class, matrix, most_confused
from harness.report.model.cost import cost_table
from harness.report.model.families import families
from harness.report.model.groups import blocks
from harness.report.model.load import load_runs
from harness.report.model.metrics import METRICS, by_accuracy, measured_by
from harness.report.model.performance import performance, performance_table
from harness.report.model.results import result_of
from harness.report.model.systems import published_accuracies, published_costs
from harness.report.stats.page import statistics
from harness.report.stats.verdict import verdicts
from harness.run.scoring.metrics import calibration_error, confusion, metrics

SURE = np.eye(3, dtype=np.float32)


class TestPredictions:
    def test_a_perfect_prediction_is_perfect(self) -> None:
        labels = np.array([0, 1, 2, 2])
        found = metrics(SURE[labels], labels)
        assert found["balanced_accuracy"] == found["macro_f1"] == 1
        assert found["nll"] == pytest.approx(0, abs=1e-6)
        assert found["calibration_error"] == pytest.approx(0)
        assert confusion(SURE[labels], labels) == ["1 0 0", "0 1 0", "0 0 2"]

    def test_a_rare_class_counts_as_much_as_a_frequent_one(self) -> None:
        labels, always_first = np.array([0] * 9 + [1]), np.tile(SURE[0], (10, 1))
        found = metrics(always_first, labels)
        assert found["balanced_accuracy"] == pytest.approx(0.5)
        assert found["macro_f1"] == pytest.approx((18 / 19 + 0) / 2)

    def test_classes_without_test_images_count_in_nothing(self) -> None:
        labels = np.array([0, 1])
        assert metrics(SURE[labels], labels)["balanced_accuracy"] == 1
        wrong = metrics(SURE[[0, 2]], labels)
        assert wrong["balanced_accuracy"] == pytest.approx(0.5)

    def test_a_guess_without_knowledge_costs_the_logarithm_of_the_classes(self) -> None:
        labels = np.array([0, 1, 2, 0])
        assert metrics(np.full((4, 3), 1 / 3, np.float32), labels)["nll"] == pytest.approx(math.log(3), abs=1e-5)

    def test_calibration_error_is_the_gap_of_confidence(self) -> None:
        """Nine of ten right at a confidence of 0.7; and all wrong at 0.9, in another bin: bins do not cancel out."""
        sure = np.tile([0.7, 0.3], (10, 1))
        assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.2)
        both = np.concatenate([sure, np.tile([0.9, 0.1], (10, 1))])
        labels = np.array([0] * 9 + [1] + [1] * 10)
        assert calibration_error(both, labels) == pytest.approx((0.2 + 0.9) / 2)
        assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0

    def test_calibration_error_takes_a_class_beyond_the_label_for_wrong_and_full_confidence_into_the_last_bin(
        self,
    ) -> None:
        assert calibration_error(np.array([[0.2, 0.8]]), np.array([0])) == pytest.approx(0.8)
        both = np.array([[1.0, 0.0], [0.95, 0.05]])
        assert calibration_error(both, np.array([1, 0])) == pytest.approx(abs(-1.0 + 0.05) / 2), "they are in one bin"
        apart = np.array([[0.52, 0.48], [0.54, 0.46]])
        assert calibration_error(apart, np.array([1, 0])) == pytest.approx((0.52 + 0.46) / 2), "8 of 15 is a border"

    def test_rows_that_do_not_quite_sum_to_one_make_no_warning(self) -> None:
        rng = np.random.default_rng(0)
        raw = rng.random((50, 3)).astype(np.float32)
        shares = raw / raw.sum(1, keepdims=True, dtype=np.float32)
        assert math.isfinite(metrics(shares, rng.integers(3, size=50))["nll"])


def trained(method: str, accuracy: float, nll: float, seed: int = 0) -> Run:
    classes_ = {"names": ["cat", "dog"], "confusion": ["3 1", "2 4"]}
    found = {"balanced_accuracy": accuracy / 2, "macro_f1": 0.1, "nll": nll, "calibration_error": 0.25}
    return make(method, accuracy, seed, metrics=found, classes=classes_)


class TestTables:
    def test_another_metric_takes_the_place_of_accuracy_everywhere(self) -> None:
        runs = measured_by([trained("darts", 0.8, 0.3), trained("random_search", 0.6, 0.5)], "balanced_accuracy")
        text = markdown(performance(runs))
        assert "40.00 (1)" in text
        assert "30.00 (1)" in text
        assert "## Balanced accuracy: profile" in text
        assert "accuracy is balanced accuracy, from the stored predictions" in text
        assert "80.00" not in text.split("## Published")[0]
        assert "published 95.74" not in text, "a published accuracy is no balanced accuracy"

    def test_less_is_better_in_nats_and_the_order_follows(self) -> None:
        seeds = range(6)
        runs = [run for s in seeds for run in (trained("darts", 0.5, 0.30, s), trained("random_search", 0.9, 0.50, s))]
        runs += [trained("random_sampling", 0.9, 0.60, s) for s in seeds]
        chosen = measured_by(runs, "nll")
        [block] = blocks(chosen)
        darts = next(result_of(block, "fashion_mnist", m) for m in block.methods if m.name == "darts")
        assert darts.own_mean == pytest.approx(0.30)
        assert darts.improvement == pytest.approx(50.0), "half of random sampling's 0.60"
        assert darts.deviation == pytest.approx(0)
        text = markdown(statistics(chosen))
        assert "less is better" in text
        assert re.search(r"darts.*6 / 0 / 0", text, re.IGNORECASE), "lower loss wins the pairs"
        assert "| 0.30" in text

    @pytest.mark.parametrize(
        ("metric", "head", "text", "key"),
        [
            ("accuracy", "test error %", "20.00 (1)", "error_mean"),
            ("balanced_accuracy", "balanced accuracy (%)", "40.00 (1)", "mean"),
            ("macro_f1", "macro F1 (%)", "10.00 (1)", "mean"),
            ("nll", "negative log-likelihood (nats)", "0.30 (1)", "mean"),
            ("calibration_error", "calibration error (%)", "25.00 (1)", "mean"),
        ],
    )
    def test_the_cost_table_names_what_stands_in_its_last_column(
        self, metric: str, head: str, text: str, key: str
    ) -> None:
        [block] = blocks(measured_by([trained("darts", 0.8, 0.3)], metric))
        table = cost_table(block, "fashion_mnist").compact()
        [shown] = [row[-1].text for row in table.rows if row[0].text == "DARTS"]
        assert (table.columns[-1].head, shown) == (head, text)
        assert {"mean", "error_mean"} & table.rows[-1][-1].fields(table.columns[-1].key).keys() == {key}

    def test_spread_is_in_the_own_unit(self) -> None:
        chosen = measured_by([trained("darts", 0.5, value, s) for s, value in enumerate((0.2, 0.3, 0.4))], "nll")
        [block] = blocks(chosen)
        result = result_of(block, "fashion_mnist", block.methods[0])
        assert (result.own_mean, result.own_deviation) == (pytest.approx(0.3), pytest.approx(0.1))
        worst, best = re.findall(r"\| 0\.30 \| (\S+) \| (\S+) \|", markdown(statistics(chosen)))[0]
        assert (worst, best) == ("0.40", "0.20")

    def test_a_table_of_losses_reads_in_its_own_unit(self) -> None:
        own = Measure("perplexity", "", worst=200.0, best=0.0)
        final = {"table": "mine", "score": own.words(), "measure": dataclasses.asdict(own)}
        runs = [tabular("random_search", 0.75, dataset="table:mine", recipes={"final": final})]
        [block] = blocks(runs)
        table = performance_table(block)
        assert table.rows[0][1].text == "50.00 (1)"
        assert table.title.startswith("Perplexity: ")
        assert any("less is better" in remark for remark in table.remarks)

    def test_what_stands_beside_published_accuracies_stays_an_accuracy(self) -> None:
        runs = [make("darts", 0.8, dataset="cifar10", metrics={"nll": 0.3, "accuracy": 0.8})]
        [run] = chosen = measured_by(runs, "nll")
        assert run.record.test_accuracy != 0.8
        assert by_accuracy(chosen) == runs
        members = [Member("darts", "DARTS", ("differentiable",))]
        for told in (published_accuracies, published_costs, lambda some: families(members, some)):
            assert markdown(told(chosen)) == markdown(told(runs))
        assert "quick, 60s: 80.00 (1)" in markdown(published_accuracies(chosen))

    def test_families_show_a_table_of_losses_in_its_own_unit(self) -> None:
        own = Measure("perplexity", "", worst=200.0, best=0.0)
        final = {"table": "mine", "score": own.words(), "measure": dataclasses.asdict(own)}
        runs = [tabular("darts", 0.75, dataset="table:mine", recipes={"final": final})]
        assert "50.00 (1) perplexity" in markdown(families([Member("darts", "DARTS", ("differentiable",))], runs))

    def test_accuracy_is_what_it_was(self) -> None:
        runs = [trained("darts", 0.8, 0.3)]
        assert measured_by(runs, "accuracy") == runs

    def test_what_runs_do_not_have_is_one_sentence(self) -> None:
        with pytest.raises(InputError, match="no nll"):
            measured_by([make("darts", 0.5)], "nll")
        with pytest.raises(InputError, match="did you mean"):
            measured_by([make("darts", 0.5)], "macro_f2")
        failed = make("darts", None)
        assert measured_by([failed], "nll") == [failed]

    def test_files_follow_the_metric(self, tmp_path: Path) -> None:
        for run in (trained("darts", 0.8, 0.3), trained("random_search", 0.6, 0.5)):
            save(run, tmp_path)
        assert "80.00" in tables(tmp_path)
        records = (tmp_path / "records.csv").read_text()
        told = tables(tmp_path, "nll")
        assert (tmp_path / "records.csv").read_text() == records, "its test_accuracy is one whatever the tables show"
        assert "0.30 (1)" in told
        assert told.startswith("# Negative log-likelihood\n")
        assert "Test accuracy in %: mean" not in told, "the page says what its numbers are"
        assert "80.00" in tables(tmp_path), "asked for again, it is made again"

    def test_every_metric_is_in_the_records(self) -> None:
        found = metrics(SURE[[0, 1]], np.array([0, 1]))
        assert set(METRICS) - {"accuracy", CORRUPTED_ACCURACY} == set(found)
        assert CORRUPTED_ACCURACY in METRICS, "it is in records of runs with --corruptions"


class TestClasses:
    def test_the_matrix_is_summed_over_seeds(self) -> None:
        names, counts = matrix([trained("darts", 0.8, 0.3, s) for s in range(3)] + [make("darts", 0.5)]) or ([], None)
        assert names == ["cat", "dog"]
        assert counts is not None
        assert counts.tolist() == [[9, 3], [6, 12]]
        assert by_class(counts) == [0.75, pytest.approx(2 / 3)]
        assert most_confused(names, counts) == [("dog", "cat", 6, 18), ("cat", "dog", 3, 12)]

    def test_the_page_has_it_and_older_records_have_none(self, tmp_path: Path) -> None:
        runs = [trained("darts", 0.8, 0.3)]
        page = report_html(runs, tmp_path, lambda _: None, verdicts(runs), statistics(runs), [])
        assert "by true class and by predicted class" in page
        assert "75.0" in page
        [block] = blocks([make("darts", 0.5)])
        assert classes(result_of(block, "fashion_mnist", block.methods[0])) == []

    def test_of_many_classes_the_worst_are_named(self) -> None:
        size = 30
        counts = np.diag(np.full(size, 10))
        counts[7] = 0
        counts[7, 8] = 10
        told = {"names": [f"c{n}" for n in range(size)], "confusion": [" ".join(map(str, row)) for row in counts]}
        [block] = blocks([make("darts", 0.5, classes=told)])
        [part] = classes(result_of(block, "fashion_mnist", block.methods[0]))
        assert "c7 0.0 %" in part.text  # type: ignore[union-attr]
        assert "c7 for c8 (10 of 10)" in part.text  # type: ignore[union-attr]

    @pytest.mark.parametrize("rows", [["1 x", "0 1"], ["1 2"], ["1 -1", "0 1"], ["1 2 3", "0 1 2"], [3]])
    def test_a_damaged_matrix_is_one_sentence(self, tmp_path: Path, rows: list[str]) -> None:
        run = dataclasses.replace(make("darts", 0.5, classes={"names": ["a", "b"], "confusion": rows}))
        save(run, tmp_path)
        with pytest.raises(InputError, match="damaged"):
            load_runs(tmp_path)


def test_the_option_and_the_readme_name_every_metric() -> None:
    from typing import get_args

    from harness.cli.options import Metric

    option = get_args(Metric)[1]
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    [line] = [line for line in readme.splitlines() if line.startswith("| `report DIR --metric NAME`")]
    for name in METRICS:
        assert re.search(rf"\b{name}\b", option.help), name
        assert f"`{name}`" in line, name
