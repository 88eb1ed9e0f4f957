"""The test kit for authors of methods, data sets and spaces.

In a test of your own::

    from harness.testing import check_method

    def test_my_method():
        check_method("my_method.py")

or by hand: ``python -m harness.testing my_method.py``. Each check has a name, and each failure is a sentence. For
tests of what is special about your method there are a task without training, :func:`make_task`, and an evaluator that
looks scores up, :class:`FakeEvaluator`.
"""

from __future__ import annotations

from harness.testing.checks import Broken, Check, Outcome, Skipped
from harness.testing.fakes import FakeEvaluator, MemoryJournal, VectorSpace, by_hash, make_task, run, tiny_data
from harness.testing.kit import check_dataset, check_method, check_space, checks_of

__all__ = [
    "Broken",
    "Check",
    "FakeEvaluator",
    "MemoryJournal",
    "Outcome",
    "Skipped",
    "VectorSpace",
    "by_hash",
    "check_dataset",
    "check_method",
    "check_space",
    "checks_of",
    "make_task",
    "run",
    "tiny_data",
]
