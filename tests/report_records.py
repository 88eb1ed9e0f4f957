"""Hand-made runs for the tests of the report; no training behind them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from harness.core.names import directory_name
from harness.core.record import Record, Run

TITLES = {
    "random_sampling": "Random sampling",
    "random_search": "Random search",
    "enas_macro": "ENAS (macro)",
    "darts": "DARTS",
    "autokeras": "AutoKeras 3.0 (greedy tuner)",
    "nas_rl": "NAS-RL",
}
SPACES = {"enas_macro": "macro-6", "autokeras": "autokeras", "nas_rl": "chain-6"}
LOOKS = {"random_sampling": 0, "random_search": 1, "local_search": 2, "nas_rl": 6, "enas_macro": 12, "darts": 15}
"""As the methods' classes state them; a method that is not here is one that states nothing."""
PROVENANCE = {
    "command": "python -m harness run --methods all",
    "commit": "0123abc",
    "dirty": False,
    "versions": {"python": "3.11.9", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.3.0"},
    "device": "CPU",
    "threads": 1,
    "cores": 2,
    "started": "2025-01-01T00:00:00Z",
    "ended": "2025-01-01T00:05:00Z",
    "data": "sha256:feed",
}


def make(method: str, accuracy: float | None, seed: int = 0, **changes: Any) -> Run:
    """A run of ``method``; without an accuracy it failed. ``changes`` go into the record."""
    space = SPACES.get(method, "cell")
    fields: dict[str, Any] = {
        "status": "failed" if accuracy is None else "ok",
        "reason": "it ran out of memory" if accuracy is None else "",
        "profile": "quick",
        "dataset": "fashion_mnist",
        "space": space,
        "native": space,
        "method": method,
        "title": TITLES.get(method, method),
        "position": 10 * (LOOKS[method] + 1) if method in LOOKS else None,
        "look": LOOKS.get(method),
        "seed": seed,
        "budget": "60s",
        "proposal": f"{space}:{seed}",
        "test_accuracy": accuracy,
        "parameters": None if accuracy is None else 163_000 + 1000 * seed,
        "macs": None if accuracy is None else 12_345_678,
        "search": {"charged": 60.0, "seconds": 61.5, "cpu_seconds": 60, "evaluations": 9, "unique": 8, "steps": 540},
        "final": {"seconds": 150.25, "cpu_seconds": 149, "steps": 3000, "images_per_second": 900, "training_seed": 7},
        "provenance": PROVENANCE,
    }
    record = Record(**(fields | changes))
    return Run(Path(record.profile, record.dataset, record.space, method, str(record.seed)), record, (), ())


OPTIMUM = 0.9437


def tabular(method: str, accuracy: float | None, seed: int = 0, **changes: Any) -> Run:
    """A run on a table of NAS-Bench-201, without images and training."""
    fields: dict[str, Any] = {
        "profile": "nb201",
        "budget": "12000s",
        "dataset": "nasbench201/cifar10",
        "space": "nasbench201",
        "native": "nasbench201",
        "proposal": f"nasbench201:{seed}",
        "macs": None,
        "search": {"charged": 11900.0, "seconds": 0.1, "cpu_seconds": 0.1, "evaluations": 60, "unique": 60, "steps": 0},
        "final": {"optimum": OPTIMUM},
        "recipes": {"final": {"table": "nasbench201/cifar10", "score": "test accuracy"}},
    }
    return make(method, accuracy, seed, **(fields | changes))


def counted(method: str, accuracy: float | None, seed: int = 0, **changes: Any) -> Run:
    """A run whose budget and trainings are counted in steps, so that it repeats exactly."""
    recipes = {"proxy": {"steps": 8, "seconds": 0.0}, "final": {"steps": 60, "seconds": 0.0}}
    fields: dict[str, Any] = {"profile": "smoke", "budget": "40 steps", "dataset": "toy", "recipes": recipes}
    return make(method, accuracy, seed, **(fields | changes))


def with_logs(run: Run, *steps: tuple[float, float | None], shared: bool = False) -> Run:
    """The run with one evaluation and one proposal per ``(spent, accuracy)``."""
    evaluations = tuple(
        {
            "number": number,
            "genotype": f"cell:{number}",
            "accuracy": accuracy or 0.0,
            "curve": [accuracy or 0.0],
            "seconds": 5.0,
            "steps": 60,
            "failure": "" if accuracy is not None else "no accuracy",
            "spent": spent,
        }
        for number, (spent, accuracy) in enumerate(steps)
    )
    proposals = tuple(
        {"genotype": f"cell:{number}", "accuracy": accuracy, "spent": spent, "shared_weights": shared}
        for number, (spent, accuracy) in enumerate(steps)
    )
    record = dataclasses.replace(run.record, search={**run.record.search, "evaluations": len(evaluations)})
    return Run(run.path, record, evaluations, proposals)


def directory_of(run: Run) -> Path:
    """Where the runner would put it; the path of a run that was given another one."""
    record = run.record
    names = record.profile, record.dataset, record.space, record.method, str(record.seed)
    return Path(*map(directory_name, names)) if run.path == Path(*names) else run.path


def save(run: Run, root: Path) -> Path:
    """Writes the run below ``root`` as the runner does; returns its directory. A search with a result has proposed."""
    directory = root / "runs" / directory_of(run)
    directory.mkdir(parents=True)
    (directory / "record.json").write_text(run.record.to_json(), encoding="utf-8")
    only = {"genotype": run.record.proposal, "accuracy": None, "spent": 0.0, "shared_weights": False}
    proposals = run.proposals or ([only] if run.record.status == "ok" else [])
    for name, rows in (("evaluations", run.evaluations), ("proposals", proposals)):
        if rows:
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (directory / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return directory


def examples() -> list[Run]:
    """The fixed set behind the golden reports: one, two and three seeds, failures, a gap, two data sets and spaces."""
    runs = [make("random_sampling", 0.85 + 0.01 * seed, seed) for seed in range(3)]
    runs += [make("random_search", 0.9, 0), make("random_search", 0.91, 1), make("random_search", None, 2)]
    runs += [make("darts", 0.92 + 0.002 * seed, seed) for seed in range(3)]
    runs += [make("enas_macro", None, seed, reason="a pipe | and\na <b>line</b>") for seed in range(2)]
    runs += [make("autokeras", 0.9, 0)]
    runs += [make(m, a, dataset="cifar10") for m, a in (("random_sampling", 0.6), ("enas_macro", 0.66))]
    runs += [make("nas_rl", 0.58, dataset="cifar10", provenance=PROVENANCE | {"dirty": True, "device": "H100"})]
    runs += [make("nas_rl", None, space="cell", status="unsupported", reason="it searches chains only")]
    runs += [make("random_sampling", 0.5, profile="smoke", budget="40 steps", dataset="toy")]
    return runs
