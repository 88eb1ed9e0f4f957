"""What the README and the stored reports say of the project's own table is so: which methods beat random search there.

The claims are read off ``results/tables``, so that a new one is tested as soon as it is written down. One that no
longer holds turns red, and so does a row that does not come out again: then the report has to be made again, and the
README and the pages that quote it.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from own_table import BASE, Row, against_random_search, claimed, score, scores, stored
from planted import DEFECTS

from harness.core.home import CHECKOUT
from harness.report.stats.inference import LEVEL, holm

MAIN, WIDE = "table-fashion_mnist", "table-fashion_mnist-200"
"""The README's first command, and the same with 200 seeds for the methods that have fewer there."""
DEAR = ("gp", "nas_rl", "nasnet", "pnas", "nao", "autokeras", "metaqnn", "es", "asha")
"""Methods whose rows are compared by the slow tests only; most others take five milliseconds per search."""
FEW = {"gp": 25, "nas_rl": 100}
"""Seeds of the default tests, of dear methods that a claim is about: with these p is below 0.001, where 0.005 would do,
and more take longer."""
PROCESSOR = ("nao",)
"""Methods that train a network of their own in TensorFlow: their rows depend on the processor, as the README says."""
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def beats(found: np.ndarray, row: Row, report: str) -> bool:
    """Whether scores are beyond chance above random search, by the rule of the report.

    For Holm's correction the other methods have the p that the report prints.
    """
    one = against_random_search(found)
    others = [other.p for other in stored(report).values() if other.verdict and other.method != row.method]
    return holm([one.p, *others])[0] <= LEVEL and one.agrees and one.effect > 0


def _claims() -> list[object]:
    claims, told = [], {(row.method, row.seeds) for row in claimed(MAIN)}
    for row in claimed(MAIN):
        if row.method in FEW:
            claims.append(pytest.param(MAIN, replace(row, seeds=FEW[row.method]), id=f"{row.method}-few"))
        slow = [pytest.mark.slow] if row.method in DEAR else []
        claims.append(pytest.param(MAIN, row, id=row.method, marks=slow))
    for row in claimed(WIDE):
        if (row.method, row.seeds) not in told:
            marks = [pytest.mark.slow, pytest.mark.timeout(3600)]
            claims.append(pytest.param(WIDE, row, id=f"{row.method}-{row.seeds}", marks=marks))
    return claims


def _rows() -> list[object]:
    rows = []
    for report in (MAIN, WIDE):
        for row in stored(report).values():
            if not row.seeds or row.method in PROCESSOR or (report == WIDE and row == stored(MAIN).get(row.method)):
                continue
            slow = [pytest.mark.slow, pytest.mark.timeout(3600)] if report == WIDE or row.method in DEAR else []
            rows.append(pytest.param(row, id=f"{row.method}-{row.seeds}", marks=slow))
    return rows


@pytest.mark.parametrize(("report", "row"), _claims())
def test_a_method_that_is_said_to_beat_random_search_does(report: str, row: Row) -> None:
    assert beats(scores(row.method, row.seeds), row, report), "the report and the README have to be made again"


@pytest.mark.parametrize("row", _rows())
def test_a_row_of_a_report_comes_out_again(row: Row) -> None:
    """More seeds than the gate's five have, and all that the row says of them."""
    found = scores(row.method, row.seeds)
    assert found.mean() == pytest.approx(row.mean, abs=1e-6), "the report and the README have to be made again"
    assert found.std(ddof=1) == pytest.approx(row.deviation, abs=1e-6)
    if row.verdict:
        one = against_random_search(found)
        assert f"{one.wins} / {one.ties} / {one.losses}" == row.counts
        assert f"{one.difference:+.2f}" == row.lead


@pytest.mark.parametrize(
    "name",
    [
        "advantage always zero",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("wrong sign of the gradient", "values never learnt", "the worst of a tournament breeds")
        ),
    ],
)
def test_a_method_that_learns_nothing_does_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a claim about a broken method turns red."""
    defect = DEFECTS[name]
    row = stored(MAIN)[defect.method]
    assert row.verdict == "better"
    defect.plant(monkeypatch)
    assert not beats(np.array([score(row.method, seed) for seed in range(row.seeds)]), row, MAIN)


def _said(row: Row) -> tuple[str, ...]:
    """A row of the README's table, but for the title."""
    measured = f"{row.mean:.2f} ± {row.deviation:.2f} ({row.seeds})"
    if not row.verdict:
        return measured, "–", "–"
    words = {"better": "yes", "no difference shown": "no", "n too small": "too few seeds"}
    interval = re.sub(r"\+?(\S+) to \+?(\S+)", lambda m: f"{float(m[1]):+.2f} to {float(m[2]):+.2f}", row.interval)
    return measured, f"{row.lead} ({interval})", words[row.verdict]


def test_the_table_of_the_readme_is_that_of_the_report() -> None:
    [text] = re.findall(r"<!-- table:begin -->(.*?)<!-- table:end -->", README, re.DOTALL)
    told = {title: tuple(cells) for title, *cells in re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", text, re.M)}
    rows = [row for row in stored(MAIN).values() if row.seeds]
    alike = [row for row in rows if not row.verdict and not row.method.startswith("random")]
    assert [row.method for row in alike] == ["transfer"], "the same searches as evolution's, so no row of its own"
    assert {title: cells for title, cells in told.items() if title != "method"} == {
        row.title: _said(row) for row in rows if row not in alike
    }


def test_the_sentences_of_the_readme_are_those_of_the_report() -> None:
    rows = [row for row in stored(MAIN).values() if row.verdict]
    verdicts, words = [row.verdict for row in rows], " ".join(README.split())
    assert f"Of {len(rows)} methods compared, {len(claimed(MAIN))} beat random search" in words
    assert f"{verdicts.count('no difference shown')} cannot be told apart" in words
    first = max(claimed(MAIN), key=lambda row: float(row.lead))
    assert f"**{first.title} is in front." in words
    # The sentence is of methods that have fewer seeds in the table, and of those only that gain a claim; and of GP.
    [sentence] = re.findall(r"With 200 seeds for each, (.*?), all beyond chance", words)
    others = {row.method for row in claimed(WIDE)} - {row.method for row in claimed(MAIN)} | {"gp"}
    leads = [stored(WIDE)[method].lead.removeprefix("+") for method in others]
    assert sorted(re.findall(r"by (\d\.\d\d)", sentence)) == sorted(leads)


def test_random_search_is_what_everything_is_compared_with() -> None:
    """Its row is among those that come out again, and it is compared with nothing."""
    for report in (MAIN, WIDE):
        assert stored(report)[BASE].seeds == 200
        assert not stored(report)[BASE].verdict
        assert claimed(report)
