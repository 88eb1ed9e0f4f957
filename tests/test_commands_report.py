"""`report`: what it refuses before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_records import PROVENANCE, make, save, tabular

from harness.commands.report import brief, tables
from harness.core.errors import InputError
from harness.core.record import Run
from harness.report.forms.markdown import markdown
from harness.report.model.cost import cost
from harness.report.model.literature import table_a, table_b
from harness.report.model.performance import performance
from harness.report.model.systems import BESIDE


def test_runs_on_other_data_of_the_same_name_are_not_put_into_one_table(tmp_path: Path) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    save(make("darts", 0.1, 1, provenance={**PROVENANCE, "data": "another"}), tmp_path)
    with pytest.raises(InputError, match="different data of the name 'fashion_mnist'"):
        tables(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"settings": {"rate": 0.2}}, "rate is 0.1 in the one and 0.2 in the other"),
        ({"recipes": {"proxy": {"steps": 50}, "final": {"epochs": 50}}}, "final.epochs is 5 in the one and 50"),
        ({"recipes": {"proxy": {"steps": 99}, "final": {"epochs": 5}}}, "proxy.steps is 50 in the one and 99"),
    ],
)
def test_runs_with_other_settings_or_recipes_are_not_averaged(
    tmp_path: Path, other: dict[str, object], what: str
) -> None:
    """Two output directories below one: `run` refuses such a mixture, and so does their common report."""
    made = {"settings": {"rate": 0.1}, "recipes": {"proxy": {"steps": 50}, "final": {"epochs": 5}}}
    save(make("darts", 0.9, 0, **made), tmp_path / "a")
    save(make("darts", 0.1, 1, **(made | other)), tmp_path / "b")
    with pytest.raises(InputError, match=what):
        tables(tmp_path)


@pytest.mark.parametrize("part", [{"network": {"channels": 64}}, {"images": {"averaged": [16, 16]}}])
def test_a_published_network_and_the_size_of_images_are_no_exceptions(
    tmp_path: Path, part: dict[str, dict[str, object]]
) -> None:
    made = {"final": {"epochs": 5}, "network": {"channels": 16}, "images": {"averaged": [32, 32]}}
    save(make("published/x", 0.9, 0, recipes=made), tmp_path)
    save(make("published/y", 0.9, 0, recipes=made | {"network": {"channels": 8}}), tmp_path)
    assert "90.00" in tables(tmp_path)
    save(make("published/x", 0.1, 1, recipes=made | part), tmp_path)
    with pytest.raises(InputError, match="do not belong in one table"):
        tables(tmp_path)


def test_recipes_are_those_of_a_space_and_settings_those_of_a_method(tmp_path: Path) -> None:
    """Also networks with more filters, and what an older record does not say, are no mixture."""
    recipes = {"proxy": {"steps": 50}, "final": {"epochs": 5}}
    save(make("darts", 0.9, 0, settings={"rate": 0.1}, recipes=recipes), tmp_path)
    save(make("nas_rl", 0.9, 0, settings={"rate": 0.2}, recipes={**recipes, "proxy": {"steps": 9}}), tmp_path)
    save(make("large", 0.9, 0, recipes={"final": {"epochs": 9}, "extra": {"filters": 2.0}}), tmp_path)
    save(make("darts", 0.8, 1, recipes={"final": {"epochs": 5}}), tmp_path)
    assert "85.00 (2)" in tables(tmp_path)


def test_older_records_and_other_tables_are_no_mixture(tmp_path: Path) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    save(make("darts", 0.8, 1, provenance={name: v for name, v in PROVENANCE.items() if name != "data"}), tmp_path)
    save(make("darts", 0.7, 2, budget="600s", provenance={**PROVENANCE, "data": "another"}), tmp_path)
    assert "85.00 (2)" in tables(tmp_path)


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (tabular("random_search", 0.9), ()),
        (make("darts", 0.9, dataset="fashion_mnist"), ("performance.md",)),
        (make("enas_micro", 0.9, dataset="cifar10"), ("performance.md", "cost.md")),
    ],
)
def test_published_tables_are_printed_where_something_of_theirs_was_run(run: Run, shown: tuple[str, ...]) -> None:
    """The files have them in any case."""
    for name, parts, title in (
        ("performance.md", performance([run]), table_a().title),
        ("cost.md", cost([run]), table_b().title),
    ):
        text = markdown(parts)
        told = brief(text, name)
        assert f"## {BESIDE}{title}" in text
        assert (f"## {BESIDE}{title}" in told) == (name in shown)
        assert (f"of which nothing was run here: {name}." in told) == (name not in shown)
        assert ("## Provenance" in told) == ("## Provenance" in text)
        assert told == text or name not in shown


def test_what_is_left_out_is_said_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(make("darts", 0.9, 0), tmp_path)
    run = save(make("darts", 0.8, 1), tmp_path)
    (run / "record.json").rename(run / "inputs.json")
    for metric in ("accuracy", "accuracy"):  # the second one finds the files as they are
        told = "1 run has not ended and is left out (darts seed 1); the same run command continues it"
        assert told in tables(tmp_path, metric)
        assert capsys.readouterr().err == f"{told}\n"
