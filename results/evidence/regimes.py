"""When a run earned: each leg, up and down markets, calm and wild ones, crises, its worst and best days explained."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.returns import drawdown_series
from assay.engine.result import BacktestResult
from assay.results.evidence.attribution import Book, by_asset, by_leg
from assay.results.stats.long_run_variance import regress
from assay.results.stats.performance import sharpe_interval
from assay.results.stats.proportions import wilson_interval

__all__ = ["CRISES", "crises", "days", "legs", "regimes"]

#: Windows by their usual names, first and last session.
CRISES = (
    ("Russia and LTCM", "1998-07-20", "1998-10-08"),
    ("dot-com bust", "2000-03-27", "2002-10-09"),
    ("quant crisis", "2007-08-06", "2007-08-16"),
    ("financial crisis", "2007-10-10", "2009-03-09"),
    ("momentum crash", "2009-03-10", "2009-05-29"),
    ("euro and US downgrade", "2011-07-25", "2011-10-03"),
    ("China and oil", "2015-08-10", "2016-02-11"),
    ("end of 2018", "2018-09-21", "2018-12-24"),
    ("COVID crash", "2020-02-20", "2020-03-23"),
    ("vaccine rotation", "2020-11-09", "2020-11-30"),
    ("inflation and rates", "2022-01-04", "2022-10-12"),
)
_VOLATILITY = 60
_FEWEST = 20
_DAYS, _NAMED = 10, 3

Mask = npt.NDArray[np.bool_]


def legs(result: BacktestResult, book: Book) -> pd.DataFrame:
    """Long and short leg, after the costs of their assets: indexed by leg.

    Returns
    -------
    DataFrame
        return_ann (mean × 252, fractions of the whole NAV), sharpe with low and high, alpha_ann with alpha_low and
        alpha_high and alpha_t (on the benchmark; NaN without), hit (share of sessions above 0, flat ones left out) with
        hit_low and hit_high (95%, Wilson, sessions taken as independent), n.

    """
    rows = {}
    for name, values in by_leg(book)[["long", "short"]].items():
        ratio, low, high = sharpe_interval(values.to_numpy())
        row = {"return_ann": float(values.mean()) * SESSIONS_A_YEAR, "sharpe": ratio, "low": low, "high": high}
        row |= dict.fromkeys(("alpha_ann", "alpha_low", "alpha_high", "alpha_t"), math.nan)
        if result.benchmark is not None:
            both = pd.DataFrame({"leg": values, "benchmark": result.benchmark}).dropna()
            line = regress(both["leg"].to_numpy(), both["benchmark"].to_numpy())
            if line is not None:
                half = line.critical * line.alpha_error
                row["alpha_ann"], row["alpha_t"] = line.alpha * SESSIONS_A_YEAR, line.alpha_t
                row["alpha_low"], row["alpha_high"] = (
                    (line.alpha + sign * half) * SESSIONS_A_YEAR for sign in (-1, 1)
                )
        moved = values[values != 0]
        hits = int((moved > 0).sum())
        low, high = wilson_interval(hits, len(moved)) if len(moved) else (math.nan, math.nan)
        share = hits / len(moved) if len(moved) else math.nan
        rows[str(name)] = row | {"hit": share, "hit_low": low, "hit_high": high, "n": len(values)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("leg")


def regimes(result: BacktestResult, market: pd.Series, declared: pd.Series | None = None) -> pd.DataFrame:
    """Net return and Sharpe ratio by regime of the session.

    Parameters
    ----------
    result : of a backtest.
    market : (T',) returns of the market, from before the first session.
    declared : session → regime of one's own, which holds until the next; None has none.

    Returns
    -------
    DataFrame
        kind (market, volatility, declared), regime, n, return_ann, sharpe with low and high (HAC, the sessions of a
        regime taken as following each other), hit. Up and down is the market's return on the session itself; the
        terciles of volatility are of the 60 sessions before it, over the whole sample; a declared regime is the last
        one stamped before the session.

    """
    net, sessions = result.over_cash(result.returns), result.sessions
    own = market.reindex(sessions)
    cuts: list[tuple[str, str, Mask]] = [
        ("market", "up", (own > 0).to_numpy()),
        ("market", "down", (own < 0).to_numpy()),
    ]
    wild = market.rolling(_VOLATILITY, min_periods=_FEWEST).std().shift(1).reindex(sessions)
    if wild.notna().sum() >= 3 * _FEWEST:
        low, high = wild.quantile([1 / 3, 2 / 3])
        cuts += [
            ("volatility", "low", (wild <= low).to_numpy()),
            ("volatility", "middle", ((wild > low) & (wild <= high)).to_numpy()),
            ("volatility", "high", (wild > high).to_numpy()),
        ]
    if declared is not None:
        every = declared.index.union(sessions)
        known = declared.reindex(every).ffill().shift(1).reindex(sessions)
        named = sorted(known.dropna().unique(), key=str)
        cuts += [("declared", str(name), (known == name).to_numpy()) for name in named]
    rows = []
    for kind, name, mask in cuts:
        values = net.to_numpy()[mask]
        ratio, low_end, high_end = sharpe_interval(values) if len(values) >= _FEWEST else (math.nan,) * 3
        moved = values[values != 0]
        rows.append(
            {
                "kind": kind,
                "regime": name,
                "n": len(values),
                "return_ann": float(values.mean()) * SESSIONS_A_YEAR if len(values) else math.nan,
                "sharpe": ratio,
                "low": low_end,
                "high": high_end,
                "hit": float((moved > 0).mean()) if len(moved) else math.nan,
            }
        )
    return pd.DataFrame(rows)


def crises(result: BacktestResult, market: pd.Series) -> pd.DataFrame:
    """Each crisis that the sessions cover whole: net and market return, largest net drawdown inside, n."""
    rows = []
    for name, start, end in CRISES:
        if result.sessions[0] > pd.Timestamp(start) or result.sessions[-1] < pd.Timestamp(end):
            continue
        net = result.returns.loc[start:end]
        if not len(net):
            continue
        beside = market.reindex(net.index)
        rows.append(
            {
                "crisis": name,
                "start": start,
                "end": end,
                "net": float(np.prod(1 + net.to_numpy(dtype=np.float64))) - 1,
                "market": float(np.prod(1 + beside.fillna(0.0).to_numpy(dtype=np.float64))) - 1,
                "drawdown": float(drawdown_series(net).min()),
                "n": len(net),
            }
        )
    return pd.DataFrame(rows, columns=["crisis", "start", "end", "net", "market", "drawdown", "n"])


def days(result: BacktestResult, book: Book, parts: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """The ten worst and the ten best sessions, the worst first: what the factors, the assets' own and costs made.

    Returns
    -------
    DataFrame
        session, net, factors, own (with what fills inside the session made), costs (and interest), which sum to net;
        style, the factor that made most of it; positions, the three assets that made most.

    """
    order = book.net.sort_values(kind="stable").index
    few = min(_DAYS, len(order) // 2)
    rows, named = [], [*order[:few], *order[len(order) - few :]]
    assets = by_asset(book, named)
    for session in named:
        net, today = float(book.net[session]), parts.loc[session]
        styled, own = today[factors], float(today["own"] + today["fills"])
        sign = -1.0 if net < 0 else 1.0
        largest = (sign * assets.loc[session]).sort_values(ascending=False, kind="stable").index[:_NAMED]
        rows.append(
            {
                "session": session,
                "net": net,
                "factors": float(styled.sum()),
                "own": own,
                "costs": net - float(styled.sum()) - own,
                "style": str((sign * styled).idxmax()),
                "positions": ", ".join(f"{name} {assets.loc[session, name]:+.2%}" for name in largest),
            }
        )
    return pd.DataFrame(rows)
