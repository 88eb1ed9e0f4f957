"""The proxy evaluator: what it reports, when it stops, and that nothing stays behind."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import resource
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from fakes import VectorSpace, tiny_data

from harness.core.architecture import Architecture
from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.errors import InputError
from harness.core.evaluation import KerasConfig, Part
from harness.core.recipe import LEAST_MACS, Recipe
from harness.core.space import Genotype, Size
from harness.nets import count, evaluator
from harness.nets.build import build_model
from harness.nets.child import Child
from harness.nets.evaluator import ProxyEvaluator
from harness.spaces import get_space

SPACE = get_space("nasbench201")
DATA = tiny_data(images=64)
RECIPE = Recipe(size=Size(4, 1), steps=12, batch=32, validations=2)
MODEL = SPACE.sample(np.random.default_rng(0))


def counted(budget: str = "5evals") -> Meter:
    return Meter(Budget.parse(budget), RECIPE.steps)


def make(recipe: Recipe = RECIPE, seed: int = 0) -> ProxyEvaluator:
    return ProxyEvaluator(SPACE, DATA, recipe, seed)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref]:
    """Weak references to the models that were built."""
    models: list[weakref.ref] = []
    original = evaluator.Child

    def spy(*args: object) -> Child:
        model = original(*args)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(evaluator, "Child", spy)
    return models


def test_an_evaluation_says_what_was_done(built: list[weakref.ref]) -> None:
    result = make().evaluate(MODEL, 0, counted())
    assert result.genotype == str(MODEL)
    assert result.failure == ""
    assert len(result.curve) == 2
    assert result.curve[-1] == result.accuracy
    assert 0.0 < result.accuracy <= 1.0
    assert result.steps == make().steps() == 12
    assert result.seconds > 0.0
    assert [model() for model in built] == [None], "the model is gone without another collection"


def test_the_number_and_the_seed_name_the_weights_and_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def spy(graph: object, image_shape: object, classes: int, seed: int, shared: object) -> object:
        seeds.append(seed)
        raise InputError("enough")

    monkeypatch.setattr(evaluator, "Child", spy)
    for seed, number in [(0, 0), (0, 1), (1, 0), (0, 0)]:
        make(seed=seed).evaluate(MODEL, number, counted())
    assert seeds[0] == seeds[3]
    assert len(set(seeds)) == 3


def test_drop_path_and_auxiliary_head_are_built_if_the_recipe_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(*args: object, drop_path: bool, auxiliary: bool, **kwargs: object) -> object:
        asked.append((drop_path, auxiliary))
        raise InputError("enough")

    monkeypatch.setattr(evaluator, "build_model", spy)
    for changes in ({}, {"drop_path": 0.2}, {"auxiliary": 0.4}):
        make(dataclasses.replace(RECIPE, **changes)).evaluate(MODEL, 0, counted())
    assert asked == [(True, False), (False, True)], "the first is written down, which has neither"


class _Unbuildable(VectorSpace):
    def decode(self, genotype: Genotype, size: Size) -> Architecture:
        raise ValueError("no such network\nand more lines")


def _raise(error: BaseException) -> Callable[..., object]:
    def raising(*args: object, **kwargs: object) -> object:
        raise error

    return raising


class TestFailures:
    """A failed proposal is an evaluation with a reason, charged like any other."""

    def check(self, result: evaluator.Evaluation, words: str) -> None:
        assert words in result.failure
        assert "\n" not in result.failure
        assert result.accuracy == 0.0
        assert result.curve == ()
        assert result.steps == RECIPE.steps

    def test_a_network_that_cannot_be_built(self) -> None:
        space = _Unbuildable(2)
        broken = ProxyEvaluator(space, DATA, RECIPE, 0)
        self.check(broken.evaluate(space.sample(np.random.default_rng(0)), 0, counted()), "no such network")

    def test_a_keras_model_of_the_wrong_shape(self) -> None:
        image = keras.Input((5, 5, 2))
        model = keras.Model(image, keras.layers.Dense(4)(keras.layers.Flatten()(image)))
        self.check(make().evaluate(KerasConfig("wrong", model.to_json()), 0, counted()), "cannot be built")

    def test_a_training_that_diverges(self) -> None:
        recipe = dataclasses.replace(RECIPE, learning_rate=1e30, gradient_clip=0.0)
        self.check(make(recipe).evaluate(MODEL, 0, counted()), "the loss was")

    @pytest.mark.parametrize("part", ["Child", "train"])
    @pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "full")])
    def test_memory(self, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception) -> None:
        monkeypatch.setattr(evaluator, part, _raise(error))
        self.check(make().evaluate(MODEL, 0, counted()), "memory")

    def test_a_defect_of_the_harness_is_not_a_failed_proposal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluator, "train", _raise(TypeError("defect")))
        with pytest.raises(TypeError, match="defect"):
            make().evaluate(MODEL, 0, counted())


def test_a_budget_in_seconds_stops_the_training(built: list[weakref.ref]) -> None:
    now = [0.0]
    meter = Meter(Budget.parse("10s"), RECIPE.steps, clock=lambda: now[0])
    now[0] = 9.0
    assert make().evaluate(MODEL, 0, meter).steps == 12
    now[0] = 10.0
    with pytest.raises(BudgetSpent):
        make().evaluate(MODEL, 1, meter)
    gc.collect()
    assert [model() for model in built] == [None, None]


def test_a_counted_budget_is_not_checked_on_the_way() -> None:
    meter = counted("1evals")
    meter.steps = 12
    assert make().evaluate(MODEL, 0, meter).failure == ""


@pytest.mark.parametrize("off", [False, True])
def test_the_graph_optimiser_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch, off: bool) -> None:
    def options() -> bool:
        return tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)

    during = []

    def spy(*args: object, **kwargs: object) -> object:
        during.append(options())
        raise TypeError("defect")

    monkeypatch.setattr(evaluator, "train", spy)
    before = options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": off})
    try:
        with pytest.raises(TypeError):
            make().evaluate(MODEL, 0, counted())
        assert options() is off
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
    if not tf.config.list_physical_devices("GPU"):
        assert during == [True]


def test_a_search_needs_validation_images() -> None:
    data = dataclasses.replace(DATA, x_valid=DATA.x_valid[:0], y_valid=DATA.y_valid[:0])
    with pytest.raises(InputError, match="no validation images"):
        ProxyEvaluator(SPACE, data, RECIPE, 0)


def _resident() -> float:
    """MiB of this process that lie in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def growth(children: int, warm: int, space: str = "nasbench201", channels: int = 4) -> float:
    """MiB that ``children`` evaluations add after ``warm`` others."""
    cells, rng = get_space(space), np.random.default_rng(1)
    proxy = ProxyEvaluator(cells, DATA, dataclasses.replace(RECIPE, size=Size(channels, 1)), 0)
    for number in range(warm + children):
        if number == warm:
            before = _resident()
        assert not proxy.evaluate(cells.sample(rng), number, counted()).failure
    return _resident() - before


@pytest.mark.parametrize(
    ("space", "channels"), [("nasbench201", 4), ("cell-3", 8)]
)  # the latter with gradients of ours
def test_no_variables_or_functions_pile_up(space: str, channels: int) -> None:
    growth(1, 1, space, channels)
    before = len(gc.get_objects())
    growth(3, 0, space, channels)
    # A child of this size has some 9,500 objects; Keras' counters of automatic names grow by a few.
    assert len(gc.get_objects()) - before < 2000


class _Heap(ctypes.Structure):
    """``struct mallinfo2`` of the GNU C library."""

    _fields_ = [("others", 7 * ctypes.c_size_t), ("uordblks", ctypes.c_size_t), ("rest", 2 * ctypes.c_size_t)]


@pytest.mark.slow
def test_kernels_of_new_shapes_and_names_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        heap = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        pytest.skip("the bytes in use are asked of the GNU C library, 2.33 or later")
    heap.restype = _Heap
    monkeypatch.setattr(evaluator, "FORGET_EVERY", 6)
    chain, rng = get_space("chain-4"), np.random.default_rng(0)
    # Of Keras layers, which drop path asks for: a written network has one vector of weights and few kernels to forget.
    proxy = ProxyEvaluator(chain, DATA, dataclasses.replace(RECIPE, drop_path=0.1), 0)
    in_use = []
    for number in range(6):
        assert not proxy.evaluate(chain.sample(rng), number, counted()).failure
        in_use.append(int(heap().uordblks))
    assert in_use[-2] - in_use[-1] > 1_000_000


@pytest.mark.slow
def test_memory_stays_flat_over_many_children() -> None:
    assert growth(children=60, warm=20) < 40.0


@pytest.mark.parametrize("space", ["nasbench201", "cell-2", "chain-4"])
def test_multiply_accumulates_are_known_before_the_training(space: str) -> None:
    chosen = get_space(space)
    recipe = dataclasses.replace(RECIPE, size=Size(16, 3), steps=3, validation_images=50)
    own = ProxyEvaluator(chosen, DATA, recipe, 0)
    genotype = chosen.sample(np.random.default_rng(1))
    model = build_model(genotype, chosen, recipe.size, DATA.image_shape, DATA.classes, seed=0)
    assert count.macs(model) > LEAST_MACS, "else the least would be charged, whatever was counted"
    assert own.macs(genotype) == count.macs(model) * (3 * 3 * recipe.batch + 2 * 50)
    result = own.evaluate(genotype, 0, counted())
    assert result.macs == own.macs(genotype)


def test_an_image_is_charged_as_the_least_at_least() -> None:
    small = build_model(MODEL, SPACE, RECIPE.size, DATA.image_shape, DATA.classes, seed=0)
    assert count.macs(small) < LEAST_MACS
    assert make().macs(MODEL) == RECIPE.evaluation_macs(LEAST_MACS, 64) == RECIPE.evaluation_macs(0, 64)
    assert RECIPE.evaluation_macs(LEAST_MACS + 1, 64) > RECIPE.evaluation_macs(LEAST_MACS, 64)


@pytest.mark.parametrize(("steps", "validations"), [(2, 5), (3, 3), (5, 2), (4, 1)])
def test_as_many_validations_are_charged_as_there_are(steps: int, validations: int) -> None:
    recipe = dataclasses.replace(RECIPE, steps=steps, validations=validations)
    result = make(recipe).evaluate(MODEL, 0, counted())
    assert not result.failure
    assert result.macs == LEAST_MACS * (3 * steps * recipe.batch + len(result.curve) * len(DATA.x_valid))
    due = [stop for stop in range(1, steps + 1) if stop * validations // steps > (stop - 1) * validations // steps]
    parts = [recipe.part_macs(0, len(DATA.x_valid), Part(*ends)) for ends in pairwise((0, *due))]
    assert sum(parts) == result.macs


def test_a_network_that_cannot_be_built_costs_something() -> None:
    class Broken(VectorSpace):
        def decode(self, genotype: Genotype, size: Size) -> Architecture:
            raise InputError("no network")

    space = Broken(3)
    own = ProxyEvaluator(space, DATA, RECIPE, 0)
    result = own.evaluate(space.sample(np.random.default_rng(0)), 0, counted())
    assert result.failure
    assert result.macs > 0
