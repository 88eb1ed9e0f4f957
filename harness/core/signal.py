"""What a search is told of a trained network: one number of its predictions for the validation images.

The names are known without NumPy, because recipes are read where methods are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from harness.core.dataset import Labels

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Told:
    """A number that a search may be told, 0..1, of which more is better: methods take it for an accuracy.

    Args:
        words: its name, as printed.
        measure: computes it from predicted classes and labels, both ``(n,)`` with n above 0.
    """

    words: str
    measure: Callable[[Labels, Labels], float]


def _accuracy(predicted: Labels, labels: Labels) -> float:
    return float((predicted == labels).mean())


def _balanced_accuracy(predicted: Labels, labels: Labels) -> float:
    hits, support, _ = _counts(predicted, labels)
    return float((hits[support > 0] / support[support > 0]).mean())


def _macro_f1(predicted: Labels, labels: Labels) -> float:
    hits, support, guesses = _counts(predicted, labels)
    scores = 2 * hits[support > 0] / (support + guesses)[support > 0]
    return float(scores.mean())


def _counts(predicted: Labels, labels: Labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By class: images that were labelled right, images that are of it, images that were taken for it."""
    import numpy as np

    classes = int(max(predicted.max(), labels.max())) + 1
    counted = (labels[predicted == labels], labels, predicted)
    hits, support, guesses = (np.bincount(one, minlength=classes) for one in counted)
    return hits, support, guesses


SIGNALS: Mapping[str, Told] = MappingProxyType(
    {
        ACCURACY: Told("accuracy", _accuracy),
        "balanced_accuracy": Told("balanced accuracy", _balanced_accuracy),
        "macro_f1": Told("macro F1", _macro_f1),
    }
)
"""By name on the command line. As in a record's metrics, classes without an image count in none of the means."""
