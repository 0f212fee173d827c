"""Closed trades, daily profits in money, and series as people keep them, against plain loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import Group
from assay.audit.recompute.conventions import Material, Panel
from assay.audit.recompute.figures import recompute, resolve
from assay.audit.recompute.material import material_of_returns
from assay.audit.recompute.measures import readings_of
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from tests.test_audit.rules.claim_builder import claim, claim_set

TRADES = [0.04, -0.02, 0.01, 0.0, -0.03, 0.05, 0.02, -0.01]


def trades(tmp_path: Path, kind: str = "trades", values: list[float] = TRADES) -> Material:
    path = tmp_path / "trades.csv"
    days = pd.date_range("2023-01-02", periods=len(values), freq="37D")
    rows = [f"{day:%Y-%m-%d},{value}" for day, value in zip(days, values, strict=True)]
    path.write_text("\n".join(["date,pct", *rows]) + "\n", encoding="utf-8")
    return material_of_returns(path, kind=kind)


def own(metric: str, material: Material) -> float:
    return min(readings_of(metric, material), key=lambda reading: reading.departures).value


def test_trade_statistics_agree_with_plain_loops(tmp_path: Path) -> None:
    material = trades(tmp_path)
    wins, losses = [t for t in TRADES if t > 0], [t for t in TRADES if t < 0]
    expected = {
        "trades": 8, "winning_trades": 4, "losing_trades": 3, "average_win": sum(wins) / 4,
        "average_loss": sum(losses) / 3, "payoff_ratio": (sum(wins) / 4) / (-sum(losses) / 3),
        "profit_factor": sum(wins) / -sum(losses), "gross_profit": sum(wins), "gross_loss": sum(losses),
        "total_profit": sum(TRADES), "expectancy": sum(TRADES) / 8,
    }  # fmt: skip
    for metric, value in expected.items():
        assert own(metric, material) == pytest.approx(value), metric


def test_the_sharpe_of_trades_times_root_252_is_named(tmp_path: Path) -> None:
    material = trades(tmp_path)
    mean, deviation = np.mean(TRADES), np.std(TRADES, ddof=1)
    wrong = mean / deviation * math.sqrt(252)
    found = resolve("sharpe", parse_print(f"{wrong:.4f}"), material)
    assert not found.reproduced
    assert "√252 on trades" in found.named.words
    years = 7 * 37 / 365.25
    assert found.own.value == pytest.approx(mean / deviation * math.sqrt(8 / years))
    assert "√trades a year" in found.own.words


def test_rows_of_entries_and_exits_are_no_sessions(tmp_path: Path) -> None:
    path = tmp_path / "closed.csv"
    rows = [f"2023-01-{day:02},2023-02-{day:02},{value}" for day, value in enumerate(TRADES, 2)]
    path.write_text("\n".join(["entry_date,exit_date,pct", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="closed trades; say --kind trades"):
        material_of_returns(path)
    assert len(material_of_returns(path, kind="trades").trades) == len(TRADES)


def test_profits_in_money_need_the_capital_and_are_read_over_both_bases(tmp_path: Path) -> None:
    path = tmp_path / "pnl.csv"
    profits = [100.0, -50.0, 25.0, 75.0, -10.0, 60.0]
    path.write_text("pnl\n" + "\n".join(map(str, profits)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="--capital"):
        material_of_returns(path, kind="pnl")
    material = material_of_returns(path, kind="pnl", capital=10_000.0)
    fixed, running = material.series.values()
    np.testing.assert_allclose(fixed, np.array(profits) / 10_000)
    capital, expected = 10_000.0, []
    for profit in profits:
        expected.append(profit / capital)
        capital += profit
    np.testing.assert_allclose(running, expected)
    assert math.prod(1 + r for r in running) * 10_000 == pytest.approx(10_000 + sum(profits))


def test_a_unit_is_not_mixed_with_another(tmp_path: Path) -> None:
    rows = [claim("w", "average_win", "$450.25"), claim("p", "average_win", "3.00%", label="")]
    claims = claim_set([Group("run")], rows)
    assert [item.claim.id for item in recompute(claims, trades(tmp_path))] == ["p"]
    money = trades(tmp_path, "trade-pnl", [v * 1000 for v in TRADES])
    assert [item.claim.id for item in recompute(claims, money)] == ["w"]


def test_leading_gaps_time_zones_and_columns(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01 20:00", periods=8, freq="D", tz="America/New_York")
    values = [math.nan, math.nan, 0.01, -0.02, 0.03, 0.0, 0.01, 0.02]
    frame = pd.DataFrame({"a": values, "b": values}, index=stamps)
    path = tmp_path / "r.parquet"
    frame.to_parquet(path)
    with pytest.raises(InputError, match=r"name its zone with --tz"):
        material_of_returns(path)
    there = ReadOptions(tz="America/New_York")
    with pytest.raises(InputError, match="2 columns"):
        material_of_returns(path, options=there)
    with pytest.raises(InputError, match="no column 'c'"):
        material_of_returns(path, column="c", options=there)
    material = material_of_returns(path, column="a", options=there)
    assert str(material.dates[0]) == "2024-01-03"  # the day in New York, not the next one in UTC
    assert len(material.series["as given"]) == 6
    assert "2 rows before the first return left out" in material.description
    frame.iloc[4, 0] = math.nan
    frame.to_parquet(path)
    with pytest.raises(InputError, match="missing"):
        material_of_returns(path, column="a", options=there)


def test_a_hit_rate_of_one_asset_is_recomputed_from_its_column() -> None:
    rng = np.random.default_rng(4)
    score, forward = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    panel = Panel(score=score, forward=forward, assets=("AAA", "BBB", "CCC"))
    hits = (np.sign(score[:, 1]) == np.sign(forward[:, 1])).mean()
    rows = [claim("h", "hit_rate", f"{100 * hits:.2f}%", label="bbb"), claim("x", "hit_rate", "50%", label="ZZZ")]
    found = recompute(claim_set([Group("run")], rows), Material(panels={"next close": panel}))
    assert [item.claim.id for item in found] == ["h"]
    assert found[0].resolution.matches


def test_the_cost_of_a_year_is_gross_less_net() -> None:
    rng = np.random.default_rng(5)
    gross = rng.normal(0.001, 0.01, 500)
    net = gross - 0.0002
    value = own("annual_cost", Material(series={"net": net, "gross": gross}))
    assert value == pytest.approx(0.0002 * 252)
