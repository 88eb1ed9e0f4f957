"""Images that tell which split they belong to."""

from __future__ import annotations

import numpy as np

from harness.core.dataset import SearchData

TRAIN, VALID = {(0, False), (1, False)}, {(2, True), (3, True)}
"""Labels of the images of each split, and whether these are bright."""


def parted_data(images: int = 48) -> SearchData:
    """Training images are dark and of the classes 0 and 1, validation images bright and of 2 and 3."""
    generator = np.random.default_rng(0)

    def part(first: int, brightness: int) -> tuple[np.ndarray, np.ndarray]:
        x = generator.integers(brightness, brightness + 40, (images, 8, 8, 1)).astype(np.uint8)
        return x, first + generator.permutation(images).astype(np.int64) % 2

    (x_train, y_train), (x_valid, y_valid) = part(0, 20), part(2, 180)
    return SearchData("parted", x_train, y_train, x_valid, y_valid, 4, (120.0,), (60.0,), False, 0, 0)
