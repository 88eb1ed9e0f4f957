"""NAS-Bench-201 on CIFAR-10: every architecture trained already; looked up instead of trained."""

from __future__ import annotations

from ..common.nasbench201_extract import source

DATASET = source(
    "cifar10", summary="a table: 15,625 architectures trained on CIFAR-10, to be looked up (profile nb201)"
)
