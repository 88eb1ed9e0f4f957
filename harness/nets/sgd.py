"""One traced training step: augmentation, loss, gradients, Nesterov momentum.

The momentum has PyTorch's form (``buffer = momentum * buffer + gradient``), which is what the published recipes mean;
gradients are clipped first and the weight decay is added after, as in DARTS. The update is written out on one flat
vector of all weights instead of using ``keras.optimizers.SGD``, because a short training spends much of its time on
tracing: a cell network of 126 layers has less than half the graph nodes and ends its first step after 1.5 instead of
3.3 CPU seconds; later steps are no slower.
"""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import tensorflow as tf

from harness.core.dataset import Images, Labels, SearchData
from harness.core.recipe import Recipe
from harness.core.seeds import derive_seed
from harness.nets import replicas
from harness.nets.augment import augment
from harness.nets.layers import DropPath
from harness.nets.layout import Layout


class TrainingStep:
    """Trains a model in place, one batch per call; every call is a function of the weights and its arguments.

    Args:
        model: takes normalised images and returns logits, or a list of two logits with an auxiliary head.
        data: says how images are normalised and augmented.
        recipe: the regularisers and the momentum.
        seed: of the augmentation.
        buffer: the flat momentum buffer of an interrupted training; None: zeros.
        strategy: of a model on several devices, each of which takes an equal part of the batch; None: it is on one.
    """

    def __init__(
        self,
        model: keras.Model,
        data: SearchData,
        recipe: Recipe,
        seed: int,
        buffer: np.ndarray | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self._model, self._data, self._recipe = model, data, recipe
        self._seed = derive_seed(seed, "augmentation")
        self._weights = [variable.value for variable in model.trainable_variables]
        self._layout = Layout([tuple(weight.shape) for weight in self._weights])
        flat = self._layout.join([weight.numpy().astype(np.float32) for weight in self._weights])
        with strategy.scope() if strategy else contextlib.nullcontext():
            self._flat = tf.Variable(flat, trainable=False)
            self._buffer = tf.Variable(np.zeros_like(flat) if buffer is None else buffer, trainable=False)
        layers = model._flatten_layers(include_self=False)
        self._drop_paths = [layer for layer in layers if isinstance(layer, DropPath)]
        self._strategy = strategy
        self._traced = tf.function(self._on_all_devices if strategy else self._step, autograph=False)
        self.right = 0.0
        """Share of the last batch's images that were labelled right before their step."""

    def __call__(self, images: Images, labels: Labels, step: int, learning_rate: float, drop_path: float) -> float:
        """Takes gradient step number ``step`` on uint8 ``images`` and returns the loss before it."""
        loss, self.right = self._traced(
            tf.constant(images),
            tf.constant(labels),
            tf.constant([self._seed, step]),
            tf.constant(learning_rate),
            tf.constant(drop_path),
        ).numpy()
        return float(loss)

    def buffer(self) -> np.ndarray:
        """The momentum buffer, for a checkpoint."""
        return self._buffer.numpy()

    def _on_all_devices(self, *arguments: tf.Tensor) -> tf.Tensor:
        """:meth:`_step` on each device; they return the same."""
        assert self._strategy is not None
        return self._strategy.experimental_local_results(self._strategy.run(self._step, arguments))[0]

    def _step(
        self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, learning_rate: tf.Tensor, drop_path: tf.Tensor
    ) -> tf.Tensor:
        recipe, classes = self._recipe, self._data.classes
        for layer in self._drop_paths:
            layer.rate.assign(drop_path)
        images, labels = replicas.own(images), replicas.own(labels)
        augmented = augmented_batch(images, seed, self._data, recipe)
        with tf.GradientTape() as tape:
            outputs = self._model(augmented, training=True)
            logits = outputs if isinstance(outputs, list | tuple) else [outputs]
            loss = classification_loss(labels, logits[0], recipe, classes)
            if len(logits) > 1 and recipe.auxiliary:
                loss += recipe.auxiliary * classification_loss(labels, logits[1], recipe, classes)
        gradients = tape.gradient(loss, self._weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        if gradients:
            self._update(gradients, learning_rate)
        right = tf.equal(tf.argmax(logits[0], axis=-1, output_type=labels.dtype), labels)
        return replicas.mean(tf.stack([tf.cast(loss, tf.float32), tf.reduce_mean(tf.cast(right, tf.float32))]))

    def _update(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        # Parts have equally many images: the mean of their mean losses' gradients is that of the whole batch's.
        flat = replicas.mean(self._layout.join_tensors([tf.cast(gradient, tf.float32) for gradient in gradients]))
        tf.raw_ops.ResourceApplyMomentum(
            var=self._flat.handle,
            accum=self._buffer.handle,
            lr=learning_rate,
            grad=stepped(flat, tf.convert_to_tensor(self._flat), self._recipe),
            momentum=self._recipe.momentum,
            use_nesterov=True,
        )
        for weight, part in zip(self._weights, self._layout.split_tensor(self._flat), strict=True):
            weight.assign(tf.cast(part, weight.dtype), read_value=False)


def augmented_batch(images: tf.Tensor, seed: tf.Tensor, data: SearchData, recipe: Recipe) -> tf.Tensor:
    """What a network is given of uint8 ``images`` in training, by what the recipe and the data set allow."""
    return augment(
        images,
        seed,
        data.mean,
        data.std,
        padding=data.crop_padding if recipe.augment else 0,
        flip=data.flip and recipe.augment,
        cutout=data.cutout if recipe.cutout else 0,
    )


def classification_loss(labels: tf.Tensor, logits: tf.Tensor, recipe: Recipe, classes: int) -> tf.Tensor:
    """Mean cross-entropy, with the recipe's label smoothing."""
    logits = tf.cast(logits, tf.float32)
    smoothing = recipe.label_smoothing
    if not smoothing:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    targets = tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits))


def stepped(gradient: tf.Tensor, weights: tf.Tensor, recipe: Recipe) -> tf.Tensor:
    """What momentum is given: the gradient clipped, then the decay of the weights added; all are vectors."""
    if recipe.gradient_clip:
        norm = tf.sqrt(2.0 * tf.nn.l2_loss(gradient))
        gradient *= recipe.gradient_clip / tf.maximum(norm, recipe.gradient_clip)
    if recipe.weight_decay:
        gradient += recipe.weight_decay * weights
    return gradient
