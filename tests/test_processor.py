"""Which kernels are chosen on which device."""

from __future__ import annotations

import pytest

from harness.nets import processor

CPU = {"has_graphics_card": False, "has_avx512": True}
OLDER = {"has_graphics_card": False, "has_avx512": False}
CARD = {"has_graphics_card": True, "has_avx512": True}
DECISIONS = {
    "strips for five columns": (lambda: processor.depthwise_in_strips(5, 5, 14, 16), {"cpu": True, "older": True}),
    "strips for three columns": (lambda: processor.depthwise_in_strips(3, 3, 14, 16), {}),
    "strips for few channels": (lambda: processor.depthwise_in_strips(5, 5, 14, 8), {"older": True}),
    "strips for more rows than the image": (
        lambda: processor.depthwise_in_strips(3, 3, 2, 8),
        {"cpu": True, "older": True},
    ),
    "strips for as many rows as the image": (lambda: processor.depthwise_in_strips(3, 3, 3, 64), {}),
    "strips for nine columns": (lambda: processor.depthwise_in_strips(9, 9, 2, 16), {}),
    "pairs of 24 channels": (lambda: processor.normalises_in_pairs(14, 14, 24), {"cpu": True}),
    "pairs of 24 channels, odd image": (lambda: processor.normalises_in_pairs(7, 7, 24), {}),
    "pairs of 32 channels": (lambda: processor.normalises_in_pairs(14, 14, 32), {}),
    "product, small": (lambda: processor.pointwise_as_product(16, 16), {"cpu": True, "older": True}),
    "product, large": (lambda: processor.pointwise_as_product(512, 512), {}),
    "subsampling by pooling": (processor.subsamples_by_pooling, {"cpu": True, "older": True}),
    "pooling of 8 channels apart": (lambda: processor.pools_apart("max", 3, 8), {"cpu": True}),
    "pooling of 12 channels apart": (lambda: processor.pools_apart("max", 3, 12), {"cpu": True, "older": True}),
    "pooling of 16 channels apart": (lambda: processor.pools_apart("max", 3, 16), {}),
    "maximum over 5x5 apart": (lambda: processor.pools_apart("max", 5, 16), {"older": True}),
    "average over 5x5 apart": (lambda: processor.pools_apart("avg", 5, 16), {}),
    "maximum again in a branch": (lambda: processor.takes_maxima_again("max"), {"cpu": True, "older": True}),
    "average again in a branch": (lambda: processor.takes_maxima_again("avg"), {}),
    "many numbers in rows": (lambda: processor.normalises_in_rows(14, 14, 16), {"older": True}),
    "few numbers in rows": (lambda: processor.normalises_in_rows(4, 4, 32), {}),
    "eight channels in rows": (lambda: processor.normalises_in_rows(28, 28, 8), {}),
}
"""What is asked, and where the answer is yes; never on a card."""


@pytest.mark.parametrize("device", ["cpu", "older", "card"])
@pytest.mark.parametrize("what", DECISIONS)
def test_decision(what: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"cpu": CPU, "older": OLDER, "card": CARD}[device].items():
        monkeypatch.setattr(processor, name, lambda value=value: value)
    decision, where = DECISIONS[what]
    assert decision() is where.get(device, False)
