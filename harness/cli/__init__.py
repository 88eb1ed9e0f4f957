"""The command line: parsing and printing, nothing else. Everything heavy is imported inside the commands."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from harness.cli.options import (
    BAD_INPUT,
    FAILED_ROWS,
    INTERRUPTED,
    NO_READER,
    STORAGE,
    AsJson,
    DataRoot,
    Metric,
    Plugins,
    What,
)
from harness.cli.tables import table_, tabulate
from harness.commands.printing import print_json, print_rows
from harness.core.errors import InputError, StorageError
from harness.core.home import DEFAULT_DATA
from harness.core.names import one_line, printable

_UsageError = cast(type[Exception], next(one for one in typer.BadParameter.__mro__ if one.__name__ == "UsageError"))
"""What typer raises for words that it does not understand; it comes from click, or from typer's own copy of that."""


class _Commands(TyperGroup):
    """Lets Ctrl-C pass, which typer would answer with "Aborted." and exit code 1; so it would the end of a file."""

    def invoke(self, context: Any) -> Any:
        """Runs a command."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("stopped; the same command continues where this one was", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except EOFError as error:
            raise InputError(f"a file ends too early: {error}") from error


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Which architecture search method is best on my data, at my budget, and can I trust the answer?

    Every method gets the same search budget, the same split and the same final training; the test set is read once.

    [bold]A first table[/bold] (80 seconds on two cores, no download: the project's own table of trained networks):

      python -m harness run

    [bold]The same on freshly trained networks[/bold] (40 minutes on two cores):

      python -m harness fetch fashion_mnist

      python -m harness run --datasets fashion_mnist

    [bold]Does everything work?[/bold] (no download, exactly repeatable):

      python -m harness run --profile smoke
    """,
)


def main() -> None:
    """Runs the command line; what is wrong is one sentence on standard error, and an exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know all characters
            stream.reconfigure(errors="backslashreplace")
    code, sentence = _answer()
    if sentence:
        with contextlib.suppress(OSError):  # nobody may read that either
            print(f"error: {sentence}", file=sys.stderr)
    sys.exit(code)


def _answer() -> tuple[int, str]:
    """Does what the words say; the exit code, and what is wrong."""
    try:
        _check_words(sys.argv[1:])
        code = app(prog_name="python -m harness", standalone_mode=False)
        _flush()
    except InputError as error:
        return BAD_INPUT, str(error)
    except _UsageError as error:
        return BAD_INPUT, _usage(error)
    except StorageError as error:
        return STORAGE, str(error)
    except typer.Abort:
        return INTERRUPTED, "stopped"
    except (BrokenPipeError, SystemExit):  # rich and typer end the process where nobody reads any more
        _drop_output()
        return NO_READER, ""
    except OSError as error:
        _drop_output()
        what = error.filename or "the output, or a file,"
        told = one_line(f"{what} cannot be written or read ({error.strerror or error})")
        return STORAGE, f"{told}; what was done before is stored: mend that, and the same command continues"
    return (code if isinstance(code, int) else 0), ""


def _usage(error: Any) -> str:
    """What typer says of words that it does not understand, in a line, and where the help is."""
    told = one_line(error.format_message()).rstrip(".").replace(": Value error, ", ": ")
    if not told:  # no words at all, which the help has answered
        return ""
    command = error.ctx.command_path if error.ctx else "python -m harness"
    return f"{told[:1].lower()}{told[1:]}; see {command} --help"


def _flush() -> None:
    if sys.stdout is not None:  # it is closed, for >&-
        sys.stdout.flush()


def _drop_output() -> None:
    """Throws away what cannot be written of the output, or the end of the process would try again."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_words(words: Sequence[str]) -> None:
    """An empty word is a variable of a script that was not set: an empty path would be the present directory. And what
    Python takes for digits of other alphabets is a number to some versions of Typer and to others none. What is no
    text cannot be written into a record or a report.

    Raises:
        InputError: there is such a word.
    """
    for before, word in zip(["", *words], words, strict=False):
        if word == "--":
            return
        if word != printable(word):
            raise InputError(f"'{word}' is no text in UTF-8; name files and directories that are")
        name, equals, value = word.partition("=")
        if not word or (name.startswith("--") and equals and not value):
            what = name if equals else before
            raise InputError(f"nothing is given{f' for {what}' if what else ''}; give a value, or leave it out")
        number = value if equals else word
        if number.isdigit() and not number.isascii():
            raise InputError(f"'{number}' for {name if equals else before} is no number here; write it with 0 to 9")


@app.command()
def run(
    methods: Annotated[
        str | None,
        typer.Option(
            help="Names separated by commas, or [bold]all[/bold]; with settings: darts:order=2.",
            show_default="all, or none with --architecture",
        ),
    ] = None,
    datasets: Annotated[str, typer.Option(help="Names separated by commas.", show_default="the profile's")] = "",
    profile: Annotated[
        str,
        typer.Option(
            help="Budget and training; see [bold]list profiles[/bold].",
            show_default="quick for images, nb201 for NAS-Bench-201, table for other tables and without data sets",
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Like 0,1,2 or 0-9.", show_default="the profile's")] = "",
    out: Annotated[Path, typer.Option(help="Directory of the records and tables.")] = Path("runs"),
    budget: Annotated[
        str,
        typer.Option(help="Of each search: 60s, 10m, 2h, 50evals, 500steps or 2e12macs.", show_default="the profile's"),
    ] = "",
    space: Annotated[
        str, typer.Option(help="[bold]native[/bold]: each method's own; or one for all, like cell or nasbench201.")
    ] = "native",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Runs at the same time; they share the cores.",
            show_default="one per core, one on a GPU",
        ),
    ] = None,
    data: DataRoot = DEFAULT_DATA,
    plugin: Plugins = None,
    architecture: Annotated[
        str,
        typer.Option(
            metavar="FILE[,FILE]",
            help="Train and test given architectures too, in any notation that [bold]inspect[/bold] reads.",
        ),
    ] = "",
    max_parameters: Annotated[
        str, typer.Option(metavar="N", help="Most parameters of a final network, like 500k; others are refused.")
    ] = "",
    max_macs: Annotated[
        str, typer.Option(metavar="N", help="Most multiply-accumulates of its forward pass, like 50m.")
    ] = "",
    max_latency: Annotated[
        str, typer.Option(metavar="MS", help="Longest forward pass of one image, measured here, like 2.5ms.")
    ] = "",
    final: Annotated[
        str,
        typer.Option(
            metavar="epochs|seconds",
            help="What the final trainings are counted in; one directory holds one kind.",
            show_default="the profile's",
        ),
    ] = "",
    signal_: Annotated[
        str,
        typer.Option(
            "--signal",
            metavar="accuracy|balanced_accuracy|macro_f1",
            help="What searches are told of the validation images; one directory holds one kind.",
            show_default="accuracy",
        ),
    ] = "",
    top: Annotated[
        int,
        typer.Option(
            metavar="K",
            help="Train the K best proposals of each search, without the validation images, and choose by these.",
        ),
    ] = 1,
    corruptions: Annotated[
        bool,
        typer.Option(
            "--corruptions", help="Also test final networks on noisy, blurred, pale and compressed test images."
        ),
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines", help="Add random sampling and random search in every space that is searched."
        ),
    ] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed runs again from scratch.")] = False,
    redo: Annotated[str, typer.Option(metavar="METHODS", help="Do all runs of these methods again from scratch.")] = "",
    metric: Metric = "accuracy",
    backend: Annotated[
        str, typer.Option(help="Where the work is done: local, in processes of this machine; or ray, on a cluster.")
    ] = "local",
    address: Annotated[
        str,
        typer.Option(help="Of the Ray cluster: auto, HOST:6379 or ray://HOST:10001.", show_default="one of its own"),
    ] = "",
    mixed_devices: Annotated[
        bool, typer.Option("--mixed-devices", help="Let a cluster's unlike devices compete at equal seconds.")
    ] = False,
    children: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Networks of one search that are trained at the same time.")
    ] = 1,
    cards: Annotated[
        int, typer.Option(min=1, metavar="N", help="Graphics cards that each final training is spread over.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Compares methods: searches, trains what was found, tests it, writes the tables.

    A run that is over is not done again, an interrupted one continues: repeat the command after a crash.
    Each space that is searched also gets random sampling and random search, which the methods there are compared with.

      python -m harness run                                        # all methods on the project's own table

      python -m harness run --datasets fashion_mnist               # all methods on freshly trained networks

      python -m harness run --methods darts,random_search --datasets cifar10 --seeds 0-2

      python -m harness run --profile smoke --datasets toy         # counted, repeatable, CI

      python -m harness run --plugin mine.py --methods mine,random_search --budget 5m

      python -m harness run --architecture cell.txt --methods darts  # a given architecture beside found ones

      python -m harness run --top 3                                # three final trainings a run, chosen by validation

    Exit code: 0 if every row is there, 1 if a run failed (its row says why), 2 for bad input, before any work, 4 if the
    disk took no more (what was done is stored), 130 after Ctrl-C, 141 if the reader of the output has gone.
    """
    from rich.console import Console

    from harness.commands.compare import compare
    from harness.commands.report import check_metric, records, tables
    from harness.run.request import check_back_end, make_request

    request = make_request(
        methods=methods,
        datasets=datasets,
        profile=profile,
        seeds=seeds,
        budget=budget,
        space=space,
        out=out,
        data=data,
        workers=workers,
        plugins=plugin or (),
        retry_failed=retry_failed,
        redo=redo,
        baselines=baselines,
        final=final,
        signal=signal_,
        architectures=architecture,
        max_parameters=max_parameters,
        max_macs=max_macs,
        max_latency=max_latency,
        top=top,
        corruptions=corruptions,
        mixed_devices=mixed_devices,
        children=children,
        cards=cards,
    )
    check_metric(metric, request.profile)
    check_back_end(request, backend)
    command = f"python -m harness {shlex.join(sys.argv[1:])}"
    results = compare(request, command=command, backend=backend, address=address, console=Console(stderr=True))
    _print_report(records(request.out, metric) if as_json else tables(request.out, metric), out)
    if results.failed:
        raise typer.Exit(FAILED_ROWS)


app.command()(tabulate)
app.command("table")(table_)


@app.command("list")
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    data: DataRoot = DEFAULT_DATA,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Says what there is; of a data set also whether it is here and how to get it.

    python -m harness list methods

    python -m harness list datasets --json
    """
    from harness.commands import listing
    from harness.plugins.catalogue import Catalogue
    from harness.run.request import absolute_path, absolute_paths

    catalogue = Catalogue(absolute_paths(plugin or ()))
    match what:
        case What.methods:
            rows = listing.methods(catalogue)
        case What.datasets:
            rows = listing.datasets(catalogue, absolute_path(data))
        case What.spaces:
            rows = listing.spaces(catalogue)
        case What.profiles:
            rows = listing.profiles()
        case What.families:
            rows = listing.families(catalogue)
    if as_json:
        print_json(rows)
    else:
        print_rows([listing.short(row) for row in rows])


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The --out of a run.")],
    metric: Metric = "accuracy",
    as_json: AsJson = False,
) -> None:
    """Prints the tables again from the records, and writes the report into DIR.

    Tables as markdown, CSV and LaTeX, statistics, plots, and all of it on one page, report.html. See docs/reports.md.

    python -m harness report runs
    """
    from harness.commands.report import records, tables

    _print_report(records(directory, metric) if as_json else tables(directory, metric), directory)


def _print_report(told: str | list[dict[str, Any]], directory: Path) -> None:
    if isinstance(told, str):
        print(told)
    else:
        print_json(told)
    print(f"tables, plots and report.html are in {directory}", file=sys.stderr)


@app.command()
def experience(
    directory: Annotated[Path, typer.Argument(metavar="RUNS", help="The --out of a run.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Where to; outside of RUNS and of the checkout.")],
) -> None:
    """Writes what searches have measured, for [bold]transfer[/bold] to begin with on another data set.

    Genotypes and validation accuracies, no test results.

    python -m harness experience runs ~/experience.csv
    """
    from harness.commands.experience import write_experience

    count = write_experience(directory, file)
    typer.echo(f"{count} accuracies are in {file}")


@app.command()
def baseline(
    directory: Annotated[Path, typer.Argument(metavar="RUNS", help="The --out of a run.")],
    name: Annotated[str, typer.Option(help="Name of the baseline.")],
    out: Annotated[Path, typer.Option(help="Directory of the baselines.")] = Path("results/baseline"),
    replace: Annotated[bool, typer.Option("--replace", help="Store it in the place of one of this name.")] = False,
) -> None:
    """Stores the results of runs, for [bold]check[/bold] to compare later ones with.

    python -m harness baseline runs --name mine

    One that is there is refused, before any work, unless --replace says so.
    """
    from harness.commands.baseline import store

    path, notes = store(directory, name, out, replace=replace)
    for sentence in notes:
        print(sentence, file=sys.stderr)
    print(f"wrote {path}")


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(metavar="RUNS", help="The --out of a run.")],
    against: Annotated[Path, typer.Option(metavar="FILE", help="A baseline: results/baseline/NAME.json.")],
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="Its changes are meant; may be repeated; [bold]all[/bold] for any."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Says of every row of a baseline whether it got worse.

    Exit code: 0 if none did; 1 if one did, failed, or changed without --accept; 2 if one was not run or the baseline
    cannot be read; 3 if chance allows so large a drop that nothing can be said; 4 and more as
    for run. See docs/gate.md.

      python -m harness check runs --against results/baseline/smoke.json

      python -m harness check runs --against results/baseline/smoke.json --accept darts --accept pnas
    """
    from harness.commands.baseline import check_runs

    raise typer.Exit(check_runs(directory, against, accept or (), as_json=as_json))


@app.command()
def inspect(
    genotype: Annotated[Path | None, typer.Option(help="A file with an architecture, in any of the notations.")] = None,
    published: Annotated[
        str, typer.Option(help="A published architecture by name, like darts_v2, or [bold]all[/bold].")
    ] = "",
    space: Annotated[
        str, typer.Option(help="A plug-in's space that the genotype may be of.", show_default="the built-in ones")
    ] = "",
    channels: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Filters of the first stage.", show_default="36, or the published"),
    ] = None,
    layers: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Cells or layers.", show_default="20, or the published")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=1_000_000, help="Classes.")] = 10,
    image: Annotated[str, typer.Option(help="Height, width and channels of an image.")] = "32x32x3",
    plugin: Plugins = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --published all: the page of them all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Counts parameters and multiply-accumulates of an architecture without training it.

    A file holds a genotype's text, NAS-Bench-201's own string, DARTS' Genotype(normal=[...], ...) as it circulates, or
    the same as JSON, two entries per node in order, inputs 0 and 1 being the two previous cells:
    {"normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ...], "normal_concat": [2, 3, 4, 5], "reduce": ...,
    "reduce_concat": ...}.

      python -m harness inspect --published darts_v2

      python -m harness inspect --published all

      python -m harness inspect --genotype cell.json --space cell --channels 36 --layers 20 --classes 10
    """
    from harness.commands.inspection import Wanted, inspect_given, inspect_published, parse_image
    from harness.run.request import absolute_paths

    wanted = Wanted(channels, layers, parse_image(image), classes)
    if (genotype is None) == (not published):
        raise InputError("give either --genotype FILE or --published NAME")
    if genotype is None and (space or plugin):
        raise InputError("--space and --plugin are for --genotype FILE; leave them out beside --published")
    if genotype is not None and markdown:
        raise InputError("--markdown is for --published all; leave it out beside --genotype")
    if genotype is None:
        inspect_published(published, wanted, as_json=as_json, markdown=markdown)
    else:
        inspect_given(genotype, space or "cell", absolute_paths(plugin or ()), wanted, as_json=as_json)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets.")],
    data: DataRoot = DEFAULT_DATA,
    plugin: Plugins = None,
) -> None:
    """Brings data sets into the data directory and checks them; also what is in a folder of your own.

    python -m harness fetch fashion_mnist cifar10

    python -m harness fetch folder:photos
    """
    from harness.commands.fetching import fetch as bring
    from harness.plugins.catalogue import Catalogue
    from harness.run.request import absolute_path, absolute_paths

    bring(names, Catalogue(absolute_paths(plugin or ())), absolute_path(data), lambda line: print(line, flush=True))


@app.command()
def export(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of one run, down to its seed.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the model: .keras, .tflite or .onnx.")],
    form: Annotated[
        str, typer.Option("--format", metavar="keras|tflite|onnx", show_default="by the file's ending")
    ] = "",
) -> None:
    """Writes the trained network of a run as a model of stock layers, from 0..255 images to probabilities.

    The normalisation of the images is its first layer, and the names of the classes are in the file.

      python -m harness export runs/quick/fashion_mnist/cell-3/darts/0 net.keras

      python -m harness export runs/quick/fashion_mnist/cell-3/darts/0 net.tflite
    """
    from harness.commands.export import export as write

    write(run_directory, file, form)
    print(f"wrote {file}")


@app.command()
def show(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of one run, down to its seed.")],
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the found architecture into an SVG file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows one run: its record, the found architecture node by node, its curves.

    The architecture is told in words; a picture of it is in the report's report.html, or goes into a file.

      python -m harness show runs/quick/fashion_mnist/cell-3/darts/0

      python -m harness show runs/quick/fashion_mnist/cell-3/darts/0 --svg darts.svg
    """
    from harness.commands.show import show_run

    show_run(run_directory, svg, as_json=as_json)
