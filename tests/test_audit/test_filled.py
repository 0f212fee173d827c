"""Figures of a book that only its fills tell of, against hand-worked trades and the engine's own run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.audit.claims.model import Group
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import recompute
from assay.audit.recompute.material import with_fills
from assay.audit.recompute.measures import readings_of
from assay.commands import main as cli
from assay.data.errors import DataQualityError, InputError
from assay.data.files.fills import load_fills
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.strategies.catalog import load_strategy
from tests.test_audit.rules.claim_builder import claim, claim_set

FILLS = """date,symbol,side,quantity,price,fee
2024-01-02,A,BUY,10,5.0,1
2024-01-03,A,Sell,10,6.0,1
2024-01-03,B,SELL SHORT,4,10.0,
2024-01-04,A,BOT,20,6.0,1
2024-01-05,B,Buy to cover,4,11.0,1
2024-01-08,A,SLD,20,5.5,1
"""


def written(folder: Path, text: str = FILLS) -> Path:
    path = folder / "fills.csv"
    path.write_text(text, encoding="utf-8")
    return path


def own(metric: str, material: Material) -> float:
    return min(readings_of(metric, material), key=lambda reading: reading.departures).value


def test_trades_are_those_worked_by_hand(tmp_path: Path) -> None:
    """A: +10 − 2 on 50; B: −4 − 1 on 40 sold short; A again: −10 − 2 on 120."""
    material = with_fills(Material(), written(tmp_path))
    assert material.profits is not None
    assert material.trades is not None
    assert sorted(material.profits) == pytest.approx([-12.0, -5.0, 8.0])
    assert sorted(material.trades) == pytest.approx([-5 / 40, -12 / 120, 8 / 50])
    rows = [
        claim("n", "trades", "3"), claim("fills", "trades", "6"), claim("w", "win_rate", "33.3%"),
        claim("pf", "profit_factor", "0.47"), claim("money", "total_profit", "$-9.00"),
        claim("win", "average_win", "$8.00"), claim("percent", "average_win", "16.00%"),
    ]  # fmt: skip
    found = {item.claim.id: item for item in recompute(claim_set([Group("run")], rows), material)}
    assert set(found) == {"n", "fills", "w", "pf", "money", "win", "percent"}
    assert all(item.resolution.matches for item in found.values())
    assert found["n"].resolution.reproduced
    assert "fills" in found["fills"].resolution.named.words
    assert "in money" in found["pf"].resolution.named.words


def test_the_book_is_marked_as_by_hand(tmp_path: Path) -> None:
    prices, _ = synthetic_market(60, 2, ic=0.0, seed=1)
    close = pd.DataFrame(
        {"A": [5.5, 6.5, 6.0, 6.0, 5.0], "B": [10.0, 12.0, 11.0, 10.0, 10.0]},
        pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"]),
    )
    material = with_fills(Material(), written(tmp_path), prices=type(prices)(close), capital=100.0)
    nav = np.array([104.0, 100.0, 103.0, 102.0, 91.0])
    np.testing.assert_allclose(material.series["net"], nav / np.array([100.0, *nav[:-1]]) - 1, atol=1e-15)
    np.testing.assert_allclose(material.weights[2], [120 / 103, -44 / 103])
    assert material.turnover[0] == pytest.approx(0.5 * 50 / 100)
    with pytest.raises(InputError, match="--capital"):
        with_fills(Material(), written(tmp_path), prices=type(prices)(close))
    with pytest.raises(InputError, match="worth nothing on 2024-01-02"):
        with_fills(Material(), written(tmp_path, FILLS.replace(",10,5.0,1", ",10,50,1")),
                   prices=type(prices)(close), capital=100.0)  # fmt: skip
    with pytest.raises(InputError, match="no session of the prices"):
        with_fills(Material(), written(tmp_path), prices=type(prices)(close.iloc[:3]), capital=100.0)


def test_the_fills_of_a_backtest_give_its_returns(tmp_path: Path) -> None:
    prices, predictions = synthetic_market(120, 8, ic=0.1, seed=2)
    run = run_backtest(load_strategy("quintile_long_short"), predictions, prices, costs=CostModel(borrow_bps=0.0))
    path = tmp_path / "fills.parquet"
    run.fills[["session", "asset", "shares", "price", "cost"]].to_parquet(path)
    material = with_fills(Material(), path, prices=prices, capital=run.config["execution"]["capital"])
    dates = pd.DatetimeIndex(material.dates)
    np.testing.assert_allclose(material.series["net"], run.returns.loc[dates], atol=1e-12)
    # The engine divides by the NAV at the fill, here the open, which fills alone do not tell.
    np.testing.assert_allclose(material.turnover, run.turnover.loc[dates], rtol=0.02, atol=1e-4)
    assert own("profit_factor", material) > 0


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2024-01-02,A,HOLD,10,5,1", "whose side is neither buy nor sell"),
        ("2024-01-02,A,BUY,-10,5,1", "other sign than their side"),
        ("2024-01-02,A,BUY,0,5,1", "whose shares are no number, or 0"),
    ],
)
def test_a_side_that_is_none_is_refused(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(DataQualityError, match=fault):
        load_fills(written(tmp_path, FILLS + row + "\n"))


def test_the_command_recomputes_from_fills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fills = written(tmp_path)
    report = tmp_path / "report.md"
    report.write_text("# Live\n\n- Trades: 3\n- Win rate: 33.3%\n- Profit factor: 2.10\n", encoding="utf-8")
    assert cli.main(["audit", str(report), "--fills", str(fills)]) == 1
    printed = capsys.readouterr().out
    assert "2.10" in printed
    assert "recomputed 0.71" in " ".join(printed.split())
    assert cli.main(["audit", str(report), "--fills", str(fills), "--capital", "100"]) == 2
    assert "--capital" in capsys.readouterr().err
