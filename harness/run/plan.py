"""From a request to jobs: every name, file and directory is looked at before any work is done."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.dataset import DatasetSource
from harness.core.errors import InputError
from harness.core.names import directory_name
from harness.core.recipe import Recipe
from harness.core.record import Record
from harness.plugins.catalogue import FOLDERS, PACKAGES, Catalogue, Source, load_space
from harness.plugins.manifest import Facts
from harness.run import loading, lookup_data, prepare
from harness.run.backends.machine import cores
from harness.run.fence import Forbidden
from harness.run.final import HiddenLabels, Scorer
from harness.run.job import Job
from harness.run.lookup_data import PreparedTable
from harness.run.profiles import PROFILES, Profile
from harness.run.request import Request
from harness.run.store import RunDirectory, plain, read_json

_TABLES = ("performance.md", "cost.md", "records.csv")
UNKNOWN_SPACE = "unknown"


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is there already.

    Args:
        jobs: to do, the longest first as far as is known.
        records: of the runs that are over.
        scorer: knows the test set.
        workers: processes at the same time.
        tabular: whether the jobs look tables up instead of training.
    """

    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    scorer: Scorer
    workers: int
    tabular: bool = False


@dataclass(frozen=True)
class _Run:
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
    return dataclasses.asdict(recipe)


def make_plan(request: Request) -> Plan:
    """Looks at everything that a request names, and prepares the data of what is to be done.

    Raises:
        InputError: something does not exist or does not fit, or what is in the output directory was made otherwise.
    """
    catalogue = Catalogue(request.plugins)
    named = {name: catalogue.source("dataset", name.partition(":")[0]) for name in request.datasets}
    sources = {name: loading.loaded(source, name) for name, source in named.items()}
    for name, source in sources.items():
        loading.check_kind(name, source, request.profile)
        if absent := source.missing(request.data_root):
            raise InputError(absent)
    if request.profile.signal:
        return _table_plan(request, catalogue, named, sources)
    return _image_plan(request, catalogue, named, sources)


def _image_plan(
    request: Request, catalogue: Catalogue, named: dict[str, Source], sources: dict[str, DatasetSource]
) -> Plan:
    runs = _runs(request, catalogue, {})
    check_writable(request.out)
    over, pending = _sorted_out(runs, request)
    labels = HiddenLabels(lambda name: loading.images(sources[name], name, request.data_root).y_test)
    jobs: list[Job] = []
    for name in dict.fromkeys(run.dataset for run in pending):
        data = loading.images(sources[name], name, request.data_root)
        prepared = prepare.locate(data, request.profile.validation_share, request.out)
        mine = [run for run in pending if run.dataset == name]
        for run in mine:
            _check_same(run, {"data": prepared.checksum})
        prepare.write(data, prepared, sorted({run.seed for run in mine}))
        labels.keep(name, data.y_test)
        hidden = (*sources[name].hidden(request.data_root), prepared.directory / prepare.TEST_IMAGES)
        jobs += [_job(run, request, catalogue, prepared, _forbidden(hidden, named[name], run, request)) for run in mine]
    known = {(record.dataset, record.method): _seconds(record) for record in over}
    order = sorted(jobs, key=lambda job: -known.get((job.dataset, job.method.name), float("inf")))
    return Plan(tuple(order), tuple(over), labels, request.workers)


def _table_plan(
    request: Request, catalogue: Catalogue, named: dict[str, Source], sources: dict[str, DatasetSource]
) -> Plan:
    tables = {name: loading.table(source, name, request.data_root) for name, source in sources.items()}
    prepared = {
        name: lookup_data.locate(table, request.profile.signal, request.out, request.profile.budget)
        for name, table in tables.items()
    }
    runs = _runs(request, catalogue, {name: table.space.name for name, table in tables.items()})
    check_writable(request.out)
    over, pending = _sorted_out(runs, request)
    for name in dict.fromkeys(run.dataset for run in pending):
        lookup_data.write(tables[name], prepared[name])
    jobs = []
    for run in pending:
        data = prepared[run.dataset]
        _check_same(run, {"data": data.checksum})
        hidden = sources[run.dataset].hidden(request.data_root)
        forbidden = _forbidden(hidden, named[run.dataset], run, request)
        jobs.append(_job(run, request, catalogue, data, forbidden))
    return Plan(tuple(jobs), tuple(over), lookup_data.HiddenScores(tables), request.workers, tabular=True)


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


def _runs(request: Request, catalogue: Catalogue, spaces: Mapping[str, str]) -> list[_Run]:
    """The grid, seed by seed, so that the first whole table is there early; ``spaces``: of tables, by data set."""
    every = request.methods == ("all",)
    methods = [catalogue.source("method", name) for name in (catalogue.names("method") if every else request.methods)]
    if not methods:
        raise InputError("there are no methods; is this the project's checkout?")
    facts = {method.name: method.facts() for method in methods}
    native = {method.name: _space_name(facts[method.name], request, catalogue) for method in methods}
    for dataset, space in spaces.items():
        if request.space not in ("native", space):
            raise InputError(f"the table '{dataset}' is one of space '{space}', not of '{request.space}'")
    return [
        _run(request, method, facts[method.name], dataset, spaces.get(dataset, native[method.name]), seed)
        for seed in request.seeds
        for dataset in request.datasets
        for method in methods
    ]


def _run(request: Request, method: Source, facts: Facts, dataset: str, space: str, seed: int) -> _Run:
    directory = RunDirectory.of(request.out, request.profile.name, dataset, space, method.name, seed)
    return _Run(method, facts, dataset, space, seed, directory)


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


def _sorted_out(runs: list[_Run], request: Request) -> tuple[list[Record], list[_Run]]:
    """Records of runs that are over, and the other runs; failed ones that are to be retried lose their directory."""
    over: list[Record] = []
    pending: list[_Run] = []
    retried: list[_Run] = []
    for run in runs:
        record = run.directory.stored_record()
        if record is not None and record.status == "failed" and request.retry_failed:
            retried.append(run)
            continue
        _check_same(run, run.inputs(request.profile))
        _check_settings(run, request.profile)
        if record is None:
            pending.append(run)
        else:
            over.append(record)
    for run in retried:
        shutil.rmtree(run.directory.path)
    return over, pending + retried


def _check_same(run: _Run, wanted: dict[str, Any]) -> None:
    if not run.directory.inputs.exists():
        return
    stored = read_json(run.directory.inputs)
    wanted = plain(wanted)
    for name, value in wanted.items():
        if stored.get(name) != value:
            change = f"{stored.get(name)} there, {value} here" if isinstance(value, str | int | float) else "changed"
            raise InputError(
                f"{run.directory.path} was made with another {name} ({change}); name another directory with --out"
            )


def _check_settings(run: _Run, profile: Profile) -> None:
    """Compares the hyper-parameters that the method's source states with those of the stored run."""
    if not run.directory.settings.exists():
        return
    stored = read_json(run.directory.settings)
    for name, value in plain(run.facts.under(profile.scale)).items():
        if name in stored and stored[name] != value:
            raise InputError(
                f"{run.directory.path} was made with {name}={stored[name]} of '{run.method.name}', now {value}; "
                "name another directory with --out"
            )


def _job(
    run: _Run, request: Request, catalogue: Catalogue, prepared: prepare.Prepared | PreparedTable, forbidden: Forbidden
) -> Job:
    profile = request.profile
    return Job(
        profile=profile,
        method=run.method,
        title=run.facts.title or run.method.name,
        native=run.facts.space,
        dataset=run.dataset,
        space=run.space,
        space_source=catalogue.spaces().get(run.space),
        seed=run.seed,
        directory=run.directory,
        prepared=prepared,
        forbidden=forbidden,
        threads=1 if profile.budget.counted else max(1, cores() // request.workers),
        inputs={**run.inputs(profile), "data": prepared.checksum},
    )


def _forbidden(hidden: tuple[Path, ...], dataset: Source, run: _Run, request: Request) -> Forbidden:
    """Test data, the loaders that could bring it, and other runs' results, which are measured on it.

    A plug-in file with both a method and its data keeps its own loader.
    """
    tables = (request.out / table for table in _TABLES)
    modules, paths = [PACKAGES["dataset"]], [*hidden, *tables, FOLDERS["dataset"]]
    if dataset.module != run.method.module:
        modules.append(dataset.module)
        if dataset.single:
            paths.append(Path(dataset.file))
    return Forbidden(
        tuple(path.absolute() for path in paths),
        tuple(modules),
        closed=tuple(request.out / directory_name(name) for name in (*PROFILES, request.profile.name)),
        opened=(run.directory.path,),
    )


def _seconds(record: Record) -> float:
    return record.search.get("seconds", 0.0) + record.final.get("seconds", 0.0)
