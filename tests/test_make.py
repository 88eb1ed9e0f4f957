"""Steps and merges that only layer graphs have: what they compute, and that they survive the export."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_core_measure import all_steps

from harness import nets
from harness.core.graph import Layers, Merge
from harness.core.home import CHECKOUT
from harness.core.primitives import Conv, Flatten, FloorPool, Primitive, ShakeShortcut, Unpool
from harness.core.seeds import rng
from harness.nets.build import build_architecture
from harness.nets.depthwise import FastDepthwiseConv2D
from harness.nets.export import plain
from harness.nets.fast_layers import FastConv2D, FastCropping2D, FastPooling2D
from harness.nets.layers import BatchDropout, DropPath, Shake
from harness.nets.make import Maker
from harness.nets.norm import FusedBatchNormalization


def applied(step: Primitive, images: np.ndarray) -> np.ndarray:
    image = keras.Input(images.shape[1:])
    return np.asarray(keras.Model(image, Maker(0, drop_path=False).apply((step,), image))(images))


def merged(kind: Merge, *parts: np.ndarray) -> np.ndarray:
    layers, inputs = Layers(), [keras.Input(part.shape[1:]) for part in parts]
    layers.add(0)
    [*_, layer] = layers.graph(layers.add([0, 1], merge=kind)).layers
    return np.asarray(keras.Model(inputs, Maker(0, drop_path=False).node(layer, inputs))(list(parts)))


def noise(*shape: int) -> np.ndarray:
    return rng(0, str(shape)).normal(size=shape).astype(np.float32)


def own_layers() -> set[type[keras.layers.Layer]]:
    """All layers that modules of the floor define."""
    found = set()
    for module in pkgutil.walk_packages(nets.__path__, "harness.nets."):
        for value in vars(importlib.import_module(module.name)).values():
            own = isinstance(value, type) and value.__module__.startswith("harness.nets")
            if own and issubclass(value, keras.layers.Layer):
                found.add(value)
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_every_layer_of_our_own_loads_in_a_process_that_has_not_seen_it(tmp_path: Path) -> None:
    image = keras.Input((6, 6, 2), name="image")
    x = FastConv2D(4, 3, padding="same")(image)
    x = FastDepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = Shake(seed=3)([FusedBatchNormalization()(x), BatchDropout(0.5, seed=5)(DropPath(seed=4)(x))])
    x = FastCropping2D(((0, 1), (0, 1)))(FastPooling2D("avg", 3, (1, 1))(x))
    model = keras.Model(image, x)
    assert {type(layer) for layer in model.layers} >= own_layers(), "name every layer here"
    model.save(tmp_path / "model.keras")
    images = noise(3, 6, 6, 2)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import numpy as np; from pathlib import Path; from harness.nets.runtime import load; "
        f"folder = Path({str(tmp_path)!r}); model = load(folder / 'model.keras'); "
        "np.save(folder / 'found.npy', np.asarray(model(np.load(folder / 'images.npy'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), np.asarray(model(images)), atol=1e-6)


def test_unpooling_puts_zeros_between_pixels() -> None:
    images = noise(2, 3, 5, 4)
    found = applied(Unpool(), images)
    assert found.shape == (2, 6, 10, 4)
    np.testing.assert_array_equal(found[:, ::2, ::2], images)
    assert np.count_nonzero(found) == np.count_nonzero(images)


@pytest.mark.parametrize(
    ("side", "size", "stride"), [(32, 5, 3), (9, 2, 2), (8, 3, 1), (7, 5, 3), (2, 5, 3), (1, 2, 2)]
)
def test_floor_pooling_is_the_maximum_over_whole_windows(side: int, size: int, stride: int) -> None:
    images = noise(2, side, side, 3)
    rows = max(1, (side - size + 1) // stride)
    expected = [
        [images[:, r * stride : r * stride + size, c * stride : c * stride + size].max((1, 2)) for c in range(rows)]
        for r in range(rows)
    ]
    np.testing.assert_array_equal(applied(FloorPool(size, stride), images), np.moveaxis(expected, 2, 0))


def test_flattening_keeps_every_value() -> None:
    images = noise(2, 3, 4, 5)
    np.testing.assert_array_equal(applied(Flatten(), images)[:, 0, 0], images.reshape(2, -1))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_shortcut_reads_every_pixel_but_the_last_row_and_column(stride: int) -> None:
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, Maker(0, drop_path=False).apply((ShakeShortcut(2, stride),), image))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(tf.ones_like(layer.kernel))
    images = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)
    found = np.asarray(model(images))[0]
    np.testing.assert_array_equal(found[..., 0], images[0, ::stride, ::stride, 0])
    moved = np.pad(images[0, :-1, :-1, 0], ((1, 0), (1, 0)))
    np.testing.assert_array_equal(found[..., 1], moved[::stride, ::stride])


def test_merges_fit_sizes_together() -> None:
    large, small = noise(2, 4, 5, 3), noise(2, 3, 5, 3)
    np.testing.assert_allclose(merged("sum", large, small), large[:, :3] + small)
    np.testing.assert_allclose(merged("mean", large, small), (large[:, :3] + small) / 2)
    joined = merged("concat", large, small)
    np.testing.assert_array_equal(joined[..., :3], large)
    np.testing.assert_array_equal(joined[:, :3, :, 3:], small)
    assert not joined[:, 3:, :, 3:].any()


class TestShake:
    images = 64

    def mixed(self, layer: Shake) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares of the first branch forwards, and backwards of both, per image."""
        first, second = tf.Variable(tf.ones((self.images, 2, 3, 4))), tf.Variable(tf.zeros((self.images, 2, 3, 4)))
        with tf.GradientTape() as tape:
            output = layer([first, second], training=True)
        return np.asarray(output), *(np.asarray(part) for part in tape.gradient(output, [first, second]))

    def test_shares_are_per_image_and_independent_in_both_passes(self) -> None:
        output, to_first, to_second = self.mixed(Shake(seed=1))
        for share in (output, to_first):
            assert (share == share[:, :1, :1, :1]).all(), "one share for a whole image"
            assert share.min() >= 0
            assert share.max() <= 1
            assert len(np.unique(share)) == self.images
            assert 0.35 < share.mean() < 0.65
        np.testing.assert_allclose(to_first + to_second, 1.0, rtol=1e-6)
        forwards, backwards = output[:, 0, 0, 0], to_first[:, 0, 0, 0]
        assert abs(np.corrcoef(forwards, backwards)[0, 1]) < 0.4

    def test_shares_are_drawn_anew_and_repeat_with_the_seed(self) -> None:
        layer = Shake(seed=1)
        first, again = self.mixed(layer), self.mixed(layer)
        assert not np.array_equal(first[0], again[0])
        for one, other in zip(first, self.mixed(Shake(seed=1)), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_at_inference_it_is_the_mean(self) -> None:
        first, second = noise(2, 3, 3, 4), noise(2, 3, 4, 3).swapaxes(2, 3)
        np.testing.assert_allclose(Shake()([first, second]), (first + second) / 2, rtol=1e-6)


def test_an_exported_model_of_every_step_computes_the_same_with_stock_layers() -> None:
    model = build_architecture(all_steps(), (16, 15, 3), 3, seed=0)
    copy = plain(model, [0.0] * 3, [1.0] * 3)
    images = noise(4, 16, 15, 3)
    expected = tf.nn.softmax(model(images, training=False))
    np.testing.assert_allclose(copy(images), expected, atol=1e-6)
    assert all(type(layer).__module__.startswith("keras.") for layer in copy._flatten_layers())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_of_every_step_comes_back(tmp_path: Path) -> None:
    model = build_architecture(all_steps(), (16, 15, 3), 3, seed=0)
    model.save(tmp_path / "net.keras")
    images = noise(4, 16, 15, 3)
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "net.keras")(images), model(images), atol=1e-6)


def test_a_classifier_without_bias() -> None:
    layers = Layers()
    graph = layers.graph(layers.add(0, Conv(1, 1, 8)), bias=False)
    model = build_architecture(graph, (4, 4, 3), 5, seed=0)
    assert not model.get_layer("logits").use_bias
    assert not np.asarray(model(np.zeros((1, 4, 4, 3), np.float32))).any()
