"""``tabulate``: trains the architectures of a space and writes a table of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.mixture import check_one_experiment
from harness.core.dataset import Dataset
from harness.core.errors import InputError
from harness.core.files import replacing
from harness.core.names import directory_name
from harness.core.paths import dataset_name
from harness.core.space import Space
from harness.core.table import Table
from harness.plugins.catalogue import FOLDERS, PACKAGES, Catalogue
from harness.run.backends import make_backend
from harness.run.fence import Forbidden
from harness.run.images import PreparedImages, locate, write
from harness.run.parts import parts
from harness.run.plan import check_writable
from harness.run.plan.datasets import checked_source, hidden_files, load_images, load_table
from harness.run.progress import screen_for
from harness.run.provenance import provenance
from harness.run.tables import checksum_of
from harness.run.tabulate.architectures import Architectures, architectures
from harness.run.tabulate.request import TableRequest
from harness.run.tabulate.sheet import Sheet, facts_of, points
from harness.run.tabulate.tabulation import Tabulation, Tabulator, Tally, alone, described
from harness.run.tabulate.work import Entry
from harness.spaces import get_space

if TYPE_CHECKING:
    from rich.console import Console

    from harness.report.model.groups import Block


@dataclass(frozen=True)
class Made:
    """A table as far as it is made.

    Args:
        path: of the CSV file.
        tally: of this command.
        rows: whole rows, that is architectures trained with every seed.
        architectures: that belong into the table.
        left: what remains to be done, in words.
    """

    path: Path
    tally: Tally
    rows: int
    architectures: int
    left: tuple[str, ...] = ()

    def words(self) -> str:
        """In a line."""
        state = "; ".join(["not complete", *self.left]) if self.rows < self.architectures else "complete"
        return f"{self.path}: {self.rows} of {self.architectures} architectures, {state}"


def tabulate(
    request: TableRequest, *, command: str, backend: str = "local", address: str = "", console: Console | None = None
) -> Made:
    """Makes a table, or goes on with it.

    Args:
        request: what it is to be of.
        command: as it was given, for the description.
        backend: name of the back end.
        address: of a cluster, for a back end that has one.
        console: where progress is shown; None for nowhere.

    Raises:
        InputError: something in the request cannot be used; nothing was trained then.
        KeyboardInterrupt: passed on after every process was stopped; the same command continues.
    """
    space = get_space(request.space)
    found = architectures(space, request.sample)
    number, of = request.part
    if not found.genotypes[number - 1 :: of]:
        raise InputError(f"part {number}/{of} is empty: the table has {len(found.genotypes)} rows; make fewer parts")
    data, hidden = _images(request)
    check_writable(request.out.parent)
    work = request.out.with_name(f"{request.out.name}.work")
    with alone(work), contextlib.closing(make_backend(backend, work, address)) as chosen:
        prepared = locate(data, request.profile.validation_share, work)
        made = {
            "dataset": request.dataset,
            "data": prepared.checksum,
            "space": space.name,
            "sample": request.sample,
            **facts_of(request.profile, space.name),
        }
        sheet = Sheet(request.out, made, points(request.profile, space.name), request.seeds, found.genotypes)
        for other in request.merged:
            sheet.take(other)
        wanted = list(_wanted(request, sheet, found))
        if wanted:
            write(data, prepared, request.seeds)
            sheet.made_by(described(provenance(command, chosen.capacity.cores)))
        sheet.describe(_trained(request, data, space, prepared), space.name)
        sheet.write()
        unreadable, trainings = (*hidden, request.out, *request.merged), _trainings(work, made)
        entries = tuple(_entries(wanted, request, space, prepared, unreadable, trainings))
        task = Tabulation(
            dataset=request.dataset,
            entries=entries,
            found=found,
            space=space,
            image=(data.x_train.shape[1], data.x_train.shape[2], data.x_train.shape[3]),
            classes=len(data.classes),
            labels=data.y_test,
            workers=request.workers or chosen.capacity.workers,
        )
        if console is not None and data.note:
            console.print(data.note, markup=False, highlight=False, soft_wrap=True)
        with screen_for(console) as screen:
            tally = Tabulator(task, sheet, chosen, screen).run()
        if not tally.busy:
            shutil.rmtree(work, ignore_errors=True)
    return Made(request.out, tally, sheet.whole(), len(found.genotypes), tuple(_left(request, sheet, found, tally)))


def page(name: str, data_root: Path, plugins: tuple[Path, ...] = (), runs: Path | None = None) -> str:
    """What a table can tell, as markdown, and how searches on it got on.

    Args:
        name: of the table, as on the command line.
        data_root: directory of the data sets.
        plugins: files with data sets.
        runs: directory of searches; None for none.

    Raises:
        InputError: it is unknown, missing, broken, or no table; or there are no runs on it.
    """
    from harness.report.forms.markdown import markdown
    from harness.report.stats.evaluations import page as searches
    from harness.report.stats.tabulated import page as parts_of

    table = _table(name, data_root, plugins)
    parts = parts_of(table)
    if runs is not None:
        for block in _blocks(name, table, runs):
            parts += [*searches(f"{name}, {block.title}", block.runs, table)]
    return markdown(parts)


def plot(name: str, data_root: Path, plugins: tuple[Path, ...], runs: Path, path: Path) -> None:
    """Draws regret and rank over evaluations; a column for each profile and budget of the runs. As :func:`page`."""
    from harness.report.evaluations_plot import draw
    from harness.report.stats.evaluations import points_of, progress

    table = _table(name, data_root, plugins)
    found = _blocks(name, table, runs)
    points = min((points_of(block.runs) for block in found), key=len)
    looks = {method: look for block in found for method, look in block.looks.items()}
    drawn = {block.title: progress(block.runs, table, points) for block in found}
    try:
        with replacing(path) as new:
            draw(drawn, points, looks, new)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error


def _table(name: str, data_root: Path, plugins: tuple[Path, ...]) -> Table:
    source = checked_source(name, data_root, Catalogue(plugins))
    if not source.tabular:
        raise InputError(f"'{name}' is a set of images; make a table of it with tabulate")
    return load_table(name, source, data_root)


def _blocks(name: str, table: Table, runs: Path) -> list[Block]:
    """The runs on a table, by profile and budget.

    Raises:
        InputError: there are none; or they were searches on what the table held at another time, or unlike each other.
    """
    from harness.report.model.groups import blocks
    from harness.report.model.load import load_runs

    mine = [run for run in load_runs(runs) if run.record.dataset == dataset_name(name)]
    if not mine:
        raise InputError(f"{runs} has no runs on '{name}'; make some: python -m harness run --datasets {name}")
    now = checksum_of(table)
    for run in mine:
        if run.record.provenance.get("data", now) != now:
            raise InputError(
                f"{run.path} is of a search on '{name}' when the table was another one; its networks cannot be looked "
                "up in this one: bring that table back, or run the searches again with another --out"
            )
    check_one_experiment(mine)
    return blocks(mine)


def _images(request: TableRequest) -> tuple[Dataset, tuple[Path, ...]]:
    """The images, and what of them no training may open.

    Raises:
        InputError: they are unknown, missing, or broken.
    """
    name, root = request.dataset, request.data_root
    source = checked_source(name, root, Catalogue(request.plugins))
    if source.tabular:
        raise InputError(f"'{name}' is a table already; name a set of images")
    return load_images(name, source, root).bounded(request.profile.side), hidden_files(name, source, root)


def _wanted(request: TableRequest, sheet: Sheet, found: Architectures) -> Iterator[tuple[str, int]]:
    """Genotype and seed of each training of this part that is to be done."""
    number, of = request.part
    for genotype in found.genotypes[number - 1 :: of]:
        for seed in request.seeds:
            state = sheet.state(genotype.text, seed)
            if state == "failed" and request.retry_failed:
                sheet.forget(genotype.text, seed)
                state = "open"
            if state == "open":
                yield genotype.text, seed


def _left(request: TableRequest, sheet: Sheet, found: Architectures, tally: Tally) -> Iterator[str]:
    """What a table that is not complete lacks, and how to get it."""
    number, of = request.part
    mine = {genotype.text for genotype in found.genotypes[number - 1 :: of]}
    others = [seed for seed in sorted(sheet.seeds) if seed not in request.seeds]
    states = [sheet.state(text, seed) for text in mine for seed in request.seeds]
    if "open" in states:
        yield "the same command continues it"
    elif of > 1:
        yield f"part {number}/{of} is; --merge puts the parts together"
    if failed := states.count("failed"):
        yield f"{failed} trainings have failed; --retry-failed does them again"
    if any(sheet.state(text, seed) == "open" for text in mine for seed in others):
        yield f"seed {', '.join(map(str, others))} is missing in some rows; name all with --seeds"


def _trainings(work: Path, made: dict[str, Any]) -> Path:
    """Where trainings leave their results: what is left of another table has another directory."""
    return work / "trainings" / hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def _entries(
    wanted: list[tuple[str, int]],
    request: TableRequest,
    space: Space,
    prepared: PreparedImages,
    hidden: tuple[Path, ...],
    directories: Path,
) -> Iterator[Entry]:
    forbidden = Forbidden(
        paths=tuple(path.absolute() for path in (*hidden, FOLDERS["dataset"])),
        modules=(PACKAGES["dataset"],),
        writable=(directories,),
    )
    for genotype, seed in wanted:
        words = genotype.removeprefix(f"{space.name}:")
        yield Entry(
            space=space.name,
            genotype=genotype,
            seed=seed,
            profile=request.profile,
            prepared=prepared,
            directory=directories / f"{directory_name(words)}-{seed}",
            forbidden=forbidden,
        )


def _trained(request: TableRequest, data: Dataset, space: Space, prepared: PreparedImages) -> dict[str, Any]:
    """What the trainings behind the signal see, for :class:`harness.core.table.Trained`."""
    recipe = request.profile.proxy_for(space.name)
    valid = len(parts(data, prepared.share, request.seeds[0])[1])
    each = min(recipe.validation_images or valid, valid)
    return {
        "channels": recipe.size.channels,
        "layers": recipe.size.layers,
        "stem_stride": recipe.size.stem_stride,
        "image": [int(side) for side in data.x_train.shape[1:]],
        "classes": len(data.classes),
        "images": recipe.steps * recipe.batch,
        "validated": min(recipe.validations, recipe.steps) * each,
        "steps": recipe.steps,
    }
