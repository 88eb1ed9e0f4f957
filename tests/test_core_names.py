"""Names."""

from __future__ import annotations

import pytest

from harness.core.errors import InputError
from harness.core.names import directory_name, one_line, one_of, sentence

NAMES = ["darts", "enas_macro", "enas_micro", "random_search"]


def test_a_known_name_comes_back() -> None:
    assert one_of("method", "darts", NAMES) == "darts"


def test_an_unknown_name_is_answered_with_what_is_close() -> None:
    with pytest.raises(InputError, match=r"did you mean .*enas_macro"):
        one_of("method", "enas_marco", NAMES)


def test_a_name_close_to_nothing_is_answered_with_everything() -> None:
    with pytest.raises(InputError, match=", ".join(NAMES)):
        one_of("method", "zzzzzzzzz", NAMES)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../etc", "folder:/x y", "x" * 1000, "/" * 400, "ü"])
def test_a_name_becomes_one_path_component(name: str) -> None:
    quoted = directory_name(name)
    assert "/" not in quoted
    assert quoted not in ("", ".", "..")
    assert len(quoted.encode()) < 255


def test_different_names_become_different_directories() -> None:
    names = ["a/b", "a%2Fb", "a_b", "", "%", ".", "%2E", "x" * 500, "x" * 501, "x" * 500 + "y"]
    assert len({directory_name(name) for name in names}) == len(names)


def test_an_exception_becomes_one_short_line() -> None:
    line = sentence(ValueError("first\nsecond   third" + "x" * 1000))
    assert line.startswith("ValueError: first second third")
    assert "\n" not in line
    assert len(line) <= 300
    assert sentence(KeyError()) == "KeyError"


def test_a_line_holds_what_a_terminal_and_a_file_take() -> None:
    line = one_line("a\n\x1b[31mb\ud800\x00c\u2028d" + "x" * 1000, 50)
    assert line.startswith("a [31mb? c d")
    assert line.isprintable()
    assert len(line) == 50
    assert line.endswith("...")
    assert one_line("x" * 50, 50) == "x" * 50
