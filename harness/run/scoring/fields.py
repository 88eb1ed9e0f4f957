"""What a process has left in its files, looked at: each function returns a value of its kind, or raises ValueError."""

from __future__ import annotations

import math
from typing import Any, get_args

from harness.core.recipe import Limit
from harness.run.job import Job

_MOST_NUMBERS = 1000


def process(value: Any) -> dict[str, Any]:
    """Facts of a process: texts; ``device`` is among them."""
    facts = {str(name): text(fact) for name, fact in dict(value).items()}
    return {"device": "CPU", **facts}


def counts(value: Any) -> dict[str, Any]:
    """Numbers of a final training, and what it was counted in."""
    facts = dict(value)
    limit = facts.pop("limit")
    if limit not in get_args(Limit):
        raise ValueError(f"{limit!r} is nothing that a training is counted in")
    return {**numbers(facts), "limit": limit}


def numbers(value: Any) -> dict[str, float]:
    """Finite numbers, or None, by name; not more of them than a record can hold for a reader."""
    if len(dict(value)) > _MOST_NUMBERS:
        raise ValueError(f"there are {len(value)} numbers, and a record holds {_MOST_NUMBERS}")
    return {str(name): number(one) for name, one in dict(value).items()}


def number(value: Any) -> Any:
    """A finite number, or None."""
    if value is not None and (not isinstance(value, int | float) or not math.isfinite(value)):
        raise ValueError(f"{value!r} is no number")
    return value


def count(value: Any) -> int | None:
    """A whole number, or None."""
    return None if value is None else int(number(value))


def line(value: Any, what: str, most: int) -> str:
    """A text of at most so many characters that is printed in one line; ``what`` names it."""
    if not text(value).isprintable() or len(value) > most:
        raise ValueError(f"its {what} is no line of at most {most:,} characters")
    return text(value)


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def several(job: Job) -> dict[str, int]:
    """How many proposals of each search are trained finally, where it is more than one; an entry of the recipe."""
    return {"top": job.profile.top} if job.profile.top > 1 else {}
