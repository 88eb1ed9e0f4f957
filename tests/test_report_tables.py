from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import PROVENANCE, examples, make

from harness.report.forms.markdown import escape, markdown
from harness.report.model import cost as cost_model
from harness.report.model import literature as published
from harness.report.model import numbers as text
from harness.report.model import performance as performance_model
from harness.report.model.groups import blocks
from harness.report.model.results import relative_improvement, same_networks

GOLDEN = Path(__file__).parent / "golden"


def performance(runs):
    return markdown(performance_model.performance(runs))


def cost(runs, **options):
    return markdown(cost_model.cost(runs, **options))


def cells(table: str, start: str) -> list[str]:
    """The cells of the first table row that starts with ``start``."""
    [row, *_] = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


@pytest.mark.parametrize(
    ("name", "make_text"),
    [
        ("performance.md", performance),
        ("cost.md", cost),
        ("cost_without_times.md", lambda runs: cost(runs, times=False)),
    ],
)
def test_golden_reports(name, make_text):
    made = make_text(examples())
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(made, encoding="utf-8", newline="\n")
    assert made == (GOLDEN / name).read_text(encoding="utf-8"), "set UPDATE_GOLDEN=1 if the change is meant"


def test_simulated_wall_time_stands_beside_the_charge_where_a_search_had_replicas():
    searched = make("nas_rl", 0.9).record.search
    runs = [make("nas_rl", 0.9, search=searched | {"planned_simulated_wall": 15.0}), make("random_search", 0.8)]
    made = cost(runs)
    place = cells(made, "method").index("simulated wall time, % of the charge")
    assert cells(made, "NAS-RL")[place] == "25.0"
    assert cells(made, "Random search")[place] == "–"
    assert cost_model.SIMULATED in made
    plain = cost([make("nas_rl", 0.9), runs[1]])
    assert "imulated" not in plain


def test_order_of_the_runs_does_not_matter():
    runs = examples()
    for seed in range(5):
        shuffled = random.Random(seed).sample(runs, len(runs))
        assert performance(shuffled) == performance(runs)
        assert cost(shuffled) == cost(runs)


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([0.9], "90.00 (1)"), ([0.9, 0.92], "91.00 (2)"), ([0.9, 0.92, 0.94], "92.00 ± 2.00 (3)")],
)
def test_spread_only_from_three_seeds(accuracies, expected):
    runs = [make("random_search", accuracy, seed) for seed, accuracy in enumerate(accuracies)]
    assert cells(performance(runs), "fashion_mnist")[1] == expected


def test_failed_runs_are_counted_and_explained_whatever_else_there_is():
    runs = [make("darts", 0.9, 0), make("darts", None, 1, reason="the reason A"), make("darts", None, 2)]
    for made in (performance(runs), cost(runs), cost(runs, times=False)):
        assert (
            "90.00 (1)<br>1 failed [1]<br>1 failed [2]" in made or "10.00 (1)<br>1 failed [1]<br>1 failed [2]" in made
        )
        assert "1. DARTS on fashion_mnist, seed 1: failed: the reason A" in made
        assert "2. DARTS on fashion_mnist, seed 2: failed: it ran out of memory" in made


def test_every_run_is_in_the_tables():
    runs = examples()
    tables = [run for block in blocks(runs) for run in block.runs]
    assert {id(run) for run in tables} == {id(run) for run in runs}
    made = performance(runs).partition("## Published")[0]
    told = re.findall(r"(\d+) (?:failed|unsupported) \[\d+\]", made)
    averaged = re.findall(r"\d\d\.\d\d(?: ± \d+\.\d\d)? \((\d+)\)", made)
    assert sum(map(int, told)) == sum(run.record.status != "ok" for run in tables)
    assert sum(map(int, averaged)) == sum(run.record.status == "ok" for run in tables)


@pytest.mark.parametrize("accuracy", [None, float("nan")])
def test_an_ok_record_without_an_accuracy_counts_as_failed(accuracy):
    run = make("darts", 0.5)
    broken = replace(run, record=replace(run.record, test_accuracy=accuracy))
    assert cells(performance([broken]), "fashion_mnist")[1].startswith("1 failed [1]")


def test_a_missing_cell_says_so():
    runs = [make("darts", 0.9), make("random_search", 0.8, dataset="toy")]
    assert cells(performance(runs), "toy") == ["toy", "80.00 (1)", "not run"]
    assert "| DARTS <sub>cell</sub> | not run |" in cost(runs)


def test_reasons_cannot_break_the_table():
    made = performance([make("darts", None, reason="a | b\n| c <i>")])
    assert r"failed: a \| b \| c \<i>" in made
    assert len(cells(made, "fashion_mnist")) == 2


def test_relative_improvement():
    assert relative_improvement(0.99, 0.9) == pytest.approx(10)
    assert relative_improvement(0.45, 0.9) == pytest.approx(-50)
    runs = [make("random_sampling", 0.8), make("random_search", 0.84), make("darts", 0.8), make("local_search", 0.76)]
    assert cells(performance(runs), "RI, fashion_mnist")[1:] == ["+5.00 (1, 1)", "-5.00 (1, 1)", "0.00 (1, 1)"]


def test_relative_improvement_without_a_number_to_divide_by():
    assert "No RI: random_sampling was not run." in performance([make("darts", 0.9)])
    assert cells(performance([make("random_sampling", None), make("darts", 0.9)]), "RI,")[1] == "–"
    assert cells(performance([make("random_sampling", 0.0), make("darts", 0.9)]), "RI,")[1] == "undefined"
    assert cells(performance([make("random_sampling", 0.9), make("darts", None)]), "RI,")[1] == "failed"


def test_relative_improvement_stays_within_a_space():
    runs = [make("random_sampling", 0.8), make("darts", 0.84), make("enas_macro", 0.9)]
    assert cells(performance(runs), "RI, fashion_mnist")[1:] == ["+5.00 (1, 1)", "–"]
    own = make("random_sampling", 0.6, space="macro-6")
    assert cells(performance([*runs, own]), "RI, fashion_mnist")[1:] == ["+50.00 (1, 1)", "+5.00 (1, 1)"]
    assert "not run in the spaces of the other methods" in performance([runs[0], runs[2]])


def test_runs_of_other_profiles_budgets_and_spaces_are_never_averaged():
    runs = [
        make("darts", 0.9),
        make("darts", 0.5, budget="40 steps"),
        make("darts", 0.4, profile="smoke"),
        make("darts", 0.3, space="macro", native="cell"),
        make("darts", 0.2, space="nasbench201", native=""),
    ]
    found = re.findall(r"(\d\d\.00) \((\d)\)", performance(runs).partition("## Published")[0])
    assert sorted(found) == [(f"{accuracy}0.00", "1") for accuracy in (2, 3, 4, 5, 9)]


def test_common_space_holds_those_at_home_there_too_and_no_published_numbers():
    runs = [make("darts", 0.9), make("enas_macro", 0.8, space="cell"), make("enas_macro", 0.7)]
    native, common = blocks(runs)
    assert [run.record.test_accuracy for run in native.runs] == [0.9, 0.7]
    assert (common.common, [run.record.test_accuracy for run in common.runs]) == ("cell", [0.9, 0.8])
    _, _, after = performance(runs).partition(f"## Test accuracy: {common.title}")
    assert "<sub>published" not in after


def test_profile_and_source_stand_on_the_table():
    made = performance([make("darts", 0.9)])
    assert "## Test accuracy: profile quick, search budget 60s, native spaces" in made
    assert f"<sub>published {published.table_a().values['fashion_mnist', 'darts']:.2f}</sub>" in made
    assert published.table_a().source in made
    assert "not for comparison" in made


def test_the_two_systems_called_autokeras_stand_apart():
    made = performance([make("autokeras", 0.9), make("morphism_bo", 0.8)])
    before, _, table = made.partition("## Published, and measured here: Table A")
    assert sorted(cells(before, "fashion_mnist")[1:]) == ["80.00 (1)<br><sub>published 91.84</sub>", "90.00 (1)"]
    row = cells(table, "Fashion-MNIST")
    assert row[1] == "91.84<br><sub>quick, 60s: 80.00 (1)</sub>"
    assert row[6] == "–<br><sub>quick, 60s: 90.00 (1)</sub>"
    assert "another system under the same name" in table


def test_a_method_with_settings_stands_in_the_published_tables_with_its_settings():
    """Behind its plain name, too; a row of Table B that names the settings has them alone."""
    names = ("darts", "darts:order=2", "nas_rl:replicas=2", "nas_rl:filters=+", "enas_macro:channels=+")
    runs = [make(name, 0.9 - 0.1 * n, dataset="cifar10", title=name) for n, name in enumerate(names)]
    table_a = performance(runs).partition("## Published, and measured here: Table A")[2]
    row = cells(table_a, "CIFAR-10")
    assert row[4] == "94.23<br><sub>quick, 60s: 90.00 (1)</sub><br><sub>quick, 60s, order=2: 80.00 (1)</sub>"
    assert "50.00" not in row[2], "more channels are another network"
    assert performance(runs).count("<sub>published 94.23</sub>") == 2
    table_b = cost(runs).partition("## Published")[2]
    for system, method, error in (
        ("NAS (Zoph & Le, 2017)", "nas_rl:replicas=2", "30.00 (1)"),
        ("NAS + more filters", "nas_rl:filters=+", "40.00 (1)"),
        ("ENAS + macro search space + more", "enas_macro:channels=+", "50.00 (1)"),
    ):
        assert (method, error) == (cells(table_b, system)[8], cells(table_b, system)[10])
    assert cells(table_b, "ENAS + macro search space |")[10] == "not run"


def test_measured_cells_do_not_depend_on_published_numbers(monkeypatch):
    before = performance(examples())
    table = published.table_a()
    changed = replace(table, values=dict.fromkeys(table.values, 0.0))
    for module in ("performance", "results", "groups"):
        monkeypatch.setattr(f"harness.report.model.{module}.table_a", lambda: changed)
    strip = re.compile(r"<br><sub>published [^<]*</sub>")
    measured = before.partition("## Published")[0]
    assert strip.sub("", performance(examples()).partition("## Published")[0]) == strip.sub("", measured)


def test_cost_row_means_over_the_seeds_that_ended():
    runs = [make("darts", 0.9, 0), make("darts", 0.8, 1), make("darts", None, 2, search={"seconds": 1000.0})]
    row = cells(cost(runs), "DARTS")
    assert row[1:] == ["CPU", "61.5", "150.2", "900", "9 (8)", "540", "163,500", "12.35", "15.00 (2)<br>1 failed [1]"]


def test_published_row_stands_beside_the_measured_one_on_cifar10_only():
    made = cost([make("nas_rl", 0.6, dataset="cifar10")])
    assert cells(made, "NAS-RL")[-4:] == ["800", "21-28", "7.1", "4.47"]
    assert cells(made, "NAS (Zoph & Le, 2017)")[8:11] == ["nas_rl", "quick, 60s", "40.00 (1)"]
    assert "published: GPUs" not in cost([make("nas_rl", 0.6)]).partition("## Published")[0]


def test_without_times_nothing_depends_on_machine_or_moment():
    runs = [run for run in examples() if run.record.provenance["device"] == "CPU"]
    search = {"seconds": 1.0, "cpu_seconds": 2.0, "charged": 3.0}
    others = [
        replace(
            run,
            record=replace(
                run.record,
                provenance={"device": "another", "commit": "fff"},
                search=run.record.search | search,
                final=run.record.final | {"seconds": 9.0, "images_per_second": 1.0},
            ),
        )
        for run in runs
    ]
    assert cost(others, times=False) == cost(runs, times=False)
    assert performance(others) == performance(runs)
    assert cost(others) != cost(runs)


def test_provenance_tells_every_value_apart():
    runs = [make("darts", 0.9), make("darts", 0.9, 1, provenance=PROVENANCE | {"dirty": True})]
    made = cost(runs)
    assert "- commit: 0123abc (runs: 1); 0123abc (dirty: with uncommitted changes) (runs: 1)" in made
    assert "- keras: 3.15.1" in made
    assert "- seeds of the searches: 0, 1" in made
    assert "- device: not recorded" in cost([make("darts", 0.9, provenance={})])


def test_numbers_and_escapes():
    assert text.numbers([3, 1, 2, 7, 1]) == "1-3, 7"
    assert text.numbers([0, 1]) == "0, 1"
    assert text.signed(-0.001) == "0.00"
    assert escape("a*b`c`\n~~d") == r"a\*b\`c\` \~\~d"


def test_importing_the_tables_brings_neither_matplotlib_nor_tensorflow():
    code = "import sys, harness.report.forms.markdown, harness.report.forms.write; print(*sys.modules)"
    root = Path(__file__).parents[1]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert not {"matplotlib", "tensorflow", "keras", "autokeras"} & set(loaded.split())


@pytest.mark.parametrize("write", [performance, cost])
def test_a_table_without_test_accuracies_is_told(write):
    recipes = {"final": {"table": "t", "score": "validation accuracy"}}
    assert "On t, accuracy is validation accuracy" in write([make("darts", 0.9, dataset="t", recipes=recipes)])
    assert "validation accuracy" not in write([make("darts", 0.9, dataset="t")])


def test_where_nothing_was_searched_search_macs_are_a_dash_and_not_forgotten():
    counts = {"charged": 0.0, "seconds": 0.1, "evaluations": 0, "unique": 0, "steps": 0}
    idle = make("random_sampling", 0.8, search=counts)
    counted_ = [make("random_search", 0.85, search=counts | {"evaluations": 2, "steps": 9, "macs": 4e9})]
    forgotten = make("darts", 0.9, search=counts | {"evaluations": 2, "steps": 9})
    made = cost([idle, *counted_, forgotten])
    at = cells(made, "method").index("search MACs (G)")
    told = {name: cells(made, name)[at] for name in ("Random sampling", "Random search", "DARTS")}
    assert told == {"Random sampling": "–", "Random search": "4.0", "DARTS": "not recorded"}
    assert "search MACs" not in cost([idle, forgotten]), "nobody counted them, so there is no such column"
    half = cost([*counted_, make("random_search", 0.85, 1, search=counts)])
    assert cells(half, "Random search")[at] == "2.0", "a search that did nothing is a part of the mean"


def test_published_numbers_of_a_table_stand_beside_those_of_its_profile_only():
    looked = {"dataset": "nasbench201/cifar10", "space": "nasbench201", "recipes": {"final": {"table": "t"}}}
    here = performance([make("random_search", 0.93, profile="nb201", **looked)])
    assert "<sub>published 93.70 ± 0.36</sub>" in here
    assert "NAS-Bench-201: Extending the Scope" in here
    assert "<sub>published" not in performance([make("random_search", 0.93, profile="nb201-full", **looked)])


def test_shared_weights_stand_beside_the_block_with_batch_statistics():
    looked = {"dataset": "nasbench201/cifar10", "space": "nasbench201", "recipes": {"final": {"table": "t"}}}
    here = performance([make(name, 0.9, profile="nb201-weights", **looked) for name in ("rs_ws", "darts", "setn")])
    assert "<sub>published 87.66 ± 1.69</sub>" in here
    assert "<sub>published 86.19 ± 4.63 (from memory)</sub>" in here
    assert "84.07 ± 3.61" in here, "the other block is a table of its own"
    assert "<sub>published 84.07" not in here
    assert "which profile nb201-weights scales down" in here
    assert "<sub>published" not in performance([make("rs_ws", 0.9, profile="nb201", **looked)])


def test_methods_that_proposed_the_same_network_are_named():
    """By space, data set and seed; look-ups and runs without a result are none."""
    table = {"final": {"table": "t"}}
    runs = [
        make("random_search", 0.5, 0, proposal="cell:x"),
        make("darts", 0.5, 0, proposal="cell:x"),
        make("darts", 0.5, 1, proposal="cell:x"),
        make("random_search", 0.5, 1, proposal="cell:y"),
        make("random_search", None, 2, proposal="cell:x"),
        make("darts", 0.5, 2, proposal="cell:x"),
    ]
    (sentence,) = same_networks(blocks(runs)[0])
    assert sentence.endswith("with the same seed): fashion_mnist, cell, seed 0: DARTS, Random search.")
    looked_up = [make(method, 0.5, 0, proposal="cell:x", recipes=table) for method in ("random_search", "darts")]
    assert same_networks(blocks(looked_up)[0]) == []
    wider = [make("darts", 0.5, 0, proposal="cell:x", recipes={"extra": {"more": 40.0}}), runs[0]]
    assert same_networks(blocks(wider)[0]) == [], "the final networks differ"
    many = [make(m, 0.5, seed, proposal=f"cell:{seed}") for m in ("random_search", "darts") for seed in range(9)]
    assert same_networks(blocks(many)[0])[0].endswith("; and 3 times more.")
