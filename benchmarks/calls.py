"""What a Ray cluster costs: ``python -m benchmarks.calls HOST:6379|auto [MiB] [CALLS]``, on the head.

First, calls that do nothing, with TensorFlow, one after the other on a warm slot: seconds of each on the local back end
and on the cluster, in turn; a run on images is two such calls. Then, on a cluster of several machines (or network
namespaces), calls that read the same file: the bytes that this machine's network interfaces have sent meanwhile. A file
that is moved once per node is sent for the first call of each other node, and for no later one.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.run.backends import make_backend
from harness.run.backends.base import Backend, Call, Item, Outcome, Tell


def reads(path: Path, tell: Tell) -> Outcome:
    """Looks whether the whole file is there."""
    size = path.stat().st_size
    time.sleep(1.0)  # or one slot works all calls off
    return Outcome("ok", str(size))


def nothing(value: None, tell: Tell) -> Outcome:
    """Does nothing."""
    return Outcome("ok")


def seconds_of_a_call(backend: Backend, home: Path, function: Callable[[Any, Tell], Outcome]) -> float:
    """From the call to its end, of a call with TensorFlow."""
    home.mkdir(exist_ok=True)
    began = time.monotonic()
    handle = backend.submit(Call("search", function, (Item(None, home),), (), 300.0, 8.0, 1, True))
    while handle not in backend.wait(1.0):
        pass
    assert handle.outcomes == (Outcome("ok"),), handle.outcomes
    return time.monotonic() - began


def compare(cluster: Backend, out: Path, function: Callable[[Any, Tell], Outcome], calls: int) -> None:
    """Prints what a call takes here and there."""
    with contextlib.closing(make_backend("local", out)) as local:
        took: dict[str, list[float]] = {"local": [], "cluster": []}
        for _ in range(calls + 1):
            for name, backend in (("local", local), ("cluster", cluster)):
                took[name].append(seconds_of_a_call(backend, out / f"{name} call", function))
        for name, each in took.items():
            print(f"{name}: first call {each[0]:.2f} s, then {statistics.median(each[1:]):.2f} s (median of {calls})")


def sent() -> int:
    """Bytes that all interfaces but the loopback have sent."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return sum(int(line.split(":")[1].split()[8]) for line in lines if not line.strip().startswith("lo:"))


def main() -> None:
    """See the module."""
    these = importlib.import_module("benchmarks.calls")  # functions as a node finds them
    address, size, calls = sys.argv[1], *map(int, (*sys.argv[2:], *("500", "6")[len(sys.argv) - 2 :]))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        data = out / "prepared" / "x_train.npy"
        data.parent.mkdir()
        data.write_bytes(os.urandom(size * 2**20))
        with contextlib.closing(make_backend("ray", out, address)) as backend:
            compare(backend, out, these.nothing, 10)
            for number in range(calls):
                home = out / str(number)
                home.mkdir()
                before, began = sent(), time.monotonic()
                item = Item(data, home, (data,))
                handle = backend.submit(Call("search", these.reads, (item,), (), 300.0, 8.0, 1, False))
                other = home.with_name(f"{number} beside")  # so that both nodes are at work
                other.mkdir()
                beside = backend.submit(
                    Call("search", these.reads, (Item(data, other, (data,)),), (), 300.0, 8.0, 1, False)
                )
                while not (handle.outcomes and beside.outcomes):
                    backend.wait(1.0)
                assert all(one.outcomes[0].reason == str(size * 2**20) for one in (handle, beside)), handle.outcomes
                nodes = ", ".join(one.where for one in (handle, beside))
                moved, took = (sent() - before) / 2**20, time.monotonic() - began
                print(f"calls {2 * number + 1} and {2 * number + 2}: {moved:.1f} MiB sent, {took:.1f} s; {nodes}")


if __name__ == "__main__":
    main()
