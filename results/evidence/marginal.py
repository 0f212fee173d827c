"""What a further signal adds to what is already there: spanning regressions, what is left of its IC, and combinations.

Whether B is worth having beside A is not whether B is better than A. Four answers, of net returns over the cash rate on
the sessions that all have:

- **spanning**: B's book regressed on the books that are there, r_B = α + Σ β_k r_k + ε. The intercept is what no fixed
  mix of them earns, with HAC errors; α/σ_ε is the appraisal ratio, and √(SR² + appraisal²) the Sharpe ratio that the
  best mix with B would have had over the best without, in the sample it was chosen on (Treynor & Black 1973).
- **orthogonal IC**: on each session, the correlation of B's normal scores with those of what followed, after the other
  signals' normal scores and a constant are projected out of both. And the skill series x after beta, regressed on the
  others' x: the skill that they do not have.
- **overlap**: correlations of books and of scores, and the cosine of the positions.
- **combinations**: the books that are there with and without B, at equal risk and at the weights of highest Sharpe
  ratio, none below 0, each chosen every 21 sessions from the sessions before alone. The best mix in the sample would
  flatter B, for a weight chosen on the sessions it is judged on is never worth less than 0. Both are tested against the
  books without B, by Ledoit and Wolf's studentised bootstrap of the paired difference.

References
----------
Treynor & Black (1973), Journal of Business 46(1); Gibbons, Ross & Shanken (1989), Econometrica 57(5), for spanning and
the appraisal ratio. Huberman & Kandel (1987), Journal of Finance 42(4). Newey & West (1987), Econometrica 55(3).
Ledoit & Wolf (2008), Journal of Empirical Finance 15(5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from assay.data.card import Card, span
from assay.data.conventions import SESSIONS_A_YEAR, Floats, annual_sharpe
from assay.data.errors import InputError
from assay.results.stats.long_run_variance import critical_value, hac_mean
from assay.results.stats.performance import Metric
from assay.results.stats.ranks import rank_correlation
from assay.results.stats.sharpe import sharpe_difference
from assay.results.stats.skill import normal_scores
from assay.results.stats.styles import after_factors
from assay.results.storage.kept import left_out
from assay.results.storage.runs import Run

__all__ = ["Marginal", "Signal", "marginal_of", "marginal_value", "signals_of", "walk_forward_mix"]

#: Sessions before the first choice of a mix, and between choices.
_LEAST, _EVERY = 252, 21
#: Names that a session's partial correlation needs beyond what is projected out.
_NAMES_LEFT = 5
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class Signal:
    """One signal and the book that it makes.

    Parameters
    ----------
    name : of the run, or of a baseline.
    returns : (T,) net of costs, over the cash rate; empty where nothing traded it.
    x : (T',) skill series after beta, by stamp; empty where there is none.
    score : (T', N) by stamp, or None.
    weights : (T', N) target weights, or None.

    """

    name: str
    returns: pd.Series
    x: pd.Series
    score: pd.DataFrame | None = None
    weights: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Marginal(Card):
    """What one signal adds to others.

    Parameters
    ----------
    new : whose worth it is.
    beside : what is there already.
    returns : (T, books) net of costs and over the cash rate, on the sessions that all have; the new one's is last.
    metrics : figures with intervals; the name's part before the first ``·`` says what B stands beside.
    notes : what was left out, and why.

    """

    new: str
    beside: tuple[str, ...]
    returns: pd.DataFrame
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Metric:
        """The figure of that name."""
        for item in self.metrics:
            if item.name == name:
                return item
        raise KeyError(name)

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Those that all books have."""
        return pd.DatetimeIndex(self.returns.index)

    @property
    def left(self) -> pd.Series:
        """(T,) the new book less its slopes times the books there: what no fixed mix of them earns."""
        slopes = pd.Series({name: self[f"spanning_beta · {name}"].value for name in self.beside})
        return self.returns[self.new] - self.returns[list(self.beside)] @ slopes

    @property
    def sentence(self) -> str:
        """Whether the new signal adds anything, after the books there and, where there are any, the baselines."""
        names = {item.name for item in self.metrics}
        last = "_baselines" if "spanning_alpha_ann_baselines" in names else ""
        alpha = self[f"spanning_alpha_ann{last}"]
        after = "what is there and the baselines" if last else "what is there"
        if alpha.low is None or alpha.high is None:
            return f"not measured after {after}: {alpha.reason}"
        verdict = "it adds to" if alpha.low > 0 else "it loses against" if alpha.high < 0 else "nothing clear added to"
        return f"{verdict} {after}: alpha {alpha.value:.1%} a year [{alpha.low:.1%}, {alpha.high:.1%}]"

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """Every figure."""
        shown = [(item.name, str(item)) for item in self.metrics]
        return f"what {self.new} adds to {', '.join(self.beside)}, {span(self.sessions)}", shown

    def to_frame(self) -> pd.DataFrame:
        """A row a figure."""
        return pd.DataFrame([item.to_dict() for item in self.metrics]).set_index("name")

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "new": self.new,
            "beside": list(self.beside),
            "sessions": len(self.sessions),
            "start": self.sessions[0],
            "end": self.sessions[-1],
            "sentence": self.sentence,
            "figures": [item.to_dict() for item in self.metrics],
            "notes": list(self.notes),
        }


def signals_of(run: Run) -> tuple[Signal, list[Signal]]:
    """A run's signal, and those of the baselines that a walk-forward ran beside it."""
    table = run.require_backtest("compare --marginal").table("returns")
    rate = table.get("cash_rate", 0.0)
    nothing = pd.Series(dtype=float)
    own = Signal(
        run.id,
        (table["net"] - rate).dropna(),
        run.table("skill")["x"] if run.has("skill") else nothing,
        run.table("score") if run.has("score") else None,
        run.table("weights") if run.has("weights") else None,
    )
    skills = run.table("baseline_skill").iloc[:, 1:] if run.has("baseline_skill") else pd.DataFrame()
    books = run.table("baseline_returns") if run.has("baseline_returns") else pd.DataFrame()
    names = list(dict.fromkeys([*map(str, books.columns), *map(str, skills.columns)]))
    return own, [
        Signal(
            f"{name} (baseline)",
            (books[name] - rate).dropna() if name in books else nothing,
            skills[name].dropna() if name in skills else nothing,
        )
        for name in names
    ]


def marginal_of(runs: Sequence[Run], *, draws: int = 2000) -> Marginal:
    """`marginal_value` of stored runs, the new one last, with the baselines that stand beside any of them."""
    pairs = [signals_of(run) for run in runs]
    horizons = {int(run.manifest["config"].get("horizon", 1)) for run in runs}
    if len(horizons) > 1:
        raise InputError(
            f"compare --marginal: predictions over {' and '.join(map(str, sorted(horizons)))} sessions cannot be "
            "compared; give runs of one horizon"
        )
    new = runs[-1]
    found = marginal_value(
        pairs[-1][0],
        [own for own, _ in pairs[:-1]],
        baselines=[item for _, others in reversed(pairs) for item in others],
        forward=new.table("forward_returns") if new.has("forward_returns") else None,
        horizon=horizons.pop(),
        draws=draws,
    )
    reasons = {run.id: left_out("score", run.kept) for run in runs}
    notes = [f"no orthogonal IC with {name}: {reason}" for name, reason in reasons.items() if reason]
    return replace(found, notes=(*found.notes, *notes))


def marginal_value(
    new: Signal,
    beside: Sequence[Signal],
    *,
    baselines: Sequence[Signal] = (),
    forward: pd.DataFrame | None = None,
    horizon: int = 1,
    draws: int = 2000,
) -> Marginal:
    """What `new` adds to the signals `beside` it, and to the baselines with them.

    Parameters
    ----------
    new, beside : at least one beside.
    baselines : further ones, which nobody has to hold: they stand in the regressions alone.
    forward : (T, N) what followed the scores, stamped t.
    horizon : sessions that a prediction spans.
    draws : of the bootstrap.

    Raises
    ------
    InputError
        With nothing beside, or fewer than 60 sessions that all books have.

    """
    if not beside:
        raise InputError("compare --marginal: name the runs that are there, and last the one that is new")
    returns = pd.concat({item.name: item.returns for item in (*beside, new)}, axis=1, join="inner", sort=True).dropna()
    if len(returns) < 60:
        raise InputError(f"compare --marginal: the runs share {len(returns)} sessions; 60 are needed")
    extra, notes = _different(new, beside, baselines, returns.index)
    names = [item.name for item in beside]
    metrics = [*_spanning(returns, names, new.name, "")]
    if extra:
        columns = {item.name: item.returns.reindex(returns.index) for item in extra if len(item.returns)}
        metrics += _spanning(returns.assign(**columns).dropna(), [*names, *columns], new.name, "_baselines")
    metrics += _skill_left(new, beside, "", horizon)
    if any(len(item.x) for item in extra):
        metrics += _skill_left(new, [*beside, *extra], "_baselines", horizon)
    metrics += _orthogonal(new, beside, forward, horizon)
    metrics += _overlap(new, beside, returns)
    metrics += _combinations(returns, names, new.name, draws)
    return Marginal(new.name, tuple(names), returns[[*names, new.name]], tuple(metrics), tuple(notes))


def _different(
    new: Signal, beside: Sequence[Signal], baselines: Sequence[Signal], sessions: pd.Index
) -> tuple[list[Signal], list[str]]:
    """Baselines that are none of the signals again, and have a book or a skill series on these sessions."""
    kept: list[Signal] = []
    notes: list[str] = []
    for item in baselines:
        if item.name in {other.name for other in kept} or not (len(item.returns) or len(item.x)):
            continue
        same = [
            other.name
            for other in (new, *beside)
            if any(
                len(one) and len(both := pd.concat([one, two], axis=1, join="inner").dropna())
                and float((both.iloc[:, 0] - both.iloc[:, 1]).abs().max()) <= _SAME
                for one, two in ((item.returns, other.returns), (item.x, other.x))
            )
        ]  # fmt: skip
        if same:
            notes.append(f"{item.name} is left out: it is {same[0]} again")
        elif len(item.returns) and item.returns.reindex(sessions).notna().mean() < 1:
            notes.append(f"{item.name} is left out: it does not cover the sessions")
        elif len(item.returns) and float(np.ptp(item.returns.to_numpy())) <= _SAME:
            notes.append(f"{item.name} is left out: its book earns nothing")
        else:
            kept.append(item)
    return kept, notes


def _sample(index: pd.Index) -> tuple[int, str, str]:
    return len(index), str(index[0].date()), str(index[-1].date())


def _spanning(returns: pd.DataFrame, names: Sequence[str], new: str, suffix: str) -> list[Metric]:
    """The intercept of the new book on the others, and what it is in units of the risk that they leave."""
    line = after_factors(returns[new].to_numpy(), {name: returns[name].to_numpy() for name in names})
    about = "the books there" if not suffix else "the books there and the baselines'"
    if line is None:
        few = len(returns) < 30 * (1 + len(names))  # of books that are one but for their size, fewer would do
        nothing = f"nothing is left of it: {about} make it up but for rounding"
        why = f"too few sessions, or {nothing}" if few else nothing
        return [
            Metric(f"{name}{suffix}", math.nan, unit, f"on {about}", reason=why)
            for name, unit in (("spanning_alpha_ann", "fraction a year"), ("spanning_alpha_t", "t"),
                               ("appraisal_ratio", "ratio"))
        ]  # fmt: skip
    sample, text = _sample(returns.index), f"net returns on {about} · Newey–West, lag {line.lag}"
    alpha, half = SESSIONS_A_YEAR * line.alpha, SESSIONS_A_YEAR * line.critical * line.alpha_error
    left = line.residuals - line.alpha
    variation = float(((returns[new] - returns[new].mean()) ** 2).sum())
    appraisal = math.sqrt(SESSIONS_A_YEAR) * line.alpha / float(left.std(ddof=1))
    # The intercept's error in the same units: that of the deviation is of the second order.
    reach = line.critical * abs(appraisal / line.t) if line.t else math.nan
    return [
        Metric(f"spanning_alpha_ann{suffix}", alpha, "fraction a year", f"{text}, critical {line.critical:.2f}",
               alpha - half, alpha + half, *sample),
        Metric(f"spanning_alpha_t{suffix}", line.t, "t", text, None, None, *sample),
        Metric(f"spanning_r2{suffix}", 1 - float(left @ left) / variation, "fraction", text, None, None, *sample),
        Metric(f"appraisal_ratio{suffix}", appraisal, "ratio", f"intercept over deviation, × √252 · {text}",
               appraisal - reach, appraisal + reach, *sample),
        *(
            Metric(f"spanning_beta{suffix} · {name}", beta, "ratio", text, None, None, *sample)
            for name, beta in line.betas.items()
        ),
    ]  # fmt: skip


def _skill_left(new: Signal, beside: Sequence[Signal], suffix: str, horizon: int) -> list[Metric]:
    """The mean of x that is left after the others' x."""
    known = {item.name: item.x for item in beside if len(item.x)}
    if not len(new.x) or not known:
        return []
    both = pd.concat({**known, new.name: new.x}, axis=1, join="inner", sort=True).dropna()
    about = "the signals there" if not suffix else "the signals there and the baselines"
    line = after_factors(
        both[new.name].to_numpy(), {name: both[name].to_numpy() for name in known}, horizon=horizon
    )
    if line is None:
        return [Metric(f"skill_left_x{suffix}", math.nan, "mean of x", about, reason="nothing is left after them")]
    sample, half = _sample(both.index), line.critical * line.alpha_error
    text = (
        "x: a session's correlation of scores and returns after beta, × √names; what is left of its mean after its "
        f"slopes on the x of {about} · Newey–West, lag {line.lag}"
    )
    return [
        Metric(f"skill_left_x{suffix}", line.alpha, "mean of x", text, line.alpha - half, line.alpha + half, *sample),
        Metric(f"skill_left_t{suffix}", line.t, "t", text, None, None, *sample),
    ]


def _orthogonal(
    new: Signal, beside: Sequence[Signal], forward: pd.DataFrame | None, horizon: int
) -> list[Metric]:
    """The mean partial rank correlation of the new score, given the others, with what followed."""
    others = [item.score for item in beside if item.score is not None]
    if new.score is None or forward is None or not others:
        return []
    values = partial_correlation(new.score, others, forward)
    known = values[values.notna()]
    name, unit = "orthogonal_ic", "correlation"
    text = "partial correlation of normal scores with those of what followed, given the scores there"
    if len(known) < 3:
        why = "nothing is left of its scores, or too few sessions have enough names in common"
        return [Metric(name, math.nan, unit, text, reason=why)]
    mean, error, t, lag = hac_mean(known.to_numpy(), horizon=horizon)
    half, sample = critical_value(len(known), lag) * error, _sample(known.index)
    text = f"{text} · Newey–West, lag {lag}"
    return [
        Metric(name, mean, unit, text, mean - half, mean + half, *sample),
        Metric("orthogonal_ic_t", t, "t", text, None, None, *sample),
    ]


def partial_correlation(score: pd.DataFrame, given: Sequence[pd.DataFrame], forward: pd.DataFrame) -> pd.Series:
    """(T,) correlation of normal scores of `score` and of `forward`, with a constant and the given scores taken out.

    A session needs five names beyond what is taken out that have every score and a return; else it is NaN.
    """
    index, columns = forward.index, forward.columns
    for frame in (score, *given):
        index, columns = index.intersection(frame.index), columns.intersection(frame.columns)
    frames = [frame.loc[index, columns].to_numpy(dtype=np.float64) for frame in (score, *given, forward)]
    there = np.logical_and.reduce([np.isfinite(frame) for frame in frames])
    normal = [np.nan_to_num(normal_scores(np.where(there, frame, np.nan))) for frame in frames]
    out = np.full(len(index), np.nan)
    for t in np.flatnonzero(there.sum(axis=1) >= len(given) + 1 + _NAMES_LEFT):
        keep = there[t]
        columns_of = np.column_stack([np.ones(keep.sum()), *(frame[t][keep] for frame in normal[1:-1])])
        pair = np.column_stack([normal[0][t][keep], normal[-1][t][keep]])
        left = pair - columns_of @ np.linalg.lstsq(columns_of, pair, rcond=None)[0]
        sizes = np.sqrt((left**2).sum(axis=0))
        if (sizes > 1e-9 * np.sqrt((pair**2).sum(axis=0))).all():
            out[t] = float(left[:, 0] @ left[:, 1] / sizes.prod())
    return pd.Series(out, index)


def _overlap(new: Signal, beside: Sequence[Signal], returns: pd.DataFrame) -> list[Metric]:
    """How alike books, scores and positions are."""
    out = []
    for item in beside:
        value = float(returns[new.name].corr(returns[item.name]))
        # Fisher's interval takes returns for independent; what is left of autocorrelation in daily returns is small.
        half = 1.96 / math.sqrt(len(returns) - 3)
        low, high = (math.tanh(math.atanh(min(max(value, -1 + 1e-12), 1 - 1e-12)) + sign * half) for sign in (-1, 1))
        out.append(Metric(f"book_correlation · {item.name}", value, "correlation", "net returns a session · Fisher",
                          low, high, *_sample(returns.index)))  # fmt: skip
        for label, one, two, measure in (
            ("score_correlation", new.score, item.score, lambda one, two: rank_correlation(one, two, minimum=5)[0]),
            ("position_overlap", new.weights, item.weights, _cosine),
        ):
            if one is None or two is None:
                continue
            index, columns = one.index.intersection(two.index), one.columns.intersection(two.columns)
            if not len(index) or not len(columns):
                continue
            daily = measure(*(frame.loc[index, columns].to_numpy(dtype=np.float64) for frame in (one, two)))
            known = daily[np.isfinite(daily)]
            if len(known):
                text = "rank correlation" if label == "score_correlation" else "cosine of target weights"
                out.append(Metric(f"{label} · {item.name}", float(known.mean()), "correlation",
                                  f"{text} on a session, mean", None, None, len(known)))  # fmt: skip
    return out


def _cosine(one: Floats, two: Floats) -> Floats:
    one, two = np.nan_to_num(one), np.nan_to_num(two)
    sizes = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sizes > 0, (one * two).sum(axis=1) / sizes, np.nan))


def _combinations(returns: pd.DataFrame, names: Sequence[str], new: str, draws: int) -> list[Metric]:
    """Sharpe ratios of mixes with the new book and without, out of sample, and in it."""
    out = []
    without, both = returns[list(names)].to_numpy(), returns[[*names, new]].to_numpy()
    if len(returns) > _LEAST + 60:
        for label, mean in (("equal_risk", False), ("best_mix", True)):
            pair = [walk_forward_mix(values, best=mean)[_LEAST:] for values in (both, without)]
            ratios = [float(annual_sharpe(values)) for values in pair]
            test = sharpe_difference(pair[0], pair[1], draws=draws)
            how = "highest Sharpe ratio, none below 0" if mean else "one over volatility"
            text = f"walk-forward: weights by {how}, from the sessions before, every {_EVERY}"
            sample = _sample(returns.index[_LEAST:])
            whys = ["" if math.isfinite(r) else "the books cancel out: their mix does not vary" for r in ratios]
            out += [
                Metric(f"sharpe_{label}_without", ratios[1], "ratio", text, None, None, *sample, reason=whys[1]),
                Metric(f"sharpe_{label}_with", ratios[0], "ratio", text, None, None, *sample, reason=whys[0]),
                Metric(f"sharpe_{label}_gain", ratios[0] - ratios[1], "ratio",
                       f"{text} · Ledoit–Wolf", None if test is None else test.low, None if test is None else test.high,
                       *sample, reason=whys[0] or whys[1]),
                Metric(f"sharpe_{label}_p", math.nan if test is None else test.p_value, "probability",
                       "of no gain, paired, two-sided · Ledoit–Wolf", None, None, *sample,
                       reason="" if test is not None else "the two mixes do not differ enough for a test"),
            ]  # fmt: skip
    else:
        why = f"{len(returns)} sessions; more than {_LEAST + 60} are needed"
        out += [Metric(f"sharpe_{name}_gain", math.nan, "ratio", "walk-forward", reason=why)
                for name in ("equal_risk", "best_mix")]  # fmt: skip
    value = _in_sample(both) - _in_sample(without)
    text = "in the sample that chose the weights, which may be negative: never below 0, so biased upwards, and untested"
    return [*out, Metric("sharpe_in_sample_gain", value, "ratio", text, None, None, *_sample(returns.index))]


def _in_sample(values: Floats) -> float:
    """The highest Sharpe ratio that any mix has: √(μ'Σ⁻¹μ), annualised."""
    mean, covariance = values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False))
    return math.sqrt(SESSIONS_A_YEAR * max(0.0, float(mean @ np.linalg.pinv(covariance) @ mean)))


def walk_forward_mix(values: Floats, *, best: bool) -> Floats:
    """(T,) returns of a mix whose weights are chosen from the sessions before; NaN until 252 are known.

    Parameters
    ----------
    values : (T, K) returns of the books.
    best : weights of the highest Sharpe ratio among those of at least 0 (equal risk where no mix has a mean above 0);
        else one over each book's volatility. Either is scaled to the mean volatility of the books.

    """
    from scipy.optimize import nnls

    out = np.full(len(values), np.nan)
    for start in range(_LEAST, len(values), _EVERY):
        past = values[:start]
        deviation = past.std(axis=0, ddof=1)
        weights = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1.0), 0.0)
        if best:
            covariance = np.atleast_2d(np.cov(past, rowvar=False)) * np.outer(weights, weights)
            root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(weights)))
            found = nnls(root.T, np.linalg.solve(root, past.mean(axis=0) * weights))[0]
            weights = found * weights if found.any() else weights
        risk, gross = float((past @ weights).std(ddof=1)), float(deviation @ weights)
        rows = slice(start, start + _EVERY)
        # Books that cancel out leave rounding alone, which is no mix.
        out[rows] = values[rows] @ weights * (float(deviation.mean()) / risk if risk > 1e-8 * gross else 0.0)
    return out
