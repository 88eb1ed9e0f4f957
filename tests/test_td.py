"""Algorithm 1: the rule by hand, what each state can and cannot learn, then the search."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from additive import against_random_search
from fakes import FakeEvaluator, MemoryJournal, VectorSpace, make_task, run
from harness.methods.random_search import METHOD as RANDOM_SEARCH
from harness.methods.td import METHOD, STATES, TdLearner
from nb201 import needs_table, returned

from harness.core.errors import InputError
from harness.core.method import Method
from harness.core.space import Genotype
from harness.core.task import Proposal
from harness.spaces import get_space, names

SPACE = VectorSpace(3, 3)


def learner(state: str, space: VectorSpace = SPACE, alpha: float = 0.5, initial: float = 0.0) -> TdLearner:
    return TdLearner(space, state, alpha=alpha, gamma=1.0, initial=initial)


def episode(agent: TdLearner, epsilon: float, rng: np.random.Generator, reward: float) -> Genotype:
    genotype, last = agent.walk(epsilon, rng)
    agent.learn(last, reward)
    return genotype


@pytest.mark.parametrize("state", ["position", "previous"])
def test_two_decisions_with_the_same_actions_follow_the_hand_computation(state: str) -> None:
    agent, found = learner(state, VectorSpace(2, 1)), []
    for _ in range(3):
        episode(agent, 0.0, np.random.default_rng(0), 1.0)
        found.append(tuple(agent.values(agent.keys(position, 0))[0] for position in (0, 1)))
    assert found == [(0.0, 0.5), (0.25, 0.75), (0.5, 0.875)]


def test_one_episode_by_hand_in_every_state() -> None:
    """Values that are given before, gamma 0.5, alpha 0.25, greedy: picks 2, 0, 1 and the reward 0.8."""
    for state in STATES:
        agent = TdLearner(SPACE, state, alpha=0.25, gamma=0.5, initial=0.1)
        wanted = {0: [0.2, 0.3, 0.6], 1: [0.9, 0.1, 0.4], 2: [0.0, 0.7, 0.5]}
        if state == "none":
            wanted = {position: [0.2, 0.3, 0.6] for position in range(3)}
        for position, values in wanted.items():
            before = {0: 0, 1: 2, 2: 0}[position]
            agent.theta |= dict(zip(agent.keys(position, before), values, strict=True))
        genotype = episode(agent, 0.0, np.random.default_rng(0), 0.8)
        if state == "none":
            # 2 is the best all the way: 0.6 -> 0.6 + (0.3 - 0.6) / 4 = 0.525, then towards half of itself, then 0.8.
            second = 0.525 + 0.25 * (0.5 * 0.525 - 0.525)
            assert genotype.picks == (2, 2, 2)
            assert agent.values(agent.keys(1, 2)) == pytest.approx([0.2, 0.3, second + 0.25 * (0.8 - second)])
            continue
        assert genotype.picks == (2, 0, 1)
        assert agent.values(agent.keys(0, 0)) == pytest.approx([0.2, 0.3, 0.6 + 0.25 * (0.5 * 0.9 - 0.6)])
        assert agent.values(agent.keys(1, 2)) == pytest.approx([0.9 + 0.25 * (0.5 * 0.7 - 0.9), 0.1, 0.4])
        assert agent.values(agent.keys(2, 0)) == pytest.approx([0.0, 0.7 + 0.25 * (0.8 - 0.7), 0.5])


def test_at_alpha_one_a_single_decision_holds_the_last_reward() -> None:
    agent, rng, last = learner("position", VectorSpace(1, 4), alpha=1.0), np.random.default_rng(0), {}
    for number in range(40):
        genotype = episode(agent, 1.0, rng, reward=number / 40)
        last[genotype.picks[0]] = number / 40
    assert agent.values(agent.keys(0, 0)) == [last[pick] for pick in range(4)]


def test_without_the_pick_in_the_state_early_options_have_one_and_the_same_target() -> None:
    """The flaw of ``position``, by itself: what is picked first does not change what it is moved towards."""
    targets: dict[str, set[float]] = {"position": set(), "previous": set()}
    for state, pick in product(targets, range(3)):
        agent = learner(state, alpha=1.0)
        for before, position in product(range(3), (1, 2)):
            keys = agent.keys(position, before)
            agent.theta |= {key: 0.1 * before + 0.01 * option for option, key in enumerate(keys)}
        agent.theta |= {key: float(option == pick) for option, key in enumerate(agent.keys(0, 0))}
        agent.walk(0.0, np.random.default_rng(0))
        targets[state].add(round(agent.values(agent.keys(0, 0))[pick], 6))
    assert len(targets["position"]) == 1
    assert len(targets["previous"]) == 3


def test_a_state_that_knows_the_pick_before_learns_a_table_of_two_decisions() -> None:
    """Constant exploration, 2,000 episodes: the greedy walk is the best; with the position alone, often not."""
    right: Counter[str] = Counter()
    space = VectorSpace(2, 3)
    for seed, state in product(range(12), ("position", "previous")):
        rng = np.random.default_rng(seed)
        table, agent = rng.random((3, 3)), learner(state, space)
        for _ in range(2000):
            genotype, last = agent.walk(0.5, rng)
            agent.learn(last, float(table[genotype.picks]))
        genotype, _ = agent.walk(0.0, rng)
        right[state] += int(table[genotype.picks] == table.max())
    assert right["previous"] == 12
    assert right["position"] < 12


def test_ties_are_broken_at_random() -> None:
    rng = np.random.default_rng(5)
    first = Counter(learner("none").walk(0.0, rng)[0].picks[0] for _ in range(900))
    assert sum((first[pick] - 300) ** 2 / 300 for pick in range(3)) < 13.8  # 2 degrees of freedom, p = 0.001


def test_epsilon_falls_once_per_episode_down_to_its_floor() -> None:
    method = METHOD(epsilon=0.8, decay=0.9, floor=0.1)
    assert [method.epsilon_after(n, 0.5) for n in range(40)] == pytest.approx(
        [max(0.1, 0.8 * 0.9**n) for n in range(40)]
    )


def test_without_a_decay_it_follows_the_budget() -> None:
    method = METHOD(floor=0.04)
    assert method.epsilon_after(0, 0.0) == 1.0
    assert method.epsilon_after(5, 0.35) == pytest.approx(0.2)
    assert method.epsilon_after(9, 0.7) == pytest.approx(0.04)
    assert method.epsilon_after(9, 1.0) == 0.04


def test_values_of_one_word_are_shared_where_there_is_no_state() -> None:
    space = get_space("cell")
    agent = TdLearner(space, "none", alpha=0.5, gamma=1.0, initial=0.0)
    words = {key for position in range(len(space.choices)) for key in agent.keys(position, 0)}
    assert words == {(kind, w) for kind, w in words if kind in ("op", "inputs")}
    assert len({w for kind, w in words if kind == "op"}) == 7
    own = TdLearner(space, "position", alpha=0.5, gamma=1.0, initial=0.0)
    assert len({key for p in range(len(space.choices)) for key in own.keys(p, 0)}) == sum(map(len, space.choices))


def same_everywhere(proposal: Proposal) -> float:
    """The share of one option: what ``none`` can say."""
    assert isinstance(proposal, Genotype)
    return proposal.picks.count(3) / len(proposal.picks)


def test_without_a_state_it_learns_which_option_is_good_everywhere() -> None:
    scores = []
    for seed in range(8):
        task = run(METHOD(), make_task(VectorSpace(6, 5), "150evals", score=same_everywhere, seed=seed))
        scores.append([e.accuracy for e in task.evaluations])
    early, late = np.mean(np.array(scores)[:, :20]), np.mean(np.array(scores)[:, -30:])
    assert early == pytest.approx(0.2, abs=0.1)
    assert late > early + 0.2


def test_resumes_from_the_log_and_repeats_itself() -> None:
    journal, evaluator = MemoryJournal(), FakeEvaluator()
    run(METHOD(), make_task(VectorSpace(6, 5), "40evals", journal=journal))
    del journal.evaluations[17:]
    resumed = run(METHOD(), make_task(VectorSpace(6, 5), "40evals", journal=journal, evaluator=evaluator))
    whole = run(METHOD(), make_task(VectorSpace(6, 5), "40evals"))
    assert resumed.evaluations == whole.evaluations
    assert len(evaluator.trained) <= 23


@pytest.mark.parametrize("name", sorted(names()))
@pytest.mark.parametrize("state", STATES)
def test_works_in_every_space_with_genotypes(name: str, state: str) -> None:
    task = make_task(get_space(name), "6evals")
    assert METHOD().unsupported(task) is None
    assert len(run(METHOD(state=state), task).evaluations) == 6


def test_says_that_a_space_without_choices_is_not_for_it() -> None:
    assert "no choices" in (METHOD().unsupported(make_task(get_space("keras"))) or "")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"state": "layer"}, {"alpha": 0.0}, {"alpha": 1.5}, {"gamma": 1.1}, {"decay": -0.1}, {"decay": 1.1}),
        *({"floor": 0.0}, {"floor": 0.5, "epsilon": 0.4}, {"epsilon": 1.1}),
    ],
)
def test_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        METHOD(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", STATES)
def test_does_not_beat_random_search_on_an_additive_task_of_a_hundred_architectures(state: str) -> None:
    """As its page says. If it ever does, the page is wrong."""
    lead, p = against_random_search(METHOD(state=state), "100evals", seeds=40)
    assert lead < 0
    assert p > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("state", ["position", "previous"])
def test_beats_random_search_on_an_additive_task_where_there_is_a_lot_to_spend(state: str) -> None:
    lead, p = against_random_search(METHOD(state=state), "1600evals")
    assert lead > 0
    assert p < 0.01


@needs_table
def test_stands_beside_random_search_in_nasbench201() -> None:
    """200 seeds, pairs by seed, as its page says: the benchmark's settings are ahead, the position alone is behind.

    The defaults cannot be told apart from random search on CIFAR-10, so that only their standard error is held: were
    they a fifth of a point ahead or behind, it would show.
    """
    plain = returned(RANDOM_SEARCH(), 200)

    def lead(method: Method) -> tuple[float, float]:
        differences = returned(method, 200) - plain
        return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))

    ahead, error = lead(METHOD(**METHOD.scaled["nb201"]))
    assert ahead > 3 * error
    assert ahead == pytest.approx(0.164, abs=error)
    level, error = lead(METHOD())
    assert abs(level) < 2 * error
    assert error < 0.07
    behind, error = lead(METHOD(state="position"))
    assert behind < -5 * error
