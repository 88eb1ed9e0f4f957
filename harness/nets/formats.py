"""A trained model as a file for use elsewhere, with the names of its classes inside."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

LABELS = "labels.txt"
"""The class names inside a file, one a line in label order."""
_OPSET = 18  # the newest of tf2onnx 1.17


def write(model: keras.Model, classes: Sequence[str], path: Path, form: str) -> None:
    """Writes a model of stock layers.

    A ``.keras`` file is a zip archive. A ``.tflite`` file may have one at its end, which is how the format carries
    files; interpreters do not look there. A ``.onnx`` file has an entry in its metadata.

    Args:
        model: from images with values 0..255 to probabilities.
        classes: names in label order; they go into the file.
        path: where to, with the ending of the format.
        form: ``keras``, ``tflite``, or ``onnx``, which needs the packages onnx and tf2onnx.
    """
    # A line break in a name would make two classes of it.
    names = "".join(f"{' '.join(name.split())}\n" for name in classes)
    if form == "onnx":
        _write_onnx(model, names, path)
        return
    if form == "tflite":
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    else:
        model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS, names)


def _write_onnx(model: keras.Model, names: str, path: Path) -> None:
    """Converts a graph whose variables and constants are written into it: else each of them becomes an input."""
    import onnx
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    image = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")
    traced = tf.function(lambda image: model(image, training=False), input_signature=[image], autograph=False)
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())
    inside = {frozen.inputs[0].name: "image", frozen.outputs[0].name: "probabilities"}
    converted, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[frozen.inputs[0].name],
        output_names=[frozen.outputs[0].name],
        opset=_OPSET,
    )
    graph = converted.graph
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output):
        value.name = inside[value.name]
    onnx.helper.set_model_props(converted, {LABELS: names})
    onnx.checker.check_model(converted)
    onnx.save(converted, path)
