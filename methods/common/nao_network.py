"""The networks of NAO (Luo et al., NeurIPS 2018): encoder, predictor and decoder of architectures.

An architecture is a sequence of words, the options of its choices. The encoder, an LSTM, reads two words per time step;
each of its outputs is normalised, and so is their mean, the embedding. The predictor, a perceptron, predicts the error
from the embedding. The decoder, an LSTM that starts from the embedding and attends to the encoder's outputs, generates
the words of the architecture again.

Deviations: words have the sum of two embeddings, of the word and of its position; the attention's query is a trained
projection of the decoder's output; weight decay is decoupled from Adam (as in AdamW) and not added to the gradient.
Without the first two the decoder does not learn to reproduce a hundred cells in thousands of gradient steps. With decay
in the gradient all weights shrink to zero as soon as the loss is small.

All weights are one vector, and the traced functions have no state: one trace serves every round of every search in a
process. Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import tensorflow as tf

from harness import Choice
from harness.core.space import Option

from .nao_settings import ModelSettings
from .policy import IMPOSSIBLE
from .symmetry import Picks

FOLD = 2  # words per time step of the encoder
TRADE_OFF = 0.8  # weight of the predictor's loss; the rest is the decoder's
WEIGHT_DECAY = 1e-4  # decoupled from Adam, times the learning rate
CLIP = 5.0  # of the gradient's norm


class Words:
    """The vocabulary: word 0 starts a sequence; every other word is an option of a kind of choice, at any node.

    ENAS' cells have 12 words: the start, six inputs, five operations.

    Args:
        choices: of the space.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        known: dict[tuple[str, Option], int] = {}
        rows = [
            [known.setdefault((choice.kind, option), len(known) + 1) for option in choice.options] for choice in choices
        ]
        self.count = len(known) + 1
        self._words = np.zeros((len(rows), max(map(len, rows))), np.int32)
        self._picks = np.zeros((len(rows), self.count), np.int32)
        self.legal = np.zeros((len(rows), self.count), bool)
        for position, row in enumerate(rows):
            self._words[position, : len(row)] = row
            self._picks[position, row] = range(len(row))
            self.legal[position, row] = True

    def spelled(self, picks: Picks) -> Picks:
        """Picks ``(n, choices)`` to words, same shape."""
        return self._words[np.arange(len(self._words)), picks]

    def read(self, words: Picks) -> Picks:
        """Words, each legal at its position, to picks."""
        return self._picks[np.arange(len(self._picks)), words]


class Network:
    """The three networks as functions of a vector of weights.

    Args:
        words: the vocabulary.
        settings: see :class:`ModelSettings`.
    """

    def __init__(self, words: Words, settings: ModelSettings) -> None:
        self._settings, self._legal = settings, tf.constant(words.legal)
        self._length, self._words = words.legal.shape
        self._time_steps = -(-self._length // FOLD)
        units, embedding = settings.epd_units, settings.epd_units // FOLD
        widths = [units, *settings.epd_layers, 1]
        self._shapes = {
            "encoder.words": (self._words, embedding),
            "encoder.positions": (self._length, embedding),
            "encoder.kernel": (FOLD * embedding + units, 4 * units),
            "encoder.bias": (4 * units,),
            **{f"predictor.kernel{i}": (a, b) for i, (a, b) in enumerate(pairwise(widths))},
            **{f"predictor.bias{i}": (width,) for i, width in enumerate(widths[1:])},
            "decoder.words": (self._words, units),
            "decoder.positions": (self._length, units),
            "decoder.kernel": (2 * units, 4 * units),
            "decoder.bias": (4 * units,),
            "attention.query": (units, units),
            "attention.kernel": (2 * units, units),
            "head.kernel": (units, self._words),
            "head.bias": (self._words,),
        }
        self.weights = sum(int(np.prod(shape)) for shape in self._shapes.values())
        vector, scalar = tf.TensorSpec([self.weights], tf.float32), tf.TensorSpec([], tf.float32)
        rows, order = tf.TensorSpec([None, self._length], tf.int32), tf.TensorSpec([None, None], tf.int32)
        errors, counter = tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)
        signature = [vector, vector, vector, counter, counter, rows, errors, order]
        self.train = tf.function(self._train, input_signature=signature, autograph=False)
        self.predict = tf.function(self._predict, input_signature=[vector, rows], autograph=False)
        self.move = tf.function(self._move, input_signature=[vector, rows, scalar], autograph=False)

    def split(self, vector: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weights by name."""
        parts = tf.split(vector, [int(np.prod(shape)) for shape in self._shapes.values()])
        return {name: tf.reshape(part, shape) for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)}

    def encode(self, weights: dict[str, tf.Tensor], words: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Words ``(n, choices)`` to the encoder's outputs ``(n, time, units)``, each of norm 1.

        Args:
            seed: two integers, for dropout; None for none.
        """
        inputs = self._embedded(weights["encoder.words"], words) + weights["encoder.positions"]
        padded = tf.pad(inputs, [[0, 0], [0, self._time_steps * FOLD - self._length], [0, 0]])
        inputs = tf.reshape(padded, [-1, self._time_steps, FOLD * self._embedding])
        zeros = tf.zeros([tf.shape(words)[0], self._settings.epd_units])
        outputs, _ = _lstm(weights, "encoder", self._dropped(inputs, seed, 0), zeros, zeros)
        return _normalised(outputs)

    @property
    def _embedding(self) -> int:
        return self._settings.epd_units // FOLD

    def _embedded(self, table: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        # A matrix product, because the gradient of a lookup is summed in an order that depends on the threads.
        return tf.tensordot(tf.one_hot(words, self._words), table, 1)

    def _dropped(self, x: tf.Tensor, seed: tf.Tensor | None, layer: int) -> tf.Tensor:
        rate = self._settings.epd_dropout
        if seed is None or not rate:
            return x
        return tf.nn.experimental.stateless_dropout(x, rate, seed=seed + tf.constant([0, layer]))

    def error(self, weights: dict[str, tf.Tensor], embedding: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """The predicted error, scaled to 0..1, of embeddings ``(n, units)``; shape ``(n,)``."""
        x, last = embedding, len(self._settings.epd_layers)
        for layer in range(last):
            x = tf.nn.relu(tf.matmul(x, weights[f"predictor.kernel{layer}"]) + weights[f"predictor.bias{layer}"])
            x = self._dropped(x, seed, layer + 1)
        return tf.sigmoid(tf.matmul(x, weights[f"predictor.kernel{last}"]) + weights[f"predictor.bias{last}"])[:, 0]

    def logits(self, weights: dict[str, tf.Tensor], encoded: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """Logits ``(n, choices, words)`` of each word, given those before it; illegal words are impossible."""
        before = tf.pad(words[:, :-1], [[0, 0], [1, 0]])
        embedding = embed(encoded)
        inputs = self._embedded(weights["decoder.words"], before) + weights["decoder.positions"]
        outputs, _ = _lstm(weights, "decoder", inputs, embedding, embedding)
        return tf.where(self._legal, self._head(weights, encoded, outputs), IMPOSSIBLE)

    def _head(self, weights: dict[str, tf.Tensor], encoded: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Logits from the decoder's outputs ``(n, time, units)`` and what they attend to."""
        queries = tf.tensordot(outputs, weights["attention.query"], 1)
        attention = tf.nn.softmax(tf.matmul(queries, encoded, transpose_b=True))
        joined = tf.concat([tf.matmul(attention, encoded), outputs], -1)
        hidden = tf.tanh(tf.tensordot(joined, weights["attention.kernel"], 1))
        return tf.tensordot(hidden, weights["head.kernel"], 1) + weights["head.bias"]

    def decode(self, weights: dict[str, tf.Tensor], encoded: tf.Tensor) -> tf.Tensor:
        """The words ``(n, choices)``, each the most likely one after those before it."""
        embedding = embed(encoded)
        start = tf.zeros([tf.shape(encoded)[0]], tf.int32)

        def body(position, word, state, spelled):  # type: ignore[no-untyped-def]
            inputs = self._embedded(weights["decoder.words"], word)[:, None] + weights["decoder.positions"][position]
            outputs, state = _lstm(weights, "decoder", inputs, *state)
            logits = tf.where(self._legal[position], self._head(weights, encoded, outputs)[:, 0], IMPOSSIBLE)
            word = tf.argmax(logits, -1, tf.int32)
            return position + 1, word, state, spelled.write(position, tf.cast(word, tf.float32))

        loop = (0, start, (embedding, embedding), tf.TensorArray(tf.float32, self._length))
        *_, spelled = tf.while_loop(
            lambda position, *_: position < self._length, body, loop, maximum_iterations=self._length
        )  # fmt: skip
        return tf.cast(tf.transpose(spelled.stack()), tf.int32)  # oneDNN complains about transposing integers

    def moved(self, weights: dict[str, tf.Tensor], encoded: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """The encoder's outputs minus ``size`` times the gradient of the predicted error, normalised again."""
        with tf.GradientTape() as tape:
            tape.watch(encoded)
            error = self.error(weights, embed(encoded))
        return _normalised(encoded - size * tape.gradient(error, encoded))

    def loss(self, vector: tf.Tensor, words: tf.Tensor, errors: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Squared error of the prediction and cross entropy of the spelling; without the weight decay."""
        weights = self.split(vector)
        encoded = self.encode(weights, words, seed)
        squared = tf.reduce_mean((self.error(weights, embed(encoded), seed) - errors) ** 2)
        logits = self.logits(weights, encoded, words)
        spelling = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=words, logits=logits))
        return TRADE_OFF * squared + (1 - TRADE_OFF) * spelling

    def _train(
        self,
        vector: tf.Tensor,
        mean: tf.Tensor,
        square: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        words: tf.Tensor,
        errors: tf.Tensor,
        order: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """One step of Adam per row of ``order`` ``(gradient steps, batch)``.

        Returns the weights, their two averages and the number of steps so far.
        """
        first = step

        def body(step, vector, mean, square):  # type: ignore[no-untyped-def]
            chosen = order[step - first]
            batch = tf.gather(words, chosen), tf.gather(errors, chosen)
            with tf.GradientTape() as tape:
                tape.watch(vector)
                loss = self.loss(vector, *batch, tf.stack([seed, step * (1 + len(self._settings.epd_layers))]))
            gradient = tf.clip_by_norm(tape.gradient(loss, vector), CLIP)
            step += 1
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            count = tf.cast(step, tf.float32)
            move = mean / (1 - 0.9**count) / (tf.sqrt(square / (1 - 0.999**count)) + 1e-8)
            return step, vector - self._settings.epd_rate * (move + WEIGHT_DECAY * vector), mean, square

        last = first + tf.shape(order)[0]
        step, vector, mean, square = tf.while_loop(lambda step, *_: step < last, body, (first, vector, mean, square))
        return vector, mean, square, step

    def _predict(self, vector: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        weights = self.split(vector)
        return self.error(weights, embed(self.encode(weights, words)))

    def _move(self, vector: tf.Tensor, words: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        weights = self.split(vector)
        return self.decode(weights, self.moved(weights, self.encode(weights, words), size))


def embed(encoded: tf.Tensor) -> tf.Tensor:
    """The embedding ``(n, units)``, of norm 1, of the encoder's outputs ``(n, time, units)``."""
    return _normalised(tf.reduce_mean(encoded, 1))


def _normalised(x: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(x, -1)


def _lstm(
    weights: dict[str, tf.Tensor], name: str, inputs: tf.Tensor, cell: tf.Tensor, output: tf.Tensor
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """Outputs ``(n, time, units)`` and last state of an LSTM, in one TensorFlow kernel.

    Args:
        inputs: ``(n, time, width)``.
    """
    length, units = inputs.shape[1], cell.shape[1]
    unused = tf.zeros([units])
    run = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.constant(length, tf.int64),
        x=tf.transpose(inputs, [1, 0, 2]),
        cs_prev=cell,
        h_prev=output,
        w=weights[f"{name}.kernel"],
        b=weights[f"{name}.bias"],
        **dict.fromkeys(("wci", "wcf", "wco"), unused),
        cell_clip=0.0,
        use_peephole=False,
    )
    return tf.transpose(run.h, [1, 0, 2]), (run.cs[-1], run.h[-1])


@lru_cache(maxsize=4)
def network(choices: tuple[Choice, ...], settings: ModelSettings) -> tuple[Words, Network]:
    """The vocabulary and the networks of a space, the same objects for every search in a process."""
    words = Words(choices)
    return words, Network(words, settings)
