"""What the study of the gate's power simulates: markets, score panels through S2, and every figure the gate reads.

A unit of work is one market with all the panels that are run on it; its outcomes lie in one file under the work folder,
so that a study that was killed goes on.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.errors import BacktestError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.data.synthetic import score_panel
from assay.engine.batch import BatchResult, simulate_batch
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.family_wise import family_wise
from assay.results.stats.long_run_variance import hac_mean, regress
from assay.results.stats.overfitting import probability_of_overfitting
from assay.results.stats.ranks import rank_correlation
from assay.results.stats.skill import Risk, average_error, evidence_path, skill_series, skill_t, trailing_risk
from assay.results.stats.superior_ability import superior_ability
from assay.strategies.base import decide
from assay.strategies.overlays import kill_switch_state, smooth_weights, vol_target_factor
from studies.calibration_runs import COSTS, EXECUTION, ICS, STARTS, Floats, Market, sample, scores, synthetic
from studies.calibration_runs import _market as market_from

#: In every seed sequence of this study; none is used by another.
NOISE, SKILL, ROUND, LUCK, OVERLAP = 61, 62, 63, 64, 65
TRIED = 100
#: Sessions before the first score of the structured markets, for betas.
BURN = 300
KINDS = ("ar5", "ar120", "constant", "volatility", "momentum20", "sector", "beta")
#: Sessions that a prediction spans, and kinds of scores, where windows overlap.
HORIZONS = (5, 20)
SLOW = ("ar5", "ar120", "momentum20")
#: First look, and sessions between looks.
FIRST, STEP = 252, 21
NEEDED = 20.0


@dataclass(frozen=True, eq=False)
class Place:
    """A market and what is known of its risk.

    Parameters
    ----------
    where : prices, benchmark and forward returns of the sessions traded.
    risk : with rows before the first score where the market has a past.
    residual : forward returns after the betas that made them, where skill beyond beta is planted; else None.
    past : (T', N) closes from the beginning of the past.
    sectors : (N,) numbers of sectors, or None.

    """

    where: Market
    risk: Risk
    residual: pd.DataFrame | None = None
    past: pd.DataFrame | None = None
    sectors: npt.NDArray[np.int64] | None = None


def place(name: str, seed: int) -> Place:
    """A market by name; the sample is the same for every seed."""
    if name == "structured":
        return _structured(seed)
    where = sample(name) if name in STARTS else synthetic(name, seed)
    return Place(where, trailing_risk(simple_returns(where.prices.close)))


def _structured(seed: int, sessions: int = 1000, assets: int = 20) -> Place:
    """Betas 0.4 to 1.6, five sectors, Student's t of 4 and 5 degrees, GARCH, a premium of 0.04% a session."""
    rng = np.random.default_rng([45, seed])
    total = sessions + BURN
    shocks = rng.standard_t(5, total) / math.sqrt(5 / 3)
    variance, market = np.ones(total), np.empty(total)
    for t in range(total):
        if t:
            variance[t] = 0.03 + 0.09 * (market[t - 1] / 0.01) ** 2 + 0.88 * variance[t - 1]
        market[t] = 0.01 * math.sqrt(variance[t]) * shocks[t]
    market += 0.0004
    beta, sectors = rng.uniform(0.4, 1.6, assets), np.arange(assets) % 5
    factor = 0.007 * np.sqrt(variance)[:, None] * rng.standard_t(5, (total, 5)) / math.sqrt(5 / 3)
    size = rng.uniform(0.009, 0.024, assets) * (0.6 + 0.4 * beta)
    own = size * variance[:, None] ** 0.25 * rng.standard_t(4, (total, assets)) / math.sqrt(2)
    returns = np.clip(beta * market[:, None] + factor[:, sectors] + own, -0.5, 0.5)
    dates, names = pd.bdate_range("2008-01-01", periods=total), [f"A{i:03d}" for i in range(assets)]
    close = pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates, names)
    where = market_from(PricePanel(close.iloc[BURN:]), None)
    residual = where.forward - np.outer(where.forward.mean(axis=1), beta)
    return Place(where, trailing_risk(simple_returns(close)), residual, close, sectors)


def informed(at: Place, ic: float, seed: int) -> PredictionPanel:
    """Scores with a planted IC, half-life 5; of structured markets with what is left after beta."""
    if at.residual is None:
        return scores(at.where, ic, seed)
    return score_panel(at.residual, ic, at.where.half_life, seed, lasting=ic > 0)


def uninformed(at: Place, kind: str, seed: int) -> PredictionPanel:
    """Scores that know nothing of residual returns: slow ones, or functions of past prices that load on structure."""
    rng = np.random.default_rng([46, seed])
    index, columns = at.where.forward.index, at.where.forward.columns
    count, assets = at.where.forward.shape
    assert at.past is not None
    assert at.sectors is not None
    returns = at.past.pct_change()

    def slow(half_life: float, width: int) -> Floats:
        phi = 0.5 ** (1 / half_life)
        out = rng.standard_normal((count, width))
        out[1:] *= math.sqrt(1 - phi**2)
        for t in range(1, count):
            out[t] += phi * out[t - 1]
        return out

    def standard(frame: pd.DataFrame) -> Floats:
        rows = frame.loc[index]
        return rows.sub(rows.mean(axis=1), axis=0).div(rows.std(axis=1), axis=0).to_numpy()

    if kind == "ar5":
        values = slow(5, assets)
    elif kind == "ar120":
        values = slow(120, assets)
    elif kind == "constant":
        values = rng.standard_normal(assets) + 0.1 * rng.standard_normal((count, assets))
    elif kind == "volatility":
        values = standard(returns.rolling(60).std())
    elif kind == "momentum20":
        values = standard(at.past.pct_change(20))
    elif kind == "sector":
        values = slow(20, 5)[:, at.sectors] + 0.3 * slow(5, assets)
    else:
        values = standard(returns.rolling(120).cov(returns.mean(axis=1)))
    return PredictionPanel(pd.DataFrame(0.001 * values, index, columns), horizon=1, delay=1, name=kind)


def through(at: Place, panels: Sequence[PredictionPanel]) -> tuple[BatchResult, Floats]:
    """Panels through S2 with its overlays, as `assay.engine.batch.backtest_batch`, and the final weights (R, T, N)."""
    prices, overlays = at.where.prices, at.where.strategy.overlays
    weights = np.stack([decide(at.where.strategy, panel, prices).weights.to_numpy() for panel in panels])
    runs, count, assets = weights.shape
    index = prices.sessions[:count]
    if overlays.smoothing:
        wide = pd.DataFrame(np.moveaxis(weights, 0, 1).reshape(count, runs * assets), index)
        smooth = smooth_weights(wide, overlays.smoothing).to_numpy()
        weights = np.moveaxis(smooth.reshape(count, runs, assets), 1, 0)
    scale: Floats | None = None

    def earned() -> list[pd.Series]:
        found = simulate_batch(prices, weights, costs=COSTS, execution=EXECUTION, scale=scale)
        out = []
        for net, traded in zip(found.net, found.turnover > 0, strict=True):
            series = pd.Series(net, found.sessions)
            series.iloc[: int(traded.argmax()) if traded.any() else len(traded)] = np.nan
            out.append(series)
        return out

    if overlays.vol_target is not None:
        scale = np.stack([vol_target_factor(net, overlays.vol_target).to_numpy()[:count] for net in earned()])
    if overlays.kill_switches:
        off = np.stack([kill_switch_state(net).to_numpy().any(axis=1)[:count] for net in earned()])
        scale = np.where(off, 0.0, np.ones((runs, count)) if scale is None else scale)
    result = simulate_batch(prices, weights, costs=COSTS, execution=EXECUTION, scale=scale)
    return result, weights if scale is None else weights * scale[:, :, None]


@dataclass(frozen=True, eq=False)
class Run:
    """One run, session by session: net and gross returns, turnover, short exposure, x, df, slope, Σ weight·σ·score."""

    net: Floats
    gross: Floats
    benchmark: Floats
    turnover: Floats
    short: Floats
    x: Floats
    df: Floats
    slope: Floats
    loading: Floats
    rank_ic: Floats

    def until(self, session: int) -> Run:
        """What is known at the close of a session: x of a stamp is known two sessions later."""
        daily = ("net", "gross", "benchmark", "turnover", "short")
        parts = {name: getattr(self, name)[: session + 1] for name in daily}
        stamped = {name: getattr(self, name)[: session - 1] for name in ("x", "df", "slope", "loading", "rank_ic")}
        return replace(self, **parts, **stamped)


def paths(at: Place, panels: Sequence[PredictionPanel]) -> list[Run]:
    """Every panel's run."""
    result, weights = through(at, panels)
    forward = at.where.forward
    out = []
    for i, panel in enumerate(panels):
        score = panel.require_score("study")
        skill = skill_series(score, forward, at.risk)
        held = pd.DataFrame(weights[i], score.index, score.columns)
        loading = (held * skill.volatility.fillna(0.0) * skill.scores).sum(axis="columns").to_numpy()
        ranked = rank_correlation(score.to_numpy(), forward.reindex(columns=score.columns).to_numpy())[0]
        short = 0.5 * (result.gross_exposure[i] - result.net_exposure[i])
        out.append(
            Run(result.net[i], result.gross[i], at.where.benchmark[: len(result.net[i])], result.turnover[i], short,
                  skill.x.to_numpy(), skill.df.to_numpy(), skill.slope.to_numpy(), loading, ranked)
        )  # fmt: skip
    return out


def money(path: Run) -> dict[str, float]:
    """The figures of a run that are about money, as the product makes them."""
    line = regress(path.net, path.benchmark)
    assert line is not None
    known = np.isfinite(path.x)
    cost = float((path.gross - path.net).mean())
    earned = np.where(known, path.slope, np.nan) * float(path.loading[known].mean()) - cost
    implied = float(np.nanmean(earned))
    placed = np.full(len(path.net), np.nan)
    placed[2 : 2 + len(earned)] = earned[: len(path.net) - 2]
    error, critical = average_error(line.residuals, placed)
    traded = 2 * float(path.turnover.mean())
    trading = traded * COSTS.traded_rate
    nav = np.cumprod(1 + path.net)
    expected = (line.alpha + implied) / 2
    return {
        "alpha": 252 * line.alpha,
        "expected": 252 * expected,
        "ratio": 1 + expected / trading,
        "ratio_high": 1 + (expected + critical * error) / trading,
        "gap": (line.alpha - implied) / line.alpha_error,
        "ratio_alpha": 1 + line.alpha / trading,
        "ratio_implied": 1 + implied / trading,
        "implied": 252 * implied,
        "drawdown": float((nav / np.maximum(np.maximum.accumulate(nav), 1.0)).min() - 1),
        "turnover": 252 * traded / 2,
        "alpha_t": line.alpha_t,
    }


def sound(figures: dict[str, float]) -> bool:
    """Whether the money passes what the production policy asks of it."""
    return figures["ratio_high"] >= 2 and _rest(figures)


def sound_at_the_point(figures: dict[str, float]) -> bool:
    """The same with the estimate of the break-even cost itself at twice the assumed one."""
    return figures["ratio"] >= 2 and _rest(figures)


def _rest(figures: dict[str, float]) -> bool:
    return (
        figures["expected"] > 0
        and figures["gap"] >= -2.5
        and figures["drawdown"] >= -0.25
        and figures["turnover"] <= 100
    )


def judged(path: Run, tried: int = 1) -> dict[str, float]:
    """Everything about one run that the tables count, for evidence that has to reach 20 × `tried`."""
    known = np.isfinite(path.x)
    log_e = np.full(len(path.x), -math.inf)
    log_e[known] = evidence_path(path.x[known], path.df[known])
    log_e = _carried(log_e)
    t = skill_t(path.x[known])[2]
    total, square = np.cumsum(np.where(known, path.x, 0.0)), np.cumsum(np.where(known, path.x**2, 0.0))
    looks = [*range(FIRST, len(path.net) - 1, STEP), len(path.net) - 1]
    stamps = [look - 2 for look in looks]
    hurdle = math.log(NEEDED * tried)
    crossing = [look for look, stamp in zip(looks, stamps, strict=True) if log_e[stamp] >= hurdle]
    monthly, point = -1, -1
    for look in crossing:
        figures = money(path.until(look))
        monthly = look if monthly < 0 and sound(figures) else monthly
        point = look if point < 0 and sound_at_the_point(figures) else point
        if min(monthly, point) >= 0:
            break
    at_end = money(path)
    ever = max(float(log_e[stamp]) for stamp in stamps)
    naive = max(float(total[stamp] / math.sqrt(square[stamp])) for stamp in stamps if square[stamp] > 0)
    ranks = path.rank_ic[np.isfinite(path.rank_ic)]
    return {
        "t": t, "log_e": float(log_e[stamps[-1]]), "log_e_max": ever, "naive_max": naive, "skew": _skew(path.x[known]),
        "first_pass": float(monthly), "first_point": float(point), "sound": float(sound(at_end)),
        "sound_point": float(sound_at_the_point(at_end)), "rank_t": hac_mean(ranks)[2], **at_end, **_old(path, at_end),
    }  # fmt: skip


def _skew(x: Floats) -> float:
    return float(((x - x.mean()) ** 3).mean() / x.std() ** 3)


def _carried(log_e: Floats) -> Floats:
    """The last known value; 0 before the first."""
    return pd.Series(np.where(np.isfinite(log_e), log_e, np.nan)).ffill().fillna(0.0).to_numpy()


def _old(path: Run, figures: dict[str, float], sharpes: Floats | None = None) -> dict[str, float]:
    """The rules until now: rank IC t and alpha t ≥ 2, residual DSR ≥ 0.95, drawdown, turnover, break-evens."""
    line = regress(path.net, path.benchmark)
    assert line is not None
    own = np.array([path.net.mean() / path.net.std(ddof=1)]) if sharpes is None else sharpes
    deflated = deflated_sharpe(line.residuals, own).probability
    traded = 2 * float(path.turnover.mean())
    even = 1e4 * (float(path.net.mean()) + traded * COSTS.traded_rate) / traded
    carried = float(path.gross.mean()) - traded * COSTS.traded_rate
    borrow = 252e4 * carried / float(path.short.mean()) if path.short.mean() > 0 else math.nan
    ranks = path.rank_ic[np.isfinite(path.rank_ic)]
    passed = (
        hac_mean(ranks)[2] >= 2 and line.alpha_t >= 2 and deflated >= 0.95 and figures["drawdown"] >= -0.25
        and figures["turnover"] <= 100 and even >= 10 and borrow >= 100
    )  # fmt: skip
    return {"old": float(passed), "deflated": deflated}


def seed_of(part: int, name: str, *numbers: int) -> int:
    """One seed a panel, different in every part and on every market."""
    kinds = ("quiet", "drift", "sample", "wide", "structured")
    return int(np.random.SeedSequence([part, kinds.index(name), *numbers]).generate_state(1)[0])


def noise(name: str, i: int) -> dict[str, Any]:
    """One market and one panel that knows nothing; of structured markets one of each kind."""
    seed = seed_of(NOISE, name, i)
    at = place(name, seed)
    kinds = KINDS if name == "structured" else ("scores",)
    panels = [uninformed(at, kind, seed) if name == "structured" else informed(at, 0.0, seed) for kind in kinds]
    return {kind: judged(path) for kind, path in zip(kinds, paths(at, panels), strict=True)}


def skill(name: str, i: int) -> dict[str, Any]:
    """One market and one panel at each IC."""
    seed = seed_of(SKILL, name, i)
    at = place(name, seed)
    found = paths(at, [informed(at, ic, seed) for ic in ICS])
    return {f"{ic:g}": judged(path) for ic, path in zip(ICS, found, strict=True)}


def rounds(name: str, i: int) -> dict[str, Any]:
    """100 panels that know nothing on one market, and one at each IC in the place of the first."""
    at = place(name, seed_of(ROUND, name, i))
    none = paths(at, [informed(at, 0.0, seed_of(ROUND, name, i, k)) for k in range(TRIED)])
    able = paths(at, [informed(at, ic, seed_of(ROUND, name, i, TRIED)) for ic in ICS])
    sharpes = np.array([path.net.mean() / path.net.std(ddof=1) for path in none])
    ts = np.array([skill_t(path.x[np.isfinite(path.x)])[2] for path in none])
    out = {
        "best sharpe": _among(none, int(sharpes.argmax())),
        "best t": _among(none, int(ts.argmax())),
    }
    for ic, path in zip(ICS, able, strict=True):
        out[f"{ic:g}"] = _among([path, *none[1:]], 0)
    return out


def _among(tried: list[Run], chosen: int) -> dict[str, float]:
    """What every way of counting says of one of many trials."""
    own = tried[chosen]
    found = judged(own, len(tried))
    x = np.stack([path.x for path in tried], axis=1)
    net = np.stack([path.net for path in tried], axis=1)
    sharpes = net.mean(axis=0) / net.std(axis=0, ddof=1)
    found["max_t_p"] = float(family_wise(x, draws=2000).adjusted[chosen])
    found |= _old(own, found, sharpes)
    try:
        choice = superior_ability(net, draws=500)
        found |= {"spa_p": choice.consistent, "step_p": float(choice.adjusted[chosen])}
    except BacktestError:
        found |= {"spa_p": math.nan, "step_p": math.nan}
    found["pbo"] = probability_of_overfitting(net).probability
    return found


def luck(name: str, i: int) -> dict[str, Any]:
    """100 panels that know nothing on one market, their scores alone: what the most skilful of them looks like."""
    at = place(name, seed_of(LUCK, name, i))
    panels = [informed(at, 0.0, seed_of(LUCK, name, i, k)) for k in range(TRIED)]
    series = [skill_series(panel.require_score("study"), at.where.forward, at.risk) for panel in panels]
    x = np.stack([item.x.to_numpy() for item in series], axis=1)
    found = family_wise(x, draws=2000)
    return {"best": {"t": float(np.nanmax(found.t)), "max_t_p": float(np.nanmin(found.adjusted))}}


def overlap(name: str, i: int) -> dict[str, Any]:
    """Scores that know nothing of windows of several sessions, and the evidence at every look and at every session."""
    at = place(name, seed_of(OVERLAP, name, i))
    assert at.past is not None
    out = {}
    for horizon in HORIZONS:
        forward = forward_returns(PricePanel(at.past), horizon=horizon, delay=1)
        for kind in SLOW:
            score = uninformed(at, kind, seed_of(OVERLAP, name, i)).require_score("study")
            known = skill_series(score, forward, at.risk, horizon=horizon).known
            path = evidence_path(known["x"].to_numpy(), known["df"].to_numpy(), horizon=horizon)
            looks = max(path[FIRST::STEP].max(), path[-1])
            out[f"{horizon} {kind}"] = {"looks": float(looks), "ever": float(path.max()), "end": float(path[-1])}
    return out


def violated(kind: str, paths: int, sessions: int = 1000, df: float = 18.0) -> Floats:
    """(paths,) highest log E, at any session, of x with mean 0 and variance 1 that is not symmetric or not independent.

    Parameters
    ----------
    kind : ``"normal"``; ``"skew S"`` with a gamma's skewness S; ``"t 4"``; ``"garch"``, symmetric with changing
        variance.

    """
    rng = np.random.default_rng([47, *kind.encode()])
    x = rng.standard_normal((paths, sessions))
    if kind.startswith("skew"):
        skew = float(kind.split()[1])
        shape = 4 / skew**2
        x = math.copysign(1.0, skew) * (rng.gamma(shape, size=x.shape) - shape) / math.sqrt(shape)
    elif kind == "t 4":
        x = rng.standard_t(4, x.shape) / math.sqrt(2)
    elif kind == "garch":
        variance = np.ones(paths)
        for t in range(sessions):
            x[:, t] *= np.sqrt(variance)
            variance = 0.05 + 0.1 * x[:, t] ** 2 + 0.85 * variance
    return np.array([evidence_path(row, np.full(sessions, df)).max() for row in x])


def made(folder: Path, make: Callable[[str, int], dict[str, Any]], part: str, name: str, i: int) -> None:
    """Simulate one unit of work, unless it lies in the folder."""
    path = _path(folder, part, name, i)
    if path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    found = make(name, i)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps(found), encoding="utf-8")
    os.replace(aside, path)


def stored(folder: Path, part: str, name: str, count: int) -> list[dict[str, Any]]:
    """Units 0 … count − 1 of a part that lie in the folder, in order, up to the first that does not."""
    found = []
    for i in range(count):
        path = _path(folder, part, name, i)
        if not path.is_file():
            break
        found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _path(folder: Path, part: str, name: str, i: int) -> Path:
    return folder / f"{part.replace(' ', '-')}-{name}-{i}.json"
