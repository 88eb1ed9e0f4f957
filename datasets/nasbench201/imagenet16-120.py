"""NAS-Bench-201 on ImageNet16-120: every architecture trained already; looked up instead of trained."""

from __future__ import annotations

from ..common.nasbench201_extract import source

DATASET = source(
    "imagenet16-120", summary="a table: 15,625 architectures trained on ImageNet16-120, to be looked up (profile nb201)"
)
