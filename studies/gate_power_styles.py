"""The production policy as it ships: what its rules on styles and on the universe add to the study of the gate's power.

Markets get what who trades for real has: every asset is a member by a file, synthetic markets have volume. The panels
are those of `studies.gate_power_runs`, by the same seeds, so that what lies there is judged again; for 100 trials only
the one that knows something is, since styles are asked of it alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.characteristics import characteristics
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import simple_returns
from assay.engine.backtest import run_backtest
from assay.results.evidence.attribution import book_of, by_factor
from assay.results.stats.skill import average_error, evidence_path, skill_series, skill_t
from assay.results.stats.styles import after_factors, style_model
from studies.calibration_runs import COSTS, EXECUTION, STARTS, Floats
from studies.gate_power_runs import (
    FIRST,
    KINDS,
    NEEDED,
    NOISE,
    ROUND,
    SKILL,
    STEP,
    TRIED,
    Place,
    Run,
    informed,
    money,
    paths,
    place,
    seed_of,
    sound,
    uninformed,
)

#: Threshold of the rule that was a second test: t of skill after styles; and that of the estimate in its place.
SECOND, HALF = 1.75, 0.5
#: The IC that is planted.
IC = 0.03


@dataclass(frozen=True, eq=False)
class Styled:
    """A run after styles, session by session.

    Parameters
    ----------
    path : the run after beta.
    x, df, slope, loading : (T,) as in `Run`, with styles and sectors projected out.
    left : (T,) net returns less what the factors earned for the positions held.
    factors : (T, K) returns of the benchmark and of the styles.

    """

    path: Run
    x: Floats
    df: Floats
    slope: Floats
    loading: Floats
    left: Floats
    factors: Floats

    def until(self, session: int) -> Styled:
        """What is known at the close of a session."""
        stamped = {name: getattr(self, name)[: session - 1] for name in ("x", "df", "slope", "loading")}
        daily = {name: getattr(self, name)[: session + 1] for name in ("left", "factors")}
        return replace(self, path=self.path.until(session), **stamped, **daily)


def furnished(at: Place, name: str, seed: int) -> PricePanel:
    """The market's closes from the beginning of its past, every asset a member, with volume where none is known."""
    close = at.where.prices.close if at.past is None else at.past
    volume = None
    if name not in STARTS:
        rng = np.random.default_rng([48, seed])
        drawn = rng.normal(14, 1, close.shape[1]) + 0.5 * rng.standard_normal(close.shape)
        volume = pd.DataFrame(np.exp(drawn), close.index, close.columns)
    return PricePanel(close, volume=volume, members=pd.DataFrame(True, close.index, close.columns))


def styled(
    at: Place, prices: PricePanel, panels: Sequence[PredictionPanel], *, by_sector: bool = False
) -> list[Styled]:
    """Every panel's run after styles, and after sectors where they are given."""
    assert at.sectors is not None or not by_sector
    sectors = pd.Series([f"sector {i}" for i in at.sectors], prices.assets) if by_sector else None
    model = style_model(simple_returns(prices.close), characteristics(prices), sectors)
    taken = {name: frame for name, frame in model.exposures.items() if name != "beta"}
    traded = prices.between(at.where.prices.sessions[0], None)
    benchmark = pd.Series(at.where.benchmark, traded.sessions)
    out = []
    for panel, path in zip(panels, paths(at, panels), strict=True):
        result = run_backtest(
            at.where.strategy, panel, traded, costs=COSTS, execution=EXECUTION, benchmark=benchmark
        )
        book = book_of(result, traded)
        assert book is not None
        assert result.target_weights is not None
        parts, _ = by_factor(book, model)
        skill = skill_series(panel.require_score("study"), at.where.forward, at.risk, styles=taken)
        held = result.target_weights.reindex(index=skill.scores.index, columns=skill.scores.columns).fillna(0.0)
        loading = (held * skill.volatility.fillna(0.0) * skill.scores).sum(axis="columns").to_numpy()
        styles = [name for name in model.returns.columns if sectors is None or name not in set(sectors)]
        factors = model.returns[styles].reindex(result.sessions).assign(benchmark=benchmark)
        left = result.returns - parts[list(model.returns.columns)].sum(axis="columns")
        out.append(
            Styled(path, skill.x.to_numpy(), skill.df.to_numpy(), skill.slope.to_numpy(), loading, left.to_numpy(),
                   factors.to_numpy())
        )  # fmt: skip
    return out


def money_after(run: Styled) -> dict[str, float]:
    """The figures about money after styles, as the product makes them."""
    whole = np.isfinite(run.factors).all(axis=1)
    columns = {str(i): run.factors[whole, i] for i in range(run.factors.shape[1])}
    line = after_factors(run.left[whole], columns)
    assert line is not None
    known = np.isfinite(run.x)
    cost = float((run.path.gross - run.path.net).mean())
    earned = np.where(known, run.slope, np.nan) * float(run.loading[known].mean()) - cost
    placed = np.full(len(run.left), np.nan)
    placed[2 : 2 + len(earned)] = earned[: len(run.left) - 2]
    error, critical = average_error(line.residuals, placed[whole])
    expected = (line.alpha + float(np.nanmean(earned))) / 2
    return {
        "expected_styles": 252 * expected,
        "expected_styles_high": 252 * (expected + critical * error),
        "alpha_t_styles": line.t,
    }


def skill_after(run: Styled) -> dict[str, float]:
    """The share of the skill that styles leave, and the t of what is left."""
    known = np.isfinite(run.x) & np.isfinite(run.path.x)
    left, whole = (
        float((x[known] / np.sqrt(df[known])).mean()) for x, df in ((run.x, run.df), (run.path.x, run.path.df))
    )
    return {"share": left / whole if whole > 0 else -1.0, "skill_t_styles": skill_t(run.x[np.isfinite(run.x)])[2]}


def _evidence(x: Floats, df: Floats) -> Floats:
    """log E of every stamp, 0 before the first x."""
    known = np.isfinite(x)
    path = np.full(len(x), np.nan)
    path[known] = evidence_path(x[known], df[known])
    return pd.Series(path).ffill().fillna(0.0).to_numpy()


#: name of a policy → whether a look passes, of log E less its hurdle after beta and after styles, and the figures. All
#: of them ask for what `studies.gate_power_runs.sound` asks of money after beta.
POLICIES: dict[str, Callable[[float, float, dict[str, float]], bool]] = {
    "production": lambda before, _, look: before >= 0 and look["share"] >= HALF and look["expected_styles"] >= 0,
    "no alpha": lambda before, _, look: before >= 0 and look["share"] >= HALF,
    "evidence after styles": lambda _, after, look: after >= 0 and look["expected_styles"] >= 0,
    "two tests": lambda before, _, look: (
        before >= 0 and look["skill_t_styles"] >= SECOND and look["alpha_t_styles"] >= 0
    ),
    "no styles": lambda before, *_: before >= 0,
}


def judged(run: Styled, tried: int = 1) -> dict[str, float]:
    """At which look each policy first passes (−1: never), and whether it does at the last."""
    before = _evidence(run.path.x, run.path.df) - math.log(NEEDED * tried)
    after = _evidence(run.x, run.df) - math.log(NEEDED * tried)
    last = len(run.left) - 1
    out = {f"first {name}": -1.0 for name in POLICIES}
    look: dict[str, float] = {}
    for session in (*range(FIRST, last, STEP), last):
        open_ones = [name for name in POLICIES if out[f"first {name}"] < 0]
        if session < last and (not open_ones or max(before[session - 2], after[session - 2]) < 0):
            continue
        then = run.until(session)
        solid = sound(money(then.path))
        look = {**money_after(then), **skill_after(then)}
        for name, passes in POLICIES.items():
            passed = solid and passes(before[session - 2], after[session - 2], look)
            if passed and out[f"first {name}"] < 0:
                out[f"first {name}"] = float(session)
            if session == last:
                out[f"end {name}"] = float(passed)
    return {**out, **look, "df": float(run.df[run.df > 0].mean()), "sound": float(sound(money(run.path)))}


def noise(name: str, i: int) -> dict[str, Any]:
    """The noise of `studies.gate_power_runs.noise`, judged by the whole policy."""
    seed = seed_of(NOISE, name, i)
    at = place(name, seed)
    kinds = KINDS if name == "structured" else ("scores",)
    panels = [uninformed(at, kind, seed) if name == "structured" else informed(at, 0.0, seed) for kind in kinds]
    return {kind: judged(run) for kind, run in zip(kinds, styled(at, furnished(at, name, seed), panels), strict=True)}


def skill(name: str, i: int) -> dict[str, Any]:
    """The skill of `studies.gate_power_runs.skill` at an IC of 0.03, judged by the whole policy."""
    seed = seed_of(SKILL, name, i)
    at = place(name, seed)
    (run,) = styled(at, furnished(at, name, seed), [informed(at, IC, seed)])
    return {f"{IC:g}": judged(run)}


def sectors(name: str, i: int) -> dict[str, Any]:
    """The same where sectors are given and taken out, too."""
    seed = seed_of(SKILL, name, i)
    at = place(name, seed)
    (run,) = styled(at, furnished(at, name, seed), [informed(at, IC, seed)], by_sector=True)
    return {f"{IC:g}": judged(run)}


def rounds(name: str, i: int) -> dict[str, Any]:
    """What knows something in a round of 100, judged by the whole policy."""
    seed = seed_of(ROUND, name, i)
    at = place(name, seed)
    (run,) = styled(at, furnished(at, name, seed), [informed(at, IC, seed_of(ROUND, name, i, TRIED))])
    return {f"{IC:g}": judged(run, TRIED)}
