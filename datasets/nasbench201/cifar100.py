"""NAS-Bench-201 on CIFAR-100: every architecture trained already; looked up instead of trained."""

from __future__ import annotations

from ..common.nasbench201_extract import source

DATASET = source(
    "cifar100", summary="a table: 15,625 architectures trained on CIFAR-100, to be looked up (profile nb201)"
)
