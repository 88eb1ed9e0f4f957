"""What a profile is: budget, recipes, spaces and limits under which methods are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.limits import NO_LIMITS, Limits
from harness.core.names import one_of
from harness.core.recipe import NO_EXTRA, Limit, Recipe
from harness.core.signal import SIGNALS
from harness.core.space import Size

UNLIMITED = 1_000_000
"""Gradient steps of a training that its epochs or its seconds end."""


@dataclass(frozen=True)
class Profile:
    """One way of comparing methods.

    Args:
        name: as given on the command line and printed on tables.
        summary: one line for people.
        budget: of each search.
        proxy: recipe of the trainings inside a search.
        final: recipe of the one training whose network is tested.
        spaces: pairs ``(native space, scaled space)`` where the native one is too large for this budget.
        datasets, seeds: used when the command line names none.
        search_seconds: hard cap of a search process; a search in seconds gets at least twice its budget and 2 minutes.
        final_seconds: hard cap of a final training process.
        memory: hard cap of a process's private memory, GiB.
        validation_share: part of the training images that validates during the search.
        side: the most pixels a side of an image; larger ones are averaged
            (:meth:`harness.core.dataset.Dataset.bounded`). 0: no bound.
        column: the accuracies of a table that a search is told, by their name; empty for profiles that train.
        channels: by space, filters of the proxy and of the final network, where a paper's width is another.
        equal_seconds: of each final training, if the command asks for equal seconds, not epochs; 0: it may not.
        limits: of the networks of the final trainings.
        top: how many proposals of a search are trained finally. From two on, final trainings leave the validation
            images out, and the accuracy there chooses the network that counts.
        corruptions: whether final networks are also tested on corrupted test images
            (:mod:`harness.nets.corruptions`).
        cards: graphics cards that each final training is spread over.
        few: methods whose own computation takes seconds per search, and how many of the usual seeds they get.
        like: the profile whose scaled hyper-parameters hold here too; empty for its own.
        supernet: size of the networks of methods that train weights themselves on a table; None: that of the table's
            networks. A profile with one is for such methods: they are its `all`, it needs the images, and random search
            is no zero line of it, because the budget of a small supernet buys no training behind a table.
    """

    name: str
    summary: str
    budget: Budget
    proxy: Recipe
    final: Recipe
    spaces: tuple[tuple[str, str], ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    search_seconds: float
    final_seconds: float
    memory: float
    validation_share: float = 0.1
    side: int = 0
    column: str = ""
    channels: tuple[tuple[str, int, int], ...] = ()
    equal_seconds: float = 0.0
    like: str = ""
    limits: Limits = NO_LIMITS
    top: int = 1
    corruptions: bool = False
    cards: int = 1
    few: tuple[tuple[str, int], ...] = ()
    supernet: Size | None = None

    def __post_init__(self) -> None:
        if self.proxy.epochs:
            raise InputError(f"profile '{self.name}' counts proxy trainings in epochs; give their recipe steps")
        one_of("signal", self.proxy.signal, SIGNALS)
        if self.cards != 1 and self.tabular:
            raise InputError(f"profile '{self.name}' looks tables up and has no final training; leave --cards out")
        if self.cards < 1 or self.final.batch % self.cards:
            raise InputError(
                f"--cards {self.cards} cannot share out the final trainings' batches of {self.final.batch} images; "
                f"name a divisor of {self.final.batch}"
            )

    @property
    def tabular(self) -> bool:
        """Whether searches look results up and nothing is trained."""
        return bool(self.column)

    @property
    def counted(self) -> bool:
        """Whether nothing depends on the clock, unless a cap is reached: the same command gives the same numbers."""
        timed = "seconds" in (self.proxy.limit, self.final.limit)
        return self.tabular or (self.budget.counted and not timed)

    @property
    def scale(self) -> str:
        """The profile for which methods state hyper-parameters of this scale."""
        return self.like or self.name

    def space_for(self, native: str) -> str:
        """The space that stands for a method's native one under this profile."""
        return dict(self.spaces).get(native, native)

    def proxy_for(self, space: str) -> Recipe:
        """The recipe of the trainings inside a search of ``space``."""
        return _widened(self.proxy, {name: proxy for name, proxy, _ in self.channels}.get(space))

    def final_for(self, space: str, extra: Mapping[str, float] = NO_EXTRA) -> Recipe:
        """The recipe of the final training of a network of ``space``, and what a row has besides."""
        return _widened(self.final, {name: final for name, _, final in self.channels}.get(space)).with_extra(extra)

    def search_cap(self) -> float:
        """Seconds after which a search process is stopped, whatever it is doing."""
        if self.budget.counted or self.tabular:
            return self.search_seconds
        return max(self.search_seconds, 2 * self.budget.amount + 120)

    def with_budget(self, budget: Budget) -> Profile:
        """The same profile with another search budget and, where the budget counts more work, a longer time cap."""
        growth = max(1.0, self._steps(budget) / self._steps(self.budget)) if budget.counted else 1.0
        return replace(self, budget=budget, search_seconds=self.search_seconds * growth)

    def with_final(self, limit: Limit) -> Profile:
        """The same profile with final trainings that are counted in epochs, or in seconds.

        Raises:
            InputError: the profile does not offer that.
        """
        if self.tabular:
            raise InputError(f"profile '{self.name}' looks tables up and has no final training; leave --final out")
        if limit == self.final.limit:
            return self
        if limit != "seconds" or not self.equal_seconds:
            raise InputError(
                f"profile '{self.name}' counts its final trainings in {self.final.limit}, not in {limit}; leave "
                "--final out, or use --profile quick"
            )
        final = replace(self.final, epochs=0.0, seconds=self.equal_seconds, steps=UNLIMITED, train_images=0)
        return replace(self, final=final)

    def with_signal(self, name: str) -> Profile:
        """The same profile with searches that are told another number of their trainings than the accuracy.

        Raises:
            InputError: there is no such number, or the profile trains nothing inside a search, or its final networks
                are chosen by accuracy.
        """
        if name == self.proxy.signal:
            return self
        if self.tabular:
            raise InputError(
                f"profile '{self.name}' looks tables up, and a search is told a column of its table; leave --signal out"
            )
        if self.top > 1:
            raise InputError("--top chooses among final networks by accuracy; leave --top or --signal out")
        return replace(self, proxy=replace(self.proxy, signal=one_of("signal", name, SIGNALS)))

    def _steps(self, budget: Budget) -> float:
        """A budget in gradient steps; other units count as those of a slow machine: one step, 4e8 MACs in 2 s."""
        rates = {"steps": 1.0, "evals": float(self.proxy.steps), "s": 0.5, "macs": 1 / 4e8}
        return budget.amount * rates[budget.unit]


def _widened(recipe: Recipe, channels: int | None) -> Recipe:
    return recipe if channels is None else replace(recipe, size=replace(recipe.size, channels=channels))
