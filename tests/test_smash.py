"""SMASH: memory banks as a space, weights that a HyperNet makes, and the search that ranks architectures by them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fakes import FakeEvaluator, MemoryJournal, make_task, run, tiny_data
from harness.methods import smash
from harness.methods.common.adam import Adam
from harness.methods.common.candidates import MOST
from harness.methods.smash import METHOD, perturbation
from mortal import Mortal, Stopped
from scipy.stats import ttest_1samp
from weight_searches import FakeSmash

from harness.core.errors import InputError
from harness.core.graph import LayerGraph
from harness.core.home import CHECKOUT as ROOT
from harness.core.limits import Limits
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.primitives import Conv, Norm, Relu
from harness.core.seeds import rng
from harness.core.space import Genotype, Size
from harness.core.task import Task
from harness.nets.build import assign, build_architecture
from harness.nets.supernets.smash import GatedSmash
from harness.run.profiles import PROFILES
from harness.spaces import get_space
from harness.spaces.smash import BANKS, BLOCKS, SmashSpace, most_filled

SPACE = SmashSpace("smash-3", 3)
SHAPE, CLASSES, SIZE = (9, 9, 2), 3, Size(4, 3)
SETTINGS = {
    **{"batch": 8, "valid_batch": 8, "candidates": 70, "perturbed": 20, "chain": 20, "candidate_batches": 2},
    **{"finalists": 4, "final_batches": 3, "retrained": 0},
}


def new_net(**settings: Any) -> GatedSmash:
    return GatedSmash(SPACE, SIZE, SHAPE, CLASSES, rng(0, "weights"), hyper_layers=3, growth=4, **settings)


@cache
def net() -> GatedSmash:
    made = new_net()
    generator = rng(2, "offsets")  # so that a normalisation of zeros is not zero
    made.weights.assign(made.weights.numpy() + generator.normal(0, 0.1, made.weights.shape).astype(np.float32))
    return made


@pytest.mark.parametrize(("shape", "words"), [((28, 28, 1), "28x28x1"), ((32, 32, 3), "32x32x3")])
def test_the_page_says_which_part_of_a_step_the_hypernet_takes(shape: tuple[int, int, int], words: str) -> None:
    """At the size of quick; of the average architecture."""
    method, size = METHOD(**METHOD.scaled["quick"]), PROFILES["quick"].proxy.size
    hyper = {"hyper_layers": method.hyper_layers, "growth": method.growth}
    made, free = (
        GatedSmash(SPACE, size, shape, 10, rng(0, "weights"), **hyper, images=images)
        for images in (method.batch, 10**12)
    )
    mean = np.mean([made.macs(SPACE.sample(rng(seed, "architecture")).picks) for seed in range(300)])
    part = mean / (made.most_macs() - free.most_macs())
    page = (ROOT / "docs" / "methods" / "smash.md").read_text(encoding="utf-8")
    [stated] = re.findall(rf"1/(\d+) (?:of a step )?on (?:images of )?{words}", page)
    assert part == pytest.approx(int(stated), rel=0.02)


def images(n: int = 5) -> np.ndarray:
    return rng(1, "images").normal(size=(n, *SHAPE)).astype(np.float32)


def vector(genotype: Genotype) -> tf.Tensor:
    return tf.constant(net().vector(genotype.picks))


def generated(genotype: Genotype) -> list[np.ndarray]:
    values = [tf.constant(value) for value in net().values()]
    return [kernel.numpy() for kernel in net().generated(values, vector(genotype))]


def of(*operations: tuple[set[int], str, int]) -> Genotype:
    """The genotype whose blocks all have these operations: what is read and written, and the kernel."""
    picks: list[int] = []
    for _ in range(BLOCKS):
        for number, (reads, writes, kernel) in enumerate(operations):
            bits = [int(bank in reads) for bank in range(most_filled(number))] if number else []
            for option in (*bits, writes, kernel):
                picks.append(SPACE.choices[len(picks)].options.index(option))
    return SPACE.genotype(tuple(picks))


RESIDUAL = of(({0}, "0", 3), ({0}, "0", 3), ({0}, "0", 3))
DENSE = of(({0}, "1", 3), ({0, 1}, "2", 3), ({0, 1, 2}, "3", 3))


def genotypes(count: int = 8) -> list[Genotype]:
    generator = np.random.default_rng(5)
    return [RESIDUAL, DENSE, *(SPACE.sample(generator) for _ in range(count))]


# The space


def test_only_banks_that_were_written_are_read_and_banks_are_filled_in_order() -> None:
    for genotype in genotypes(200):
        for block in SPACE.operations(genotype.picks):
            written = {0}
            for op in block:
                assert op.reads
                assert set(op.reads) <= written
                assert len(set(op.writes)) == len(op.writes) <= 2
                written |= set(op.writes)
                assert written == set(range(op.filled))


def test_what_can_be_written_are_one_or_two_banks_that_leave_none_below_them_empty() -> None:
    for number in range(SPACE.per_block):
        [choice] = [one for one in SPACE.choices if one.name == f"1.{number + 1}.write"]
        filled = most_filled(number)
        banks = [tuple(map(int, str(option).split("+"))) for option in choice.options]
        wanted = set[tuple[int, ...]]()
        for one in range(min(filled + 1, BANKS)):
            after = max(filled, one + 1)
            wanted |= {(one,), *((one, other) for other in range(one + 1, min(after + 1, BANKS)))}
        assert set(banks) == wanted
        assert len(banks) == len(wanted)


def test_genotypes_with_one_function_are_one_network_and_others_are_not() -> None:
    by_function: dict[str, LayerGraph] = {}
    small = SmashSpace("smash-2", 2)
    generator = np.random.default_rng(3)
    for _ in range(300):
        genotype = small.sample(generator)
        picks = list(genotype.picks)
        position = next(i for i, choice in enumerate(small.choices) if choice.name == "1.2.read2")
        picks[position] = 1 - picks[position]
        for one in (genotype, small.genotype(tuple(picks))):
            graph = lower(small.decode(one, SIZE))
            assert by_function.setdefault(small.function(one), graph) == graph
    assert len({str(graph) for graph in by_function.values()}) == len(by_function) < 600


def test_reading_and_writing_one_bank_is_a_residual_network() -> None:
    graph = lower(SPACE.decode(RESIDUAL, SIZE))
    first, middle, result, total = graph.layers[:4]
    assert first.primitives == (Conv(3, 3, 4), Norm())
    assert (middle.inputs, middle.primitives) == ((1,), (Relu(), Conv(1, 1, 4), Norm()))
    assert (result.inputs, result.primitives) == ((2,), (Relu(), Conv(3, 3, 4), Norm()))
    assert (total.inputs, total.merge, total.primitives) == ((1, 3), "sum", ())
    assert all(len(layer.inputs) == 1 or layer.merge == "sum" for layer in graph.layers)


def test_reading_all_and_writing_new_banks_is_a_densely_connected_network() -> None:
    graph = lower(SPACE.decode(DENSE, SIZE))
    joined = [layer for layer in graph.layers if len(layer.inputs) > 1]
    assert all(layer.merge == "concat" and not layer.primitives for layer in joined)
    assert [len(layer.inputs) for layer in joined] == [2, 3, 4] * BLOCKS
    for layer in joined:
        assert layer.inputs[0] == min(layer.inputs), "the banks that were there before come first"


def test_sized_spaces_by_name() -> None:
    space = get_space("smash-2")
    assert isinstance(space, SmashSpace)
    assert space.per_block == 2
    assert get_space("smash").per_block == 4  # type: ignore[attr-defined]


# The network


@pytest.mark.parametrize("number", range(6))
def test_generated_weights_in_a_standalone_network_give_the_same_logits(number: int) -> None:
    genotype = genotypes()[number]
    model = build_architecture(SPACE.decode(genotype, SIZE), SHAPE, CLASSES, seed=0)
    assign(model, *net().cut(genotype.picks))
    own = model(images(), training=True).numpy()
    shared = net().logits(tf.constant(images()), vector(genotype)).numpy()
    assert np.abs(own).max() > 0.1
    np.testing.assert_allclose(shared, own, rtol=1e-5, atol=1e-5)


def test_an_encoding_tells_what_the_operations_are() -> None:
    for genotype in genotypes(30):
        encoding = net().encoding(vector(genotype)).numpy().reshape(BLOCKS, SPACE.per_block, BANKS, -1)
        for block, operations in enumerate(SPACE.operations(genotype.picks)):
            filled = 1
            for own, op in zip(encoding[block], operations, strict=True):
                read, there, first, second = own[:, :4].T
                assert tuple(np.flatnonzero(read)) == op.reads
                assert there.sum() == filled
                filled = op.filled
                assert (*np.flatnonzero(first), *np.flatnonzero(second)) == op.writes
                assert own[:, 4].tolist() == [len(op.writes) - 1] * BANKS
                assert (own[:, 5:7].argmax(1) == (op.kernel == 5)).all()
                assert (own[:, 7:10].argmax(1) == block).all()


def test_what_is_generated_has_the_width_of_what_is_read_and_norm_one() -> None:
    for genotype in genotypes():
        for block, (kernels, operations) in enumerate(
            zip(generated(genotype), SPACE.operations(genotype.picks), strict=True)
        ):
            width = SIZE.channels * 2**block
            for kernel, op in zip(kernels, operations, strict=True):
                assert kernel.shape == (BANKS, width, width)
                assert np.linalg.norm(kernel) == pytest.approx(1.0, abs=1e-5)
                assert tuple(np.flatnonzero(np.abs(kernel).sum((1, 2)))) == op.reads
        layers, _ = net().cut(genotype.picks)
        reading = [own[0].shape for own in layers if own[0].shape[:2] == (1, 1)]
        assert len(reading) == BLOCKS * SPACE.per_block + BLOCKS - 1


def test_weights_depend_on_the_architecture_alone() -> None:
    other = of(({0}, "1", 3), ({0, 1}, "2", 3), ({1, 2}, "3", 3))
    again, changed = generated(DENSE), generated(other)
    for kernel, same, another in zip(generated(DENSE), again, changed, strict=True):
        np.testing.assert_array_equal(kernel, same)
        assert np.abs(kernel[2] - another[2]).max() > 1e-3, "the operation reads something else"
        assert np.abs(kernel[1] - another[1]).max() > 1e-6, "within the reach of the HyperNet"


def test_the_gradient_reaches_every_weight_of_the_hypernet() -> None:
    made = net()
    weights = [tf.constant(value) for value in made.values()]
    labels = tf.constant([0, 1, 2, 0, 1], tf.int64)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits = made.network(tf.constant(images()), weights, vector(genotypes()[5]))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    gradients = tape.gradient(loss, weights)
    assert all(gradient is not None for gradient in gradients)
    own = made._hyper.own(gradients)
    assert len(own) == 2 * (3 + BLOCKS)
    assert all(np.abs(gradient.numpy()).max() > 0 for gradient in own)


def test_a_step_is_adams_and_the_hypernet_does_not_decay() -> None:
    made = new_net(epsilon=1e-8)
    before = made.weights.numpy().astype(np.float64)
    twin = [before.copy()]
    reference = Adam(twin, 0.5, 0.999)
    generator = np.random.default_rng(0)
    for _ in range(3):
        gradient = generator.normal(size=before.shape).astype(np.float32)
        made.descend(tf.constant(gradient), tf.constant(True), tf.constant(0.01))
        decayed = gradient + 1e-4 * made._decayed.numpy() * twin[0]
        reference.descend([decayed], 0.01)
    np.testing.assert_allclose(made.weights.numpy(), twin[0], atol=1e-4)
    parts = made.layout.split(made._decayed.numpy())
    assert not any(part.any() for part in made._hyper.own(parts))
    assert sum(part.all() for part in parts) == len(parts) - len(made._hyper.own(parts))


def test_training_learns_and_continues_from_a_checkpoint() -> None:
    space = SmashSpace("smash-1", 1)
    made, other = (
        GatedSmash(space, SIZE, SHAPE, CLASSES, rng(0, "weights"), hyper_layers=2, growth=4) for _ in range(2)
    )
    labels = tf.constant(np.arange(30) % CLASSES, tf.int64)
    pixels = images(30) + (np.arange(30) % CLASSES).astype(np.float32)[:, None, None, None]
    draws = np.random.default_rng(4)
    steps = [tf.constant(made.vector(space.sample(draws).picks)) for _ in range(8)]
    losses = [float(made.train_step(tf.constant(pixels), labels, own, tf.constant(0.01))) for own in steps * 5]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])
    other.restore(made.state())
    for one in (made, other):
        one.train_step(tf.constant(pixels), labels, steps[0], tf.constant(0.01))
    np.testing.assert_array_equal(made.weights.numpy(), other.weights.numpy())


def test_costs_are_the_childs_and_what_is_computed_for_all_alike() -> None:
    def extra(genotype: Genotype) -> int:
        child = measure(lower(SPACE.decode(genotype, SIZE)), SHAPE, CLASSES)
        return net().macs(genotype.picks) - child.macs

    generation = net()._hyper.macs(BLOCKS * SPACE.per_block * BANKS)
    full = of(({0}, "1+2", 5), ({0, 1, 2}, "0+3", 5), ({0, 1, 2, 3}, "0+1", 5))
    assert extra(full) == generation, "it reads every bank that there can be"
    assert net().macs(full.picks) == net().most_macs()
    for genotype in genotypes(20):
        assert extra(genotype) >= generation
        assert net().macs(genotype.picks) <= net().most_macs()
    several = new_net(images=10)
    assert net().macs(full.picks) - several.macs(full.picks) == generation - -(-generation // 10)


# The search


def additive(seed: int = 0) -> Any:
    """Every option of every choice has a worth of its own; the batch matters little."""
    generator = np.random.default_rng(seed)
    worth = [generator.normal(size=len(choice)) for choice in SPACE.choices]
    spread = np.sqrt(sum(own.var() for own in worth))

    def score(picks: tuple[int, ...], batch: int) -> float:
        total = sum(own[pick] - own.mean() for own, pick in zip(worth, picks, strict=True)) / spread
        return float(0.5 + total / 20 + batch % 10 / 1e5)

    return score


def searched(
    monkeypatch: pytest.MonkeyPatch,
    budget: str = "900steps",
    journal: MemoryJournal | None = None,
    score: Any = None,
    seed: int = 0,
    **settings: Any,
) -> tuple[FakeSmash, Task]:
    score = score or additive()
    made: list[FakeSmash] = []

    def make(*_: Any, **__: Any) -> FakeSmash:
        made.append(FakeSmash(score))
        return made[-1]

    monkeypatch.setattr(smash, "GatedSmash", make)
    evaluator = FakeEvaluator(lambda proposal: score(proposal.picks, 0), gradient_steps=20, macs=100_000)
    task = make_task(SPACE, budget, evaluator=evaluator, data=tiny_data(images=80), journal=journal, seed=seed)
    run(METHOD(**{**SETTINGS, **settings}), task)
    return made[-1], task


def scores(net: FakeSmash) -> tuple[list[tuple[int, ...]], list[float]]:
    """The candidates of a search in their order, and what was told of them, the mean of two batches."""
    told = net.measured[: 2 * 70]
    both = zip(told[::2], told[1::2], strict=True)
    return [path for path, *_ in told[::2]], [float(np.mean([one[-1], other[-1]])) for one, other in both]


def test_random_candidates_come_first_then_changes_of_their_best_then_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = searched(monkeypatch, rate=0.01)  # so that a change is nearly always of one choice
    paths, told = scores(net)
    assert task.planned["candidates"] == len(set(paths)) == 70
    assert len({batch for _, batch, _ in net.measured[0:140:2]}) == 1, "all on the same batches"

    def far(one: tuple[int, ...], other: tuple[int, ...]) -> int:
        return sum(a != b for a, b in zip(one, other, strict=True))

    best = paths[int(np.argmax(told[:30]))]
    assert min(far(best, path) for path in paths[:30] if path != best) > 4
    assert np.median([far(best, path) for path in paths[30:50]]) == 1
    for number in range(50, 70):
        parent = paths[int(np.argmax(told[:number]))]
        assert far(parent, paths[number]) <= 3, "the chain goes on from the best so far"


def test_fewer_candidates_keep_the_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = searched(monkeypatch, "150steps")
    search = METHOD(**SETTINGS).on(make_task(SPACE, data=tiny_data(images=80)))
    count = task.planned["candidates"]
    assert 10 <= count < 70
    assert search.rounds(count) == (count - 2 * (20 * count // 70), count - 20 * count // 70)
    assert net.trained


def test_groups_are_those_of_the_rounds() -> None:
    search = METHOD(**SETTINGS).on(make_task(SPACE, data=tiny_data(images=80)))
    assert search.groups(70) == [10] * 5 + [1] * 20
    assert search.groups(10) == [6, 2, 1, 1]


@pytest.mark.parametrize("budget", ["400steps", "1000000macs"])
def test_scores_take_a_fifth_and_the_budget_is_kept(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    net, task = searched(monkeypatch, budget)
    assert 0.9 < task.meter.spent / task.meter.limit <= 1.0
    trained = 3 * 8 * sum(10 + sum(path) for path, *_ in net.trained)
    share = trained if budget.endswith("macs") else len(net.trained)
    assert share / task.meter.limit > 1 - MOST - 0.08
    assert len({path for path, *_ in net.trained}) > 0.9 * len(net.trained), "a new architecture at every step"
    rates = [rate for *_, rate in net.trained]
    assert rates[0] == pytest.approx(1e-3)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-5


def test_the_correlation_with_trained_children_is_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    _, task = searched(monkeypatch, retrained=4)
    assert task.planned["retrained"] == len(task.evaluations) == 4
    assert task.planned["rank_correlation"] > 0.7, "scores are true but for the batch"


def told(score: Any, children: Sequence[Sequence[int]], batches: Any) -> list[float]:
    """What a supernet would say whose accuracies are true."""
    return [score(tuple(picks), 0) for picks in children]


def test_it_beats_random_search_on_additive_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """With true scores the rounds after the random one have to be worth more than as many random candidates."""
    monkeypatch.setattr(smash, "GatedSmash", lambda *_, **__: FakeSmash())
    gains = []
    for seed in range(25):
        score, found = additive(seed), []
        for rounds in ({}, {"perturbed": 0, "chain": 0}):
            task = make_task(SPACE, "900steps", data=tiny_data(images=80), seed=seed)
            search = METHOD(**{**SETTINGS, **rounds}).on(task)
            monkeypatch.setattr(search.shared, "accuracies", partial(told, score))
            search.finish()
            assert len(set(search.candidates.drawn)) == 70
            assert isinstance(task.proposal, Genotype)
            found.append(score(task.proposal.picks, 0))
        gains.append(20 * (found[0] - found[1]))  # in standard deviations of random architectures
    assert ttest_1samp(gains, 0.0, alternative="greater").pvalue < 0.01
    assert np.mean(gains) > 0.5


def test_a_perturbation_changes_the_network_and_little_of_it() -> None:
    generator = np.random.default_rng(0)
    for genotype in genotypes(20):
        changes = [perturbation(SPACE, genotype, 0.05, generator) for _ in range(30)]
        assert all(SPACE.function(one) != SPACE.function(genotype) for one in changes)
        far = [np.sum(np.array(one.picks) != genotype.picks) for one in changes]
        assert 1 <= np.mean(far) < 0.15 * len(SPACE.choices)


@pytest.mark.parametrize(
    "writes", [pytest.param(2, marks=pytest.mark.slow), 6, pytest.param(20, marks=pytest.mark.slow)]
)
def test_a_killed_search_ends_with_the_same_result(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Killed in the training, in one of the first rounds, or in the chain, which saves after every candidate."""
    calm, undisturbed = searched(monkeypatch, "300steps")
    assert undisturbed.planned["candidates"] == 70
    journal = Mortal(writes)
    with pytest.raises(Stopped):
        searched(monkeypatch, "300steps", journal=journal)
    journal.left = -1
    resumed, task = searched(monkeypatch, "300steps", journal=journal)
    assert (task.proposal, task.meter.steps) == (undisturbed.proposal, undisturbed.meter.steps)
    assert resumed.measured[-12:] == calm.measured[-12:]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"batch": 0}, {"hyper_layers": 0}, {"rate": 0.0}, {"rate": 1.5}, {"epsilon": 0.0}, {"mean_decay": 1.0}),
        *({"perturbed": -1}, {"perturbed": 400, "chain": 300}, {"candidates": 0}, {"learning_rate": 0.0}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)


def test_says_where_it_cannot_work() -> None:
    assert METHOD().unsupported(make_task(SPACE)) is None
    assert "nasbench201" in str(METHOD().unsupported(make_task(get_space("nasbench201"))))


def test_what_is_proposed_is_the_best_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    score = additive()
    monkeypatch.setattr(smash, "GatedSmash", lambda *_, **__: FakeSmash(score))

    def many(found: Any) -> str:
        return "too many" if sum(found.picks) > 45 else ""

    task = make_task(SPACE, "900steps", data=tiny_data(images=80), limits=Limits(macs=1), beyond=many)
    run(METHOD(**SETTINGS), task)
    assert sum(task.proposal.picks) <= 45
    assert not task.refusals.count, "nothing beyond the limits was proposed"
