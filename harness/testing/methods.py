"""What every search method promises.

The method searches three times, each time in a fresh process with a hash seed and global generators of its own: twice
undisturbed, once killed in the middle and resumed. All three have to end with the same numbers. A fourth process takes
it through :mod:`harness.testing.scenarios`. They start when the first check asks for them, and run side by side.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import InputError
from harness.core.families import FAMILIES
from harness.core.method import Method
from harness.core.names import sentence
from harness.plugins.catalogue import BrokenPlugin, Catalogue, Source, load_method, named_space
from harness.run.profiles import PROFILES
from harness.spaces import get_space, names
from harness.testing.checks import Broken, Check, Skipped, ensure
from harness.testing.fakes import make_task
from harness.testing.request import BUDGET, STEPS, Request, killed_at
from harness.testing.scenarios import SCENARIOS

SECONDS = 500
"""A search of seven evaluations that takes longer has hung."""
CALM, AGAIN, KILLED, OTHERS, EVERYWHERE = "calm", "again", "killed", "others", "everywhere"
Told = dict[str, Any]


class Running(Protocol):
    """A search's process."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended within `timeout` seconds.
        """

    def kill(self) -> None:
        """Ends it."""


class Trials:
    """The searches of methods in child processes, each started once, when it is first asked for.

    Args:
        folder: where the children write.
        plugins: ``--plugin`` files.
        hidden: directories that are closed to a search, as test data is.
        space: to search in instead of each method's own.
        strict: whether a DeprecationWarning ends a search.
        seconds: how long a search may take.
    """

    def __init__(
        self,
        folder: Path,
        plugins: Sequence[Path] = (),
        *,
        hidden: Sequence[Path] = (),
        space: str = "",
        strict: bool = False,
        seconds: float = SECONDS,
    ) -> None:
        self._folder, self._plugins, self._space = folder, tuple(str(path) for path in plugins), space
        self._hidden, self._strict, self._seconds = tuple(str(path) for path in hidden), strict, seconds
        self._running: dict[tuple[str, str], tuple[Running, float]] = {}

    def start(self, name: str, how: str) -> Path:
        """Starts a search unless it was; the directory that it writes into."""
        folder = self._folder / f"{name} {how}".replace("/", " of ")
        if (name, how) not in self._running:
            number = (CALM, AGAIN, KILLED, OTHERS, EVERYWHERE).index(how) + 1
            request = Request(
                method=name, plugins=self._plugins, directory=str(folder), space=self._space,
                dies_at=killed_at(name) if how == KILLED else None, everywhere=how == EVERYWHERE,
                globals_seed=number, hidden=self._hidden, strict=self._strict, scenarios=how == OTHERS,
            )  # fmt: skip
            request.write(folder.with_suffix(".json"))
            process = self.begin(folder, number)
            self._running[name, how] = process, time.monotonic() + self._seconds
        return folder

    def begin(self, folder: Path, hash_seed: int) -> Running:
        """Starts a process with the request beside `folder`; what it prints goes into a log beside it."""
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        with folder.with_suffix(".log").open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "harness.testing.child", str(folder.with_suffix(".json"))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True,
                env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed)},
            )  # fmt: skip

    def outcome(self, name: str, how: str) -> Told:
        """Waits for a search and tells what it did.

        Raises:
            Broken: it has hung, or its process ended without a word.
        """
        folder = self.start(name, how)
        process, until = self._running[name, how]
        try:
            code = process.wait(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Broken(f"it did not end within {self._seconds:.0f} s of a budget of {_budget()}") from None
        if code:
            log = folder.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
            lines = [line for line in log.splitlines() if line.strip()]
            raise Broken(f"its process ended with {code}: {lines[-1].strip() if lines else 'it said nothing'}")
        told: Told = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
        return told

    def close(self) -> None:
        """Ends what nobody waited for."""
        for process, _ in self._running.values():
            process.kill()
            process.wait()


def _budget() -> str:
    return f"{int(BUDGET.amount // STEPS)} evaluations"


@contextlib.contextmanager
def method_checks(name: str, plugins: Sequence[Path] = (), *, space: str = "") -> Iterator[list[Check]]:
    """The promises of one method, each with its test; the searches are ended with the context.

    Args:
        name: of the method, as on the command line.
        plugins: files to load it from.
        space: to search in instead of its own.

    Raises:
        InputError: there is no such method, or a file is not to be read.
    """
    source = Catalogue(plugins).source("method", name)
    with tempfile.TemporaryDirectory(prefix="harness-testing-") as folder:
        trials = Trials(Path(folder), plugins, hidden=data_directories(), space=space)
        try:
            yield [*_of_the_class(source, plugins), *_of_the_searches(source.name, trials)]
        finally:
            trials.close()


def data_directories() -> tuple[Path, ...]:
    """Where data sets are: those of the harness, and those that Keras has downloaded."""
    own = os.environ.get("HARNESS_DATA") or Path.home() / ".cache" / "nas-harness"
    return Path(own), Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _of_the_class(source: Source, plugins: Sequence[Path]) -> list[Check]:
    return [
        Check("says what it is", lambda: says_what_it_is(source, plugins)),
        Check("has settings for profiles that it knows", lambda: settings_of_profiles(source)),
        Check("answers for every space", lambda: answers_for_every_space(source, plugins)),
    ]


def _of_the_searches(name: str, trials: Trials) -> list[Check]:
    def calm() -> Told:
        for how in (CALM, AGAIN, KILLED):
            trials.start(name, how)
        return trials.outcome(name, CALM)

    def in_scenario(scenario: str) -> None:
        if calm()["error"] or calm()["late"] or calm()["changed_limit"]:
            raise Skipped("its search did not end as it should")
        if not calm()["trained"]:
            raise Skipped("it asks for no evaluations")
        sentence = trials.outcome(name, OTHERS)[scenario]
        ensure(not sentence, sentence)

    def repeats() -> None:
        if calm()["late"]:
            raise Skipped("it goes on after its budget")
        same(calm(), trials.outcome(name, AGAIN), "one process", "another")

    def resumes() -> None:
        if calm()["late"]:
            raise Skipped("it goes on after its budget")
        first, killed = calm(), trials.outcome(name, KILLED)
        if not killed["died"]:
            raise Skipped("it wrote too little to be interrupted")
        ensure(not killed["error"], f"resumed after a kill, it failed: {killed['error']}")
        same(first, killed, "an undisturbed search", "one that was killed and resumed")

    return [
        Check("searches without an error", lambda: searches(calm())),
        Check("proposes something within a small budget", lambda: proposes(calm())),
        Check("stays inside its space", lambda: stays_inside(calm())),
        Check("keeps to its budget", lambda: keeps_to_its_budget(calm())),
        Check("leaves the global random generators alone", lambda: leaves_generators_alone(calm())),
        Check("repeats itself in another process", repeats),
        Check("continues after a kill as if there had been none", resumes),
        *(Check(scenario, functools.partial(in_scenario, scenario)) for scenario in SCENARIOS),
    ]


def _loaded(source: Source) -> type[Method]:
    try:
        return load_method(source)
    except BrokenPlugin as error:
        raise Broken(str(error)) from error
    except SystemExit as error:
        raise Broken(f"'{source.name}' ends the process when it is imported ({error.code})") from error


def says_what_it_is(source: Source, plugins: Sequence[Path] = ()) -> None:
    """Name, title, space and a summary, as plain strings; a frozen dataclass whose fields have defaults."""
    cls, facts = _loaded(source), source.facts()
    ensure(
        cls.name == source.name, f"its name is '{cls.name}', and it is loaded as '{source.name}'; both have to agree"
    )
    ensure(
        (cls.title, cls.space) == (facts.title, facts.space),
        "title and space have to be plain strings in the body of the class, so that a list can show them",
    )
    if unknown := [name for name in cls.families if name not in FAMILIES]:
        raise Broken(f"'families' names '{unknown[0]}'; there are {', '.join(FAMILIES)}")
    ensure(
        cls.families == facts.families,
        "families have to be a plain tuple of strings in the body of the class, so that a list can show them",
    )
    ensure(facts.summary, "its file has no docstring; the first line of it is what a list shows")
    ensure(dataclasses.is_dataclass(cls), "its class has to be a dataclass: its fields are the hyper-parameters")
    ensure(cls.__dataclass_params__.frozen, "its dataclass has to be frozen: @dataclass(frozen=True)")  # type: ignore[attr-defined]
    try:
        ensure(cls() == cls(), "two instances with the defaults are not equal")
    except TypeError as error:
        raise Broken(f"every hyper-parameter needs a default ({error})") from error
    try:
        named_space(cls.space, Catalogue(plugins))
    except InputError as error:
        raise Broken(f"its space: {error}") from error


def settings_of_profiles(source: Source) -> None:
    """``scaled`` names profiles and fields that exist, with values that a record can keep."""
    cls = _loaded(source)
    if unknown := sorted(set(cls.scaled) - set(PROFILES)):
        raise Broken(f"'scaled' names the profile '{unknown[0]}'; there are {', '.join(PROFILES)}")
    ensure("published" not in cls.scaled, "'scaled' must not change the published profile: it has the paper's values")
    for profile, changes in cls.scaled.items():
        try:
            json.dumps(dataclasses.asdict(cls(**changes)))  # type: ignore[call-overload]
        except TypeError as error:
            raise Broken(f"the settings of profile '{profile}': {error}") from error
        known = source.facts().under(profile)
        for name, value in changes.items():
            ensure(name not in known or known[name] == value, f"a list shows {name}={known.get(name)}, not {value}")


def answers_for_every_space(source: Source, plugins: Sequence[Path] = ()) -> None:
    """``unsupported`` gives None or a sentence in every space, and None in its own."""
    cls = _loaded(source)
    own = named_space(cls.space, Catalogue(plugins))
    for space in (*(get_space(name) for name in (*names(), "macro-4", "chain-4", "keras")), own):
        try:
            answer = cls().unsupported(make_task(space))
        except Exception as error:
            raise Broken(f"unsupported(task) fails in space '{space.name}': {sentence(error)}") from error
        ensure(
            answer is None or (isinstance(answer, str) and answer),
            f"unsupported(task) returns {answer!r} in space '{space.name}' instead of None or a sentence",
        )
    ensure(answer is None, f"it does not work in its own space '{own.name}': {answer}")


def searches(told: Told) -> None:
    """The search raised nothing but ``BudgetSpent``."""
    error = told["error"]
    if "Refused" in error or ("SearchData" in error and "test" in error):
        raise Broken(f"it reaches for test data, which no search may see: {error}")
    ensure(not error, f"the search failed: {error}")


def proposes(told: Told) -> None:
    """There is a proposal, and it is the last one of the log."""
    if told["error"] or told["late"]:
        raise Skipped("its search did not end as it should")
    ensure(
        told["proposal"] is not None,
        f"it proposed nothing within {_budget()}; evaluate something or call task.propose earlier",
    )
    ensure(told["proposals"], "its proposal is not in the log; call task.propose instead of setting task.proposal")
    last = told["proposals"][-1]["genotype"]
    ensure(last == told["proposal"], f"its proposal is {told['proposal']}, and the last one it logged is {last}")


def stays_inside(told: Told) -> None:
    """Proposals are genotypes of its space, or Keras models."""
    ensure("is not in space" not in told["error"], f"it left its space: {told['error']}")
    ensure(told["inside"] or not told["genotype"], f"its proposal {told['proposal']} is not in its space")
    ensure(told["parsed"], "one of its proposals cannot be read back by its space")


def keeps_to_its_budget(told: Told) -> None:
    """What it was charged, recounted from the log, fits; it neither changed the meter nor went on afterwards."""
    limit, spent = BUDGET.amount, told["spent"]
    ensure(
        told["late"] == 0,
        "it went on after BudgetSpent; let BudgetSpent pass, and do not catch it with a bare except or BaseException",
    )
    ensure(not told["changed_limit"], f"it changed the limit of its meter from {limit:g} to {told['limit']:g} steps")
    logged = sum(row["steps"] for row in told["evaluations"])
    ensure(
        told["trained"] <= len(told["evaluations"]),
        f"it trained {told['trained']} architectures and logged {len(told['evaluations'])}; train with task.evaluate",
    )
    ensure(logged <= limit, f"it used {logged:g} gradient steps of {limit:g}")
    ensure(spent <= limit, f"it spent {spent:g} gradient steps of {limit:g}")
    recorded, announced = told["recorded"], told["charged"]
    # What it has logged as its own it has announced, most often by task.step; what it has announced need not be logged.
    due = logged - recorded + max(recorded, announced)
    ensure(
        spent >= due,
        f"its meter says {spent:g} gradient steps, and {due:g} were due: {logged:g} of evaluations in the log, of "
        f"which {recorded:g} were its own, and it announced {announced:g} by task.step",
    )
    rows = [*told["evaluations"], *told["proposals"]]
    ensure(all(0 <= row["spent"] <= limit for row in rows), "a row of its log is charged more than the budget")
    charged = [row["spent"] for row in told["proposals"]]
    ensure(charged == sorted(charged), "its meter ran backwards between two proposals")


def leaves_generators_alone(told: Told) -> None:
    """Neither ``random`` nor NumPy's global generator has moved."""
    ensure(told["generators"], "it used a global random generator (random.*, numpy.random.*); draw from task.rng")


def same(one: Told, other: Told, first: str, second: str) -> None:
    """Two searches evaluated, proposed, planned and spent the same: a record has the same numbers of both.

    Args:
        first, second: what they were, for the sentence.
    """
    why = "; draw from task.rng only, not from a generator of its own, hash(), the order of a set or the clock"
    for word, key in (("evaluation", "evaluations"), ("proposal", "proposals")):
        for number, (a, b) in enumerate(zip(one[key], other[key], strict=False), start=1):
            if a != b:
                names = sorted(a, key=lambda name: name != "genotype")  # it tells most
                name = next(name for name in names if a[name] != b.get(name))
                raise Broken(
                    f"the {name} of {word} {number} was {a[name]} in {first} and {b.get(name)} in {second}{why}"
                )
        numbers = len(one[key]), len(other[key])
        ensure(numbers[0] == numbers[1], f"{first} made {numbers[0]} {word}s and {second} made {numbers[1]}{why}")
    for key in ("proposal", "spent", "generators"):
        ensure(one[key] == other[key], f"its {key} is {one[key]} in {first} and {other[key]} in {second}{why}")
    for name in one["summary"] | other["summary"]:
        a, b = (told["summary"].get(name) for told in (one, other))
        follows = "the numbers of a record have to follow from task.rng, the log and the checkpoint alone"
        ensure(a == b, f"its {name} is {a} in {first} and {b} in {second}; {follows}")
    differing = [name for name, digest in one["checkpoint"].items() if other["checkpoint"].get(name) != digest]
    differing += sorted(set(other["checkpoint"]) - set(one["checkpoint"]))
    ensure(
        not differing,
        f"the last checkpoint of {first} and that of {second} differ in {', '.join(map(repr, differing[:5]))}; "
        "a search that goes on has to take over all of its state. (Times are left out where the names of their entries "
        "end in 'seconds', 'times' or 'pace'.)",
    )
