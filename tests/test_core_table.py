"""Tables refuse what does not fit together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import VectorSpace

from harness.core.errors import InputError
from harness.core.table import Signal, Table

SPACE = VectorSpace(2)
GENOTYPES = ("toy:0,0", "toy:0,1", "toy:1,0", "toy:1,1")


def table(**changes: Any) -> Table:
    values = np.array([0.1, 0.2, 0.3, 0.4])
    whole = {
        "name": "t", "space": SPACE, "genotypes": GENOTYPES, "signals": {"a": Signal(values, values)}, "score": values,
    }  # fmt: skip
    return Table(**{**whole, **changes})


def test_a_table_knows_its_rows_and_signals() -> None:
    one = table()
    assert [one.rows[text] for text in GENOTYPES] == [0, 1, 2, 3]
    assert one.signal("a") == one.signal("whatever the profile says") == "a"
    two = table(signals={"a": one.signals["a"], "b": one.signals["a"]})
    assert two.signal("b") == "b"
    with pytest.raises(InputError, match="no signal 'c'; it has a, b"):
        two.signal("c")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"genotypes": ()}, "empty"),
        ({"signals": {}}, "empty"),
        ({"score": np.array([0.1, 0.2])}, "2 values of its test accuracy"),
        ({"score": np.array([0.1, 0.2, 0.3, 40.0])}, "outside 0..1"),
        ({"score": np.array([0.1, 0.2, 0.3, np.nan])}, "no number"),
        ({"signals": {"a": Signal(np.full(4, 0.5), np.array([1.0, 0.0, 1.0, 1.0]))}}, "must be positive"),
        ({"signals": {"a": Signal(np.full(4, -0.5), np.ones(4))}}, "signal 'a' outside"),
        ({"parameters": np.ones(3, np.int64)}, "3 parameter counts"),
        ({"genotypes": (*GENOTYPES[:3], "toy:0,0")}, "two rows"),
        ({"genotypes": (*GENOTYPES[:3], "toy:0,2")}, "no option"),
    ],
)
def test_a_broken_table_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        table(**changes)
