"""The HTML report in a real browser: it renders without a complaint, sorts, filters, and fits phone and paper.

Needs Chromium, its driver and Selenium (extra `browser`); skipped, with the reason, where they are missing.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elbocheck.outcome import Outcome, Result
from elbocheck.report.page import render
from elbocheck.runs.rows import Report, Row
from elbocheck.training.snapshots import PointRecord, Share, Snapshot
from support.report_rows import row as made

BROWSER = os.environ.get("ELBOCHECK_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = os.environ.get("ELBOCHECK_DRIVER") or shutil.which("chromedriver")
MISSING = [
    name
    for name, there in (
        ("Chromium", BROWSER),
        ("chromedriver", DRIVER),
        ("Selenium", importlib.util.find_spec("selenium")),
    )
    if not there
]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.xdist_group("browser"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
EVIL = "<script>document.title = 'broken into'</script><img src=x onerror=\"document.title = 'broken into'\">"


def many_rows() -> tuple[Row, ...]:
    """A run with every outcome, sizes that sort differently as numbers and as text, and a hostile target."""
    rows = []
    for place, (gap, points) in enumerate([(1e-15, 9), (3e-13, 100), (2e-14, 30)]):
        row = made(f"model-{place}", "exact", "random", "stationary", problems=points, points=points, seconds=1.0)
        worst = row.tally.worst
        worst.gap, worst.bound, worst.ratio = gap, 1e-11, gap / 1e-11
        row.tally.inertia = {"maximum": points - 2, "saddle": 2}
        row.records = tuple(PointRecord("maximum", 1e-14, gap / (k + 1), 1e-11, 2.0) for k in range(points))
        rows.append(row)
    steps = [10.0**-k for k in range(8)]
    rows[0].training = tuple(
        Snapshot(k, -3.0 + gap, 0.5, (Share("z", 1.0, gap, gap, 0), Share(EVIL, 2.5, 0, 0, 0)), gap, 3 * gap + 1e-12)
        for k, gap in enumerate(steps)
    )
    broken = made(EVIL, "bad", EVIL, "every point", problems=3, seconds=0.1)
    broken.tally.add(
        Result("every point", "p", Outcome.VIOLATED, gap=0.5, bound=1e-12, message=f"factor {EVIL} deviates")
    )
    return (*rows, broken, made("lda", "points", "random", "scope", outcome="out of scope", least_gap=0.2))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(Report(many_rows(), "jax", "float64"), 1.0, f"profile {EVIL}"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.binary_location = str(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    return browser


def column(browser: Any, number: int) -> list[str]:
    """What the visible rows show in a column."""
    script = (
        "return [...document.querySelectorAll('#cells tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.cells[arguments[0]].textContent.trim())"
    )
    return list(browser.execute_script(script, number))


def click(browser: Any, number: int) -> str:
    """Click a column head; how it says it is sorted."""
    browser.execute_script("document.querySelectorAll('#cells th button')[arguments[0]].click()", number)
    script = "return document.querySelectorAll('#cells th')[arguments[0]].getAttribute('aria-sort')"
    return str(browser.execute_script(script, number))


def choose(browser: Any, name: str, value: str) -> None:
    browser.execute_script(
        "const one = document.getElementById(arguments[0]); one.value = arguments[1];"
        "one.dispatchEvent(new Event('input'))",
        name,
        value,
    )


def test_it_renders_without_a_complaint_and_runs_nothing_foreign(opened: Any) -> None:
    assert opened.get_log("browser") == []
    assert opened.title.startswith("elbocheck: 1 row violated")
    assert opened.execute_script("return document.images.length + document.scripts.length") == 1
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0
    charts = "[...document.querySelectorAll('.card > svg, .scatter > svg')]"
    assert min(opened.execute_script(f"return {charts}.map(one => one.getBoundingClientRect().height)")) > 200
    assert EVIL in opened.execute_script("return document.querySelector('.failure pre').textContent")
    assert opened.execute_script("return document.querySelector('.tools').hidden") is False


def test_columns_sort_as_numbers_and_as_words(opened: Any) -> None:
    assert column(opened, 0)[0] == "violated"
    assert click(opened, 4) == "descending"
    assert column(opened, 4) == ["100", "30", "9", "1", "0"]
    assert click(opened, 4) == "ascending"
    assert column(opened, 4) == ["0", "1", "9", "30", "100"]
    assert click(opened, 5) == "descending"
    assert column(opened, 5) == ["0.5", "0.2", "3.0e−13", "2.0e−14", "1.0e−15"]
    assert click(opened, 1) == "ascending"
    assert column(opened, 1)[1:] == ["lda/points", "model-0/exact", "model-1/exact", "model-2/exact"]
    assert click(opened, 0) == "ascending"
    assert column(opened, 0) == ["violated", "out of scope", "holds", "holds", "holds"]


def test_the_table_filters(opened: Any) -> None:
    shown = "return document.getElementById('shown').textContent"
    assert opened.execute_script(shown) == "5 of 5 rows"
    choose(opened, "text", "EXACT model-1")
    assert column(opened, 1) == ["model-1/exact"]
    assert opened.execute_script(shown) == "1 of 5 rows"
    choose(opened, "text", "")
    choose(opened, "outcome", "out of scope")
    assert column(opened, 1) == ["lda/points"]
    choose(opened, "check", "stationary")
    assert column(opened, 1) == []
    choose(opened, "outcome", "")
    assert len(column(opened, 1)) == 3


@pytest.mark.parametrize("width", [360, 390, 768, 1280, 2560])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(opened: Any, scheme: str) -> None:
    """Contrast of at least 4.5 (WCAG AA) for text, notes and tags in both colour schemes."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    script = """
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = text => { const [r, g, b] = numbers(text).map(channel); return 0.2126*r + 0.7152*g + 0.0722*b };
    const behind = one => {
      for (; one; one = one.parentElement) {
        const back = getComputedStyle(one).backgroundColor;
        if (numbers(back).length < 4 || numbers(back)[3] > 0) return back }
      return "rgb(255,255,255)" };
    return [...document.querySelectorAll('p, .tag, td, th, dd, .tiles span, footer, .failure pre')].map(one => {
      const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05) })
    """
    try:
        assert min(opened.execute_script(script)) >= 4.5
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_prints(opened: Any) -> None:
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def test_without_scripts_the_whole_table_is_there(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        assert len(browser.find_elements("css selector", "#cells tbody tr")) == 5
        assert not browser.find_element("css selector", ".tools").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
