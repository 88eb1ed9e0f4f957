"""What a command asks for, as a value, and how it is read from words or from Python values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.home import DEFAULT_DATA
from harness.core.limits import Limits
from harness.core.names import printable
from harness.core.paths import dataset_name, dataset_names, existing_paths
from harness.core.recipe import Limit
from harness.run.fitting import usual_profile
from harness.run.profiles import Profile, get_profile

MOST_SEEDS = 1000
MOST_TOP = 50
"""Proposals of a search that may be trained finally."""
MOST_CHILDREN = 64
"""Of a search, at the same time."""
_SEEDS = re.compile(r"^(\d{1,9})(?:-(\d{1,9}))?$", re.ASCII)


@dataclass(frozen=True)
class Request:
    """One run of every method on every data set with every seed.

    Args:
        methods, datasets: names; ``("all",)`` are all methods.
        profile: with the search budget in force.
        seeds: of the runs.
        out: directory of the records.
        data_root: directory of the data sets.
        space: ``native``: each method's own under the profile; else one for all.
        workers: runs at the same time; None leaves that to the back end.
        plugins: files with methods, data sets or spaces.
        retry_failed: whether failed runs are thrown away and done again.
        baselines: whether random sampling and random search are added in every space that the methods search.
        redo: methods whose runs are thrown away and done again.
        architectures: files with architectures that are trained and tested as they are.
        mixed_devices: whether runs that are counted in seconds may be done on unlike devices.
        children: of one search that are trained at the same time.
        few: of the methods named here, the runs with the first so many seeds only.
    """

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    profile: Profile
    seeds: tuple[int, ...]
    out: Path
    data_root: Path
    space: str = "native"
    workers: int | None = None
    plugins: tuple[Path, ...] = ()
    retry_failed: bool = False
    baselines: bool = True
    redo: tuple[str, ...] = ()
    architectures: tuple[Path, ...] = ()
    mixed_devices: bool = False
    few: tuple[tuple[str, int], ...] = ()
    children: int = 1


def make_request(
    *,
    methods: str | Sequence[str] | None = None,
    datasets: str | Sequence[str] | None = None,
    profile: str | Profile | None = None,
    seeds: str | int | Iterable[int] | None = None,
    budget: str | None = None,
    space: str = "native",
    out: str | Path = "runs",
    data: str | Path = DEFAULT_DATA,
    workers: int | None = None,
    plugins: str | Path | Iterable[str | Path] = (),
    retry_failed: bool = False,
    baselines: bool = True,
    redo: str | Sequence[str] = (),
    final: str | None = None,
    signal: str = "",
    architectures: str | Path | Iterable[str | Path] = (),
    max_parameters: str = "",
    max_macs: str = "",
    max_latency: str = "",
    top: int = 1,
    corruptions: bool = False,
    mixed_devices: bool = False,
    children: int = 1,
    cards: int = 1,
) -> Request:
    """A request, from words as on the command line or from the values that they stand for.

    Args:
        methods, datasets: ``"a,b"`` or ``["a", "b"]``; data sets default to the profile's, methods to all, or to none
            where architectures are given.
        profile: a name, or a profile of your own; by default the one that fits the data sets
            (:func:`~harness.run.fitting.usual_profile`), or quick for architectures alone.
        seeds: ``"0-9"``, ``3`` or ``range(10)``; default to the profile's.
        budget: of each search, like ``"60s"`` or ``"50evals"``; defaults to the profile's.
        space, workers, retry_failed, baselines, redo, mixed_devices, children: see :class:`Request`.
        final: what final trainings are counted in: ``"epochs"`` or ``"seconds"``; defaults to the profile's.
        signal: what searches are told of their trainings, see :mod:`harness.core.signal`; defaults to the profile's.
        architectures: ``"a.json,b.txt"``, a path, or a list of files.
        max_parameters, max_macs, max_latency: limits of the final networks, see :meth:`Limits.parse`.
        top: how many proposals of each search are trained finally, see :class:`~harness.run.profile.Profile`.
        corruptions: whether final networks are also tested on corrupted images, likewise.
        cards: that each final training is spread over, likewise.
        plugins: a file, or a list of files.
        out, data: see :class:`Request`; in these, in plug-ins and in architectures ``~`` is the home directory.

    Raises:
        InputError: one of them cannot be read.
    """
    files = absolute_paths(existing_paths(architectures) if isinstance(architectures, str) else architectures)
    named = () if datasets is None or datasets == "" else _data_sets(datasets)
    own = absolute_paths(plugins)
    if isinstance(profile, str | None):
        alone = bool(files) and not named
        chosen = get_profile(profile or ("quick" if alone else usual_profile(named, own)))
    else:
        chosen = profile
    if final:
        chosen = chosen.with_final(_limit(final))
    if limits := Limits.parse(max_parameters, max_macs, max_latency):
        chosen = replace(chosen, limits=limits)
    if not 1 <= top <= MOST_TOP:
        raise InputError(f"--top {top} is no number of networks to train finally; name one from 1 to {MOST_TOP}")
    if top != 1:
        chosen = replace(chosen, top=top)
    if signal:
        chosen = chosen.with_signal(signal)
    if corruptions:
        chosen = replace(chosen, corruptions=True)
    if cards != 1:
        chosen = replace(chosen, cards=cards)
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers do nothing; name at least one")
    if not 1 <= children <= MOST_CHILDREN:
        raise InputError(
            f"--children {children} cannot be trained at the same time; name a number from 1 to {MOST_CHILDREN}"
        )
    if children > 1 and chosen.limits.latency:
        raise InputError(
            "--max-latency is measured, and networks that are trained meanwhile would change it; leave --children "
            f"{children} out"
        )
    if children > 1 and chosen.tabular:
        raise InputError(f"nothing is trained on tables, so no children can; leave --children {children} out")
    if not (named or chosen.datasets):
        raise InputError(f"profile '{chosen.name}' has no data sets of its own here; name one with --datasets")
    return Request(
        methods=_named_or_usual(methods, alone=bool(files)),
        datasets=named or chosen.datasets,
        profile=chosen.with_budget(Budget.parse(budget)) if budget else chosen,
        seeds=chosen.seeds if seeds is None or seeds == "" else _seeds(seeds),
        out=output_path(out),
        data_root=absolute_path(data),
        space=space,
        workers=workers,
        plugins=own,
        retry_failed=retry_failed,
        baselines=baselines,
        redo=_names("method", redo) if redo else (),
        architectures=files,
        mixed_devices=mixed_devices,
        children=children,
        few=chosen.few if seeds is None or seeds == "" else (),
    )


def check_back_end(request: Request, backend: str) -> None:
    """Looks whether a back end can do what a request says of its devices.

    Raises:
        InputError: it has one kind of devices.
    """
    if request.mixed_devices and backend == "local":
        raise InputError("--mixed-devices is of a cluster, and this is one machine; leave it out, or add --backend ray")


def _named_or_usual(methods: str | Sequence[str] | None, alone: bool) -> tuple[str, ...]:
    """The methods of a command; without any, all of them, or none beside given architectures (``alone``)."""
    if methods is None:
        return () if alone else ("all",)
    names = _names("method", methods)
    if "all" in names and len(names) > 1:
        raise InputError("'all' stands alone and means every method; leave it, or the other names, out")
    return names


def _limit(word: str) -> Limit:
    if word == "epochs":
        return "epochs"
    if word == "seconds":
        return "seconds"
    raise InputError(f"'{word}' is nothing to count a final training in; use epochs or seconds")


def _names(what: str, given: str | Sequence[str]) -> tuple[str, ...]:
    return parse_names(what, given) if isinstance(given, str) else _distinct(what, tuple(given), ", ".join(given))


def _data_sets(given: str | Sequence[str]) -> tuple[str, ...]:
    """Their names, each in its one spelling."""
    names = dataset_names(given) if isinstance(given, str) else [dataset_name(name) for name in given]
    return _distinct("data set", tuple(names), given if isinstance(given, str) else ", ".join(given))


def _seeds(given: str | int | Iterable[int]) -> tuple[int, ...]:
    return parse_seeds(str(given) if isinstance(given, str | int) else ",".join(map(str, given)))


def absolute_path(path: str | Path) -> Path:
    """A path as a person writes it, with ``~`` for the home directory.

    Raises:
        InputError: it is empty, or there is no such home.
    """
    if not str(path):
        raise InputError("a path is empty; name a directory, or . for this one")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:  # there is no such user, or no home directory
        raise InputError(f"'{path}' is nowhere on this machine; write the whole path") from error
    except FileNotFoundError as error:
        raise InputError(f"'{path}' is nowhere: the present directory is gone; go into one that is there") from error


def output_path(path: str | Path) -> Path:
    """As :func:`absolute_path`, of what results are written into: also refused if a report could not name it."""
    whole = absolute_path(path)
    if str(whole) != printable(str(whole)):
        raise InputError(f"'{printable(str(whole))}' is no text in UTF-8; name another directory with --out")
    return whole


def absolute_paths(paths: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    """Paths as a person writes them; a single one is a list of one.

    Raises:
        InputError: as :func:`absolute_path`.
    """
    return tuple(absolute_path(path) for path in ([paths] if isinstance(paths, str | Path) else paths))


def parse_names(what: str, text: str) -> tuple[str, ...]:
    """Reads ``a,b,c``; in ``a:x=1,y=2`` the comma is one between hyper-parameters, as good as ``a:x=1:y=2``.

    Raises:
        InputError: nothing in it, or a name twice.
    """
    names: list[str] = []
    for word in (word.strip() for word in text.split(",")):
        before, equals, _ = word.partition("=")
        if names and equals and ":" not in before:
            names[-1] += f":{word}"
        else:
            names.append(word)
    return _distinct(what, tuple(names), text)


def _distinct(what: str, names: tuple[str, ...], text: str) -> tuple[str, ...]:
    if not any(names):
        raise InputError(f"name at least one {what}")
    if not all(names):
        raise InputError(f"a {what} has no name in '{text}'; write the names with one comma between two")
    if len(set(names)) != len(names):
        raise InputError(f"a {what} is named twice in '{text}'")
    return names


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads ``0,1,2`` or ``0-9`` or a mixture.

    Raises:
        InputError: anything else, a seed twice, or more than a thousand.
    """
    seeds: list[int] = []
    for word in text.split(","):
        match = _SEEDS.match(word.strip())
        if match is None:
            raise InputError(f"'{text}' are no seeds; write them like 0,1,2 or 0-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"the seeds '{word.strip()}' run backwards; write {last}-{first}")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise InputError(f"'{text}' are too many seeds; {MOST_SEEDS} is the most")
        seeds += range(first, last + 1)
    if len(set(seeds)) != len(seeds):
        raise InputError(f"a seed is named twice in '{text}'")
    return tuple(seeds)
