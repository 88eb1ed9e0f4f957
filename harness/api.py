"""Comparisons from Python: what ``python -m harness run`` does, for a script or a notebook.

    from harness import compare

    results = compare(methods=["darts", "random_search"], datasets="fashion_mnist", seeds=range(3), progress=True)
    print(results.table())

A script needs no ``if __name__ == "__main__"``: the processes that search and train do not run it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import InputError, StorageError

if TYPE_CHECKING:
    from harness.commands.compare import Results
    from harness.run.profiles import Profile

__all__ = ["InputError", "StorageError", "compare"]


def compare(
    methods: str | Sequence[str] | None = None,
    datasets: str | Sequence[str] | None = None,
    profile: str | Profile | None = None,
    *,
    seeds: str | int | Iterable[int] | None = None,
    budget: str | None = None,
    space: str = "native",
    out: str | Path = "runs",
    data: str | Path | None = None,
    workers: int | None = None,
    plugins: str | Path | Iterable[str | Path] = (),
    retry_failed: bool = False,
    redo: str | Sequence[str] = (),
    baselines: bool = True,
    final: str | None = None,
    signal: str = "",
    backend: str = "local",
    architectures: str | Path | Iterable[str | Path] = (),
    max_parameters: str = "",
    max_macs: str = "",
    max_latency: str = "",
    top: int = 1,
    corruptions: bool = False,
    address: str = "",
    mixed_devices: bool = False,
    children: int = 1,
    cards: int = 1,
    progress: bool = False,
) -> Results:
    """Compares methods: searches, trains what was found, tests it.

    A run that is over is not done again and an interrupted one continues: call it again after a crash.

    Args:
        methods: names, ``"darts,random_search"`` or a list; ``"all"``; with settings: ``"darts:order=2"``. Without
            names: all, or none where architectures are given.
        datasets: names; the profile's, unless given.
        profile: budget and training, by name or as a profile of your own; unless given, ``table`` for tables and where
            no data set is named, ``quick`` for images.
        seeds: ``range(3)``, ``"0-2"`` or one number; the profile's, unless given.
        budget: of each search: ``"60s"``, ``"10m"``, ``"50evals"``, ``"500steps"``, ``"2e12macs"``; the profile's,
            unless given.
        space: ``"native"``: each method's own; or one for all, like ``"cell"``.
        out: directory of the records.
        data: directory of the data sets; ``~/.cache/nas-harness``, or what ``HARNESS_DATA`` names, unless given.
        workers: runs at the same time; the back end knows how many suit it, unless given.
        plugins: a Python file that defines METHOD, DATASET or SPACE, or several.
        retry_failed: whether failed runs are done again from scratch.
        redo: methods whose runs are done again from scratch, because their code has changed, say.
        baselines: whether random sampling and random search are added in every space that the methods search.
        final: what final trainings are counted in: ``"epochs"`` of the data set, or ``"seconds"`` of this machine for
            networks that are deployed under a clock; the profile's, unless given. A directory holds one kind.
        signal: what searches are told of their trainings: ``"accuracy"``, ``"balanced_accuracy"`` or ``"macro_f1"``, of
            the validation images. A directory holds one kind.
        backend: where the work is done: ``"local"``, in processes of this machine, or ``"ray"``.
        address: of the Ray cluster; one on this machine starts and ends with the call, unless given.
        mixed_devices: whether runs may be compared at equal seconds of unlike devices.
        children: of one search that are trained at the same time, where its method can; in counted budgets, results do
            not depend on it.
        cards: graphics cards of one machine that each final training is spread over. A directory holds one number.
        architectures: a file, or several, with architectures that are trained and tested beside the methods' results.
        max_parameters, max_macs, max_latency: limits of the final networks, like ``"500k"``, ``"50m"``, ``"2.5ms"``;
            proposals beyond are refused before training. A directory holds runs of the same limits.
        top: how many proposals of each search are trained finally. From two on, the final trainings leave the
            validation images out, and the accuracy there chooses the network that is the row's.
        corruptions: whether final networks are also tested on noisy, blurred, pale and compressed test images.
        progress: whether to show it, on standard error.

    Returns:
        The records as values, and the tables that they make.

    Raises:
        InputError: something cannot be used; the message is one sentence, and nothing was done.
        StorageError: there is no room for more results; what was done is stored, and the same call continues.
        KeyboardInterrupt: every process was stopped; the same call continues.
    """
    import os

    from rich.console import Console

    from harness.commands.compare import compare as run
    from harness.core.home import DEFAULT_DATA
    from harness.run.request import check_back_end, make_request

    request = make_request(
        methods=methods,
        datasets=datasets,
        profile=profile,
        seeds=seeds,
        budget=budget,
        space=space,
        out=out,
        data=data or os.environ.get("HARNESS_DATA") or DEFAULT_DATA,
        workers=workers,
        plugins=plugins,
        retry_failed=retry_failed,
        redo=redo,
        baselines=baselines,
        final=final,
        signal=signal,
        architectures=architectures,
        max_parameters=max_parameters,
        max_macs=max_macs,
        max_latency=max_latency,
        top=top,
        corruptions=corruptions,
        mixed_devices=mixed_devices,
        children=children,
        cards=cards,
    )
    check_back_end(request, backend)
    console = Console(stderr=True) if progress else None
    return run(request, command="harness.compare", backend=backend, address=address, console=console)
