"""What ``tabulate`` asks for, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import InputError
from harness.core.paths import dataset_names
from harness.run.profiles import Profile, get_profile
from harness.run.request import absolute_path, absolute_paths, output_path, parse_seeds

_PART = re.compile(r"^(\d{1,4})/(\d{1,4})$", re.ASCII)


@dataclass(frozen=True)
class TableRequest:
    """A table to be made.

    Args:
        dataset, space: names.
        profile: its two recipes are what the networks are trained by.
        seeds: each network is trained once with each.
        out: the CSV file.
        data_root: directory of the data sets.
        sample: so many architectures, drawn at random; 0 for all.
        part: ``(2, 4)`` is the second of four parts.
        merged: tables of the same architectures, whose results are taken over.
        workers: trainings at the same time; None leaves that to the back end.
        plugins: files with data sets.
        retry_failed: whether failed trainings are done again.
    """

    dataset: str
    space: str
    profile: Profile
    seeds: tuple[int, ...]
    out: Path
    data_root: Path
    sample: int = 0
    part: tuple[int, int] = (1, 1)
    merged: tuple[Path, ...] = ()
    workers: int | None = None
    plugins: tuple[Path, ...] = ()
    retry_failed: bool = False


def make_table_request(
    *,
    dataset: str,
    space: str,
    profile: str,
    seeds: str,
    out: Path,
    data: Path,
    sample: int = 0,
    part: str = "1/1",
    merged: tuple[Path, ...] = (),
    workers: int | None = None,
    plugins: tuple[Path, ...] = (),
    retry_failed: bool = False,
) -> TableRequest:
    """A request from words as on the command line; see :class:`TableRequest`.

    Raises:
        InputError: one of them cannot be read.
    """
    chosen = get_profile(profile)
    if chosen.tabular:
        raise InputError(f"profile '{profile}' looks tables up and trains nothing; use --profile tabulate")
    if "seconds" in (chosen.proxy.limit, chosen.final.limit):
        raise InputError(f"profile '{profile}' trains for so many seconds, which depends on the machine; use another")
    path = output_path(out)
    if path.suffix != ".csv":
        raise InputError(f"'{out}' does not end in .csv; a table is FILE.csv with FILE.toml beside it")
    if path.is_dir():
        raise InputError(f"'{out}' is a directory; name a file in it, or elsewhere")
    names = dataset_names(dataset)
    if len(names) != 1:
        raise InputError(f"'{dataset}' is not one data set; a table is of one")
    return TableRequest(
        dataset=names[0],
        space=space,
        profile=chosen,
        seeds=parse_seeds(seeds),
        out=path,
        data_root=absolute_path(data),
        sample=sample,
        part=_part(part),
        merged=absolute_paths(merged),
        workers=workers,
        plugins=absolute_paths(plugins),
        retry_failed=retry_failed,
    )


def _part(text: str) -> tuple[int, int]:
    match = _PART.match(text)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise InputError(f"'{text}' is no part; write 1/4 for the first of four")
    return number, of
