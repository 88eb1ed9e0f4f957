"""One traced training step: augmentation, loss, gradients, Nesterov momentum.

The momentum has PyTorch's form (``buffer = momentum * buffer + gradient``), which is what the published recipes mean;
gradients are clipped first and the weight decay is added after, as in DARTS. The update is written out on one flat
vector of all weights instead of using ``keras.optimizers.SGD``, because a short training spends much of its time on
tracing: a cell network of 126 layers has less than half the graph nodes and ends its first step after 1.5 instead of
3.3 CPU seconds; later steps are no slower.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.nets.augment import augment
from harness.nets.layers import DropPath
from harness.nets.supernets.flat_weights import Layout


class TrainingStep:
    """Trains a model in place, one batch per call; every call is a function of the weights and its arguments.

    Args:
        model: takes normalised images and returns logits, or a list of two logits with an auxiliary head.
        data: says how images are normalised and augmented.
        recipe: the regularisers and the momentum.
        seed: of the augmentation.
        buffer: the flat momentum buffer of an interrupted training; None: zeros.
    """

    def __init__(
        self, model: keras.Model, data: SearchData, recipe: Recipe, seed: int, buffer: np.ndarray | None = None
    ) -> None:
        self._model, self._data, self._recipe = model, data, recipe
        self._seed = derive_seed(seed, "augmentation")
        self._weights = [variable.value for variable in model.trainable_variables]
        self._layout = Layout([tuple(weight.shape) for weight in self._weights])
        flat = self._layout.join([weight.numpy().astype(np.float32) for weight in self._weights])
        self._flat = tf.Variable(flat, trainable=False)
        self._buffer = tf.Variable(np.zeros_like(flat) if buffer is None else buffer, trainable=False)
        layers = model._flatten_layers(include_self=False)
        self._drop_paths = [layer for layer in layers if isinstance(layer, DropPath)]
        self._traced = tf.function(self._step, autograph=False)

    def __call__(self, images: Images, labels: Labels, step: int, learning_rate: float, drop_path: float) -> float:
        """Takes gradient step number ``step`` on uint8 ``images`` and returns the loss before it."""
        loss = self._traced(
            tf.constant(images),
            tf.constant(labels),
            tf.constant([self._seed, step]),
            tf.constant(learning_rate),
            tf.constant(drop_path),
        )
        return float(loss)

    def buffer(self) -> np.ndarray:
        """The momentum buffer, for a checkpoint."""
        return self._buffer.numpy()

    def _step(
        self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, learning_rate: tf.Tensor, drop_path: tf.Tensor
    ) -> tf.Tensor:
        data, recipe = self._data, self._recipe
        for layer in self._drop_paths:
            layer.rate.assign(drop_path)
        augmented = augment(
            images,
            seed,
            data.mean,
            data.std,
            padding=data.crop_padding if recipe.augment else 0,
            flip=data.flip and recipe.augment,
            cutout=data.cutout if recipe.cutout else 0,
        )
        with tf.GradientTape() as tape:
            outputs = self._model(augmented, training=True)
            logits = outputs if isinstance(outputs, list | tuple) else [outputs]
            loss = self._loss(labels, logits[0])
            if len(logits) > 1 and recipe.auxiliary:
                loss += recipe.auxiliary * self._loss(labels, logits[1])
        gradients = tape.gradient(loss, self._weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        if gradients:
            self._update(gradients, learning_rate)
        return loss

    def _loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(logits, tf.float32)
        smoothing = self._recipe.label_smoothing
        if not smoothing:
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        classes = self._data.classes
        targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits))

    def _update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        recipe = self._recipe
        flat = self._layout.join_tensors([tf.cast(gradient, tf.float32) for gradient in gradients])
        if recipe.gradient_clip:
            norm = tf.sqrt(2.0 * tf.nn.l2_loss(flat))
            flat *= recipe.gradient_clip / tf.maximum(norm, recipe.gradient_clip)
        if recipe.weight_decay:
            flat += recipe.weight_decay * self._flat
        tf.raw_ops.ResourceApplyMomentum(
            var=self._flat.handle,
            accum=self._buffer.handle,
            lr=learning_rate,
            grad=flat,
            momentum=recipe.momentum,
            use_nesterov=True,
        )
        for weight, part in zip(self._weights, self._layout.split_tensor(self._flat), strict=True):
            weight.assign(tf.cast(part, weight.dtype), read_value=False)
