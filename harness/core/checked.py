"""Numbers that a method hands over, as log and record take them: plain ones of Python, within their range."""

from __future__ import annotations

import dataclasses
import math
from numbers import Real

import numpy as np

from harness.core.budget import whole
from harness.core.evaluation import Evaluation


def checked_accuracy(accuracy: object) -> float:
    """An accuracy as a plain number.

    Raises:
        ValueError: it is none from 0 to 1.
    """
    if not isinstance(accuracy, Real) or isinstance(accuracy, bool) or not 0 <= float(accuracy) <= 1:
        raise ValueError(f"an accuracy is a number from 0 to 1, not {accuracy!r}")
    return float(accuracy)


def checked_number(name: str, value: object) -> float:
    """A number of a plan as a record takes it, which knows no NumPy numbers and no truth values.

    Raises:
        ValueError: it is none, or not finite.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, int):
        return int(number)
    if not isinstance(number, float) or not math.isfinite(number):
        raise ValueError(f"task.plan takes finite numbers, and {name} is {value!r}")
    return float(number)


def plain_evaluation(evaluation: Evaluation) -> Evaluation:
    """An evaluation of a method's own with Python's numbers, because the log takes no NumPy numbers.

    Raises:
        ValueError: its accuracy is none from 0 to 1.
    """
    return dataclasses.replace(
        evaluation,
        accuracy=checked_accuracy(evaluation.accuracy),
        curve=tuple(map(float, evaluation.curve)),
        seconds=float(evaluation.seconds),
        steps=whole(evaluation.steps),
        macs=whole(evaluation.macs),
        share=float(evaluation.share),
    )
