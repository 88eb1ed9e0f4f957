"""The trained network of a run as a file for use elsewhere."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import InputError
from harness.core.files import replacing
from harness.run.store import RunDirectory, read_json


def export(run: Path, file: Path) -> None:
    """Writes a ``.keras`` model of stock layers, from images with values 0..255 to class probabilities.

    Raises:
        InputError: the run has no trained network, or ``file`` has another ending or cannot be written.
    """
    directory = RunDirectory(run)
    if file.suffix != ".keras":
        raise InputError(f"the model's file has to end in .keras, not like {file}")
    if not directory.model.exists() or not directory.final.exists():
        raise InputError(f"there is no trained network in {run}; name the directory of one run, down to its seed")
    if not file.absolute().parent.is_dir():
        raise InputError(f"there is no directory {file.absolute().parent} to write the model into")
    facts = read_json(directory.final)
    from harness.nets.export import plain
    from harness.nets.runtime import load

    with replacing(file) as new:
        plain(load(directory.model), facts["mean"], facts["std"]).save(new)
