"""The jobs of a command: its rows that are still to be done, with their data, and the records of the others."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.files import there
from harness.core.home import CHECKOUT, PACKAGE, folder
from harness.core.names import directory_name, one_of
from harness.core.record import Record
from harness.core.signal import ACCURACY
from harness.plugins.catalogue import FOLDERS, GIVEN, PACKAGES, Catalogue, Source
from harness.run.backends.base import Capacity
from harness.run.fence import Forbidden
from harness.run.job import Job, Prepared
from harness.run.plan.again import clear, throw_away
from harness.run.plan.datasets import checked_sources, data_sets, hidden_files
from harness.run.plan.hard_links import other_names
from harness.run.plan.rows import Row, check_given, given_architectures, named_rows
from harness.run.plan.zero_lines import with_zero_lines
from harness.run.profiles import Profile
from harness.run.request import Request
from harness.run.scoring import Scorer
from harness.run.store import SOURCE, read_json
from harness.spaces.keras import KerasSpace
from harness.stored.fields import read_record
from harness.stored.runs import RECORD, find_runs

ONE_CORE = Capacity()


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is there already.

    Args:
        jobs: to do, the longest first as far as is known.
        records: of the runs that are over.
        scorer: knows the test set.
        workers: processes at the same time.
        out: directory of the records.
        notes: a line for people on each thing that they may not expect: rows that were added, what was taken of a data
            set and what was left out.
    """

    jobs: tuple[Job, ...]
    records: tuple[Record, ...]
    scorer: Scorer
    workers: int
    out: Path
    notes: tuple[str, ...] = ()


def make_plan(request: Request, capacity: Capacity = ONE_CORE) -> Plan:
    """Looks at everything that a request names, and prepares the data of what is to be done.

    What is to be done again is thrown away at the very end, after everything that may be refused.

    Args:
        request: what a command asks for.
        capacity: of the back end that will do it; unless the request says how many, it decides how many runs go on at
            the same time, and these share its cores.

    Raises:
        InputError: something does not exist or does not fit, or what is in the output directory was made otherwise, or
            another command is working on what is to be thrown away.
    """
    given = given_architectures(request)
    catalogue = Catalogue(request.plugins, given)
    check_given(given.values(), catalogue)
    named = {name: catalogue.source("dataset", name.partition(":")[0]) for name in request.datasets}
    sources = checked_sources(request, named)
    data = data_sets(request, sources, catalogue)
    rows, told = named_rows(request, catalogue, data.spaces, [f"{GIVEN}/{name}" for name in given]), list[str]()
    if request.baselines:
        rows, told = with_zero_lines(rows, request, catalogue)
    check_writable(request.out)
    _check_judged_alike(request)
    versions = {name: method.version() for name, method in {row.method.name: row.method for row in rows}.items()}
    over, pending, again = _sorted_out(rows, request, versions)
    told += _on_emptied(again)
    redone = {row.directory for row in again}
    # Records that the command does not name are in the report, too, which would refuse a damaged one after all work.
    for path in find_runs(request.out, {row.directory.path for row in rows}).ended:
        if there(path / RECORD):  # another command may do it again now
            read_record(path / RECORD)
    kept = [row for row in rows if row.directory not in redone]
    pending += again
    for name in {record.dataset: None for record in over}.keys() - {row.dataset for row in pending}:
        _check_data(kept, name, data.checksum(name))
    children = 1 if request.profile.tabular else request.children  # nothing is trained on tables
    _check_devices(request, capacity, children)
    fit = _check_cards(request, capacity, rows)
    workers = request.workers or max(1, fit // children)
    threads = 1 if request.profile.budget.counted else max(1, capacity.cores // (workers * children))
    jobs: list[Job] = []
    warnings: list[str] = []
    for name in dict.fromkeys(row.dataset for row in pending):
        mine = [row for row in pending if row.dataset == name]

        check = functools.partial(_check_data, kept, name)
        prepared = data.prepare(name, sorted({row.seed for row in mine}), check)
        training = sorted({row.seed for row in mine if row.facts.trains})
        with_images = (data.with_images(name, training) if training else None) or prepared
        hidden = (*hidden_files(name, sources[name], request.data_root), *with_images.hidden)
        elsewhere = other_names(hidden)
        hidden = (*hidden, *elsewhere.paths)
        warnings += [elsewhere.warning(name)] if elsewhere.missed else []
        for row in mine:
            its = with_images if row.facts.trains else prepared
            forbidden = _forbidden(hidden, its.opened, named[name], row, request)
            job = _job(row, request.profile, catalogue, its, forbidden, threads, versions[row.method.name])
            jobs.append(replace(job, children=children))
    throw_away([row.directory for row in again], request.out)
    clear((row.directory for row in pending), request.out)
    notes = (*told, *data.notes, *warnings)
    return Plan(_longest_first(jobs, over), tuple(over), data.scorer, workers, request.out, notes)


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


def _check_devices(request: Request, capacity: Capacity, children: int) -> None:
    """Equal seconds of unlike devices are not equal budgets.

    Raises:
        InputError: runs would be compared at them; or children of a search would share a graphics card.
    """
    if children > 1 and capacity.cards:
        raise InputError("the children of a search would share a graphics card and its memory; leave --children out")
    if len(capacity.devices) > 1 and not request.profile.counted and not request.mixed_devices:
        raise InputError(
            f"profile '{request.profile.name}' counts seconds, and the cluster has unlike devices "
            f"({', '.join(capacity.devices)}); give a --budget in macs, evals or steps with --final epochs, or say "
            "--mixed-devices"
        )


def _check_cards(request: Request, capacity: Capacity, rows: Sequence[Row]) -> int:
    """How many runs the back end can do at the same time. Each holds the cards of its final training all the time.

    Raises:
        InputError: no machine has so many cards, or not for so many runs; or a row cannot have several, and the others
            would be given more arithmetic in their seconds.
    """
    cards, most = request.profile.cards, max(capacity.cards, default=0)
    if cards == 1:
        return capacity.workers
    if most < cards:
        has = f"the most that one machine has here is {most}" if most else "there is none here"
        raise InputError(f"--cards {cards} needs a machine with as many graphics cards; {has}")
    fit = sum(each // cards for each in capacity.cards)
    if (request.workers or 1) > fit:
        raise InputError(
            f"{request.workers} workers need {request.workers} times {cards} graphics cards; {fit} can have theirs"
        )
    if request.profile.final.limit == "seconds" and any(row.space == KerasSpace.name for row in rows):
        raise InputError(
            "Keras models are trained on one graphics card each, which is less in equal seconds; leave --cards or the "
            f"methods of space '{KerasSpace.name}' out"
        )
    return fit


def _check_judged_alike(request: Request) -> None:
    """One directory holds final trainings that are all counted in epochs, or all in seconds, or all in steps, and on
    equally many graphics cards; searches within the same limits of size, told the same number; equally many final
    trainings of each; and tests on corrupted images of all or none.

    Raises:
        InputError: another row there was made otherwise.
    """
    profile = request.profile
    # A run that was set aside, to be done again, has a name with a dot and does not count.
    for path in sorted((request.out / directory_name(profile.name)).glob("*/*/*/[!.]*/inputs.json")):
        try:
            stored = read_json(path)
        except InputError:  # its own run will say so
            continue
        there, here = stored.get("limit of size") or "any size", profile.limits.words() or "any size"
        if there != here:
            raise InputError(
                f"{path.parent} was made with networks of {there}, here they are of {here}; name another directory "
                "with --out"
            )
        if (told := _told(stored)) != profile.proxy.signal:
            raise InputError(
                f"{path.parent} was made by a search that was told {told}, here it is "
                f"{profile.proxy.signal}; name another directory with --out"
            )
        if (many := stored.get("final trainings", 1)) != profile.top:
            raise InputError(
                f"{path.parent} was made with the best {many} of each search, here it is the best {profile.top}; name "
                "another directory with --out"
            )
        if (tested := "corrupted test images" in stored) != profile.corruptions:
            raise InputError(
                f"{path.parent} was made {'with' if tested else 'without'} --corruptions; do the same here, or name "
                "another directory with --out"
            )
        if (cards := stored.get("graphics cards", 1)) != profile.cards:
            raise InputError(
                f"{path.parent} was made with --cards {cards}, here it is --cards {profile.cards}; name another "
                "directory with --out"
            )
        limit = _limit(stored)
        if limit != profile.final.limit and not profile.tabular:
            raise InputError(
                f"{path.parent} was made with a final training counted in {limit}, here it is counted in "
                f"{profile.final.limit}; name another directory with --out"
            )


def _check_data(rows: Sequence[Row], dataset: str, checksum: str) -> None:
    """Refuses to put runs on other data of the same name beside each other, those that are over included.

    Raises:
        InputError: a run was made with other data.
    """
    for row in rows:
        if row.dataset == dataset:
            row.directory.check_inputs({"data": checksum})


def _told(inputs: dict[str, Any]) -> str:
    """What the search of a run was told, by name; older runs do not say, and were told the accuracy."""
    recipe = inputs.get("proxy recipe")
    return str(recipe.get("signal", ACCURACY)) if isinstance(recipe, dict) else ACCURACY


def _limit(inputs: dict[str, Any]) -> str:
    """What the final training of a run was counted in; older runs state its recipe only."""
    recipe = inputs.get("final recipe")
    usual = "seconds" if isinstance(recipe, dict) and recipe.get("seconds") else "steps"
    return str(inputs.get("final training", usual))


def _sorted_out(
    rows: list[Row], request: Request, versions: Mapping[str, str]
) -> tuple[list[Record], list[Row], list[Row]]:
    """Records of runs that are over; rows that are to be done, or gone on with; and rows that are to be done again from
    scratch, because they have failed and are to be retried, or their method is to be redone, or a power cut has left
    empty files of them."""
    named = tuple(dict.fromkeys(row.method.name for row in rows))
    redo = {one_of("method of this command", name, named) for name in request.redo}
    over: list[Record] = []
    pending: list[Row] = []
    kept: list[Row] = []
    again: list[Row] = []
    for row in rows:
        if row.method.name in redo or row.directory.emptied():
            again.append(row)
            continue
        record = row.directory.stored_record()
        if record is not None and record.status == "failed" and request.retry_failed:
            again.append(row)
            continue
        kept.append(row)
        row.directory.check_inputs(row.inputs(request.profile))
        row.directory.check_settings(row.method.name, row.facts.under(request.profile.scale))
        if record is None:
            pending.append(row)
        else:
            over.append(record)
    _check_sources(kept, request, versions)
    return over, pending, again


def _on_emptied(again: Sequence[Row]) -> list[str]:
    """A line on the runs of which a power cut has left empty files, if there are any."""
    emptied = [row for row in again if row.directory.emptied()]
    if not emptied:
        return []
    if len(emptied) == 1:
        return [f"{emptied[0].directory.path} has an empty file, as after a power cut; the run is done again"]
    first = f"the first in {emptied[0].directory.path}"
    return [f"files of {len(emptied)} runs are empty, as after a power cut, {first}; these are done again"]


def _check_sources(rows: Sequence[Row], request: Request, versions: Mapping[str, str]) -> None:
    """Refuses numbers of code that is no more.

    Raises:
        InputError: the source of a method has changed since its runs were made.
    """
    changed = [row for row in rows if not row.directory.made_by(versions[row.method.name])]
    if changed:
        files = sorted({_file_name(row.method) for row in changed})
        names = sorted({row.method.name for row in changed})
        runs = f"{len(changed)} runs in {request.out} were" if len(changed) > 1 else f"1 run in {request.out} was"
        raise InputError(
            f"{runs} done by another version of {', '.join(files)}; do them again with --redo {','.join(names)}, "
            "or name another directory with --out"
        )


def _file_name(method: Source) -> str:
    return Path(method.file).name or method.module


def _job(
    row: Row,
    profile: Profile,
    catalogue: Catalogue,
    prepared: Prepared,
    forbidden: Forbidden,
    threads: int,
    version: str,
) -> Job:
    return Job(
        profile=profile,
        method=row.method,
        title=row.facts.title or row.method.name,
        native=row.native,
        dataset=row.dataset,
        space=row.space,
        space_source=catalogue.spaces().get(row.space),
        seed=row.seed,
        directory=row.directory,
        prepared=prepared,
        forbidden=forbidden,
        threads=threads,
        inputs={**row.inputs(profile), "data": prepared.checksum, SOURCE: version},
        position=row.facts.position,
        look=row.facts.look,
        seen=row.facts.has_seen(row.dataset),
        extra=row.facts.extra,
    )


def _forbidden(
    hidden: tuple[Path, ...], prepared: tuple[Path, ...], dataset: Source, row: Row, request: Request
) -> Forbidden:
    """Test data, the loaders that could bring it, and whatever tells of results on it.

    That is everything in ``--out`` but the run itself and its own prepared data: records, reports, tables and plots,
    those written later included, and the test images of another profile. And everything in the checkout but code:
    stored baselines, tables, documentation, history. A plug-in file with both a method and its data keeps its own
    loader.
    """
    modules, paths = [PACKAGES["dataset"]], [*hidden, FOLDERS["dataset"]]
    if dataset.module != row.method.module:
        modules.append(dataset.module)
        if dataset.single:
            paths.append(Path(dataset.file))
    closed = [request.out, folder("results"), *([CHECKOUT] if CHECKOUT else [])]
    return Forbidden(
        tuple(path.absolute() for path in paths),
        tuple(modules),
        closed=tuple(path.absolute() for path in closed),
        opened=(row.directory.path, *(path.absolute() for path in prepared), *_needed(closed, request)),
        writable=(row.directory.path,),
    )


def _needed(closed: Sequence[Path], request: Request) -> Iterator[Path]:
    """Code and data that happen to be inside of a closed directory: ``--out`` may be the checkout, or hold the data."""
    roots = [path.resolve() for path in closed]
    libraries = [Path(path) for path in (*sys.path, sys.prefix, sys.base_prefix) if path]
    plugins = [part for path in request.plugins for part in (path, path.parent)]
    for path in (PACKAGE, FOLDERS["method"], request.data_root, *libraries, *plugins):
        here = path.expanduser().resolve()
        if here not in roots and any(here.is_relative_to(root) for root in roots):
            yield here


def _longest_first(jobs: Sequence[Job], over: Sequence[Record]) -> tuple[Job, ...]:
    """Jobs of which nothing is known come before the others, as they are."""
    known = {(record.dataset, record.space, record.method): _seconds(record) for record in over}
    return tuple(sorted(jobs, key=lambda job: -known.get((job.dataset, job.space, job.method.name), float("inf"))))


def _seconds(record: Record) -> float:
    return record.search.get("seconds", 0.0) + record.final.get("seconds", 0.0)
