"""A check has a name that says what holds, and fails with one sentence that says what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


class Broken(AssertionError):
    """A promise is not kept; the message is one sentence that says which value was wrong and what to do."""


class Skipped(Exception):
    """A check does not apply; the message says why."""


@dataclass(frozen=True)
class Check:
    """One promise. Calling it raises :class:`Broken` or :class:`Skipped`, or returns.

    Args:
        name: what holds if it passes, a clause without a subject: ``repeats itself``.
        test: tests it.
    """

    name: str
    test: Callable[[], None]

    def __call__(self) -> None:
        self.test()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Outcome:
    """What came of a check: ``failure`` and ``skipped`` are sentences, or empty."""

    check: str
    failure: str = ""
    skipped: str = ""

    def __str__(self) -> str:
        if self.failure:
            return f"FAILED   {self.check}: {self.failure}"
        return f"skipped  {self.check}: {self.skipped}" if self.skipped else f"ok       {self.check}"


def outcomes(checks: Iterable[Check]) -> Iterator[Outcome]:
    """Does one check after the other."""
    for check in checks:
        try:
            check()
        except Broken as error:
            yield Outcome(check.name, failure=str(error))
        except Skipped as error:
            yield Outcome(check.name, skipped=str(error))
        else:
            yield Outcome(check.name)


def require(what: str, checks: Iterable[Check]) -> None:
    """Does all checks of one thing.

    Args:
        what: its name, for the message.
        checks: what it has promised.

    Raises:
        Broken: at least one check failed; the message has a line for each of those.
    """
    failed = [outcome for outcome in outcomes(checks) if outcome.failure]
    if failed:
        lines = "".join(f"\n- {outcome.check}: {outcome.failure}" for outcome in failed)
        raise Broken(f"{what} breaks {len(failed)} of its promises:{lines}")


def ensure(holds: object, sentence: str) -> None:
    """Raises :class:`Broken` with ``sentence`` unless ``holds``."""
    if not holds:
        raise Broken(sentence)
