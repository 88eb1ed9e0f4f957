"""``report.html`` in a real browser: opened from disk, at desktop and phone width, in the dark, with the keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from report_records import make, save, with_logs

from harness.commands.inspection import proposed
from harness.core.record import Run
from harness.core.seeds import rng
from harness.report.forms.html import report_html
from harness.report.model.table import Heading, Text
from harness.report.stats.verdict import verdicts
from harness.spaces import get_space

api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here (Debian: chromium)")

METHODS = {"random_sampling": "cell", "random_search": "cell", "enas_macro": "macro-6", "nas_rl": "chain-6"}
SIZES = {"channels": 16, "layers": 6, "stem_stride": 2}


def written(directory: Path) -> Path:
    """A report of two data sets, three seeds and a failed run, and its records."""
    runs = []
    for dataset in ("fashion_mnist", "nasbench201/cifar10"):
        for number, (method, space) in enumerate(METHODS.items()):
            for seed in range(3):
                failed = method == "nas_rl" and dataset == "fashion_mnist"
                run = make(
                    method,
                    None if failed else 0.9 - 0.01 * number + 0.001 * seed,
                    seed,
                    dataset=dataset,
                    proposal=str(get_space(space).sample(rng(seed, method))),
                    recipes={"final": {"size": SIZES}},
                    parameters=None if failed else 10_000 * 3**number,
                )
                run = with_logs(run, (10.0 + seed, 0.5), (30.0, 0.6), shared=method == "enas_macro")
                runs.append(Run(save(run, directory), run.record, run.evaluations, run.proposals))
    for name in ("performance.md", "records.csv"):
        (directory / name).touch()
    statistics = [Heading(1, "Statistics"), Heading(2, "Spread"), Text("text")]
    text = report_html(runs, directory, proposed, verdicts(runs), statistics, ["performance.md", "records.csv"])
    (directory / "report.html").write_text(text, encoding="utf-8")
    return directory / "report.html"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, file: Path) -> Iterator[Any]:
    """Opens the page without a network; whatever goes wrong on it fails the test."""
    contexts, troubles = [], []

    def open_page(width: int = 1200, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: None if request.is_navigation_request() else troubles.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    assert not troubles
    for context in contexts:
        context.close()


def first_column(page: Any) -> list[str]:
    return page.locator("#block-0 table").first.locator("tbody tr > :first-child").all_inner_texts()


def test_it_opens_from_disk_and_plots(visit: Any) -> None:
    page = visit()
    assert page.locator(".charts").count() == 2
    for kind, marks in ((".curves", ".lines path.js-line"), (".cloud", ".points path.point")):
        for place in page.locator(kind).all():
            place.locator(".main-svg").first.wait_for()
            assert place.locator(marks).count() >= 9
            box = place.bounding_box()
            assert box["width"] > 400
            assert box["height"] > 200


def test_tables_sort_by_number_and_back_and_what_is_missing_comes_last(visit: Any) -> None:
    page = visit()
    head = page.locator("#block-0 table").first.locator("th", has_text="fashion_mnist")
    before = first_column(page)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    down = first_column(page)
    assert [name.split("\n")[0] for name in down] == ["Random sampling", "Random search", "ENAS (macro)", "NAS-RL"]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = first_column(page)
    assert up == [*down[:3][::-1], down[3]]
    page.locator("#block-0 table").first.locator("th button", has_text="method").click()
    assert first_column(page) == sorted(before)
    assert head.get_attribute("aria-sort") is None


def test_sorting_needs_no_mouse(visit: Any) -> None:
    page = visit()
    button = page.locator("#block-0 table").first.locator("th button").nth(1)
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    else:
        pytest.fail("the tab key does not reach the button")
    page.keyboard.press("Enter")
    assert button.locator("..").get_attribute("aria-sort") == "descending"


def test_links_resolve_and_a_number_opens_its_runs(visit: Any, file: Path) -> None:
    page = visit()
    for target in page.locator("a").evaluate_all("links => links.map((link) => link.getAttribute('href'))"):
        if target.startswith("#"):
            assert page.locator(f'[id="{target[1:]}"]').count() == 1
        else:
            assert (file.parent / unquote(target)).is_file()
    runs = page.locator("details").first
    assert not runs.locator("ul").is_visible()
    page.locator("#block-0 td a").first.click()
    assert runs.locator("ul").is_visible()
    assert runs.locator("li").count() == 3
    runs.locator("li a").nth(1).click()
    page.wait_for_url("**/record.json")
    assert '"seed": 1' in page.content()


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_never_scrolls_sideways_and_nothing_sticks_out(visit: Any, width: int) -> None:
    page = visit(width)
    page.locator(".cloud .main-svg").last.wait_for()
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = """() => [...document.querySelectorAll("body *")].filter((element) =>
        !element.closest(".scroll, .strip, .js-plotly-plot") && element.getBoundingClientRect().right > innerWidth + 1
    ).map((element) => element.outerHTML.slice(0, 200))"""
    assert page.evaluate(outside) == []
    if width == 360:
        table = page.locator(".scroll").first
        assert table.evaluate("element => element.scrollWidth > element.clientWidth")
        assert table.evaluate("element => { element.scrollLeft = 50; return element.scrollLeft }") == 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_background(visit: Any, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.locator(".curves .main-svg").first.wait_for()
    back = brightness(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (back < 0.1) == (scheme == "dark")
    for what in ("body", "td", ".note", "a", "th button", ".legend button", ".strip svg", "figcaption"):
        text = brightness(page.locator(what).first.evaluate("element => getComputedStyle(element).color"))
        assert contrast(text, back) > 4.5, what
    axis = page.locator(".curves .xtick text").first.evaluate("element => getComputedStyle(element).fill")
    assert contrast(brightness(axis), back) > 4.5
    box = page.locator(".strip svg rect").first.evaluate("element => getComputedStyle(element).fill")
    label = page.locator(".strip svg text").first.evaluate("element => getComputedStyle(element).fill")
    assert contrast(brightness(label), brightness(box)) > 4.5


def brightness(colour: str) -> float:
    """Relative luminance of ``rgb(...)``, as WCAG defines it."""
    parts = [float(word) / 255 for word in re.findall(r"[\d.]+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: float, second: float) -> float:
    low, high = sorted((first, second))
    return (high + 0.05) / (low + 0.05)


def test_a_method_can_be_hidden_the_cost_chosen_and_a_mark_opened(visit: Any) -> None:
    page = visit()
    figure = page.locator(".charts").first
    points = figure.locator(".cloud .points path.point")
    assert points.count() == 9
    button = figure.locator(".legend button", has_text="Random search")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert points.count() == 6
    button.press("Enter")
    assert points.count() == 9
    title = figure.locator(".cloud .xtitle")
    assert title.text_content() == "trainable parameters"
    figure.locator("select").select_option("search_seconds")
    assert title.text_content() == "seconds of the search"
    points.first.scroll_into_view_if_needed()
    box = points.first.bounding_box()
    with page.expect_popup() as popup:
        for shift in (3, 0):
            page.mouse.move(box["x"] + box["width"] / 2 - shift, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.up()
    popup.value.wait_for_url("**/record.json")


def test_without_scripts_tables_drawings_and_links_are_there(visit: Any) -> None:
    page = visit(java_script_enabled=False)
    assert "90.10 ± 0.10 (3)" in page.locator("#block-0 table").first.inner_text()
    assert page.locator(".strip svg").first.is_visible()
    assert page.locator("th button").count() == 0


def test_on_paper_it_is_light_and_nothing_is_cut(visit: Any) -> None:
    page = visit(color_scheme="dark")
    page.locator(".cloud .main-svg").last.wait_for()
    page.emulate_media(media="print")
    assert brightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 1
    assert page.locator(".scroll").first.evaluate("element => getComputedStyle(element).overflowX") == "visible"
    page.wait_for_function("() => document.querySelector('.cloud .main-svg').clientWidth < 400")
    axis = page.locator(".curves .xtick text").first.evaluate("element => getComputedStyle(element).fill")
    assert brightness(axis) < 0.1
