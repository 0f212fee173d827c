"""Loading: every layout gives the same panel, checked against pandas' pivot, and says what it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.files import grids, readers
from assay.data.files.in_parts import _Cells, read_ordered
from assay.data.files.options import ReadOptions
from assay.data.files.predictions import load_predictions, read_predictions, receipts_path, write_predictions
from assay.data.files.prices import inspect_prices, load_prices, read_prices, write_prices
from assay.data.files.series import load_returns
from assay.data.panel import ACTIONS, PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market

FIELDS = ["open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return synthetic_market(25, 6, seed=3)[0]


def long_table(panel: PricePanel) -> pd.DataFrame:
    """One row a session and asset, by pandas."""
    stacked = {name: getattr(panel, name).stack() for name in panel.fields}
    return pd.concat(stacked, axis="columns").rename_axis(["date", "asset"]).reset_index()


def save(frame: pd.DataFrame, path: Path, **options: object) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, **options)  # type: ignore[arg-type]
    else:
        frame.to_csv(path, **{"index": False} | options)  # type: ignore[arg-type]
    return path


def assert_same(found: PricePanel, expected: PricePanel) -> None:
    assert found.fields == expected.fields
    for name in found.fields:
        pd.testing.assert_frame_equal(
            getattr(found, name), getattr(expected, name), rtol=1e-15, check_names=False, check_column_type=False
        )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_long_files(panel: PricePanel, tmp_path: Path, suffix: str) -> None:
    found = load_prices(save(long_table(panel), tmp_path / f"prices{suffix}"))
    assert_same(found, panel)
    assert found.warnings == ()
    assert found.source.endswith(f"prices{suffix}")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_wide_files(panel: PricePanel, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"wide{suffix}"
    save(panel.close[panel.assets[::-1]].rename_axis("Date"), path, index=True)
    assert_same(load_prices(path), PricePanel(panel.close))


def test_wide_files_with_a_nameless_index(panel: PricePanel, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        path = save(panel.close.rename_axis(None), tmp_path / f"wide{suffix}", index=True)
        assert_same(load_prices(path), PricePanel(panel.close))


def test_one_asset_without_an_asset_column_is_named_after_the_file(panel: PricePanel, tmp_path: Path) -> None:
    one = panel.select(["S002"])
    table = long_table(one).drop(columns="asset").assign(Dividends=0.0)
    assert_same(load_prices(save(table, tmp_path / "S002.csv")), one)


def test_row_numbers_are_no_asset(panel: PricePanel, tmp_path: Path) -> None:
    wide = panel.close.rename_axis("date").reset_index()
    assert_same(load_prices(save(wide, tmp_path / "wide.csv", index=True)), PricePanel(panel.close))
    assert_same(load_prices(save(long_table(panel), tmp_path / "long.csv", index=True)), panel)


def test_categories_that_no_row_has_are_no_asset_and_no_session(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    table["asset"] = pd.Categorical(table["asset"], categories=["", "AAA", *panel.assets, "ZZZ"])
    dates = table["date"].astype(str)
    table["date"] = pd.Categorical(dates, categories=["1999-01-04", *dates.unique(), "2098-12-31", "soon"])
    assert_same(load_prices(save(table, tmp_path / "prices.parquet")), panel)


def test_wide_files_may_have_a_ticker_that_is_a_field_name(panel: PricePanel, tmp_path: Path) -> None:
    wide = panel.close.set_axis(["LOW", "OPEN", "C", "NA", "HIGH", "TRUE"], axis="columns").rename_axis("date")
    found = load_prices(save(wide, tmp_path / "wide.csv", index=True))
    assert set(found.assets) == {"LOW", "OPEN", "C", "NA", "HIGH", "TRUE"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tickers_that_look_like_something_else_stay_tickers(panel: PricePanel, tmp_path: Path, suffix: str) -> None:
    names = dict(zip(panel.assets, ["TRUE", "NA", "1", "NULL", "nan", "2020-01-01"], strict=True))
    table = long_table(panel).assign(asset=lambda frame: frame["asset"].map(names))
    assert list(load_prices(save(table, tmp_path / f"odd{suffix}")).assets) == sorted(names.values())


@pytest.mark.parametrize(
    "names",
    [
        ["Date", "Ticker", "Open", "High", "Low", "Close", "Volume"],
        ["session", "SYMBOL", "open_price", "high_price", "low_price", "Price", "vol"],
        ["timestamp", "Instrument", "PX_OPEN", "PX_HIGH", "PX_LOW", "PX_LAST", "PX_VOLUME"],
        ["trade day", "who", "o", "h", "l", "c", "v"],
    ],
)
def test_names_that_people_use(panel: PricePanel, tmp_path: Path, names: list[str]) -> None:
    path = save(long_table(panel).set_axis(names, axis="columns"), tmp_path / "prices.csv")
    fields = dict(zip(["date", "asset", *FIELDS], names, strict=True)) if "who" in names else None
    assert_same(load_prices(path, options=ReadOptions(columns=fields or {})), panel)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(panel: PricePanel, tmp_path: Path, separator: str) -> None:
    assert_same(load_prices(save(long_table(panel), tmp_path / "prices.csv", sep=separator)), panel)


def test_a_byte_order_mark_is_no_part_of_the_first_name(panel: PricePanel, tmp_path: Path) -> None:
    assert_same(load_prices(save(long_table(panel), tmp_path / "prices.csv", encoding="utf-8-sig")), panel)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00.000"])
def test_ways_to_write_a_date(panel: PricePanel, tmp_path: Path, form: str) -> None:
    table = long_table(panel).assign(date=lambda frame: frame["date"].dt.strftime(form))
    for suffix in (".csv", ".parquet"):
        found = load_prices(save(table, tmp_path / f"prices{suffix}"))
        assert_same(found, panel)
        assert found.warnings == ()


def test_dates_as_numbers_and_as_dates(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    for dates in (table["date"].dt.strftime("%Y%m%d").astype(int), table["date"].dt.date):
        assert_same(load_prices(save(table.assign(date=dates), tmp_path / "prices.parquet")), panel)


def test_a_time_of_day_is_cut_off_and_counted(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel).assign(date=lambda frame: frame["date"] + pd.Timedelta(hours=16))
    found = load_prices(save(table, tmp_path / "prices.parquet"))
    assert_same(found, panel)
    assert found.warnings == ("dates with a time of day, cut off: 25, first in the date column",)


def test_adjusted_closes_scale_the_whole_bar(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel).rename(columns=str.title)
    table["Adj Close"] = table["Close"] / 2
    found = load_prices(save(table, tmp_path / "prices.csv"))
    assert found.adjusted == "splits and dividends"
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(getattr(found, name), getattr(panel, name) / 2, rtol=1e-14)
    np.testing.assert_array_equal(found.volume, panel.volume)


def test_integer_text_and_decimal_columns_are_numbers(tmp_path: Path) -> None:
    days = ["2020-01-02", "2020-01-03"]
    table = pd.DataFrame({"date": days, "asset": "A", "close": ["10", "11.5"], "volume": [1, 2]})
    found = load_prices(save(table, tmp_path / "prices.parquet"))
    assert found.close["A"].tolist() == [10.0, 11.5]
    assert found.volume["A"].tolist() == [1.0, 2.0]


#: What a long file may look like → whether its row groups can be read one by one.
SHAPES = {
    "by date": (lambda table: table, True),
    "by asset": (lambda table: table.sort_values(["asset", "date"]), True),
    "with holes": (lambda table: table.drop(index=range(3, 140, 7)), True),
    "categories": (lambda table: table.assign(asset=table["asset"].astype("category")), True),
    "dates as text": (lambda table: table.assign(date=table["date"].dt.strftime("%d.%m.%Y")), True),
    "blanks around tickers": (lambda table: table.assign(asset=" " + table["asset"] + " "), True),
    "out of order": (lambda table: table.sample(frac=1.0, random_state=0), False),
    "a session twice": (lambda table: pd.concat([table, table.iloc[-1:]]), False),
    "an asset missing": (lambda table: table.assign(asset=table["asset"].where(table.index != 20)), False),
    "an asset without a name": (lambda table: table.assign(asset=table["asset"].where(table.index != 23, "")), False),
    "a date missing": (lambda table: table.assign(date=table["date"].where(table.index != 20)), False),
    "numbers as text": (lambda table: table.assign(close=table["close"].astype(str)), False),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_row_groups_read_one_by_one_give_what_the_whole_file_gives(
    panel: PricePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    change, apart = SHAPES[shape]
    table = long_table(panel)[["date", "asset", "close", "volume"]]
    path = save(change(table), tmp_path / "prices.parquet", row_group_size=40)
    whole, taken = read_prices(path), []

    def spied(*given: object, **most: int) -> object:
        taken.append(read_ordered(*given, **most))  # type: ignore[arg-type]
        return taken[-1]

    monkeypatch.setattr(readers, "_MANY_ROWS", 1)
    monkeypatch.setattr(grids, "read_ordered", spied)
    parts = read_prices(path)
    assert [item is not None for item in taken] == [apart]
    for name, frame in whole.frames.items():
        pd.testing.assert_frame_equal(parts.frames[name], frame, check_exact=True)
    assert [item.message for item in parts.findings] == [item.message for item in whole.findings]


def test_cells_of_a_part_are_where_each_row_says() -> None:
    rng, in_turn = np.random.default_rng(0), 0
    for _ in range(400):
        T, N = rng.integers(1, 5, size=2)
        first = int(rng.integers(T * N))
        cells = np.arange(first, int(rng.integers(first + 1, T * N + 1)))
        if rng.random() < 0.5:  # left out, exchanged, or as they are
            cells = rng.permutation(cells)[: max(1, len(cells) - 1)] if rng.random() < 0.5 else np.delete(cells, 0)
        rows, columns = np.divmod(cells, N)
        days, rows_of = pd.factorize(rows)
        names, columns_of = pd.factorize(columns)
        found = _Cells.of(days.astype(np.int16), rows_of, names.astype(np.int16), columns_of, (T, N))
        in_turn += found.start is not None
        assert len(found) == len(cells)
        assert (np.arange(T * N)[found.places()] == cells).all()
        assert (found.places(by_asset=True) == columns * T + rows).all()
        straight = len(cells) > 0 and (np.diff(cells) == 1).all()
        assert (found.start is not None) == straight
    assert 100 < in_turn < 390


def test_blanks_around_a_ticker_are_not_part_of_it(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    table.loc[::2, "asset"] = " " + table.loc[::2, "asset"] + " "
    assert_same(load_prices(save(table, tmp_path / "prices.csv")), panel)


def test_rows_out_of_order_are_sorted_and_counted(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel).sample(frac=1.0, random_state=np.random.RandomState(1))
    found = load_prices(save(table, tmp_path / "prices.csv"))
    assert_same(found, panel)
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("rows not in order of date, sorted: ")


@pytest.mark.parametrize("by", [["asset", "date"], ["date", "asset"]])
def test_rows_in_either_order_are_in_order(panel: PricePanel, tmp_path: Path, by: list[str]) -> None:
    table = long_table(panel).sort_values(by, ascending=[by[0] == "date", True])
    assert load_prices(save(table, tmp_path / "prices.csv")).warnings == ()


def test_a_wide_file_from_the_newest_to_the_oldest(panel: PricePanel, tmp_path: Path) -> None:
    found = load_prices(save(panel.close.rename_axis("date").iloc[::-1], tmp_path / "wide.csv", index=True))
    assert_same(found, PricePanel(panel.close))
    assert found.warnings == ("rows not in order of date, sorted: 24, first 2000-02-03 'all assets' (row 2)",)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([".csv", ".parquet"]))
def test_any_sparse_panel_in_any_order_comes_back(
    tmp_path_factory: pytest.TempPathFactory, sessions: int, assets: int, seed: int, suffix: str
) -> None:
    """Against pandas' own pivot."""
    rng = np.random.default_rng(seed)
    panel, _ = synthetic_market(sessions, assets, seed=seed)
    table = long_table(panel)
    keep = rng.permutation(len(table))[: max(1, int(rng.integers(1, len(table) + 1)))]
    table = table.iloc[keep]
    found = load_prices(save(table, tmp_path_factory.mktemp("any") / f"prices{suffix}"))
    for name in FIELDS:
        expected = table.pivot(index="date", columns="asset", values=name)
        pd.testing.assert_frame_equal(getattr(found, name), expected, check_names=False, check_column_type=False)


def test_written_prices_come_back(panel: PricePanel, tmp_path: Path) -> None:
    holey = PricePanel(**{name: getattr(panel, name).mask(panel.close < 95) for name in FIELDS}, adjusted="splits")
    for suffix in (".csv", ".parquet"):
        found = load_prices(write_prices(holey, tmp_path / f"prices{suffix}"))
        assert found.fingerprint == holey.fingerprint
    assert found.adjusted == "splits"
    first = (tmp_path / "prices.parquet").read_bytes()
    assert write_prices(holey, tmp_path / "prices.parquet").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prices.csv", "prices.parquet"]


def test_repair_drops_and_says_what(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    table.loc[3, "close"] = -1.0
    table.loc[10, "high"] = np.inf
    table = pd.concat([table, table.iloc[[20, 21]].assign(close=1.0)], ignore_index=True)
    table.loc[30, "asset"] = None
    found = load_prices(save(table, tmp_path / "prices.parquet"), repair="drop")
    dropped = [warning for warning in found.warnings if warning.startswith("dropped by repair")]
    assert sorted(warning.split(": ")[1] for warning in dropped) == [
        "duplicate (date, asset) rows",
        "infinite value",
        "price not positive",
        "row without a date or an asset",
    ]
    for row in (3, 10, 30):
        place = panel.sessions[row // 6], panel.assets[row % 6]
        assert all(np.isnan(getattr(found, name).loc[place]) for name in FIELDS)
    assert int(found.close.isna().to_numpy().sum()) == 3
    place = panel.sessions[20 // 6], panel.assets[20 % 6]
    assert found.close.loc[place] == panel.close.loc[place]  # of two rows, the first


@pytest.mark.parametrize("bad_first", [True, False])
def test_of_two_rows_repair_keeps_the_one_that_can_be(panel: PricePanel, tmp_path: Path, bad_first: bool) -> None:
    table = long_table(panel)
    good, bad = table.iloc[[20]], table.iloc[[20]].assign(close=0.0)
    rest = table.drop(index=20)
    found = load_prices(save(pd.concat([bad, good, rest] if bad_first else [good, bad, rest]), tmp_path / "p.csv"),
                        repair="drop")  # fmt: skip
    place = panel.sessions[20 // 6], panel.assets[20 % 6]
    assert found.close.loc[place] == panel.close.loc[place]
    assert int(found.close.isna().to_numpy().sum()) == 0


def test_a_zero_behind_a_duplicate_is_named(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    path = save(pd.concat([table, table.iloc[[20]].assign(close=0.0)]), tmp_path / "p.csv")
    _, report = inspect_prices(path)
    place = f"{panel.sessions[20 // 6].date()} {panel.assets[20 % 6]!r}"
    assert [finding.check for finding in report.errors] == [
        "duplicate (date, asset) rows", "price not positive in a duplicate row"
    ]  # fmt: skip
    assert all(place in finding.where for finding in report.errors)


def test_of_two_rows_that_can_be_and_differ_repair_keeps_neither(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)[["date", "asset", "close"]]
    twice = pd.concat([table, table.iloc[[20]].assign(close=lambda frame: frame["close"] * 1.01), table.iloc[[21]]])
    found = load_prices(save(twice, tmp_path / "p.csv"), repair="drop")
    assert np.isnan(found.close.iat[20 // 6, 20 % 6])
    assert found.close.iat[21 // 6, 21 % 6] == panel.close.iat[21 // 6, 21 % 6]  # the same twice
    assert int(found.close.isna().to_numpy().sum()) == 1


def test_a_file_that_stands_twice_is_repaired_at_once(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    assert_same(load_prices(save(pd.concat([table, table]), tmp_path / "p.csv"), repair="drop"), panel)


def test_inspecting_reports_what_loading_refuses(panel: PricePanel, tmp_path: Path) -> None:
    table = long_table(panel)
    table.loc[3, "close"] = 0.0
    kept, report = inspect_prices(save(table, tmp_path / "prices.parquet"))
    assert [finding.check for finding in report.errors] == ["price not positive"]
    assert report.table().iloc[0].tolist() == ["price not positive", "error", "S003", 1, "2000-01-03", "2000-01-03"]
    assert np.isnan(kept.close.iat[0, 3])


def test_the_real_panel_loads_with_its_quirks_counted(real_prices_path: Path) -> None:
    found = load_prices(real_prices_path)
    assert found.shape == (1259, 100)
    assert found.fields == tuple(FIELDS)
    raw = pd.read_parquet(real_prices_path)
    assert int(found.close.notna().to_numpy().sum()) == len(raw) == 121_855
    expected = raw.pivot(index="date", columns="ticker", values="low")
    np.testing.assert_array_equal(found.low.to_numpy(), expected.to_numpy())
    assert any("incomplete bar: 1, first 2017-07-26 'BHF'" in warning for warning in found.warnings)
    assert any(warning.startswith("high below low: 1, first 2014-05-19 'AOS'") for warning in found.warnings)


def test_predictions_long(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "Date": ["2020-01-02", "2020-01-02", "2020-01-03"],
            "symbol": ["B", "A", "A"],
            "prediction": [0.2, -0.1, 0.3],
            "prob_up": [0.6, 0.4, np.nan],
            "p_buy": [0.5, 0.1, 0.3], "p_sell": [0.2, 0.8, 0.3], "p_hold": [0.3, 0.1, 0.4],
        }
    )  # fmt: skip
    for suffix in (".csv", ".parquet"):
        found = load_predictions(save(table, tmp_path / f"mine{suffix}"), horizon=5, delay=2)
        assert (found.name, found.horizon, found.delay, found.unit) == ("mine", 5, 2, "return")
        assert found.score.to_numpy().tolist()[0] == [-0.1, 0.2]
        assert np.isnan(found.score.iat[1, 1])
        assert found.probability_up.iat[0, 1] == 0.6
        assert found.action["sell"].iat[0, 0] == 0.8
        assert found.receipts is None


def test_predictions_wide(tmp_path: Path) -> None:
    wide = pd.DataFrame({"B": [1.0, 2.0], "A": [3.0, np.nan]}, index=pd.to_datetime(["2020-01-02", "2020-01-03"]))
    found = load_predictions(save(wide, tmp_path / "wide.csv", index=True), unit="rank")
    assert list(found.assets) == ["A", "B"]
    assert found.unit == "rank"


def test_written_predictions_come_back_with_their_receipts(tmp_path: Path) -> None:
    _, oracle = synthetic_market(30, 6, ic=0.1, seed=1)
    found = read_predictions(write_predictions(oracle, tmp_path / "oracle.parquet"))
    assert found.fingerprint == oracle.fingerprint
    assert found.name == oracle.name
    pd.testing.assert_frame_equal(found.receipts, oracle.receipts, check_names=False, check_index_type=False)
    again = load_predictions(tmp_path / "oracle.parquet", receipts=receipts_path(tmp_path / "oracle.parquet"))
    assert again.fingerprint == oracle.fingerprint


def test_predictions_of_every_kind_come_back(tmp_path: Path) -> None:
    days, assets = pd.bdate_range("2020-01-01", periods=4), ["A", "B"]
    rng = np.random.default_rng(0)
    parts = rng.dirichlet(np.ones(3), (4, 2))
    frame = pd.DataFrame(rng.uniform(size=(4, 2)), index=days, columns=assets)
    action = {name: pd.DataFrame(parts[..., i], index=days, columns=assets) for i, name in enumerate(ACTIONS)}
    panel = PredictionPanel(frame, unit="rank", horizon=2, delay=3, probability_up=frame, action=action,
                            zero_is_neutral=True, dispersion=frame / 10)  # fmt: skip
    found = read_predictions(write_predictions(panel, tmp_path / "all.parquet"))
    assert found.fingerprint == panel.fingerprint
    np.testing.assert_array_equal(found.dispersion, panel.dispersion)
    assert not receipts_path(tmp_path / "all.parquet").exists()
    assert (found.unit, found.horizon, found.delay, found.zero_is_neutral) == ("rank", 2, 3, True)


def test_returns_and_prices_of_one_series(tmp_path: Path) -> None:
    days = ["2020-01-02", "2020-01-03", "2020-01-06"]
    returns = load_returns(save(pd.DataFrame({"date": days, "ret": [0.01, -0.02, 0.0]}), tmp_path / "bench.csv"))
    assert returns.tolist() == [0.01, -0.02, 0.0]
    assert returns.name == "bench"
    prices = load_returns(save(pd.DataFrame({"date": days, "Close": [10.0, 11.0, 5.5]}), tmp_path / "index.csv"))
    np.testing.assert_allclose(prices, [0.1, -0.5], rtol=1e-14)
