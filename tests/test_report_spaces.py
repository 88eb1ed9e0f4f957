"""Tables by space with their zero lines, what may not stand in one table, and what is marked."""

from __future__ import annotations

import csv
import io
import random
import re
from dataclasses import replace

import pytest
from report_records import PROVENANCE, make, save, tabular

from harness.core.errors import InputError
from harness.core.record import Run
from harness.core.zero_line import RANDOM_SAMPLING, RANDOM_SEARCH, ZERO_LINE
from harness.report.forms.charts import chart
from harness.report.forms.csv_files import records_csv, tables_csv
from harness.report.forms.latex import tables_tex
from harness.report.forms.markdown import markdown
from harness.report.model.cost import cost, cost_table
from harness.report.model.groups import blocks, limit_of
from harness.report.model.literature import table_b
from harness.report.model.load import load_runs
from harness.report.model.performance import performance, performance_table
from harness.report.model.results import OVERRUN, result_of, share_of
from harness.report.model.systems import published_costs
from harness.report.stats.pairs import compared

FINAL = {"seconds": 150.0, "steps": 3000, "images_per_second": 900, "epochs": 12.0, "limit": "epochs", "capped": False}
SEARCH = {"charged": 2e12, "seconds": 61.5, "evaluations": 9, "unique": 8, "steps": 540, "macs": 1.9e12, "overrun": 1.0}
HOMES = {"darts": "cell-3", "local_search": "cell-3", "enas_macro": "macro-6", "nas_rl": "chain-6"}


def new(method: str, accuracy: float | None, seed: int = 0, **changes) -> Run:
    """A run as newer commands record it; ``final`` and ``search`` are added to what stands there."""
    home = HOMES.get(method, "cell-3")
    final = FINAL | changes.pop("final", {}) if accuracy is not None else {}
    search = SEARCH | changes.pop("search", {})
    fields = {"space": home, "native": home.split("-")[0], "budget": "2e12 macs", "final": final, "search": search}
    return make(method, accuracy, seed, **(fields | changes))


def with_zero_lines(*methods: str, seeds: int = 2) -> list[Run]:
    """The methods, and both zero lines in each of their spaces; those two are at home in cells."""
    runs = [new(method, 0.9 + 0.01 * n, seed) for n, method in enumerate(methods) for seed in range(seeds)]
    spaces = sorted({HOMES[method] for method in methods})
    return runs + [
        new(zero, 0.8 + 0.02 * n, seed, space=space, native="cell")
        for n, space in enumerate(spaces)
        for zero in ZERO_LINE
        for seed in range(seeds)
    ]


def cells(text: str, start: str) -> list[str]:
    [row, *_] = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.split("|")[1:-1]]


# Spaces


def test_methods_of_one_space_stand_together_behind_their_zero_lines():
    runs = with_zero_lines("darts", "nas_rl", "local_search", "enas_macro")
    for seed in range(3):
        [block] = blocks(random.Random(seed).sample(runs, len(runs)))
        assert not block.common
        spaces = [method.space for method in block.methods]
        assert [space for n, space in enumerate(spaces) if n == 0 or spaces[n - 1] != space] == list(block.spaces)
        for space in block.spaces:
            assert [method.name for method in block.of_space(space)][:2] == [RANDOM_SAMPLING, RANDOM_SEARCH]
    table = performance_table(blocks(runs)[0])
    assert [row[0].value.small for row in table.rows] == spaces
    rows = re.findall(r"^\| .* <sub>(.*)</sub> \|", markdown(performance(runs)), re.MULTILINE)
    assert rows == spaces, "methods are rows, because there are too many for columns"


def test_few_methods_are_columns_and_many_are_rows():
    few, many = with_zero_lines("darts"), with_zero_lines("darts", "nas_rl", "local_search", "enas_macro")
    assert len(cells(markdown(performance(few)), "data set")) == 1 + 3
    text = markdown(performance(many))
    assert "relative improvement over random sampling, profile" not in text
    head = cells(text, "method")
    for block in blocks(many):
        for method in block.methods:
            row = [
                line
                for line in text.splitlines()
                if line.startswith(f"| {block.title_of(method)} <sub>{method.space}<")
            ]
            assert len(row) == 1
            assert row[0].count(" | ") == len(head) - 1


def test_a_common_space_is_named_once():
    runs = [
        new(name, 0.5 + 0.01 * seed, seed=seed, space="macro-6", native="cell")
        for name in ("darts", *ZERO_LINE)
        for seed in range(8)
    ]
    [block] = blocks(runs)
    assert block.common == "macro-6"
    for part in performance(runs):
        for line in markdown([part]).splitlines():
            assert line.count("macro-6") <= 1, line
    found = list(csv.DictReader(io.StringIO(tables_csv([performance_table(block)]))))
    assert {row["space"] for row in found} == {"macro-6"}


def test_methods_that_cannot_work_for_one_reason_share_a_note():
    runs = [
        new(name, None, status="unsupported", reason="it needs a card") for name in ("darts", "nas_rl", "enas_macro")
    ]
    runs += [new(name, 0.5) for name in ZERO_LINE]
    [block] = [block for block in blocks(runs) if len(block.methods) > 2]
    assert performance_table(block).notes == ("unsupported: it needs a card",)


def test_zero_lines_in_a_native_space_make_no_table_of_their_own():
    runs = with_zero_lines("darts", "enas_macro")
    assert [block.common for block in blocks(runs)] == [""]
    elsewhere = [new(zero, 0.5, space="chain-6", native="cell") for zero in ZERO_LINE]
    assert [block.common for block in blocks([*runs, *elsewhere])] == ["", "chain-6"]
    moved = new("darts", 0.7, space="macro-6", native="cell")
    native, common = blocks([*runs, moved])
    assert common.common == "macro-6"
    assert {m.name for m in common.methods} == {"darts", "enas_macro", *ZERO_LINE}
    assert moved not in native.runs


def test_zero_lines_of_a_space_that_only_strangers_searched_stand_with_these_alone():
    runs = [new(zero, 0.5, space="cell-2", native="cell-2") for zero in ZERO_LINE]
    runs.append(new("reinforce", 0.6, space="cell-2", native="nasbench201"))
    [block] = blocks(runs)
    assert (block.common, {method.name for method in block.methods}) == ("cell-2", {"reinforce", *ZERO_LINE})
    [alone] = blocks(runs[:2])
    assert alone.common == "", "without any method they are at home"


def test_every_space_has_its_own_improvement_and_none_has_none():
    runs = with_zero_lines("darts", "enas_macro")
    [block] = blocks(runs)
    for method in block.methods:
        result = result_of(block, "fashion_mnist", method)
        if method.name == RANDOM_SAMPLING:
            assert result.improvement is None
        else:
            base = {"cell-3": 0.8, "macro-6": 0.82}[method.space]
            assert result.improvement == pytest.approx(100 * (result.mean / 100 - base) / base)
    without = [run for run in runs if (run.record.method, run.record.space) != (RANDOM_SAMPLING, "macro-6")]
    row = cells(markdown(performance(without)), "RI, fashion_mnist")
    assert row.count("–") == 2, "ENAS and random search in macro-6"
    found = list(csv.DictReader(io.StringIO(tables_csv([performance_table(b) for b in blocks(without)]))))
    assert {r["relative_improvement"] == "" for r in found if r["space"] == "macro-6"} == {True}


def test_plots_tell_spaces_apart():
    [block] = blocks(with_zero_lines("darts", "enas_macro"))
    data = chart(block, "fashion_mnist", lambda run: run.path.as_posix())
    assert data["spaces"] == list(block.spaces)
    assert {one["space"] for one in data["methods"]} == set(block.spaces)
    assert all(p["cost"]["epochs"] == [12.0, 12.0] for p in data["points"])
    assert {"search_macs", "epochs"} <= data["axes"].keys()


# What may not be mixed


def test_trainings_of_equal_epochs_and_of_equal_seconds_have_tables_of_their_own():
    runs = [new("darts", 0.9), new("local_search", 0.8, final={"limit": "seconds"})]
    by_epochs, by_seconds = blocks(runs)
    assert "of equal epochs" in by_epochs.title
    assert "of equal seconds" in by_seconds.title
    assert [len(by_epochs.runs), len(by_seconds.runs)] == [1, 1]
    assert {
        row["final_limit"] for row in csv.DictReader(io.StringIO(tables_csv(map(performance_table, blocks(runs)))))
    } == {
        "epochs",
        "seconds",
    }


def test_an_old_record_tells_its_limit_by_its_recipe_and_a_failed_run_stands_with_the_others():
    old = make("darts", 0.9, recipes={"final": {"steps": 1_000_000, "seconds": 180.0}})
    assert limit_of(old.record) == "seconds"
    assert limit_of(make("darts", 0.9, recipes={"final": {"steps": 60, "seconds": 0.0}}).record) == ""
    assert limit_of(make("darts", None, recipes={"final": {"epochs": 12.0, "seconds": 600.0}}).record) == "epochs"
    assert limit_of(new("darts", 0.9, final={"limit": "steps"}).record) == ""
    runs = [new("darts", 0.9), new("local_search", None)]
    [block] = blocks(runs)
    assert (block.ended_by, len(block.runs)) == ("epochs", 2)
    assert len(blocks([*runs, make("darts", 0.9, 1, budget="2e12 macs")])) == 2


@pytest.mark.parametrize(
    ("budget", "final", "said"),
    [("60s", {}, True), ("2e12 macs", {}, False), ("2e12 macs", {"limit": "seconds"}, True), ("40 steps", {}, False)],
)
def test_several_devices_are_said_where_the_clock_counts(budget: str, final: dict, said: bool):
    other = PROVENANCE | {"device": "NVIDIA H100"}
    runs = [new("darts", 0.9, budget=budget, final=final)]
    runs += [new("local_search", 0.9, seed, budget=budget, final=final, provenance=other) for seed in range(2)]
    sentence = "Several devices: CPU (1 run), NVIDIA H100 (2 runs)."
    made = [markdown(performance(runs)), markdown(cost(runs))]
    assert [sentence in text for text in made] == [said] * 2
    assert sentence not in markdown(cost(runs, times=False))
    assert "Several devices" not in markdown(performance(runs[1:]))


def test_several_devices_do_not_matter_on_a_table():
    runs = [tabular("darts", 0.9), tabular(RANDOM_SEARCH, 0.9, provenance=PROVENANCE | {"device": "another"})]
    assert "Several devices" not in markdown(performance(runs))


# Marks


def test_capped_and_overrun_rows_are_marked_in_words_in_every_form():
    runs = [
        new("darts", 0.90, 0, final={"capped": True, "epochs": 7.0}),
        new("darts", 0.91, 1, final={"capped": True, "epochs": 8.5}),
        new("darts", 0.92, 2, search={"overrun": 1.2}),
        new("local_search", 0.9, search={"overrun": OVERRUN}),
    ]
    [block] = blocks(runs)
    for table in (performance_table(block), cost_table(block, "fashion_mnist")):
        for text in (markdown([table]), tables_tex([table])):
            assert "2 capped [1]" in text
            assert "1 over budget [2]" in text
            assert "seeds 0, 1: the cap in seconds ended the final training early after 7.0 to 8.5 epochs" in text
            assert "seed 2: the search spent 1.20 times its budget." in text
            assert "Local search on" not in text
            assert "local\\_search on" not in text
    [row] = [r for r in csv.DictReader(io.StringIO(tables_csv([performance_table(block)]))) if r["method"] == "darts"]
    assert (row["capped"], row["overrun"], row["epochs"]) == ("2", "1", str(round(27.5 / 3, 9)))
    verdict = markdown(performance(runs)).partition("## ")[0]
    assert (
        "2 of 4 final trainings were cut short by the cap in seconds. 1 of 4 searches spent more than 1.05" in verdict
    )


def test_settings_that_are_not_blind_are_marked_and_named_in_the_verdict():
    runs = [*with_zero_lines("darts"), new("gdas", 0.9, seen=True)]
    [block] = blocks(runs)
    text = markdown([performance_table(block)])
    assert text.count("not blind [1]") == 1
    assert "Not blind: test results of this data set had been seen when the method's settings were made." in text
    told = markdown(performance(runs)).partition("## ")[0]
    assert "test results of the data had been seen when their settings were made: gdas." in told
    [row] = [r for r in csv.DictReader(io.StringIO(tables_csv([performance_table(block)]))) if r["method"] == "gdas"]
    assert row["not_blind"] == "1"
    assert "blind" not in markdown(performance(with_zero_lines("darts")))


def test_the_share_of_the_budget_goes_by_either_name():
    search = {name: value for name, value in SEARCH.items() if name != "overrun"} | {"share": 1.3}
    run = make("darts", 0.9, search=search)
    assert share_of(run.record) == 1.3
    assert "1.30 times its budget" in markdown(performance([run]))
    assert share_of(make("darts", 0.9).record) == 0


def test_an_unmarked_table_has_no_marks():
    made = markdown(performance(with_zero_lines("darts")))
    assert "capped [" not in made
    assert "over budget [" not in made


def test_epochs_images_per_second_and_both_currencies_stand_in_the_cost_table():
    made = markdown(cost([new("darts", 0.9)]))
    row = dict(zip(cells(made, "method"), cells(made, "DARTS"), strict=True))
    assert (row["epochs"], row["images/s"], row["search s"], row["search MACs (G)"]) == (
        "12.0",
        "900",
        "61.5",
        "1,900.0",
    )
    old = cells(markdown(cost([make("darts", 0.9)])), "method")
    assert not {"epochs", "search MACs (G)"} & set(old), "an old record does not know them"
    assert "images/s" in old
    counted = cells(markdown(cost([new("darts", 0.9)], times=False)), "method")
    assert {"epochs", "search MACs (G)"} <= set(counted)
    assert "images/s" not in counted


def test_epochs_stand_beside_the_accuracy():
    [block] = blocks([new("darts", 0.9)])
    [row] = performance_table(block).compact().folded().rows
    assert "12.0 epochs" in row[1].asides


# Published tables


def test_data_sets_of_table_a_without_a_run_are_rows_that_say_so():
    made = markdown(performance([new("darts", 0.9), new("enas_macro", 0.8)]))
    for dataset in ("cifar10", "cifar100", "adience_age", "imagenet10_1", "imagenet10_2"):
        assert all(cell.startswith("not run") for cell in cells(made, dataset)[1:])
    assert cells(made, "Fashion-MNIST")[-1] == "run"
    assert cells(made, "CIFAR-100")[-1] == "not run"
    assert cells(made, "ImageNet-10-1")[-1].startswith("not run; needs your own copy of ImageNet")
    toy = markdown(performance([new("darts", 0.9, dataset="toy")])).partition("## Published")[0]
    assert "| cifar10 |" not in toy


def extra(run: Run, method: str, **added: float) -> Run:
    """The run as one of a method with another final training."""
    return replace(run, record=replace(run.record, method=method, recipes={"extra": added}))


def test_systems_of_table_b_without_a_run_are_rows_that_say_so_and_why():
    runs = [new("enas_macro", 0.9), new("published/nasnet_a", 0.7), new("nasnet", 0.6)]
    runs.append(extra(new("enas_macro", 0.8), "enas_macro:channels=+", channels=4 / 3))
    runs = [replace(run, record=replace(run.record, dataset="cifar10")) for run in runs]
    runs.append(new("nas_rl", 0.9))  # on other images: no measurement of this table
    _, table = published_costs(runs)
    assert list(dict.fromkeys(row[0].text for row in table.rows)) == [row.name for row in table_b().rows]
    keys = [column.key for column in table.columns]
    lines = [dict(zip(keys, row, strict=True)) for row in table.rows]

    def told(system: str, key: str) -> list[str]:
        return [line[key].text for line in lines if line["system"].text == system]

    assert told("ENAS + macro search space", "error") == ["10.00 (1)"]
    assert told("ENAS + macro search space", "network") == ["enas_macro"]
    assert told("NAS (Zoph & Le, 2017)", "error") == ["not run"]
    assert told("NASNet-A (Zoph et al., 2018)", "measured") == ["nasnet", "published/nasnet_a"]
    assert told("NASNet-A (Zoph et al., 2018)", "error") == ["40.00 (1)", "30.00 (1)"]
    assert told("NASNet-A (Zoph et al., 2018)", "rebuilt_parameters_millions") == ["3.35", "3.35"]
    [wide] = [line for line in lines if line["system"].text == "ENAS + macro search space + more channels"]
    assert wide["error"].text == "20.00 (1)"
    [mark] = wide["error"].marks
    assert "1.33 times as wide" in table.notes[mark.note - 1]
    for row in table_b().rows:
        for key, why in (("search", row.no_search), ("network", row.no_network)):
            [shown] = set(told(row.name, key))
            assert bool(why) == shown.startswith("none [")
            assert not why or why in table.notes[int(shown[6:-1]) - 1]


def test_a_row_with_another_final_training_is_compared_with_none():
    here = {"space": "chain-6", "native": "chain-6"}
    zero = [new(name, 0.5, seed, **here) for name in ZERO_LINE for seed in range(3)]
    runs = [*zero, *(extra(new("nas_rl", 0.9, seed, **here), "nas_rl:filters=+", more=40) for seed in range(3))]
    [block] = blocks(runs)
    assert compared(block) == []
    made = markdown(performance(runs))
    assert "40 more filters in every layer" in made
    assert cells(made, "RI, ")[1:] == ["0.00 (3, 3)", "–"]


# Reading


@pytest.mark.parametrize(
    "final", [{"limit": "minutes"}, {"capped": "yes"}, {"epochs": "many"}, {"seconds": None}, {"images_per_second": []}]
)
def test_facts_of_another_kind_are_one_sentence(tmp_path, final: dict):
    save(new("darts", 0.9, final=final), tmp_path)
    with pytest.raises(InputError, match="is damaged"):
        load_runs(tmp_path)


@pytest.mark.parametrize("search", [{"share": "all"}, {"macs": "many"}, {"seconds": None}, {"overrun": []}])
def test_facts_of_a_search_of_another_kind_are_one_sentence(tmp_path, search: dict):
    save(new("darts", 0.9, search=search), tmp_path)
    with pytest.raises(InputError, match="is damaged"):
        load_runs(tmp_path)


def test_what_a_method_has_planned_may_be_of_any_kind(tmp_path):
    save(new("local_search", 0.9, search={"planned_whole": True, "planned_name": "x", "planned_rate": 0.5}), tmp_path)
    [run] = load_runs(tmp_path)
    assert "True" in records_csv([run])


def test_newer_and_older_records_are_read(tmp_path):
    for run in (new("darts", 0.9, final={"capped": True}), make("darts", 0.8)):
        save(run, tmp_path)
    assert sorted(limit_of(run.record) for run in load_runs(tmp_path)) == ["", "epochs"]
