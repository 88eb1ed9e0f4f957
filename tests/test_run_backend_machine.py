"""How many runs share a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.run.backends import machine

GIB = 2**30


@pytest.mark.parametrize(("cores", "memory", "expected"), [(2, 24, 2), (16, 24, 12), (4, 1, 1), (1, 64, 1)])
def test_a_run_per_core_as_far_as_the_memory_goes(
    monkeypatch: pytest.MonkeyPatch, cores: int, memory: int, expected: int
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "memory", lambda: memory * GIB)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    assert machine.default_workers() == expected


def test_one_run_at_a_time_on_a_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([self / "nvidia0"]))
    assert machine.default_workers() == 1


def test_the_memory_is_read() -> None:
    assert 2**28 < machine.memory() < 2**50
