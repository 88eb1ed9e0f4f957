"""What a cell of a table can hold. Each kind knows its text, the number behind it, and its fields in a CSV file."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

from harness.report.model.literature import PublishedValue
from harness.report.model.numbers import DASH, NOT_RECORDED, signed


class Value(abc.ABC):
    """The content of a cell."""

    @property
    @abc.abstractmethod
    def text(self) -> str:
        """As printed, not escaped."""

    @property
    def brief(self) -> str:
        """As printed where the cells beside it say the rest; empty where nothing is known."""
        return self.text if self.known else ""

    @property
    def number(self) -> float | None:
        """The number to sort by, as printed in full."""
        return None

    @property
    def known(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.text)

    def fields(self, key: str) -> dict[str, Any]:
        """What a program reads, by name; ``key`` is the column's."""
        return {key: self.text if self.known else None}


class Quantity(Value):
    """One number, or none."""

    value: float | None

    @property
    def number(self) -> float | None:
        """The number."""
        return self.value

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return self.value is not None

    def fields(self, key: str) -> dict[str, Any]:
        """The number itself."""
        return {key: _rounded(self.value)}


@dataclass(frozen=True)
class Words(Value):
    """Plain words."""

    words: str

    @property
    def text(self) -> str:
        """The words."""
        return self.words


@dataclass(frozen=True)
class Absent(Value):
    """Nothing is known, and why: ``not run``, ``no result``, a dash."""

    words: str = DASH

    @property
    def text(self) -> str:
        """The reason."""
        return self.words

    @property
    def known(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True)
class Name(Value):
    """A row's method: its title, its space in small print, and name and space for programs.

    Args:
        words: the title.
        small: in small print; empty where all rows of a table are of one space, which its title names.
        name, space: for programs.
    """

    words: str
    small: str
    name: str
    space: str

    @property
    def text(self) -> str:
        """The title."""
        return self.words

    def fields(self, key: str) -> dict[str, Any]:
        """Name, title and space."""
        return {key: self.name, "title": self.words, "space": self.space}


@dataclass(frozen=True)
class Number(Quantity):
    """A number.

    Args:
        value: None where it was not recorded.
        form: a format specification.
        scale: the unit in which it is printed; programs get the value itself.
        missing: printed for None.
    """

    value: float | None
    form: str = ",.0f"
    scale: float = 1.0
    missing: str = NOT_RECORDED

    @property
    def text(self) -> str:
        """In its unit."""
        return self.missing if self.value is None else f"{self.value / self.scale:{self.form}}"

    @property
    def number(self) -> float | None:
        """In its unit."""
        return None if self.value is None else self.value / self.scale


@dataclass(frozen=True)
class Evaluations(Value):
    """How many evaluations there were, and how many different architectures among them."""

    count: float | None
    unique: float | None

    @property
    def text(self) -> str:
        """``9 (8)``."""
        count, unique = (
            NOT_RECORDED if value is None else f"{value:,.1f}".removesuffix(".0") for value in (self.count, self.unique)
        )
        return f"{count} ({unique})"

    @property
    def number(self) -> float | None:
        """The count."""
        return self.count

    @property
    def known(self) -> bool:
        """Whether either was recorded."""
        return self.count is not None or self.unique is not None

    def fields(self, key: str) -> dict[str, Any]:
        """Both."""
        return {key: _rounded(self.count), "unique": _rounded(self.unique)}


@dataclass(frozen=True)
class Spread(Value):
    """Mean, sample standard deviation and number of seeds.

    Args:
        mean: None without a result.
        deviation: None below three results.
        n: number of results.
        missing: printed without a result; empty where the cell says why there is none.
    """

    mean: float | None
    deviation: float | None
    n: int
    missing: str = ""

    @property
    def text(self) -> str:
        """``92.20 ± 0.20 (3)``."""
        if self.mean is None:
            return self.missing
        spread = "" if self.deviation is None else f" ± {self.deviation:.2f}"
        return f"{self.mean:.2f}{spread} ({self.n})"

    @property
    def number(self) -> float | None:
        """The mean."""
        return self.mean

    @property
    def known(self) -> bool:
        """Whether there is a result."""
        return self.mean is not None

    def fields(self, key: str) -> dict[str, Any]:
        """``n``, and mean and deviation behind the column's name."""
        prefix = f"{key}_" if key else ""
        return {"n": self.n, f"{prefix}mean": _rounded(self.mean), f"{prefix}std": _rounded(self.deviation)}


@dataclass(frozen=True)
class Improvement(Quantity):
    """Relative improvement over random sampling in %.

    Args:
        value: None where there is none.
        why: printed for None.
        n, n_random: numbers of results of the method and of random sampling.
    """

    value: float | None
    why: str = DASH
    n: int = 0
    n_random: int = 0

    @property
    def text(self) -> str:
        """``+5.23 (2, 3)``, or why there is none."""
        return self.why if self.value is None else f"{signed(self.value)} ({self.n}, {self.n_random})"

    @property
    def brief(self) -> str:
        """``+5.23``."""
        return "" if self.value is None else signed(self.value)


@dataclass(frozen=True)
class Published(Value):
    """A published accuracy, or none."""

    value: PublishedValue | None

    @property
    def text(self) -> str:
        """The value with what has to be known about it."""
        return str(self.value) if self.value else DASH

    @property
    def known(self) -> bool:
        """Whether one was published."""
        return self.value is not None

    def fields(self, key: str) -> dict[str, Any]:
        """Value, deviation, remark and source."""
        names = ("value", "deviation", "remark", "source")
        facts = [getattr(self.value, name) if self.value else None for name in names]
        return dict(zip((key, f"{key}_std", f"{key}_remark", f"{key}_source"), facts, strict=True))


def _rounded(value: float | None) -> float | None:
    """Without the last digits, which only say in which order a computer adds."""
    return None if value is None else round(value, 9)
