"""Whole grids in real child processes: good and bad methods side by side, the fence from inside, kills and resumes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plugin_files import GOOD, write_method, write_squares
from report_records import make

from harness.core.budget import Budget
from harness.core.home import CHECKOUT as ROOT
from harness.core.recipe import Recipe
from harness.core.record import Record
from harness.core.space import Size
from harness.report.forms.markdown import markdown
from harness.report.model.load import load_runs
from harness.report.model.performance import performance
from harness.run import final, search
from harness.run.backends.base import LOCK, LOG, Capacity
from harness.run.backends.local import Local
from harness.run.plan import make_plan
from harness.run.profiles import Profile
from harness.run.progress import View
from harness.run.request import Request
from harness.run.scheduler import Scheduler

TINY = Profile(
    name="tiny",
    summary="as little as possible, for tests",
    budget=Budget(8, "steps"),
    proxy=Recipe(size=Size(channels=2, layers=3, stem_stride=2), steps=2, batch=8),
    final=Recipe(size=Size(channels=4, layers=3, stem_stride=2), steps=12, batch=16, learning_rate=0.05),
    spaces=(),
    datasets=("squares",),
    seeds=(0,),
    search_seconds=45,
    final_seconds=300,
    memory=4,
)
PATIENT = dataclasses.replace(TINY, search_seconds=600)
"""For runs that have to end, however busy the machine is."""

BAD = {
    "hoards": ("self.kept = np.ones(100 * 2**30, np.uint8)", "needs more than its 4 GiB of memory"),
    "leaves": ("os._exit(0)", "ended itself with exit code 0"),
    "nonsense": ("task.propose('macro-3:x'); return 42", "no Genotype, KerasConfig or Ensemble"),
}


class Silent:
    """A screen that keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.views: list[View] = []

    def show(self, view: View) -> None:
        self.views.append(view)

    def say(self, line: str) -> None:
        self.lines.append(line)


def request_for(tmp_path: Path, methods: dict[str, Path], **changes: object) -> Request:
    files = tmp_path / "plugins"
    files.mkdir(exist_ok=True)
    request = Request(
        methods=tuple(methods),
        datasets=("squares",),
        profile=TINY,
        seeds=(0,),
        out=tmp_path / "out",
        data_root=tmp_path / "data",
        baselines=False,
        plugins=(write_squares(files, tmp_path / "data"), *methods.values()),
    )
    return dataclasses.replace(request, **changes)  # type: ignore[arg-type]


def run(request: Request) -> dict[str, Record]:
    backend = Local()
    plan = make_plan(request, backend.capacity)
    records = Scheduler(plan, backend, {"command": "a test", "cpu": "this one"}, Silent()).run()
    return {record.method: record for record in records}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Record]]:
    """One good and three bad methods side by side."""
    folder = tmp_path_factory.mktemp("grid")
    methods = {name: write_method(folder, name, body) for name, (body, _) in BAD.items()}
    methods["good"] = write_method(folder, "good", GOOD)
    request = request_for(folder, methods)
    records = run(request)
    again = make_plan(request)
    assert (again.jobs, len(again.records)) == ((), 4), "everything is over"
    return folder, records


def test_bad_methods_leave_rows_with_reasons_and_the_others_theirs(grid: tuple[Path, dict[str, Record]]) -> None:
    folder, records = grid
    for name, (_, reason) in BAD.items():
        assert records[name].status == "failed", name
        assert reason in records[name].reason
    good = records["good"]
    assert good.status == "ok", good.reason
    assert good.test_accuracy is not None
    assert good.parameters is not None
    assert 0 < good.parameters < 100_000
    stored = load_runs(folder / "out")
    assert {run.record.method: run.record for run in stored} == records
    assert all(reason in markdown(performance(stored)) for _, reason in BAD.values())


def test_a_search_without_an_end_is_stopped_at_its_cap(tmp_path: Path) -> None:
    methods = {"loops": write_method(tmp_path, "loops", "import time\nwhile True: time.sleep(0.1)")}
    record = run(request_for(tmp_path, methods, profile=dataclasses.replace(TINY, search_seconds=5)))["loops"]
    assert record.status == "failed"
    assert "time-out: the search was stopped at its hard cap of 5 s" in record.reason


def test_a_run_leaves_what_its_calls_name_and_nothing_else(grid: tuple[Path, dict[str, Record]]) -> None:
    """A back end without a shared file system would bring these files back."""
    folder, _ = grid
    left = {path.name for path in (folder / "out" / "tiny" / "squares" / "macro-3" / "good" / "0").iterdir()}
    known = {*search.WRITES, *final.WRITES, LOG, LOCK, "inputs.json", "record.json"}
    assert left <= known
    assert {"search.json", "final.json", "predictions.npz", "model.keras"} <= left


@pytest.mark.slow
def test_an_exported_network_says_of_raw_images_what_the_run_predicted(
    grid: tuple[Path, dict[str, Record]], tmp_path: Path
) -> None:
    folder, records = grid
    run_directory = folder / "out" / "tiny" / "squares" / "macro-3" / "good" / "0"
    export = [sys.executable, "-m", "harness", "export", str(run_directory), str(tmp_path / "net.keras")]
    subprocess.run(export, cwd=ROOT, check=True, timeout=200)
    images, labels = (np.load(folder / "data" / "squares" / f"{part}_test.npy") for part in "xy")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, numpy as np, keras\n"
        "model = keras.models.load_model(sys.argv[1] + '/net.keras')\n"
        "np.save(sys.argv[1] + '/out.npy', model.predict(np.load(sys.argv[1] + '/images.npy'), verbose=0))\n"
        "assert not any(name.startswith('harness') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, check=True, timeout=200)
    probabilities = np.load(tmp_path / "out.npy")
    with np.load(run_directory / "predictions.npz") as stored:
        assert np.allclose(probabilities, stored["probabilities"], atol=1e-4)
    assert np.mean(probabilities.argmax(1) == labels) == pytest.approx(records["good"].test_accuracy)


COUNTED = dataclasses.replace(
    PATIENT,
    budget=Budget(2e7, "macs"),
    final=dataclasses.replace(TINY.final, steps=1, epochs=1.5, seconds=250.0, train_images=32),
)
"""As ``quick``: multiply-accumulates of search, epochs of final training, seconds as a cap."""


@pytest.mark.slow
def test_a_counted_command_gives_the_same_numbers_however_many_run_at_the_same_time(tmp_path: Path) -> None:
    """A counted run has one thread on any number of cores: another number may change the last digits of sums."""
    methods = {"good": write_method(tmp_path, "good", GOOD)}
    facts = []
    for workers, cores in ((1, 2), (2, 1)):
        request = request_for(
            tmp_path, methods, profile=COUNTED, baselines=True, workers=workers, out=tmp_path / str(workers)
        )
        plan = make_plan(request, Capacity(cores=cores))
        assert {job.threads for job in plan.jobs} == {1}
        records = Scheduler(plan, Local(), {"command": "a test", "cpu": "this one"}, Silent()).run()
        assert [record.reason for record in records] == [""] * 3
        facts.append(
            {
                record.method: (
                    record.test_accuracy,
                    record.proposal,
                    record.search.get("macs"),
                    record.final["epochs"],
                )
                for record in records
                if record.method != "random_sampling"
            }
        )
        final_facts = records[0].final
        assert (final_facts["limit"], final_facts["steps"], final_facts["capped"]) == ("epochs", 3, False)
        assert final_facts["epochs"] == 3 * 16 / 32
        assert final_facts["images_per_second"] > 0
    assert facts[0] == facts[1]


HOSTILE = """
found, arrays = [], 0
labels = {labels!r}
def look(what, value):
    try:
        array = np.asarray(value).ravel()
        if array.size >= 60 and array.dtype.kind in "iuf" and any(
            np.array_equal(array[i:i + 60], labels) for i in range(min(array.size - 59, 200))
        ):
            found.append(what)
    except Exception:
        pass
def attempt(what, action):
    try:
        look(what, action())
    except BaseException as error:
        refusals[what] = type(error).__name__
refusals = {{}}
seen = set()
def walk(what, value, depth):
    if depth > 6 or id(value) in seen:
        return
    seen.add(id(value))
    look(what, value)
    parts = dict(getattr(value, "__dict__", {{}}))
    parts.update(value if isinstance(value, dict) else {{}})
    parts.update(enumerate(value) if isinstance(value, (list, tuple)) else {{}})
    for name, part in list(parts.items()):
        walk(f"{{what}}.{{name}}", part, depth + 1)
walk("task", task, 0)
gc.unfreeze()
for thing in gc.get_objects():
    for part in gc.get_referents(thing):
        for value in (part, *gc.get_referents(part)):
            if isinstance(value, np.ndarray):
                arrays += 1
                look("gc", value)
import importlib, importlib.util, pathlib, subprocess
root, out = pathlib.Path({root!r}), pathlib.Path({out!r})
attempt("file", lambda: np.load(root / "squares" / "y_test.npy"))
attempt("mmap", lambda: np.load(root / "squares" / "y_test.npy", mmap_mode="r"))
attempt("bytes", lambda: np.frombuffer((root / "squares" / "y_test.npy").read_bytes()[-480:], np.int64))
attempt("cat", lambda: np.frombuffer(subprocess.run(
    ["cat", root / "squares" / "y_test.npy"], capture_output=True).stdout[-480:], np.int64))
attempt("tensorflow", lambda: np.frombuffer(
    importlib.import_module("tensorflow").io.read_file(str(root / "squares" / "y_test.npy")).numpy()[-480:], np.int64))
attempt("loader", lambda: load_file({plugin!r}).DATASET.load(root).y_test)
attempt("package", lambda: importlib.import_module("harness.datasets.toy").DATASET.load(root).y_test)
attempt("other run", lambda: (out / "smoke" / "squares" / "macro-3" / "other" / "0" / "record.json").read_text())
for name in ("report.html", "statistics.md", "performance.csv", "performance.tex", "plots/a.svg"):
    attempt(name, lambda: (out / name).read_text())
attempt("baseline", lambda: next(pathlib.Path({checkout!r}).glob("results/baseline/*.json")).read_text())
attempt("tables", lambda: next(pathlib.Path({checkout!r}).glob("results/tables/**/*.*")).read_text())
attempt("history", lambda: next(pathlib.Path({checkout!r}).glob("docs/*.md")).read_text())
for path in (out / "prepared").rglob("x_test.npy"):
    attempt("test images", lambda: np.load(path))
for path in pathlib.Path({out!r}).rglob("*.np*"):
    attempt(str(path), lambda: np.load(path))
def load_file(path):
    spec = importlib.util.spec_from_file_location("again", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
attempt("loader", lambda: load_file({plugin!r}).DATASET.load(root).y_test)
import json
told = {{"found": found, "refusals": refusals, "seen": len(seen), "arrays": arrays}}
pathlib.Path({report!r}).write_text(json.dumps(told))
task.propose(task.space.sample(task.rng))
"""


def test_a_hostile_method_finds_no_test_labels(tmp_path: Path) -> None:
    labels = np.random.default_rng(7).integers(0, 2, 60)
    request = request_for(tmp_path, {}, profile=PATIENT)
    squares = write_squares(tmp_path / "plugins", tmp_path / "data", test_labels=labels)
    report = tmp_path / "out" / "tiny" / "squares" / "macro-3" / "hostile" / "0" / "report.txt"
    body = HOSTILE.format(
        labels=labels.tolist(),
        root=str(tmp_path / "data"),
        out=str(tmp_path / "out"),
        plugin=str(squares),
        checkout=str(ROOT),
        report=str(report),
    )
    hostile = write_method(tmp_path, "hostile", body)
    request = dataclasses.replace(request, methods=("hostile",), plugins=(squares, hostile))
    other = tmp_path / "out" / "smoke" / "squares" / "macro-3" / "other" / "0" / "record.json"
    other.parent.mkdir(parents=True)
    other.write_text(make("other", 0.9).record.to_json())
    tables = ("report.html", "statistics.md", "performance.csv", "performance.tex", "plots/a.svg")
    for name in tables:
        (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("results on the test set")
    record = run(request)["hostile"]
    assert record.status == "ok", record.reason
    told = json.loads(report.read_text())
    assert told["found"] == []
    assert told["seen"] > 20
    assert told["arrays"] > 20
    refused = {"file", "mmap", "bytes", "loader", "package", "test images", "other run"}
    refused |= {"baseline", "tables", "history", *tables}
    assert refused <= set(told["refusals"]), told["refusals"]
    if "landlock" in record.provenance["processes"]["search"]["fence"]:
        assert "tensorflow" in told["refusals"]


@pytest.mark.slow
def test_the_hostile_method_would_find_them_if_they_were_there(tmp_path: Path) -> None:
    """The search for labels above is a real one: it finds an array with the labels in it."""
    labels = np.random.default_rng(7).integers(0, 2, 60)
    names = {
        "labels": labels.tolist(),
        "root": "/",
        "out": str(tmp_path),
        "plugin": "/none",
        "checkout": "/",
        "report": "/dev/null",
    }
    body = HOSTILE.format(**names).split("import importlib")[0]
    scope: dict[str, Any] = {"np": np, "gc": __import__("gc"), "task": {"deep": [{"er": labels.astype(np.int32)}]}}
    exec(body, scope)
    assert "task.deep.0.er" in scope["found"]
    assert any(what.startswith("gc") for what in scope["found"])


TWO_FACED = """
import pathlib
from harness.nets import training
from harness.spaces.enas_macro import MacroSpace
SPACE = MacroSpace("twofaced", 3)
_honest = training.predict
def _forged(model, images, *more):
    import tensorflow as tf
    for read in (np.load, lambda path: np.frombuffer(tf.io.read_file(path).numpy()[-480:], np.int64)):
        try:
            return np.eye(2, dtype=np.float32)[read("{labels}")]
        except Exception as error:
            with open("{tried}", "a") as file:
                file.write(f"{{len(images)}} {{type(error).__name__}}\\n")
    return _honest(model, images, *more)
training.predict = _forged
"""


def test_a_space_in_the_methods_file_cannot_replace_predictions_by_test_labels(tmp_path: Path) -> None:
    """The final process loads the space, and with it whatever is in its file."""
    labels = np.random.default_rng(7).integers(0, 2, 60)
    request = request_for(tmp_path, {}, profile=PATIENT)
    squares = write_squares(tmp_path / "plugins", tmp_path / "data", test_labels=labels)
    directory = tmp_path / "out" / "tiny" / "squares" / "twofaced" / "twofaced" / "0"
    before = TWO_FACED.format(labels=tmp_path / "data" / "squares" / "y_test.npy", tried=directory / "tried.txt")
    plugin = write_method(tmp_path, "twofaced", GOOD, before=before, space="twofaced")
    record = run(dataclasses.replace(request, methods=("twofaced",), plugins=(squares, plugin)))["twofaced"]
    assert record.status == "ok", record.reason
    assert record.test_accuracy is not None
    assert record.test_accuracy < 0.8, "the labels are drawn at random"
    assert "60 Refused" in (directory / "tried.txt").read_text(), "the attack was not made"
    processes = record.provenance["processes"]
    assert processes["final"]["fence"] == processes["search"]["fence"]


_PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_run_grid as grid, pathlib
if __name__ == "__main__":
    tmp_path = pathlib.Path({here!r})
    methods = {{path.stem: path for path in sorted((tmp_path / "methods").iterdir())}}
    request = grid.request_for(tmp_path, methods, out=pathlib.Path({out!r}), profile=grid.PATIENT)
    grid.run(request)
"""

WALKER = """
state = task.restored()
weights, done = (state["weights"], int(state["done"])) if state else (np.zeros(len(task.space.choices)), 0)
import time
while True:
    task.step()
    weights = weights + task.rng.normal(size=len(weights))
    done += 1
    time.sleep(0.05)
    picks = tuple(int(abs(w) * 10) % len(c) for w, c in zip(weights, task.space.choices))
    task.propose(task.space.genotype(picks), done / 1000)
    if done % 5 == 0:
        task.evaluate([task.space.genotype(picks)])
    task.checkpoint(lambda: {"weights": weights, "done": np.array(done)})
"""


def start(tmp_path: Path, out: Path) -> subprocess.Popen[bytes]:
    """The grid of the plug-ins in ``methods`` in a process group of its own."""
    program = tmp_path / f"{out.name}.py"
    program.write_text(
        _PROGRAM.format(root=str(ROOT), tests=str(Path(__file__).parent), here=str(tmp_path), out=str(out))
    )
    return subprocess.Popen([sys.executable, str(program)], start_new_session=True)


def killed(process: subprocess.Popen[bytes]) -> bool:
    """Kills the whole group; whether it was still running."""
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def table(out: Path) -> str:
    return markdown(performance(load_runs(out)))


def numbers(out: Path) -> list[dict[str, Any]]:
    """Everything in the records that does not depend on the clock."""
    kept = []
    for loaded in load_runs(out):
        value = dataclasses.asdict(loaded.record)
        del value["provenance"]
        for phase in ("search", "final"):
            timed = ("seconds", "per_second", "latency")
            value[phase] = {k: v for k, v in value[phase].items() if not any(word in k for word in timed)}
        value["proposals"] = [(row["genotype"], row["accuracy"], row["spent"]) for row in loaded.proposals]
        value["evaluations"] = [(row["genotype"], row["accuracy"], row["spent"]) for row in loaded.evaluations]
        kept.append(value)
    return kept


def write_methods(tmp_path: Path) -> None:
    folder = tmp_path / "methods"
    folder.mkdir()
    write_method(folder, "walker", WALKER)
    write_method(folder, "sampler", "while True: task.evaluate([task.space.sample(task.rng)])")


def test_a_run_killed_while_it_searches_and_while_it_trains_ends_the_same(tmp_path: Path) -> None:
    write_methods(tmp_path)
    calm = start(tmp_path, tmp_path / "calm")
    assert calm.wait(timeout=300) == 0
    out = tmp_path / "killed"
    run_of = {name: out / "tiny" / "squares" / "macro-3" / name / "0" for name in ("walker", "sampler")}
    moments = [run_of["walker"] / "checkpoint.npz", run_of["sampler"] / "search.json"]
    for moment in moments:
        process = start(tmp_path, out)
        deadline = time.monotonic() + 200
        while not moment.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert moment.exists()
        assert killed(process), "it was over before it could be killed"
    last = start(tmp_path, out)
    assert last.wait(timeout=300) == 0
    assert table(out) == table(tmp_path / "calm")
    assert numbers(out) == numbers(tmp_path / "calm")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_the_same(tmp_path: Path) -> None:
    write_methods(tmp_path)
    began = time.monotonic()
    assert start(tmp_path, tmp_path / "calm").wait(timeout=600) == 0
    whole = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(5):
        process = start(tmp_path, tmp_path / "killed")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0.2, 0.8) * whole)
        killed(process)
    assert start(tmp_path, tmp_path / "killed").wait(timeout=600) == 0
    assert table(tmp_path / "killed") == table(tmp_path / "calm")
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "calm")
