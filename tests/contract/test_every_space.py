"""What every space promises: its text form, its neighbours, graphs for all of its genotypes."""

from __future__ import annotations

import pytest

from harness.plugins.catalogue import Catalogue, named_space
from harness.spaces import SMALL_CELLS
from harness.testing.spaces import drawn, space_checks

SPACES = [*Catalogue().spaces(), "macro-3", "macro-6", "chain-3", "chain-6", "qchain-4", "block-3"]
PROMISES = [check.name for check in space_checks(named_space(SPACES[0], Catalogue()))]


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", SPACES)
def test_a_space_keeps_its_promises(name: str, promise: str) -> None:
    [check] = [check for check in space_checks(named_space(name, Catalogue())) if check.name == promise]
    check()


@pytest.mark.parametrize("name", SPACES)
def test_our_own_spaces_are_worth_searching(name: str) -> None:
    space = named_space(name, Catalogue())
    # The space of the project's own tables is small enough to be trained as a whole.
    assert space.cardinality > (700 if name == SMALL_CELLS else 1000)
    assert len(set(drawn(space))) > 40
    assert len(set(space.choices[0].options)) == len(space.choices[0].options)
