"""A report's own daily returns are traced, day by day, to the book that they are of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import match_daily
from tests.test_audit.test_levels import scaled_by_hand, unruly

RAW = unruly(3, 400)
OURS = scaled_by_hand(RAW, 0.08, 20, 1)
SIMULATED = Material({"net": OURS, "gross": OURS + 1e-4, "net, same close": unruly(4, 400)}, unscaled=RAW)


@pytest.mark.parametrize(
    ("printed", "words", "look_ahead", "size"),
    [
        (OURS, "our simulation, net", False, 1.0),
        (OURS + 1e-4, "our simulation, gross", False, 1.0),
        (unruly(4, 400), "our simulation, net, same close", True, 1.0),
        (1.5 * OURS, "our simulation, net, at 1.5 times its size", False, 1.5),
        (scaled_by_hand(RAW, 0.08, 20, 0), "a volatility window that includes the day it scales", True, 1.0),
    ],
)
@pytest.mark.parametrize("digits", [17, 6, 5])
def test_the_book_is_named(printed: np.ndarray, words: str, look_ahead: bool, size: float, digits: int) -> None:
    found = match_daily(Material({"as given": np.round(printed, digits)}), SIMULATED, (0.08, 20))
    assert found is not None
    assert found.named
    assert words in found.words
    assert (found.look_ahead, found.size) == (look_ahead, size)


def test_another_book_is_not_named_and_too_few_days_are_not_compared() -> None:
    found = match_daily(Material({"as given": unruly(77, 400)}), SIMULATED)
    assert found is not None
    assert not found.named
    assert "no book tried" in found.sentence
    assert match_daily(Material({"as given": RAW[:10]}), SIMULATED) is None


def test_days_are_joined_by_date_where_both_have_dates() -> None:
    days = pd.bdate_range("2023-01-02", periods=400).to_numpy().astype("datetime64[D]")
    dated = Material({"net": OURS}, dates=days)
    later = Material({"as given": OURS[100:]}, dates=days[100:])
    found = match_daily(later, dated)
    assert found is not None
    assert (found.equal, found.days, found.own) == (300, 300, 300)


def test_the_command_compares_reported_returns_with_the_simulated_book(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from assay.audit.recompute.material import material_of_panels
    from assay.commands.main import main
    from assay.data.synthetic import synthetic_market

    prices, predictions = synthetic_market(200, 20, ic=0.05, seed=1)
    prices.close.to_csv(tmp_path / "prices.csv")
    long = predictions.score.rename_axis(index="date", columns="asset").stack().rename("score").reset_index()
    long.to_csv(tmp_path / "p.csv", index=False)
    from assay.data.files.predictions import load_predictions
    from assay.data.files.prices import load_prices

    own, _ = material_of_panels(
        load_predictions(tmp_path / "p.csv", name="p"), load_prices(tmp_path / "prices.csv"),
        strategy="quintile_long_short",
    )  # fmt: skip
    same = own.series["net, same close"]
    pd.DataFrame({"date": own.dates, "net": same}).to_csv(tmp_path / "r.csv", index=False)
    vol = same.std(ddof=1) * np.sqrt(252)
    (tmp_path / "c.toml").write_text(f'[[claim]]\nmetric = "annual_volatility"\nprinted = "{100 * vol:.3f}%"\n')
    options = ["--predictions", "p.csv", "--prices", "prices.csv", "--returns", "r.csv", "--json"]
    options = [str(tmp_path / part) if part.endswith(".csv") else part for part in options]
    code = main(["audit", str(tmp_path / "c.toml"), *options])
    out = json.loads(capsys.readouterr().out)
    assert code == 0
    assert out["daily"]["words"] == "our simulation, net, same close"
    assert out["daily"]["look_ahead"]
    assert out["claims"][0]["arithmetic"] == "reproduced"
    assert out["claims"][0]["substance"] == "implausible"
