"""The tabular learner that MetaQNN and BlockQNN share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count, product

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.common.qlearning import (
    Decision,
    Episode,
    EpsilonSchedule,
    IndependentChoices,
    QLearner,
    choose,
    explore,
    process_of,
    share_spent,
)
from scipy.stats import chisquare

from harness.core.budget import Budget, Meter
from harness.core.evaluation import Evaluation, Proposal
from harness.core.method import Method
from harness.core.space import Genotype, Space
from harness.core.task import Task
from harness.spaces import get_space, names

FALLING = EpsilonSchedule([(1.0, 6), (0.5, 2), (0.1, 2)])


class Learning(Method):
    """Explores with a learner of the test's choice."""

    name, title, space = "learning", "Learning", "toy"

    def __init__(
        self, schedule: EpsilonSchedule = FALLING, *, batch: int = 1, replay: int = 4, alpha: float = 0.3
    ) -> None:
        self.schedule, self.batch, self.replay, self.alpha = schedule, batch, replay, alpha

    def search(self, task: Task) -> None:
        """All of the reward comes at the end."""
        learner = QLearner(process_of(task.space), alpha=self.alpha, gamma=1.0, initial=0.5)
        explore(task, learner, schedule=self.schedule, rewards=at_the_end, batch=self.batch, replay=self.replay)


def at_the_end(episode: Episode, evaluation: Evaluation) -> list[float]:
    return [0.0] * (len(episode.decisions) - 1) + [evaluation.accuracy]


class Remembering(IndependentChoices):
    """A process whose states hold so many of the last picks."""

    def __init__(self, space: Space, memory: int) -> None:
        super().__init__(space)
        self._memory = memory

    def after(self, state: tuple[int, ...], action: int) -> tuple[int, ...] | None:
        """The next position, and what is remembered."""
        if super().after(state, action) is None:
            return None
        picks = (*state[1:], action)
        return (state[0] + 1, *picks[max(0, len(picks) - self._memory) :])


def learner_on(
    length: int,
    options: int = 2,
    *,
    alpha: float,
    initial: float = 0.0,
    gamma: float = 1.0,
    memory: int | None = None,
) -> QLearner:
    space = VectorSpace(length, options)
    process = IndependentChoices(space) if memory is None else Remembering(space, memory)
    return QLearner(process, alpha=alpha, gamma=gamma, initial=initial)


def on_path(episode: Episode) -> list[float]:
    return [step.values[step.column] for step in episode.decisions]


def greedy(learner: QLearner) -> tuple[int, ...]:
    return learner.episode(0.0, np.random.default_rng(0)).genotype.picks


def test_one_backward_pass_carries_the_reward_to_the_first_decision() -> None:
    learner = learner_on(3, alpha=1.0)
    episode = learner.episode(1.0, np.random.default_rng(0))
    learner.learn(episode, [0, 0, 0.7])
    assert on_path(episode) == [0.7, 0.7, 0.7]


def test_going_forwards_takes_a_pass_per_step() -> None:
    learner = learner_on(3, alpha=1.0)
    episode = learner.episode(1.0, np.random.default_rng(0))
    seen = []
    for _ in range(3):
        for step, reward in zip(episode.decisions, (0, 0, 0.7), strict=True):
            learner.update(step, reward)
        seen.append(on_path(episode))
    assert seen == [[0, 0, 0.7], [0, 0.7, 0.7], [0.7, 0.7, 0.7]]


def test_the_papers_step_size_by_hand() -> None:
    """0.5 + 0.01 (0.9 - 0.5) = 0.504 at the end; before it 0.5 + 0.01 (0.504 - 0.5) = 0.50004, and so on."""
    learner = learner_on(3, alpha=0.01, initial=0.5)
    episode = learner.episode(1.0, np.random.default_rng(0))
    learner.learn(episode, [0, 0, 0.9])
    assert on_path(episode) == pytest.approx([0.5000004, 0.50004, 0.504])


def test_three_episodes_of_a_chain_of_two_by_hand() -> None:
    """Reward 1 each time, alpha 0.5: forwards 0, 1/4, 1/2 and 1/2, 3/4, 7/8; backwards the first is 1/4, 1/2, 11/16."""
    forwards, backwards = learner_on(2, 1, alpha=0.5), learner_on(2, 1, alpha=0.5)
    seen: dict[str, list[list[float]]] = {"forwards": [], "backwards": []}
    for _ in range(3):
        episode = forwards.episode(0.0, np.random.default_rng(0))
        for step, reward in zip(episode.decisions, (0, 1), strict=True):
            forwards.update(step, reward)
        seen["forwards"].append(on_path(episode))
        episode = backwards.episode(0.0, np.random.default_rng(0))
        backwards.learn(episode, [0, 1])
        seen["backwards"].append(on_path(episode))
    assert seen["forwards"] == [[0, 0.5], [0.25, 0.75], [0.5, 0.875]]
    assert seen["backwards"] == [[0.25, 0.5], [0.5, 0.75], [0.6875, 0.875]]


def test_the_target_takes_the_best_next_action_whatever_was_done_next() -> None:
    values, following = [0.0, 0.0], [0.2, 0.6]
    learner = learner_on(2, alpha=1.0, gamma=0.5)
    learner.update(Decision(values, 1, following), 0.1)
    assert values == [0.0, pytest.approx(0.1 + 0.5 * 0.6)]


def test_nothing_follows_the_end() -> None:
    values = [0.9, 0.9]
    learner_on(1, alpha=1.0).update(Decision(values, 0, None), 0.25)
    assert values == [0.25, 0.9]


def test_a_bandit_with_alpha_one_remembers_the_last_reward() -> None:
    learner, rng = learner_on(1, 1, alpha=1.0), np.random.default_rng(0)
    for reward in (0.3, 0.8, 0.1):
        episode = learner.episode(0.0, rng)
        learner.learn(episode, [reward])
        assert on_path(episode) == [pytest.approx(reward)]


def test_epsilon_one_is_uniform_whatever_is_known() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(choose([0.0, 5.0, 1.0, 5.0, -2.0], 1.0, rng) for _ in range(5000))
    assert chisquare([counts[place] for place in range(5)]).pvalue > 0.001


def test_epsilon_zero_takes_the_best_and_ties_are_uniform() -> None:
    rng = np.random.default_rng(1)
    counts = Counter(choose([0.7, 0.2, 0.7, 0.7], 0.0, rng) for _ in range(3000))
    assert set(counts) == {0, 2, 3}
    assert chisquare(list(counts.values())).pvalue > 0.001


def test_epsilon_between_explores_as_often_as_it_says() -> None:
    """With epsilon 0.4 among four, another one than the best is taken with probability 0.3."""
    rng = np.random.default_rng(2)
    others = sum(choose([0.0, 1.0, 0.0, 0.0], 0.4, rng) != 1 for _ in range(5000))
    assert others / 5000 == pytest.approx(0.3, abs=0.02)


def test_untrained_episodes_are_uniform_genotypes() -> None:
    learner, rng = learner_on(2, 3, alpha=0.1, initial=0.5), np.random.default_rng(3)
    counts = Counter(learner.episode(0.0, rng).genotype.picks for _ in range(4500))
    assert chisquare([counts[picks] for picks in product(range(3), repeat=2)]).pvalue > 0.001


def random_tables(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).random((3, 3, 3)) for seed in range(count)]


def learned(table: np.ndarray, memory: int) -> tuple[int, ...]:
    """The greedy picks after 2,000 half-random episodes on a table of end rewards."""
    learner, rng = learner_on(3, 3, alpha=0.5, memory=memory), np.random.default_rng(0)
    for _ in range(2000):
        episode = learner.episode(0.5, rng)
        learner.learn(episode, [0, 0, float(table[episode.genotype.picks])])
    return greedy(learner)


def test_a_state_that_holds_all_picks_finds_the_optimum() -> None:
    for table in random_tables(10):
        assert table[learned(table, memory=3)] == table.max()


def test_a_state_that_holds_none_finds_it_no_more_often_than_chance() -> None:
    assert sum(table[learned(table, memory=0)] == table.max() for table in random_tables(10)) <= 4


def test_without_memory_all_early_decisions_have_the_same_target() -> None:
    learner, rng = learner_on(3, 3, alpha=0.5, memory=0), np.random.default_rng(0)
    for _ in range(30):
        following = [step.following for step in learner.episode(1.0, rng).decisions]
        assert following[0] is learner.row((1,))[1]
        assert following[1] is learner.row((2,))[1]


def test_a_state_is_a_position_and_the_last_pick() -> None:
    walk, here = IndependentChoices(VectorSpace(4)), [IndependentChoices.start]
    for action in (1, 0, 1):
        state = walk.after(here[-1], action)
        assert state is not None
        here.append(state)
    assert here == [(0,), (1, 1), (2, 0), (3, 1)]
    assert walk.after(here[-1], 0) is None


@pytest.mark.parametrize("name", [*sorted(names()), "qchain-3", "block-3"])
def test_walks_end_in_the_space_whatever_is_done(name: str) -> None:
    space = get_space(name)
    learner = QLearner(process_of(space), alpha=0.5, gamma=1.0, initial=0.5)
    for seed in range(20):
        episode = learner.episode(1.0, np.random.default_rng(seed))
        assert space.contains(episode.genotype)
        assert 1 <= len(episode.decisions) <= len(space.choices)
        assert episode.decisions[-1].following is None
        assert all(step.following for step in episode.decisions[:-1])


def test_a_schedule_is_stretched_over_the_budget() -> None:
    assert [FALLING.epsilon(done / 10) for done in range(10)] == [1.0] * 6 + [0.5] * 2 + [0.1] * 2
    assert FALLING.epsilon(1.0) == 0.1


def test_the_share_that_is_spent_leaves_out_the_methods_own_time() -> None:
    now = [0.0]
    meter = Meter(Budget(100, "s"), 5, clock=lambda: now[0])
    now[0] = 50.0
    meter.charge(seconds=20.0, steps=5)
    assert share_spent(meter) == 0.2
    counted = Meter(Budget(4, "evals"), 5)
    counted.charge(seconds=20.0, steps=5)
    assert share_spent(counted) == 0.25


def ones(proposal: Proposal) -> float:
    assert isinstance(proposal, Genotype)
    return float(np.mean(proposal.picks))


def test_learns_what_pays() -> None:
    task = run(Learning(replay=16), make_task(VectorSpace(8), "120evals", score=ones))
    scores = [evaluation.accuracy for evaluation in task.evaluations]
    assert np.mean(scores[:60]) == pytest.approx(0.5, abs=0.08)
    assert np.mean(scores[-20:]) > 0.6


def test_a_known_architecture_is_looked_up_and_not_charged() -> None:
    evaluator = FakeEvaluator(ones)
    task = run(Learning(EpsilonSchedule([(0.2, 1)])), make_task(VectorSpace(6), "40evals", evaluator=evaluator))
    assert len(task.evaluations) == len({evaluation.genotype for evaluation in task.evaluations}) == 40


def test_a_search_of_a_space_that_is_used_up_ends() -> None:
    task = run(Learning(), make_task(VectorSpace(2), "9evals", score=ones))
    assert len(task.evaluations) == 9
    assert len({evaluation.genotype for evaluation in task.evaluations}) <= 4


def test_a_repeat_is_replayed_after_but_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four architectures all come up soon; after a hundred rounds without a new one a repeat is charged."""
    drawn, replayed = list[Episode](), list[Episode]()
    draw, learn = QLearner.episode, QLearner.learn

    def drawing(self: QLearner, epsilon: float, rng: np.random.Generator) -> Episode:
        drawn.append(draw(self, epsilon, rng))
        return drawn[-1]

    def learning(self: QLearner, episode: Episode, rewards: Sequence[float]) -> None:
        replayed.append(episode)
        learn(self, episode, rewards)

    monkeypatch.setattr(QLearner, "episode", drawing)
    monkeypatch.setattr(QLearner, "learn", learning)
    task = run(Learning(EpsilonSchedule([(1.0, 1)]), replay=3), make_task(VectorSpace(2), "5evals", score=ones))
    assert len(task.evaluations) == 5
    rounds = len(drawn) - 1  # the budget ends the last one before it is replayed
    assert rounds > 100
    assert len(replayed) == 3 * rounds
    firsts = list({episode.genotype: episode for episode in reversed(drawn)}.values())
    assert all(any(episode is first for first in firsts) for episode in replayed[:300])


def test_a_round_is_charged_for_each_new_architecture_once() -> None:
    """Six draws among sixteen hardly ever differ all."""
    task = run(Learning(EpsilonSchedule([(1.0, 1)]), batch=6), make_task(VectorSpace(4), "12evals", score=ones))
    assert len({evaluation.genotype for evaluation in task.evaluations}) == len(task.evaluations) == 12


def test_a_failure_is_worth_nothing_and_learned_from() -> None:
    learner = learner_on(2, alpha=0.5, initial=0.5)
    episode = learner.episode(1.0, np.random.default_rng(0))
    learner.learn(episode, at_the_end(episode, Evaluation("toy:0,0", 0.0, (), 1.0, 1, "it broke")))
    assert on_path(episode)[-1] == 0.25


@pytest.mark.parametrize("budget", ["25evals", "25s"])
def test_an_interrupted_run_learns_again_from_its_log(budget: str) -> None:
    """Also in seconds, where the clock of the second attempt runs differently."""

    def attempt(journal: MemoryJournal, tick: float) -> Sequence[Evaluation]:
        ticks = count()
        task = make_task(VectorSpace(6), budget, score=ones, journal=journal, clock=lambda: tick * next(ticks))
        return run(Learning(batch=2), task).evaluations

    whole = attempt(MemoryJournal(), 0.02)
    cut = MemoryJournal()
    cut.evaluations = list(whole[:-2])
    again = attempt(cut, 0.002)
    assert len(again) >= len(whole) > 15
    assert again[: len(whole)] == whole
