"""A back end without processes: every call ends at once, as the test says, or stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from harness.run.backends.base import Backend, Call, Capacity, Handle, Item, Outcome, Position
from harness.run.job import Job, Phase
from harness.run.store import write_json, write_lines

TWO = Capacity(workers=2, cores=2)
End = Callable[[Call], tuple[Outcome, ...]]


def leave(job: Job, phase: Phase) -> None:
    """What a phase leaves behind."""
    process = {"device": "CPU"}
    if phase == "search":
        search = {"steps": 4, "evaluations": 1}
        found = {"proposal": {"text": f"macro-3:{job.seed}"}, "search": search, "title": job.title}
        write_json(job.directory.search, {**found, "process": process})
        cost = {"seconds": 1.0, "steps": 4, "macs": 0, "spent": 4.0}
        row = {"number": 0, "genotype": f"macro-3:{job.seed}", "accuracy": 0.5, "curve": [0.5], "failure": "", **cost}
        write_lines(job.directory.evaluations, [row])
        proposal = {"genotype": row["genotype"], "accuracy": 0.5, "spent": 4.0, "shared_weights": False}
        write_lines(job.directory.proposals, [proposal])
    else:
        write_json(
            job.directory.final,
            {"final": {"steps": 9, "limit": "epochs"}, "parameters": 1, "macs": 2, "process": process},
        )
        np.savez(job.directory.predictions, probabilities=np.ones((60, 2), np.float32))


def succeed(call: Call) -> tuple[Outcome, ...]:
    """Leaves what each item should leave."""
    for item in call.items:
        leave(item.value, "search" if call.words == "search" else "final")
    return (Outcome("ok"),) * len(call.items)


class Fake(Backend):
    """Ends calls as told.

    Attributes:
        started: method, seed and phase of every item of every call.
        instead: how the calls of a method end, by its name; None: never. The others succeed.
        live: the calls that are running.
        closed: whether :meth:`close` was called.
    """

    def __init__(self, capacity: Capacity = TWO) -> None:
        self._capacity = capacity
        self.started: list[tuple[str, int, Phase]] = []
        self.calls: list[Call] = []
        self.instead: dict[str, End | None] = {}
        self.live: list[Handle] = []
        self.most = 0
        self.closed = False

    @property
    def capacity(self) -> Capacity:
        """As given."""
        return self._capacity

    def submit(self, call: Call) -> Handle:
        """Keeps the call until somebody waits."""
        assert all(item.directory.is_dir() for item in call.items)
        self.calls.append(call)
        phase: Phase = "search" if call.words == "search" else "final"
        self.started += [(item.value.method.name, item.value.seed, phase) for item in call.items]
        handle = Handle(call)
        self.live.append(handle)
        self.most = max(self.most, len(self.live))
        return handle

    def wait(self, seconds: float) -> list[Handle]:
        """Ends all calls that end at all."""
        ended = []
        for handle in list(self.live):
            end = self.instead.get(handle.call.items[0].value.method.name, succeed)
            if end is not None:
                handle.outcomes = end(handle.call)
                handle.position = Position(len(handle.outcomes))
                self.live.remove(handle)
                ended.append(handle)
        return ended

    def cancel(self, handle: Handle) -> None:
        """Forgets it."""
        self.live.remove(handle)

    def close(self) -> None:
        """Forgets them all."""
        self.live.clear()
        self.closed = True


def items(directories: Iterable[Path]) -> tuple[Item, ...]:
    """Items for a call that needs nothing but a directory each, which is made."""
    made = []
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
        made.append(Item(str(directory), directory))
    return tuple(made)
