"""Plug-in files for tests of the run floor: a small data set on disk, and methods that behave well or badly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATASET = '''
"""Bright and dark squares, read from files; the test labels lie in a file of their own."""
import numpy as np
from harness.core.dataset import Dataset, DatasetSource

def load(root):
    part = {name: np.load(root / "squares" / f"{name}.npy") for name in ("x_train", "y_train", "x_test", "y_test")}
    return Dataset("squares", classes=("dark", "bright"), mean=(100.0,), std=(80.0,), crop_padding=0, **part)

DATASET = DatasetSource(
    name="squares",
    summary="two kinds of squares",
    load=load,
    missing=lambda root: None if (root / "squares").is_dir() else "squares is missing; make it",
    fetch=None,
    hidden=lambda root: (root / "squares" / "y_test.npy",),
)
'''

_METHOD = '''
"""{summary}"""
import gc, os, sys
import numpy as np
from dataclasses import dataclass
from harness.core.method import Method

{before}
@dataclass(frozen=True)
class Plugin(Method):
    name = "{name}"
    title = "{title}"
    space = "{space}"
    draws: int = 1

    def search(self, task):
{body}

METHOD = Plugin
'''


def write_method(
    folder: Path, name: str, body: str, *, before: str = "", space: str = "macro-3", title: str = ""
) -> Path:
    """A plug-in whose ``search(self, task)`` has this body."""
    indented = "\n".join(f"        {line}" for line in body.strip().splitlines())
    path = folder / f"{name}.py"
    text = _METHOD.format(
        name=name, title=title or name.title(), space=space, body=indented, before=before, summary=f"Plug-in {name}."
    )
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "task.propose(task.space.sample(task.rng))"


def write_squares(folder: Path, root: Path, *, test_labels: np.ndarray | None = None) -> Path:
    """The plug-in of the data set ``squares``, and its files below ``root``: 120 and 60 images of 8x8.

    ``test_labels``: other labels than those that belong to the images.
    """
    rng = np.random.default_rng(0)
    directory = root / "squares"
    directory.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 120), ("test", 60)):
        y = rng.permutation(np.arange(count, dtype=np.int64) % 2)
        x = (rng.integers(0, 100, (count, 8, 8, 1)) + 120 * y[:, None, None, None]).astype(np.uint8)
        np.save(directory / f"x_{part}.npy", x)
        np.save(directory / f"y_{part}.npy", y if part == "train" or test_labels is None else test_labels)
    path = folder / "squares.py"
    path.write_text(DATASET, encoding="utf-8")
    return path
