"""From a request to jobs: every name, file and directory is looked at before any work is done."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.record import Record
from harness.run import prepare
from harness.run.facts import Facts
from harness.run.fence import Forbidden
from harness.run.final import HiddenLabels
from harness.run.job import Job
from harness.run.names import directory_name, sentence
from harness.run.plugins import FOLDERS, ROOT, BrokenPlugin, Catalogue, Source, load_dataset, load_space
from harness.run.profiles import PROFILES, Profile
from harness.run.provenance import cores
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
        labels: test labels for scoring.
        workers: processes at the same time.
    """

    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    labels: HiddenLabels
    workers: int


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
            "proxy recipe": dataclasses.asdict(profile.proxy),
            "final recipe": dataclasses.asdict(profile.final),
            "validation share": profile.validation_share,
            "data set": self.dataset,
            "space": self.space,
            "method": self.method.name,
            "seed": self.seed,
        }


def make_plan(request: Request) -> Plan:
    """Looks at everything that a request names, and prepares the data of what is to be done.

    Raises:
        InputError: something does not exist or does not fit, or what is in the output directory was made otherwise.
    """
    catalogue = Catalogue(request.plugins)
    named = {name: _source(name, catalogue) for name in request.datasets}
    sources = {name: _loaded(source, name) for name, source in named.items()}
    for source in sources.values():
        if absent := source.missing(request.data_root):
            raise InputError(absent)
    runs = _runs(request, catalogue)
    check_writable(request.out)
    over, pending = _sorted_out(runs, request)
    labels = HiddenLabels(lambda name: _read(sources[name], name, request.data_root).y_test)
    jobs: list[Job] = []
    for name in dict.fromkeys(run.dataset for run in pending):
        data = _read(sources[name], name, request.data_root)
        prepared = prepare.locate(data, request.profile.validation_share, request.out)
        mine = [run for run in pending if run.dataset == name]
        for run in mine:
            _check_same(run, {"data": prepared.checksum})
        prepare.write(data, prepared, sorted({run.seed for run in mine}))
        labels.keep(name, data.y_test)
        tables = (request.out / table for table in _TABLES)
        hidden = (*sources[name].hidden(request.data_root), prepared.directory / prepare.TEST_IMAGES, *tables)
        jobs += [_job(run, request, catalogue, prepared, _forbidden(hidden, named[name], run, request)) for run in mine]
    known = {(record.dataset, record.method): _seconds(record) for record in over}
    order = sorted(jobs, key=lambda job: -known.get((job.dataset, job.method.name), float("inf")))
    return Plan(tuple(order), tuple(over), labels, request.workers)


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


def _source(name: str, catalogue: Catalogue) -> Source:
    return catalogue.source("dataset", name.partition(":")[0])


def _loaded(source: Source, name: str) -> DatasetSource:
    try:
        return load_dataset(source, name.partition(":")[2])
    except BrokenPlugin as error:
        raise InputError(str(error)) from error


def _read(source: DatasetSource, name: str, root: Path) -> Dataset:
    """Loads a data set under the name it has on the command line."""
    try:
        data = source.load(root)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the data set '{name}' does not load: {sentence(error)}") from error
    if not isinstance(data, Dataset):
        raise InputError(f"the data set '{name}' loads a {type(data).__name__} instead of a Dataset")
    return dataclasses.replace(data, name=name)


def _runs(request: Request, catalogue: Catalogue) -> list[_Run]:
    """The grid, seed by seed, so that the first whole table is there early."""
    every = request.methods == ("all",)
    methods = [catalogue.source("method", name) for name in (catalogue.names("method") if every else request.methods)]
    if not methods:
        raise InputError("there are no methods; is this the project's checkout?")
    facts = {method.name: method.facts() for method in methods}
    spaces = {method.name: _space_name(facts[method.name], request, catalogue) for method in methods}
    profile = request.profile.name
    return [
        _Run(
            method,
            facts[method.name],
            dataset,
            spaces[method.name],
            seed,
            RunDirectory.of(request.out, profile, dataset, spaces[method.name], method.name, seed),
        )
        for seed in request.seeds
        for dataset in request.datasets
        for method in methods
    ]


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
    for name, value in plain(run.facts.under(profile.name)).items():
        if name in stored and stored[name] != value:
            raise InputError(
                f"{run.directory.path} was made with {name}={stored[name]} of '{run.method.name}', now {value}; "
                "name another directory with --out"
            )


def _job(run: _Run, request: Request, catalogue: Catalogue, prepared: prepare.Prepared, forbidden: Forbidden) -> Job:
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
    modules, paths = [FOLDERS["dataset"]], [*hidden, ROOT / FOLDERS["dataset"]]
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
