"""EAS' controller: a bidirectional LSTM reads the layers of a network, two actors say what to do to it.

All networks are padded to the same number of layers, so that there is one graph per actor. A layer that cannot be
widened, a block without room, a place where no layer is and a kernel that a dense layer does not have get a logit of
minus a billion: probability and gradient 0.

Importing this module imports TensorFlow; the method does so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from harness import State
from harness.spaces.morphism import MOST_DENSE, Chain, MorphSpace

from .morph_moves import Child, Move, applied
from .policy import IMPOSSIBLE, ControllerWeights, Lstm, bernoulli, categorical


class Decisions(NamedTuple):
    """One step of an actor for n networks: picks ``(n, decisions)``, log-probability and entropy ``(n,)``, in nats."""

    picks: tf.Tensor
    log_prob: tf.Tensor
    entropy: tf.Tensor


class Seen(NamedTuple):
    """The input of the controller for n networks; 1 where something is possible.

    Args:
        tokens: ``(n, layers)``, int32; 0 is padding.
        widths: ``(n, layers)``: layers that can go to the next width.
        blocks: ``(n, blocks + 1)``: blocks with a layer and room for another; the last one are the dense layers.
        places: ``(n, blocks + 1, places)``: where layers are.
    """

    tokens: np.ndarray
    widths: np.ndarray
    blocks: np.ndarray
    places: np.ndarray


class Controller:
    """Encoder and actors, trained by REINFORCE with Adam.

    Args:
        space: of the networks.
        rng: draws the weights from U(-0.1, 0.1).
        steps: of the wider and of the deeper actor, per child.
        units, embedding: of the encoder.
        rate: Adam's.
        entropy: its weight.
    """

    def __init__(
        self,
        space: MorphSpace,
        rng: np.random.Generator,
        *,
        steps: tuple[int, int],
        units: int,
        embedding: int,
        rate: float,
        entropy: float,
    ) -> None:
        self._space, self._steps, self._entropy = space, steps, entropy
        blocks = len(space.start.blocks)
        self.layers = blocks * (space.depth + 1) + MOST_DENSE
        words = [*((k, w) for k in space.kernels for w in space.widths), "pool", *space.units]
        self._words = {word: number for number, word in enumerate(words, start=1)}
        self.weights = weights = ControllerWeights(rng, 0.1)
        self._embedding = weights.uniform("layers", len(words) + 1, embedding)
        self._forwards = Lstm(weights, units, inputs=embedding, name="forwards")
        self._backwards = Lstm(weights, units, inputs=embedding, name="backwards")
        self._wider_head = weights.uniform("wider", 2 * units, 1)
        self._actor = Lstm(weights, 2 * units, inputs=embedding, name="deeper")
        self._begin = weights.uniform("begin", 1, embedding)
        sizes = (blocks + 1, max(space.depth, MOST_DENSE), len(space.kernels))
        self._heads = [weights.uniform(f"head.{place}", 2 * units, size) for place, size in enumerate(sizes)]
        self._picked = [weights.uniform(f"picked.{place}", size, embedding) for place, size in enumerate(sizes[:2])]
        self._optimizer = keras.optimizers.Adam(rate)
        self._optimizer.build(list(weights.variables.values()))
        self.wider = tf.function(self._wider, autograph=False, reduce_retracing=True)
        self.deeper = tf.function(self._deeper, autograph=False, reduce_retracing=True)
        self._played: list[tuple[str, Seen, np.ndarray]] = []

    def sample(self, chain: Chain, count: int, rng: np.random.Generator) -> list[Child]:
        """Draws ``count`` children of one network: steps of the wider actor, then of the deeper one."""
        children, self._played = [Child((), chain)] * count, []
        for kind, steps in zip(("wider", "deeper"), self._steps, strict=True):
            for _ in range(steps):
                seen = self.see([child.chain for child in children])
                decisions = self.layers if kind == "wider" else len(self._heads)
                uniforms = rng.random((count, decisions)).astype(np.float32)
                picks = self.act(kind, seen, uniforms, np.full(uniforms.shape, -1, np.int32)).picks.numpy()
                self._played.append((kind, seen, picks))
                moves = self._widenings if kind == "wider" else self._deepenings
                children = [
                    _moved(c, moves(c.chain, s, p)) for c, s, p in zip(children, _each(seen), picks, strict=True)
                ]
        return children

    def learn(self, advantages: np.ndarray) -> None:
        """One step of Adam up the mean of advantage * log P + weight * entropy over the children of the last sample."""
        variables = list(self.weights.variables.values())
        with tf.GradientTape() as tape:
            loss = tf.constant(0.0)
            for kind, seen, picks in self._played:
                step = self.act(kind, seen, np.zeros(picks.shape, np.float32), picks)
                loss -= tf.reduce_mean(tf.constant(advantages, tf.float32) * step.log_prob)
                loss -= self._entropy * tf.reduce_mean(step.entropy)
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self._optimizer.apply(gradients, variables)

    def act(self, kind: str, seen: Seen, uniforms: np.ndarray, forced: np.ndarray) -> Decisions:
        """One step of an actor; see :meth:`.policy.Controller.walk` for uniforms and forced."""
        actor = self.wider if kind == "wider" else self.deeper
        tensors = [tf.constant(part) for part in seen]
        return actor(*tensors, tf.constant(uniforms), tf.constant(forced))

    def see(self, chains: Sequence[Chain]) -> Seen:
        """Networks as the controller sees them."""
        return Seen(*(np.stack(parts) for parts in zip(*(self._see(chain) for chain in chains), strict=True)))

    def state(self) -> State:
        """Weights and the optimiser's slots, for a checkpoint."""
        slots = {f"optimizer.{i}": variable.numpy() for i, variable in enumerate(self._optimizer.variables)}
        return {f"controller.{name}": v.numpy() for name, v in self.weights.variables.items()} | slots

    def restore(self, state: State) -> None:
        """Takes over what :meth:`state` returned; other entries are ignored."""
        for name, variable in self.weights.variables.items():
            variable.assign(state[f"controller.{name}"])
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer.{i}"])

    def _see(self, chain: Chain) -> Seen:
        space, tokens, widths = self._space, list[int](), list[bool]()
        for block in chain.blocks:
            for conv in block:
                tokens.append(self._words[tuple(conv)])
                widths.append(conv.width < max(space.widths))
            tokens.append(self._words["pool"])
            widths.append(False)
        for units in chain.dense:
            tokens.append(self._words[units])
            widths.append(units < max(space.units))
        rest = self.layers - len(tokens)
        counts = [*map(len, chain.blocks), len(chain.dense)]
        room = [0 < n < most for n, most in zip(counts, [*[space.depth] * len(chain.blocks), MOST_DENSE], strict=True)]
        places = np.arange(max(space.depth, MOST_DENSE)) < np.array(counts)[:, None]
        return Seen(
            np.array([*tokens, *[0] * rest], np.int32),
            np.array([*widths, *[False] * rest], np.float32),
            np.array(room, np.float32),
            places.astype(np.float32),
        )

    def _encode(self, tokens: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Outputs ``(n, layers, 2 units)`` and the last states, cell and output, of both directions side by side."""
        x, real = tf.gather(self._embedding, tokens), tf.cast(tokens > 0, tf.float32)
        outputs, last = [], []
        for lstm, order in ((self._forwards, range(self.layers)), (self._backwards, reversed(range(self.layers)))):
            state = lstm.start(tf.shape(tokens)[0])
            found: dict[int, tf.Tensor] = {}
            for layer in order:
                here = real[:, layer, None]
                _, new = lstm(x[:, layer], state)
                state = tuple(here * after + (1 - here) * before for after, before in zip(new, state, strict=True))
                found[layer] = state[1]
            outputs.append(tf.stack([found[layer] for layer in range(self.layers)], axis=1))
            last.append(state)
        return tf.concat(outputs, axis=2), tuple(tf.concat(both, axis=1) for both in zip(*last, strict=True))

    def _wider(
        self,
        tokens: tf.Tensor,
        widths: tf.Tensor,
        blocks: tf.Tensor,
        places: tf.Tensor,
        uniforms: tf.Tensor,
        forced: tf.Tensor,
    ) -> Decisions:
        """One bit per layer."""
        outputs, _ = self._encode(tokens)
        logits = tf.squeeze(tf.linalg.matmul(outputs, self._wider_head), 2)
        step = bernoulli(_masked(logits, widths), uniforms, forced)
        return Decisions(step.pick, tf.reduce_sum(step.log_prob, axis=1), tf.reduce_sum(widths * step.entropy, axis=1))

    def _deeper(
        self,
        tokens: tf.Tensor,
        widths: tf.Tensor,
        blocks: tf.Tensor,
        places: tf.Tensor,
        uniforms: tf.Tensor,
        forced: tf.Tensor,
    ) -> Decisions:
        """Block, place and kernel; where no block has room, decisions without probability."""
        _, state = self._encode(tokens)
        x = tf.repeat(self._begin, tf.shape(tokens)[0], axis=0)
        masks, steps = [blocks], []
        for place, head in enumerate(self._heads):
            h, state = self._actor(x, state)
            logits = _masked(tf.matmul(h, head), masks[place])
            steps.append(categorical(logits, uniforms[:, place], forced[:, place]))
            if place == 0:
                masks.append(tf.gather(places, steps[0].pick, batch_dims=1))
                dense = tf.cast(steps[0].pick == len(self._space.start.blocks), tf.float32)[:, None]
                first = tf.one_hot([0], len(self._space.kernels))
                masks.append(dense * first + (1 - dense))
            if place < len(self._picked):
                x = tf.gather(self._picked[place], steps[-1].pick)
        possible = tf.reduce_max(blocks, axis=1)
        return Decisions(
            tf.stack([step.pick for step in steps], axis=1),
            possible * tf.add_n([step.log_prob for step in steps]),
            possible * tf.add_n([step.entropy for step in steps]),
        )

    def _widenings(self, chain: Chain, seen: Seen, picks: np.ndarray) -> list[Move]:
        """The layers whose bit is set go to the next width."""
        space, moves, layer, number = self._space, list[Move](), 0, 0
        for block in chain.blocks:
            for conv in block:
                if picks[layer] and seen.widths[layer]:
                    moves.append(Move("wider", number, space.widths[space.widths.index(conv.width) + 1]))
                layer, number = layer + 1, number + 1
            layer += 1
        for dense, units in enumerate(chain.dense):
            if picks[layer + dense] and seen.widths[layer + dense]:
                moves.append(Move("wider_dense", dense, space.units[space.units.index(units) + 1]))
        return moves

    def _deepenings(self, chain: Chain, seen: Seen, picks: np.ndarray) -> list[Move]:
        """One new layer, or none where there is no room."""
        block, place, kernel = (int(pick) for pick in picks)
        if not seen.blocks[block]:
            return []
        if block == len(chain.blocks):
            return [Move("deeper_dense", place)]
        number = sum(map(len, chain.blocks[:block])) + place
        return [Move("deeper", number, kernel=self._space.kernels[kernel])]


def _masked(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.where(mask > 0, logits, IMPOSSIBLE)


def _each(seen: Seen) -> list[Seen]:
    return [Seen(*parts) for parts in zip(*seen, strict=True)]


def _moved(child: Child, moves: Sequence[Move]) -> Child:
    chain = child.chain
    for move in moves:
        chain = applied(move, chain)
    return Child((*child.moves, *moves), chain)
