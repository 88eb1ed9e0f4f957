"""Nodes of a Ray cluster as processes of this machine, killed in turn: ``python -m benchmarks.cluster DIRECTORY``.

The same comparison is made by the local back end, in ``DIRECTORY/local``, and on a cluster, in ``DIRECTORY/cluster``,
while slots, nodes, the command and the head are killed (SIGKILL) one after the other. A killed command, and one whose
head is gone, is given again. Then both are compared, record by record (:mod:`benchmarks.records`). Without ``--kills``
the difference in wall time is the cluster's overhead. What is done is kept: a directory that is there is gone on with.
A node has one core, so ``--run "... --children 2 --workers 1"`` has children of one search on two nodes. With
``--local`` the local back end is given other options than the cluster: without children, say.

Ray's own test cluster is used: https://docs.ray.io/en/latest/ray-core/examples/testing-tips.html
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.records import compared

KINDS = ("slot", "node", "command", "slot", "head")
"""What is killed, in turn. The head is the command's machine: Ray's head node, all others and the command go."""
STORE = 200 * 2**20
"""Bytes of a node's object store."""
ATTEMPTS = 5
"""Times that a node is started, on a machine that has much else to do."""


class Nodes:
    """A cluster on this machine: a head without cores, and nodes with one core each.

    Args:
        many: nodes besides the head.
    """

    def __init__(self, many: int) -> None:
        self._many = many
        self.start()

    def start(self) -> None:
        """Starts the head and all nodes."""
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self._cluster: Any = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.address: str = self._cluster.address
        for _ in range(self._many):
            self.add()

    def add(self) -> None:
        """One more node."""
        _patiently(lambda: self._cluster.add_node(num_cpus=1, object_store_memory=STORE))

    def slots(self) -> list[int]:
        """Processes of slots, those that wait for a call included."""
        raylets = {
            one.process.pid for node in self._cluster.list_all_nodes() for one in node.all_processes.get("raylet", ())
        }
        return [pid for pid, parent, words in _processes() if parent in raylets and words.startswith("ray::Slot")]

    def lose(self, chance: random.Random) -> None:
        """Kills a node with all that runs on it, and starts another one."""
        self._cluster.remove_node(chance.choice(sorted(self._cluster.worker_nodes, key=id)), allow_graceful=False)
        self.add()

    def stop(self) -> None:
        """Kills all of it."""
        for node in list(self._cluster.worker_nodes):
            self._cluster.remove_node(node, allow_graceful=False)
        self._cluster.remove_node(self._cluster.head_node, allow_graceful=False)


def _patiently(start: Callable[[], Any]) -> Any:
    """Starts a node, several times if need be.

    Raises:
        Exception: Ray's own, for a node that has taken more than half a minute.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Exception):
            return start()
    return start()


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, parent and command line of every process."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            yield int(path.name), parent, (path / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue


def started(words: Sequence[str], out: Path, log: Path, address: str = "") -> subprocess.Popen[bytes]:
    """The command, with its output in a file."""
    where = ["--backend", "ray", "--address", address] if address else []
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", "run", *words, "--out", str(out), *where], stdout=file, stderr=file
        )


def killing(nodes: Nodes, words: Sequence[str], out: Path, log: Path, kills: int, pause: float) -> dict[str, int]:
    """Makes the comparison on a cluster under kills, each some time after the last one; what was killed how often."""
    chance, done = random.Random(0), dict.fromkeys(KINDS, 0)
    command = started(words, out, log, nodes.address)
    due = time.monotonic() + chance.uniform(0.5, 1.5) * pause
    while True:
        code = command.poll()
        if code == 0 or (code == 1 and sum(done.values()) >= kills):
            return done
        if code is not None:  # it was not killed here: its cluster may have gone while it looked for it
            print(f"the command ended with {code}; given again", flush=True)
            command = started(words, out, log, nodes.address)
        if time.monotonic() < due or sum(done.values()) >= kills:
            time.sleep(0.2)
            continue
        kind = KINDS[sum(done.values()) % len(KINDS)]
        if _kill(kind, nodes, command, chance):
            done[kind] += 1
            print(f"kill {sum(done.values())}: {kind}", flush=True)
        if kind in ("command", "head"):
            command = started(words, out, log, nodes.address)
        due = time.monotonic() + chance.uniform(0.5, 1.5) * pause


def _kill(kind: str, nodes: Nodes, command: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Kills something; whether there was anything to kill."""
    if kind == "slot":
        slots = nodes.slots()
        if slots:
            os.kill(chance.choice(slots), signal.SIGKILL)
        return bool(slots)
    if kind == "node":
        nodes.lose(chance)
        return True
    command.kill()
    command.wait()
    if kind == "head":
        nodes.stop()
        nodes.start()
    return True


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--pause", type=float, default=30.0, help="seconds between two kills, in the mean")
    parser.add_argument("--run", default="--profile smoke --methods all --datasets toy", help="options of the command")
    parser.add_argument("--local", default="", help="those of the local command, if they are others")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    local, cluster = options.directory / "local", options.directory / "cluster"
    words = options.run.split()
    words += [] if "--workers" in words else ["--workers", str(options.nodes)]
    alone = options.local.split() if options.local else words

    began = time.monotonic()
    if started(alone, local, options.directory / "local.log").wait() not in (0, 1):
        sys.exit(f"the local command has failed; see {options.directory / 'local.log'}")
    print(f"local: {time.monotonic() - began:.1f} s", flush=True)
    nodes = Nodes(options.nodes)
    try:
        began = time.monotonic()
        done = killing(nodes, words, cluster, options.directory / "cluster.log", options.kills, options.pause)
        print(f"cluster: {time.monotonic() - began:.1f} s; killed: {done}", flush=True)
    finally:
        nodes.stop()
    records, differences = compared(local, cluster)
    print(f"{records} records, {len(differences)} differences", *differences, sep="\n")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
