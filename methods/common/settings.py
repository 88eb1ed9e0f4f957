"""Hyper-parameters that a shared part of several methods needs, taken from the method that uses it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Settings:
    """Base of a frozen dataclass whose fields are some of a method's."""

    @classmethod
    def of(cls, method: Any) -> Self:
        """The settings among the fields of a method.

        Raises:
            InputError: one of them is out of range.
        """
        return cls(**{field.name: getattr(method, field.name) for field in dataclasses.fields(cls)})
