"""Reading names and seeds."""

from __future__ import annotations

import pytest

from harness.core.errors import InputError
from harness.run.request import MOST_SEEDS, parse_names, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", (0,)), ("0,1,2", (0, 1, 2)), ("0-3", (0, 1, 2, 3)), ("7, 2-3", (7, 2, 3)), ("5-5", (5,))],
)
def test_seeds_are_read(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "1-", "3-1", "0,0", "0-3,2", "1.5", "0-1000000000", "0-999,1000", "0,,1"]
)
def test_nonsense_is_no_seeds(text: str) -> None:
    with pytest.raises(InputError):
        parse_seeds(text)


def test_the_most_seeds_are_allowed() -> None:
    assert len(parse_seeds(f"0-{MOST_SEEDS - 1}")) == MOST_SEEDS


def test_names_are_read_in_order() -> None:
    assert parse_names("method", "b, a,folder:/some/where") == ("b", "a", "folder:/some/where")


@pytest.mark.parametrize("text", ["", ",", "a,a"])
def test_no_name_and_the_same_name_twice_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_names("method", text)
