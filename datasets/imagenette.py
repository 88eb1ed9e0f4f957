"""Imagenette, second version (Howard, github.com/fastai/imagenette): ten ImageNet classes that are easy to tell apart.

Directories, in ``ROOT/imagenette/`` or where HARNESS_IMAGENETTE points: ``train/<wnid>/*.JPEG`` and
``val/<wnid>/*.JPEG`` as in its archives of 160 px, 320 px or full size; 9,469 training and 3,925 test photographs, 858
to 993 and 357 to 419 per class. Size and normalisation as in :mod:`harness.datasets.common.imagenet`.
"""

from __future__ import annotations

from .common.imagenet import PhotoSet, source

PHOTOS = PhotoSet(
    name="imagenette",
    wnids={
        "n01440764": "tench",
        "n02102040": "English springer",
        "n02979186": "cassette player",
        "n03000684": "chain saw",
        "n03028079": "church",
        "n03394916": "French horn",
        "n03417042": "garbage truck",
        "n03425413": "gas pump",
        "n03445777": "golf ball",
        "n03888257": "parachute",
    },
    folder="imagenette",
    variable="HARNESS_IMAGENETTE",
    how="unpack the archive imagenette2 (or imagenette2-160)",
    images=(9469, 3925),
)
DATASET = source(PHOTOS, summary="Imagenette, ten easy ImageNet classes: 9,469 + 3,925 photographs, resized to 64x64")
