"""Progress for people: live bars on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from harness.core.record import Record
from harness.run.profile import Profile

_PAUSE = 30.0  # seconds between two lines where there is no terminal
_START_UP = 10.0  # seconds a process needs before it works


@dataclass(frozen=True)
class Bar:
    """A running process on the screen: ``share`` 0..1 of what it does, and words."""

    label: str
    share: float
    words: str


@dataclass(frozen=True)
class View:
    """What the screen shows.

    Args:
        bars: running processes.
        done, total: runs, or what ``words`` says.
        share: of the whole work, 0..1.
        left: seconds, or None while nothing is known.
        words: what is counted.
    """

    bars: tuple[Bar, ...]
    done: int
    total: int
    share: float
    left: float | None
    words: str = "runs"


class Screen(Protocol):
    """Where progress goes."""

    def show(self, view: View) -> None:
        """Twice a second."""

    def say(self, line: str) -> None:
        """An event worth a line."""


def duration(seconds: float | None) -> str:
    """``1:05`` minutes, ``2:03:04`` hours, or a dash."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_left(profile: Profile, rounds: float, share: float, gained: float, elapsed: float) -> float | None:
    """Seconds to go: from the profile's times if it works by the clock, else from the rate so far.

    Args:
        profile: of the runs.
        rounds: runs that each worker has to do, one after the other.
        share: of the whole work that is done, 0..1.
        gained: what of that this command has done.
        elapsed: seconds that it took.
    """
    if not profile.budget.counted and profile.final.limit == "seconds":
        each = profile.budget.amount + profile.top * profile.final.seconds + 2 * _START_UP
        return (1 - share) * rounds * each
    return elapsed * (1 - share) / gained if gained > 0 else None


class LiveScreen:
    """A bar per running job and one for all, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[words]}", style="dim"),
            console=console,
            transient=True,
        )
        self._all = self._progress.add_task("all", total=1.0, words="")
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> LiveScreen:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, view: View) -> None:
        """Redraws."""
        words = f"{view.done} of {view.total} {view.words}, {duration(view.left)} left"
        self._progress.update(self._all, completed=view.share, words=words)
        shown = {bar.label: bar for bar in view.bars}
        for label in [label for label in self._bars if label not in shown]:
            self._progress.remove_task(self._bars.pop(label))
        for label, bar in shown.items():
            if label not in self._bars:
                self._bars[label] = self._progress.add_task(label, total=1.0, words="")
            self._progress.update(self._bars[label], completed=bar.share, words=bar.words)

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        self._progress.console.print(line, highlight=False, markup=False)


class PlainScreen:
    """Lines: every event, and the state of things every half minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + _PAUSE

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def show(self, view: View) -> None:
        """Prints the state if it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE
        running = "; ".join(f"{bar.label} {100 * bar.share:.0f} % ({bar.words})" for bar in view.bars)
        self.say(f"{view.done} of {view.total} {view.words}, {duration(view.left)} left; {running}")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class NoScreen(AbstractContextManager["NoScreen"]):
    """Shows nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def show(self, view: View) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def screen_for(console: Console | None) -> LiveScreen | PlainScreen | NoScreen:
    """The screen that suits a console, or none."""
    if console is None:
        return NoScreen()
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)


def lines_of(records: Sequence[Record]) -> Iterator[str]:
    """A line per run that is over; of many of one method their number, and how many failed why."""
    for method in dict.fromkeys(record.method for record in records):
        mine = [record for record in records if record.method == method]
        if len(mine) == 1:
            yield _line(mine[0])
            continue
        yield f"{method}: {len(mine)} runs over"
        failed = Counter(f"{record.status}: {record.reason}" for record in mine if record.status != "ok")
        for reason, count in failed.items():
            yield f"{method}: {count} {reason}"


def _line(record: Record) -> str:
    result = f"{100 * (record.test_accuracy or 0.0):.2f} % test accuracy"
    if record.final.get("capped"):
        result += f", but the cap in seconds has cut the final training short, at {record.final['epochs']:.2g} epochs"
    words = result if record.status == "ok" else f"{record.status}: {record.reason}"
    return f"{record.dataset} {record.method} in {record.space} #{record.seed}: {words}"
