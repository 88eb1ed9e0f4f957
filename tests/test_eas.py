"""EAS: reward and baseline by hand, what the controller may not do, its learning, then the search."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from fakes import MemoryJournal, make_task, run, tiny_data
from harness.methods.common import eas_controller, morphism_training
from harness.methods.common.eas_controller import Controller, Decisions, Seen
from harness.methods.common.inheriting import Inheriting
from harness.methods.common.morph_moves import Child, Move, applied, expansions
from harness.methods.common.morphism import Morphisms, Net, Noise
from harness.methods.common.morphism_training import MorphingTrainer
from harness.methods.eas import METHOD, Baseline, reward
from morph_trainers import LookUp
from mortal import Mortal, Stopped

from harness.core.budget import BudgetSpent
from harness.core.errors import InputError
from harness.core.journal import State
from harness.core.recipe import Recipe
from harness.core.space import Genotype, Size
from harness.core.task import Proposal, Task
from harness.spaces import get_space
from harness.spaces.morphism import Chain, Convolution, MorphSpace

RECIPE = Recipe(size=Size(4, 3), steps=3, batch=8, learning_rate=0.05)


def eas(name: str = "eas-3") -> MorphSpace:
    space = get_space(name)
    assert isinstance(space, MorphSpace)
    return space


SPACE = eas()
FULL = Chain(tuple((Convolution(3, SPACE.widths[-1]),) * 3 for _ in range(4)), (SPACE.units[-1],) * 2)
"""Nothing can be widened, and nothing deepened."""


def controller(
    space: MorphSpace = SPACE, rate: float = 0.05, steps: tuple[int, int] = (4, 5), entropy: float = 0.0
) -> Controller:
    rng = np.random.default_rng(0)
    return Controller(space, rng, steps=steps, units=8, embedding=6, rate=rate, entropy=entropy)


def test_a_point_near_the_top_earns_more() -> None:
    assert reward(0.90) == pytest.approx(6.31, abs=0.01)
    assert reward(0.95) == pytest.approx(12.71, abs=0.01)
    assert reward(0.0) == 0.0
    assert np.isfinite(reward(1.0))


def test_the_present_batch_is_nearly_the_whole_baseline() -> None:
    baseline = Baseline(0.95)
    for batch in range(1, 5):
        assert baseline.advantages(np.full(10, 3.0)) == pytest.approx(np.full(10, 3.0 * 0.05**batch))


def test_children_are_in_the_space_and_what_their_moves_lead_to() -> None:
    for child in controller().sample(SPACE.start, 12, np.random.default_rng(1)):
        chain = SPACE.start
        for move in child.moves:
            chain = applied(move, chain)
        assert chain == child.chain == SPACE.read(SPACE.write(chain))
        assert len(chain.convolutions) + len(chain.dense) == 4 + 1 + 5


def test_the_wider_actor_never_skips_a_width() -> None:
    widths = controller(steps=(1, 0)).sample(SPACE.start, 40, np.random.default_rng(2))
    for child in widths:
        for move in child.moves:
            before = SPACE.start.convolutions[move.number].width if move.what == "wider" else SPACE.start.dense[0]
            known = SPACE.widths if move.what == "wider" else SPACE.units
            assert known.index(move.width) == known.index(before) + 1


def test_all_widths_and_places_of_the_papers_are_tried() -> None:
    children = controller(steps=(0, 5)).sample(SPACE.start, 60, np.random.default_rng(3))
    moves = [move for child in children for move in child.moves]
    assert {move.kernel for move in moves if move.what == "deeper"} == {1, 3, 5}
    assert {move.what for move in moves} == {"deeper", "deeper_dense"}


def probabilities(agent: Controller, chains: Sequence[Chain], kind: str, forced: np.ndarray) -> np.ndarray:
    step = agent.act(kind, agent.see(chains), np.zeros(forced.shape, np.float32), forced.astype(np.int32))
    return np.exp(step.log_prob.numpy())


def test_masked_bits_have_probability_zero() -> None:
    agent = controller()
    seen = agent.see([SPACE.start, FULL])
    for network in range(2):
        bits = np.zeros((2, agent.layers))
        for layer in range(agent.layers):
            bits[:] = 0
            bits[network, layer] = 1
            p = probabilities(agent, [SPACE.start, FULL], "wider", bits)[network]
            assert (p > 0) == bool(seen.widths[network, layer])
    assert not seen.widths[1].any()


def test_masked_blocks_places_and_kernels_have_probability_zero() -> None:
    agent, total = controller(), 0.0
    for block in range(5):
        for place in range(3):
            for kernel in range(3):
                p = float(probabilities(agent, [SPACE.start], "deeper", np.array([[block, place, kernel]]))[0])
                total += p
                assert (p > 0) == (place == 0 and (block < 4 or kernel == 0))
    assert total == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", ["wider", "deeper"])
@pytest.mark.usefixtures("untraced")
def test_where_nothing_is_possible_the_gradient_is_zero(kind: str) -> None:
    agent = controller()
    forced = np.zeros((1, agent.layers if kind == "wider" else 3), np.int32)
    variables = list(agent.weights.variables.values())
    for chain, wanted in ((FULL, False), (SPACE.start, True)):
        with tf.GradientTape() as tape:
            step = agent.act(kind, agent.see([chain]), np.zeros(forced.shape, np.float32), forced)
            both = step.log_prob + step.entropy
        gradients = tape.gradient(both, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        sizes = [float(tf.reduce_max(tf.abs(tf.convert_to_tensor(g)))) for g in gradients]
        assert np.isfinite(sizes).all()
        assert (max(sizes) > 0) == wanted


@pytest.mark.usefixtures("untraced")
def test_the_entropy_is_learnt_without_any_advantage() -> None:
    agent, rng = controller(rate=0.01, steps=(1, 1), entropy=0.1), np.random.default_rng(8)
    for variable in agent.weights.variables.values():
        variable.assign(10 * variable)  # far from uniform
    agent.sample(SPACE.start, 4, rng)
    played = list(agent._played)

    def entropy() -> float:
        steps = (agent.act(kind, seen, np.zeros(picks.shape, np.float32), picks) for kind, seen, picks in played)
        return sum(float(step.entropy.numpy().mean()) for step in steps)

    before = entropy()
    for _ in range(5):
        agent.learn(np.zeros(4))
    assert entropy() > before + 0.1


@pytest.mark.usefixtures("untraced")
def test_padding_does_not_change_what_is_decided() -> None:
    """The same weights read the same network in a larger space, where more is padded."""
    small, large = controller(eas("eas-2")), controller(eas("eas-4"))
    for name, variable in large.weights.variables.items():
        if variable.shape == small.weights.variables[name].shape:
            small.weights.variables[name].assign(variable)
    chain, forced = SPACE.start, np.zeros((1, large.layers), np.int32)
    forced[0, 2] = 1
    wide = probabilities(large, [chain], "wider", forced)
    assert probabilities(small, [chain], "wider", forced[:, : small.layers]) == pytest.approx(wide, rel=1e-5)


def test_what_had_an_advantage_becomes_likelier(monkeypatch: pytest.MonkeyPatch) -> None:
    """An actor whose log-probability is one weight for the first child, and minus that for the second."""
    agent = controller(rate=0.1)
    weight, picks = agent.weights.variables["begin"], np.zeros((2, 1), np.int32)

    def act(kind: str, seen: Seen, uniforms: np.ndarray, forced: np.ndarray) -> Decisions:
        return Decisions(tf.constant(picks), weight[0, 0] * tf.constant([1.0, -1.0]), tf.zeros(2))

    monkeypatch.setattr(agent, "act", act)
    agent._played = [("wider", agent.see([SPACE.start] * 2), picks)]
    before = float(weight[0, 0])
    agent.learn(np.array([0.5, -0.5]))
    assert float(weight[0, 0]) > before + 0.05
    agent.learn(np.array([-9.0, 9.0]))
    agent.learn(np.array([-9.0, 9.0]))
    assert float(weight[0, 0]) < before


@pytest.mark.slow
def test_learns_what_pays() -> None:
    """Advantage for every bit that is set: after some batches nearly all are."""
    agent, rng, counts = controller(steps=(1, 0)), np.random.default_rng(4), []
    for _ in range(40):
        widened = np.array([len(child.moves) for child in agent.sample(SPACE.start, 10, rng)])
        counts.append(widened.mean())
        agent.learn(widened - 2.5)
    assert np.mean(counts[:5]) == pytest.approx(2.5, abs=0.7)
    assert np.mean(counts[-5:]) > 4.0


@pytest.mark.usefixtures("untraced")
def test_nine_random_transformations_leave_the_logits() -> None:
    images = tf.constant(np.random.default_rng(5).normal(size=(8, 8, 8, 1)), tf.float32)
    inheriting, morphisms = Inheriting(make_task(SPACE, recipe=RECIPE, data=tiny_data())), Morphisms(SPACE, RECIPE.size)
    start = inheriting.train(inheriting.first(SPACE.start), 0)
    assert start.weights is not None
    first = Net(start.chain, start.weights)
    noise = Noise(np.random.default_rng(6))
    for child in controller().sample(SPACE.start, 2, np.random.default_rng(7)):
        net = first
        for move in child.moves:
            key = ("dense" if move.what.endswith("dense") else "conv", move.number)
            match move.what.partition("_")[0]:
                case "wider":
                    net = morphisms.wider(net, key, move.width, noise)
                case _ if key[0] == "dense":
                    net = morphisms.deeper_dense(net, move.number, noise, inheriting.statistics(net, key))
                case _:
                    net = morphisms.deeper(net, move.number, move.kernel, noise, inheriting.statistics(net, key))
        assert net.chain == child.chain
        before, after = inheriting.logits(first, images), inheriting.logits(net, images)
        assert np.abs(before - after).max() < 1e-5 * np.abs(before).max()


def looked_up(
    budget: str, score: Callable[[Proposal], float], seed: int = 0, rate: float = 0.02
) -> tuple[Task, LookUp]:
    task = make_task(SPACE, budget, score=score, seed=seed)
    trainer, method = LookUp(task), METHOD()
    with contextlib.suppress(BudgetSpent):
        method.episodes(task, trainer, controller(rate=rate), Baseline(method.baseline))
    return task, trainer


def many_layers(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return 0.1 + 0.06 * len(SPACE.read(proposal).convolutions)


@pytest.mark.slow
def test_nothing_is_trained_twice_and_the_best_becomes_the_start() -> None:
    task, trainer = looked_up("30evals", many_layers)
    texts = [evaluation.genotype for evaluation in task.evaluations]
    assert len(texts) == len(set(texts)) == 30
    assert trainer.starts[0] == 0
    later = dict.fromkeys(trainer.starts)
    assert len(later) == 3
    for start in list(later)[1:]:
        first = trainer.starts.index(start) + 1
        assert trainer.found[start][1] == max(accuracy for _, accuracy in trainer.found[:first])


def test_children_follow_the_budget() -> None:
    assert [METHOD().planned_children(make_task(SPACE, f"{n}evals")) for n in (5, 40, 450)] == [2, 4, 10]


@pytest.mark.usefixtures("untraced")
def test_trainings_are_charged_logged_and_told() -> None:
    method, journal = METHOD(units=8, embedding=6, children=2), MemoryJournal()
    task = run(method, make_task(eas("eas-2"), "14steps", recipe=RECIPE, data=tiny_data(), journal=journal))
    assert [evaluation.steps for evaluation in task.evaluations] == [3] * 4
    assert task.meter.steps == 12
    inherited = [word.rpartition(" on ")[2] for word in journal.words if "inherited" in word]
    assert inherited[:3] == ["0 inherited steps", "3 inherited steps", "3 inherited steps"]
    assert task.best is not None
    assert str(task.proposal) == task.best.genotype


class Few(MorphingTrainer):
    """Keeps the weights of the best network only; every network is better than all before it."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, 0.01, kept=1)
        self.starts = list[int]()
        train = self._inheriting.train
        self._inheriting.train = lambda net, inherited: replace(  # type: ignore[method-assign]
            train(net, inherited), accuracy=len(self.known()) / 100
        )

    def descend(self, ancestor: int, moves: Sequence[Move], chain: Chain) -> float:
        self.starts.append(ancestor)
        accuracy = super().descend(ancestor, moves, chain)
        assert ancestor in self.ancestors()
        assert len(self.ancestors()) <= 2
        return accuracy


class AnyMove:
    """A policy of single random moves, in the place of the controller."""

    def __init__(self, *_: object, **__: object) -> None:
        """It has no weights."""

    def sample(self, chain: Chain, count: int, rng: np.random.Generator) -> list[Child]:
        return [Child((move,), child) for move, child in expansions(eas("eas-2"), chain, rng)[:count]]

    def learn(self, advantages: np.ndarray) -> None:
        """Nothing."""

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        """Nothing."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[Few]:
    """The trainers of searches with two children per episode, see :class:`Few`."""
    made = list[Few]()

    def make(task: Task, noise: float, kept: int) -> Few:
        made.append(Few(task))
        return made[-1]

    monkeypatch.setattr(morphism_training, "MorphingTrainer", make)
    monkeypatch.setattr(eas_controller, "Controller", AnyMove)
    return made


def searched(budget: str, journal: MemoryJournal | None = None) -> Task:
    task = make_task(eas("eas-2"), budget, recipe=RECIPE, data=tiny_data(), journal=journal)
    return run(METHOD(children=2), task)


@pytest.mark.usefixtures("untraced")
def test_the_start_keeps_its_weights_however_many_others_are_better(few: list[Few]) -> None:
    """Until another one is the start. The last one here was not trained any more."""
    assert len(searched("15steps").evaluations) == 5
    assert few[0].starts == [0, 0, 2, 2, 4]
    assert set(few[0].ancestors()) == {2, 4}


@pytest.mark.slow
def test_a_killed_search_still_has_the_weights_of_its_start(few: list[Few]) -> None:
    """Killed between two episodes of one start."""
    journal = Mortal(2)
    with pytest.raises(Stopped):
        searched("27steps", journal)
    journal.left = -1
    task, whole = searched("27steps", journal), searched("27steps")
    assert [trainer.starts for trainer in few] == [[0, 0, 2, 2], [2, 2, 6, 6, 8], [0, 0, 2, 2, 2, 2, 6, 6, 8]]
    told, wanted = ([(e.genotype, e.accuracy) for e in one.evaluations] for one in (task, whole))
    assert told == wanted
    assert task.meter.macs == whole.meter.macs


def test_ends_where_the_first_network_has_failed() -> None:
    task = make_task(SPACE, "30evals")
    trainer = LookUp(task, dead=[0])
    METHOD().episodes(task, trainer, AnyMove(), Baseline(0.95))
    assert len(task.evaluations) == 1


def test_says_where_it_cannot_work() -> None:
    assert "not search the space 'cell'" in (METHOD().unsupported(make_task(get_space("cell"))) or "")
    assert "takes the images" in (METHOD().unsupported(make_task(SPACE, data=tiny_data(images=0))) or "")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"children": -1}, {"wider": -1}, {"wider": 0, "deeper": 0}, {"units": 0}, {"learning_rate": 0.0}),
        *({"baseline": 0.0}, {"noise": -1.0}, {"entropy": -1.0}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]
