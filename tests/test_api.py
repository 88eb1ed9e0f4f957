"""``compare`` from Python: values instead of printed tables, in a script without a guard as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_files import GOOD, write_method, write_squares
from tables_on_disk import write_table
from test_run_plan import pretend, request_for

from harness import InputError, compare
from harness.core.home import CHECKOUT as ROOT
from harness.run.plan import make_plan
from harness.run.profiles import SMOKE
from harness.run.request import make_request


def script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as somebody would who has installed the package, from a directory of its own."""
    folder.mkdir(parents=True)
    (folder / "script.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_a_script_without_a_guard_compares_on_a_table(tmp_path: Path) -> None:
    done = script(
        tmp_path / "empty",
        "from harness import compare\n"
        "print('once')\n"
        f"results = compare(['random_search', 'regularized_evolution'], 'table:{write_table(tmp_path)}', 'nb201',\n"
        "                  seeds=range(3), budget='200s', out='out', baselines=False)\n"
        "print(results.table(), results.statistics())\n"
        "print(sum(record.status == 'ok' for record in results.records), 'runs')\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("once") == 1, "the processes have run the script again"
    assert "6 runs" in done.stdout
    assert "# Statistics" in done.stdout
    records = list((tmp_path / "empty" / "out").rglob("record.json"))
    assert {json.loads(path.read_text())["provenance"]["command"] for path in records} == {"harness.compare"}


@pytest.mark.slow
def test_a_script_without_a_guard_compares_on_images(tmp_path: Path) -> None:
    plugins = [str(write_squares(tmp_path, tmp_path / "data")), str(write_method(tmp_path, "good", GOOD))]
    done = script(
        tmp_path / "empty",
        "from harness import compare\n"
        "print('once')\n"
        f"results = compare('good', 'squares', 'smoke', plugins={plugins!r}, data='../data', progress=True,\n"
        "                  baselines=False)\n"
        "[record] = results.records\n"
        "print(record.status, record.reason, record.test_accuracy)\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "once"
    assert done.stdout.splitlines()[1].split()[0] == "ok"
    assert "test accuracy" in done.stderr, "progress is shown"


def test_results_are_values(tmp_path: Path) -> None:
    for job in make_plan(request_for(tmp_path)).jobs:
        pretend(job, proposal=str(job.seed), parameters=1000, macs=2000)
    plugins = [tmp_path / "plugins" / f"{name}.py" for name in ("squares", "good", "b")]
    results = compare(
        "good,b",
        ["squares"],
        "smoke",
        seeds="0-1",
        out=tmp_path / "out",
        data=tmp_path / "data",
        plugins=plugins,
        baselines=False,
    )
    assert [(record.method, record.seed) for record in results.records] == [
        ("b", 0),
        ("b", 1),
        ("good", 0),
        ("good", 1),
    ]
    assert not results.failed
    assert "50.00" in results.table()
    assert results.cost()
    assert json.loads(json.dumps(results.to_dicts()))[0]["test_accuracy"] == 0.5
    results.write()
    assert results.table().strip() in (tmp_path / "out" / "performance.md").read_text()


def test_only_the_runs_that_were_asked_for_are_in_the_results(tmp_path: Path) -> None:
    for job in make_plan(request_for(tmp_path)).jobs:
        pretend(job)
    plugins = [tmp_path / "plugins" / f"{name}.py" for name in ("squares", "good", "b")]
    results = compare(
        "b", "squares", "smoke", seeds=1, out=tmp_path / "out", data=tmp_path / "data", plugins=plugins, baselines=False
    )
    assert [(record.method, record.seed) for record in results.records] == [("b", 1)]
    assert "| Good" not in results.table()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"methods": "dartz"}, "did you mean darts"),
        ({"methods": []}, "at least one method"),
        ({"datasets": []}, "at least one data set"),
        ({"seeds": [1, 1]}, "named twice"),
        ({"seeds": []}, "no seeds"),
        ({"budget": "soon"}, "is no budget"),
        ({"profile": "quik"}, "did you mean quick"),
        ({"workers": 0}, "at least one"),
        ({"backend": "locale"}, "did you mean local"),
        ({"data": "~nobody-of-this-name/x"}, "nowhere on this machine"),
    ],
)
def test_what_cannot_be_used_is_bad_input_before_any_work(
    tmp_path: Path, words: dict[str, object], reason: str
) -> None:
    usual: dict[str, object] = {"methods": "random_sampling", "profile": "smoke", "out": tmp_path / "out"}
    with pytest.raises(InputError, match=reason):
        compare(**{**usual, **words})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_values_and_words_make_the_same_request() -> None:
    words = make_request(methods="a,b", datasets="c", profile="smoke", seeds="0-2", budget="80steps")
    values = make_request(methods=["a", "b"], datasets=("c",), profile=SMOKE, seeds=range(3), budget="80steps")
    assert words == values
    assert make_request(profile="smoke").seeds == SMOKE.seeds
    assert make_request(seeds=7).seeds == (7,)
