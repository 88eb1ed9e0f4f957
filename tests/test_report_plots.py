from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_records import make, with_logs

from harness.commands.show import lines, show, sparkline
from harness.core.errors import InputError, StorageError
from harness.core.seeds import rng
from harness.core.space import Size
from harness.report import plots
from harness.report.forms.write import write_all
from harness.report.model.curves import anytime_curves, incumbent, unit
from harness.report.model.groups import LOOKS, assign_looks, blocks
from harness.report.plots import accuracy_parameters, anytime
from harness.report.style import MARKERS, PALETTE, colour_of, count_logarithmically, figure, marker_of
from harness.spaces import get_space

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG = b"\x89PNG\r\n\x1a\n"


def logged() -> list:
    return [
        with_logs(make("random_search", 0.9, 0), (10.0, 0.5), (20.0, 0.6)),
        with_logs(make("random_search", 0.9, 1), (15.0, 0.7)),
        with_logs(make("darts", 0.9, 0), (5.0, 0.3), (30.0, 0.2), shared=True),
        with_logs(make("random_sampling", 0.9, 0), (0.0, None)),
        make("random_search", None, 2),
    ]


def test_incumbent_ends_where_the_search_ended():
    run = with_logs(make("random_search", 0.9), (10.0, 0.5), (20.0, 0.6))
    assert incumbent(run) == [(10.0, 0.5), (20.0, 0.6), (60.0, 0.6)]


def test_incumbent_takes_the_last_of_simultaneous_proposals_and_sorts_a_resumed_log():
    run = with_logs(make("darts", 0.9, search={"charged": 3}), (3.0, 0.3), (1.0, 0.1), (3.0, 0.2))
    assert incumbent(run) == [(1.0, 0.1), (3.0, 0.2)]


def test_incumbent_of_unknown_accuracy_is_a_gap():
    curve = incumbent(with_logs(make("darts", 0.9, search={}), (1.0, 0.1), (2.0, None)))
    assert curve[0] == (1.0, 0.1)
    assert math.isnan(curve[1][1])


def test_incumbent_lasts_until_the_last_evaluation_or_charge():
    logs = ((10.0, 0.5), (20.0, 0.6), (40.0, 0.7))
    for charged, end in ((None, 40.0), (30.0, 40.0), (40.0, 40.0), (70.0, 70.0)):
        run = with_logs(make("darts", 0.9, search={"charged": charged}), *logs)
        early = replace(run, proposals=run.proposals[:2])
        assert incumbent(early) == [(10.0, 0.5), (20.0, 0.6), (end, 0.6)]
    assert incumbent(make("darts", 0.9)) == []


def test_a_curve_is_of_the_runs_that_have_one_and_methods_without_are_named():
    runs = [with_logs(make("darts", 0.9, seed), (5.0, 0.3), (50.0, 0.4)) for seed in range(2)]
    runs += [make("darts", None, 2), with_logs(make("darts", 0.9, 3), (5.0, None))]
    runs += [with_logs(make("local_search", 0.9, seed), (5.0, 0.3), shared=seed == 1) for seed in range(2)]
    runs += [with_logs(make("silent", 0.9), (5.0, None), shared=True), make("lost", None)]
    runs += [make("refused", None, status="unsupported")]
    [block] = blocks(runs)
    curves, silent = anytime_curves(block, "fashion_mnist")
    assert {one.method.name: (one.count, one.shared) for one in curves} == {
        "darts": ("n = 2 of 4", False),
        "local_search": ("n = 2", True),
    }
    assert silent == ["lost", "silent"]
    assert curves[0].band.moments[-1] == 60.0
    assert anytime_curves(block, "fashion_mnist", "elsewhere") == ([], [])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("60s", "seconds"),
        ("2e9macs", "multiply-accumulates"),
        ("9 evals", "gradient steps"),
        ("40 steps", "gradient steps"),
    ],
)
def test_an_axis_says_what_is_charged(budget: str, words: str):
    assert unit(budget) == f"charged {words}"


@pytest.mark.parametrize("draw", [anytime, accuracy_parameters])
def test_figures_are_the_same_bytes_for_the_same_records(tmp_path: Path, draw):
    runs = logged()
    draw(runs, tmp_path / "a.png")
    draw(random.Random(1).sample(runs, len(runs)), tmp_path / "b.png")
    draw([make("darts", 0.8)], tmp_path / "c.png")
    first, second, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first.startswith(PNG)
    assert first == second != other


@pytest.mark.parametrize("draw", [anytime, accuracy_parameters])
def test_figures_are_drawn_when_everything_failed(tmp_path: Path, draw):
    draw([make("darts", None)], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(("shared", "style"), [(True, "--"), (False, "-")])
def test_shared_weights_are_dashed_and_labelled(shared: bool, style: str):
    from matplotlib.figure import Figure

    from harness.report.plots import _anytime_panel

    [block] = blocks([with_logs(make("darts", 0.9), (5.0, 0.3), shared=shared)])
    axes = Figure().subplots()
    _anytime_panel(axes, block, "fashion_mnist")
    [line] = axes.get_lines()
    assert line.get_linestyle() == style
    assert ("shared weights" in str(line.get_label())) == shared


def watched(monkeypatch: pytest.MonkeyPatch, look: Callable[[Figure], Any]) -> list:
    """What ``look`` sees of each figure that is drawn from now on, complete and not yet saved."""
    seen = []

    @contextlib.contextmanager
    def spy(*arguments):
        with figure(*arguments) as canvas:
            yield canvas
            canvas.draw_without_rendering()
            seen.append(look(canvas))

    monkeypatch.setattr(plots, "figure", spy)
    return seen


def test_the_title_of_a_single_panel_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn = watched(monkeypatch, lambda canvas: (canvas.get_window_extent(), canvas._suptitle.get_window_extent()))
    anytime(logged(), tmp_path / "one.png")
    [(page, title)] = drawn
    assert page.x0 <= title.x0
    assert title.x1 <= page.x1


def test_spaces_of_one_data_set_are_drawn_on_the_same_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else a tenth of a point in one panel looks like five points in the next."""
    drawn = watched(
        monkeypatch, lambda canvas: {axes.get_title(): (axes.get_xlim(), axes.get_ylim()) for axes in canvas.axes}
    )
    runs = [make("darts", 0.90), make("nas_rl", 0.70, space="chain", parameters=9_000)]
    accuracy_parameters([*runs, make("darts", 0.5, dataset="cifar10", parameters=10**7)], tmp_path / "one.png")
    [limits] = drawn
    assert len(limits) == 3
    assert limits["fashion_mnist, space cell"] == limits["fashion_mnist, space chain"]
    [(left, right), (bottom, top)] = limits["fashion_mnist, space cell"]
    assert left < 9_000
    assert 163_000 < right < 10**7
    assert 60 < bottom < 70
    assert 90 < top < 100
    assert limits["cifar10, space cell"] != limits["fashion_mnist, space cell"]


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_a_band_is_drawn_from_three_seeds(seeds: int):
    from matplotlib.figure import Figure

    from harness.report.plots import _anytime_panel

    [block] = blocks([with_logs(make("darts", 0.9, s), (5.0, 0.3 + 0.1 * s), (9.0, 0.9)) for s in range(seeds)])
    axes = Figure().subplots()
    _anytime_panel(axes, block, "fashion_mnist")
    assert len(axes.collections) == (seeds >= 3)
    [line] = axes.get_lines()
    assert list(line.get_ydata()) == pytest.approx([30 + 5 * (seeds - 1), 90, 90])


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_first_steps_do_not_set_the_scale(seeds: int):
    from matplotlib.figure import Figure

    from harness.report.plots import _anytime_panel

    early, late = ((1.0, 0.1), (5.0, 0.80), (60.0, 0.9)), ((2.0, 0.2), (30.0, 0.82), (60.0, 0.88))
    runs = [
        with_logs(make(name, 0.9, s), *steps) for name, steps in (("darts", early), ("gp", late)) for s in range(seeds)
    ]
    [block] = blocks([*runs, make("nas_rl", None, status="unsupported", reason="another space")])
    axes = Figure().subplots()
    _anytime_panel(axes, block, "fashion_mnist")
    bottom, top = axes.get_ylim()
    assert 10 < bottom < 20, "at a tenth of the budget one of them stood at 20 %"
    assert 90 < top < 100
    assert not any("not known" in str(line.get_label()) for line in axes.get_lines())


def test_methods_are_told_apart_and_keep_their_look():
    stated = {**{f"method{number}": None for number in range(10)}, "darts": 15, "darts:order=2": 15, "random_search": 1}
    looks = assign_looks(stated)
    assert len({(colour_of(look), marker_of(look)) for look in looks.values()}) == len(stated)
    assert (looks["darts"], looks["random_search"]) == (15, 1), "a class gets what it asks for"
    assert assign_looks({"method3": None})["method3"] == assign_looks({"method3": None, "darts": 15})["method3"]
    assert assign_looks(dict(reversed(stated.items()))) == looks
    assert len(PALETTE) * len(MARKERS) == LOOKS
    assert len({(colour_of(look), marker_of(look)) for look in range(LOOKS)}) == LOOKS


def test_write_all_gives_the_same_files_again(tmp_path: Path):
    first, second = (write_all(logged(), tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [
        "performance.md",
        "performance.csv",
        "performance.tex",
        "cost.md",
        "cost.csv",
        "cost.tex",
        "statistics.md",
        "families.md",
        "records.csv",
        "anytime.png",
        "accuracy_parameters.png",
        "report.html",
    ]
    assert all(path.stat().st_size for path in first)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_nothing_to_report_on_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="no runs"):
        write_all([], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"the runs are stored.*cannot be written.*python -m harness report .*file"):
        write_all(logged(), tmp_path / "file")


@pytest.mark.parametrize("place", ["performance.csv", "report.html", "accuracy_parameters.png"])
def test_a_disk_that_fills_up_leaves_the_older_report_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    write_all(logged(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, *_: object) -> None:
        if path.name == place:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_text("new")

    monkeypatch.setattr("harness.report.forms.write.replace_text", full)
    for name in ("anytime", "accuracy_parameters"):
        monkeypatch.setattr(f"harness.report.forms.write.{name}", lambda _, path: full(path))
    with pytest.raises(StorageError, match="No space left on device"):
        write_all(logged()[:1], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_show_tells_the_best_different_evaluations_and_is_json():
    steps = [(float(number), 0.1 * (number % 8)) for number in range(1, 10)] + [(20.0, None)]
    facts = show(with_logs(make("random_search", 0.9), *steps))
    best = facts["evaluations"]["best"]
    assert [entry["rank"] for entry in best] == [1, 2, 3, 4, 5]
    assert [entry["accuracy"] for entry in best] == pytest.approx([0.7, 0.6, 0.5, 0.4, 0.3])
    assert facts["evaluations"]["failed"] == 1
    assert facts["evaluations"]["count"] == 10
    assert facts["incumbent"][-1] == [60.0, None]
    assert facts["record"]["test_accuracy"] == 0.9
    json.dumps(facts, allow_nan=False)


def test_show_counts_a_repeated_genotype_once():
    run = with_logs(make("random_search", 0.9), (1.0, 0.5), (2.0, 0.4))
    repeated = [row | {"genotype": "cell:same"} for row in run.evaluations]
    facts = show(type(run)(run.path, run.record, tuple(repeated), run.proposals))
    assert facts["evaluations"]["unique"] == 1
    assert [entry["number"] for entry in facts["evaluations"]["best"]] == [0]


def test_show_says_in_words_what_was_found_and_the_text_of_what_it_cannot_read():
    run = with_logs(make("darts", 0.9, proposal="cell:text"), (1.0, 0.5), (2.0, 0.75), shared=True)
    found = get_space("nasbench201").decode(get_space("nasbench201").sample(rng(0, "test")), Size(16, 15))
    told = "\n".join(lines(show(run), found))
    assert "5 cells" in told
    assert "node 3 = " in told
    assert "under shared weights" in told
    assert "75.00 %" in told
    assert "cell:text" in "\n".join(lines(show(run), None))


def test_a_sparkline_goes_from_low_to_high():
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([]) == ""


@pytest.mark.parametrize(("low", "high"), [(18_000, 92_000), (26_000, 800_000), (4_000, 9_000_000)])
def test_labels_of_a_logarithmic_axis_are_numbers_and_no_formulas(tmp_path: Path, low: float, high: float) -> None:
    with figure(tmp_path / "axis.png", 6, 4) as canvas:
        axes = canvas.add_subplot()
        axes.scatter([low, high], [0, 1])
        axes.set_xscale("log")
        count_logarithmically(axes.xaxis)
        canvas.draw_without_rendering()
        labels = [tick.get_text() for tick in axes.get_xticklabels(which="both") if tick.get_text()]
    assert len(labels) >= 3
    assert all(re.fullmatch(r"[0-9.]+[kMG]?", label) for label in labels), labels
