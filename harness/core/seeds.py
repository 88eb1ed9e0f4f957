"""Seeds by name: every random generator in the project is made from a seed and the name of its use."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, role: str) -> int:
    """A 31-bit seed that depends on ``seed`` and ``role``, the name of its use, and on nothing else.

    Each use has its own stream of numbers: one more draw in the data split does not change the search.
    """
    digest = hashlib.sha256(f"{seed}/{role}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def rng(seed: int, role: str) -> np.random.Generator:
    """A fresh NumPy generator for one use (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, role))
