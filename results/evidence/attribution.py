"""Where a net return came from: by factor, asset, sector, leg and stage, each of which sums to it on every session.

On session s an asset earns its change in value less what was bought of it, from shares, marks and fills alone; what its
fills cost and its share of borrow and financing come off. Of what the positions held at the close before earned, the
factors earned Σ exposure × factor return and the rest is the assets' own; what is earned otherwise, by fills inside a
session, is ``fills``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.panel import PricePanel
from assay.engine.result import BacktestResult
from assay.engine.trades import holding_costs
from assay.results.stats.long_run_variance import lag_rule
from assay.results.stats.styles import StyleModel

__all__ = ["Book", "attribution_table", "book_of", "by_asset", "by_factor", "by_leg", "by_sector", "by_stage"]

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
    close = prices.close.reindex(columns=assets).ffill().reindex(sessions).to_numpy()
    fill_frame = prices.open if result.config["execution"]["fill"] == "open" and prices.open is not None else None
    fill = close if fill_frame is None else fill_frame.reindex(index=sessions, columns=assets).to_numpy()
    shares = result.holdings.to_numpy()
    value = np.where(shares != 0, shares * close, 0.0)
    earlier = np.vstack([np.zeros((1, len(assets))), value[:-1]])
    fills = result.fills
    row, column = sessions.get_indexer(pd.Index(fills["session"])), assets.get_indexer(pd.Index(fills["asset"]))
    bought, cost, counted, traded = (np.zeros(shares.shape) for _ in range(4))
    for grid, values in ((bought, fills["value"]), (cost, fills["cost"]), (counted, fills["shares"])):
        np.add.at(grid, (row, column), values.to_numpy(dtype=np.float64))
    np.add.at(traded, (row, column), fills["value"].abs().to_numpy(dtype=np.float64))
    # What is too small for the list of fills was traded all the same.
    unlisted = np.diff(shares, axis=0, prepend=0.0) - counted
    bought += np.where(unlisted != 0, unlisted * np.nan_to_num(np.where(np.isnan(fill), close, fill)), 0.0)
    holding = holding_costs(result, prices)
    charged = cost if holding is None else cost + holding.to_numpy()

    def frame(values: Floats) -> pd.DataFrame:
        return pd.DataFrame(values / scale, sessions, assets)

    by = pd.Series(scale[:, 0], sessions)
    interest = pd.Series(0.0, sessions) if result.interest is None else result.interest
    return Book(
        frame(earlier),
        frame(value - earlier - bought),
        frame(charged),
        frame(traded),
        interest.div(by, axis="index"),
        result.costs.div(by, axis="index"),
        result.returns,
    )


def by_asset(book: Book) -> pd.DataFrame:
    """(T, N + 1) what each asset earned after its costs, and cash: interest, and costs that no asset bears."""
    own = book.earned - book.charged
    unborne = book.costs.sum(axis="columns") - book.charged.sum(axis="columns")
    return own.assign(**{CASH: book.interest - unborne})


def by_sector(book: Book, sectors: pd.Series) -> pd.DataFrame:
    """(T, sectors) of `by_asset`; assets without a sector are ``no sector``."""
    parts = by_asset(book)
    names = sectors.reindex(parts.columns).astype(object).fillna("no sector")
    names[CASH] = CASH
    return parts.T.groupby(names.to_numpy(), sort=True).sum().T


def by_leg(book: Book) -> pd.DataFrame:
    """(T, 3) long, short and cash: of `by_asset`, by the side held at the close before, else by that taken up."""
    own = (book.earned - book.charged).to_numpy()
    side = np.sign(book.held.to_numpy())
    side = np.where(side != 0, side, np.sign(np.vstack([book.held.to_numpy()[1:], np.zeros((1, own.shape[1]))])))
    table = {
        "long": np.where(side >= 0, own, 0.0).sum(axis=1),
        "short": np.where(side < 0, own, 0.0).sum(axis=1),
        CASH: by_asset(book)[CASH].to_numpy(),
    }
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
    inside = model.own.reindex(index=sessions, columns=assets)
    # An asset of which the factors know nothing is its own, whole.
    held = np.where(inside.notna(), book.held, 0.0)
    exposures = pd.DataFrame({model.returns.columns[0]: held.sum(axis=1)}, sessions)
    for name, frame in model.exposures.items():
        known = frame.shift(1).reindex(index=sessions, columns=assets).fillna(0.0).to_numpy()
        exposures[name] = (held * known).sum(axis=1)
    earned = model.returns.reindex(sessions).fillna(0.0)
    parts = exposures * earned
    own = (held * inside.fillna(0.0).to_numpy()).sum(axis=1)
    moved = parts.sum(axis="columns").to_numpy() + own
    parts["own"] = own
    parts["fills"] = book.earned.to_numpy().sum(axis=1) - moved
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
    book: Book, model: StyleModel | None, result: BacktestResult, sectors: pd.Series | None
) -> pd.DataFrame:
    """Return and risk a year by every cut of the book.

    Returns
    -------
    DataFrame
        kind (factor, asset, sector, leg, stage), name, return_ann (mean × 252, sums to the net return within each
        kind), error_ann (its Newey–West error; NaN of a stage), risk_ann (covariance with the net return over its
        deviation, × √252, which sums to the volatility; NaN of a stage), cost_ann and turnover_ann (assets alone: what
        its costs took, and half of what was traded).

    """
    cuts: dict[str, pd.DataFrame] = {"asset": by_asset(book), "leg": by_leg(book)}
    if model is not None:
        cuts = {"factor": by_factor(book, model)[0], **cuts}
    if sectors is not None:
        cuts["sector"] = by_sector(book, sectors)
    net = book.net.to_numpy()
    deviation = float(net.std(ddof=1)) if len(net) > 1 else math.nan
    rows: list[Mapping[str, object]] = []
    for kind, parts in cuts.items():
        values = parts.to_numpy()
        means = values.mean(axis=0) * SESSIONS_A_YEAR
        with np.errstate(invalid="ignore", divide="ignore"):
            shared = (values - values.mean(axis=0)).T @ (net - net.mean()) / max(len(net) - 1, 1)
            risk = shared / deviation * math.sqrt(SESSIONS_A_YEAR)
        errors = _errors(values) * SESSIONS_A_YEAR
        for place, name in enumerate(parts.columns):
            row = {"return_ann": means[place], "error_ann": errors[place], "risk_ann": risk[place]}
            rows.append({"kind": kind, "name": str(name), **row})
    for stage, value in by_stage(result).items():
        unknown = dict.fromkeys(("error_ann", "risk_ann"), math.nan)
        rows.append({"kind": "stage", "name": str(stage), "return_ann": value, **unknown})
    table = pd.DataFrame(rows)
    of_assets = table["kind"] == "asset"
    for name, frame in (("cost_ann", book.charged), ("turnover_ann", 0.5 * book.traded)):
        yearly = frame.mean() * SESSIONS_A_YEAR
        table[name] = table["name"].map(yearly.rename(index=str)).where(of_assets)
    return table
