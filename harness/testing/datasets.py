"""What every data set promises: without its files, and with them where they are there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.dataset import Dataset, DatasetSource
from harness.core.errors import InputError
from harness.core.names import sentence
from harness.core.table import Table
from harness.plugins.catalogue import BrokenPlugin, Source, load_dataset
from harness.run.parts import parts
from harness.testing.checks import Broken, Check, Skipped, ensure

SHARE = 0.1
"""Of the training images that are split off for validation, in the check."""
TOLERANCE = 1.5
"""Grey levels by which the stated mean may differ from that of the training images: published means are rounded."""
SECONDS = 600


def dataset_checks(found: Source, argument: str, root: Path) -> list[Check]:
    """The promises of one data set, each with its test.

    Args:
        found: its place in the catalogue.
        argument: what follows the colon in ``folder:PATH``, or "".
        root: the directory that holds the data sets.
    """
    loaded: list[Dataset | Table] = []

    def source() -> DatasetSource:
        try:
            return load_dataset(found, argument)
        except BrokenPlugin as error:
            raise Broken(str(error)) from error

    def data() -> Dataset | Table:
        if (reason := source().missing(root)) is not None:
            raise Skipped(reason)
        if not loaded:
            loaded.append(_load(source(), root))
        return loaded[0]

    def hides() -> None:
        data()
        hides_its_labels(source(), found, argument, root)

    return [
        Check("says what it is", lambda: says_what_it_is(source(), found)),
        Check("says what is missing before and while it loads", lambda: says_what_is_missing(source(), argument)),
        Check("tells what is hidden without the files", lambda: tells_what_is_hidden(source())),
        Check("needs no TensorFlow to load", lambda: needs_no_tensorflow(found, argument, root)),
        Check("is whole", lambda: is_whole(data(), source())),
        Check("loads the same twice", lambda: same(data(), _load(source(), root))),
        Check("keeps its test labels in what it hides", hides),
        Check("can be split into training and validation images", lambda: can_be_split(data())),
    ]


def _load(source: DatasetSource, root: Path) -> Dataset | Table:
    try:
        data = source.load(root)
    except InputError as error:
        raise Broken(f"missing(root) says that the files are there, and load(root) does not work: {error}") from error
    except Exception as error:
        raise Broken(f"load(root) fails without an InputError: {sentence(error)}") from error
    wanted = Table if source.tabular else Dataset
    ensure(isinstance(data, wanted), f"load(root) returns a {type(data).__name__} instead of a {wanted.__name__}")
    return data


def says_what_it_is(source: DatasetSource, found: Source) -> None:
    """Its name is the file's, and its summary a plain string in the source."""
    name, summary = source.name.partition(":")[0], found.facts().summary
    ensure(name == found.name, f"its name is '{name}', and it is loaded as '{found.name}'; both have to agree")
    ensure(summary, 'DatasetSource needs summary="...", which a list shows')
    if not found.needs_argument():
        ensure(source.summary == summary, "the summary has to be a plain string, so that a list can show it")


def says_what_is_missing(source: DatasetSource, argument: str = "") -> None:
    """In an empty directory, ``missing`` and ``load`` give one sentence with its path, and create nothing."""
    with tempfile.TemporaryDirectory(prefix="harness-testing-") as folder, _without_variables():
        empty = Path(folder)
        reason = source.missing(empty)
        if reason is None:
            return
        ensure("\n" not in reason, "missing(root) gives more than one line")
        where = argument or str(empty)
        ensure(where in reason, f"missing(root) does not name the file or directory: '{reason}'")
        try:
            source.load(empty)
        except InputError as error:
            ensure("\n" not in str(error), "the InputError of load(root) has more than one line")
        except Exception as error:
            raise Broken(f"load(root) of an empty directory fails without an InputError: {sentence(error)}") from error
        else:
            raise Broken(f"missing(root) says '{reason}', and load(root) works")
        ensure(not list(empty.iterdir()), "looking for its files creates something; only fetch may do that")


def tells_what_is_hidden(source: DatasetSource) -> None:
    """``hidden`` gives paths, none of which is the directory of all data sets or above it."""
    with tempfile.TemporaryDirectory(prefix="harness-testing-") as folder:
        root = Path(folder)
        for path in source.hidden(root):
            ensure(isinstance(path, Path), f"hidden(root) gives {path!r}, which is no pathlib.Path")
            ensure(path != root and path not in root.parents, f"hidden(root) gives {path}, which holds other data sets")


@contextlib.contextmanager
def _without_variables() -> Iterator[None]:
    """No variable that names the directory of a data set."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("HARNESS_")}
    try:
        yield
    finally:
        os.environ.update(kept)


def is_whole(data: Dataset | Table, source: DatasetSource) -> None:
    """Every class has training images, and the mean is theirs; types and shapes are checked by :class:`Dataset`."""
    if isinstance(data, Table):
        ensure(data.name == source.name, f"the table calls itself '{data.name}' instead of '{source.name}'")
        return
    present, count = set(np.unique(data.y_train).tolist()), len(data.classes)
    if absent := sorted(set(range(count)) - present):
        raise Broken(f"the class '{data.classes[absent[0]]}' has no training image")
    mean = data.x_train.mean((0, 1, 2))
    ensure(
        np.allclose(mean, data.mean, atol=TOLERANCE),
        f"its mean is stated as {_numbers(data.mean)} and is {_numbers(mean)} (on the scale 0..255)",
    )


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def same(data: Dataset | Table, again: Dataset | Table) -> None:
    """Loading twice gives the same arrays in the same order."""
    if isinstance(data, Table) and isinstance(again, Table):
        equal = (data.name, data.genotypes, list(data.signals)) == (again.name, again.genotypes, list(again.signals))
        ensure(equal and np.array_equal(data.score, again.score), "the table is another one when it is loaded again")
        return
    for field in dataclasses.fields(Dataset):
        ensure(
            np.array_equal(getattr(data, field.name), getattr(again, field.name)),
            f"its {field.name} differs when it is loaded again; sort the files, and draw from a seeded generator",
        )


def can_be_split(data: Dataset | Table) -> None:
    """A tenth of the training images can be split off; a validation set of its own is used as it is."""
    if isinstance(data, Table):
        raise Skipped("a table has no images")
    try:
        train, valid = parts(data, SHARE, 0)
    except InputError as error:
        raise Broken(str(error)) from error
    ensure(len(train) + len(valid) == len(data.x_train), "the split loses images")
    if data.validation is not None:
        ensure(np.array_equal(np.sort(valid), np.flatnonzero(data.validation)), "its own validation set is not used")


def needs_no_tensorflow(found: Source, argument: str, root: Path) -> None:
    """Importing the file, in a fresh process, imports neither TensorFlow nor Keras."""
    told = _in_a_process("imports", found, argument, root)
    ensure(not told["heavy"], f"importing it imports {', '.join(told['heavy'])}, which takes seconds in every command")


def hides_its_labels(source: DatasetSource, found: Source, argument: str, root: Path) -> None:
    """In a process that is refused what ``hidden(root)`` names, ``load(root)`` cannot work."""
    hidden = source.hidden(root)
    told = _in_a_process("hidden" if hidden else "opened", found, argument, root)
    if hidden:
        named = ", ".join(str(path) for path in hidden)
        ensure(not told["loads"], f"it loads although {named} is closed, so a search could read the test labels too")
    else:
        files = told["opened"]
        ensure(not files, f"hidden(root) is empty, and it reads {files[0] if files else ''}; name the test files there")


def _in_a_process(what: str, found: Source, argument: str, root: Path) -> dict[str, Any]:
    request = json.dumps({"what": what, "found": dataclasses.asdict(found), "argument": argument, "root": str(root)})
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "harness.testing.datasets", request],
        capture_output=True, text=True, timeout=SECONDS, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Broken(f"its process ended with {done.returncode}: {lines[-1].strip() if lines else 'it said nothing'}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _child(request: dict[str, Any]) -> dict[str, Any]:
    """What the process of :func:`_in_a_process` does."""
    found = Source(**{**request["found"], "settings": ()})
    source = load_dataset(found, request["argument"])
    root = Path(request["root"])
    what: Callable[[DatasetSource, Path], dict[str, Any]] = {"imports": _imports, "hidden": _hidden, "opened": _opened}[
        request["what"]
    ]
    return what(source, root)


def _imports(source: DatasetSource, root: Path) -> dict[str, Any]:
    return {"heavy": sorted({"tensorflow", "keras", "torch"} & set(sys.modules))}


def _hidden(source: DatasetSource, root: Path) -> dict[str, Any]:
    from harness.run.fence import Forbidden, fence

    fence(Forbidden(tuple(path.absolute() for path in source.hidden(root)), ()))
    try:
        source.load(root)
    except Exception:
        return {"loads": False}
    return {"loads": True}


def _opened(source: DatasetSource, root: Path) -> dict[str, Any]:
    opened: list[str] = []
    own = {os.path.realpath(folder) for folder in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))}

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            code = path.endswith((".py", ".pyc")) or any(path.startswith(folder + os.sep) for folder in own)
            if not code and not path.startswith(("/proc/", "/dev/", "/sys/")):
                opened.append(path)

    sys.addaudithook(note)
    source.load(root)
    return {"opened": opened}


if __name__ == "__main__":
    print(json.dumps(_child(json.loads(sys.argv[1]))))
