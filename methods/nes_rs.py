"""NES-RS, neural ensemble search by random search: an ensemble selected from a pool of random networks.

Paper: Zaidi, Zela, Elsken, Holmes, Hutter & Teh, *Neural ensemble search for uncertainty estimation and dataset shift*,
NeurIPS 2021. Random architectures are trained, each from its own first weights. From all of them an ensemble is
selected on the validation images: first the network with the lowest negative log-likelihood, then always the one with
which the mean of the probabilities so far has the lowest, none twice. The result is the ensemble.

``selection=best`` is the paper's control, a deep ensemble: the best network alone, trained finally as often as the
ensemble has members, from other first weights. It costs the same.

Deviations: the pool is of proxy trainings, and the members are trained again, by the profile's final recipe; the paper
trains its pool completely and takes the members from it. Five members, the smallest number of the paper's 5, 10 and 20;
two under ``smoke``. No selection on shifted images. Expected: the paper's ensembles have a lower negative
log-likelihood, error and calibration error than deep ensembles, at every size. Cost: one proxy training per draw; the
selection averages stored predictions. The final training takes as many trainings as there are members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from harness import Method, Task, needs_predictions

from .common.ensembles import Pool, check_settings


@dataclass(frozen=True)
class NesRs(Method):
    """Random pool, forward selection; works in every space, on images.

    Args:
        members: M, networks of the ensemble.
        selection: ``forward``, or ``best`` for a deep ensemble of the best network.
    """

    name = "nes_rs"
    title = "NES-RS"
    space = "cell"
    families = ("ensemble", "random")
    follows_signal = False
    position = 46
    look = 33
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"members": 2}}

    members: int = 5
    selection: str = "forward"

    def __post_init__(self) -> None:
        check_settings("nes_rs", self.members, self.selection)

    def unsupported(self, task: Task) -> str | None:
        """A table has no predictions to average."""
        return needs_predictions(task)

    def search(self, task: Task) -> None:
        """Draws and trains until the budget is spent; the ensemble is proposed anew after each training."""
        pool = Pool(task, self.members, self.selection)
        for _ in pool.train_each(task.sample() for _ in count()):
            pass


METHOD = NesRs
