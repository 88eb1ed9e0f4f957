"""The fence, each time in a process of its own because it cannot be taken down."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.home import CHECKOUT as ROOT

_START = """
import importlib, os, pathlib, subprocess, sys
sys.path.insert(0, {root!r})
import harness.datasets.toy
from harness.run.fence import Forbidden, fence
here = pathlib.Path({here!r})
paths = (here / "hidden", here / "one.npy", pathlib.Path({root!r}) / "datasets")
stands = fence(Forbidden(paths, ("harness.datasets",), closed=(here / "runs",), opened=(here / "runs" / "mine",)))
def refused(action):
    try:
        action()
    except PermissionError:
        return
    raise SystemExit("not refused")
"""


_NESTED = """
import os, pathlib, subprocess, sys
sys.path.insert(0, {root!r})
from harness.run.fence import Forbidden, fence
runs = pathlib.Path({here!r}) / "runs"
inner = runs / "mine" / "secret"
stands = fence(Forbidden((), (), closed=(runs, inner), opened=(inner / "open", runs / "mine", runs.parent)))
def refused(action):
    try:
        action()
    except PermissionError:
        return
    raise SystemExit("not refused")
"""


def landlock(version: int = 2) -> bool:
    """Whether this kernel can help."""
    return sys.platform.startswith("linux") and ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= version


def inside(tmp_path: Path, code: str, start: str = _START) -> str:
    """Runs code behind a fence around two of the files in ``tmp_path``; what it prints."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "labels").write_text("secret")
    (tmp_path / "one.npy").write_text("secret")
    (tmp_path / "open.npy").write_text("open")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "hidden" / "labels")
    program = start.format(root=str(ROOT), here=str(tmp_path)) + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hidden_files_cannot_be_opened_by_any_spelling(tmp_path: Path) -> None:
    inside(
        tmp_path,
        "refused(lambda: open(here / 'hidden' / 'labels'))\n"
        "refused(lambda: (here / 'one.npy').read_bytes())\n"
        "refused(lambda: open(here / 'link'))\n"
        "refused(lambda: open(here / 'scratch' / '..' / 'hidden' / 'labels'))\n"
        "refused(lambda: os.open(str(here / 'one.npy'), os.O_RDONLY))\n"
        "refused(lambda: open(os.fsencode(here / 'one.npy')))\n"
        "os.chdir(here / 'hidden')\n"
        "refused(lambda: open('labels'))\n",
    )


def test_what_links_inside_of_a_hidden_directory_point_to_is_hidden(tmp_path: Path) -> None:
    """Test images, or a whole class of them, may be links to files elsewhere, and these to others."""
    store = tmp_path / "store"
    for name in ("images", "class", "deeper"):
        (store / name).mkdir(parents=True)
        (store / name / "a.png").write_text("secret")
    (store / "images" / "open.png").write_text("open")
    (store / "class" / "more").symlink_to(store / "deeper")
    before = (
        "os.symlink(here / 'store' / 'images' / 'a.png', here / 'hidden' / 'a.png')\n"
        "os.symlink(here / 'store' / 'class', here / 'hidden' / 'class')\n"
        "stands = fence("
    )
    inside(
        tmp_path,
        "refused(lambda: open(here / 'hidden' / 'a.png'))\n"
        "files = [here / 'store' / name / 'a.png' for name in ('images', 'class', 'deeper')]\n"
        "for path in files:\n"
        "    refused(lambda: open(path))\n"
        "assert (here / 'store' / 'images' / 'open.png').read_text() == 'open'\n"
        "found = subprocess.run(['cat', *files], capture_output=True).stdout\n"
        "assert found == b'' or stands == 'audit'\n",
        start=_START.replace("stands = fence(", before),
    )


def test_hidden_files_cannot_be_moved_or_linked_out(tmp_path: Path) -> None:
    inside(
        tmp_path,
        "refused(lambda: os.rename(here / 'one.npy', here / 'scratch' / 'x'))\n"
        "refused(lambda: os.link(here / 'one.npy', here / 'scratch' / 'x'))\n"
        "refused(lambda: os.symlink(here / 'one.npy', here / 'scratch' / 'x'))\n",
    )


def test_of_a_closed_directory_only_what_is_opened_can_be_read(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "record.json").write_text(name)
    printed = inside(
        tmp_path,
        "refused(lambda: (here / 'runs' / 'other' / 'record.json').read_text())\n"
        "print((here / 'runs' / 'mine' / 'record.json').read_text())\n"
        "(here / 'runs' / 'mine' / 'new').write_text('new')\n"
        "print((here / 'runs' / 'mine' / 'new').read_text())\n"
        "cat = ['cat', here / 'runs' / 'other' / 'record.json', here / 'runs' / 'mine' / 'record.json']\n"
        "found = subprocess.run(cat, capture_output=True, text=True).stdout\n"
        "assert found == 'mine' or stands == 'audit'\n",
    )
    assert printed.split() == ["mine", "new"]


def test_of_directories_inside_each_other_the_innermost_decides(tmp_path: Path) -> None:
    """A run's directory is open inside the closed one of all runs, which may be inside the open one of the plug-ins."""
    mine = tmp_path / "runs" / "mine"
    (mine / "secret" / "open").mkdir(parents=True)
    for path in (tmp_path / "runs" / "report.html", mine / "a", mine / "secret" / "b", mine / "secret" / "open" / "c"):
        path.write_text(path.name)
    inside(
        tmp_path,
        "refused(lambda: (runs / 'report.html').read_text())\n"
        "refused(lambda: (runs / 'mine' / 'secret' / 'b').read_text())\n"
        "assert (runs / 'mine' / 'a').read_text() == 'a'\n"
        "assert (runs / 'mine' / 'secret' / 'open' / 'c').read_text() == 'c'\n"
        "found = subprocess.run(['grep', '-rh', '.', runs], capture_output=True, text=True).stdout\n"
        "assert set(found.split()) == {'a', 'c'} or stands == 'audit', found\n",
        start=_NESTED,
    )


def test_loaders_cannot_be_imported_again(tmp_path: Path) -> None:
    inside(
        tmp_path,
        "refused(lambda: importlib.import_module('harness.datasets.toy'))\n"
        "refused(lambda: __import__('datasets'))\n"
        "assert not any(name.split('.')[0] == 'datasets' for name in sys.modules)\n",
    )


def test_everything_else_goes_on(tmp_path: Path) -> None:
    printed = inside(
        tmp_path,
        "print((here / 'open.npy').read_text())\n"
        "(here / 'scratch' / 'new').write_text('new')\n"
        "os.rename(here / 'scratch' / 'new', here / 'scratch' / 'newer')\n"
        "print((here / 'scratch' / 'newer').read_text())\n"
        "import harness.spaces, numpy, tempfile\n"
        "print(subprocess.run(['cat', here / 'open.npy'], capture_output=True, text=True).stdout)\n",
    )
    assert printed.split() == ["open", "new", "open"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the event of os.open does not tell enough")
def test_a_path_below_an_open_directory_is_looked_at(tmp_path: Path) -> None:
    inside(
        tmp_path,
        "above = os.open(here, os.O_RDONLY | os.O_DIRECTORY)\n"
        "refused(lambda: os.open('hidden/labels', os.O_RDONLY, dir_fd=above))\n"
        "refused(lambda: os.open('one.npy', os.O_RDONLY, dir_fd=above))\n"
        "os.close(os.open('open.npy', os.O_RDONLY, dir_fd=above))\n"
        "os.chdir(here / 'scratch')\n"
        "os.close(os.open('new', os.O_WRONLY | os.O_CREAT))\n",
    )


@pytest.mark.skipif(not landlock(), reason="this kernel has no Landlock")
def test_the_kernel_refuses_other_programs_and_native_code_too(tmp_path: Path) -> None:
    printed = inside(
        tmp_path,
        "import ctypes\n"
        "print(stands)\n"
        "hidden = [here / 'hidden' / 'labels', here / 'one.npy', here / 'link']\n"
        "cat = subprocess.run(['cat', *hidden], capture_output=True)\n"
        "assert cat.returncode != 0 and cat.stdout == b'', cat\n"
        "subprocess.run(['mv', here / 'one.npy', here / 'scratch' / 'x'])\n"
        "read = subprocess.run(['cat', here / 'scratch' / 'x'], capture_output=True)\n"
        "assert read.stdout == b''\n"
        "libc = ctypes.CDLL(None)\n"
        "assert libc.open(bytes(here / 'hidden' / 'labels'), 0) < 0\n"
        "assert libc.open(bytes(here / 'open.npy'), 0) >= 0\n",
    )
    assert printed.split() == ["audit+landlock"]


LAYERS = ["audit", pytest.param("both", marks=pytest.mark.skipif(not landlock(), reason=""))]
_WRITES = """
import ctypes, os, pathlib, shutil, subprocess, sys
sys.path.insert(0, {root!r})
from harness.run import fence as module
if {audit!r} == "audit":
    module.landlock = lambda *arguments: False
here = pathlib.Path({here!r})
mine, other = here / "mine", here / "other" / "record.json"
stands = module.fence(module.Forbidden((), (), writable=(mine,)))
def refused(action):
    try:
        action()
    except PermissionError:
        return
    raise SystemExit("not refused")
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_is_written_outside_of_a_runs_own_directory(tmp_path: Path, layer: str) -> None:
    """Neither end of a rename or a link, and no file, may be another run's."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(name)
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "other" / "record.json")
    inside(
        tmp_path,
        "refused(lambda: os.replace(mine / 'record.json', other))\n"
        "refused(lambda: os.rename(other, mine / 'theirs'))\n"
        "refused(lambda: os.link(mine / 'record.json', here / 'other' / 'new'))\n"
        "refused(lambda: os.symlink(mine / 'record.json', here / 'other' / 'new'))\n"
        "refused(lambda: other.write_text('forged'))\n"
        "refused(lambda: (mine / 'link').write_text('forged'))\n"
        "refused(lambda: os.open(other, os.O_RDWR))\n"
        "refused(lambda: os.truncate(other, 0))\n"
        "refused(other.unlink)\n"
        "refused(lambda: (here / 'other' / 'new').mkdir())\n"
        "refused(lambda: shutil.rmtree(here / 'other'))\n"
        "fd = os.open(here / 'other', os.O_RDONLY)\n"
        "refused(lambda: os.remove('record.json', dir_fd=fd))\n"
        "if stands != 'audit':\n"
        "    assert ctypes.CDLL(None).unlink(bytes(other)) < 0\n"
        "    assert subprocess.run(['mv', mine / 'record.json', other], capture_output=True).returncode\n"
        "(mine / 'a' / 'b').mkdir(parents=True)\n"
        "(mine / 'a' / 'c').write_text('c')\n"
        "os.replace(mine / 'a' / 'c', mine / 'a' / 'b' / 'd')\n"
        "os.link(mine / 'a' / 'b' / 'd', mine / 'e')\n"
        "(mine / 'e').unlink()\n"
        "(mine / 'link').unlink()\n"
        "shutil.rmtree(mine / 'a')\n"
        "subprocess.run(['true'], stdout=subprocess.DEVNULL, check=True)\n",
        start=_WRITES.replace("{audit!r}", repr(layer)),
    )
    assert (tmp_path / "other" / "record.json").read_text() == "other"
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["record.json"]


@pytest.mark.parametrize("layer", LAYERS)
def test_attributes_of_others_files_are_not_changed(tmp_path: Path, layer: str) -> None:
    """A record that nobody may read any more is lost too, and Landlock does not watch over that."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(name)
    before = (tmp_path / "other" / "record.json").stat()
    inside(
        tmp_path,
        "own = mine / 'record.json'\n"
        "for act in (lambda path: os.chmod(path, 0o400), lambda path: os.utime(path, (1, 1)),\n"
        "            lambda path: os.chown(path, os.getuid(), -1)):\n"
        "    refused(lambda: act(other))\n"
        "    refused(lambda: act(os.open(other, os.O_RDONLY)))\n"
        "    act(own)\n"
        "    act(os.open(own, os.O_RDONLY))\n"
        "refused(lambda: os.chmod(here / 'other', 0))\n"
        "refused(lambda: os.chmod('record.json', 0, dir_fd=os.open(here / 'other', os.O_RDONLY)))\n"
        "if sys.platform == 'linux':\n"
        "    refused(lambda: os.setxattr(other, 'user.told', b'x'))\n"
        "    refused(lambda: os.removexattr(other, 'user.told'))\n",
        start=_WRITES.replace("{audit!r}", repr(layer)),
    )
    after = (tmp_path / "other" / "record.json").stat()
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can tell whom it has started")
@pytest.mark.parametrize("layer", LAYERS)
def test_only_what_a_search_has_started_is_signalled(tmp_path: Path, layer: str) -> None:
    """Clean-up code that ends its process group would end the command and all of its runs."""
    (tmp_path / "mine").mkdir()
    inside(
        tmp_path,
        "import resource, signal\n"
        "above = os.getppid()\n"
        "for act in (lambda: os.kill(above, 0), lambda: os.kill(0, 0), lambda: os.kill(-1, 0),\n"
        "            lambda: os.killpg(0, 0), lambda: os.killpg(os.getpgid(above), 0), lambda: os.kill(1, 0),\n"
        "            lambda: resource.prlimit(above, resource.RLIMIT_CORE, (0, 0)),\n"
        "            lambda: open(f'/proc/{above}/mem', 'rb'),\n"
        "            lambda: signal.pidfd_send_signal(0, 0)):\n"
        "    refused(act)\n"
        "os.kill(os.getpid(), 0)\n"
        "open('/proc/self/mem', 'rb').close()\n"
        "assert resource.prlimit(above, resource.RLIMIT_CORE)\n"
        "words = ['sh', '-c', 'sleep 60 & echo $!; wait']\n"
        "deep = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)\n"
        "os.kill(int(deep.stdout.readline()), signal.SIGTERM)\n"
        "os.killpg(deep.pid, signal.SIGKILL)\n"
        "deep.wait()\n",
        start=_WRITES.replace("{audit!r}", repr(layer)),
    )


@pytest.mark.skipif(not landlock(6), reason="this kernel has no Landlock, or one that lets signals pass")
def test_the_kernel_refuses_signals_of_other_programs_and_native_code_too(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    inside(
        tmp_path,
        "assert ctypes.CDLL(None).kill(os.getppid(), 0) < 0\n"
        "assert subprocess.run(['sh', '-c', f'kill -0 {os.getppid()}'], capture_output=True).returncode\n"
        "assert subprocess.run(['sh', '-c', 'kill -0 $$']).returncode == 0\n",
        start=_WRITES.replace("{audit!r}", "'both'"),
    )


_SERVER = """
import socket, threading
def serve(kind):
    server = socket.socket(socket.AF_INET, kind)
    server.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        server.listen()
    return server
tcp, udp = serve(socket.SOCK_STREAM), serve(socket.SOCK_DGRAM)
socket.create_connection(tcp.getsockname(), 5).close()
"""
_KNOCKS = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_search_has_no_network(tmp_path: Path, layer: str) -> None:
    """Test labels of public data sets are a download away. Pairs of sockets and those that are files stay."""
    (tmp_path / "mine").mkdir()
    start = _WRITES.replace("{audit!r}", repr(layer))
    printed = inside(
        tmp_path,
        "def connect(): socket.create_connection(tcp.getsockname(), 5).close()\n"
        "def send(): socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', udp.getsockname())\n"
        "def message(): socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, udp.getsockname())\n"
        "def offer(): socket.socket().bind(('127.0.0.1', 0))\n"
        "class Lies(socket.socket): family = socket.AF_UNIX\n"
        "def lie(): Lies().connect(tcp.getsockname())\n"
        "for act in (connect, send, message, offer, lie):\n"
        "    refused(act)\n"
        "one, other = socket.socketpair()\n"
        "one.sendall(b'x')\n"
        "assert other.recv(1) == b'x'\n"
        "named = socket.socket(socket.AF_UNIX)\n"
        "os.chdir(mine)\n"
        "named.bind('socket')\n"
        f"knock = subprocess.run([sys.executable, '-c', {_KNOCKS!r}, str(tcp.getsockname()[1])], capture_output=True)\n"
        "print('refused' if knock.returncode else 'heard')\n",
        start=start.replace("stands =", f"{_SERVER}stands ="),
    )
    kernel = layer == "both" and landlock(4)  # older kernels let programs that a search starts speak
    assert printed.split() == ["refused" if kernel else "heard"]


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_is_left_in_shared_memory(tmp_path: Path, layer: str) -> None:
    """It outlives a search, and the search of another seed could read it."""
    (tmp_path / "mine").mkdir()
    inside(
        tmp_path,
        "refused(lambda: open('/dev/shm/harness-test', 'w'))\n"
        "refused(lambda: os.open('/dev/shm/harness-test', os.O_CREAT | os.O_RDWR))\n"
        "shared = os.open('/dev/shm', os.O_PATH)\n"
        "refused(lambda: os.open('harness-test', os.O_CREAT | os.O_RDWR, dir_fd=shared))\n"
        "os.close(shared)\n"
        "refused(lambda: open('/dev/harness-test', 'w'))\n"
        "refused(lambda: os.mkdir('/dev/shm/harness-test'))\n"
        "import multiprocessing\n"
        "multiprocessing.Lock()\n"
        "open('/dev/null', 'w').close()\n",
        start=_WRITES.replace("{audit!r}", repr(layer)),
    )
    assert not Path("/dev/shm/harness-test").exists()
