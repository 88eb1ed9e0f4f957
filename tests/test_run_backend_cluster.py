"""Calls that travel: what a parcel holds, what a node's slot reports, and, where Ray is installed, a cluster of it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from plugin_files import GOOD, write_method
from test_run_plan import request_for

from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.core.home import PACKAGE
from harness.run.backends import cluster, make_backend, node
from harness.run.backends.arrivals import take_in
from harness.run.backends.base import (
    LOG,
    Backend,
    Call,
    Capacity,
    Handle,
    Item,
    Outcome,
    Position,
    Tell,
    copies,
    locked,
)
from harness.run.backends.joining import check_versions, cores_to_ask_for, spread
from harness.run.backends.node import Facts, Report, Slot
from harness.run.backends.parcels import Packer, unpack
from harness.run.backends.starts import IN_VAIN
from harness.run.plan import make_plan
from harness.run.scheduler import Batch

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra 'ray'")
WRITES = ("count.txt", "answer.txt")


def counts(directory: Path, tell: Tell) -> Outcome:
    """Counts to ten, a number per file write, from where an earlier process was."""
    number = directory / "count.txt"
    for count in range(int(number.read_text()) + 1 if number.exists() else 1, 11):
        new = directory / "count.new"
        new.write_text(str(count))
        new.replace(number)  # a report may come at any moment
        with (directory / "said.jsonl").open("a") as file:
            file.write(f"{count}\n")
        tell(count / 10, f"at {count}")
        time.sleep(0.2)
    print("done counting")
    (directory / "answer.txt").write_text(f"{count} on {directory}")
    return Outcome("ok")


def call_of(directory: Path, function: Callable[[Path, Tell], Outcome] = counts, reads: tuple[Path, ...] = ()) -> Call:
    directory.mkdir(parents=True, exist_ok=True)
    item = Item(directory, directory, reads)
    return Call("search", function, (item,), (*WRITES, "said.jsonl"), 280, 4.0, 1, False)


def test_a_job_is_unpacked_with_the_paths_of_its_node(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    plan = make_plan(request_for(here, methods=("good",), seeds=(0,)))
    [job] = plan.jobs
    job.directory.path.mkdir(parents=True)
    (job.directory.path / "inputs.json").write_text("{}")
    for phase in ("search", "final"):
        call = Batch(phase, (job,)).call()  # type: ignore[arg-type]
        parcel = Packer(plan_root(here)).pack(call)
        [item] = unpack(parcel.call, there).items
        mine = there / "root" / "smoke" / "squares" / "macro-3" / "good" / "0"
        assert item.directory == item.value.directory.path == mine
        assert parcel.directories == (mine.relative_to(there).as_posix(),)
        assert item.value.prepared.directory.is_relative_to(there / "root" / "prepared")
        assert {str(there / path) for path in parcel.reads} == {str(path) for path in item.reads}
        assert set(parcel.own) == {"root/smoke/squares/macro-3/good/0/inputs.json"}
        assert there / "root" in item.value.forbidden.closed, "the results are closed there too"
        assert item.value.forbidden.writable == (mine,)
        assert (item.value.method.file == job.method.file) == (phase == "final"), "methods go to searches"
        labels = [path for path in parcel.reads.values() if "test" in path.name]
        assert [path.name for path in labels] == ([] if phase == "search" else ["x_test.npy"])


def plan_root(directory: Path) -> Path:
    """``--out`` of the plan's request."""
    return directory / "out"


def test_a_plug_in_travels_with_what_it_imports(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "numbers.py").write_text("ONE = 1\n")
    own = write_method(folder, "own", "from parts.numbers import ONE\n" + GOOD)
    request = request_for(tmp_path, methods=("own",), seeds=(0,))
    plan = make_plan(dataclasses.replace(request, plugins=(*request.plugins, own)))
    plan.jobs[0].directory.path.mkdir(parents=True)
    parcel = Packer(plan_root(tmp_path)).pack(Batch("search", plan.jobs).call())
    value = unpack(parcel.call, tmp_path / "there").items[0].value
    there = Path(value.method.file)
    assert there.is_relative_to(tmp_path / "there")
    for path in ("own.py", "parts/__init__.py", "parts/numbers.py"):
        assert (there.parent / path).relative_to(tmp_path / "there").as_posix() in parcel.reads


@pytest.mark.parametrize("error", [InputError("node b has keras 3.14.0"), KeyboardInterrupt()])
def test_a_join_that_fails_lets_the_cluster_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """In a notebook the next command would meet a process that is still connected, and a cluster that still runs."""

    class Ray:
        ended = 0

        def shutdown(self) -> None:
            self.ended += 1

    def refuse(ray: Ray) -> None:
        raise error

    ray = Ray()
    monkeypatch.setattr(cluster.joining, "connected", lambda address: ray)
    monkeypatch.setattr(cluster.joining, "asked", refuse)
    with pytest.raises(type(error)):
        cluster.Cluster(tmp_path)
    assert ray.ended == 1


def test_the_projects_own_code_is_where_a_node_has_it(tmp_path: Path) -> None:
    call = dataclasses.replace(call_of(tmp_path / "run"), items=(Item(PACKAGE / "core", tmp_path / "run"),))
    (item,) = unpack(Packer(tmp_path).pack(call).call, tmp_path / "there").items
    assert item.value == PACKAGE / "core"
    assert b"site-packages" not in Packer(tmp_path).pack(call).call


@pytest.fixture
def slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    monkeypatch.setattr(node, "ground_of", lambda session: tmp_path / session)
    made = Slot("ground")
    yield made
    made._local.close()


def test_a_slot_sends_what_has_changed_and_nothing_twice(tmp_path: Path, slot: Slot) -> None:
    call = call_of(tmp_path / "run")
    (tmp_path / "run" / "count.txt").write_text("4")
    (tmp_path / "run" / "ours").write_text("not the call's")
    parcel = Packer(tmp_path).pack(call)
    slot.start(parcel.call, parcel.directories, parcel.own)
    reports = [slot.report(0.3)]
    while not reports[-1].over:
        reports.append(slot.report(0.3))
    assert reports[-1].outcomes == (Outcome("ok"),)
    assert len(reports) > 2
    seen = [report.files["root/run/count.txt"] for report in reports if "root/run/count.txt" in report.files]
    assert seen[-1] == b"10"
    assert seen == list(dict.fromkeys(seen)), "sent when it has changed"
    assert int(seen[0]) >= 5, "it went on from the file that came along"
    assert {path for report in reports for path in report.files} <= {
        f"root/run/{name}" for name in (*WRITES, "said.jsonl", LOG)
    }
    # The log may have come with an earlier report: what has not changed since is not sent again.
    logs = [report.files[f"root/run/{LOG}"] for report in reports if f"root/run/{LOG}" in report.files]
    assert b"done counting" in logs[-1]
    assert "root/run/answer.txt" in reports[-1].present


def keeps_weights(directory: Path, tell: Tell) -> Outcome:
    """Leaves files in a directory of its own, one of which goes again; and things there that do not travel."""
    kept = directory / "kept"
    kept.mkdir(exist_ok=True)
    before = sorted(path.name for path in kept.iterdir())
    (kept / "2.npz").write_bytes(b"two")
    (kept / "1.npz").unlink(missing_ok=True)
    (kept / "deeper").mkdir()
    (kept / "deeper" / "3.npz").write_bytes(b"three")
    (kept / "link").symlink_to("2.npz")
    (kept / ".99-4.npz").write_bytes(b"half")
    (directory / "answer.txt").write_text(" ".join(before))
    return Outcome("ok")


def test_directories_that_a_call_may_leave_travel_both_ways(tmp_path: Path, slot: Slot) -> None:
    run = tmp_path / "out" / "run"
    call = dataclasses.replace(call_of(run, keeps_weights), writes=("kept", "answer.txt"))
    for name in ("kept", "another"):
        (run / name).mkdir()
        (run / name / "1.npz").write_bytes(b"one")
    (run / "kept" / "link").symlink_to(run / "another" / "1.npz")
    parcel = Packer(tmp_path / "out").pack(call)
    assert set(parcel.own) == {"root/run/kept/1.npz"}, "no link, and no directory that is none of the call's"
    slot.start(parcel.call, parcel.directories, parcel.own)
    over = False
    while not over:
        report = slot.report(0.3)
        take_in(call.writes, {"root/run": run}, report)
        over = report.over
    assert report.outcomes == (Outcome("ok"),)
    assert (run / "answer.txt").read_text() == "1.npz"
    (run / "kept" / "link").unlink()
    assert [(path.name, path.read_bytes()) for path in (run / "kept").iterdir()] == [("2.npz", b"two")]
    assert (run / "another" / "1.npz").exists()


def test_nothing_is_written_through_a_link_that_a_search_has_left(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for directory in (run, elsewhere):
        directory.mkdir()
    (run / "kept").symlink_to(elsewhere)
    (run / "gone").symlink_to(elsewhere)
    files = {"root/run/kept/1.npz": b"one", "root/run/kept/2/3.npz": b"deep", "root/run/record.json": b"no"}
    report = Report(Position(), (), False, files, frozenset(files), "")
    take_in(("kept", "gone"), {"root/run": run}, report)
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.relative_to(run).as_posix() for path in run.rglob("*")) == ["kept", "kept/1.npz"]


def test_arrays_are_fetched_once_per_node(tmp_path: Path, slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[object] = []
    content = np.arange(256, dtype=np.uint8)

    def fetch(reference: object) -> object:
        fetched.append(reference)
        return content

    monkeypatch.setattr(node, "_fetched", fetch)
    other = Slot("ground")
    for one in (slot, other, slot):
        one.keep("root/x.npy", ["a reference"])
    assert fetched == ["a reference"]
    assert (tmp_path / "ground" / "root" / "x.npy").read_bytes() == content.tobytes()


def test_large_files_are_sent_seldom_but_at_the_end(
    tmp_path: Path, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "LARGE", 1)  # from its first line on: a slow machine may not have written a second one
    parcel = Packer(tmp_path).pack(call_of(tmp_path / "run"))
    slot.start(parcel.call, parcel.directories, parcel.own)
    first = slot.report(1.0)
    assert "root/run/said.jsonl" not in first.files
    files, over = dict(first.files), False
    while not over:
        report = slot.report(0.5)
        files, over = files | report.files, report.over  # on a slow machine the tenth report may have all of it
    assert files["root/run/said.jsonl"].split() == [b"%d" % count for count in range(1, 11)]


def test_a_small_file_is_not_sent_before_a_large_one_that_it_may_speak_of(tmp_path: Path, slot: Slot) -> None:
    """A node that is lost in between would leave the result of a network and no network."""
    writes = ("final.checkpoint", "networks", "log.jsonl")
    handle, run, here = SimpleNamespace(call=SimpleNamespace(writes=writes)), tmp_path / "root" / "r", tmp_path / "r"
    slot.ground, slot._directories = tmp_path, ("root/r",)
    (run / "networks").mkdir(parents=True)
    here.mkdir()

    def on_the_head(everything: bool) -> set[str]:
        files, present = slot._changed(handle, everything)  # type: ignore[arg-type]
        take_in(writes, {"root/r": here}, Report(Position(), (), False, files, present, ""))
        return {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}

    (run / "final.checkpoint").write_bytes(b"half way")
    assert on_the_head(everything=False) == {"final.checkpoint"}
    (run / "networks" / "1.keras").write_bytes(bytes(node.LARGE + 1))
    (run / "networks" / "1.json").write_text("{}")
    (run / "log.jsonl").write_text("{}\n")
    (run / "final.checkpoint").unlink()
    assert on_the_head(everything=False) == {"final.checkpoint", "log.jsonl"}, "what a resume needs is not gone either"
    assert on_the_head(everything=True) == {"log.jsonl", "networks/1.keras", "networks/1.json"}
    (run / "networks" / "2.json").write_text("{}")
    assert "networks/2.json" in on_the_head(everything=False), "the large one was sent before"


def test_nodes_with_other_versions_are_refused() -> None:
    mine = Facts("head", "cpu", 0, 2, 0, (("Python", "3.11.7"), ("tensorflow", "2.21.0")))
    check_versions(mine, [mine])
    other = dataclasses.replace(mine, name="b", versions=(("Python", "3.11.7"), ("tensorflow", "2.20.0")))
    with pytest.raises(InputError, match=r"node b has tensorflow 2\.20\.0, this machine has 2\.21\.0"):
        check_versions(mine, [mine, other])
    with pytest.raises(InputError, match="node b has tensorflow not at all"):
        check_versions(mine, [dataclasses.replace(other, versions=(("Python", "3.11.7"),))])


def test_a_slot_asks_for_no_more_cores_than_a_node_has() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e9}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
        {"Alive": True, "Resources": {}},
    ]
    assert [cores_to_ask_for(wanted, nodes) for wanted in (1, 3, 4, 8)] == [1, 3, 4, 4]
    assert cores_to_ask_for(8, nodes[3:]) == 1, "a head that lends no cores"


def helps(directory: Path, question: bytes, own: Path) -> bytes:
    """What a copy of the process would answer, and in which slot; at the second question that is killed, once."""
    number, mark = pickle.loads(question)
    if number == 1 and not Path(mark).exists():
        Path(mark).touch()
        time.sleep(2.0)  # until it was heard of
        os.kill(_slot(), signal.SIGKILL)
        time.sleep(60)
    return pickle.dumps([number**2, _slot()])


@pytest.mark.parametrize(
    ("processes", "threads", "cores", "far"),
    [(2, 1, 2, 0), (4, 1, 2, 2), (64, 1, 8, 56), (3, 2, 4, 1), (3, 4, 2, 2), (1, 4, 2, 0)],
)
def test_processes_for_which_no_node_has_cores_are_on_others(
    tmp_path: Path, processes: int, threads: int, cores: int, far: int
) -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": float(cores)}}, {"Alive": True, "Resources": {"CPU": 1.0}}]
    call = dataclasses.replace(call_of(tmp_path / "run"), processes=processes, threads=threads)
    assert spread(call, nodes) is call, "unless nobody elsewhere could help"
    wide = spread(dataclasses.replace(call, helps=helps), nodes)
    assert wide.far == far
    assert wide.cores == threads * (processes - far)
    assert wide.processes - wide.far >= 1, "the search itself is somewhere"


class Losing:
    """Stands for the module ``ray``: the slot of each start reports once how far its call is, and is lost; the one
    after these ends well.

    Args:
        shares: of the call that are done at each loss.
    """

    class RayError(Exception):
        """Ray's."""

    class RayActorError(RayError):
        """Ray's, of an actor that is gone."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares, self.starts = shares, 0
        self.exceptions = self

    def __call__(self, share: float | None) -> Callable[[], Report]:
        """What a reference to a report leads to."""

        def report() -> Report:
            if share is None:
                return Report(Position(1), (Outcome("ok"),), True, {}, frozenset(), "a node")
            return Report(Position(0, share, "at it"), (), False, {}, frozenset(), "a node")

        return report

    def remote(self, **options: float) -> Callable[[type], Any]:
        return lambda cls: SimpleNamespace(remote=self._actor)

    def _actor(self, session: str) -> Any:
        share = self._shares[self.starts] if self.starts < len(self._shares) else None
        self.starts += 1
        reports = iter([self(share), self._lost])
        words = {"report": lambda seconds: next(reports), "start": lambda *words: lambda: None}
        return SimpleNamespace(**{name: SimpleNamespace(remote=does) for name, does in words.items()})

    def _lost(self) -> Report:
        raise self.RayActorError("its node is gone")

    def get(self, reference: Callable[[], Any]) -> Any:
        return reference()

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return references, []

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 1.0}}]

    def kill(self, actor: Any) -> None:
        """It is gone already."""


@pytest.mark.parametrize(
    ("shares", "starts", "status"),
    [
        ([0.1 * step for step in range(1, 9)], 9, "ok"),
        ([0.1, 0.3, 0.2, 0.3, 0.4, 0.1, 0.0, 0.5], 9, "ok"),
        ([0.4] * 9, 1 + IN_VAIN, "failed"),
        ([0.0] * 9, IN_VAIN, "failed"),
        ([0.1, 0.1, 0.2, 0.1, 0.1, 0.3, 0.3, 0.2, 0.9], 10, "ok"),
        ([0.1, 0.3, 0.2, 0.3, 0.0, 0.1, 0.2, 0.9], 2 + IN_VAIN, "failed"),
    ],
)
def test_losses_in_a_row_after_which_a_call_has_come_no_further_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: list[float], starts: int, status: str
) -> None:
    ray = Losing(shares)
    monkeypatch.setattr(cluster.joining, "installed", lambda: ray)
    backend, call = cluster.Cluster(tmp_path, inside="test"), call_of(tmp_path / "run")
    handle = backend.submit(call)
    ended(backend, [handle])
    [outcome] = handle.outcomes
    assert (ray.starts, outcome.status, handle.losses) == (starts, status, starts - (status == "ok"))
    assert status == "ok" or f"lost its node {IN_VAIN} times without coming further" in outcome.reason
    with locked(call.items[0].directory, 0.0):
        pass


def test_unlike_devices_do_not_compete_at_equal_seconds(tmp_path: Path) -> None:
    mixed = Capacity(workers=2, cores=2, devices=("a card", "another card"))
    make_plan(request_for(tmp_path), mixed)
    from harness.run.profiles import HOUR

    timed = request_for(tmp_path, profile=HOUR)
    with pytest.raises(InputError, match="unlike devices"):
        make_plan(timed, mixed)


def test_a_back_end_that_cannot_be_had_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="has no address"):
        make_backend("local", tmp_path, "auto")
    with pytest.raises(InputError, match="back end"):
        make_backend("slurm", tmp_path)
    if importlib.util.find_spec("ray") is None:
        with pytest.raises(InputError, match=r"pip install '\.\[ray\]'"):
            make_backend("ray", tmp_path)


# --- with Ray -------------------------------------------------------------------------------------------------------


def is_killed_once(directory: Path, tell: Tell) -> Outcome:
    """Its slot is killed in the middle, once: as when a node is lost."""
    if (directory / "count.txt").exists():
        return counts(directory, tell)
    (directory / "count.txt").write_text("6")
    tell(0.6, "at 6")
    time.sleep(3)
    os.kill(_slot(), signal.SIGKILL)
    time.sleep(60)
    return Outcome("failed", "it was not killed")


def _slot() -> int:
    """The process of the slot: the parent of the first ancestor that Ray has not started itself."""
    pid = os.getpid()
    while "ray::" not in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def ended(backend: Backend, handles: list[Handle]) -> None:
    left = list(handles)
    deadline = time.monotonic() + 300
    while left:
        assert time.monotonic() < deadline
        for handle in backend.wait(1.0):
            left.remove(handle)


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray looks once in a process whether it needs a token; some of its clusters have one by default, others do not."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_works_calls_off_and_survives_a_lost_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    data = tmp_path / "elsewhere" / "array.npy"
    data.parent.mkdir()
    data.write_bytes(b"x" * 10_000)
    backend = make_backend("ray", tmp_path / "out")
    try:
        assert backend.capacity.workers >= 1
        calm = backend.submit(call_of(tmp_path / "out" / "calm", reads=(data,)))
        killed = backend.submit(call_of(tmp_path / "out" / "killed", is_killed_once))
        ended(backend, [calm, killed])
        assert calm.outcomes == killed.outcomes == (Outcome("ok"),)
        for handle in (calm, killed):
            directory = handle.call.items[0].directory
            assert (directory / "answer.txt").read_text().startswith("10 on ")
            assert str(tmp_path) not in (directory / "answer.txt").read_text(), "it worked in a ground of its own"
            assert handle.where
        assert (tmp_path / "out" / "killed" / "said.jsonl").read_text().split() == ["7", "8", "9", "10"]
    finally:
        backend.close()


def asks(directory: Path, tell: Tell) -> Outcome:
    """Asks copies of itself, and other nodes."""

    def serve() -> Callable[[Any], Any]:
        def answer(question: tuple[int, str]) -> list[int]:
            time.sleep(1.0)
            return [question[0] ** 2, _slot()]

        return answer

    mark = (directory / "mark.txt").read_text()
    with contextlib.closing(copies(2, serve)) as several:
        questions = [several.ask((number, mark)) for number in range(8)]
        rows = [[*several.answer(question), question.losses, question.lost] for question in questions]
    (directory / "answer.txt").write_text(json.dumps(rows))
    return Outcome("ok")


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_call_has_processes_on_two_nodes_and_one_that_is_lost_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes with a core each: neither has the cores for two processes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), str(ROOT))))
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    backend = make_backend("ray", tmp_path / "out", nodes.address)
    try:
        call = call_of(tmp_path / "out" / "run", asks)
        (tmp_path / "out" / "run" / "mark.txt").write_text(str(tmp_path / "mark"))
        handle = backend.submit(dataclasses.replace(call, processes=2, helps=helps))
        ended(backend, [handle])
        assert handle.outcomes == (Outcome("ok"),)
        rows = json.loads((tmp_path / "out" / "run" / "answer.txt").read_text())
        assert [row[0] for row in rows] == [number**2 for number in range(8)]
        assert rows[0][1] != rows[1][1], "not in the same slot"
        assert [row[2] for row in rows] == [0, 1, 0, 0, 0, 0, 0, 0]
        assert rows[1][3] > 0, "what the lost one has cost"
    finally:
        backend.close()
        nodes.shutdown()


def counts_slowly(directory: Path, tell: Tell) -> Outcome:
    """Counts, three times as long."""
    for _ in range(2):
        time.sleep(2.0)
        tell(0.0, "slowly")
    return counts(directory, tell)


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_calls_of_a_lost_node_go_on_where_others_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes with a core each: when one is lost, its call waits for the other one's core, and then gets its slot."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), str(ROOT))))
    monkeypatch.setattr(cluster, "_STUCK", 1.0)
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    lost, _ = (nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20) for _ in range(2))
    backend = make_backend("ray", tmp_path / "out", nodes.address)
    try:
        handles = [backend.submit(call_of(tmp_path / "out" / name, counts_slowly)) for name in ("a", "b")]
        deadline = time.monotonic() + 200
        while not all(handle.where for handle in handles):
            assert [handle.outcomes for handle in backend.wait(0.5)] == []
            assert time.monotonic() < deadline
        nodes.remove_node(lost, allow_graceful=False)
        ended(backend, handles)
        assert [handle.outcomes for handle in handles] == [(Outcome("ok"),)] * 2
        for name in ("a", "b"):
            said = (tmp_path / "out" / name / "said.jsonl").read_text().split()
            assert said == [str(count) for count in range(1, 11)], "none is lost and none is done twice"
    finally:
        backend.close()
        nodes.shutdown()


class Full(Losing):
    """The first slot works off whatever it gets; the second is lost; there are no cores for any later one."""

    def __init__(self) -> None:
        super().__init__(())
        self.never = lambda: None

    def _actor(self, session: str) -> Any:
        self.starts += 1
        reports = iter({1: [self(None)] * 2, 2: [self(0.5), self._lost]}.get(self.starts, [self.never] * 9))
        words = {"report": lambda seconds: next(reports), "start": lambda *words: lambda: None}
        return SimpleNamespace(**{name: SimpleNamespace(remote=does) for name, does in words.items()})

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        ready = [one for one in references if one is not self.never]
        time.sleep(0 if ready else min(timeout, 0.02))
        return ready, []


def test_a_call_that_has_lost_its_node_gets_an_idle_slot_when_there_are_no_cores_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if no other call is there that might end."""
    ray = Full()
    monkeypatch.setattr(cluster.joining, "installed", lambda: ray)
    monkeypatch.setattr(cluster, "_STUCK", 0.1)
    backend = cluster.Cluster(tmp_path, inside="test")
    first, second = (backend.submit(call_of(tmp_path / name)) for name in "ab")
    ended(backend, [first, second])
    assert [handle.outcomes[0].status for handle in (first, second)] == ["ok", "ok"]
    assert (ray.starts, second.losses) == (3, 1)
