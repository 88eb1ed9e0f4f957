"""Real methods on a made-up table in memory, recorded like runs, and defects to plant into them.

Called as a program it prints the rows of a baseline file as JSON, for comparisons between processes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEvaluator, MemoryJournal, by_hash, make_task, run
from report_records import tabular

from harness.core.evaluation import Proposal
from harness.core.method import Method
from harness.core.record import Run
from harness.core.space import Genotype
from harness.report.gate.baseline import write_baseline
from harness.spaces import get_space

SPACE = get_space("nasbench201")
METHODS = (
    *("random_search", "local_search", "regularized_evolution", "reinforce"),
    *("metaqnn", "blockqnn", "pnas", "nasnet"),
)
"""Methods that need no TensorFlow here."""
BUDGET, SEEDS = 60, 3
Score = Callable[[Proposal], float]


@cache
def worth() -> np.ndarray:
    """What each option of each choice adds to an accuracy."""
    return np.random.default_rng(4).normal(0, 0.02, (len(SPACE.choices), max(map(len, SPACE.choices))))


def truth(proposal: Proposal) -> float:
    """Test accuracy: a sum over the choices."""
    assert isinstance(proposal, Genotype)
    return 0.8 + float(sum(worth()[choice, pick] for choice, pick in enumerate(proposal.picks)))


def signal(proposal: Proposal) -> float:
    """What a search is told: the truth with a noise that is fixed for each architecture."""
    return truth(proposal) + 0.01 * (by_hash(proposal) - 0.5)


def make(name: str) -> Method:
    """The method with the settings of the profile ``nb201``."""
    module = __import__(f"harness.methods.{name}", fromlist=["METHOD"])
    made: Method = module.METHOD(**getattr(module.METHOD, "scaled", {}).get("nb201", {}))
    return made


@dataclass(frozen=True)
class Defect:
    """Something that goes wrong without anybody noticing.

    Args:
        method: whose rows are to go red.
        plant: patches the code.
        heard: what the search is told, given what it should be told.
        budget: evaluations of a search that is recorded with the usual budget.
        seed: of the search, given the seed of the record.
        last: the last architecture is the result instead of the search's own.
    """

    method: str
    plant: Callable[[pytest.MonkeyPatch], None] = lambda patch: None
    heard: Callable[[Score], Score] = lambda score: score
    budget: int = BUDGET
    seed: Callable[[int], int] = lambda seed: seed
    last: bool = False


def runs(name: str, defect: Defect | None = None) -> list[Run]:
    """Searches of a method, one per seed, as their records and logs would have it."""
    defect = defect or Defect(name)
    found = []
    for seed in range(SEEDS):
        journal, method = MemoryJournal(), make(name)
        evaluator = FakeEvaluator(defect.heard(signal))
        task = make_task(SPACE, f"{defect.budget}evals", evaluator=evaluator, journal=journal, seed=defect.seed(seed))
        run(method, task)
        proposal = SPACE.parse(task.evaluations[-1].genotype) if defect.last else task.proposal
        assert proposal is not None
        record = tabular(
            name,
            truth(proposal),
            seed,
            proposal=str(proposal),
            settings=dataclasses.asdict(method),  # type: ignore[call-overload]
        )
        found.append(dataclasses.replace(record, **_logs(journal)))
    return found


def _logs(journal: MemoryJournal) -> dict[str, Any]:
    return {
        "evaluations": tuple(
            {**dataclasses.asdict(evaluation), "number": number, "spent": float(number + 1)}
            for number, evaluation in enumerate(journal.evaluations)
        ),
        "proposals": tuple(
            {"genotype": str(proposal), "accuracy": accuracy, "spent": spent, "shared_weights": shared}
            for proposal, accuracy, spent, shared in journal.proposals
        ),
    }


class _Ageless(deque[Any]):
    """A queue that nobody leaves."""

    def __init__(self, members: Sequence[Any] = (), maxlen: int | None = None) -> None:
        super().__init__(members)

    def popleft(self) -> Any:
        return self[0]


def _patch(target: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(f"harness.methods.{target}", value, raising=not target.endswith(".max"))


def _wrapped(target: str, wrap: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Replaces a method of a class by ``wrap`` of it."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        module, owner, name = target.rsplit(".", 2)
        cls = getattr(__import__(f"harness.methods.{module}", fromlist=[owner]), owner)
        patch.setattr(cls, name, wrap(getattr(cls, name)))

    return plant


def _stale(score: Score) -> Score:
    """A cache whose key forgets the last two choices."""
    known: dict[tuple[int, ...], float] = {}

    def cached(proposal: Proposal) -> float:
        assert isinstance(proposal, Genotype)
        return known.setdefault(proposal.picks[:-2], score(proposal))

    return cached


def _shuffled(score: Score) -> Score:
    """Accuracies that belong to other architectures."""
    return lambda proposal: score(SPACE.genotype(proposal.picks[::-1]))  # type: ignore[union-attr]


def _no_update(method: Any) -> Any:
    return lambda self, *args, **kwargs: None


DEFECTS = {
    "deaf reward": Defect("reinforce", heard=lambda score: lambda proposal: 0.5),
    "advantage always zero": Defect(
        "reinforce",
        _wrapped("common.baseline.RewardBaseline.advantages", lambda old: lambda self, some: 0.0 * old(self, some)),
    ),
    "wrong sign of the gradient": Defect(
        "reinforce",
        _wrapped("common.adam.Adam.descend", lambda old: lambda self, g, rate: old(self, [-one for one in g], rate)),
    ),
    "halved learning rate": Defect(
        "reinforce", _wrapped("common.adam.Adam.descend", lambda old: lambda self, g, rate: old(self, g, rate / 2))
    ),
    "no aging": Defect("regularized_evolution", _patch("regularized_evolution.deque", _Ageless)),
    "the worst of a tournament breeds": Defect("regularized_evolution", _patch("regularized_evolution.max", min)),
    "reward always zero": Defect(
        "metaqnn",
        _wrapped("metaqnn.MetaQnn.rewards", lambda old: lambda self, *args: [0.0 for _ in old(self, *args)]),
    ),
    "values never learnt": Defect("blockqnn", _wrapped("common.qlearning.QLearner.update", _no_update)),
    "predictor upside down": Defect(
        "pnas", _wrapped("common.predictor.PerceptronEnsemble.predict", lambda old: lambda self, x: -old(self, x))
    ),
    "predictor not trained": Defect("pnas", _wrapped("common.adam.Adam.descend", _no_update)),
    "controller never updated": Defect("nasnet", _wrapped("common.adam.Adam.descend", _no_update)),
    "no climbing": Defect("local_search", _wrapped("local_search.LocalSearch._climb", _no_update)),
    "stale cache": Defect("local_search", heard=_stale),
    "shuffled table": Defect("regularized_evolution", heard=_shuffled),
    "one seed for all": Defect("random_search", seed=lambda seed: 0),
    "last instead of best": Defect("random_search", last=True),
    "a tenth of the budget lost": Defect("random_search", budget=BUDGET * 9 // 10),
    "budget overrun unseen": Defect("pnas", budget=BUDGET + 1),
}
"""Each has to turn the gate red."""


if __name__ == "__main__":
    path, _ = write_baseline([one for name in sys.argv[2:] for one in runs(name)], "here", Path(sys.argv[1]))
    print(json.dumps(str(path)))
