"""What a data set refuses when it is made, before any search: each would fail much later, in every training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.core.dataset import Dataset
from harness.core.errors import InputError


def make(**changed: Any) -> Dataset:
    """Six training images and four test images of 4x5 pixels and one channel, but for what is changed."""
    whole: dict[str, Any] = {
        "x_train": np.zeros((6, 4, 5, 1), np.uint8),
        "y_train": np.arange(6) % 2,
        "x_test": np.zeros((4, 4, 5, 1), np.uint8),
        "y_test": np.arange(4) % 2,
        "classes": ("a", "b"),
        "mean": (1.0,),
        "std": (2.0,),
    }
    return Dataset("mine", **{**whole, **changed})


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint64, np.int64, ">i8"])
def test_labels_of_any_whole_numbers_are_kept_as_int64(kind: Any) -> None:
    """Trainings are traced for int64 alone."""
    data = make(y_train=(np.arange(6) % 2).astype(kind), y_test=(np.arange(4) % 2).astype(kind))
    for labels, count in ((data.y_train, 6), (data.y_test, 4)):
        assert labels.dtype == np.dtype(np.int64)
        assert labels.dtype.isnative
        assert labels.tolist() == [number % 2 for number in range(count)]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"y_train": np.zeros(6)}, "the train labels are float64 of shape"),
        ({"y_train": np.zeros(6, bool)}, "the train labels are bool of shape"),
        ({"y_test": np.array(list("abab"))}, "the test labels are <U1 of shape"),
        ({"y_train": np.eye(2, dtype=int)[np.arange(6) % 2]}, r"labels are int64 of shape \(6, 2\)"),
        ({"y_test": np.zeros((4, 1), int)}, r"labels are int64 of shape \(4, 1\)"),
        ({"y_train": np.full(6, 255, np.uint8)}, r"a train label is outside 0\.\.1"),
        ({"y_test": np.zeros(5, int)}, "4 test images but 5 labels"),
        ({"x_test": np.zeros((4, 5, 4, 1), np.uint8)}, r"training images are \(4, 5, 1\) and test images \(5, 4, 1\)"),
        ({"x_test": np.zeros((4, 4, 5, 3), np.uint8)}, "and test images"),
        ({"mean": (1.0, 1.0, 1.0)}, "1 channels, 3 means and 1 standard deviations"),
        ({"std": ()}, "1 channels, 1 means and 0 standard deviations"),
        ({"std": (0.0,)}, "a standard deviation is not positive"),
        ({"std": (float("nan"),)}, "a standard deviation is not positive"),
        ({"groups": np.arange(5)}, "its groups are not told for each training image"),
        ({"validation": np.ones(6, bool)}, "its validation images are none, all, or"),
        ({"validation": np.arange(6) % 2}, "its validation images are none, all, or"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        make(**changed)
    assert "data set 'mine'" in str(caught.value)
    assert "\n" not in str(caught.value)
