"""Names what differs between two rows: settings, recipes, machine, threads, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def differences(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Every leaf in which two lists of nested values differ: ``("versions.keras 3.15.1, now 3.16.0", ...)``.

    Lists of more than one element come from runs that were not all made alike; a leaf then has all its values.
    """
    old, new = _together(before), _together(after)
    return tuple(
        f"{name} {old.get(name, 'absent')}, now {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def first_of(names: Sequence[str]) -> str:
    """The first difference and how many there are beside it: ``cpu A, now B, and 2 more``."""
    rest = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{rest}" if names else ""


def _together(values: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The leaves of all ``values``; different values of one leaf are joined by ``or``."""
    texts: dict[str, list[str]] = {}
    for value in values:
        for name, leaf in leaves(value).items():
            if str(leaf) not in texts.setdefault(name, []):
                texts[name].append(str(leaf))
    return {name: " or ".join(several) for name, several in texts.items()}


def leaves(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested mappings by their names joined with dots."""
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= leaves(part, f"{prefix}{name}.") if isinstance(part, Mapping) else {f"{prefix}{name}": part}
    return found
