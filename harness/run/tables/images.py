"""Tables whose images are at hand, for methods that train weights themselves.

Such a method trains on the images as anywhere, pays for it in multiply-accumulates, and has its evaluations and its
proposal looked up: no final training is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from harness.core.budget import Budget
from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.table import Behind
from harness.run.backends.base import Tell
from harness.run.images import PreparedImages, locate, search_data, write
from harness.run.job import Job, Phase, Workbench
from harness.run.journal import DiskJournal, Progress
from harness.run.tables import PreparedTable


@dataclass(frozen=True)
class TableWithImages:
    """A prepared table, and the prepared images behind it.

    Args:
        table: to look evaluations up.
        images: to train on.
        sources: files of the images' source that hold test data.
    """

    phases: ClassVar[tuple[Phase, ...]] = ("search",)
    tensorflow: ClassVar[bool] = True
    together: ClassVar[int] = 1

    table: PreparedTable
    images: PreparedImages
    sources: tuple[Path, ...] = ()

    @property
    def checksum(self) -> str:
        """The table's: the images were compared with those that it was made of."""
        return self.table.checksum

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Test images; the table's scores are not written."""
        return (*self.table.hidden, *self.images.hidden, *self.sources)

    @property
    def opened(self) -> tuple[Path, ...]:
        """The signal, and the directory of the images."""
        return (*self.table.opened, *self.images.opened)

    def reads(self, seed: int, phase: Phase) -> tuple[Path, ...]:
        """The signal, and the images with their split."""
        return (*self.table.reads(seed, phase), *self.images.reads(seed, phase))

    def start(self, job: Job) -> str:
        """Starts TensorFlow."""
        return self.images.start(job)

    def open(self, job: Job, tell: Tell) -> Workbench:
        """The images to train on, in networks of the profile's size or the table's; what is evaluated is looked up.

        The log is on disk, because a search takes minutes.
        """
        bench, trained = self.table.open(job, tell), self.table.trained
        size = job.profile.supernet or (trained.size if trained else None)
        recipe = job.profile.proxy_for(job.space)
        return replace(
            bench,
            data=search_data(self.images, job.seed),
            journal=DiskJournal(job.directory, Progress(job.directory.progress, "search", tell)),
            recipe=replace(recipe, size=size) if size else recipe,
        )


class ImagesBehind:
    """The images behind the tables of a command, where they are needed and at hand.

    Args:
        behind: the images by the table's name on the command line.
        find: the source of a data set, by its name; None if there is none.
        load: loads a data set, by its name and source.
        root: directory of the data sets.
        out: directory of the records.
        budget: of the searches.
        needed: whether a command without them is refused.
    """

    def __init__(
        self,
        behind: Mapping[str, Behind | None],
        find: Callable[[str], DatasetSource | None],
        load: Callable[[str, DatasetSource], Dataset],
        *,
        root: Path,
        out: Path,
        budget: Budget,
        needed: bool = False,
    ) -> None:
        self._behind, self._find, self._load = behind, find, load
        self._root, self._out, self._counted, self._needed = root, out, budget.unit == "macs", needed
        self.notes: list[str] = []

    def prepare(self, table: PreparedTable, name: str, seeds: Iterable[int]) -> TableWithImages | None:
        """Writes what searches on a table's images read; None where they cannot be had, and a note says why.

        Raises:
            InputError: they cannot be had, and are needed.
        """
        behind = self._behind[name]
        source = self._find(behind.dataset) if behind else None
        if behind is None or source is None:
            if self._needed:
                self._note(name, "on images that are known here, and those behind this table are not")
            return None
        if not self._counted:
            self._note(name, f"with a budget in macs, such as --budget 1e12macs, on the images of '{behind.dataset}'")
            return None
        if absent := source.missing(self._root):
            self._note(name, f"where the images of '{behind.dataset}' are: {absent}")
            return None
        data = self._load(behind.dataset, source)
        # The table may have been made of images that its profile had averaged, over squares of at most as many pixels
        # as are left of a side: the quotient of the sides is their size.
        if table.trained:
            data = data.averaged_over(max(data.x_train.shape[1:3]) // max(table.trained.image[:2]))
        self.notes += [data.note] if data.note and data.note not in self.notes else []
        images = locate(data, behind.share, self._out)
        if images.checksum != behind.checksum:
            self._note(name, f"on the images that it was made of, and '{behind.dataset}' is made of others")
            return None
        write(data, images, seeds)
        return TableWithImages(table, images, source.hidden(self._root))

    def _note(self, table: str, words: str) -> None:
        told = f"{table}: methods that train weights themselves work {words}"
        if self._needed:
            raise InputError(told)
        self.notes.append(told)
