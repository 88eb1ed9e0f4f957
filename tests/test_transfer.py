"""Transfer: cold without a source, begins with what others have learned, never with the target's own rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from additive import additive
from fakes import FakeEvaluator, VectorSpace, make_task, run, tiny_data
from harness.methods.common.experience import read
from harness.methods.common.prior import PriorMean
from harness.methods.gp import METHOD as GP
from harness.methods.regularized_evolution import METHOD as EVOLUTION
from harness.methods.transfer import METHOD as TRANSFER

from harness.core.errors import InputError
from harness.core.method import Method
from harness.core.task import Task

SPACE = VectorSpace(8, 3)
BASES: dict[str, Method] = {"evolution": EVOLUTION(), "gp": GP()}
Rows = list[tuple[str, str, str, float]]


def write(path: Path, rows: Rows) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("dataset", "space", "genotype", "accuracy"), *rows])
    return str(path)


def learned(seed: int, dataset: str = "elsewhere", count: int = 60, sign: float = 1.0, space: str = "toy") -> Rows:
    """What random search would have told of the additive task of ``seed``; reversed with a negative sign."""
    rng, score = np.random.default_rng([seed, 5]), additive(SPACE, seed)
    drawn = [SPACE.sample(rng) for _ in range(count)]
    return [(dataset, space, str(genotype), 0.5 + sign * 0.4 * (score(genotype) - 0.5)) for genotype in drawn]


def task_of(seed: int, budget: str = "30evals") -> Task:
    return make_task(SPACE, budget, evaluator=FakeEvaluator(additive(SPACE, seed)), seed=seed)


@pytest.mark.parametrize("base", BASES)
def test_without_a_source_it_is_its_cold_twin(base: str) -> None:
    cold, warm = run(BASES[base], task_of(1, "12evals")), run(TRANSFER(base=base), task_of(1, "12evals"))
    assert warm.evaluations == cold.evaluations
    assert warm.planned["sources"] == 0


@pytest.mark.parametrize("base", BASES)
def test_every_other_start_is_one_of_the_best_elsewhere(base: str, tmp_path: Path) -> None:
    rows = learned(3)
    source = write(tmp_path / "e.csv", rows)
    task = run(TRANSFER(source=source, base=base), task_of(3, "12evals"))
    best = [text for *_, text, _ in sorted(rows, key=lambda row: -row[3])]
    told = [evaluation.genotype for evaluation in task.evaluations]
    assert told[0] == best[0]
    assert told[2] == best[1]
    assert told[1] not in best[:5]
    assert task.planned["sources"] == 1


def test_in_seconds_a_gaussian_process_has_as_many_starts_from_elsewhere(tmp_path: Path) -> None:
    """How many trainings the time buys is known only after the first one."""
    rows = learned(3)
    source = write(tmp_path / "e.csv", rows)
    task = run(TRANSFER(source=source, base="gp"), task_of(3, "100s"))
    best = [text for *_, text, _ in sorted(rows, key=lambda row: -row[3])]
    assert [evaluation.genotype for evaluation in task.evaluations[:9:2]] == best[:5]


@pytest.mark.parametrize("other", ["tables/photos", "table:mine/photos.csv", "folder:/data/Photos", "photos"])
def test_other_sources_of_the_targets_images_are_left_out(other: str, tmp_path: Path) -> None:
    rows = learned(1, "a")
    with_other = read(write(tmp_path / "all.csv", learned(0, other) + rows), SPACE, "photos")
    assert with_other == read(write(tmp_path / "others.csv", rows), SPACE, "photos")


def test_rows_of_the_target_and_of_other_spaces_are_left_out(tmp_path: Path) -> None:
    target = tiny_data().dataset
    own, others = learned(0, target), learned(1, "a") + learned(2, "b")
    elsewhere = [(*row[:1], "other_space", "nonsense", 0.9) for row in learned(1, "a", 3)]
    with_own = read(write(tmp_path / "all.csv", own + others + elsewhere), SPACE, target)
    assert with_own == read(write(tmp_path / "others.csv", others), SPACE, target)
    assert with_own.datasets == ("a", "b")
    with pytest.raises(InputError, match="no accuracies of the space 'toy' on other data sets than 'tiny'"):
        read(write(tmp_path / "own.csv", own), SPACE, target)


def test_easy_and_hard_data_sets_count_alike(tmp_path: Path) -> None:
    first, second, third = (str(SPACE.genotype((pick,) * 8)) for pick in range(3))
    rows = [("easy", "toy", first, 0.99), ("easy", "toy", second, 0.98), ("easy", "toy", third, 0.97)]
    rows += [("hard", "toy", first, 0.20), ("hard", "toy", second, 0.30), ("hard", "toy", third, 0.10)]
    scores = read(write(tmp_path / "e.csv", rows), SPACE, "t").scores
    assert [scores[SPACE.parse(text)] for text in (first, second)] == pytest.approx(
        [np.mean([0.9674, 0.0])] * 2, abs=1e-3
    )
    assert scores[SPACE.parse(third)] == pytest.approx(-0.9674, abs=1e-3)


def test_a_prior_is_trusted_until_it_is_contradicted() -> None:
    rng = np.random.default_rng(0)
    picks = rng.integers(3, size=(40, 8)).astype(float)
    scores = rng.standard_normal(40)
    prior = PriorMean(picks, scores, 0.5, trust=5.0)
    assert np.corrcoef(prior.expected(picks), scores)[0, 1] > 0.9
    expected = prior.expected(picks) - prior.expected(picks).mean()
    assert prior.weight(expected[:0], expected[:0]) == 1.0
    assert prior.weight(expected, expected) == pytest.approx(1.0)
    assert prior.weight(expected, -expected) == 0.0
    assert 0 < prior.weight(expected, 0 * expected) < 0.5


@pytest.mark.parametrize(
    ("base", "seeds", "soon", "later"), [("evolution", 30, "30evals", "30evals"), ("gp", 10, "10evals", "20evals")]
)
def test_the_same_task_elsewhere_helps_and_a_reversed_one_does_little_harm(
    base: str, seeds: int, soon: str, later: str, tmp_path: Path
) -> None:
    gains: dict[str, list[float]] = {"same": [], "reversed": []}
    for seed in range(seeds):
        for kind, sign, budget in (("same", 1.0, soon), ("reversed", -1.0, later)):
            source = write(tmp_path / "e.csv", learned(seed, sign=sign))
            cold = run(BASES[base], task_of(seed, budget)).best
            warm = run(TRANSFER(source=source, base=base), task_of(seed, budget)).best
            assert cold is not None
            assert warm is not None
            gains[kind].append(warm.accuracy - cold.accuracy)
    assert np.mean(gains["same"]) > 2 * np.std(gains["same"]) / np.sqrt(seeds) > 0
    # The spread of random architectures on this scale is some 0.13.
    assert np.mean(gains["reversed"]) > -0.06


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("dataset,space,genotype\n", "no column accuracy"),
        ("dataset,space,genotype,accuracy\na,toy,toy:9,0.5\n", "line 2 of"),
        ("dataset,space,genotype,accuracy\na,toy,x,0.5\n", "line 2 of"),
        ('dataset,space,genotype,accuracy\na,toy,"{0}",93.1\n', "has the accuracy 93.1"),
        ('dataset,space,genotype,accuracy\na,toy,"{0}",\n', "line 2 of"),
        ("dataset,space,genotype,accuracy\n", "no accuracies of the space"),
    ],
)
def test_a_broken_file_is_answered_with_a_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(content.format(SPACE.genotype((0,) * 8)), encoding="utf-8")
    assert sentence in (TRANSFER(source=str(path)).unsupported(task_of(0)) or "")
    assert "cannot be read" in (TRANSFER(source=str(tmp_path / "no.csv")).unsupported(task_of(0)) or "")
    with pytest.raises(InputError):
        TRANSFER(base="none")
