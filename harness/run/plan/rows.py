"""The runs that a command asks for, each with its space and its directory."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from harness.core.errors import InputError
from harness.core.recipe import Recipe
from harness.core.zero_line import ZERO_LINE
from harness.plugins.catalogue import GIVEN, Catalogue, Source, load_space
from harness.plugins.manifest import Facts
from harness.run.profiles import Profile
from harness.run.request import Request
from harness.run.store import RunDirectory
from harness.spaces.notation import read_text

UNKNOWN_SPACE = "unknown"


@dataclass(frozen=True)
class Row:
    """One method on one data set in one space with one seed, not yet known to be a job or over."""

    method: Source
    facts: Facts
    dataset: str
    space: str
    seed: int
    directory: RunDirectory

    @property
    def native(self) -> str:
        """The method's own space; a baseline is at home in every space."""
        return self.space if self.method.name in ZERO_LINE else self.facts.space

    @property
    def given(self) -> str:
        """The text of the architecture, where the user has given it."""
        return self.method.member if self.method.family == GIVEN else ""

    def inputs(self, profile: Profile) -> dict[str, Any]:
        """Everything that the result depends on, besides data, code and machine."""
        judged = {"signal": profile.column} if profile.tabular else {"final training": profile.final.limit}
        return {
            "profile": profile.name,
            "budget": str(profile.budget),
            **judged,
            "proxy recipe": _values(profile.proxy_for(self.space)),
            "final recipe": _values(profile.final_for(self.space, self.facts.extra)),
            "validation share": profile.validation_share,
            "limit of size": profile.limits.words() or None,
            **({"final trainings": profile.top} if profile.top > 1 else {}),
            **({"corrupted test images": True} if profile.corruptions else {}),
            **({"supernet": asdict(profile.supernet)} if profile.supernet else {}),
            **({"graphics cards": profile.cards} if profile.cards > 1 else {}),
            "data set": self.dataset,
            "space": self.space,
            "method": self.method.name,
            "seed": self.seed,
            **({"architecture": self.given} if self.given else {}),
        }


@cache
def _values(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, to be read only: thousands of runs share it."""
    return recipe.values()


def given_architectures(request: Request) -> dict[str, str]:
    """The texts of the architectures in a request's files, by the files' names.

    Raises:
        InputError: a file cannot be read, holds none of a space, or two files have the same name.
    """
    texts: dict[str, str] = {}
    for path in request.architectures:
        text, name = read_text(path), re.sub(r"[^\w.-]", "_", path.stem)
        if name in texts:
            raise InputError(f"two files with architectures are called '{name}'; rename one of them")
        texts[name] = text
    return texts


def check_given(texts: Iterable[str], catalogue: Catalogue) -> None:
    """Looks at each architecture that is one of a built-in space; a plug-in's code does not run in this process.

    Raises:
        InputError: there is no such space, or it does not have this architecture.
    """
    for text in texts:
        space = text.partition(":")[0]
        if catalogue.spaces().get(space) is None:
            load_space(space, None).parse(text)


def named_rows(
    request: Request, catalogue: Catalogue, spaces: Mapping[str, str | None], given: Collection[str] = ()
) -> list[Row]:
    """What the request names, seed by seed, so that the first whole table is there early.

    Args:
        request: what a command asks for.
        catalogue: of methods and spaces.
        spaces: by data set, the only space that it can be searched in; None where any will do.
        given: names of methods that stand for given architectures; each has the space of its own.

    Raises:
        InputError: a method or a space does not exist, or a table is of another space.
    """
    every = request.methods == ("all",)
    names = [*(catalogue.names("method") if every else request.methods), *given]
    methods = [catalogue.source("method", name) for name in names]
    if every and request.profile.supernet:
        methods = [method for method in methods if method.facts().trains or method.family == GIVEN]
    if not methods:
        raise InputError("there are no methods; is this the project's checkout?")
    facts, few = {method.name: method.facts() for method in methods}, dict(request.few)
    native = {
        method.name: facts[method.name].space
        if method.family == GIVEN
        else _space_name(facts[method.name], request, catalogue)
        for method in methods
    }
    for dataset, space in spaces.items():
        for name in given:
            if space not in (None, native[name]):
                raise InputError(f"the table '{dataset}' is one of space '{space}', '{name}' of '{native[name]}'")
        if space is not None and request.space not in ("native", space):
            raise InputError(f"the table '{dataset}' is one of space '{space}', not of '{request.space}'")
        for name, told in facts.items():
            if space is not None and told.extra:
                raise InputError(f"'{name}' changes the final training, and the table '{dataset}' has none")
    return [
        row_of(request, method, facts[method.name], dataset, spaces[dataset] or native[method.name], seed)
        for seed in request.seeds
        for dataset in request.datasets
        for method in methods
        if seed in request.seeds[: few.get(method.name.partition(":")[0])]
    ]


def row_of(request: Request, method: Source, facts: Facts, dataset: str, space: str, seed: int) -> Row:
    """A row with its directory."""
    directory = RunDirectory.of(request.out, request.profile.name, dataset, space, method.name, seed)
    return Row(method, facts, dataset, space, seed, directory)


def _space_name(facts: Facts, request: Request, catalogue: Catalogue) -> str:
    name = request.space
    if name == "native":
        if not facts.space:
            return UNKNOWN_SPACE
        name = request.profile.space_for(facts.space)
    source = catalogue.spaces().get(name)
    if source is None:
        try:
            load_space(name, None)
        except InputError:
            if request.space == "native":
                return UNKNOWN_SPACE
            raise
    return name
