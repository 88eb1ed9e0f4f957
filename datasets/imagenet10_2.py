"""ImageNet-10-2: ten classes of ImageNet (ILSVRC 2012), musical instruments, from a user's own copy.

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
    name="imagenet10_2",
    wnids={
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
    folder="imagenet",
    variable="HARNESS_IMAGENET",
    how="get ImageNet (ILSVRC 2012)",
    held_out=0.25,
)
DATASET = DatasetSource(
    name=PHOTOS.name,
    summary="ImageNet-10-2, instruments: 10 classes of your ImageNet copy, up to 13,000 photographs, resized to 64x64",
    load=PHOTOS.load,
    missing=PHOTOS.missing,
    fetch=None,
    hidden=PHOTOS.hidden,
)
