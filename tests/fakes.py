"""The stand-ins of :mod:`harness.testing`, under the short name that the tests use."""

from harness.testing.fakes import (
    FakeEvaluator,
    MemoryJournal,
    Score,
    VectorSpace,
    by_hash,
    make_task,
    run,
    tiny_data,
)

__all__ = ["FakeEvaluator", "MemoryJournal", "Score", "VectorSpace", "by_hash", "make_task", "run", "tiny_data"]
