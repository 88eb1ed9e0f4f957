"""Randomness by name: every generator in the project comes from ``(seed, role)``."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, role: str) -> int:
    """A 31-bit seed that depends on ``seed`` and on the name of its use, and on nothing else.

    Roles keep streams apart: adding a draw to the data split cannot shift the search.
    """
    digest = hashlib.sha256(f"{seed}/{role}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def rng(seed: int, role: str) -> np.random.Generator:
    """A fresh NumPy generator for one use (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, role))
