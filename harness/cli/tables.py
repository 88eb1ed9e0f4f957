"""The commands about tables: making one, and saying what it can tell."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import FAILED_ROWS, DataRoot, Plugins
from harness.core.errors import InputError
from harness.core.home import DEFAULT_DATA


def tabulate(
    dataset: Annotated[str, typer.Option(help="A set of images.")],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table; FILE.toml beside it describes it.")],
    space: Annotated[
        str, typer.Option(help="A space; nasbench201:op,op,... has these operations only.")
    ] = "nasbench201:skip_connect,nor_conv_3x3,avg_pool_3x3",
    profile: Annotated[str, typer.Option(help="Its two recipes: of the signal and of the score.")] = "tabulate",
    seeds: Annotated[str, typer.Option(help="Each architecture is trained once with each.")] = "0-1",
    sample: Annotated[int, typer.Option(min=0, help="So many architectures, drawn at random.", show_default="all")] = 0,
    part: Annotated[str, typer.Option(metavar="K/N", help="This part only, for several machines.")] = "1/1",
    merge: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.csv", help="Takes over the results of another part; may be repeated."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Trainings at the same time.", show_default="one per core")
    ] = None,
    data: DataRoot = DEFAULT_DATA,
    plugin: Plugins = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed trainings again.")] = False,
    backend: Annotated[
        str, typer.Option(help="Where the work is done: local, in processes of this machine; or ray, on a cluster.")
    ] = "local",
    address: Annotated[str, typer.Option(help="Of the Ray cluster.", show_default="one of its own")] = "",
) -> None:
    """Trains the architectures of a small space on your data, once; then searches look them up in milliseconds.

    Every different function is trained once per seed and stands for all cells that compute it. Each row is on the disk
    when it is there; repeat the command after a crash. Several machines can each make a part.

      python -m harness tabulate --dataset folder:photos --out photos.csv

      python -m harness run --datasets table:photos.csv --methods all

      python -m harness tabulate --dataset folder:photos --out p1.csv --part 1/2     # and 2/2 elsewhere, then:

      python -m harness tabulate --dataset folder:photos --out photos.csv --merge p1.csv --merge p2.csv

    Exit code: 0 if all was trained, 1 if a training failed (its row says why), 2 for bad input, before any work, 4 if
    the disk took no more (what was done is stored).
    """
    from rich.console import Console

    from harness.commands.tabulate import tabulate as make
    from harness.run.tabulate.request import make_table_request

    request = make_table_request(
        dataset=dataset,
        space=space,
        profile=profile,
        seeds=seeds,
        out=out,
        data=data,
        sample=sample,
        part=part,
        merged=tuple(merge or ()),
        workers=workers,
        plugins=tuple(plugin or ()),
        retry_failed=retry_failed,
    )
    command = f"python -m harness {shlex.join(sys.argv[1:])}"
    made = make(request, command=command, backend=backend, address=address, console=Console(stderr=True))
    print(made.words())
    if made.tally.failures or made.tally.busy:
        raise typer.Exit(FAILED_ROWS)


def table_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="table:FILE.csv, or a table of list datasets.")],
    runs: Annotated[Path | None, typer.Option(metavar="DIR", help="Searches on it: the --out of a run.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draws regret and rank of these.")] = None,
    data: DataRoot = DEFAULT_DATA,
    plugin: Plugins = None,
) -> None:
    """Says what a table can tell: its spread, the noise of its trainings, how far its signal shows the score.

    With [bold]--runs[/bold] also which methods were better than random search after 10, 20, 50, ... evaluations.

      python -m harness table table:photos.csv

      python -m harness run --datasets table:photos.csv --methods all --budget 200evals --out runs

      python -m harness table table:photos.csv --runs runs --plot evaluations.png
    """
    from harness.commands.outputs import check_output
    from harness.commands.tabulate import page
    from harness.commands.tabulate import plot as draw
    from harness.run.request import absolute_path, absolute_paths

    root, plugins = absolute_path(data), absolute_paths(plugin or ())
    if plot is not None and runs is None:
        raise InputError("--plot draws searches; name their directory with --runs")
    figure = check_output(plot, (".png",)) if plot is not None and runs is not None else None
    print(page(name, root, plugins, runs), end="")
    if figure is not None and runs is not None:
        draw(name, root, plugins, runs, figure)
        print(f"wrote {plot}", file=sys.stderr)
