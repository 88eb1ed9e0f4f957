"""The journal: a search killed between any two writes ends as if it had not been."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEvaluator, VectorSpace, make_task

from harness.core.budget import Budget, BudgetSpent, Meter
from harness.core.evaluation import Evaluation, KerasConfig, Proposal
from harness.core.journal import State
from harness.core.recipe import Recipe
from harness.core.space import Genotype, Size
from harness.core.task import Task
from harness.run.job import Failure
from harness.run.journal import DiskJournal, Progress
from harness.run.store import RunDirectory, read_json, read_lines, write_lines
from harness.run.tables.journal import TableJournal

SPACE = VectorSpace(12)


class Killed(BaseException):
    """Stands for SIGKILL."""


class MortalJournal(DiskJournal):
    """Dies before its n-th write; half of the next line may already be in the file."""

    def __init__(self, directory: RunDirectory, dies_at: int | None, torn: bool) -> None:
        super().__init__(directory, Progress(directory.progress, "search"))
        self._left, self._torn, self._at = dies_at, torn, directory

    def break_off(self) -> None:
        """Closes the logs as the end of a process does, which brings nothing to the disk."""
        self._evaluations_file.close()
        self._proposals_file.close()

    def _live(self, path: Path) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self.close()
                if self._torn and path.suffix == ".jsonl":
                    with path.open("ab") as file:
                        file.write(b'{"number": 1, "geno')
                raise Killed

    def evaluated(self, number: int, evaluation: Evaluation, spent: float) -> None:
        self._live(self._at.evaluations)
        super().evaluated(number, evaluation, spent)

    def proposed(self, proposal: Proposal, accuracy: float | None, spent: float, shared_weights: bool) -> None:
        self._live(self._at.proposals)
        super().proposed(proposal, accuracy, spent, shared_weights)

    def save(self, state: State) -> None:
        self._live(self._at.checkpoint)
        super().save(state)


def attempt(directory: RunDirectory, search: Callable[[Task], None], dies_at: int | None, torn: bool) -> Task | None:
    """One process: the task at the end of the search, or None if it was killed."""
    evaluator = FakeEvaluator(gradient_steps=3)
    journal = MortalJournal(directory, dies_at, torn)
    task = Task(
        space=SPACE,
        data=None,  # type: ignore[arg-type]  # these searches look at no images
        recipe=Recipe(size=Size(4, 3), steps=3),
        rng=np.random.default_rng(0),
        seed=0,
        meter=Meter(Budget(60, "steps"), 3),
        evaluator=evaluator,
        journal=journal,
    )
    try:
        search(task)
    except BudgetSpent:
        journal.close()
        return task
    except Killed:
        return None
    raise AssertionError("these searches end by their budget")


def queries(task: Task) -> None:
    """A method without weights of its own: evaluates draws."""
    while True:
        task.evaluate([SPACE.sample(task.rng)])


def in_shares(task: Task) -> None:
    """A method that stops trainings and goes on with some of them, one step at a time."""
    stopped: list[Genotype] = []
    while True:
        genotype, share = SPACE.sample(task.rng), 1 / 3
        if len(stopped) > 2:
            genotype, share = stopped.pop(int(task.rng.integers(len(stopped)))), 2 / 3
        task.evaluate([genotype], share=share)
        stopped += [genotype] if share < 0.5 else []


def shared_weights(task: Task) -> None:
    """A method with weights: its own steps, a random walk of them, proposals by the weights, an evaluation at times."""
    state = task.restored()
    weights, done = (state["weights"], int(state["done"])) if state else (np.zeros(12), 0)
    while True:
        task.step(2)
        weights = weights + task.rng.normal(size=12)
        done += 1
        if done % 3 == 0:
            task.propose(SPACE.genotype(tuple(int(w > 0) for w in weights)), float(1 - np.exp(-abs(weights).sum())))
        if done % 4 == 0:
            task.evaluate([SPACE.genotype(tuple(int(w < 0) for w in weights))])
        now = {"weights": weights, "done": np.array(done)}
        task.checkpoint(lambda now=now: now)


def outcome(directory: RunDirectory, task: Task) -> tuple[object, ...]:
    return (
        str(task.proposal),
        task.meter.steps,
        read_lines(directory.evaluations),
        read_lines(directory.proposals),
        [float(x) for x in task.rng.random(3)],
    )


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("search", [queries, in_shares, shared_weights])
def test_killed_at_any_write_and_resumed_is_the_same_search(
    tmp_path: Path, search: Callable[[Task], None], torn: bool
) -> None:
    calm = RunDirectory(tmp_path / "calm")
    calm.path.mkdir()
    task = attempt(calm, search, None, torn)
    assert task is not None
    expected = outcome(calm, task)
    writes = len(expected[2]) + len(expected[3])  # type: ignore[arg-type]
    assert writes > 8
    for dies_at in range(writes + 5):
        directory = RunDirectory(tmp_path / f"killed at {dies_at}")
        directory.path.mkdir()
        tries = 0
        task = None
        while task is None:
            tries += 1
            task = attempt(directory, search, dies_at if tries <= 2 else None, torn)
        assert outcome(directory, task) == expected


class PowerCut:
    """What is on the disk: the content of a file when it was last synced, and the names of files that were renamed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._synced: dict[int, bytes] = {}
        sync = os.fsync

        def synced(descriptor: int) -> None:
            sync(descriptor)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._synced[os.fstat(descriptor).st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

        monkeypatch.setattr(os, "fsync", synced)

    def happens(self, directory: Path) -> None:
        """Leaves of each file what is on the disk."""
        for path in directory.iterdir():
            path.write_bytes(self._synced.get(path.stat().st_ino, b""))


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the file behind a descriptor")
@pytest.mark.parametrize("search", [queries, shared_weights])
def test_a_checkpoint_is_good_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: Callable[[Task], None]
) -> None:
    calm = RunDirectory(tmp_path / "calm")
    calm.path.mkdir()
    expected = outcome(calm, attempt(calm, search, None, torn=False) or pytest.fail("it was killed"))
    writes = len(expected[2]) + len(expected[3])  # type: ignore[arg-type]
    for dies_at in range(0, writes + 5, 3):
        directory = RunDirectory(tmp_path / f"cut at {dies_at}")
        directory.path.mkdir()
        with monkeypatch.context() as patch:
            power = PowerCut(patch)
            patch.setattr(MortalJournal, "close", MortalJournal.break_off)
            if attempt(directory, search, dies_at, torn=False) is not None:
                break
            power.happens(directory.path)
        saved = directory.checkpoint.exists()
        resumed = DiskJournal(directory, Progress(directory.progress, "search"))
        assert (resumed.load() is not None) == saved, "a search that has saved its state begins anew"
        resumed.close()
        task = attempt(directory, search, None, torn=False)
        assert task is not None
        assert outcome(directory, task) == expected


@pytest.mark.parametrize("log", ["evaluations", "proposals"])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_log_that_does_not_reach_its_checkpoint_begins_the_search_from_scratch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: str, kept: int
) -> None:
    calm, directory = RunDirectory(tmp_path / "calm"), RunDirectory(tmp_path / "run")
    for one in (calm, directory):
        one.path.mkdir()
    expected = outcome(calm, attempt(calm, shared_weights, None, torn=False) or pytest.fail("it was killed"))
    assert attempt(directory, shared_weights, 30, torn=False) is None
    assert len(read_lines(getattr(directory, log))) > 1
    write_lines(getattr(directory, log), read_lines(getattr(directory, log))[:kept])
    directory.stopped.mkdir()
    (directory.stopped / "0.npz").write_text("of a training that is in no log")
    task = attempt(directory, shared_weights, None, torn=False)
    assert task is not None
    assert outcome(directory, task) == expected
    assert not directory.stopped.exists()
    assert "the search starts from scratch" in capsys.readouterr().err


@pytest.mark.parametrize("log", ["evaluations", "proposals"])
def test_a_kill_while_it_goes_back_to_scratch_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    """What is left of the logs may not be taken for a search without checkpoints."""
    directory = RunDirectory(tmp_path)
    assert attempt(directory, shared_weights, 30, torn=False) is None
    write_lines(getattr(directory, log), [])

    def killed(*_: object, **__: object) -> None:
        raise Killed

    for name in ("write_lines", "shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(f"harness.run.journal.{name}", killed)
            with pytest.raises(Killed):
                DiskJournal(directory, Progress(directory.progress, "search"))
        assert directory.checkpoint.exists()
    journal = DiskJournal(directory, Progress(directory.progress, "search"))
    assert (journal.load(), journal.replay(0)) == (None, None)
    assert not directory.checkpoint.exists()
    journal.close()


def test_a_replayed_evaluation_is_the_logged_one_to_the_last_bit(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    logged = Evaluation("toy:1", 0.1 + 0.2, (1 / 3, 0.1 + 0.2), 1e-7, 5, "a reason")
    journal = DiskJournal(directory, Progress(directory.progress, "search"))
    journal.evaluated(0, logged, 5.0)
    journal.close()
    resumed = DiskJournal(directory, Progress(directory.progress, "search"))
    assert resumed.replay(0) == logged
    assert resumed.replay(1) is None
    resumed.close()


def test_what_an_interrupted_attempt_has_evaluated_beyond_the_budget_is_dropped(tmp_path: Path) -> None:
    """In a budget of seconds a method's own time counts, and the last attempt may come less far than one before."""
    directory, clock = RunDirectory(tmp_path), iter(range(10_000))

    def attempt(budget: str) -> Task:
        journal = DiskJournal(directory, Progress(directory.progress, "search"))
        task = make_task(SPACE, budget, journal=journal, clock=lambda: float(next(clock)))  # type: ignore[arg-type]
        with contextlib.suppress(BudgetSpent):
            while True:
                task.evaluate([SPACE.sample(task.rng)])
        journal.close(len(task.evaluations))
        return task

    assert len(attempt("100s").evaluations) > len(attempt("40s").evaluations) > 1
    rows = read_lines(directory.evaluations)
    assert len(rows) == len(attempt("40s").evaluations)


@pytest.mark.parametrize("nonsense", [42, None, "cell:x", object()])
def test_nonsense_cannot_be_proposed(tmp_path: Path, nonsense: object) -> None:
    journal = DiskJournal(RunDirectory(tmp_path), Progress(tmp_path / "progress.json", "search"))
    with pytest.raises(TypeError, match="is no Genotype, KerasConfig or Ensemble"):
        journal.proposed(nonsense, 0.5, 1.0, False)  # type: ignore[arg-type]
    journal.proposed(KerasConfig("net", "{}"), None, 1.0, False)
    journal.close()
    assert [row["genotype"] for row in read_lines(tmp_path / "proposals.jsonl")] == ["keras:net"]


def test_times_add_up_over_attempts_of_a_phase_and_not_over_phases(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text('{"phase": "search", "share": 0.5, "words": "", "seconds": 100.0, "cpu_seconds": 50.0}')
    again = Progress(path, "search").times()
    assert 100 <= again["seconds"] < 110
    assert 50 <= again["cpu_seconds"] < 60
    assert Progress(path, "final").times()["seconds"] < 10


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        '"search"',
        "{}",
        '{"phase": "search"}',
        '{"phase": "search", "seconds": null, "cpu_seconds": 1}',
        '{"phase": "search", "seconds": NaN, "cpu_seconds": 1}',
        '{"phase": "search", "seconds": -5, "cpu_seconds": 1}',
        '{"phase": "search", "seconds": 1%s, "cpu_seconds": 1}' % ("0" * 400),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_times_that_cannot_be_read_count_as_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    """They are no reason for a search of hours to fail."""
    path = tmp_path / "progress.json"
    path.write_text(damaged, encoding="utf-8", errors="surrogateescape")
    progress = Progress(path, "search")
    assert 0 <= progress.times()["seconds"] < 10
    assert "progress.json cannot be used" in capsys.readouterr().err
    progress.tell(0.1, "first")
    assert read_json(path)["words"] == "first"


def test_progress_is_written_at_most_twice_a_second(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress(path, "search")
    progress.tell(0.1, "first")
    progress.tell(0.2, "second")
    assert read_json(path)["words"] == "first"


@pytest.mark.parametrize("journal", ["disk", "table"])
def test_a_search_that_proposes_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    """Proposals cost no budget."""
    monkeypatch.setattr("harness.run.journal.MOST_LOGGED", 2000)
    directory = RunDirectory(tmp_path)
    made = TableJournal(directory) if journal == "table" else DiskJournal(directory, Progress(directory.progress, "s"))
    proposal = SPACE.sample(np.random.default_rng(0))
    count = 0

    def propose() -> None:
        nonlocal count
        while count < 10_000:
            made.proposed(proposal, 0.5, 0.0, True)
            count += 1

    with pytest.raises(Failure, match="has logged more than"):
        propose()
    made.close()
    assert 0 < len(read_lines(directory.proposals)) == count
    assert directory.proposals.stat().st_size <= 2000
