"""A run against styles, sectors and factors of one's own: what is left, and where its return came from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from assay.data.card import plural
from assay.data.characteristics import each_characteristic
from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.engine.result import BacktestResult
from assay.results.checks.styles import Styles
from assay.results.evidence.attribution import attribution_table, book_of, by_factor
from assay.results.evidence.regimes import crises, days, legs, regimes
from assay.results.evidence.skill import alpha_line, money_metrics, risk_of, skill_metrics, skill_of, skill_table
from assay.results.gate.drift import drift
from assay.results.stats.holding_period import (
    HORIZONS,
    holding_returns,
    rank_persistence,
    score_quantiles,
    turnover_in_ic,
)
from assay.results.stats.information_coefficient import ic_metrics, ic_table, quantile_returns
from assay.results.stats.long_run_variance import critical_value, hac_mean
from assay.results.stats.performance import Metric, sharpe_interval
from assay.results.stats.skill import Skill, skill_t
from assay.results.stats.styles import AfterFactors, StyleModel, after_factors, residual_returns, style_model

__all__ = ["StyleInputs", "against_styles", "score_distribution"]

#: Assets below which a cross-section says nothing of styles.
_FEWEST = 10
#: Quantiles of the finer table; it needs two names in each.
_TENTHS = 10
#: Sessions before the first decision that characteristics reach back for; the slowest window twice.
_HISTORY = 504


@dataclass(frozen=True, eq=False)
class StyleInputs:
    """What styles are made of beside prices and volume.

    Parameters
    ----------
    sectors : asset → sector.
    caps : market values, currency, by date and asset.
    factors : (T, F) returns a session of factors of one's own, stamped with the period's end.
    regimes : session → regime of one's own, for the tables of regimes.

    Examples
    --------
    >>> StyleInputs(sectors=pd.Series({"AAPL": "Technology", "XOM": "Energy"})).sectors["XOM"]
    'Energy'

    """

    sectors: pd.Series | None = None
    caps: pd.DataFrame | None = None
    factors: pd.DataFrame | None = None
    regimes: pd.Series | None = None


def against_styles(
    result: BacktestResult,
    predictions: PredictionPanel,
    prices: PricePanel,
    inputs: StyleInputs | None = None,
    *,
    analyses: bool = True,
) -> tuple[Styles, dict[str, pd.DataFrame]]:
    """The figures of a run after styles, and the tables behind them.

    What the factors earned for the positions held is taken off each session's return; what is left is regressed on the
    benchmark, the factors and factors of one's own, so that exposures that the characteristics miss go too. Its
    intercept is the alpha after styles, the intercept and its residuals make the Sharpe ratio.

    Parameters
    ----------
    result, predictions, prices : of a backtest; prices with every asset that is held, from before the first decision.
    inputs : what is known beside them.
    analyses : False leaves out what rests on no style (legs, regimes, crises, days, how long the score lasts) and the
        attribution, which take most of the time.

    Returns
    -------
    check : the figures.
    tables : style_returns (what a unit of each factor earned), style_exposures (of the book, at the close before),
        style_parts (the net return by factor, own, fills, interest and costs), attribution, legs, regimes, crises and
        days; where there are scores skill_styles, holding_period (returns of the fifths by how long they are held) and
        rank_persistence.

    """
    inputs = StyleInputs() if inputs is None else inputs
    first = max(0, int(prices.sessions.searchsorted(result.sessions[0])) - _HISTORY)
    held = [] if result.holdings is None else list(result.holdings.columns)
    assets = [name for name in prices.assets if name in predictions.assets]
    if len(assets) < _FEWEST:
        return Styles((), (), note=f"{plural(len(assets), 'asset')}; styles need {_FEWEST}", few=True), {}
    universe = prices.between(prices.sessions[first], result.sessions[-1])
    traded = universe.select([name for name in prices.assets if name in set(held)]) if held else universe
    universe = universe.select(assets)
    model = _model_of(universe, inputs)
    sessions = result.sessions
    known = model.returns.reindex(sessions).notna().all(axis="columns")
    book = book_of(result, traded)
    if book is None:
        return Styles((), (), note="the accounting keeps no holdings, so that exposures are not known"), {}
    if known.sum() < _FEWEST:
        return Styles((), (), note="too few assets with a price for a cross-section", few=True), {}
    parts, exposures = by_factor(book, model)
    tables = {
        "style_returns": model.returns.reindex(sessions), "style_exposures": exposures, "style_parts": parts,
    }  # fmt: skip
    if analyses:
        market = model.returns["market"] if result.benchmark is None else result.benchmark
        every = pd.concat([model.returns["market"].loc[: sessions[0]].iloc[:-1], market.reindex(sessions)])
        tables |= {
            "attribution": attribution_table(book, parts, result, inputs.sectors),
            "legs": legs(result, book),
            "regimes": regimes(result, every, inputs.regimes),
            "crises": crises(result, market),
            "days": days(result, book, parts, list(model.returns.columns)),
        }
    del book  # its tables are as large as the panel
    explained = parts[list(model.returns.columns)].sum(axis="columns")
    net, gross = (
        _after(result, returns - explained, model, inputs) for returns in (result.returns, result.gross_returns)
    )
    metrics = [
        *_left(net, "net", against=result.benchmark is not None),
        *_left(gross, "gross", against=result.benchmark is not None),
        Metric("styles_r2", float(model.r2.reindex(sessions).mean()), "fraction",
               "of the assets' variation on a session that the factors explain, mean over sessions",
               n=int(known.sum())),
    ]  # fmt: skip
    more, skill = _of_scores(result, predictions, universe, model)
    named = (*model.returns.columns, *(() if inputs.factors is None else map(str, inputs.factors.columns)))
    money: list[Metric] = []
    if skill is not None:
        tables["skill_styles"] = skill_table(skill)
        if net.line is not None:
            money = money_metrics(skill, result, net.line, net.index, "_styles")
    del model, skill
    metrics += more
    if analyses:
        tables |= _holding(result, predictions, universe)
        adjusted, distribution = _after_turnover(result, predictions, universe)
        metrics += adjusted
        tables |= distribution
    metrics += money
    line = alpha_line(result)
    return Styles(named, tuple(metrics), math.nan if line is None else line.alpha_t), tables


def _model_of(universe: PricePanel, inputs: StyleInputs) -> StyleModel:
    """Factor returns of the universe, with the returns of who was a member when the return began."""
    returns = simple_returns(universe.close)
    if universe.members is not None:
        returns = returns.where(universe.members.shift(1, fill_value=False))
    return style_model(returns, each_characteristic(universe, caps=inputs.caps), inputs.sectors)


@dataclass(frozen=True, eq=False)
class _Left:
    """What the positions' factors leave, on the factors; the line is None where there is too little of it."""

    line: AfterFactors | None
    index: pd.Index


def _after(result: BacktestResult, left: pd.Series, model: StyleModel, inputs: StyleInputs) -> _Left:
    styles = [name for name in model.returns.columns if inputs.sectors is None or name not in set(inputs.sectors)]
    columns = {"left": result.over_cash(left), **{name: model.returns[name].reindex(left.index) for name in styles}}
    if result.benchmark is not None:
        columns["the benchmark"] = result.over_cash(result.benchmark)
    if inputs.factors is not None:
        columns |= {f"own factor {name}": inputs.factors[name].reindex(left.index) for name in inputs.factors}
    both = pd.DataFrame(columns).dropna()
    line = after_factors(
        both["left"].to_numpy(), {name: both[name].to_numpy() for name in both.columns if name != "left"}
    )
    return _Left(line, both.index)


def _left(left: _Left, kind: str, *, against: bool) -> list[Metric]:
    """Alpha, its t and the Sharpe ratio of what the positions' factors leave."""
    line, n = left.line, len(left.index)
    names = (("alpha_ann_styles", "fraction a year"), ("alpha_t_styles", "t"), ("sharpe_styles", "ratio"))
    if line is None:
        why = f"{plural(n, 'session')} with every factor: too few, or nothing varies after them"
        return [Metric(f"{name}_{kind}", math.nan, unit, kind, n=n, reason=why) for name, unit in names]
    start, end = str(left.index[0].date()), str(left.index[-1].date())
    used = sum(1 for beta in line.betas.values() if beta)
    text = (
        f"{kind} · returns less exposures × factor returns, regressed on {used} factors"
        f"{' and the benchmark' if against else ''} · Newey–West, lag {line.lag}, critical {line.critical:.2f}"
    )
    alpha, half = line.alpha * SESSIONS_A_YEAR, line.critical * line.alpha_error * SESSIONS_A_YEAR
    ratio, low, high = sharpe_interval(line.residuals, SESSIONS_A_YEAR)
    values = ((alpha, alpha - half, alpha + half), (line.t, None, None), (ratio, low, high))
    return [
        Metric(f"{name}_{kind}", value, unit, text, lo, hi, n, start, end, "" if math.isfinite(value) else "not finite")
        for (name, unit), (value, lo, hi) in zip(names, values, strict=True)
    ]


def _holding(result: BacktestResult, predictions: PredictionPanel, prices: PricePanel) -> dict[str, pd.DataFrame]:
    """What the fifths of the score earn held for 1 to 60 sessions, and how fast the ranking turns over."""
    execution, view = result.config["execution"], predictions.view
    if not np.isfinite(view.to_numpy(dtype=np.float64)).any():
        return {}
    ahead = (
        (horizon, forward_returns(prices, horizon=horizon, delay=execution["delay"], fill=execution["fill"]))
        for horizon in HORIZONS
        if horizon + execution["delay"] < len(view)
    )
    held = holding_returns(score_quantiles(view), ahead)
    tables = {"holding_period": held, "rank_persistence": rank_persistence(view)}
    if view.shape[1] >= 2 * _TENTHS:
        window = forward_returns(
            prices, horizon=predictions.horizon, delay=execution["delay"], fill=execution["fill"]
        )
        tables["deciles"] = quantile_returns(view, window, quantiles=_TENTHS, horizon=predictions.horizon).table
    return tables


def _after_turnover(
    result: BacktestResult, predictions: PredictionPanel, prices: PricePanel
) -> tuple[list[Metric], dict[str, pd.DataFrame]]:
    """The rank IC less what its turnover costs, and how the scores are distributed, year by year."""
    execution, view = result.config["execution"], predictions.view
    if not np.isfinite(view.to_numpy(dtype=np.float64)).any():
        return [], {}
    horizon = predictions.horizon
    ahead = forward_returns(prices, horizon=horizon, delay=execution["delay"], fill=execution["fill"])
    costs = result.config["costs"]
    rate = (costs["commission_bps"] + costs["spread_bps"]) / 1e4
    daily = ic_table(view, ahead)["rank_ic"] - turnover_in_ic(view, ahead, rate, horizon=horizon)
    known = daily.dropna()
    mean, error, t, lag = hac_mean(known.to_numpy(), horizon=horizon)
    tables = {"score_distribution": score_distribution(view)}
    if not math.isfinite(error):
        return [], tables
    half = critical_value(len(known), lag) * error
    text = (
        f"rank IC less the IC that pays {1e4 * rate:g} bps a unit traded, fifths rebalanced every {horizon} sessions"
        f" · Newey–West, lag {lag}, t {t:.1f}"
    )
    start, end = str(known.index[0].date()), str(known.index[-1].date())
    values = (mean, "correlation", text, mean - half, mean + half, len(known), start, end)
    return [Metric("turnover_adjusted_ic", *values)], tables


def score_distribution(view: pd.DataFrame) -> pd.DataFrame:
    """A row a calendar year: how the scores are distributed, and whether as in the years before.

    Returns
    -------
    DataFrame
        sessions, names (mean a session), mean, deviation, p05, median, p95, above_0 (share), psi (population stability
        index against all years before) and limit (what it stays below in 95% of samples without drift); NaN in the
        first.

    """
    rows = {}
    values = view.to_numpy(dtype=np.float64)
    years = pd.DatetimeIndex(view.index).year
    for year in np.unique(years):
        own = values[years == year]
        known = own[np.isfinite(own)]
        if not len(known):
            continue
        moved = drift("score", values[years < year], own)
        low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
        rows[int(year)] = {
            "sessions": len(own), "names": np.isfinite(own).sum(axis=1).mean(), "mean": known.mean(),
            "deviation": known.std(), "p05": low, "median": middle, "p95": high, "above_0": (known > 0).mean(),
            "psi": math.nan if moved is None else moved.psi, "limit": math.nan if moved is None else moved.limit,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("year")


def _of_scores(
    result: BacktestResult, predictions: PredictionPanel, prices: PricePanel, model: StyleModel
) -> tuple[list[Metric], Skill | None]:
    """IC on what is left of forward returns, and skill with styles and sectors projected out."""
    execution, out = result.config["execution"], []
    ahead = forward_returns(
        prices, horizon=predictions.horizon, delay=execution["delay"], fill=execution["fill"]
    )
    view = predictions.view
    if np.isfinite(view.to_numpy(dtype=np.float64)).any():
        same = ahead.index.equals(view.index) and ahead.columns.equals(view.columns)
        onward = ahead if same else ahead.reindex(index=view.index, columns=view.columns)
        daily = ic_table(view, residual_returns(onward, model))
        del onward
        for item in ic_metrics(daily, predictions.horizon):
            if item.name in ("rank_ic_mean", "rank_ic_t"):
                text = f"against forward returns after styles · {item.convention}"
                out.append(replace(item, name=item.name.replace("rank_ic", "rank_ic_styles"), convention=text))
    loadings = model.at(view.index, view.columns, absent=math.nan)
    taken = {name: rows for name, rows in loadings.items() if name != "beta"}
    risk = risk_of(predictions, prices)
    before = skill_of(predictions, prices, forward=ahead, risk=risk)
    known = None if before is None else before.known
    del before  # its tables are as large as the panel
    skill = skill_of(predictions, prices, forward=ahead, styles=taken, risk=risk)
    if skill is None:
        return out, None
    if known is not None:
        out.append(_share(skill, known))
    for item in skill_metrics(skill, result):
        if item.name in ("skill_ic", "skill_t", "skill_e"):
            text = item.convention.replace("a constant and beta", "a constant, beta, styles and sectors")
            out.append(replace(item, name=f"{item.name}_styles", convention=text))
    return out, skill


def _share(skill: Skill, whole: pd.DataFrame) -> Metric:
    """IC after styles over IC after beta, on the sessions that have both; paired, so that what both share cancels."""
    left, before = (item["x"] / np.sqrt(item["df"]) for item in (skill.known, whole))
    both = pd.concat({"left": left, "before": before}, axis="columns", join="inner", sort=True).dropna()
    text = "IC after styles and sectors over IC after beta · paired, delta method"
    if len(both) < 2 or not float(both["before"].mean()) > 0:
        why = "no skill after beta that styles could explain"
        return Metric("skill_share_styles", math.nan, "share", text, n=len(both), reason=why)
    mean = float(both["before"].mean())
    share = float(both["left"].mean()) / mean
    _, error, _, critical = skill_t((both["left"] - share * both["before"]).to_numpy(), horizon=skill.horizon)
    half = critical * error / mean
    start, end = str(both.index[0].date()), str(both.index[-1].date())
    return Metric("skill_share_styles", share, "share", text, share - half, share + half, len(both), start, end)
