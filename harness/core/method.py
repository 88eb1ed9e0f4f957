"""The contract of a search method."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from harness.core.evaluation import Evaluation
from harness.core.signal import ACCURACY, SIGNALS
from harness.core.space import Genotype, Space
from harness.core.task import Task

LAST = 1000
"""Position of a method that states none: behind all that do."""


class Method(abc.ABC):
    """A search method. One file, one subclass, exported as ``METHOD``.

    Subclass it as a frozen dataclass whose fields are the hyper-parameters, with the paper's values as defaults.

    Attributes:
        name: as given on the command line; equals the file's name.
        title: as printed in tables.
        space: name of the space that the paper searches.
        families: of :data:`harness.core.families.FAMILIES`, at least one: what kind of search it is.
        trains: whether it trains weights itself and not only by :meth:`Task.evaluate`, as methods with a supernet do.
            On a table it is then given the images behind the table, where they are at hand.
        follows_signal: whether all that it learns of networks' quality comes from :meth:`Task.evaluate`, or from the
            project's training loop by ``task.recipe``, so that it follows another signal than the accuracy
            (``run --signal``). None: it does, unless it ``trains``.
        position: where the method stands in tables and legends: smaller numbers first, equal ones by name. The methods
            that come with the harness have 10 to 170.
        seen: data sets whose test results had been seen when its settings were made, which tables then say: names, or
            what stands before the slash (``nasbench201``).
        look: number of its colour and marker in figures, 0 to 98 (nine colours, eleven markers); None: one by its name.
        scaled: hyper-parameters by profile, where the paper's values make no sense at a small budget.
        extras: by hyper-parameter, what the final training has besides the profile's recipe where that hyper-parameter
            is ``+``, see :meth:`~harness.core.recipe.Recipe.with_extra`. The search is the same. Such a row is
            compared with no other.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    space: ClassVar[str]
    families: ClassVar[tuple[str, ...]] = ()
    trains: ClassVar[bool] = False
    follows_signal: ClassVar[bool | None] = None
    position: ClassVar[int] = LAST
    look: ClassVar[int | None] = None
    seen: ClassVar[tuple[str, ...]] = ()
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    extras: ClassVar[Mapping[str, Mapping[str, float]]] = {}

    def unsupported(self, task: Task) -> str | None:
        """One sentence on why this method cannot work on ``task``, or None."""
        return None

    @abc.abstractmethod
    def search(self, task: Task) -> None:
        """Searches until it is done or the budget is spent; it lets ``BudgetSpent`` pass.

        The result is the last proposal: that of :meth:`Task.propose`, or the best evaluated genotype.
        """


class AskTell(Protocol):
    """A search that is called for every evaluation, instead of owning a loop."""

    def ask(self) -> Genotype:
        """The next genotype to evaluate."""

    def tell(self, genotype: Genotype, evaluation: Evaluation) -> None:
        """Takes the result of the last genotype."""


def ask_tell(task: Task, solver: AskTell) -> None:
    """Runs an ask/tell search until the budget is spent."""
    while True:
        genotype = solver.ask()
        [evaluation] = task.evaluate([genotype])
        solver.tell(genotype, evaluation)


def space_is(task: Task, *kinds: type[Space]) -> str | None:
    """None if ``task.space`` is one of ``kinds``, else the sentence for :meth:`Method.unsupported`."""
    if isinstance(task.space, kinds):
        return None
    return f"it does not search the space '{task.space.name}'; on images, without --space, it is compared in its own"


def needs_shares(task: Task) -> str | None:
    """None if a part of an evaluation can be had, else the sentence for :meth:`Method.unsupported`."""
    if task.can_stop:
        return None
    return f"it buys parts of trainings, and '{task.data.dataset}' has only complete ones: no accuracies on their way"


def needs_predictions(task: Task) -> str | None:
    """None if predictions of trained networks can be had, else the sentence for :meth:`Method.unsupported`."""
    if task.can_predict:
        return None
    return f"it averages predictions of networks, and the table '{task.data.dataset}' has their accuracies only"


def needs_accuracy(method: Method, task: Task) -> str | None:
    """None if the method goes by what the command says (:attr:`Method.follows_signal`), else the sentence for a row."""
    follows = not method.trains if method.follows_signal is None else method.follows_signal
    if follows or task.recipe.signal == ACCURACY:
        return None
    return (
        f"it judges networks itself, by another number than the {SIGNALS[task.recipe.signal].words} that --signal asks "
        "for"
    )


def needs_choices(task: Task) -> str | None:
    """None if the space has choices, else the sentence for :meth:`Method.unsupported`: Keras models have none."""
    return None if task.space.choices else f"the space '{task.space.name}' has no choices"


def needs_images(task: Task) -> str | None:
    """None if there are images to train on, else the sentence for :meth:`Method.unsupported`."""
    if len(task.data.x_train):
        return None
    return (
        f"it trains weights itself, which takes the images behind the table '{task.data.dataset}' and a budget in "
        "macs; see docs/tables.md"
    )
