"""From a request to jobs: every name, file and directory is looked at before any work is done."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import directory_name, sentence
from harness.core.recipe import Recipe
from harness.core.record import Record
from harness.core.table import Table
from harness.plugins.catalogue import FOLDERS, PACKAGES, BrokenPlugin, Catalogue, Source, load_dataset, load_space
from harness.plugins.manifest import Facts
from harness.run.backends.base import Capacity
from harness.run.fence import Forbidden
from harness.run.images import ImageSets
from harness.run.job import Job, Prepared
from harness.run.profiles import PROFILES, Profile
from harness.run.request import Request
from harness.run.scoring import Scorer
from harness.run.store import RunDirectory
from harness.run.tables import Tables

Loaded = TypeVar("Loaded", Dataset, Table)
_TABLES = ("performance.md", "cost.md", "records.csv")
UNKNOWN_SPACE = "unknown"
ONE_CORE = Capacity()


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is there already.

    Args:
        jobs: to do, the longest first as far as is known.
        records: of the runs that are over.
        scorer: knows the test set.
        workers: processes at the same time.
        notes: what data sets have to say before work, a line each.
    """

    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    scorer: Scorer
    workers: int
    notes: tuple[str, ...] = ()


class DataSets(Protocol):
    """The data sets of a command: images, or tables."""

    spaces: Mapping[str, str | None]
    """By name on the command line, the only space that a data set can be searched in; None where any will do."""

    notes: list[str]

    @property
    def scorer(self) -> Scorer:
        """Knows what no search may see of them."""

    def prepare(self, name: str, seeds: Iterable[int], check: Callable[[str], None]) -> Prepared:
        """Writes what searches read; ``check`` is told the checksum before that, and may raise."""


@dataclass(frozen=True)
class _Entry:
    """One method on one data set with one seed, not yet known to be a job or over."""

    method: Source
    facts: Facts
    dataset: str
    space: str
    seed: int
    directory: RunDirectory

    def inputs(self, profile: Profile) -> dict[str, Any]:
        """Everything that the result depends on, besides data, code and machine."""
        return {
            "profile": profile.name,
            "budget": str(profile.budget),
            "proxy recipe": _values(profile.proxy),
            "final recipe": _values(profile.final),
            "validation share": profile.validation_share,
            "data set": self.dataset,
            "space": self.space,
            "method": self.method.name,
            "seed": self.seed,
            **({"signal": profile.signal} if profile.signal else {}),
        }


@cache
def _values(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, to be read only: thousands of runs share it."""
    return asdict(recipe)


def make_plan(request: Request, capacity: Capacity = ONE_CORE) -> Plan:
    """Looks at everything that a request names, and prepares the data of what is to be done.

    Args:
        request: what a command asks for.
        capacity: of the back end that will do it; unless the request says how many, it decides how many runs go on at
            the same time, and these share its cores.

    Raises:
        InputError: something does not exist or does not fit, or what is in the output directory was made otherwise.
    """
    catalogue = Catalogue(request.plugins)
    named = {name: catalogue.source("dataset", name.partition(":")[0]) for name in request.datasets}
    sources = {name: _source(plugin, name) for name, plugin in named.items()}
    for name, source in sources.items():
        _check_kind(name, source, request.profile)
        if absent := source.missing(request.data_root):
            raise InputError(absent)
    data = _data_sets(request, sources)
    entries = _entries(request, catalogue, data.spaces)
    check_writable(request.out)
    over, pending = _sorted_out(entries, request)
    workers = request.workers or capacity.workers
    jobs: list[Job] = []
    for name in dict.fromkeys(entry.dataset for entry in pending):
        mine = [entry for entry in pending if entry.dataset == name]

        def check(checksum: str, mine: list[_Entry] = mine) -> None:
            for entry in mine:
                entry.directory.check_inputs({"data": checksum})

        prepared = data.prepare(name, sorted({entry.seed for entry in mine}), check)
        hidden = (*sources[name].hidden(request.data_root), *prepared.hidden)
        threads = 1 if request.profile.budget.counted else max(1, capacity.cores // workers)
        for entry in mine:
            forbidden = _forbidden(hidden, named[name], entry, request)
            jobs.append(_job(entry, request.profile, catalogue, prepared, forbidden, threads))
    known = {(record.dataset, record.method): _seconds(record) for record in over}
    order = sorted(jobs, key=lambda job: -known.get((job.dataset, job.method.name), float("inf")))
    return Plan(tuple(order), tuple(over), data.scorer, workers, tuple(data.notes))


def _source(plugin: Source, name: str) -> DatasetSource:
    try:
        return load_dataset(plugin, name.partition(":")[2])
    except BrokenPlugin as error:
        raise InputError(str(error)) from error


def _check_kind(name: str, source: DatasetSource, profile: Profile) -> None:
    """Tables are looked up and images are trained on; no profile does both."""
    if source.tabular and not profile.signal:
        raise InputError(f"'{name}' is a table and profile '{profile.name}' trains; use --profile nb201")
    if profile.signal and not source.tabular:
        raise InputError(
            f"profile '{profile.name}' looks tables up, and '{name}' is a set of images; use --profile quick"
        )


def _data_sets(request: Request, sources: Mapping[str, DatasetSource]) -> DataSets:
    def loaded(name: str, kind: type[Loaded]) -> Loaded:
        try:
            data = sources[name].load(request.data_root)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the data set '{name}' does not load: {sentence(error)}") from error
        if not isinstance(data, kind):
            raise InputError(f"the data set '{name}' loads a {type(data).__name__} instead of a {kind.__name__}")
        return data

    profile = request.profile
    if profile.signal:
        return Tables({name: loaded(name, Table) for name in sources}, profile.signal, request.out, profile.budget)

    return ImageSets(
        sources, lambda name: replace(loaded(name, Dataset), name=name), profile.validation_share, request.out
    )


def check_writable(out: Path) -> None:
    """Makes sure that files can be written into ``out``, which is created.

    Raises:
        InputError: they cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"cannot write into {out} ({error.strerror}); name another directory with --out") from error


def _entries(request: Request, catalogue: Catalogue, spaces: Mapping[str, str | None]) -> list[_Entry]:
    """All there is to do, seed by seed, so that the first whole table is there early."""
    every = request.methods == ("all",)
    methods = [catalogue.source("method", name) for name in (catalogue.names("method") if every else request.methods)]
    if not methods:
        raise InputError("there are no methods; is this the project's checkout?")
    facts = {method.name: method.facts() for method in methods}
    native = {method.name: _space_name(facts[method.name], request, catalogue) for method in methods}
    for dataset, space in spaces.items():
        if space is not None and request.space not in ("native", space):
            raise InputError(f"the table '{dataset}' is one of space '{space}', not of '{request.space}'")
    entries = []
    for seed in request.seeds:
        for dataset in request.datasets:
            for method in methods:
                space = spaces[dataset] or native[method.name]
                directory = RunDirectory.of(request.out, request.profile.name, dataset, space, method.name, seed)
                entries.append(_Entry(method, facts[method.name], dataset, space, seed, directory))
    return entries


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


def _sorted_out(entries: list[_Entry], request: Request) -> tuple[list[Record], list[_Entry]]:
    """Records of runs that are over, and the others; failed ones that are to be retried lose their directory."""
    over: list[Record] = []
    pending: list[_Entry] = []
    retried: list[_Entry] = []
    for entry in entries:
        record = entry.directory.stored_record()
        if record is not None and record.status == "failed" and request.retry_failed:
            retried.append(entry)
            continue
        entry.directory.check_inputs(entry.inputs(request.profile))
        entry.directory.check_settings(entry.method.name, entry.facts.under(request.profile.scale))
        if record is None:
            pending.append(entry)
        else:
            over.append(record)
    for entry in retried:
        shutil.rmtree(entry.directory.path)
    return over, pending + retried


def _job(
    entry: _Entry, profile: Profile, catalogue: Catalogue, prepared: Prepared, forbidden: Forbidden, threads: int
) -> Job:
    return Job(
        profile=profile,
        method=entry.method,
        title=entry.facts.title or entry.method.name,
        native=entry.facts.space,
        dataset=entry.dataset,
        space=entry.space,
        space_source=catalogue.spaces().get(entry.space),
        seed=entry.seed,
        directory=entry.directory,
        prepared=prepared,
        forbidden=forbidden,
        threads=threads,
        inputs={**entry.inputs(profile), "data": prepared.checksum},
        position=entry.facts.position,
        look=entry.facts.look,
    )


def _forbidden(hidden: tuple[Path, ...], dataset: Source, entry: _Entry, request: Request) -> Forbidden:
    """Test data, the loaders that could bring it, and other runs' results, which are measured on it.

    A plug-in file with both a method and its data keeps its own loader.
    """
    tables = (request.out / table for table in _TABLES)
    modules, paths = [PACKAGES["dataset"]], [*hidden, *tables, FOLDERS["dataset"]]
    if dataset.module != entry.method.module:
        modules.append(dataset.module)
        if dataset.single:
            paths.append(Path(dataset.file))
    return Forbidden(
        tuple(path.absolute() for path in paths),
        tuple(modules),
        closed=tuple(request.out / directory_name(name) for name in (*PROFILES, request.profile.name)),
        opened=(entry.directory.path,),
    )


def _seconds(record: Record) -> float:
    return record.search.get("seconds", 0.0) + record.final.get("seconds", 0.0)
