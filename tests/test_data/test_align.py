"""The join: what is lost, on which side, for which reason, counted cell by cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.align import Join, align
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel

DAYS = pd.bdate_range("2020-01-01", periods=8)


def grid(days: pd.DatetimeIndex, assets: str, value: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(value, index=days, columns=list(assets))


def test_everything_joins() -> None:
    prices = PricePanel(grid(DAYS, "AB"))
    scores = PredictionPanel(grid(DAYS, "AB"))
    joined, report = align(scores, prices)
    assert joined is scores
    assert (report.given, report.joined, report.counts, report.messages()) == (16, 16, {}, ())


def test_every_reason_by_hand() -> None:
    close = grid(DAYS[[1, 2, 4, 5, 6]], "ABCD")
    close.loc[DAYS[1], "B"] = np.nan  # B starts a session late
    close.loc[DAYS[4], "C"] = np.nan  # C misses one
    close.loc[DAYS[6], "D"] = np.nan  # D ends a session early
    scores = PredictionPanel(grid(DAYS, "XABCD"))
    joined, report = align(scores, PricePanel(close))
    assert report.counts == {
        "predictions: asset unknown": 8,
        "predictions: session before the prices": 4,
        "predictions: session after the prices": 4,
        "predictions: not a session of the prices": 4,
        "predictions: before the asset's first price": 1,
        "predictions: after the asset's last price": 1,
        "predictions: price missing": 1,
    }
    assert report.given == 40
    assert report.joined == 40 - sum(report.counts.values()) == 17
    assert list(joined.assets) == list("ABCD")
    assert joined.sessions.tolist() == DAYS[[1, 2, 4, 5, 6]].tolist()
    assert np.isnan(joined.score.loc[DAYS[1], "B"])
    assert np.isnan(joined.score.loc[DAYS[4], "C"])
    assert int(joined.score.notna().to_numpy().sum()) == 17
    assert joined.warnings[0] == (
        "8 of 40 predictions do not join (asset unknown): 1 asset, 2020-01-01 to 2020-01-10"
    )
    assert len(joined.warnings) == 7


def test_the_side_of_the_prices() -> None:
    score = grid(DAYS[1:6], "AB")
    score.iloc[2] = np.nan
    score.iloc[1, 0] = np.nan
    joined, report = align(PredictionPanel(score), PricePanel(grid(DAYS, "ABC")))
    assert report.counts == {
        "prices: asset without predictions": 5,
        "prices: session without predictions": 2,
        "prices: no prediction": 1,
    }
    assert report.losses.loc[1, ["rows", "assets", "first", "last"]].tolist() == [2, 2, "2020-01-06", "2020-01-06"]
    assert joined.warnings == ()  # nothing that a model said was lost


def test_views_of_every_kind_count_and_are_masked_together() -> None:
    days = DAYS[:2]
    half = grid(days, "AZ", 0.5)
    quarter = grid(days, "AZ", 0.25)
    panel = PredictionPanel(None, probability_up=half, action={"buy": half, "sell": quarter, "hold": quarter})
    joined, report = align(panel, PricePanel(grid(DAYS, "A")))
    assert (report.given, report.joined) == (4, 2)
    assert joined.action["sell"].shape == joined.probability_up.shape == (2, 1)


def test_receipts_stay() -> None:
    receipts = pd.DataFrame(
        {"model_id": "m", "fold": 0, "trained_through": DAYS[0], "preprocessing_fit_through": DAYS[0],
         "labels_known_through": DAYS[0], "available_at": DAYS[0]}, index=[DAYS[1]],
    )  # fmt: skip
    panel = PredictionPanel(grid(DAYS[1:], "AB"), receipts=receipts)
    joined, _ = align(panel, PricePanel(grid(DAYS, "A")))
    pd.testing.assert_frame_equal(joined.receipts, panel.receipts)


def test_assets_come_in_the_order_of_the_prices() -> None:
    score = grid(DAYS, "CAB")
    score["C"] = 3.0
    joined, _ = align(PredictionPanel(score), PricePanel(grid(DAYS, "ABC")))
    assert list(joined.assets) == list("ABC")
    assert joined.score["C"].eq(3.0).all()


@pytest.mark.parametrize(
    ("days", "assets", "message"),
    [
        (DAYS, "XY", "none of the 2 assets is in the prices .predictions have e.g. 'X', prices 'A'.; give both"),
        (DAYS + pd.Timedelta(days=365), "AB", "no row joins a price .predictions 2020-12-31 to"),
    ],
)
def test_nothing_joins(days: pd.DatetimeIndex, assets: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        align(PredictionPanel(grid(days, assets)), PricePanel(grid(DAYS, "AB")))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_prediction_joins_or_is_counted_once(seed: int) -> None:
    """Against a merge by pandas of the two long tables."""
    rng = np.random.default_rng(seed)

    def sample(assets: str, value: float) -> pd.DataFrame:
        days = DAYS[np.sort(rng.choice(len(DAYS), rng.integers(1, len(DAYS) + 1), replace=False))]
        names = "".join(rng.permutation(list(assets))[: rng.integers(1, len(assets) + 1)])
        frame = grid(days, names, value)
        return frame.mask(rng.random(frame.shape) < 0.3)

    close, score = sample("ABCD", 5.0), sample("ABCX", 1.0)

    def long(frame: pd.DataFrame) -> set[tuple[pd.Timestamp, str]]:
        return set(frame.stack().dropna().index)

    both = long(close) & long(score)
    if not both:
        with pytest.raises(InputError):
            align(PredictionPanel(score), PricePanel(close))
        return
    joined, report = align(PredictionPanel(score), PricePanel(close))
    assert long(joined.score) == both
    assert report.joined == len(both)
    lost = {key: rows for key, rows in report.counts.items() if key.startswith("predictions")}
    assert sum(lost.values()) == report.given - report.joined == len(long(score)) - len(both)
    unjoined = {key: rows for key, rows in report.counts.items() if key.startswith("prices")}
    first, last = min(both)[0], max(both)[0]
    inside = {cell for cell in long(close) if first <= cell[0] <= last}
    assert sum(unjoined.values()) == len(inside - both)


def test_a_block_is_read_once_for_the_report_of_what_joins(monkeypatch) -> None:
    days = pd.bdate_range("2024-01-02", periods=3)
    close = pd.DataFrame(1.0, days, ["A", "B"])
    reads = []
    monkeypatch.setattr(Join, "views", lambda self, rows, read=Join.views: reads.append(rows) or read(self, rows))
    report = Join(PredictionPanel(close.assign(C=1.0)), PricePanel(close)).report
    assert (report.given, report.joined) == (9, 6)
    assert len(reads) == 2  # of the predictions' side and of the prices'
