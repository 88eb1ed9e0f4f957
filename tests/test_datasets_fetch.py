"""Fetching: sources in turn, checksums, nothing half under a final name."""

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets_on_disk import files, photo
from harness.datasets.common import fetch as fetching
from harness.datasets.common.fetch import Source, SourceError, bring, run_tool, staging_directory

from harness.commands.fetching import fetch
from harness.core.errors import InputError
from harness.core.home import CHECKOUT
from harness.plugins.catalogue import Catalogue

CONTENT = {"a.bin": b"first", "b.bin": b"second"}
MD5 = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}


def writes(content: dict[str, bytes]) -> Callable[[Path], None]:
    def stage(directory: Path) -> None:
        for name, data in content.items():
            (directory / name).write_bytes(data)

    return stage


def breaks(directory: Path) -> None:
    raise SourceError("no network")


WHOLE = {f"set/{name}": content for name, content in CONTENT.items()}


def test_first_source_that_works(tmp_path: Path) -> None:
    said: list[str] = []
    sources = [Source("one", breaks), Source("two", writes(CONTENT)), Source("three", breaks)]
    bring(tmp_path / "set", MD5, sources, said.append)
    assert files(tmp_path) == WHOLE
    assert any("one did not work: no network" in line for line in said)
    assert not any("three" in line for line in said)


def test_intact_files_are_left_alone(tmp_path: Path) -> None:
    bring(tmp_path / "set", MD5, [Source("one", writes(CONTENT))], print)
    bring(tmp_path / "set", MD5, [Source("two", breaks)], print)
    assert files(tmp_path) == WHOLE


def test_a_fetch_that_waits_for_another_one_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    with staging_directory(tmp_path) as first:
        waits = threading.Thread(
            target=bring, args=(tmp_path / "set", MD5, [Source("one", writes(CONTENT))], said.append), daemon=True
        )
        waits.start()
        until = time.monotonic() + 30
        while not said and time.monotonic() < until:
            time.sleep(0.02)
        assert said == [f"another fetch is at work in {tmp_path}; waiting for its end"]
        assert first.is_dir()
    waits.join(30)
    assert files(tmp_path) == WHOLE


def test_damaged_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.bin").write_bytes(b"fir")
    bring(tmp_path / "set", MD5, [Source("one", writes(CONTENT))], print)
    assert files(tmp_path) == WHOLE


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"a.bin": b"first"}, "b.bin is not there"), ({**CONTENT, "b.bin": b"forged"}, "b.bin has the MD5")],
)
def test_incomplete_or_forged_source(tmp_path: Path, content: dict[str, bytes], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        bring(tmp_path / "set", MD5, [Source("one", writes(content)), Source("two", breaks)], print)
    for part in (reason, "two: no network", str(tmp_path / "set"), "a.bin, b.bin"):
        assert part in str(caught.value)
    assert files(tmp_path) == {}


def test_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="HARNESS_DATA"):
        bring(tmp_path / "file" / "set", MD5, [Source("one", writes(CONTENT))], print)


def test_killed_fetch_leaves_nothing(tmp_path: Path) -> None:
    """kill -9 in the middle of a source: no file of the set, and the next fetch clears up and succeeds."""
    program = (
        "import sys, time, pathlib\n"
        "from harness.datasets.common.fetch import Source, bring\n"
        "def stage(directory):\n"
        "    (directory / 'a.bin').write_bytes(b'fir')\n"
        "    print('staged', flush=True)\n"
        "    time.sleep(60)\n"
        f"bring(pathlib.Path(sys.argv[1]), {MD5!r}, [Source('slow', stage)], lambda line: None)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "set")]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"staged\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "set").exists()
    assert files(tmp_path)  # the left-overs
    bring(tmp_path / "set", MD5, [Source("one", writes(CONTENT))], print)
    assert files(tmp_path) == WHOLE


def test_tools_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no-such-tool is not installed"):
        run_tool(["no-such-tool"], tmp_path)
    with pytest.raises(SourceError, match="last words"):
        run_tool(["sh", "-c", "echo first >&2; echo last words >&2; exit 3"], tmp_path)
    with pytest.raises(SourceError, match="sh exited with 3"):
        run_tool(["sh", "-c", "exit 3"], tmp_path)
    monkeypatch.setattr(fetching, "_TOOL_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(SourceError, match="longer than"):
        run_tool(["sh", "-c", "exec sleep 60"], tmp_path)
    assert time.monotonic() - start < 20


REPAIRABLE = '''
"""Images whose file may be damaged; a plug-in."""
import numpy as np
from harness import Dataset, DatasetSource, InputError


def load(root):
    if (root / "mine.txt").read_text() != "good":
        raise InputError("mine.txt is damaged; bring it again with: python -m harness fetch mine")
    x, y = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 2
    return Dataset("mine", x, y, x, y, ("a", "b"), mean=(0.0,), std=(1.0,))


def bring(root, say):
    (root / "mine.txt").write_text("good")


DATASET = DatasetSource(
    name="mine",
    summary="damaged or not",
    load=load,
    missing=lambda root: None if (root / "mine.txt").is_file() else "mine.txt is not there",
    fetch=bring,
    hidden=lambda root: (),
)
'''


def test_what_is_there_and_does_not_load_is_brought_again(tmp_path: Path) -> None:
    """The advice of a set that finds its files damaged is a command that mends them."""
    plugin, said = tmp_path / "mine.py", list[str]()
    plugin.write_text(REPAIRABLE)
    (tmp_path / "mine.txt").write_text("of another set")
    fetch(["mine"], Catalogue((plugin,)), tmp_path, said.append)
    assert (tmp_path / "mine.txt").read_text() == "good"
    assert said == ["mine is here"]
    hopeless = tmp_path / "other" / "mine.py"
    hopeless.parent.mkdir()
    hopeless.write_text(REPAIRABLE.replace('write_text("good")', 'write_text("still bad")'))
    (tmp_path / "mine.txt").write_text("of another set")
    with pytest.raises(InputError, match=r"not complete: mine\.txt is damaged"):
        fetch(["mine"], Catalogue((hopeless,)), tmp_path, said.append)


def test_a_folder_is_loaded_which_says_what_is_in_it_or_what_is_wrong(tmp_path: Path) -> None:
    for number, name in enumerate(("cat/1", "cat/2", "dog/1", "dog/2")):
        photo(tmp_path / "train" / f"{name}.png", number)
    said: list[str] = []
    fetch([f"folder:{tmp_path}"], Catalogue(), tmp_path, said.append)
    assert f"folder:{tmp_path} is here (" in said[0]
    assert "2 images to train on" in said[0]
    (tmp_path / "train/dog/2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png cannot be read as an image"):
        fetch([f"folder:{tmp_path}"], Catalogue(), tmp_path, said.append)
    assert len(said) == 1
