"""A trained model as a file for use elsewhere, with the names of its classes inside."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

LABELS = "labels.txt"
"""The class names inside a file, one a line in label order."""


def write(model: keras.Model, classes: Sequence[str], path: Path, form: str) -> None:
    """Writes a model of stock layers.

    A ``.keras`` file is a zip archive. A ``.tflite`` file may have one at its end, which is how the format carries
    files; interpreters do not look there.

    Args:
        model: from images with values 0..255 to probabilities.
        classes: names in label order; they go into the file.
        path: where to, with the ending of the format.
        form: ``keras`` or ``tflite``.
    """
    if form == "tflite":
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    else:
        model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        # A line break in a name would make two classes of it.
        archive.writestr(LABELS, "".join(f"{' '.join(name.split())}\n" for name in classes))
