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


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ("0", "1", "2", "3")),
        ("2,0", ("2", "0")),
        ("GPU-8932f937, GPU-c1f3b6d1", ("GPU-8932f937", "GPU-c1f3b6d1")),
        ("1,-1,3", ("1",)),
        ("-1", ()),
        ("", ()),
    ],
)
def test_a_run_per_graphics_card_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(self / f"nvidia{number}" for number in range(4)))
    monkeypatch.delenv(machine.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(machine.VISIBLE, visible)
    monkeypatch.setattr(machine, "cores", lambda: 1)
    monkeypatch.setattr(machine, "memory", lambda: 64 * GIB)
    assert machine.cards() == names
    assert machine.default_workers() == max(1, len(names))


def test_without_a_graphics_card_nothing_can_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setenv(machine.VISIBLE, "0,1")
    assert machine.cards() == ()


def test_the_memory_is_read() -> None:
    assert 2**28 < machine.memory() < 2**50
