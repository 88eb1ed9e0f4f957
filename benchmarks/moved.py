"""What a Ray cluster moves of arrays that many calls read: ``python -m benchmarks.moved HOST:6379 [MiB] [CALLS]``.

Run on the head, on a cluster of several machines (or network namespaces): calls that read the same file are worked off,
and the bytes that this machine's network interfaces have sent meanwhile are printed per call, with the seconds of each.
A file that is moved once per node is sent by the first call of each other node, and by no later one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from harness.run.backends import make_backend
from harness.run.backends.base import Call, Item, Outcome, Tell


def reads(path: Path, tell: Tell) -> Outcome:
    """Looks whether the whole file is there."""
    size = path.stat().st_size
    time.sleep(1.0)  # or one slot works all calls off
    return Outcome("ok", str(size))


def sent() -> int:
    """Bytes that all interfaces but the loopback have sent."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return sum(int(line.split(":")[1].split()[8]) for line in lines if not line.strip().startswith("lo:"))


def main() -> None:
    """See the module."""
    from benchmarks.moved import reads as function  # as a node finds it

    address, size, calls = sys.argv[1], *map(int, (*sys.argv[2:], *("500", "6")[len(sys.argv) - 2 :]))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        data = out / "prepared" / "x_train.npy"
        data.parent.mkdir()
        data.write_bytes(os.urandom(size * 2**20))
        with contextlib.closing(make_backend("ray", out, address)) as backend:
            for number in range(calls):
                home = out / str(number)
                home.mkdir()
                before, began = sent(), time.monotonic()
                item = Item(data, home, (data,))
                handle = backend.submit(Call("search", function, (item,), (), 300.0, 8.0, 1, False))
                other = home.with_name(f"{number} beside")  # so that both nodes are at work
                other.mkdir()
                beside = backend.submit(
                    Call("search", function, (Item(data, other, (data,)),), (), 300.0, 8.0, 1, False)
                )
                while not (handle.outcomes and beside.outcomes):
                    backend.wait(1.0)
                assert all(one.outcomes[0].reason == str(size * 2**20) for one in (handle, beside)), handle.outcomes
                nodes = ", ".join(one.where for one in (handle, beside))
                moved, took = (sent() - before) / 2**20, time.monotonic() - began
                print(f"calls {2 * number + 1} and {2 * number + 2}: {moved:.1f} MiB sent, {took:.1f} s; {nodes}")


if __name__ == "__main__":
    main()
