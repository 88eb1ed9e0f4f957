"""Published networks as Keras models: they are what was counted, and they compute and learn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.seeds import rng
from harness.core.space import Size
from harness.nets.build import build_architecture, build_model
from harness.nets.count import macs, parameters
from harness.spaces import get_space
from harness.spaces.zoo import PUBLISHED

SMALL = Size(8, 3, 2)
TWINS = {"shake_shake_26_2x96d_cutout", "nasnet_a_cutout", "enas_macro_more_channels", "naonet_a_128", "darts_v1"}
"""Networks that differ from another one in width or training alone."""
SPACE = get_space("published")
DIFFERENT = [name for name in PUBLISHED if name not in TWINS]
OF_ITS_KIND = [
    *("densenet_bc_190_40", "shake_shake_26_2x96d", "convolutional_neural_fabric_dense", "fractalnet_3col_5block"),
    *("metaqnn_top1", "eas_plain_cnn", "nas_v1_figure7", "enas_macro", "hierarchical_nas"),
    *("enas_micro", "amoebanet_a", "naonet_a_36"),
]
"""One network per builder and per rules for cells."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "hierarchical_nas" else []) for name in OF_ITS_KIND]
)
def test_a_scaled_network_is_what_was_counted_and_gives_finite_logits(name: str) -> None:
    genotype, shape = SPACE.parse(f"published:{name}"), (14, 9, 1)
    model = build_model(genotype, SPACE, SMALL, shape, 3, seed=0, drop_path=True, auxiliary=True)
    counted = measure(lower(SPACE.decode(genotype, SMALL)), shape, 3)
    assert (counted.parameters, counted.macs) == (parameters(model), macs(model))
    outputs = model(rng(0, "images").normal(size=(2, *shape)).astype(np.float32), training=False)
    for output in outputs if isinstance(outputs, list) else [outputs]:
        assert output.shape == (2, 3)
        assert np.isfinite(np.asarray(output)).all()


@pytest.mark.parametrize(
    "name",
    [
        *("shake_shake_26_2x96d", "convolutional_neural_fabric_dense", "enas_macro"),
        pytest.param("nasnet_a", marks=pytest.mark.slow),
    ],
)
def test_every_weight_of_a_network_has_a_gradient(name: str) -> None:
    genotype = SPACE.parse(f"published:{name}")
    model = build_model(genotype, SPACE, SMALL, (16, 16, 3), 3, seed=0)
    images = tf.constant(rng(0, "images").normal(size=(8, 16, 16, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=[0, 1, 2, 0, 1, 2, 0, 1], logits=model(images, training=True)
            )
        )
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(gradient is not None and np.isfinite(np.asarray(gradient)).all() for gradient in gradients)
    assert all(
        np.asarray(gradient).any()
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if len(weight.shape) == 4
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_network_of_the_published_size_is_what_was_counted(name: str) -> None:
    entry = PUBLISHED[name]
    network = entry.build(entry.size)
    counted = measure(lower(network), (32, 32, 3), 10)
    model = build_architecture(network, (32, 32, 3), 10, seed=0)
    assert (counted.parameters, counted.macs) == (parameters(model), macs(model))
    everything = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert counted.statistics == everything - counted.parameters
