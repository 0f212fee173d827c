"""The formulas behind the rules: scores of classifiers, errors and moments, portfolios with their trades and signals.

Sources, classifiers: Brown & Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4), for
whole counts and the matrices (scores as in scikit-learn, where 0/0 is 0); Mann & Whitney (1947) for the AUC as a count
of pairs; van Rijsbergen (1979) for F1; Opitz & Burst (2019) for the two macro-F1; Good (1952) for log loss; Gorodkin
(2004) for the MCC and Cohen (1960) for kappa of several classes; Wilson (1927); Hanley & McNeil (1982).
Moments: Popoviciu (1935) and Bhatia & Davis (2000) for the variance of a bounded variable; Theil (1966) and Hyndman &
Koehler (2006) for the naive forecast; Samuelson (1968); Anaya (2016) and Allard (2018) for GRIMMER; Heathers & Brown
(2019) for DEBIT; Wilkins (1944) for ``kurtosis >= skewness**2 + 1``; Nuijten et al. (2016), statcheck.
Portfolios: Sharpe (1966, 1994); Lo (2002); Magdon-Ismail, Atiya, Pratap & Abu-Mostafa (2004); Grinold & Kahn (2000);
Clarke, de Silva & Thorley (2002); Bailey & López de Prado (2012, 2014).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from assay.audit.claims.intervals import Interval, corners, hull_of, mean_of, sum_of
from assay.results.stats import deflated_sharpe
from assay.results.stats.proportions import wilson_interval

__all__ = [
    "ClassShares", "Matrix", "auc_interval", "binary_matrices", "called_share", "chance_of_fall", "class_shares",
    "compounded_readings", "cost_readings", "debit_readings", "deflated_floor", "entropy", "epochs_of",
    "f1_average_range", "f1_range", "factor_of", "fallen", "foresight_ceiling", "grim_counts", "grim_has_power",
    "grimmer", "ic_around", "icir_readings", "largest_share_from_macro", "macro_f1_readings", "matrix_scores",
    "mean_over_a_year", "mixture", "mse_of_parts", "needed_hit_rate", "p_readings", "persistence_r2",
    "prevalence_range", "quantile_slope", "r2_of_deviation", "rmse_ceiling", "share_of", "sharpe_around",
    "sharpe_interval", "sharpe_readings", "std_ceiling", "std_floor", "t_of_correlation", "t_of_mean", "target_std",
    "transfer_coefficient", "unstated_rate", "variance_ceiling", "wilson",
]  # fmt: skip

#: Slack of whole counts and sums of squares, and of scores of whole counts.
_SLACK, _NEAR = 1e-9, 1e-7
_ONE = Interval.point(1.0)
MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)
#: Periods a year in use: sessions (several exchanges), calendar days, weeks, months, quarters, years.
PERIODS = (252, 365, 260, 250, 244, 240, 256, 248, 52, 12, 4, 1)
RISK_FREE_CEILING = 0.15
#: Volatility allowed for where none is printed.
LARGE_VOLATILITY = 0.6
_Z = NormalDist()


def grim_counts(share: Interval, n: int) -> range:
    """Counts k in [0, n] with k/n inside a printed share; empty where the share is impossible on n cases."""
    low = max(0, math.ceil(share.low * n - _SLACK * max(1, n)))
    high = min(n, math.floor(share.high * n + _SLACK * max(1, n)))
    return range(low, high + 1)


def grim_has_power(share: Interval, n: int) -> bool:
    """Whether some print of this precision would be impossible on n cases: the interval is narrower than 1/n."""
    return share.width * n < 1


def f1_range(precision: Interval, recall: Interval) -> Interval:
    """F1 of one class from its precision and recall, ``2PR/(P+R)``, increasing in both."""
    ends = ((max(precision.low, 0.0), max(recall.low, 0.0)), (min(precision.high, 1.0), min(recall.high, 1.0)))
    return Interval(*(0.0 if p + r <= 0 else 2 * p * r / (p + r) for p, r in ends))


def f1_average_range(precision: Interval, recall: Interval) -> Interval:
    """What an average of F1 over classes or folds can be, given the same averages of precision and recall: at most F1
    of the averages, since the harmonic mean is concave, and at least ``P + R - 1``, as each F1 is."""
    return Interval(max(0.0, precision.low + recall.low - 1), f1_range(precision, recall).high)


Parts = Mapping[str, Interval]


def macro_f1_readings(f1: Parts, precision: Parts | None = None, recall: Parts | None = None) -> dict[str, Interval]:
    """Macro-F1 in its two readings: the mean of the class F1, and F1 of mean precision and mean recall."""
    readings = {"mean of the class F1": mean_of(f1.values())}
    if precision is not None and recall is not None and set(precision) == set(recall) == set(f1):
        means = (mean_of(precision.values()), mean_of(recall.values()))
        readings["F1 of mean precision and mean recall"] = f1_range(*means)
    return readings


@dataclass(frozen=True)
class ClassShares:
    """What the scores force: the range of every class share, and the least size of the largest class."""

    shares: Mapping[str, Interval]
    majority: str
    majority_floor: float


def class_shares(
    classes: Mapping[str, Parts], accuracy: Interval | None = None, weighted_f1: Interval | None = None
) -> ClassShares | None:
    """Class shares that accuracy, weighted F1 and the scores of all classes allow; None where there are none: shares
    ``w >= 0`` with ``sum w = 1``, ``sum w_c R_c`` inside the accuracy, ``sum w_c F_c`` inside the weighted F1, and
    predicted shares ``sum w_c R_c / P_c = 1``. Coefficients are intervals: since ``w >= 0`` each equation splits into
    two inequalities with their ends, and nothing feasible is cut away."""
    from scipy.optimize import linprog

    k, scores = len(classes), list(classes.values())
    called = [s["recall"] / s["precision"] if "recall" in s and "precision" in s and s["precision"].low > 0 else None
              for s in scores]  # fmt: skip
    # A last variable is at least every share: its minimum is the least size of the largest class.
    rows, limits = [[*row, -1.0] for row in np.eye(k)], [0.0] * k
    for values, target, top in (
        ([s.get("recall") for s in scores], accuracy, 1.0), ([s.get("f1") for s in scores], weighted_f1, 1.0),
        (called, Interval.point(1.0), math.inf),
    ):  # fmt: skip
        known = [value for value in values if value is not None]
        if target is not None and len(known) == k:
            rows += [[*(max(v.low, 0.0) for v in known), 0.0], [*(-min(v.high, top) for v in known), 0.0]]
            limits += [target.high + 1e-7, 1e-7 - target.low]
    stated = [s.get("share", Interval(0.0, 1.0)).clip(0.0, 1.0) or Interval(0.0, 1.0) for s in scores]
    bounds, unit = [*((share.low, share.high) for share in stated), (0.0, 1.0)], np.eye(k + 1)
    answers = [linprog(cost, rows, limits, [[1.0] * k + [0.0]], [1.0], bounds, method="highs")
               for cost in (*unit, *-unit[:k])]  # fmt: skip
    if any(answer.status == 2 for answer in answers):
        return None
    least = [float(answer.fun) if answer.status == 0 else -math.inf for answer in answers]
    ends = zip(classes, least[:k], least[k + 1 :], strict=True)
    found = {name: Interval(max(0.0, low - 1e-6), min(1.0, 1e-6 - high)) for name, low, high in ends}
    return ClassShares(found, max(found, key=lambda name: found[name].low), max(1 / k, least[k] - 1e-6))


def largest_share_from_macro(class_f1: Interval, macro: Interval, weighted: Interval, k: int) -> Interval | None:
    """Share of one class from its F1, the macro and the weighted F1 of k classes: no other F1 exceeds
    ``m = k * macro - F``, so ``w >= (weighted - m)/(F - m)``; None where the class is not the better one."""
    others = max(0.0, min(1.0, k * macro.high - class_f1.low))
    if class_f1.high <= others:
        return None
    return Interval(min(1.0, max(0.0, (weighted.low - others) / (class_f1.high - others))), 1.0)


def called_share(accuracy: Interval, precision: Interval, recall: Interval) -> Interval | None:
    """Share of cases called positive, ``R (1 - A) / (P + R (1 - 2P))``, monotone in each; None where it has a pole."""
    if corners(lambda p, r: p + r * (1 - 2 * p), precision, recall).low <= 1e-12:
        return None
    return corners(lambda a, p, r: r * (1 - a) / (p + r * (1 - 2 * p)), accuracy, precision, recall)


def prevalence_range(accuracy: Interval, precision: Interval, recall: Interval) -> Interval | None:
    """Share of positives, ``(1 - A) / (1 + R (1/P - 2))``, likewise; None too where nothing of it lies in [0, 1]."""
    if precision.low <= 0 or corners(lambda p, r: 1 + r * (1 / p - 2), precision, recall).low <= 1e-12:
        return None
    share = corners(lambda a, p, r: (1 - a) / (1 + r * (1 / p - 2)), accuracy, precision, recall)
    return share.clip(0.0, 1.0)


def entropy(shares: Sequence[float]) -> float:
    """Log loss of predicting the base rates, ``-sum pi ln pi``, in nats."""
    return -sum(share * math.log(share) for share in shares if share > 0)


class Matrix(NamedTuple):
    """A binary confusion matrix in whole counts."""

    tp: int
    fp: int
    fn: int
    tn: int


def binary_matrices(scores: Parts, n: int, n_positive: int | None = None, limit: int = 1000) -> list[Matrix]:
    """Every confusion matrix on n cases whose scores lie inside the prints, up to `limit`; none if n cannot be."""
    positives = range(n + 1) if n_positive is None else [n_positive]
    return list(itertools.islice((each for k in positives for each in _with_positives(scores, n, k)), limit))


def _with_positives(scores: Parts, n: int, positives: int) -> list[Matrix]:
    """For every number of true positives, the false ones that the printed scores leave; they fall as a score rises."""
    negatives = n - positives
    tp = np.arange(positives + 1, dtype=np.float64)
    if "recall" in scores:
        recall = tp / max(positives, 1)
        tp = tp[(recall >= scores["recall"].low - _NEAR) & (recall <= scores["recall"].high + _NEAR)]
    false: dict[str, Callable[[float], np.ndarray]] = {
        "accuracy": lambda score: negatives + tp - score * n,
        "specificity": lambda score: negatives * (1 - score) + 0 * tp,
        "precision": lambda score: tp * (1 / score - 1),
        "f1": lambda score: 2 * tp * (1 / score - 1) - (positives - tp),
    }
    first, last = 0 * tp, 0 * tp + negatives
    for name in scores.keys() & false.keys():
        low, high = scores[name].low, scores[name].high
        least, most = (false[name](max(end, 1e-12)) for end in (high, low))
        if name in ("precision", "f1"):
            # No true positive scores 0.
            least, most = np.where(tp > 0, least, 0), np.where(tp > 0, most, np.inf if low <= _NEAR else -1)
        first, last = np.maximum(first, least), np.minimum(last, most)
    slack = _NEAR * max(1, n)
    ends = (np.maximum(np.ceil(first - slack), 0), np.minimum(np.floor(last + slack), negatives) + 1)
    return [Matrix(hits, fp, positives - hits, negatives - fp)
            for hits, start, stop in zip(*(each.astype(int).tolist() for each in (tp, *ends)), strict=True)
            for fp in range(start, stop)]  # fmt: skip


def matrix_scores(table: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """What a confusion matrix, counts by true and called class, makes of every score, by reading: precision, recall and
    F1 of each class and on average (0 where there is nothing to divide by), and the scores of the whole."""
    right, there, called = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    n, hits, chance = float(table.sum()), float(right.sum()), float(there @ called)
    spread = (n * n - float(there @ there)) * (n * n - float(called @ called))
    pairs = {"precision": (right, called), "recall": (right, there), "f1": (2 * right, called + there)}
    by_class = {name: top / np.maximum(bottom, 1) for name, (top, bottom) in pairs.items()}
    whole = {
        "accuracy": hits / n, "error_rate": 1 - hits / n, "balanced_accuracy": float(by_class["recall"].mean()),
        "kappa": (n * hits - chance) / (n * n - chance) if n * n != chance else 0.0,
        "mcc": (hits * n - chance) / math.sqrt(spread) if spread > 0 else 0.0,
    }  # fmt: skip
    scores: dict[str, dict[str, float]] = {}
    for name, values in by_class.items():
        averages = {"macro": float(values.mean()), "weighted": float(there @ values) / n}
        whole |= {f"{name}_{kind}": value for kind, value in averages.items()}
        scores[name] = {f"of {of}": float(value) for of, value in zip(classes, values, strict=True)} | averages
    return scores | {name: {"": value} for name, value in whole.items()}


def target_std(rmse: Interval, r2: Interval) -> Interval:
    """Standard deviation of the target on the evaluated rows, ``RMSE / sqrt(1 - R**2)``; unbounded when R² may be 1."""
    root = (_ONE - r2).power(0.5)
    low = rmse.low / root.high if root.high > 0 else math.inf
    return Interval(low, rmse.high / root.low if root.low > 0 else math.inf)


def r2_of_deviation(rmse: Interval, std: Interval, n: float | None) -> Interval | None:
    """``1 - RMSE**2/s**2`` for a printed deviation of the target with denominator n or n - 1."""
    if std.low <= 0:
        return None
    stretch = math.sqrt(n / (n - 1)) if n is not None and n > 1 else math.sqrt(2)
    return _ONE - (rmse / Interval(std.low / stretch, std.high)).power(2)


def variance_ceiling(low: float, high: float, mean: Interval | None = None) -> float:
    """Largest variance of a variable in [low, high]: ``((b - a)/2)**2`` (Popoviciu); with the mean known,
    ``(b - mu)(mu - a)`` (Bhatia & Davis), largest at the end of the mean's interval nearest the middle."""
    middle = (low + high) / 2
    mu = middle if mean is None else min(max(middle, mean.low), mean.high)
    return max(0.0, (high - mu) * (mu - low))


def rmse_ceiling(low: float, high: float, r2: Interval, mean: Interval | None = None) -> float:
    """Largest RMSE, hence largest MAE, of a forecast with this R² of a target inside [low, high]:
    ``std(y) sqrt(1 - R**2) <= (b - a)/2 * sqrt(1 - R**2)``, which grows as R² turns negative."""
    return math.sqrt(variance_ceiling(low, high, mean)) * (_ONE - r2).power(0.5).high


def persistence_r2(
    rmse: Interval, r2: Interval, mean: Interval, volatility: Interval, horizon: float
) -> Interval | None:
    """R² of persistence on levels, ``1 - var(change)/var(level)``; changes proportional to the mean price, no drift."""
    level, change = target_std(rmse, r2), mean * volatility * math.sqrt(horizon)
    return _ONE - (change / level).power(2) if level.low > 0 and change.low > 0 else None


def std_ceiling(mean: Interval, low: Interval, high: Interval, n: float | None = None) -> float | None:
    """Largest deviation, with denominator n - 1, of n values between extremes with this mean (Bhatia & Davis 2000)."""
    if low.low > high.high:
        return None
    return math.sqrt(variance_ceiling(low.low, high.high, mean) * (n / (n - 1) if n is not None and n > 1 else 2.0))


def std_floor(mean: Interval, low: Interval, high: Interval, n: float) -> float | None:
    """Least deviation (denominator n) of n values: none is beyond ``sd * sqrt(n - 1)`` of the mean (Samuelson 1968)."""
    gaps = (max(end.low - mean.high, mean.low - end.high, 0.0) for end in (low, high))
    return max(gaps) / math.sqrt(n - 1) if n > 1 else None


def debit_readings(share: Interval, n: float) -> dict[str, Interval]:
    """Standard deviation of n zeros and ones with this share of ones, ``sqrt(p (1 - p) n / (n - ddof))``."""
    p = share.clip(0.0, 1.0) or Interval(0.0, 0.0)
    variance = Interval(min(end * (1 - end) for end in (p.low, p.high)), variance_ceiling(0.0, 1.0, p))
    return {f"denominator {name}": (variance * (n / (n - ddof))).power(0.5)
            for name, ddof in (("n - 1", 1), ("n", 0)) if n > ddof}  # fmt: skip


def grimmer(std: Interval, mean: Interval, n: int) -> float | None:
    """Pairs of a sum S and a sum of squares Q of n whole numbers that round to a mean and a deviation (denominator n or
    n - 1): both even or both odd, since ``x**2 = x (mod 2)``. None where the prints leave too many to count."""
    if not 1 < n <= 5000 or mean.width * n > 50:
        return None
    pairs = 0
    for total in range(math.ceil(mean.low * n - _SLACK), math.floor(mean.high * n + _SLACK) + 1):
        for ddof in (0, 1):
            low, high = ((n - ddof) * end**2 + total * total / n for end in (max(std.low, 0.0), std.high))
            first, last = math.ceil(low - _SLACK * max(1, low)), math.floor(high + _SLACK * max(1, high))
            pairs += (last - first - (first - total) % 2) // 2 + 1
    return pairs


def p_readings(statistic: Interval, degrees: Interval | None = None) -> dict[str, Interval]:
    """p-values of a t (with degrees of freedom) or z statistic: two-sided, and either one-sided."""
    from scipy.special import ndtr, stdtr

    ends = [-abs(statistic).high, -abs(statistic).low]
    known = None if degrees is None else degrees.middle
    tail = Interval(*(float(ndtr(end) if known is None else stdtr(known, end)) for end in ends))
    return {"two-sided": tail * 2.0, "one-sided": tail, "one-sided, other side": Interval(1 - tail.high, 1 - tail.low)}


def t_of_correlation(correlation: Interval, n: float) -> dict[str, Interval]:
    """t of a correlation, ``r sqrt((n - 2)/(1 - r**2))``, with n - 2 and the variants n - 1 and n."""
    if n < 4 or not correlation.meets(Interval(-0.999999, 0.999999)):
        return {}
    slope = corners(lambda r: math.copysign(math.inf, r) if abs(r) >= 1 else r / math.sqrt(1 - r * r), correlation)
    return {name: slope * math.sqrt(n - less) for name, less in (("n - 2", 2), ("n - 1", 1), ("n", 0))}


def t_of_mean(mean: Interval, std: Interval, n: float) -> Interval:
    """t of a mean, ``m / (s / sqrt n)``, for a deviation printed with denominator n - 1 or n."""
    ratio = mean / std
    return hull_of([ratio * math.sqrt(n), ratio * math.sqrt(max(n - 1, 1))])


def sharpe_readings(
    gain: Interval, volatility: Interval, risk_free: Interval | None = None, sessions: float | None = None
) -> dict[str, Interval]:
    """Sharpe ratio from annual return and volatility: of an arithmetic or a compounded return, less the rate or not,
    the deviation with denominator n or n - 1. A path with volatility s that compounds to g has an arithmetic mean
    between ``ln(1 + g)`` (Jensen) and ``ln(1 + g) + 0.8 (s**2 + g**2)``, since ``r - ln(1 + r) <= 0.8 r**2`` for every
    r >= -0.5."""
    if volatility.low <= 0:
        return {}
    means = {"return": gain}
    if gain.low > -1:
        room = 0.8 * (volatility.high**2 + max(gain.low**2, gain.high**2))
        means["arithmetic mean of a compounded return"] = Interval(math.log1p(gain.low), math.log1p(gain.high) + room)
    if risk_free is not None:
        means |= {f"{name} less risk-free": mean - risk_free for name, mean in means.items()}
    n = 20 if sessions is None else sessions
    stretch = Interval(math.sqrt((n - 1) / n), math.sqrt(n / (n - 1))) if n > 1 else Interval.point(1.0)
    return {f"{name} / volatility": mean / volatility * stretch for name, mean in means.items()}


def unstated_rate(
    first: Interval, gain: Interval, volatility: Interval, risk_free: Interval | None, sessions: float | None
) -> Interval | None:
    """Sharpe ratios that some risk-free rate up to 15% leaves, where none is stated."""
    if risk_free is not None:
        return None
    high = max(value.high for value in sharpe_readings(gain, volatility, None, sessions).values())
    return Interval(min((gain.low - RISK_FREE_CEILING) / volatility.high, first.low), high)


def mean_over_a_year(mean: Interval, volatility: Interval | None = None) -> dict[str, Interval]:
    """A mean a period times P, compounded, or compounded less about half the variance, for every usual P."""
    spread = 0.8 * (volatility.high if volatility is not None else LARGE_VOLATILITY) ** 2
    readings = {f"times {periods}": mean * periods for periods in PERIODS}
    for periods in PERIODS if mean.low > -1 else ():
        grown = corners(lambda rate, p=periods: math.expm1(min(p * math.log1p(rate), 700.0)), mean)
        readings[f"compounded over {periods}"] = grown
        if grown.low > -1:
            less = math.expm1(math.log1p(grown.low) - spread - 0.8 * min(grown.low, 1e100) ** 2)
            readings[f"compounded over {periods}, less half the variance"] = Interval(less, grown.high)
    return readings


def compounded_readings(total: Interval, years: Interval, volatility: Interval | None = None) -> dict[str, Interval]:
    """Annual return from a total return over a stretch of years: compounded, divided by the years, or the arithmetic
    mean of what compounds to it, above its logarithm by about half the variance."""
    readings = {"total / years": total / years}
    if total.low > -1 and years.low > 0:
        grown = corners(lambda t, y: math.expm1(math.log1p(t) / y), total, years)
        room = 0.8 * (volatility.high**2 if volatility is not None else 1.0)
        readings["compounded"] = grown
        readings["arithmetic mean"] = Interval(math.log1p(max(grown.low, -0.999)), grown.high + room)
    return readings


def cost_readings(turnover: Interval, rate: Interval, kind: str = "") -> dict[str, Interval]:
    """Cost of a turnover at a rate a side: both sides of a one-way turnover pay; of the period, or annualised."""
    factors = {"as printed": 1.0, "one-way turnover, both sides pay": 2.0, "two-way turnover, halved": 0.5}
    wanted = {"one-way": "one-way", "two-way": "as printed"}.get(kind, "")
    paid = {name: turnover * rate * factor for name, factor in factors.items() if name.startswith(wanted)}
    return paid | {f"{name}, times {p}": cost * p for name, cost in paid.items() for p in (252, 365, 52, 12)}


def fallen(sharpe: float, volatility: float, years: float, level: float) -> float:
    """Probability that a Brownian motion falls below ``-level`` at some time of so many years."""
    drift, spread = sharpe * volatility, volatility * math.sqrt(years)
    exponent = min(-2 * drift * level / volatility**2, 700.0)
    first = _Z.cdf((-level - drift * years) / spread)
    return min(1.0, first + math.exp(exponent) * _Z.cdf((-level + drift * years) / spread))


def share_of(wins: Interval, losses: Interval) -> Interval:
    """Winners among those that won or lost, ``W/(W + L)``; anything where none may have."""
    if wins.low + losses.low <= 0:
        return Interval(0.0, 1.0)
    return corners(lambda won, lost: won / (won + lost), wins.power(1), losses.power(1))


def foresight_ceiling(periods: float) -> float:
    """Sharpe ratio a year of knowing every sign of normal returns: ``sqrt(P) E|z|/std|z|``; 21.0 for sessions."""
    return math.sqrt(periods) * MEAN_ABSOLUTE_NORMAL / math.sqrt(1 - MEAN_ABSOLUTE_NORMAL**2)


def needed_hit_rate(sharpe: Interval, periods: float, move: float = 1.0) -> float:
    """Share of days a sign strategy in one asset must call rightly: ``(1 + x/k)/2``, ``x = SR_d / sqrt(1 + SR_d**2)``.
    The mean size of a `move`, k, is 1 when all are equal, 0.798 when normal; above 1 when no hit rate suffices."""
    daily = sharpe.low / math.sqrt(periods)
    return (1 + daily / math.sqrt(1 + daily * daily) / move) / 2


def icir_readings(
    ic: Interval | None, rank: Interval | None, std: Interval, sessions: float | None
) -> dict[str, Interval]:
    """Mean IC or rank IC over its deviation, a period or a year; the two may have denominators n and n - 1."""
    n = 12 if sessions is None else sessions
    stretch = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    over = {"daily": 1.0} | {f"annualised by √{p}": math.sqrt(p) for p in (252, 12, 52, 365, 250, 260)}
    means = ((ic, ""), (rank, "rank IC, " if ic is not None else ""))
    return {f"{of}{name}": mean / std * Interval(root / stretch, root * stretch)
            for mean, of in means if mean is not None for name, root in over.items()}  # fmt: skip


def transfer_coefficient(sharpe: Interval, icir: Interval, periods: float | None) -> dict[str, Interval]:
    """``TC = Sharpe / (ICIR sqrt(P))`` (Clarke, de Silva & Thorley 2002); where no periods are stated, a ratio below
    what knowing every sign earns in a period may itself be one a period."""
    readings = {"of the annual Sharpe ratio": sharpe / (icir * math.sqrt(periods or 252))}
    alone = periods is None and sharpe.high < foresight_ceiling(1)
    return readings | ({"of a Sharpe ratio a period": sharpe / icir} if alone else {})


def quantile_slope(quantiles: float) -> float:
    """Mean of the top 1/q of a standard normal, ``q phi(z)`` with ``z`` its quantile: 1.400 for quintiles."""
    return quantiles * _Z.pdf(_Z.inv_cdf(1 - 1 / quantiles))


def wilson(k: int, n: int) -> Interval:
    """Wilson's 95% score interval of k successes among n."""
    return Interval(*wilson_interval(k, n))


def auc_interval(auc: float, n_positive: int, n_negative: int) -> Interval:
    """Normal 95% interval of an AUC (Hanley & McNeil): ``SE**2 = [A(1-A) + (n+ - 1)(Q1 - A**2) +
    (n- - 1)(Q2 - A**2)] / (n+ n-)`` with ``Q1 = A/(2-A)`` and ``Q2 = 2 A**2/(1+A)``."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc * auc) + (n_negative - 1) * (q2 - auc * auc)
    half = _Z.inv_cdf(0.975) * math.sqrt(max(variance, 0.0) / (n_positive * n_negative))
    return Interval(max(0.0, auc - half), min(1.0, auc + half))


def sharpe_interval(sharpe: float, n: float, periods: float, level: float = 0.95) -> Interval:
    """Interval of an annualised Sharpe ratio for independent normal returns: ``Var(SR) = (1 + SR**2/2)/n`` a period."""
    per_period = sharpe / math.sqrt(periods)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(periods * (1 + per_period**2 / 2) / n)
    return Interval(sharpe - half, sharpe + half)


def deflated_floor(trials: int, n: float, periods: float) -> float:
    """Annualised Sharpe ratio that the best of `trials` skilless strategies shows on average over n periods (the
    exact maximum in place of the bracket of Bailey & López de Prado 2014; dispersion across trials ``1/n``)."""
    return deflated_sharpe.expected_maximum(max(trials, 1), exact=True) * math.sqrt(periods / n)


def mse_of_parts(bias: Interval, std: Interval) -> Interval:
    """``bias² + s²(n − k)/n`` for a deviation with denominator n − k and k up to half of the errors."""
    return abs(bias).power(2) + std.power(2) * Interval(0.5, 1.0)


def chance_of_fall(fall: Interval, sharpe: Interval, vol: Interval, n: float, periods: float) -> float:
    """Chance that a Brownian motion falls below its start by more than the drawdown within some quarter."""
    years = n / periods
    quarters = max(1, int(4 * years))
    one = fallen(sharpe.high, vol.low, years / quarters, abs(fall).high) if vol.low > 0 else 0.0
    return 1 - (1 - one) ** quarters


def mixture(rates: Mapping[str, Interval], shares: Mapping[str, Interval]) -> Interval | None:
    """Σ share·rate over the printed parts, and a rate of 0 to 1 for the rest."""
    known = [(shares[label], rate) for label, rate in rates.items() if label in shares]
    rest = max(0.0, 1 - sum(share.low for share, _ in known))
    return sum_of(share * rate for share, rate in known) + Interval(0.0, rest) if known else None


def factor_of(rate: Interval, payoff: Interval) -> Interval:
    """Profit factor of a share of winners and their mean over that of losers, ``p b/(1 - p)``."""
    return corners(lambda p, b: math.inf if p >= 1 else p / (1 - p) * b, rate, payoff)


def sharpe_around(sharpe: Interval, n: float, periods: float) -> dict[str, Interval]:
    """Intervals around both ends of the print, the one further from zero first."""
    ends = (sharpe.high, sharpe.low) if sharpe.middle >= 0 else (sharpe.low, sharpe.high)
    return dict(zip(("", "near"), (sharpe_interval(end, n, periods) for end in ends), strict=True))


def ic_around(ic: Interval, std: Interval, n: float) -> Interval | None:
    """95% interval of a mean IC as far from 0 as its prints allow; None where t lies between 1.96 and 3."""
    t, end = t_of_mean(ic, std, round(n)), ic.high if ic.middle >= 0 else ic.low
    half = 1.96 * std.low / math.sqrt(n)
    return Interval(end - half, end + half) if abs(t).high < 1.96 or t.low > 3 else None


def epochs_of(best: Interval | float, patience: float, cap: float | None) -> Interval:
    """Epochs run when training stops `patience` epochs after the best one, or at the cap, one epoch either way."""
    run, cap = Interval(patience - 1, patience + 1) + best, math.inf if cap is None else cap
    return Interval(min(run.low, cap), min(run.high, cap))
