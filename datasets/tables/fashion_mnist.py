"""A table of this project: a small space trained on Fashion-MNIST, to be looked up instead of trained."""

from __future__ import annotations

from ..common.own import source

DATASET = source(
    "fashion_mnist",
    summary="a table: 459 networks trained on Fashion-MNIST, with two seeds each, to be looked up (profile table)",
)
