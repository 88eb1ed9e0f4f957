"""Shared weights learn from training images; accuracies and architecture parameters come from validation images."""

from __future__ import annotations

import pytest
from parted import TRAIN, VALID
from weight_searches import SEARCHES, begun


@pytest.mark.parametrize("name", SEARCHES)
def test_steps_see_training_images_and_everything_else_validation_images(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    search, net = begun(monkeypatch, name)
    search.run()
    assert net.learnt == TRAIN
    assert net.judged == VALID
