"""The page of a run: its numbers are the stored ones, it needs no network, and every odd run gives a sound page."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import BacktestError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.random_scores import RandomScores, ShiftedScores
from assay.results.checks.trading import Measurement
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.report.printing import _pages, _pieces
from assay.results.report.render import draw_figure
from assay.results.report.run_data import RunData
from assay.results.report.sections.evidence import _sharpe_strip
from assay.results.report.sections.summary import equity_figures
from assay.results.report.tearsheet import _first, render_tearsheet, tearsheet_sections, write_tearsheet
from assay.results.storage.runs import Run, load_run
from assay.strategies.catalog import load_strategy

_EVIL = "<script>alert(1)</script>"
_VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "circle", "rect", "line"}


class Page(HTMLParser):
    """What a test asks of a page: tags that close, attributes, the cells that are stored metrics."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.metrics: dict[str, list[tuple[str, str]]] = {}
        self.text: list[str] = []
        self._cell: tuple[str, str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in _VOID:
            self.open.append(tag)
        if values.get("data-metric"):
            self._cell = (str(values["data-metric"]), str(values.get("data-value")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell is not None and data.strip():
            name, value = self._cell
            self.metrics.setdefault(name, []).append((value, data.strip()))
            self._cell = None

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [values for name, values in self.tags if name == tag]


def _market(sessions: int, assets: int, names: list[str] | None = None) -> tuple[PricePanel, PredictionPanel]:
    prices, oracle = synthetic_market(sessions, assets, ic=0.1, seed=5)
    if names is None:
        return prices, oracle
    title = dict(zip(prices.assets, names, strict=False))
    fields = {name: getattr(prices, name).rename(columns=title) for name in prices.fields}
    return PricePanel(**fields), oracle.map(lambda frame: frame.rename(columns=title))


def _stored(
    folder: Path,
    prices: PricePanel,
    oracle: PredictionPanel,
    *,
    strategy: str = "quintile_long_short",
    benchmark: bool = True,
    signal: bool = True,
    **more: Any,
) -> Run:
    market = prices.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0)
    rule = load_strategy(strategy, **more)
    result = run_backtest(rule, oracle, prices, benchmark=market if benchmark else None)
    return store_backtest(result, evaluate(result, *((oracle, prices) if signal else ())), root=folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    names = [_EVIL, "B&B", *(f"A{number}" for number in range(10))]
    return _stored(tmp_path_factory.mktemp("runs"), *_market(300, 12, names))


@pytest.fixture(scope="module")
def page(run: Run) -> SimpleNamespace:
    text = render_tearsheet(run)
    return SimpleNamespace(text=text, parsed=Page(text))


def _sound(text: str) -> Page:
    """Well-formed, self-contained, with alt text on every figure and no number that is none."""
    parsed = Page(text)
    assert parsed.open == []
    ids = [values["id"] for _, values in parsed.tags if values.get("id")]
    assert len(ids) == len(set(ids))
    for link in parsed.having("a"):
        assert str(link["href"]).removeprefix("#") in ids
    for drawing in parsed.having("svg"):
        assert drawing.get("role") == "img"
        assert len(str(drawing.get("aria-label"))) > 10
    visible = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r">\s*-?(nan|inf|None|NaT)\s*%?\s*<", visible)
    addresses = [
        value for _, values in parsed.tags for name, value in values.items()
        if name in ("src", "href", "xlink:href", "action", "data")
    ]  # fmt: skip
    assert all(str(address).startswith(("#", "data:")) for address in addresses)
    return parsed


def test_the_page_is_sound_and_needs_nobody(page: SimpleNamespace):
    _sound(page.text)
    policy = next(values["content"] for values in page.parsed.having("meta") if "http-equiv" in values)
    assert "default-src 'none'" in str(policy)
    assert "unsafe-eval" not in str(policy)
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", page.text)


def test_numbers_on_the_page_are_those_of_the_metrics_file(run: Run, page: SimpleNamespace):
    stored = {item["name"]: item for item in json.loads((run.path / "metrics.json").read_text())["metrics"]}
    shown = page.parsed.metrics
    assert {"sharpe_net.value", "sharpe_gross.value", "rank_ic_mean.value", "turnover_ann.value"} <= set(shown)
    assert {f"{name}.value" for name in stored} <= set(shown), "the table of conventions has every metric"
    for key, places in shown.items():
        name, field = key.rsplit(".", 1)
        for value, text in places:
            expected = stored[name][field]
            if expected is None:
                assert (value, text) == ("null", "–")
                continue
            assert float(value) == expected
            if text.startswith("<"):  # a p-value is never printed as 0
                assert 0 <= expected < float(text.removeprefix("<"))
                continue
            digits = float(re.sub(r"[^\d.e+-]", "", text.replace("−", "-")))
            scale = 100 if "%" in text else 1
            decimals = len(text.split(".")[1].rstrip("%×bps ")) if "." in text else 0
            assert digits == pytest.approx(scale * expected, abs=0.5001 * 10.0**-decimals)


def test_names_of_assets_are_text(page: SimpleNamespace):
    assert _EVIL not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert len(page.parsed.having("script")) == 1
    assert "".join(page.parsed.text).count(_EVIL) > 0


def test_the_same_run_gives_the_same_bytes(run: Run, page: SimpleNamespace):
    assert render_tearsheet(load_run(run.path)) == page.text


def test_what_was_not_run_says_so(page: SimpleNamespace):
    said = " ".join("".join(page.parsed.text).split())
    for name in ("Gate", "Leak tests", "Canaries", "Second engine"):
        assert re.search(rf"{name} not run", said), name


def test_the_gate_s_decision_is_shown(run: Run):
    decision = {"verdict": "fail", "policy": "research", "rules": [{"rule": "rank_ic_t", "verdict": "failed"}]}
    path = run.path / "gate.json"
    path.write_text(json.dumps(decision))
    try:
        said = " ".join("".join(Page(render_tearsheet(run)).text).split())
    finally:
        path.unlink()
    assert re.search(r"Gate fail.{0,40}research.{0,40}rank_ic_t", said)


def _one_asset(folder: Path) -> Run:
    prices, oracle = _market(200, 1)
    return _stored(folder, prices, oracle.map(lambda frame: frame.fillna(0.001)))


def _one_session(folder: Path) -> Run:
    prices, oracle = _market(9, 6)
    last = oracle.map(lambda frame: frame.iloc[-3:-2])
    short = prices.between(None, prices.sessions[-2])
    return _stored(folder, short, last, benchmark=False)


def _no_trades(folder: Path) -> Run:
    prices, oracle = _market(150, 8)
    few = oracle.map(lambda frame: frame[frame.columns[:3]].reindex(columns=frame.columns))  # too few to choose among
    return _stored(folder, prices, few, benchmark=False)


def _no_predictions(folder: Path) -> Run:
    return _stored(folder, *_market(150, 8), signal=False)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run without a benchmark."""
    return render_tearsheet(_stored(tmp_path_factory.mktemp("alone"), *_market(150, 8), benchmark=False))


def _many_assets(folder: Path) -> Run:
    return _stored(folder, *_market(60, 600), benchmark=False)


def _probabilities(folder: Path) -> Run:
    prices, oracle = _market(200, 8)
    chance = 1 / (1 + np.exp(-80 * oracle.score))
    actions = {"buy": chance * 0.8, "sell": (1 - chance) * 0.8, "hold": chance * 0 + 0.2}
    both = PredictionPanel(None, name="odds", probability_up=chance, action=actions, horizon=1, delay=1)
    return _stored(folder, prices, both, strategy="confidence")


@pytest.fixture
def desk_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second drawing of each wide figure for a phone, which takes a third of the time."""
    monkeypatch.setattr("assay.results.report.render._WIDE", 100.0)


@pytest.mark.usefixtures("desk_only")
def test_every_error_of_the_sharpe_ratio_is_shown_from_the_run_or_from_its_returns(tmp_path: Path):
    run = _stored(tmp_path, *_market(120, 6))
    text = render_tearsheet(run)
    content = dict(run.metrics)
    for item in content["sharpe_intervals"]:
        assert item["convention"] in unescape(text)
        if item["error"] is not None:
            assert f">{item['error']:.3f}<" in text
    # A run of before these were stored gets the same from its returns.
    del content["sharpe_intervals"]
    assert render_tearsheet(replace(run, metrics=content)) == text
    content["sharpe_intervals"] = []
    assert "so there is no Sharpe ratio" in render_tearsheet(replace(run, metrics=content))


def _missing_metrics(folder: Path) -> Run:
    run = _stored(folder, *_market(120, 6))
    lost = {"value": None, "low": None, "high": None, "reason": "made to be missing"}
    return replace(run, metrics={**run.metrics, "metrics": [{**item, **lost} for item in run.metrics["metrics"]]})


@pytest.mark.usefixtures("desk_only")
@pytest.mark.parametrize(
    ("made", "says"),
    [
        (_one_asset, "enough names for a correlation"),
        (_one_session, "window"),
        (_no_trades, "no round trips"),
        (_no_predictions, "no predictions"),
        (_many_assets, "of 600"),
        (_probabilities, "probabilit"),
        (_missing_metrics, "made to be missing"),
    ],
)
def test_an_odd_run_gives_a_sound_page(made: Any, says: str, tmp_path: Path):
    text = render_tearsheet(made(tmp_path))
    parsed = _sound(text)
    assert says.lower() in "".join(parsed.text).lower()
    assert len(text) < 3_000_000


@pytest.mark.usefixtures("desk_only")
def test_folds_seeds_and_training_are_drawn_from_their_tables(tmp_path: Path):
    prices, oracle = _market(150, 8)
    days = prices.sessions
    folds = pd.DataFrame(
        {
            "fold": [0, 1], "train_start": [days[0], days[20]], "train_end": [days[60], days[80]],
            "validation_start": [pd.NaT, days[81]], "validation_end": [pd.NaT, days[90]],
            "cutoff": [days[61], days[91]], "test_start": [days[64], days[94]], "test_end": [days[93], days[149]],
            "purge": 2, "embargo": 0,
        }
    )  # fmt: skip
    training = pd.DataFrame(
        {
            "fold": [0, 0, 1, 1], "seed": 0, "epoch": [0, 1, 0, 1], "train_loss": [1.0, 0.5, 1.1, 0.4],
            "validation_loss": [1.2, 0.9, np.nan, 1.0],
        }
    )  # fmt: skip
    row = {"rank_ic": 0.02, "sharpe_net": 0.4, "sharpe_low": -0.5, "sharpe_high": 1.3, "note": ""}
    bad = {**dict.fromkeys(("rank_ic", "sharpe_net", "sharpe_low", "sharpe_high"), np.nan), "note": "<b>cannot</b>"}
    models = pd.DataFrame([row, bad], index=pd.Index(["mine", "zero"], name="model"))
    result = run_backtest(load_strategy("quintile_long_short"), oracle, prices)
    tables = {"folds": folds, "training": training, "baselines": models, "seeds": models}
    run = store_backtest(result, evaluate(result, oracle, prices), root=tmp_path, tables=tables)
    parsed = _sound(render_tearsheet(run))
    said = "".join(parsed.text)
    assert "<b>cannot</b>" in said
    labels = " ".join(str(item.get("aria-label")) for item in parsed.having("svg"))
    assert "fold" in labels
    assert "epoch" in labels


@pytest.mark.parametrize(("format", "start"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-")])
def test_a_picture_and_a_document(run: Run, tmp_path: Path, format: str, start: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("assay.results.report.printing.find_chromium", lambda: None)
    path = write_tearsheet(run, tmp_path / f"sheet.{format}")
    content = path.read_bytes()
    assert content.startswith(start)
    assert len(content) > 20_000
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    if format == "png":
        assert write_tearsheet(run, tmp_path / "again", format=format).read_bytes() == content


def _columns(text: str, title: str) -> list[list[str]]:
    """Cells of the table with that title, row by row, the heading first."""
    part = text[text.index(f"<h3>{title}</h3>") :]
    part = part[part.index("<table>") : part.index("</table>")]
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>.*?</tr>", part)
    ]


def test_the_benchmark_stands_beside_the_run_by_the_same_conventions(run: Run, page: SimpleNamespace):
    import empyrical

    market = run.table("returns")["benchmark"]
    rows = _columns(page.text, "Main figures")
    place = rows[0].index("benchmark")
    shown = {row[0]: row[place] for row in rows[1:]}
    assert shown["Sharpe ratio"] == f"{empyrical.sharpe_ratio(market):.2f}"
    assert shown["Return a year"] == f"{100 * empyrical.annual_return(market):.2f}%"
    assert shown["Volatility a year"] == f"{100 * empyrical.annual_volatility(market):.2f}%"
    assert shown["Largest drawdown"] == f"{100 * empyrical.max_drawdown(market):.2f}%"
    held = {row[0]: row[1] for row in rows[1:]}["Time in market"]
    assert held == f"{100 * (run.table('returns')['gross_exposure'] > 1e-6).mean():.1f}%"


def test_current_positions_are_the_last_target_weights(run: Run, page: SimpleNamespace):
    last = run.table("weights").iloc[-1]
    rows = {row[0]: row for row in _columns(page.text, "Current positions")[1:]}
    held = last[last.abs() >= 1e-4]
    assert set(rows) == set(held.index)
    for name, value in held.items():
        assert rows[str(name)][1] == ("long" if value > 0 else "short")
        assert rows[str(name)][2] == f"{100 * value:.2f}%"


def test_every_column_has_a_heading(page: SimpleNamespace):
    assert page.text.count('<th scope="col"') > 50
    assert not re.search(r"<th[^>]*></th>", page.text)


def test_headings_follow_each_other_without_a_gap(page: SimpleNamespace):
    levels = [int(tag[1]) for tag, _ in page.parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_every_figure_has_a_sentence_and_the_numbers_behind_it(page: SimpleNamespace):
    figures = re.findall(r"<figure.*?</figure>", page.text, flags=re.DOTALL)
    assert len(figures) > 15
    for text in figures:
        title = re.search(r"<h3>(.*?)</h3>", text)
        assert title is not None
        caption = re.search(r"<figcaption>(.*?)</figcaption>", text)
        assert caption is not None
        assert len(caption[1]) > 10, title[1]
        assert "<table>" in text, title[1]


def test_a_dash_stands_under_the_numbers_of_its_column(alone: str):
    text = alone
    assert re.search(r'<td class="n"[^>]*>–</td>', text)
    for title in ("Main figures", "To date and the last years", "Information coefficients"):
        part = text[text.index(f"<h3>{title}</h3>") :]
        body = part[part.index("<tbody>") : part.index("</tbody>")]
        for row in re.findall(r"<tr>.*?</tr>", body):
            assert 'class="n"' in row.split("</td>")[1], title


def test_what_is_not_there_is_said_once_in_one_place(alone: str):
    text = alone
    _sound(text)
    rows = _columns(text, "What this run does not have")
    assert len(rows) > 4
    assert ["Against the benchmark", "Portfolio", "The run has no benchmark."] in rows
    assert text.count("The model gives no probabilities.") == 1
    titles = re.findall(r"<h3>(.*?)</h3>", text)
    assert not [row[0] for row in rows[1:] if row[0] in titles]
    assert "Seeds" not in titles


def test_a_log_axis_reads_as_numbers_on_the_page(tmp_path: Path):
    prices, oracle = _market(300, 8)
    run = _stored(tmp_path, prices, oracle)
    table = run.table("returns").assign(net=0.01, gross=0.011)
    grown = SimpleNamespace(table=lambda name: table if name == "returns" else run.table(name))
    data = RunData(run)
    object.__setattr__(data, "returns", grown.table("returns"))
    drawing = draw_figure(equity_figures(data)[0], "f1").svg
    assert "mathdefault" not in drawing
    assert ">10×<" in drawing


@pytest.mark.parametrize(("early", "says"), [(-42.71, "a loss"), (9.3, "a gain")])
def test_a_leak_is_called_a_gain_only_where_it_is_one(early: float, says: str):
    real, other = Measurement(0.02, 1.5, 1.0), Measurement(0.0, 0.0, 0.0)
    shifts = ShiftedScores("rank IC", real, other, Measurement(0.0, 0.0, early), other)
    null = RandomScores((0.0, 0.1), 1.0, 0.05, 1, 0.3, 0.1, 0.0, 0)
    figure = _sharpe_strip(CheckOutcomes(random_scores=null, shifted_scores=shifts))
    assert figure is not None
    assert f"{early:.2f}: {says}" in figure.alt
    assert ("not have flattered" in figure.alt) == (early < 1.0)
    assert figure.behind is not None
    assert ["this run", "1", "1.00"] in [[cell.text for cell in row[:3]] for row in figure.behind.rows]


def test_a_page_laid_out_without_a_browser_has_no_empty_pages(run: Run, tmp_path: Path):
    first, sections = _first(run), tearsheet_sections(run)
    pages = list(_pages(list(_pieces("title", sections, first))))
    ends = [page[-1][0] - page[-1][1].height for page in pages]
    tops = [page[0][0] for page in pages]
    assert len(pages) < 25
    filled = [(top - end) / max(tops) for top, end in zip(tops, ends, strict=True)]
    assert min(filled[:-1]) > 0.55
    assert not any(page[-1][1].heading for page in pages)
    assert min(ends) > 0


def test_where_the_browser_fails_the_page_is_laid_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("assay.results.report.printing.find_chromium", lambda: "/nowhere/chromium")
    monkeypatch.setattr("assay.results.report.printing.lay_out_pdf", lambda path, **_: path.write_bytes(b"%PDF-laid"))
    assert write_tearsheet(run, tmp_path / "sheet.pdf").read_bytes() == b"%PDF-laid"
    assert "could not print" in caplog.text


def test_what_cannot_be_written_is_refused_in_one_line(run: Run, tmp_path: Path):
    with pytest.raises(BacktestError, match=r"ends in \.01, and is to say the format: html, png, pdf, md; or name one"):
        write_tearsheet(run, tmp_path / "q.2020.01")
    with pytest.raises(BacktestError, match="the name has no ending"):
        write_tearsheet(run, tmp_path / "sheet")
    with pytest.raises(BacktestError, match="no folder"):
        write_tearsheet(run, tmp_path / "missing" / "sheet.html")
    assert list(tmp_path.iterdir()) == []


def test_the_numbers_in_the_pictures_are_finite(run: Run, page: SimpleNamespace):
    assert math.isfinite(run.metric("sharpe_net")["value"])
    paths = re.findall(r' d="([^"]*)"', page.text)
    assert paths
    assert not any("nan" in path.lower() for path in paths)
