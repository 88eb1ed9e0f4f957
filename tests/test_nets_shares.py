"""Trainings in shares: to the last bit those of an undisturbed training, also after a kill in the middle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes import tiny_data
from fresh_process import in_fresh_process

from harness.core.budget import Budget, Meter
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Part
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.recipe import LEAST_MACS, Recipe
from harness.core.space import Size
from harness.nets.evaluator import ProxyEvaluator
from harness.spaces import get_space

SPACE = get_space("nasbench201")
DATA = replace(tiny_data(images=48, side=8, channels=3), flip=True, crop_padding=2)
RECIPE = Recipe(size=Size(4, 1), steps=9, batch=16, validations=3, learning_rate=0.1)
MODEL = SPACE.sample(np.random.default_rng(1))
LAYERED = replace(RECIPE, drop_path=0.2)
"""A recipe that proxy networks of Keras layers are made for."""


def make(recipe: Recipe, stopped: Path | None) -> ProxyEvaluator:
    return ProxyEvaluator(SPACE, DATA, recipe, 0, stopped)


def meter() -> Meter:
    return Meter(Budget(100, "evals"), 9)


def part(proxy: ProxyEvaluator, begin: int, end: int) -> Evaluation:
    return proxy.evaluate_part(MODEL, 4, meter(), Part(begin, end))


def timeless(result: Evaluation) -> Evaluation:
    return replace(result, seconds=0.0)


@pytest.mark.parametrize("recipe", ["RECIPE", pytest.param("LAYERED", marks=pytest.mark.slow)])
def test_in_shares_it_is_the_undisturbed_training_to_the_last_bit(recipe: str, tmp_path: Path) -> None:
    in_fresh_process("test_nets_shares", f"check_shares({recipe!r}, {str(tmp_path)!r})")


def check_shares(name: str, folder: str) -> None:
    """Bits are compared, so this runs in a process with deterministic operations."""
    recipe, tmp_path = {"RECIPE": RECIPE, "LAYERED": LAYERED}[name], Path(folder)
    whole = make(recipe, None).evaluate(MODEL, 4, meter())
    proxy, stopped = make(recipe, tmp_path / "stopped"), tmp_path / "stopped" / "4.npz"
    first = part(proxy, 0, 2)
    weights = dict(np.load(stopped))
    second = part(make(recipe, tmp_path / "stopped"), 2, 6)
    assert stopped.exists()
    last = part(proxy, 6, 9)
    assert not stopped.exists(), "nobody needs a complete training's file"
    assert (last.accuracy, last.curve) == (whole.accuracy, whole.curve)
    assert second.curve == whole.curve[:2], "the stop at a validation that is due adds none"
    assert first.curve == (first.accuracy,), "the stop before any validation is measured for itself"
    assert [result.steps for result in (first, second, last)] == [2, 4, 3]
    assert [result.share for result in (first, second, last)] == [2 / 9, 6 / 9, 1.0]
    # Weights and not accuracies, which may agree by chance: stopped at 2 by way of 1.
    part(proxy, 0, 1)
    part(proxy, 1, 2)
    again = dict(np.load(stopped))
    for name in weights.keys() - {"used", "seconds"}:
        assert np.array_equal(again[name], weights[name]), name


def test_killed_between_the_file_and_the_log_or_without_its_file_the_same_comes_out(tmp_path: Path) -> None:
    in_fresh_process("test_nets_shares", f"check_files({str(tmp_path)!r})")


def check_files(folder: str) -> None:
    """As above."""
    tmp_path = Path(folder)
    proxy, stopped = make(RECIPE, tmp_path / "stopped"), tmp_path / "stopped" / "4.npz"
    part(proxy, 0, 2)
    early = stopped.read_bytes()
    expected = timeless(part(proxy, 2, 6))
    assert timeless(part(proxy, 2, 6)) == expected, "the file is there already and the log is not"
    late = stopped.read_bytes()
    stopped.unlink()
    assert timeless(part(proxy, 2, 6)) == expected, "the file is gone"
    stopped.write_bytes(late)
    first = timeless(part(proxy, 0, 2))
    assert stopped.read_bytes() == late, "a training that has gone further is not thrown away"
    stopped.write_bytes(early)
    assert timeless(part(proxy, 0, 2)) == first


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "4.npz").write_bytes(b"half of a fi")
    with pytest.raises(InputError, match=r"4\.npz is damaged; move it"):
        part(make(RECIPE, tmp_path), 0, 2)


def test_parts_cost_their_steps_and_the_validation_at_their_end() -> None:
    recipe = replace(RECIPE, size=Size(16, 3))
    macs = measure(lower(SPACE.decode(MODEL, recipe.size)), DATA.image_shape, DATA.classes).macs
    assert macs > LEAST_MACS, "else the least would be charged, whatever was counted"
    proxy = make(recipe, None)
    for stops, validations in (((0, 3, 6, 9), 3), ((0, 9), 3), ((0, 1, 9), 4), ((0, 2, 4, 9), 5)):
        parts = [proxy.part_macs(MODEL, Part(*ends)) for ends in pairwise(stops)]
        assert sum(parts) == macs * (3 * 9 * 16 + validations * 48)
    assert proxy.part_macs(MODEL, Part(0, 9)) == proxy.macs(MODEL)
    assert part(proxy, 0, 2).macs == proxy.part_macs(MODEL, Part(0, 2))


def test_a_training_limited_by_seconds_is_complete_or_not_at_all() -> None:
    assert list(make(replace(RECIPE, seconds=5.0), None).stops()) == [9]
    assert list(make(RECIPE, None).stops()) == list(range(1, 10))
