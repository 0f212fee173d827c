"""The tear sheet in a real Chromium; skipped where there is none. Run with ``-m browser``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
              "--disable-component-update", "--disable-sync"]  # fmt: skip
_SIZES = {"phone": (360, 740), "desk": (1600, 1000)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: browser)")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tear sheet, one with little on it, and a comparison."""
    from assay.data.synthetic import synthetic_market
    from assay.engine.backtest import run_backtest
    from assay.results.evidence.backtest import evaluate, store_backtest
    from assay.results.report.compare import compare_runs, write_comparison
    from assay.results.report.tearsheet import write_tearsheet
    from assay.strategies.catalog import load_strategy

    folder = tmp_path_factory.mktemp("sheets")
    prices, oracle = synthetic_market(400, 30, ic=0.1, seed=3)
    title = {prices.assets[0]: "<script>alert(1)</script>", prices.assets[1]: "a_name_without_any_space_" * 3}
    prices = type(prices)(**{name: getattr(prices, name).rename(columns=title) for name in prices.fields})
    oracle = oracle.map(lambda frame: frame.rename(columns=title))
    market = prices.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0)
    runs = []
    for strategy in ("quintile_long_short", "s5_long_only"):
        result = run_backtest(load_strategy(strategy), oracle, prices, benchmark=market)
        runs.append(store_backtest(result, evaluate(result, oracle, prices), root=folder / "runs"))
    few = run_backtest(load_strategy("equal_weight"), oracle.map(lambda frame: frame.head(20)), prices)
    bare = store_backtest(few, evaluate(few), root=folder / "runs")
    return {
        "sheet": write_tearsheet(runs[0], folder / "sheet.html"),
        "bare": write_tearsheet(bare, folder / "bare.html"),
        "comparison": write_comparison(compare_runs(runs, draws=200), folder / "comparison.html"),
    }


class Opened:
    """A page with everything that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, size: str = "desk", scheme: str = "light") -> None:
        width, height = _SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(_SIZES))
@pytest.mark.parametrize("name", ["sheet", "bare", "comparison"])
def test_nothing_is_complained_of_asked_for_or_cut_off(
    chromium: Any, sheets: dict[str, Path], name: str, size: str, scheme: str
):
    with Opened(chromium, sheets[name], size, scheme) as opened:
        assert opened.complaints == []
        assert opened.requests == [sheets[name].as_uri()]
        width = _SIZES[size][0]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        outside = opened.page.evaluate(
            """width => [...document.querySelectorAll("body *")].filter((item) => {
                const box = item.getBoundingClientRect();
                if (box.width === 0 || item.closest("svg") && item.tagName !== "svg") return false;
                if (item.closest(".skip")) return false;
                for (let up = item.parentElement; up; up = up.parentElement)
                    if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX)) return false;
                return box.right > width + 1 || box.left < -1;
            }).map((item) => item.outerHTML.slice(0, 120))""",
            width,
        )
        assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(chromium: Any, sheets: dict[str, Path], scheme: str):
    """WCAG AA: a contrast of at least 4.5 between text and the page."""
    with Opened(chromium, sheets["sheet"], scheme=scheme) as opened:
        worst = opened.page.evaluate(
            """() => {
                const parse = (text) => text.match(/[\\d.]+/g).map(Number);
                const light = (rgb) => {
                    const part = rgb.slice(0, 3).map((x) => x / 255)
                        .map((x) => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
                };
                const page = light(parse(getComputedStyle(document.body).backgroundColor));
                let least = 99;
                const text = "h1, h2, h3, p, dt, dd, a:not(.skip), th, td:not([style]), li strong, li span";
                for (const item of document.querySelectorAll(text)) {
                    const ink = light(parse(getComputedStyle(item).color));
                    least = Math.min(least, (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05));
                }
                return least;
            }"""
        )
        assert worst >= 4.5


def test_a_table_is_sorted_both_ways_with_the_keyboard_too(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        table = opened.page.locator("table", has=opened.page.locator("th", has_text="Jan")).first
        column = table.locator("thead th", has_text="Jan")
        place = column.evaluate("head => head.cellIndex")

        def values() -> list[float]:
            texts = table.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
            return [float(text.rstrip("%").replace("−", "-")) for text in texts if text != "–"]

        before = values()
        column.locator("button").click()
        first = values()
        column.locator("button").focus()
        opened.page.keyboard.press("Enter")
        second = values()
        assert sorted(before) in (first, second)
        assert first == second[::-1]
        assert len(before) > 1
        assert column.get_attribute("aria-sort") in ("ascending", "descending")
        assert opened.complaints == []


def test_dates_and_names_are_sorted_as_such(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        table = opened.page.locator("table", has=opened.page.locator("th", has_text="trough")).first
        column = table.locator("thead th", has_text="trough")
        place = column.evaluate("head => head.cellIndex")
        column.locator("button").click()
        texts = [t for t in table.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts() if t != "–"]
        assert texts in (sorted(texts), sorted(texts, reverse=True))
        assert len(texts) > 2


def test_links_in_the_contents_land(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        page = opened.page
        links = page.locator("nav a").all()
        assert len(links) >= 5
        for link in links:
            target = str(link.get_attribute("href")).removeprefix("#")
            link.click()
            page.wait_for_function(
                """id => { const top = document.getElementById(id).getBoundingClientRect().top;
                return (top > -5 && top < innerHeight) || innerHeight + scrollY >= document.body.scrollHeight - 5; }""",
                arg=target,
                timeout=5000,
            )
            assert page.url.endswith(f"#{target}")


def test_everything_that_acts_is_reached_by_the_tab_key(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["bare"]) as opened:
        page = opened.page
        wanted = page.evaluate("[...document.querySelectorAll('a[href], button')].length")
        seen = set()
        for _ in range(3 * wanted + 40):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => { const all = [...document.querySelectorAll('a[href], button')];
                return all.indexOf(document.activeElement); }"""
            )
            if found >= 0:
                seen.add(found)
            if len(seen) == wanted:
                break
        assert len(seen) == wanted


def test_it_prints(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        assert opened.page.pdf(format="A4").startswith(b"%PDF-")
