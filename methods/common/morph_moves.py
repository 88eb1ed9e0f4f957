"""Random morphisms of the chains of :mod:`harness.spaces.morphism`, as data: what AutoKeras' search moves through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from harness.spaces.morphism import ADD, CONCAT, MOST_DENSE, Chain, Convolution, MorphSpace, Skip

MOVES = ("deeper", "wider", "skip")
ATTEMPTS, MORE_THAN_ENOUGH = 16, 8
"""Random morphisms tried, and kept, per network."""


@dataclass(frozen=True)
class Move:
    """One morphism of a chain: ``what`` and where.

    Args:
        what: ``deeper``, ``deeper_dense``, ``wider``, ``wider_dense`` or ``skip``.
        number: of the layer; unused by a skip.
        width: the new one, of a widening.
        kernel: of the new layer, of a deepening.
        skip: the new one.
    """

    what: str
    number: int = 0
    width: int = 0
    kernel: int = 3
    skip: Skip | None = None


class Child(NamedTuple):
    """A network, and the moves that lead to it from another one."""

    moves: tuple[Move, ...]
    chain: Chain


def expansions(space: MorphSpace, chain: Chain, rng: np.random.Generator) -> list[tuple[Move, Chain]]:
    """Up to eight different networks one random morphism away."""
    found: dict[Chain, Move] = {}
    for _ in range(ATTEMPTS):
        move = random_move(space, chain, rng)
        if move is not None:
            found.setdefault(applied(move, chain), move)
        if len(found) == MORE_THAN_ENOUGH:
            break
    return [(move, child) for child, move in found.items()]


def random_move(space: MorphSpace, chain: Chain, rng: np.random.Generator) -> Move | None:
    """A move of a kind drawn uniformly, or None where the space has no room for what was drawn.

    The release leaves the last convolution out: it is not widened, and no skip ends at it.
    """
    layers = len(chain.convolutions)
    match MOVES[int(rng.integers(len(MOVES)))]:
        case "deeper":
            number = int(rng.integers(layers + len(chain.dense)))
            if number < layers:
                room = len(chain.blocks[chain.block_of(number)]) < space.depth
                return Move("deeper", number) if room else None
            return Move("deeper_dense", number - layers) if len(chain.dense) < MOST_DENSE else None
        case "wider":
            number = int(rng.integers(layers + len(chain.dense)))
            if number < layers:
                width = 2 * chain.convolutions[number].width
                return Move("wider", number, width) if width in space.widths else None
            width = 2 * chain.dense[number - layers]
            return Move("wider_dense", number - layers, width) if width in space.units else None
        case _:
            if layers < 2 or len(chain.skips) >= space.most_skips:
                return None
            source, target = sorted(rng.choice(layers, 2, replace=False).tolist())
            skip = Skip((ADD, CONCAT)[int(rng.integers(2))], source, target)
            return None if skip in chain.skips else Move("skip", skip=skip)


def applied(move: Move, chain: Chain) -> Chain:
    """The network that a move leads to."""
    match move.what:
        case "deeper":
            return chain.deeper(move.number, Convolution(move.kernel, chain.convolutions[move.number].width))
        case "deeper_dense":
            units = chain.dense
            return replace(chain, dense=(*units[: move.number + 1], *units[move.number :]))
        case "wider":
            return chain.wider(move.number, move.width)
        case "wider_dense":
            return replace(chain, dense=(*chain.dense[: move.number], move.width, *chain.dense[move.number + 1 :]))
        case _:
            assert move.skip is not None
            return replace(chain, skips=(*chain.skips, move.skip))


def second(space: MorphSpace) -> tuple[tuple[Move, ...], Chain]:
    """AutoKeras' second network: four more convolutions, as far as there is room, and three added skips.

    The release deepens the layers 1, 1, 5 and 9 of its first network, its three convolutions: blocks of 3, 2 and 2.
    """
    chain, moves = space.start, list[Move]()
    for block in (0, 0, 1, 2):
        if len(chain.blocks[block]) < space.depth:
            last = sum(map(len, chain.blocks[: block + 1])) - 1
            moves.append(Move("deeper", last))
            chain = applied(moves[-1], chain)
    layers = len(chain.convolutions)
    for source in range(0, min(layers - 1, 2 * min(3, space.most_skips)), 2):
        moves.append(Move("skip", skip=Skip(ADD, source, min(source + 2, layers - 1))))
        chain = applied(moves[-1], chain)
    return tuple(moves), chain
