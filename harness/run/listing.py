"""What there is, as plain rows for ``list``; reads source text, and of data sets also which files are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.run.plugins import BrokenPlugin, Catalogue, Source, load_dataset

Row = dict[str, Any]


def methods(catalogue: Catalogue) -> list[Row]:
    """Name, title, native space and one line of every method; a broken file says so instead."""
    rows = []
    for name in catalogue.names("method"):
        try:
            facts = catalogue.source("method", name).facts()
            row = {"name": name, "title": facts.title or name, "space": facts.space, "summary": facts.summary}
        except InputError as error:
            row = {"name": name, "title": name, "space": "", "summary": str(error)}
        rows.append(row)
    return rows


def datasets(catalogue: Catalogue, root: Path) -> list[Row]:
    """Name, one line, whether it is here and, if not, how to get it."""
    return [_dataset(catalogue.source("dataset", name), root) for name in catalogue.names("dataset")]


def _dataset(source: Source, root: Path) -> Row:
    try:
        summary = source.facts().summary
        if source.needs_argument():
            return {"name": f"{source.name}:PATH", "summary": summary, "here": None, "missing": ""}
        missing = load_dataset(source).missing(root) or ""
    except (InputError, BrokenPlugin) as error:
        return {"name": source.name, "summary": "", "here": False, "missing": str(error)}
    return {"name": source.name, "summary": summary, "here": not missing, "missing": missing}


def spaces(catalogue: Catalogue) -> list[Row]:
    """Name and one line of every space."""
    from harness.spaces import names

    lines = names()
    rows: list[Row] = []
    for name, source in catalogue.spaces().items():
        rows.append({"name": name, "summary": lines[name] if source is None else source.facts().summary})
    return rows


def profiles() -> list[Row]:
    """Name, budget, whether it counts work instead of time, and one line of every profile."""
    from harness.run.profiles import PROFILES

    return [
        {
            "name": profile.name,
            "budget": str(profile.budget),
            "counted": profile.counted,
            "seeds": list(profile.seeds),
            "datasets": list(profile.datasets),
            "summary": profile.summary,
        }
        for profile in PROFILES.values()
    ]
