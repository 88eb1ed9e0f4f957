"""Exported files: formats, class names, refusals."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.commands.export import export
from harness.core.errors import InputError
from harness.core.space import Size
from harness.nets.build import build_model
from harness.nets.export import plain
from harness.run.store import RunDirectory, write_json
from harness.spaces import get_space

NAMES = ["T-shirt", "bag\nof two lines", "ß"]


pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning"),
]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """What a finished run has left, untrained."""
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    space = get_space("cell-1")
    genotype = space.sample(np.random.default_rng(0))
    model = build_model(genotype, space, Size(4, 2), (8, 8, 1), 3, seed=0)
    model.save(directory.model)
    write_json(directory.final, {"mean": [100.0], "std": [50.0], "classes": NAMES})
    return directory


def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (1, 8, 8, 1)).astype(np.float32)


def expected(run: RunDirectory) -> np.ndarray:
    from harness.nets.runtime import load

    return plain(load(run.model), [100.0], [50.0]).predict(images(), verbose=0)


def labels(path: Path) -> list[str]:
    return zipfile.ZipFile(path).read("labels.txt").decode().splitlines()


def test_keras_has_the_names_and_says_the_same(run: RunDirectory, tmp_path: Path) -> None:
    export(run.path, tmp_path / "net.keras")
    found = keras.models.load_model(tmp_path / "net.keras").predict(images(), verbose=0)
    assert found == pytest.approx(expected(run), abs=1e-6)
    assert labels(tmp_path / "net.keras") == ["T-shirt", "bag of two lines", "ß"]


def test_tflite_has_the_names_and_says_the_same(run: RunDirectory, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    export(run.path, path, "tflite")
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images())
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found == pytest.approx(expected(run), abs=1e-5)
    assert len(labels(path)) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the converter's and the checker's own
def test_onnx_has_the_names_and_says_the_same(run: RunDirectory, tmp_path: Path) -> None:
    for package in ("onnx", "tf2onnx"):
        pytest.importorskip(package, reason="not installed: the extra 'onnx'")
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    export(run.path, path)
    session = runtime.InferenceSession(str(path))
    assert [value.name for value in session.get_inputs()] == ["image"]
    both = np.concatenate([images(), images()])
    [found] = session.run(["probabilities"], {"image": both})
    assert found == pytest.approx(np.concatenate([expected(run)] * 2), abs=1e-5)
    names = session.get_modelmeta().custom_metadata_map["labels.txt"].splitlines()
    assert names == ["T-shirt", "bag of two lines", "ß"]


def test_without_its_packages_onnx_is_one_sentence(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for form in ("", "onnx"):
        with pytest.raises(InputError, match=r"needs the package onnx and tf2onnx; install .*\[onnx\]"):
            export(run.path, tmp_path / "net.onnx", form)
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(("stored", "absent"), [({"mean": [1.0]}, "std"), ({}, "mean and std")])
def test_a_run_that_does_not_say_how_its_images_are_scaled_is_one_sentence(
    tmp_path: Path, stored: dict[str, object], absent: str
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    directory.model.touch()
    write_json(directory.final, stored)
    with pytest.raises(InputError, match=rf"final\.json lacks {absent} of the images; do the run again"):
        export(directory.path, tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("name", "form", "sentence"),
    [
        ("net.h5", "", r"\.keras or \.tflite or \.onnx"),
        ("net", "", r"\.keras or \.tflite or \.onnx"),
        ("net.keras", "tflite", r"end in \.tflite"),
        ("net.keras", "onnx", r"end in \.onnx"),
        ("net.keras", "torch", "no format"),
        ("nowhere/net.keras", "", "no directory"),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, name: str, form: str, sentence: str) -> None:
    """Said before the model, which is none here, is read."""
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    directory.model.touch()
    directory.final.touch()
    with pytest.raises(InputError, match=sentence):
        export(directory.path, tmp_path / name, form)
