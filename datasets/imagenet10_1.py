"""ImageNet-10-1: ten classes of ImageNet (ILSVRC 2012), objects of house and garden, from a user's own copy.

Directories, in ``ROOT/imagenet/`` or where HARNESS_IMAGENET points: ``train/<wnid>/*.JPEG``, up to 1,300 photographs
per class. The published table that uses these classes trains on 9,750 images, three quarters of 10 x 1,300: so without
class folders in ``val/`` a quarter of each class is held out as test images, the same files on every machine. With
``val/<wnid>/*.JPEG``, its 50 images per class are the test set and all of ``train`` is for training; numbers of the two
arrangements do not compare. Size and normalisation as in :mod:`harness.datasets.common.imagenet`.
"""

from __future__ import annotations

from harness.core.dataset import DatasetSource

from .common.imagenet import PhotoSet

PHOTOS = PhotoSet(
    name="imagenet10_1",
    wnids={
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
    folder="imagenet",
    variable="HARNESS_IMAGENET",
    how="get ImageNet (ILSVRC 2012)",
    held_out=0.25,
)
DATASET = DatasetSource(
    name=PHOTOS.name,
    summary="ImageNet-10-1, objects: 10 classes of your ImageNet copy, up to 13,000 photographs, resized to 64x64",
    load=PHOTOS.load,
    missing=PHOTOS.missing,
    fetch=None,
    hidden=PHOTOS.hidden,
)
