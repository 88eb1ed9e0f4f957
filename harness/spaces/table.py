"""The space of a user's own table: the columns are the choices, and there are no networks to build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from harness.core.errors import InputError
from harness.core.space import Choice, Genotype, Size, Space


class TableSpace(Space):
    """Independent choices between words.

    Args:
        choices: names and options; an option is a word without comma.
    """

    name = "table"

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = tuple(choices)

    def decode(self, genotype: Genotype, size: Size) -> NoReturn:
        """Raises :class:`InputError`: a table says nothing about networks."""
        raise InputError(f"'{genotype}' belongs to a table and names no network that could be built")
