"""ImageNet-10-2: ten classes of ImageNet (ILSVRC 2012), musical instruments, from a user's own copy.

Directories, split, size and normalisation as in :mod:`harness.datasets.common.imagenet`.
"""

from __future__ import annotations

from .common.imagenet import of_own_copy, source

PHOTOS = of_own_copy(
    "imagenet10_2",
    {
        "n03249569": "drum",
        "n02787622": "banjo",
        "n04579432": "whistle",
        "n03452741": "grand piano",
        "n04536866": "violin",
        "n03854065": "organ",
        "n02676566": "acoustic guitar",
        "n04487394": "trombone",
        "n03372029": "flute",
        "n04141076": "sax",
    },
)
DATASET = source(
    PHOTOS,
    summary="ImageNet-10-2, instruments: 10 classes of your ImageNet copy, up to 13,000 photographs, resized to 64x64",
)
