"""``inspect``: an architecture from a file or a record, and its size without training it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.commands import zoo
from harness.commands.named import of_file
from harness.commands.printing import print_json, print_rows
from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.lowering import lower
from harness.core.measure import measure
from harness.core.record import Record
from harness.core.space import Size, Space
from harness.plugins.catalogue import Catalogue, named_space
from harness.spaces import get_space
from harness.spaces.notation import read_text

_IMAGE = re.compile(r"^(\d{1,5})x(\d{1,5})(?:x(\d{1,5}))?$", re.ASCII)


def proposed(record: Record) -> Architecture | None:
    """What a run has found, at the size of its final training; None where its text names no built-in space's genotype.

    A run on a table has no final training: its network has the size of NAS-Bench-201's.
    """
    size = record.recipes.get("final", {}).get("size", {"channels": 16, "layers": 15})
    try:
        space = get_space(record.proposal.partition(":")[0])
        return space.decode(space.parse(record.proposal), Size(**size))
    except InputError:
        return None


def from_file(path: Path, space: Space, size: Size) -> Architecture:
    """The architecture in a file, in any notation of :mod:`harness.spaces.notation`.

    Args:
        path: of the file.
        space: that a genotype's text may be of, besides the built-in spaces.
        size: of the network.

    Raises:
        InputError: unreadable, in none of the notations, or not a point of its space.
    """
    try:
        text = read_text(path)
        head = text.partition(":")[0]
        chosen = space if head == space.name else get_space(head)
        return chosen.decode(chosen.parse(text), size)
    except InputError as error:
        raise of_file(error, path) from error


@dataclass(frozen=True)
class Wanted:
    """How an architecture is to be counted; channels and layers None: as published, or 36 and 20."""

    channels: int | None
    layers: int | None
    image: tuple[int, int, int]
    classes: int


def inspect_given(path: Path, space: str, plugins: Sequence[Path], wanted: Wanted, *, as_json: bool) -> None:
    """Prints the counts of the architecture in a file; ``space`` may be a plug-in's."""
    size = Size(wanted.channels or 36, wanted.layers or 20)
    architecture = from_file(path, named_space(space, Catalogue(tuple(plugins))), size)
    found = measure(lower(architecture), wanted.image, wanted.classes)
    if as_json:
        facts = {"channels": size.channels, "layers": size.layers, "classes": wanted.classes}
        print_json({"parameters": found.parameters, "macs": found.macs, **facts, "image": list(wanted.image)})
    else:
        _print_sizes(found.parameters, found.macs)


def inspect_published(name: str, wanted: Wanted, *, as_json: bool, markdown: bool) -> None:
    """Prints the counts of one published network, or of all."""
    if name == zoo.ALL:
        if wanted != Wanted(None, None, zoo.IMAGE, zoo.CLASSES):
            raise InputError("all published architectures are counted as published; name one to change its size")
        if markdown:
            print(zoo.markdown(), end="")
        elif as_json:
            print_json(zoo.rows())
        else:
            print_rows([zoo.short(row) for row in zoo.rows()])
        return
    if markdown:
        raise InputError("--markdown is for --published all")
    found = zoo.counted(name, wanted.channels, wanted.layers, wanted.image, wanted.classes)
    if as_json:
        print_json({**zoo.row(found), "classes": wanted.classes, "image": list(wanted.image)})
    else:
        _print_sizes(found.parameters, found.sizes.macs)
        print(f"published parameters  {zoo.printed(found.entry):>15}")


def _print_sizes(parameters: int, macs: int) -> None:
    print(f"parameters            {parameters:>15,}")
    print(f"multiply-accumulates  {macs:>15,}")


def parse_image(text: str) -> tuple[int, int, int]:
    """Reads ``32x32`` or ``28x28x1`` as height, width and channels.

    Raises:
        InputError: anything else.
    """
    match = _IMAGE.match(text)
    height, width, channels = (int(word or 3) for word in match.groups()) if match else (0, 0, 0)
    if min(height, width, channels) < 1:
        raise InputError(f"'{text}' is no image size; write one like 32x32 or 28x28x1 (height, width, channels)")
    return height, width, channels
