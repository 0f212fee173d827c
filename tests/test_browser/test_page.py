"""The tear sheet in a real Chromium; skipped where there is none. Run with ``-m browser``."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
              "--disable-component-update", "--disable-sync"]  # fmt: skip
_SIZES = {"phone": (360, 740), "tablet": (800, 1000), "desk": (1600, 1000)}


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


def test_a_date_stands_on_one_line(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"], "phone") as opened:
        heights = opened.page.evaluate(
            """[...document.querySelectorAll("td")].filter((cell) => /^\\d{4}-\\d\\d-\\d\\d$/.test(cell.textContent))
                .map((cell) => { const line = document.createRange(); line.selectNodeContents(cell);
                                 return line.getClientRects().length; })"""
        )
    assert len(heights) > 10
    assert set(heights) <= {0, 1}  # 0: folded


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
        wanted = page.evaluate(
            """[...document.querySelectorAll('a[href], button, summary')]
                .filter((item) => item.checkVisibility()).length"""
        )
        seen = set()
        for _ in range(4 * wanted + 80):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => { const all = [...document.querySelectorAll('a[href], button, summary')]
                    .filter((item) => item.checkVisibility());
                return all.indexOf(document.activeElement); }"""
            )
            if found >= 0:
                seen.add(found)
            if len(seen) == wanted:
                break
        assert len(seen) == wanted


def test_a_chart_is_read_with_the_pointer_and_with_the_keyboard(chromium: Any, sheets: dict[str, Path]):
    """The read-out is the value of the run's own table at that session, to what a drawing can tell."""
    import numpy as np
    import pandas as pd

    (folder,) = (sheets["sheet"].parent / "runs").glob("quintile_long_short-*")
    level = (1 + pd.read_parquet(folder / "returns.parquet")["net"]).cumprod()
    with Opened(chromium, sheets["sheet"]) as opened:
        plot = opened.page.locator(".plot[data-places]").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        out = plot.locator("xpath=following-sibling::p").first
        for part in (0.3, 0.5, 0.8):
            opened.page.mouse.move(box["x"] + part * box["width"], box["y"] + 0.5 * box["height"])
            session, net = re.match(r"(\S+) · net ([\d.]+)", out.inner_text()).groups()
            near = level.iloc[int(np.argmin(np.abs(level.index - pd.Timestamp(session))))]
            assert float(net) == pytest.approx(near, abs=0.02 * near)
        opened.page.mouse.move(0, 0)
        assert out.inner_text() == ""
        plot.focus()
        opened.page.keyboard.press("ArrowRight")
        first = out.inner_text()
        assert first.startswith(str(level.index[0].date()))
        opened.page.keyboard.press("Shift+ArrowRight")
        spanned = out.inner_text()
        assert first.split(" · ")[0] in spanned
        assert re.search(r" to \d{4}-\d\d-\d\d · net [+-][\d.]+%", spanned)
        assert opened.complaints == []


def test_a_period_is_spanned_by_dragging(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        plot = opened.page.locator(".plot[data-places]").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        middle = box["y"] + 0.5 * box["height"]
        opened.page.mouse.move(box["x"] + 0.3 * box["width"], middle)
        opened.page.mouse.down()
        opened.page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=4)
        said = plot.locator("xpath=following-sibling::p").first.inner_text()
        assert re.match(r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d · net [+-]", said)


@pytest.mark.parametrize("size", list(_SIZES))
def test_no_row_hides_below_the_edge_of_a_box(chromium: Any, sheets: dict[str, Path], size: str):
    with Opened(chromium, sheets["sheet"], size) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        hidden = opened.page.evaluate(
            """[...document.querySelectorAll(".scroll")].filter((box) => box.scrollHeight > box.clientHeight + 1
                && getComputedStyle(box).overflowY !== "visible").map((box) => box.getAttribute("aria-label"))"""
        )
        assert hidden == []


def test_the_whole_equity_curve_and_the_intervals_are_on_a_phone(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"], "phone") as opened:
        right = opened.page.evaluate(
            """[...document.querySelectorAll(".plot svg")].filter((item) => item.getBoundingClientRect().width)
                .map((item) => item.getBoundingClientRect().right)"""
        )
        assert len(right) > 10
        assert max(right) <= 360
        smallest = opened.page.evaluate(
            """Math.min(...[...document.querySelectorAll(".plot svg")].filter((item) => item.clientWidth).map((item) =>
                8.5 * item.getBoundingClientRect().width / item.viewBox.baseVal.width))"""
        )
        assert smallest >= 7.5
        interval = opened.page.locator("table", has=opened.page.locator("th", has_text="95% interval")).first
        cell = interval.locator("tbody tr td:nth-child(3)").first.bounding_box()
        assert cell["x"] + cell["width"] <= 360


def test_what_is_folded_is_printed(chromium: Any, sheets: dict[str, Path]):
    pypdf = pytest.importorskip("pypdf")
    with Opened(chromium, sheets["sheet"]) as opened:
        content = opened.page.pdf(format="A4")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    assert "kurtosis_gross" in text


def test_a_pdf_is_the_page_as_it_prints_and_the_same_each_time(chromium: Any, sheets: dict[str, Path]):
    from assay.results.report.printing import find_chromium, print_page

    pypdf = pytest.importorskip("pypdf")
    program = find_chromium()
    assert program is not None
    page = sheets["sheet"].read_text(encoding="utf-8")
    content = print_page(page, program)
    assert content is not None
    document = pypdf.PdfReader(io.BytesIO(content))
    texts = [part.extract_text() for part in document.pages]
    assert "Is there anything here?" in texts[0]
    assert min(map(len, texts[:-1])) > 300, "no page is almost empty"
    assert print_page(page, program) == content


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(_SIZES))
@pytest.mark.parametrize("name", ["sheet", "bare", "comparison"])
def test_axe_finds_nothing(chromium: Any, sheets: dict[str, Path], name: str, size: str, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra accessibility").Axe()
    width, height = _SIZES[size]
    # What axe runs in the page is forbidden by the page's own policy.
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(sheets[name].as_uri())
    found = axe.run(page).response["violations"]
    assert found == [], [(item["id"], item["impact"], item["nodes"][0]["html"][:200]) for item in found]
    context.close()


def test_it_prints(chromium: Any, sheets: dict[str, Path]):
    with Opened(chromium, sheets["sheet"]) as opened:
        assert opened.page.pdf(format="A4").startswith(b"%PDF-")
