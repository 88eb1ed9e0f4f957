"""Tables that `tabulate` writes, read back: functions, repeated trainings, tables that are not finished, their page."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import make_task, run
from harness.datasets.table import source

from harness.api import compare
from harness.commands.tabulate import page as table_page
from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.method import Method
from harness.core.space import Genotype, Size
from harness.core.table import Signal, Table, Trained, within
from harness.core.task import Task
from harness.report.forms.markdown import markdown
from harness.report.stats.tabulated import correlation, page
from harness.run.plan import make_plan
from harness.run.profiles import get_profile
from harness.run.request import make_request
from harness.run.tables import TableEvaluator, Tables
from harness.run.tabulate.architectures import architectures
from harness.run.tabulate.sheet import Sheet, facts_of, points
from harness.spaces import get_space

SPACE = get_space("nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3")
PROFILE = get_profile("tabulate")
TRAINED = {"channels": 8, "layers": 3, "stem_stride": 2, "image": [28, 28, 1], "classes": 10, "images": 6400}


def written(path: Path, *, rows: int = 459, seeds: int = 2) -> Path:
    """A table with made-up numbers: more convolutions are better, and every training has its own noise."""
    generator, found = np.random.default_rng(3), architectures(SPACE, 0)
    made = {"dataset": "toy", **facts_of(PROFILE, SPACE.name)}
    sheet = Sheet(path, made, points(PROFILE, SPACE.name), range(seeds), found.genotypes)
    for genotype in found.genotypes[:rows]:
        worth = 0.7 + 0.03 * genotype.picks.count(1) + 0.01 * genotype.picks.count(0)
        for seed in range(seeds):
            curve = np.round(worth - 0.2 + generator.normal(0, 0.02, 4), 4)
            told = {f"valid_{point}": float(value) for point, value in zip(sheet.points, curve, strict=True)}
            values = {**told, "test": float(worth + generator.normal(0, 0.004)), "steps": 700}
            costs = {"signal_seconds": 2.0 + seed, "score_seconds": 15.0, "images_per_second": 3000.0}
            facts = {"genotypes": found.stands_for[genotype], "parameters": 1000, "macs": 50_000}
            sheet.add(genotype.text, facts, seed, {**values, **costs})
    sheet.made_by({"commit": "abc", "cpu": "a machine", "versions": "", "command": "a test"})
    sheet.describe({**TRAINED, "validated": 8000, "steps": 100}, SPACE.name)
    sheet.write()
    return path


def load(path: Path) -> Table:
    table = source(path).load(path.parent)
    assert isinstance(table, Table)
    return table


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("table") / "whole.csv")


def test_seconds_of_unlike_processors_are_no_price(tmp_path: Path) -> None:
    path = written(tmp_path / "mixed.csv", rows=30)
    made = {"dataset": "toy", **facts_of(PROFILE, SPACE.name)}
    sheet = Sheet(path, made, points(PROFILE, SPACE.name), range(2), architectures(SPACE, 0).genotypes)
    for cpu, known in (("a machine", True), ("another", False)):
        sheet.made_by({"commit": "def", "cpu": cpu, "versions": "", "command": "a test"})
        sheet.describe({**TRAINED, "validated": 8000, "steps": 100}, SPACE.name)
        signals = load(path).signals.values()
        assert all((set(one.seconds) == {1.0}) != known for signal in signals for one in signal.each())


def test_a_row_stands_for_all_cells_of_its_function(path: Path) -> None:
    table = load(path)
    assert set(table.genotypes) == {genotype.text for genotype in SPACE.every()}
    assert len(table.representatives) == len({table.genotypes[row] for row in table.representatives}) == 459
    signal = table.signals["valid_100_s0"]
    of_function: dict[str, tuple[float, ...]] = {}
    for row, text in enumerate(table.genotypes):
        values = (table.score[row], *(one.accuracy[row] for one in signal.repeats))
        assert of_function.setdefault(SPACE.function(SPACE.parse(text)), values) == values
    assert len(set(of_function.values())) > 450


def test_trainings_are_read_as_they_were_written(path: Path) -> None:
    table, signal = load(path), load(path).signals["valid_100_s0"]
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            row = table.rows[line["genotype"]]
            assert [score[row] for score in table.scores] == [float(line["test_s0"]), float(line["test_s1"])]
            assert table.score[row] == pytest.approx((float(line["test_s0"]) + float(line["test_s1"])) / 2)
            assert [one.accuracy[row] for one in signal.repeats] == [
                float(line[f"valid_100_s{seed}"]) for seed in range(2)
            ]
            for seed, one in enumerate(signal.repeats):
                told = {share: column[row] for share, column in one.stopped.items()}
                assert told == {point / 100: float(line[f"valid_{point}_s{seed}"]) for point in (25, 50, 75)}
    assert [one.seconds[0] for one in signal.each()] == [2, 3]
    assert signal.seconds[0] == 2.5
    assert signal.trained is not None
    assert signal.trained.macs(SPACE, SPACE.parse(table.genotypes[0])) > 0


def test_points_on_the_way_go_with_their_own_seed(tmp_path: Path) -> None:
    path = written(tmp_path / "turned.csv")
    toml = path.with_suffix(".toml")
    text = toml.read_text()
    for name in ("valid_100", "signal_seconds"):
        text = text.replace(f'["{name}_s0", "{name}_s1"]', f'["{name}_s1", "{name}_s0"]')
    toml.write_text(text)
    turned = load(path)
    with path.open(newline="") as file:
        line = next(csv.DictReader(file))
    row = turned.rows[line["genotype"]]
    for seed, one in zip((1, 0), turned.signals["valid_100_s1"].repeats, strict=True):
        assert one.accuracy[row] == float(line[f"valid_100_s{seed}"])
        assert one.stopped[0.25][row] == float(line[f"valid_25_s{seed}"])


def test_a_table_of_which_nothing_is_trained_yet_can_be_continued(tmp_path: Path) -> None:
    path, found = tmp_path / "new.csv", architectures(SPACE, 0)
    made, seeds = {"dataset": "toy", **facts_of(PROFILE, SPACE.name)}, range(2)
    sheet = Sheet(path, made, points(PROFILE, SPACE.name), seeds, found.genotypes)
    sheet.describe({**TRAINED, "validated": 8000, "steps": 100}, SPACE.name)
    sheet.write()
    assert Sheet(path, made, points(PROFILE, SPACE.name), seeds, found.genotypes).whole() == 0


class Asks(Method):
    """Asks for one architecture so many times."""

    name = title = "asks"
    space = "nasbench201"

    def __init__(self, genotype: Genotype, times: int, again: bool) -> None:
        self.genotype, self.times, self.again = genotype, times, again

    def search(self, task: Task) -> None:
        """Always the same one."""
        for _ in range(self.times):
            task.evaluate([self.genotype], again=self.again)


def asked(path: Path, seed: int, *, again: bool = True) -> list[tuple[float, float]]:
    table = load(path)
    evaluator = TableEvaluator(table.rows, table.signals["valid_100_s0"], 100, None, seed)
    task = make_task(SPACE, "1000s", evaluator=evaluator, seed=seed)
    run(Asks(SPACE.parse(table.genotypes[7]), 40, again), task)
    return [(evaluation.accuracy, evaluation.seconds) for evaluation in task.evaluations]


def test_an_evaluation_draws_one_training_and_pays_for_that(path: Path) -> None:
    table = load(path)
    told = {(one.accuracy[7], one.seconds[7]) for one in table.signals["valid_100_s0"].repeats}
    assert set(asked(path, 0)) == told
    assert asked(path, 0) == asked(path, 0)
    assert asked(path, 0) != asked(path, 1)
    assert 8 < sum(pair == min(told) for pair in asked(path, 0)) < 32
    assert len(set(asked(path, 0, again=False))) == 1, "what is known is not trained again"


def test_an_unfinished_table_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "part.csv", rows=30)
    with path.open("a") as file:
        text = next(g.text for g in architectures(SPACE, 31).genotypes[30:])
        file.write(f'"{text}",1,1000,50000,0.5,0.5,0.5,0.5,0.6,700,2,15,3000{"," * 11}\n')
    table = load(path)
    assert "30 of 459" in table.note
    assert text not in table.genotypes
    assert len(table.representatives) == 30
    assert "30 of 459" in markdown(page(table))


def test_two_rows_of_one_function_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "twice.csv", rows=20)
    lines = path.read_text().splitlines()
    cells = (genotype for genotype in SPACE.every() if genotype.text not in path.read_text())
    known = {SPACE.function(SPACE.parse(line.split('"')[1])): line for line in lines[1:]}
    other = next(genotype for genotype in cells if SPACE.function(genotype) in known)
    line = known[SPACE.function(other)]
    path.write_text("\n".join([*lines, line.replace(line.split('"')[1], other.text)]) + "\n")
    with pytest.raises(InputError, match="the same function"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("functions = true", "functions = 1", "true or false"),
        ("architectures = 459", 'architectures = "all"', "has to be a number"),
        ("images = 6400", "", "trained has to say"),
        ("image = [28, 28, 1]", "image = [28, 28]", "height, width and channels"),
        ('seconds = ["signal_seconds_s0", "signal_seconds_s1"]', 'seconds = ["a", "b", "c"]', "as many columns"),
        ('score = ["test_s0", "test_s1"]', 'score = ["test_s0", "valid_100_s1"]', "told what counts"),
        ('"test_s0"', '"nothing"', "no column 'nothing'"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path / "wrong.csv", rows=5)
    text = path.with_suffix(".toml").read_text()
    assert old in text
    path.with_suffix(".toml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=told):
        load(path)


def test_a_limit_is_about_the_network_behind_the_score(tmp_path: Path) -> None:
    """Signals are of smaller networks in some profiles. What a record counts is the network that was tested."""
    path = written(tmp_path / "sizes.csv")
    assert trained_of(path).final is None, "the checksum of older tables stays"
    toml = path.with_suffix(".toml")
    before, final = re.split(r"(?m)^final = ", toml.read_text())
    final, _, behind = final.partition("\n")
    recipe = json.loads(json.loads(final))
    recipe["size"]["channels"] = 16
    toml.write_text(f"{before}final = {json.dumps(json.dumps(recipe))}\n{behind}")
    assert (trained_of(path).size.channels, trained_of(path).final_size.channels) == (8, 16)

    def parameters(text: str, channels: int) -> int:
        return measure(lower(SPACE.decode(SPACE.parse(text), Size(channels, 3, 2))), (28, 28, 1), 10).parameters

    texts = load(path).genotypes
    limit = int(np.median([parameters(text, 16) for text in texts]))
    assert all(parameters(text, 8) < limit for text in texts), "a limit that the smaller ones are all within"
    results = compare(
        "random_search,td",
        f"table:{path}",
        seeds=range(3),
        out=tmp_path / "runs",
        max_parameters=str(limit),
        baselines=False,
    )
    proposals = [run.record.proposal for run in results.runs]
    assert len(proposals) == 6
    assert all(parameters(text, 16) <= limit for text in proposals)
    toml.write_text(f'{before}final = "nonsense"\n{behind}')
    with pytest.raises(InputError, match="final in made has to be a recipe"):
        load(path)


def test_searches_are_scored_by_the_table_that_they_were_on(tmp_path: Path) -> None:
    """A table under way grows, and one of the same name may be another."""
    path, runs = written(tmp_path / "grows.csv", rows=40), tmp_path / "runs"
    compare("random_search", f"table:{path}", seeds=range(3), out=runs)
    assert "Random search" in table_page(f"table:{path}", tmp_path, runs=runs)
    written(tmp_path / "more.csv", rows=41)
    for suffix in (".csv", ".toml"):
        (tmp_path / "more.csv").with_suffix(suffix).replace(path.with_suffix(suffix))
    with pytest.raises(InputError, match="when the table was another one"):
        table_page(f"table:{path}", tmp_path, runs=runs)


def trained_of(path: Path) -> Trained:
    """Of the only signal of a table."""
    (signal,) = load(path).signals.values()
    assert signal.trained is not None
    return signal.trained


def test_parts_beside_a_table_are_hidden_with_it(tmp_path: Path) -> None:
    """They hold the same scores; tables of other images do not."""
    path, part, other = (written(tmp_path / name, rows=5) for name in ("whole.csv", "part.csv", "other.csv"))
    for one, data in ((path, "a"), (part, "a"), (other, "b")):
        toml = one.with_suffix(".toml")
        toml.write_text(toml.read_text().replace("[made]", f'[made]\ndata = "{data}"\nspace = "{SPACE.name}"'))
    (tmp_path / "stray.csv").write_text("x")
    hidden = source(path).hidden(tmp_path)
    assert {path, part} <= set(hidden)
    assert not {other, tmp_path / "stray.csv"} & set(hidden)


def test_the_page_counts_what_it_says() -> None:
    """Two trainings with known noise: half of the pairs differ by far more than it, the others not at all."""
    base = np.array([0.5, 0.5, 0.9, 0.9])
    scores = (base + np.array([0.01, -0.01, 0.01, -0.01]), base - np.array([0.01, -0.01, 0.01, -0.01]))
    signal = Signal.of([Signal(score, np.ones(4)) for score in scores])
    space = get_space("nasbench201")
    texts = tuple(genotype.text for genotype, _ in zip(space.every(), range(4), strict=False))
    table = Table("t", space, texts, {"v": signal}, base, scores=scores)
    assert within(scores) == pytest.approx(np.sqrt(2) * 0.01)
    assert correlation(scores[0], scores[1]) == pytest.approx(0.6)
    text = markdown(page(table))
    assert "67 %: their mean scores" in text
    assert "order 67 % of the pairs alike" in text
    assert "scores 0.60, signals 0.60" in text


def tiny(base: list[float], *shifts: list[float], signals: list[list[float]], **changes: object) -> str:
    """The page of a table with those scores; ``shifts`` are its single trainings without their mean."""
    space = get_space("nasbench201")
    texts = tuple(genotype.text for genotype, _ in zip(space.every(), range(len(base)), strict=False))
    score, ones = np.array(base), np.ones(len(base))
    signal = Signal.of([Signal(np.array(told), ones) for told in signals])
    scores = tuple(score + np.array(shift) for shift in shifts)
    return markdown(page(Table("t", space, texts, {"v": signal}, score, scores=scores, **changes)))  # type: ignore[arg-type]


def test_the_page_measures_the_signal_by_the_score() -> None:
    """Of 0.2, 0.4, 0.6, 0.8 the sample deviation is 25.82 points; an order with one swap of neighbours has 0.8."""
    score = [0.2, 0.4, 0.6, 0.8]
    text = tiny(score, signals=[[0.1, 0.2, 0.4, 0.3]])
    assert "20.00 to 80.00, mean 50.00; standard deviation between architectures 25.82" in text
    assert "rank correlation of signal and score: 0.80 for one training" in text
    assert "for the mean of" not in text
    assert "20.00 points below the best score" in text
    assert "correlation of parameters" not in text
    assert "a signal costs" not in text
    two = tiny(score, signals=[[0.1, 0.2, 0.4, 0.3], [0.1, 0.2, 0.3, 0.5]], parameters=np.array([4, 3, 2, 1]))
    assert "0.90 for one training, 1.00 for the mean of 2" in two
    assert "0.00 points below the best score" in two
    assert "rank correlation of parameters and score: -1.00" in two


def test_pairs_are_ordered_where_their_means_differ_by_more_than_their_error() -> None:
    """Two trainings that lie a point to either side of their mean: 1.414 points, and so the error of a difference."""
    point = [0.01, 0.01, 0.01]
    shifts = (point, [-one for one in point])
    assert within([np.array(shift) for shift in shifts]) == pytest.approx(np.sqrt(2) * 0.01)
    for apart, share in ((0.027, "67 %"), (0.028, "100 %")):
        text = tiny([0.5, 0.5 + apart, 0.9], *shifts, signals=[[0.1, 0.2, 0.3]])
        assert f"{share}: their mean scores differ" in text
        assert "1.41 points of the score" in text
        assert "trainings of each: 2" in text


def test_a_correlation_needs_three_rows_that_differ() -> None:
    up, flat = np.array([1.0, 2.0, 3.0]), np.ones(3)
    assert correlation(up, up) == pytest.approx(1.0)
    assert all(np.isnan(correlation(*pair)) for pair in ((up, flat), (flat, up), (up[:2], up[:2])))
    assert correlation(up, up[::-1]) == pytest.approx(-1.0)


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("score", [[0.5], [0.5, 0.6], [0.5, 0.5, 0.5, 0.5]])
def test_what_cannot_be_computed_is_said_in_words(score: list[float], repeated: bool) -> None:
    shifts = [[0.0] * len(score)] * 2 if repeated else []
    text = tiny(score, *shifts, signals=[score, score] if repeated else [score], parameters=np.ones(len(score)))
    assert "nan" not in text
    why = "fewer than 3 architectures" if len(score) < 3 else "all values of a column are equal"
    assert f"rank correlation of signal and score: cannot be computed: {why}" in text
    assert f"rank correlation of parameters and score: cannot be computed: {why}" in text
    assert ("architectures cannot be computed: there is one" in text) == (len(score) == 1)


def test_one_training_tells_nothing_about_noise(tmp_path: Path) -> None:
    table = load(written(tmp_path / "one.csv", seeds=1))
    assert table.scores == ()
    assert table.signals["valid_100_s0"].repeats == ()
    assert "does not say how noisy" in markdown(page(table))


def test_searches_get_the_signal_and_nothing_of_the_score(path: Path, tmp_path: Path) -> None:
    table = load(path)
    prepared = Tables({"t": table}, "validation", tmp_path, Budget(5, "evals")).prepare("t", [0], lambda checksum: None)
    scores = {float(value) for column in (table.score, *table.scores) for value in column}
    with np.load(prepared.path) as stored:
        assert set(stored.files) == {
            *("genotypes", "accuracy", "seconds"),
            *("accuracy 0", "accuracy 1", "seconds 0", "seconds 1"),
        } | {name for name in stored.files if name.startswith("accuracy at ")}
        told = {float(value) for name in stored.files if name != "genotypes" for value in stored[name].ravel()}
        assert np.array_equal(stored["accuracy 1"], table.signals["valid_100_s0"].repeats[1].accuracy)
    assert not told & scores
    assert path in source(path).hidden(tmp_path)


def test_only_some_seeds_of_costly_methods_are_planned(path: Path, tmp_path: Path) -> None:
    profile = replace(get_profile("table"), seeds=(3, 4, 5, 6), few=(("local_search", 2),))
    request = make_request(
        datasets=f"table:{path}", profile=profile, methods="local_search,reinforce", out=tmp_path / "out"
    )
    rows = {(job.method.name, job.seed) for job in make_plan(request).jobs}
    assert {seed for method, seed in rows if method == "local_search"} == {3, 4}
    assert {seed for method, seed in rows if method == "reinforce"} == {3, 4, 5, 6}
    assert {seed for method, seed in rows if method == "random_search"} == {3, 4, 5, 6}
