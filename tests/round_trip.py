"""Whether a checkpoint is taken over, number by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def takes_everything(
    state: Callable[[], Mapping[str, Any]], restore: Callable[[dict[str, np.ndarray]], Any], **told: np.ndarray
) -> None:
    """Every number of a state is changed, in each entry by others, restored and there again, in whatever order.

    Args:
        state, restore: of the object, bound.
        told: entries in which not every number is allowed; they have to differ from those of the object.
    """
    before = {name: np.asarray(value) for name, value in state().items()}
    changed = {
        name: (value + number + np.arange(value.size).reshape(value.shape)).astype(value.dtype)
        for number, (name, value) in enumerate(before.items(), start=1)
    }
    wanted = {**changed, **told}
    for order in (1, -1):
        restore(dict([*wanted.items()][::order]))
        after = state()
        assert sorted(after) == sorted(wanted)
        for name, value in wanted.items():
            assert not np.array_equal(value, before[name]), f"{name} says nothing"
            np.testing.assert_array_equal(after[name], value, err_msg=name)
