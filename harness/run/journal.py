"""The log of a search: what a task writes, what an interrupted search reads back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.evaluation import Evaluation, KerasConfig, Proposal
from harness.core.files import replacing
from harness.core.journal import EVALUATIONS, State
from harness.core.space import Genotype
from harness.run.store import RunDirectory, line, read_json, read_lines, write_json, write_lines

_PROPOSALS = "_proposals"
_PAUSE = 0.5  # seconds between two progress files


class Progress:
    """The small file through which a child process tells how far it is.

    It also adds up wall and CPU seconds over the attempts of an interrupted phase, to half a second.

    Args:
        path: the file.
        phase: ``search`` or ``final``.
    """

    def __init__(self, path: Path, phase: str) -> None:
        self._path, self._phase = path, phase
        self._wall, self._cpu = 0.0, 0.0
        if path.exists() and (before := read_json(path)).get("phase") == phase:
            self._wall, self._cpu = float(before["seconds"]), float(before["cpu_seconds"])
        self._began, self._cpu_began = time.perf_counter(), time.process_time()
        self._next = 0.0

    def times(self) -> dict[str, float]:
        """Wall and CPU seconds of this phase, interrupted attempts included."""
        return {
            "seconds": round(self._wall + time.perf_counter() - self._began, 3),
            "cpu_seconds": round(self._cpu + time.process_time() - self._cpu_began, 3),
        }

    def tell(self, share: float, words: str) -> None:
        """Writes the file, at most twice a second."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _PAUSE
            write_json(
                self._path, {"phase": self._phase, "share": share, "words": words, **self.times()}, durable=False
            )


class RunJournal:
    """The journal of one search, kept in its run directory.

    Opening it makes the logs consistent with the checkpoint: without one the proposals start anew, because the search
    replays its evaluations from the beginning and proposes again; with one, everything that came after it is dropped,
    because the search does it again.

    Args:
        directory: of the run.
        progress: where to tell the screen.
    """

    def __init__(self, directory: RunDirectory, progress: Progress) -> None:
        self._directory, self._progress = directory, progress
        self._state = self._read_checkpoint()
        rows = read_lines(directory.evaluations)
        self._rows = [row for place, row in enumerate(rows) if row.get("number") == place]
        kept: list[dict[str, Any]] = []
        if self._state is not None:
            self._rows = self._rows[: int(self._state[EVALUATIONS])]
            kept = read_lines(directory.proposals)[: int(self._state.pop(_PROPOSALS))]
        write_lines(directory.evaluations, self._rows)
        write_lines(directory.proposals, kept)
        self._proposals = len(kept)
        self._evaluations_file = directory.evaluations.open("a", encoding="utf-8")
        self._proposals_file = directory.proposals.open("a", encoding="utf-8")

    def close(self) -> None:
        """Closes the logs."""
        self._evaluations_file.close()
        self._proposals_file.close()

    def _read_checkpoint(self) -> State | None:
        if not self._directory.checkpoint.exists():
            return None
        with np.load(self._directory.checkpoint, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def replay(self, number: int) -> Evaluation | None:
        """The logged evaluation with this number, if there is one."""
        if number >= len(self._rows):
            return None
        row = self._rows[number]
        return Evaluation(
            genotype=row["genotype"],
            accuracy=row["accuracy"],
            curve=tuple(row["curve"]),
            seconds=row["seconds"],
            steps=row["steps"],
            failure=row["failure"],
        )

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        """Appends an evaluation."""
        row = {
            "number": number,
            "genotype": evaluation.genotype,
            "accuracy": evaluation.accuracy,
            "curve": list(evaluation.curve),
            "seconds": evaluation.seconds,
            "steps": evaluation.steps,
            "failure": evaluation.failure,
            "spent": spent,
        }
        self._evaluations_file.write(line(row))
        self._evaluations_file.flush()

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        """Appends a proposal.

        Raises:
            TypeError: it is neither a genotype nor a Keras model, or its accuracy is no number.
        """
        if not isinstance(proposal, Genotype | KerasConfig):
            raise TypeError(f"proposed a {type(proposal).__name__}, which is neither a Genotype nor a KerasConfig")
        row = {
            "genotype": str(proposal),
            "accuracy": None if accuracy is None else float(accuracy),
            "spent": spent,
            "shared_weights": shared_weights,
        }
        self._proposals_file.write(line(row))
        self._proposals_file.flush()
        self._proposals += 1

    def save(self, state: State) -> None:
        """Replaces the checkpoint, atomically, and notes which proposals it knows."""
        arrays: dict[str, Any] = {**state, _PROPOSALS: np.array(self._proposals)}
        with replacing(self._directory.checkpoint) as new:
            np.savez(new, **arrays)

    def load(self) -> State | None:
        """The checkpoint, if there was one when the journal was opened."""
        return self._state

    def progress(self, share: float, words: str) -> None:
        """Tells the screen."""
        self._progress.tell(share, words)
