"""DARTS: the equations of the paper on problems small enough to know the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fakes import FakeEvaluator, MemoryJournal, make_task, run, tiny_data
from fresh_process import in_fresh_process
from harness.methods import darts
from harness.methods.common.derive import derive, derived, one_hot
from harness.methods.darts import Bilevel, Darts, Gradients, Searches, architecture_gradient, divided
from keeping import Keeping
from parted import parted_data
from round_trip import takes_everything

from harness.core.budget import Meter
from harness.core.dataset import SearchData
from harness.core.errors import InputError
from harness.core.evaluation import Evaluation, Proposal
from harness.core.recipe import Recipe
from harness.core.seeds import rng
from harness.core.space import Size, Space
from harness.core.task import Task
from harness.nets import runtime
from harness.nets.constants import Constants
from harness.nets.evaluator import ProxyEvaluator
from harness.nets.supernets import kernels
from harness.nets.supernets.darts import MixedSupernet
from harness.spaces import get_space
from harness.spaces.darts import CellSpace
from harness.spaces.zoo import DARTS_V1, DARTS_V2

Tensors = Sequence[tf.Tensor]


def gradients_of(loss):  # type: ignore[no-untyped-def]
    def found(w: tf.Tensor, alpha: Tensors) -> tuple[tf.Tensor, Tensors]:
        w, alpha = tf.convert_to_tensor(w), [tf.convert_to_tensor(x) for x in alpha]
        with tf.GradientTape() as tape:
            tape.watch([w, alpha])
            value = loss(w, alpha)
        for_w, for_alpha = tape.gradient(value, [w, alpha], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return for_w, for_alpha

    return found


def smooth_problem():  # type: ignore[no-untyped-def]
    """A two-layer tanh network in double precision whose hidden units are mixed by softmax(alpha)."""
    generator = rng(0, "smooth")
    x = {part: tf.constant(generator.normal(size=(20, 3))) for part in ("train", "valid")}
    y = {part: tf.constant(generator.normal(size=(20, 1))) for part in ("train", "valid")}

    def loss(part: str):  # type: ignore[no-untyped-def]
        def value(w: tf.Tensor, alpha: Tensors) -> tf.Tensor:
            hidden = tf.tanh(x[part] @ tf.reshape(w[:12], (3, 4))) * tf.nn.softmax(alpha[0])
            return tf.reduce_mean((hidden @ tf.reshape(w[12:], (4, 1)) - y[part]) ** 2)

        return value

    w = tf.constant(generator.normal(size=16))
    return loss("train"), loss("valid"), w, [tf.constant(generator.normal(size=4))]


def test_second_order_gradient_is_the_derivative_through_the_training_step() -> None:
    train, valid, w, alpha = smooth_problem()
    rate, still = 0.1, tf.zeros_like(w)
    [found] = architecture_gradient(
        gradients_of(train), gradients_of(valid), w, alpha, still, order=2, rate=rate, momentum=0.0, decay=0.0
    )

    def after_a_step(a: np.ndarray) -> float:
        gradient, _ = gradients_of(train)(w, [a])
        return float(valid(w - rate * gradient, [tf.constant(a)]))

    centre, eps = alpha[0].numpy(), 1e-5
    for i in range(4):
        step = eps * np.eye(4)[i]
        numeric = (after_a_step(centre + step) - after_a_step(centre - step)) / (2 * eps)
        assert float(found[i]) == pytest.approx(numeric, rel=1e-3, abs=1e-6)


def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Supernets in double precision from operations with second derivatives, and softplus instead of the rectifier."""

    def norm(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(x, [0, 1, 2])
        variance = tf.reduce_mean((x - mean) ** 2, [0, 1, 2])
        return (x - mean) * tf.math.rsqrt(variance + 1e-5) * scale + offset

    def depthwise(x: tf.Tensor, kernel: tf.Tensor, stride: int, dilation: int, _: Constants) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME", dilations=[dilation, dilation])

    monkeypatch.setattr(kernels, "normalise", norm)
    monkeypatch.setattr(kernels, "depthwise", depthwise)
    monkeypatch.setattr(Constants, "filled", lambda _, value, n: tf.constant((value,) * n, tf.float64))
    monkeypatch.setattr(tf.nn, "relu", tf.nn.softplus)
    monkeypatch.setattr(tf.raw_ops, "Relu", tf.nn.softplus)


@pytest.mark.usefixtures("untraced")
def test_second_order_on_a_smooth_supernet_is_the_exact_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cells of two nodes and four channels; the mixed second derivative by differentiating twice."""
    smooth(monkeypatch)
    net = MixedSupernet(2, ("none", "sep_conv_3x3", "dil_conv_3x3"), Size(4, 3), (8, 8, 1), 3, rng(0, "supernet"))
    generator, rate = rng(1, "supernet"), 0.025
    images = {part: tf.constant(generator.normal(size=(8, 8, 8, 1))) for part in ("train", "valid")}
    labels = {part: tf.constant(generator.integers(3, size=8)) for part in ("train", "valid")}
    shapes = [value.shape for value in net.initial]
    w = tf.constant(np.concatenate([value.ravel() for value in net.initial]), tf.float64)
    alpha = [tf.constant(generator.normal(size=(net.edges, 3))) for _ in range(2)]

    def loss(part: str):  # type: ignore[no-untyped-def]
        def value(w: tf.Tensor, alpha: Tensors) -> tf.Tensor:
            arrays = tf.split(w, [int(np.prod(shape)) for shape in shapes])
            weights = [tf.reshape(array, shape) for array, shape in zip(arrays, shapes, strict=True)]
            logits = net.logits(images[part], weights, *(tf.nn.softmax(a) for a in alpha))
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[part], logits))

        return value

    on_train, on_valid = gradients_of(loss("train")), gradients_of(loss("valid"))
    settings = {"order": 2, "rate": rate, "momentum": 0.0, "decay": 0.0}
    ours = architecture_gradient(on_train, on_valid, w, alpha, tf.zeros_like(w), **settings)  # type: ignore[arg-type]
    towards, direct = on_valid(w - rate * on_train(w, alpha)[0], alpha)
    with tf.GradientTape() as outer:
        outer.watch(alpha)
        with tf.GradientTape() as inner:
            inner.watch(w)
            value = loss("train")(w, alpha)
        along = tf.reduce_sum(inner.gradient(value, w) * towards)
    for found, first, product in zip(ours, direct, outer.gradient(along, alpha), strict=True):
        scale = float(tf.norm(product))
        assert scale > 1e-4
        np.testing.assert_allclose((first - found) / rate, product, atol=1e-3 * scale)


def test_without_a_virtual_step_both_orders_agree() -> None:
    train, valid, w, alpha = smooth_problem()
    zeros = tf.zeros_like(w)
    first, second = (
        architecture_gradient(
            gradients_of(train), gradients_of(valid), w, alpha, zeros, order=order, rate=0.0, momentum=0.9, decay=3e-4
        )[0]
        for order in (1, 2)
    )
    np.testing.assert_allclose(first, second, rtol=1e-9)


@pytest.mark.parametrize(("xi", "fixed_point"), [(0.0, 2.0), (0.1, 1.667), (0.25, 1.333), (0.5, 1.0), (0.7, 0.833)])
def test_bilevel_toy_ends_at_the_known_fixed_point(xi: float, fixed_point: float) -> None:
    """L_val = alpha w - 2 alpha + 1, L_train = w^2 - 2 alpha w + alpha^2 from (2, -2): alpha = w = 2 / (1 + 2 xi)."""

    def train(w: tf.Tensor, a: Tensors) -> tf.Tensor:
        return w[0] ** 2 - 2 * a[0] * w[0] + a[0] ** 2

    def valid(w: tf.Tensor, a: Tensors) -> tf.Tensor:
        return a[0] * w[0] - 2 * a[0] + 1

    zero = tf.zeros([1], tf.float64)

    @tf.function
    def both(w: tf.Tensor, alpha: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        [direction] = architecture_gradient(
            gradients_of(train), gradients_of(valid), w, [alpha], zero, order=2, rate=xi, momentum=0.0, decay=0.0
        )
        alpha = alpha - 0.1 * direction
        return w - 0.1 * gradients_of(train)(w, [alpha])[0], alpha

    w, alpha = tf.constant([-2.0], tf.float64), tf.constant(2.0, tf.float64)
    for _ in range(400):
        w, alpha = both(w, alpha)
    assert float(alpha) == pytest.approx(fixed_point, abs=2e-3)
    assert float(w[0]) == pytest.approx(fixed_point, abs=2e-3)


@pytest.mark.parametrize("seed", range(20))
def test_derive_inverts_one_hot(seed: int) -> None:
    space = CellSpace()
    genotype = [DARTS_V1.genotype, DARTS_V2.genotype][seed] if seed < 2 else space.sample(rng(seed, "genotype"))
    assert derive(space, *one_hot(space, genotype)) == genotype


def test_none_neither_wins_nor_counts() -> None:
    space = CellSpace()
    normal, reduction = one_hot(space, DARTS_V2.genotype)
    drowned = [np.concatenate([np.full((14, 1), 9.0), scores[:, 1:]], axis=1) for scores in (normal, reduction)]
    assert derive(space, *drowned) == DARTS_V2.genotype


def tiny_task() -> SearchData:
    generator = rng(3, "data")
    x = generator.integers(0, 256, (24, 8, 8, 1)).astype(np.uint8)
    y = generator.integers(0, 3, 24)
    return SearchData(
        "tiny", x[:16], y[:16], x[16:], y[16:], 3, (127.0,), (64.0,), flip=False, crop_padding=1, cutout=0
    )


SMALL = CellSpace("cell-2", nodes=2, operations=("skip_connect", "sep_conv_5x5", "dil_conv_5x5", "max_pool_3x3"))


class FakeTask:
    """What ``Bilevel`` reads of a task."""

    space: Space = SMALL
    data = tiny_task()
    seed = 5
    recipe = Recipe(size=Size(8, 3), steps=1)  # a stem of 24 channels, which are normalised in pairs of pixels


@pytest.mark.slow  # with a whole supernet in a process of its own; the other tests of steps and checkpoints are quick
@pytest.mark.parametrize("order", [1, 2])
def test_a_step_moves_both_levels_and_resumes_exactly(order: int) -> None:
    in_fresh_process("test_darts", f"check_step_and_resume({order})")


def check_step_and_resume(order: int) -> None:
    settings = Darts(order=order, batch=4, alpha_learning_rate=0.1)
    whole = Bilevel(settings, SMALL, FakeTask())  # type: ignore[arg-type]
    before = whole.state()
    whole.step(0.05)
    middle = whole.state()
    assert not np.array_equal(before["alpha0"], middle["alpha0"])
    assert not np.array_equal(before["w0"], middle["w0"])
    whole.step(0.04)
    resumed = Bilevel(settings, SMALL, FakeTask())  # type: ignore[arg-type]
    resumed.restore(middle)
    resumed.step(0.04)
    assert all(np.array_equal(value, resumed.state()[name]) for name, value in whole.state().items())


FEATURES, WORTH = 8 * 8, rng(7, "worth").normal(size=(6, 5)).astype(np.float32)


def planes(x: tf.Tensor, weights: Tensors, mixing: tf.Tensor) -> tf.Tensor:
    """Logits of two linear maps, the second one weighed by the shares of all operations."""
    flat = tf.reshape(x, [-1, FEATURES])
    return flat @ weights[0] + (flat @ weights[1]) * tf.reduce_sum(mixing * WORTH)


class Planes(Bilevel):
    """With :func:`planes` for the relaxed network of NAS-Bench-201's cell."""

    def _drawn(self, number: int) -> tuple[Any, list[np.ndarray]]:
        generator = rng(number, "planes")
        start = [(0.1 * generator.normal(size=(FEATURES, 4))).astype(np.float32) for _ in range(2)]
        operations = get_space("nasbench201").choices[0].options
        net = SimpleNamespace(
            initial=start,
            macs=1,
            kinds=1,
            edges=6,
            operations=operations,
            logits=planes,
        )
        return net, [generator.normal(size=(6, 5)).astype(np.float32)]


class Eager(Planes):
    """Without a trace."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._gradients, self._traced = self._batch_gradients, self._step


def parted_task(budget: str = "99steps", **settings: Any) -> Task:
    """A batch of 8 is all images of a split."""
    recipe = Recipe(size=Size(4, 3), steps=8, augment=False)
    return make_task(get_space("nasbench201"), budget, data=parted_data(8), recipe=recipe, **settings)


@pytest.mark.parametrize("clip", [0.05, 1000.0])
@pytest.mark.parametrize("order", [1, 2])
def test_two_steps_are_adams_on_validation_images_and_momentums_on_training_images(order: int, clip: float) -> None:
    """Written out with NumPy: alpha first and with its decay, then w with the new alpha, clipped and with its decay."""
    decay, pull, momentum, beta1, own, rates = 0.02, 0.3, 0.8, 0.5, 0.07, (0.1, 0.05)
    settings = Darts(
        order=order, batch=8, momentum=momentum, weight_decay=decay, clip=clip, alpha_weight_decay=pull
    )  # fmt: skip
    task = parted_task()
    bilevel, data = Planes(settings, task.space, task), task.data
    bilevel.alpha_rate(own)

    def gradients(x: np.ndarray, y: np.ndarray) -> Gradients:
        images = (tf.cast(x, tf.float32) - data.mean[0]) / data.std[0]

        def loss(w: tf.Tensor, alpha: Tensors) -> tf.Tensor:
            halves = [tf.reshape(half, [FEATURES, 4]) for half in tf.split(w, 2)]
            logits = planes(images, halves, tf.nn.softmax(alpha[0]))
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))

        return gradients_of(loss)

    on_train, on_valid = gradients(data.x_train, data.y_train), gradients(data.x_valid, data.y_valid)
    w, velocity, alpha = bilevel.w.numpy(), np.zeros(2 * FEATURES * 4), bilevel.alpha[0].numpy()
    mean = square = np.zeros_like(alpha)
    for number, rate in enumerate(rates, start=1):
        [direction] = architecture_gradient(
            *(on_train, on_valid, w, [alpha], velocity.astype(np.float32)),
            order=order,
            rate=rate,
            momentum=momentum,
            decay=decay,
        )
        pulled = direction.numpy() + pull * alpha
        mean, square = beta1 * mean + (1 - beta1) * pulled, 0.999 * square + 0.001 * pulled**2
        alpha = alpha - own * mean / (1 - beta1**number) / (np.sqrt(square / (1 - 0.999**number)) + 1e-7)
        gradient = on_train(w, [alpha])[0].numpy()
        norm = np.linalg.norm(gradient)
        assert (norm > clip) == (clip < 1)
        velocity = momentum * velocity + gradient * min(1.0, clip / norm) + decay * w
        w = (w - rate * velocity).astype(np.float32)
        bilevel.step(rate)
        np.testing.assert_allclose(bilevel.alpha[0].numpy(), alpha, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(bilevel.velocity.numpy(), velocity, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(bilevel.w.numpy(), w, rtol=1e-3, atol=1e-5)


def test_every_number_of_a_checkpoint_is_taken_over() -> None:
    task = parted_task()
    bilevel = Planes(Darts(batch=8), task.space, task)
    takes_everything(bilevel.paced_state, bilevel.restore)


def three_searches(journal: MemoryJournal) -> Task:
    """Each of four steps with checkpoints after the first, the second, the fourth and its evaluation."""
    evaluator = FakeEvaluator(gradient_steps=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(darts, "Bilevel", Eager)
        method = Darts(batch=8, steps=4, propose_every=2)
        return run(method, parted_task("48steps", evaluator=evaluator, journal=journal))


@pytest.fixture(scope="module")
def calm() -> tuple[Task, Keeping]:
    """Three searches that nobody kills."""
    journal = Keeping()
    return three_searches(journal), journal


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_killed_search_goes_on_where_it_was(calm: tuple[Task, Keeping], number: int) -> None:
    """In the first of three searches, at its end, in the second one."""
    undisturbed, whole = calm
    assert undisturbed.planned["searches"] == len(undisturbed.evaluations) == 3
    journal = whole.cut(number)
    resumed = three_searches(journal)
    assert resumed.evaluations == undisturbed.evaluations
    assert resumed.meter.steps == undisturbed.meter.steps
    journal.goes_on_as(whole, number)


@pytest.mark.slow
@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a graphics card has its own threads")
def test_threads_that_share_out_operations_change_no_number(tmp_path: Path) -> None:
    for threads in (1, 2):
        in_fresh_process("test_darts", f"store_two_steps({str(tmp_path)!r}, {threads})")
    one, two = (np.load(tmp_path / f"{threads}.npz") for threads in (1, 2))
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name])


def store_two_steps(folder: str, threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    runtime.expect_large_graphs(wide=True)
    assert tf.config.threading.get_inter_op_parallelism_threads() == threads
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    bilevel = Bilevel(Darts(batch=4, alpha_learning_rate=0.1), SMALL, FakeTask())  # type: ignore[arg-type]
    for _ in range(2):
        bilevel.step(0.05)
    np.savez(f"{folder}/{threads}.npz", **bilevel.state())


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a graphics card has its own threads")
def test_operations_share_the_threads_of_a_run() -> None:
    in_fresh_process("test_darts", "check_threads_of_a_run()")


def check_threads_of_a_run() -> None:
    """In the order of a run: the evaluator is there before the search begins."""
    runtime.start(threads=2, deterministic=True, seed=0)
    ProxyEvaluator(get_space("cell-1"), tiny_data(), Recipe(size=Size(4, 3), steps=1), 0)
    for _ in range(2):  # a process may do several searches
        runtime.expect_large_graphs(wide=True)
        assert tf.config.threading.get_inter_op_parallelism_threads() == 2
        assert tf.config.threading.get_intra_op_parallelism_threads() == 1
        tf.add(1, 1).numpy()


@pytest.mark.usefixtures("untraced")
def test_gradient_rows_of_alpha_sum_to_zero() -> None:
    bilevel = Bilevel(Darts(batch=4), SMALL, FakeTask())  # type: ignore[arg-type]
    images = tf.cast(FakeTask.data.x_train[:4], tf.float32) / 255.0
    labels = tf.constant(FakeTask.data.y_train[:4])
    _, gradients, _ = bilevel._gradients(images, labels, bilevel.w, bilevel.alpha)
    for gradient in gradients:
        assert float(tf.reduce_max(tf.abs(gradient))) > 1e-6
        np.testing.assert_allclose(tf.reduce_sum(gradient, axis=1), 0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("limit", "count", "steps"),
    [(90, 1, 90), (1000, 1, 1000), (1400, 1, 1000), (1650, 2, 725), (2200, 2, 1000), (2700, 2, 1000), (4400, 4, 1000)],
)
def test_a_budget_holds_searches_of_equal_length(limit: float, count: int, steps: int) -> None:
    plan = divided(limit, step=1.0, evaluation=100.0, most=1000)
    assert plan == Searches(count, steps)
    assert count * steps + (count > 1) * count * 100 <= limit


def test_alphas_path_is_the_papers_in_a_shorter_search() -> None:
    method = Darts()
    assert method.alpha_rate(19_500) == method.alpha_rate(40_000) == 3e-4
    for steps in (1000, 5000):
        assert steps * method.alpha_rate(steps) == pytest.approx(19_500 * 3e-4)
    assert method.alpha_rate(10) == 0.05


def test_another_search_starts_anew() -> None:
    bilevel = Bilevel(Darts(batch=4), SMALL, FakeTask())  # type: ignore[arg-type]
    first = bilevel.state()
    bilevel._adam.variables[-1].assign(tf.ones_like(bilevel._adam.variables[-1]))
    bilevel.begin(1)
    second = bilevel.state()
    assert not np.allclose(first["w0"], second["w0"])
    assert not np.allclose(first["alpha0"], second["alpha0"])
    assert not second[f"adam{len(bilevel._adam.variables) - 1}"].any()
    assert (bilevel.number, bilevel.steps) == (1, 0)


class Quick(Bilevel):
    """Counts steps instead of taking them."""

    def step(self, rate: float) -> float:
        self.steps += 1
        return 0.5


@pytest.mark.parametrize(("budget", "searches", "left"), [("60steps", 1, 0), ("96steps", 1, 32), ("220steps", 3, 4)])
def test_what_the_longest_search_leaves_goes_into_further_searches(
    monkeypatch: pytest.MonkeyPatch, budget: str, searches: int, left: int
) -> None:
    """A search of 32 steps takes 64 gradients, an evaluation 8; the best evaluated cells win."""
    monkeypatch.setattr(darts, "Bilevel", Quick)
    evaluator = FakeEvaluator(gradient_steps=8)
    data = tiny_data(images=64)
    recipe = Recipe(size=Size(4, 3), steps=8)
    task = make_task(get_space("cell-2"), budget, evaluator=evaluator, data=data, recipe=recipe)
    run(Darts(batch=4, steps=32), task)
    assert task.planned["searches"] == searches
    assert len(task.evaluations) == (searches if searches > 1 else 0)
    assert task.meter.left == left
    if task.best:
        assert len({e.genotype for e in task.evaluations}) == searches, "other seeds, other cells"
        assert str(task.proposal) == task.best.genotype


def test_in_seconds_every_search_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many searches the time buys is known only after the first steps, so it is asked again after a search."""
    now = [0.0]

    class Timed(Quick):
        def step(self, rate: float) -> float:
            now[0] += 1.0
            self._times.seconds = 1.0
            return super().step(rate)

    monkeypatch.setattr(darts, "Bilevel", Timed)
    evaluator, recipe = FakeEvaluator(seconds=2.0), Recipe(size=Size(4, 3), steps=8)
    task = make_task(
        get_space("cell-2"), "110s", evaluator=evaluator, data=tiny_data(images=64), recipe=recipe, clock=lambda: now[0]
    )
    run(Darts(batch=4, steps=32), task)
    assert task.planned["searches"] == len(task.evaluations) == 3
    assert task.best
    assert str(task.proposal) == task.best.genotype


class Priced(Quick):
    """A step is 10 multiply-accumulates, random cells are 100."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.macs, self.charged = 10, 100.0


def searched(budget: str, evaluator: FakeEvaluator) -> Task:
    recipe = Recipe(size=Size(4, 3), steps=8)
    task = make_task(
        get_space("cell-2"), budget, evaluator=evaluator, data=tiny_data(images=64), recipe=recipe
    )  # fmt: skip
    run(Darts(batch=4, steps=32), task)
    return task


def test_searches_are_planned_with_what_the_task_charges_for_an_evaluation() -> None:
    """A table charges its own trainings, whatever the size of the relaxed network."""
    recipe, evaluator = Recipe(size=Size(4, 3), steps=8), FakeEvaluator(macs=4321)
    task = make_task(
        get_space("cell-2"), "1e6macs", evaluator=evaluator, data=tiny_data(images=64), recipe=recipe
    )  # fmt: skip
    assert Bilevel(Darts(batch=4), task.space, task).charged == 4321


@pytest.mark.parametrize(("macs", "left"), [(100, 60), (200, 0), (285, 0)])
def test_dear_cells_shorten_their_search_and_are_evaluated(
    monkeypatch: pytest.MonkeyPatch, macs: int, left: int
) -> None:
    """The budget is planned for cells of 120; a search without an evaluation would be lost."""
    monkeypatch.setattr(darts, "Bilevel", Priced)
    task = searched("900macs", FakeEvaluator(macs=macs))
    assert task.planned["searches"] == len(task.evaluations) == 2
    assert task.meter.left == left


def test_the_dearest_cells_are_evaluated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """All convolutions of NAS-Bench-201 cost up to five times the mean. Of five searches there are three then."""
    monkeypatch.setattr(darts, "Bilevel", Priced)
    task = searched("2000macs", FakeEvaluator(macs=450))
    assert (len(task.evaluations), task.meter.left) == (3, 0)


def test_after_evaluations_that_failed_the_cells_of_later_searches_are_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(FakeEvaluator):
        def evaluate(self, proposal: Proposal, number: int, meter: Meter) -> Evaluation:
            return replace(super().evaluate(proposal, number, meter), failure="no")

    monkeypatch.setattr(darts, "Bilevel", Priced)
    task = searched("1400macs", Failing(macs=100))
    assert len(task.evaluations) == 3
    assert str(task.proposal) == task.evaluations[-1].genotype != task.evaluations[0].genotype


class FakeTaskOfStages(FakeTask):
    """Cells with one input, in three stages."""

    space = get_space("nasbench201")
    recipe = Recipe(size=Size(4, 3), steps=1)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.usefixtures("untraced")
def test_both_orders_search_nasbench201s_cell(order: int) -> None:
    space = get_space("nasbench201")
    bilevel = Bilevel(Darts(order=order, batch=4, alpha_learning_rate=0.1), space, FakeTaskOfStages())  # type: ignore[arg-type]
    before = bilevel.state()
    bilevel.step(0.05)
    assert not np.array_equal(before["alpha0"], bilevel.state()["alpha0"])
    [shares] = bilevel.mixing()
    assert shares.shape == (6, 5)
    assert derived(space, [shares]).picks == tuple(shares.argmax(1))


def test_none_may_win_in_nasbench201s_cell() -> None:
    space = get_space("nasbench201")
    assert derived(space, [np.eye(5)[[0, 1, 2, 3, 4, 0]]]).picks == (0, 1, 2, 3, 4, 0)


def test_order_three_is_refused() -> None:
    with pytest.raises(InputError, match="order"):
        Darts(order=3)
