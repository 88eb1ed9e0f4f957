"""What stored predictions say besides the accuracy; computed by the parent, which knows the test labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.core.dataset import Labels
from harness.run.job import CORRUPTED

BINS = 15
"""Equal bins of confidence of the calibration error, as Guo et al., ICML 2017, have them."""


def metrics(probabilities: np.ndarray, labels: Labels) -> dict[str, float]:
    """Balanced accuracy, macro F1, negative log-likelihood and calibration error of predictions.

    Classes without a test image count in none of them.

    Args:
        probabilities: of the classes, ``(n, classes)``, finite.
        labels: ``(n,)``.

    Returns:
        ``balanced_accuracy`` and ``macro_f1``, 0..1; ``nll`` in nats per image; ``calibration_error``, 0..1: the mean
        gap between confidence and accuracy over :data:`BINS` bins, weighted by their images.
    """
    from sklearn.metrics import f1_score, log_loss, recall_score

    predicted, there = probabilities.argmax(axis=1), np.unique(labels)
    shares = np.asarray(probabilities, np.float64)
    shares = shares / shares.sum(axis=1, keepdims=True)  # float32 rows sum to one but for the last digits
    same = {"labels": there, "average": "macro", "zero_division": 0}
    return {
        "balanced_accuracy": float(recall_score(labels, predicted, **same)),
        "macro_f1": float(f1_score(labels, predicted, **same)),
        "nll": float(log_loss(labels, shares, labels=np.arange(shares.shape[1]))),
        "calibration_error": calibration_error(shares, labels),
    }


def calibration_error(probabilities: np.ndarray, labels: Labels) -> float:
    """Expected calibration error, 0..1; arguments as of :func:`metrics`."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def robust(predictions: Mapping[str, np.ndarray], labels: Labels) -> dict[str, list[float]]:
    """Accuracies on corrupted test images, 0..1: by corruption, the weakest first. Other predictions are left out.

    Raises:
        ValueError: there are predictions for more or for fewer images, or strengths are missing.
    """
    found: dict[str, dict[int, float]] = {}
    for key in predictions:
        if key.startswith(CORRUPTED):
            name, _, strength = key.removeprefix(CORRUPTED).rpartition("-")
            predicted = predictions[key]
            if predicted.shape != labels.shape:
                raise ValueError(f"there are predictions of shape {predicted.shape} for {len(labels)} corrupted images")
            found.setdefault(name, {})[int(strength)] = float(np.mean(predicted == labels))
    if any(sorted(strengths) != list(range(1, len(strengths) + 1)) for strengths in found.values()):
        raise ValueError("predictions for some strengths of the corrupted images are missing")
    return {name: [strengths[key] for key in sorted(strengths)] for name, strengths in found.items()}


def confusion(probabilities: np.ndarray, labels: Labels) -> list[str]:
    """The confusion matrix, a text per true class: how many of its images were taken for each class, in label order."""
    from sklearn.metrics import confusion_matrix

    classes = np.arange(probabilities.shape[1])
    rows = confusion_matrix(labels, probabilities.argmax(axis=1), labels=classes)
    return [" ".join(map(str, row)) for row in rows.tolist()]
