"""What there is, as plain rows for ``list``; reads source text, and of data sets also which files are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.families import FAMILIES, Member
from harness.core.method import LAST
from harness.plugins.catalogue import PUBLISHED, BrokenPlugin, Catalogue, Source, load_dataset
from harness.report.model.numbers import numbers

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
    family = catalogue.family(PUBLISHED).facts()
    rows.append({"name": "published/NAME", "title": family.title, "space": family.space, "summary": family.summary})
    return rows


def families(catalogue: Catalogue) -> list[Row]:
    """The families of the survey, what each is, and the methods that stand for it."""
    members = members_of(catalogue)
    return [
        {"name": name, "methods": [one.name for one in members if name in one.families], "summary": what}
        for name, what in FAMILIES.items()
    ]


def members_of(catalogue: Catalogue) -> list[Member]:
    """The methods with their families, as their source text states them; a broken file has none."""
    found = []
    for name in catalogue.names("method"):
        try:
            facts = catalogue.source("method", name).facts()
        except InputError:
            continue
        found.append((LAST if facts.position is None else facts.position, name, facts))
    return [
        Member(name, facts.title or name, facts.families) for _, name, facts in sorted(found, key=lambda one: one[:2])
    ]


def datasets(catalogue: Catalogue, root: Path) -> list[Row]:
    """Name, one line, whether it is here and, if not, how to get it."""
    return [_dataset(catalogue.source("dataset", name), root) for name in catalogue.names("dataset")]


def _dataset(source: Source, root: Path) -> Row:
    from harness.run.plan.datasets import absence

    summary = ""
    try:
        summary = source.facts().summary
        if source.needs_argument():
            return {"name": f"{source.name}:PATH", "here": None, "summary": summary, "missing": ""}
        missing = absence(source.name, load_dataset(source), root) or ""
    except (InputError, BrokenPlugin) as error:
        return {"name": source.name, "here": False, "summary": summary, "missing": str(error)}
    return {"name": source.name, "here": not missing, "summary": summary, "missing": missing}


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


def short(row: Row) -> Row:
    """A row for people: what is missing is told in the same column as what there would be."""
    if "methods" in row:
        row = {**row, "methods": ", ".join(row["methods"]) or "none here"}
    if "seeds" in row:
        row = {**row, "seeds": numbers(row["seeds"])}
    if not row.get("missing"):
        return {name: value for name, value in row.items() if name != "missing"}
    words = " - ".join(part for part in (row["summary"], row["missing"]) if part)
    return {"name": row["name"], "here": row["here"], "summary": words}
