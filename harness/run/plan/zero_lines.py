"""Zero lines: whatever space a table holds, it holds random sampling and random search in that space too.

Spaces differ more than searches. A method has to be compared with drawing at random in its own space at the same
budget, or the table says which space is good and nothing about the search. Only where that budget buys no evaluation,
in a profile of small supernets, there is no random search to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from harness.core.errors import InputError
from harness.core.zero_line import ZERO_LINE
from harness.plugins.catalogue import Catalogue, load_space
from harness.run.plan.rows import UNKNOWN_SPACE, Row, row_of
from harness.run.request import Request


def with_zero_lines(rows: list[Row], request: Request, catalogue: Catalogue) -> tuple[list[Row], list[str]]:
    """The rows and the baselines that they lack, behind those of the same seed and data set.

    Spaces without genotypes to draw from get none, nor do networks that are given and not searched. What a space from
    a plug-in can do is not known here, because its code does not run in this process; it is tried, and the rows tell.

    Args:
        rows: as named, seed by seed and data set by data set.
        request: what the command asks for.
        catalogue: of methods and spaces.

    Returns:
        The rows, and a line for people on what was added and one on each space that gets nothing.
    """
    usual = ZERO_LINE[:1] if request.profile.supernet else ZERO_LINE
    methods = {name: catalogue.source("method", name) for name in usual}
    facts = {name: method.facts() for name, method in methods.items()}
    searched = dict.fromkeys(row.space for row in rows if not row.method.member and row.space != UNKNOWN_SPACE)
    refused = {space: reason for space in searched if (reason := _why_not(space, catalogue))}
    given = {row.space for row in rows if row.method.member} - set(searched)
    refused |= dict.fromkeys(sorted(given), "its networks are given, not searched")
    complete: list[Row] = []
    added: list[Row] = []
    for (seed, dataset), group in groupby(rows, key=lambda row: (row.seed, row.dataset)):
        mine = list(group)
        there = {(row.method.name, row.space) for row in mine}
        spaces = [space for space in dict.fromkeys(row.space for row in mine) if space in searched]
        lacking = [
            row_of(request, methods[name], facts[name], dataset, space, seed)
            for space in spaces
            for name in usual
            if space not in refused and (name, space) not in there
        ]
        complete += mine + lacking
        added += lacking
    notes = [f"no random search in space '{space}': {reason}" for space, reason in refused.items()]
    return complete, [*([_told(added, usual)] if added else []), *notes]


def _why_not(space: str, catalogue: Catalogue) -> str:
    """Why there can be no random search in a space; empty if there can, as far as is known."""
    if catalogue.spaces().get(space) is not None:
        return ""
    try:
        return "" if load_space(space, None).choices else "it has no genotypes to draw from"
    except InputError:  # a table has brought its own
        return ""


def _told(added: list[Row], baselines: Sequence[str]) -> str:
    lines = len({(row.dataset, row.space, row.method.name) for row in added})
    runs = f" ({len(added)} runs)" if len(added) > lines else ""
    rows = f"{lines} rows{runs} were" if lines > 1 else f"1 row{runs} was"
    spaces = ", ".join(dict.fromkeys(row.space for row in added))
    names = " and ".join(name.replace("_", " ") for name in baselines)
    return (
        f"{rows} added, so that each space has {names} at the same budget to compare with: "
        f"{spaces}; --no-baselines leaves them out"
    )
