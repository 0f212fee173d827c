"""Where a net return came from: by factor, asset, sector, leg and stage, each of which sums to it on every session.

On session s an asset earns its change in value less what was bought of it, from shares, marks and fills alone; what its
fills cost and its share of borrow and financing come off. Of what the positions held at the close before earned, the
factors earned Σ exposure × factor return and the rest is the assets' own; what is earned otherwise, by fills inside a
session, is ``fills``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.panel import PricePanel
from assay.engine.fills import FillLedger
from assay.engine.result import BacktestResult
from assay.engine.trades import HoldingCharges
from assay.results.stats.blocks import row_blocks
from assay.results.stats.long_run_variance import lag_rule
from assay.results.stats.styles import StyleModel

__all__ = [
    "Book",
    "attribution_table",
    "book_of",
    "by_asset",
    "by_cash",
    "by_factor",
    "by_leg",
    "by_sector",
    "by_stage",
]

Indices = npt.NDArray[np.intp]

#: Assets whose errors are estimated at once.
_TOGETHER = 64

#: What is earned on no asset.
CASH = "cash"


@dataclass(frozen=True, eq=False)
class Book:
    """What was held and earned, asset by asset; every value a fraction of the NAV at the close before.

    Parameters
    ----------
    held : (T, N) value at the close before the session s that is stamped.
    earned : (T, N) on s, before costs.
    charged : (T, N) trading costs, borrow and financing on s.
    traded : (T, N) |value| of the fills on s.
    interest, costs : (T,) on cash; (T, kinds).
    net : (T,).

    """

    held: pd.DataFrame
    earned: pd.DataFrame
    charged: pd.DataFrame
    traded: pd.DataFrame
    interest: pd.Series
    costs: pd.DataFrame
    net: pd.Series


def book_of(result: BacktestResult, prices: PricePanel) -> Book | None:
    """The book of a result; None where it keeps no holdings.

    Parameters
    ----------
    result : of `engine.run_backtest` on `prices`.
    prices : with a column for every asset that is held.

    """
    if result.holdings is None or result.fill_ledger is None:
        return None
    sessions, assets = result.holdings.index, result.holdings.columns
    capital = float(result.config["execution"]["capital"])
    before = result.nav.shift(1).fillna(capital).to_numpy()
    scale = np.where(before > 0, before, np.inf)[:, None]
    close = prices.close.ffill() if np.isnan(prices.close.to_numpy()).any() else prices.close
    opens = prices.open if result.config["execution"]["fill"] == "open" else None
    last, fill = (_on(frame, result.holdings) for frame in (close, close if opens is None else opens))
    shares = result.holdings.to_numpy()
    # Each table holds first what its fills were: shares, value, cost and size.
    held, earned, charged, traded = (np.zeros(shares.shape) for _ in range(4))
    for row, column, moved, value, cost in _fills(result):
        for grid, values in ((held, moved), (earned, value), (charged, cost), (traded, np.abs(value))):
            np.add.at(grid, (row, column), values)
    charges = HoldingCharges(result, prices)
    for rows in row_blocks(shares.shape):
        first, now = max(rows.start - 1, 0), shares[rows]
        earlier = np.zeros(now.shape)
        own = shares[first : rows.stop - 1]
        earlier[len(now) - len(own) :] = np.where(own != 0, own * last[first : rows.stop - 1], 0.0)
        # What is too small for the list of fills was traded all the same.
        unlisted = now - held[rows]
        unlisted[len(now) - len(own) :] -= own
        price = np.nan_to_num(np.where(np.isnan(fill[rows]), last[rows], fill[rows]))
        bought = earned[rows] + np.where(unlisted != 0, unlisted * price, 0.0)
        value = np.where(now != 0, now * last[rows], 0.0)
        held[rows], earned[rows] = earlier / scale[rows], (value - earlier - bought) / scale[rows]
        charged[rows] += charges.of(rows=rows)
        charged[rows] /= scale[rows]
        traded[rows] /= scale[rows]

    by = pd.Series(scale[:, 0], sessions)
    interest = pd.Series(0.0, sessions) if result.interest is None else result.interest
    tables = {"held": held, "earned": earned, "charged": charged, "traded": traded}
    frames = {name: pd.DataFrame(values, sessions, assets, copy=False) for name, values in tables.items()}
    return Book(
        frames["held"],
        frames["earned"],
        frames["charged"],
        frames["traded"],
        interest.div(by, axis="index"),
        result.costs.div(by, axis="index"),
        result.returns,
    )


def _on(frame: pd.DataFrame, other: pd.DataFrame) -> Floats:
    """The values of a frame at the sessions and assets of another."""
    same = frame.index.equals(other.index) and frame.columns.equals(other.columns)
    return (frame if same else frame.reindex(index=other.index, columns=other.columns)).to_numpy()


def _fills(result: BacktestResult) -> Iterator[tuple[Indices, Indices, Floats, Floats, Floats]]:
    """Positions of the fills' sessions and assets, their shares, values and costs; some assets at a time where costs
    can be told apart."""
    assert result.holdings is not None
    sessions, assets = result.holdings.index, result.holdings.columns
    ledger = result.fill_ledger
    if isinstance(ledger, FillLedger) and ledger.by_asset:
        row, column = sessions.get_indexer(ledger.sessions), assets.get_indexer(ledger.assets)
        for _, some in ledger.parts():
            yield row[some.session], column[some.asset], some.shares, some.value, some.cost
    else:
        fills = result.fills
        moved, value, cost = (fills[name].to_numpy(dtype=np.float64) for name in ("shares", "value", "cost"))
        row, column = sessions.get_indexer(pd.Index(fills["session"])), assets.get_indexer(pd.Index(fills["asset"]))
        yield row, column, moved, value, cost


def by_asset(book: Book, sessions: list[pd.Timestamp] | None = None) -> pd.DataFrame:
    """(T, N + 1) what each asset earned after its costs, and cash: interest, and costs that no asset bears; of these
    `sessions`, or all."""
    earned, charged = (frame if sessions is None else frame.loc[sessions] for frame in (book.earned, book.charged))
    own = earned - charged
    own[CASH] = by_cash(book).loc[own.index]
    return own


def by_cash(book: Book) -> pd.Series:
    """(T,) interest less the costs that no asset bears."""
    return book.interest - (book.costs.sum(axis="columns") - book.charged.sum(axis="columns"))


def by_sector(book: Book, sectors: pd.Series) -> pd.DataFrame:
    """(T, sectors) of `by_asset`; assets without a sector are ``no sector``."""
    names = sectors.reindex(book.earned.columns).astype(object).fillna("no sector").to_numpy()
    earned, charged = book.earned.to_numpy(), book.charged.to_numpy()
    table = {CASH: by_cash(book).to_numpy()}
    for name in np.unique(names.astype(str)):
        inside = names.astype(str) == name
        table[str(name)] = (earned[:, inside] - charged[:, inside]).sum(axis=1)
    return pd.DataFrame(table, book.net.index)[sorted(table)]


def by_leg(book: Book) -> pd.DataFrame:
    """(T, 3) long, short and cash: of `by_asset`, by the side held at the close before, else by that taken up."""
    held, earned, charged = (frame.to_numpy() for frame in (book.held, book.earned, book.charged))
    legs = np.zeros((2, len(held)))
    for rows in row_blocks(held.shape):
        side, own = np.sign(held[rows]), earned[rows] - charged[rows]
        taken = np.zeros(side.shape)
        after = held[rows.start + 1 : rows.stop + 1]
        taken[: len(after)] = np.sign(after)
        side = np.where(side != 0, side, taken)
        legs[0, rows], legs[1, rows] = (np.where(leg, own, 0.0).sum(axis=1) for leg in (side >= 0, side < 0))
    table = {"long": legs[0], "short": legs[1], CASH: by_cash(book).to_numpy()}
    return pd.DataFrame(table, book.net.index)


def by_factor(book: Book, model: StyleModel) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each factor earned for the book, and its exposures.

    Returns
    -------
    parts : (T, …) a column a factor, then ``own`` (what is left of the assets held), ``fills`` (earned inside the
        session), ``interest`` and the kinds of costs, which are negative; they sum to the net return.
    exposures : (T, K) of the positions at the close before, which earned the session's factor returns.

    """
    sessions, assets = book.net.index, book.held.columns
    values, earned_by, inside = book.held.to_numpy(), book.earned.to_numpy(), _on(model.own, book.held)
    loadings = model.at(sessions, assets, late=1)
    loaded = np.zeros((len(sessions), 1 + len(loadings)))
    own, total = np.zeros(len(sessions)), np.zeros(len(sessions))
    for rows in row_blocks(values.shape):
        # An asset of which the factors know nothing is its own, whole.
        held = np.where(np.isnan(inside[rows]), 0.0, values[rows])
        loaded[rows, 0] = held.sum(axis=1)
        for place, each in enumerate(loadings.values(), start=1):
            loaded[rows, place] = (held * each[rows]).sum(axis=1)
        own[rows] = (held * np.nan_to_num(inside[rows])).sum(axis=1)
        total[rows] = earned_by[rows].sum(axis=1)
    exposures = pd.DataFrame(loaded, sessions, [model.returns.columns[0], *loadings])
    parts = exposures * model.returns.reindex(sessions).fillna(0.0)
    moved = parts.sum(axis="columns").to_numpy() + own
    parts["own"] = own
    parts["fills"] = total - moved
    parts["interest"] = book.interest
    for kind in book.costs.columns:
        parts[str(kind)] = -book.costs[kind]
    return parts, exposures


def by_stage(result: BacktestResult) -> pd.Series:
    """What each stage added to the mean return a year; the first is what the selection earned before costs."""
    if result.stages is None:
        return pd.Series(dtype=float)
    means = result.stages["return_ann"]
    return means.diff().fillna(means.iloc[0])


def _errors(values: Floats) -> Floats:
    """(K,) Newey–West error of each column's mean, as `assay.results.stats.long_run_variance.hac_mean`."""
    n = len(values)
    centred = values - values.mean(axis=0)
    total = (centred**2).sum(axis=0)
    lag = lag_rule(n)
    for step in range(1, lag + 1):
        total += 2 * (1 - step / (lag + 1)) * np.einsum("tk,tk->k", centred[step:], centred[:-step])
    return np.asarray(np.sqrt(np.maximum(total, 0.0)) / n)


def attribution_table(
    book: Book, factors: pd.DataFrame | None, result: BacktestResult, sectors: pd.Series | None
) -> pd.DataFrame:
    """Return and risk a year by every cut of the book.

    Parameters
    ----------
    book, result : of one run.
    factors : the parts of `by_factor`, or None.
    sectors : asset → sector, or None.

    Returns
    -------
    DataFrame
        kind (factor, asset, leg, sector, stage), name, return_ann (mean × 252, sums to the net return within each
        kind), error_ann (its Newey–West error; NaN of a stage), risk_ann (covariance with the net return over its
        deviation, × √252, which sums to the volatility; NaN of a stage), cost_ann and turnover_ann (assets alone: what
        its costs took, and half of what was traded).

    """
    rows = [] if factors is None else _rows("factor", factors, book.net)
    for start in range(0, book.earned.shape[1], _TOGETHER):
        some = slice(start, start + _TOGETHER)
        rows += _rows("asset", book.earned.iloc[:, some] - book.charged.iloc[:, some], book.net)
    rows += _rows("asset", by_cash(book).to_frame(CASH), book.net) + _rows("leg", by_leg(book), book.net)
    rows += [] if sectors is None else _rows("sector", by_sector(book, sectors), book.net)
    for stage, value in by_stage(result).items():
        unknown = dict.fromkeys(("error_ann", "risk_ann"), math.nan)
        rows.append({"kind": "stage", "name": str(stage), "return_ann": value, **unknown})
    table = pd.DataFrame(rows)
    of_assets = table["kind"] == "asset"
    for name, frame, share in (("cost_ann", book.charged, 1.0), ("turnover_ann", book.traded, 0.5)):
        yearly = share * frame.mean() * SESSIONS_A_YEAR
        table[name] = table["name"].map(yearly.rename(index=str)).where(of_assets)
    return table


def _rows(kind: str, parts: pd.DataFrame, total: pd.Series) -> list[dict[str, object]]:
    """Mean, its error and share of the risk of each column, a year."""
    values, net = parts.to_numpy(), total.to_numpy()
    deviation = float(net.std(ddof=1)) if len(net) > 1 else math.nan
    means = values.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = (values - means).T @ (net - net.mean()) / max(len(net) - 1, 1)
        risk = shared / deviation * math.sqrt(SESSIONS_A_YEAR)
    errors = _errors(values)
    return [
        {"kind": kind, "name": str(name), "return_ann": mean * SESSIONS_A_YEAR, "error_ann": error * SESSIONS_A_YEAR,
         "risk_ann": share}
        for name, mean, error, share in zip(parts.columns, means, errors, risk, strict=True)
    ]  # fmt: skip
