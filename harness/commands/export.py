"""The trained network of a run as a file for use elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from harness.commands.outputs import check_output
from harness.core.errors import InputError
from harness.core.files import replacing
from harness.run.store import RunDirectory, read_json

FORMATS = ("keras", "tflite", "onnx")
_ONNX = ("onnx", "tf2onnx")
"""Packages that ONNX needs."""


def export(run: Path, file: Path, form: str = "") -> None:
    """Writes a model of stock layers, from images with values 0..255 to class probabilities.

    Args:
        run: directory of one run.
        file: where to write it.
        form: one of :data:`FORMATS`; empty: by the file's ending.

    Raises:
        InputError: the run has no trained network, ``file`` has another ending, is among the results of runs or cannot
            be written, there is no such format, or a package that it needs is missing.
    """
    directory = RunDirectory(run)
    form = _format(file, form)
    if not directory.model.exists() or not directory.final.exists():
        raise InputError(f"there is no trained network in {run}; name the directory of one run, down to its seed")
    path = check_output(file, [f".{form}"])
    facts = read_json(directory.final)
    if absent := [name for name in ("mean", "std") if name not in facts]:
        raise InputError(f"{directory.final} lacks {' and '.join(absent)} of the images; do the run again")
    from harness.nets.export import plain
    from harness.nets.formats import write
    from harness.nets.runtime import load

    with replacing(path) as new:
        write(plain(load(directory.model), facts["mean"], facts["std"]), facts.get("classes", ()), new, form)


def _format(file: Path, form: str) -> str:
    if form and form not in FORMATS:
        raise InputError(f"'{form}' is no format to export to; there are {', '.join(FORMATS)}")
    wanted = form or file.suffix[1:]
    if wanted not in FORMATS or file.suffix != f".{wanted}":
        endings = f".{form}" if form else " or ".join(f".{name}" for name in FORMATS)
        raise InputError(f"the model's file has to end in {endings}, not like {file}")
    if wanted == "onnx" and (absent := [name for name in _ONNX if importlib.util.find_spec(name) is None]):
        raise InputError(f"ONNX needs the package {' and '.join(absent)}; install it with: pip install '.[onnx]'")
    return wanted
