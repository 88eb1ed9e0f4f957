"""ImageNet-10-1: ten classes of ImageNet (ILSVRC 2012), objects of house and garden, from a user's own copy.

Directories, split, size and normalisation as in :mod:`harness.datasets.common.imagenet`.
"""

from __future__ import annotations

from .common.imagenet import of_own_copy, source

PHOTOS = of_own_copy(
    "imagenet10_1",
    {
        "n03063599": "coffee mug",
        "n03085013": "computer keyboard",
        "n03201208": "dining table",
        "n04550184": "wardrobe",
        "n03649909": "lawn mower",
        "n03759954": "microphone",
        "n04371774": "swing",
        "n04179913": "sewing machine",
        "n03841143": "odometer",
        "n03425413": "gas pump",
    },
)
DATASET = source(
    PHOTOS,
    summary="ImageNet-10-1, objects: 10 classes of your ImageNet copy, up to 13,000 photographs, resized to 64x64",
)
