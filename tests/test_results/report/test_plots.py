"""Figures: each draws on the axes it is given and returns it, draws what it was given, and leaves no global state."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.drawing import COLOURS, MOST_POINTS, new_figure, thin
from assay.data.returns import drawdown_series
from assay.results.report import plots
from assay.results.report.blocks import Figure
from assay.results.report.render import draw_figure
from assay.results.stats.information_coefficient import ic_table, quantile_returns
from assay.results.stats.performance import monthly_returns, rolling

_N = 60


def _returns(n: int = _N) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    days = pd.bdate_range("2019-01-01", periods=n)
    table = pd.DataFrame(rng.normal(0.0005, 0.01, (n, 2)), index=days, columns=["net", "benchmark"])
    table["gross"] = table["net"] + 0.0002
    for name in ("gross", "net", "long", "short"):
        table[f"{name}_exposure"] = rng.uniform(0, 1, n)
    return table.assign(nav=1e6, turnover=rng.uniform(0, 0.2, n))


def _panel(n: int = _N, assets: int = 12, seed: int = 0) -> pd.DataFrame:
    days = pd.bdate_range("2019-01-01", periods=n)
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, assets)), index=days)


def _costs(n: int = _N) -> pd.DataFrame:
    return pd.DataFrame({"commission": 10.0, "borrow": 1.0, "impact": 0.0}, index=_returns(n).index)


def _folds(n: int = 2) -> pd.DataFrame:
    day = pd.Timestamp("2019-01-01")
    rows = [
        {
            "fold": fold, "train_start": day, "train_end": day + pd.Timedelta(days=100),
            "validation_start": pd.NaT if fold == 0 else day + pd.Timedelta(days=80),
            "validation_end": pd.NaT if fold == 0 else day + pd.Timedelta(days=100),
            "test_start": day + pd.Timedelta(days=103), "test_end": day + pd.Timedelta(days=130),
            "purge": 2, "embargo": 0,
        }
        for fold in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _training() -> pd.DataFrame:
    return pd.DataFrame(
        {"fold": [0, 0, 1], "seed": 0, "epoch": [0, 1, 0], "train_loss": [1, 0.5, 2], "validation_loss": [1, np.nan, 2]}
    )


def _importance() -> pd.DataFrame:
    return pd.DataFrame(
        {"importance": [0.03, 0.001], "low": [0.02, -0.001], "high": [0.04, 0.003]}, pd.Index(["volume", "prices"])
    )


def _models(value: float = 0.3) -> pd.DataFrame:
    index = pd.Index(["mine", "zero"], name="model")
    return pd.DataFrame({"sharpe_net": [value, np.nan], "sharpe_low": [-1, np.nan], "sharpe_high": [1, np.nan]}, index)


def _stages() -> pd.DataFrame:
    return pd.DataFrame({"sharpe": [0.5, np.nan, -0.2]}, index=["select", "kill switch", "costs"])


def _confusion(size: int = 3) -> pd.DataFrame:
    return pd.DataFrame(np.arange(size * size).reshape(size, size), index=list("bsh"), columns=list("bsh"))


def _reliability() -> pd.DataFrame:
    return pd.DataFrame({"predicted": [0.4, 0.6], "up": [0.45, 0.55], "low": [0.4, 0.5], "high": [0.5, 0.6], "n": 9})


def _decay() -> pd.DataFrame:
    known = {"rank_ic": 0.02, "t": 1.5, "low": -0.01, "high": 0.05, "n": 9}
    return pd.DataFrame([known, dict.fromkeys(known, np.nan)], index=[0, 5])


def _ic() -> pd.DataFrame:
    return ic_table(_panel(), _panel(seed=1))


def _concentration(held: bool = True) -> pd.DataFrame:
    values = {"names": 5 if held else 0, "effective_names": 4.2 if held else np.nan, "largest": 0.4}
    return pd.DataFrame(values, index=_returns().index)


def _parts() -> pd.DataFrame:
    values = {"market": 0.001, "own": 0.002, "fills": 0.0, "commission": -0.001}
    return pd.DataFrame(values, _returns().index)


_CASES: dict[str, Callable[[Any], Any]] = {
    "plot_by_quantile": lambda axes: plots.plot_by_quantile(axes, _panel(assets=5).cumsum()),
    "plot_canaries": lambda axes: plots.plot_canaries(axes, {"random": [0.1, -0.2, np.nan]}, 0.4),
    "plot_concentration": lambda axes: plots.plot_concentration(axes, _concentration()),
    "plot_confusion": lambda axes: plots.plot_confusion(axes, _confusion()),
    "plot_costs": lambda axes: plots.plot_costs(axes, _costs(), _returns()["nav"]),
    "plot_dispersion": lambda axes: plots.plot_dispersion(axes, _panel().std(axis=1, ddof=0)),
    "plot_distribution": lambda axes: plots.plot_distribution(axes, np.linspace(-1, 1, 99), 0.1, {"reported": 2.5}),
    "plot_drawdown": lambda axes: plots.plot_drawdown(axes, _returns()["net"]),
    "plot_equity": lambda axes: plots.plot_equity(axes, _returns()),
    "plot_evidence": lambda axes: plots.plot_evidence(axes, _returns()["net"].cumsum(), 20.0),
    "plot_exposure": lambda axes: plots.plot_exposure(axes, _returns()),
    "plot_folds": lambda axes: plots.plot_folds(axes, _folds()),
    "plot_ic": lambda axes: plots.plot_ic(axes, _ic()),
    "plot_ic_decay": lambda axes: plots.plot_ic_decay(axes, _decay()),
    "plot_legs": lambda axes: plots.plot_legs(axes, pd.DataFrame({"long": 0.1, "short": -0.1}, _returns().index)),
    "plot_importance": lambda axes: plots.plot_importance(axes, _importance()),
    "plot_models": lambda axes: plots.plot_models(axes, _models()),
    "plot_months": lambda axes: plots.plot_months(axes, monthly_returns(_returns(260)["net"]).to_numpy()[0]),
    "plot_persistence": lambda axes: plots.plot_persistence(axes, _panel().T.corrwith(_panel(seed=1).T)),
    "plot_quantiles": lambda axes: plots.plot_quantiles(axes, quantile_returns(_panel(), _panel(seed=1)).table),
    "plot_reliability": lambda axes: plots.plot_reliability(axes, _reliability()),
    "plot_rolling": lambda axes: plots.plot_rolling(axes, rolling(_returns()["net"], None, 20), "sharpe", 20),
    "plot_runs": lambda axes: plots.plot_runs(axes, _returns()[["net", "gross"]]),
    "plot_runs_drawdown": lambda axes: plots.plot_runs_drawdown(axes, _returns()[["net", "gross"]]),
    "plot_stages": lambda axes: plots.plot_stages(axes, _stages()),
    "plot_style_exposures": lambda axes: plots.plot_style_exposures(axes, _panel(assets=3)),
    "plot_style_parts": lambda axes: plots.plot_style_parts(axes, _parts(), ["market"]),
    "plot_trades": lambda axes: plots.plot_trades(axes, _returns()["net"]),
    "plot_training": lambda axes: plots.plot_training(axes, _training()),
    "plot_turnover": lambda axes: plots.plot_turnover(axes, _returns()["turnover"]),
}

_NOTHING: dict[str, Callable[[Any], Any]] = {
    "plot_canaries": lambda axes: plots.plot_canaries(axes, {}, 0.4),
    "plot_concentration": lambda axes: plots.plot_concentration(axes, _concentration(held=False)),
    "plot_costs": lambda axes: plots.plot_costs(axes, _costs() * 0, _returns()["nav"]),
    "plot_dispersion": lambda axes: plots.plot_dispersion(axes, _panel().std(axis=1, ddof=0) * np.nan),
    "plot_distribution": lambda axes: plots.plot_distribution(axes, np.array([]), np.nan),
    "plot_folds": lambda axes: plots.plot_folds(axes, _folds(0)),
    "plot_ic": lambda axes: plots.plot_ic(axes, _ic() * np.nan),
    "plot_ic_decay": lambda axes: plots.plot_ic_decay(axes, _decay() * np.nan),
    "plot_models": lambda axes: plots.plot_models(axes, _models(np.nan)),
    "plot_quantiles": lambda axes: plots.plot_quantiles(axes, quantile_returns(_panel(9, 3), _panel(9, 3)).table),
    "plot_rolling": lambda axes: plots.plot_rolling(axes, rolling(_returns()["net"], None, 126), "sharpe", 126),
    "plot_trades": lambda axes: plots.plot_trades(axes, _returns()["net"] * np.nan),
    "plot_training": lambda axes: plots.plot_training(axes, _training().iloc[:0]),
}


def test_every_figure_is_drawn_here():
    assert set(_CASES) == {name for name in plots.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("name", list(_CASES))
def test_a_figure_draws_on_its_axes_and_returns_it(name: str):
    figure, axes = new_figure()
    assert _CASES[name](axes) is axes
    drawn = [*axes.get_lines(), *axes.patches, *axes.collections, *axes.images, *axes.texts]
    assert drawn
    assert axes.axison
    figure.canvas.draw()
    sizes = axes.get_tightbbox().bounds
    assert np.isfinite(sizes).all()
    assert figure.axes == [axes]


@pytest.mark.parametrize("name", list(_NOTHING))
def test_a_figure_without_data_says_why(name: str):
    figure, axes = new_figure()
    assert _NOTHING[name](axes) is axes
    said = " ".join(item.get_text() for item in axes.texts)
    assert len(said) > 5
    assert not axes.axison
    figure.canvas.draw()


@pytest.mark.parametrize("name", ["plot_equity", "plot_drawdown", "plot_exposure", "plot_turnover"])
def test_one_session_is_visible(name: str):
    one = _returns(1)
    given = {"plot_drawdown": one["net"], "plot_turnover": one["turnover"]}.get(name, one)
    figure, axes = new_figure()
    getattr(plots, name)(axes, given)
    figure.canvas.draw()
    assert any(line.get_marker() not in ("None", "", None) for line in axes.get_lines())


def test_the_equity_line_is_the_compounded_return():
    table = _returns()
    _, axes = new_figure()
    plots.plot_equity(axes, table)
    line = next(item for item in axes.get_lines() if item.get_label() == "net")
    assert np.asarray(line.get_ydata()) == pytest.approx((1 + table["net"]).cumprod().to_numpy())


def test_the_drawdown_counts_from_the_start():
    returns = pd.Series([-0.1, 0.05, 0.2, -0.5], index=pd.bdate_range("2020-01-01", periods=4))
    assert drawdown_series(returns).tolist() == pytest.approx([-0.1, -0.055, 0.0, -0.5])


def test_the_rolling_correlation_has_the_band_of_each_window():
    from assay.results.stats.information_coefficient import rolling_ic
    from assay.results.stats.long_run_variance import lag_rule

    table = ic_table(_panel(120, 12), _panel(120, 12, seed=1))
    _, axes = new_figure()
    plots.plot_ic(axes, table, window=20)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    known = rolling_ic(table["rank_ic"].dropna(), 20)
    assert band.min() == pytest.approx(known["low"].min())
    assert band.max() == pytest.approx(known["high"].max())
    assert f"lag {lag_rule(20)}" in " ".join(str(item.get_label()) for item in axes.collections)


def test_the_shares_of_a_confusion_matrix_are_written():
    _, axes = new_figure()
    plots.plot_confusion(axes, _confusion())
    texts = " ".join(item.get_text() for item in axes.texts)
    assert "67%" in texts  # 2 of 0 + 1 + 2
    assert "42%" in texts  # 5 of 3 + 4 + 5


def test_thinning_keeps_the_ends_and_every_extreme():
    values = pd.Series(np.random.default_rng(0).normal(size=50_000).cumsum())
    values.iloc[31_111] = 1e6
    values.iloc[7] = -1e6
    values.iloc[100:200] = np.nan
    drawn = thin(values)
    assert len(drawn) <= MOST_POINTS + 1
    assert drawn.max() == 1e6
    assert drawn.min() == -1e6
    assert drawn.index[0] == 0
    assert drawn.index[-1] == 49_999
    assert drawn.index.is_monotonic_increasing
    short = values.head(MOST_POINTS)
    assert thin(short) is short


def _grown(times: float, n: int = 300) -> pd.DataFrame:
    table = _returns(n)
    rise = times ** (1 / n) - 1
    return table.assign(net=rise, gross=rise, benchmark=rise / 2)


@pytest.mark.parametrize("times", [6.0, 60.0, 4_000.0, 3e7])
def test_labels_of_a_log_scale_are_plain_numbers(times: float):
    """Labels of a log axis are read as they are printed: no mathematical markup, and true at their place."""
    figure = Figure("Growth", "Growth of 1.", lambda axes: plots.plot_equity(axes, _grown(times)))
    drawing = draw_figure(figure, "f1")
    texts = re.findall(r">([^<>]+)</text>", drawing.svg)
    assert not [text for text in texts if "$" in text or "\\" in text]
    labels = [float(text.rstrip("×").replace(",", "")) for text in texts if text.endswith("×")]
    assert len(labels) >= 3
    places = json.loads(drawing.places)["y"]
    assert places[4] is True
    assert places[2] < 1.05
    assert places[3] >= times * 0.95


def test_below_five_times_the_scale_is_linear():
    _, axes = new_figure()
    plots.plot_equity(axes, _grown(4.0))
    assert axes.get_yscale() == "linear"


def test_a_name_with_dollar_signs_is_drawn_as_it_is():
    figure = Figure(
        "Growth", "Growth of 1.", lambda axes: plots.plot_runs(axes, _grown(6.0)[["net"]].set_axis(["$x^2$"], axis=1))
    )
    assert ">$x^2$<" in draw_figure(figure, "f1").svg


def test_a_place_on_the_drawing_maps_back_to_date_and_value():
    table = _returns(80)
    figure = Figure("Drawdown", "It fell.", lambda axes: plots.plot_drawdown(axes, table["net"]))
    drawing = draw_figure(figure, "f7")
    places = json.loads(drawing.places)
    ((identity, name),) = places["lines"]
    assert name == "drawdown, net"
    line = re.search(rf'id="{identity}">\s*<path d="([^"]*)"', drawing.svg)
    assert line is not None
    points = np.array([[float(x) for x in pair] for pair in re.findall(r"[ML] (\S+) (\S+)", line[1])])

    def value(at: np.ndarray, axis: list[float]) -> np.ndarray:
        return axis[2] + (at - axis[0]) / (axis[1] - axis[0]) * (axis[3] - axis[2])

    dates = pd.to_datetime(np.round(value(points[:, 0], places["x"])), unit="D")
    expected = drawdown_series(table["net"])
    assert list(dates) == list(expected.index)
    assert value(points[:, 1], places["y"]) == pytest.approx(expected.to_numpy(), abs=2e-4)


def test_the_numbers_behind_a_figure_are_those_that_are_drawn():
    lines = draw_figure(Figure("E", "e", lambda axes: plots.plot_equity(axes, _returns())), "f1").table
    assert lines is not None
    assert lines.columns == ("session", "net", "gross", "benchmark")
    level = (1 + _returns()["net"]).cumprod()
    for row in lines.rows:
        assert row[1].sort == pytest.approx(level[pd.Timestamp(row[0].text)])
    bars = draw_figure(Figure("S", "s", lambda axes: plots.plot_stages(axes, _stages())), "f2")
    assert bars.table is not None
    assert next((row[0].text, row[1].text) for row in bars.table.rows) == ("select", "0.50")
    assert json.loads(bars.places)["points"][0][1] == "select: 0.50"
    fifths = quantile_returns(_panel(), _panel(seed=1)).table
    marks = draw_figure(Figure("Q", "q", lambda axes: plots.plot_quantiles(axes, fifths)), "f3").table
    assert marks is not None
    assert [row[2].sort for row in marks.rows] == pytest.approx((1e4 * fifths["low"]).tolist())
    models = draw_figure(Figure("M", "m", lambda axes: plots.plot_models(axes, _models())), "f4").table
    assert models is not None
    assert [cell.text for cell in models.rows[0]] == ["mine", "0.30", "-1.00", "1.00"]


def test_colours_are_told_apart_without_colour_vision():
    """Simulated deuteranopia and protanopia (Viénot, Brettel & Mollon 1999): lines that meet stay apart."""
    linear = {
        name: (np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)]) / 255) ** 2.2
        for name, code in COLOURS.items()
    }
    seen_by = {
        "deuteranope": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
        "protanope": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    }
    for matrix in seen_by.values():
        for one, two in (("blue", "orange"), ("blue", "red"), ("orange", "green"), ("orange", "grey")):
            apart = np.clip(matrix @ linear[one], 0, 1) ** (1 / 2.2) - np.clip(matrix @ linear[two], 0, 1) ** (1 / 2.2)
            assert np.abs(apart).max() > 0.15, (one, two)


def test_nothing_is_imported_or_set_globally():
    """Importing the figures brings no matplotlib; drawing one brings no pyplot and changes no setting."""
    code = (
        "import sys, assay.results.report.plots as plots, assay.data.drawing as drawing\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib, pandas as pd\n"
        "before = matplotlib.rcParams.copy()\n"
        "figure, axes = drawing.new_figure()\n"
        "plots.plot_drawdown(axes, pd.Series([0.1, -0.1], pd.bdate_range('2020-01-01', periods=2)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
