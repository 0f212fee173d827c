"""Whether a forecast of returns is better than a naive one: loss ratios and tests, on plain arrays.

Panels. A panel of T sessions by N assets is no sample of T·N independent cases: the names of one session move
together. Every test here therefore takes the mean over the names of each session first, and then asks whether the
mean of that series differs from 0. Sessions without a name are left out. Windows of h sessions overlap, so the series
is correlated up to lag h − 1; its long-run variance V counts those lags in full (uniform weights, Diebold & Mariano
1995), or with Bartlett weights where that sum is not positive, and the result says which. The statistic is

    mean/√(V/n) · √((n + 1 − 2h + h(h − 1)/n)/n),

the correction of Harvey, Leybourne & Newbold (1997): at h = 1 it is the ordinary t of a mean.

What cannot be tested has a NaN statistic and says why in `reason`.

Evidence takes its figures from `assay.results.stats.naive_forecasts.against_naive`; `out_of_sample_r2`, `theil_u2` and
`clark_west` here are the reference that the tests hold it to, and for who wants one figure alone.

References
----------
Diebold & Mariano (1995), "Comparing predictive accuracy", Journal of Business & Economic Statistics 13(3).
Harvey, Leybourne & Newbold (1997), "Testing the equality of prediction mean squared errors", International Journal of
Forecasting 13(2).
Theil (1966), *Applied Economic Forecasting*. Hyndman & Koehler (2006), International Journal of Forecasting 22(4).
Pesaran & Timmermann (1992), "A simple nonparametric test of predictive performance", Journal of Business & Economic
Statistics 10(4).
Clark & West (2007), "Approximately normal tests for equal predictive accuracy in nested models", Journal of
Econometrics 138(1). Campbell & Thompson (2008), Review of Financial Studies 21(4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.data.card import plural
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.row_tables import RowValues, Values
from assay.results.stats.blocks import cases, row_blocks, row_counts
from assay.results.stats.long_run_variance import long_run_covariance

__all__ = [
    "ForecastTest",
    "HistoricalMean",
    "SessionMeans",
    "clark_west",
    "diebold_mariano",
    "historical_mean",
    "long_run_variance",
    "mase",
    "one_sided",
    "out_of_sample_r2",
    "pesaran_timmermann",
    "pesaran_timmermann_panel",
    "r2_against",
    "session_means",
    "session_t",
    "theil_u2",
    "without_rounding",
]


_FLAT = 1e-12


@dataclass(frozen=True)
class ForecastTest:
    """What a test found.

    Parameters
    ----------
    statistic : NaN where nothing can be tested.
    p_value : probability of a statistic at least as extreme if there is nothing to find.
    mean : what is tested against 0, in its own unit (a loss difference, an excess share of hits).
    n : sessions (cases, for `pesaran_timmermann`).
    lag : last autocovariance in the variance.
    weights : of the autocovariances: uniform, or Bartlett where the uniform sum is not positive.
    reason : why there is no statistic.

    """

    statistic: float
    p_value: float
    mean: float
    n: int
    lag: int = 0
    weights: str = "uniform"
    reason: str = ""


def session_means(values: Floats) -> Floats:
    """Mean over the names of each session, (≤ T,): sessions without a finite value are left out.

    Parameters
    ----------
    values : (T,) or (T, N).

    """
    table = _table(values)
    return _session_means(table.shape, lambda rows: table[rows])


class SessionMeans:
    """`session_means` of a table of T sessions whose rows come some at a time."""

    def __init__(self, sessions: int) -> None:
        self._total, self._count = np.zeros(sessions), np.zeros(sessions, dtype=np.int64)

    def add(self, rows: slice, values: Floats) -> None:
        """The values of these sessions."""
        known = np.isfinite(values)
        self._count[rows] = values.shape[1]
        if not known.all():
            values, self._count[rows] = np.where(known, values, 0.0), row_counts(known)
        self._total[rows] = values.sum(axis=1)

    @property
    def values(self) -> Floats:
        """(≤ T,) means of the sessions that have a value."""
        some = self._count > 0
        return np.asarray(self._total[some] / self._count[some])


def _session_means(shape: tuple[int, ...], of: Callable[[slice], Floats]) -> Floats:
    """`session_means` of a table of that shape whose rows are made some at a time."""
    means = SessionMeans(shape[0])
    for rows in row_blocks(shape):
        means.add(rows, of(rows))
    return means.values


def session_t(series: Floats, horizon: int = 1) -> ForecastTest:
    """Whether the mean of a series differs from 0, two-sided, with lag horizon − 1; see the head of this module.

    Parameters
    ----------
    series : (n,) a value a session, without NaN.
    horizon : h, sessions that each value spans.

    """
    if horizon < 1:
        raise InputError(f"forecast test: horizon must be at least 1 session, got {horizon}")
    n = len(series)
    mean = float(series.mean()) if n else math.nan
    if n < 3 or n <= 2 * horizon:
        why = f"{plural(n, 'session')}; at least {max(3, 2 * horizon + 1)} are needed at horizon {horizon}"
        return ForecastTest(math.nan, math.nan, mean, n, horizon - 1, reason=why)
    if float(np.ptp(series)) <= _FLAT * float(np.abs(series).max()):
        same = not np.abs(series).max() > 0
        why = "no difference on any session" if same else "the difference is the same on every session"
        return ForecastTest(math.nan, math.nan, mean, n, horizon - 1, reason=why)
    from scipy.special import stdtr

    variance, weights = long_run_variance(series, horizon - 1)
    correction = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = mean / math.sqrt(variance / n) * correction
    p_value = 2.0 * float(stdtr(n - 1, -abs(statistic)))
    return ForecastTest(statistic, p_value, mean, n, horizon - 1, weights)


def diebold_mariano(
    errors: Floats, naive_errors: Floats, *, horizon: int = 1, loss: Literal["squared", "absolute"] = "squared"
) -> ForecastTest:
    """Whether two forecasts are equally accurate (Diebold & Mariano 1995), two-sided, Student's t with n − 1 degrees.

    d = L(error) − L(naive error) where both are known, the mean over names a session; below 0 the first is the more
    accurate. Where the naive forecast is a special case of the other (a mean, 0), d tends below what equal accuracy in
    the population implies, against the larger model: `clark_west` corrects that.

    Parameters
    ----------
    errors, naive_errors : (T,) or (T, N), actual − predicted, the same unit; NaN = unknown.
    horizon : h; the lag is h − 1.
    loss : of an error.

    Raises
    ------
    InputError
        On different shapes or another loss.

    """
    one, two = _pair(errors, naive_errors, "diebold_mariano")
    if loss not in ("squared", "absolute"):
        raise InputError(f"diebold_mariano: loss must be 'squared' or 'absolute', got {loss!r}")

    def difference(rows: slice) -> Floats:
        better, naive = one[rows], two[rows]
        return np.asarray(better**2 - naive**2 if loss == "squared" else np.abs(better) - np.abs(naive))

    return session_t(_session_means(one.shape, difference), horizon)


def clark_west(predicted: Values, actual: Values, naive: Values, *, horizon: int = 1) -> ForecastTest:
    """Whether a model beats the naive forecast that it nests (Clark & West 2007), one-sided, normal.

    f = (y − naive)² − [(y − ŷ)² − (naive − ŷ)²], the mean over names a session; above 0 speaks for the model. The last
    term takes out what a larger model loses by estimating parameters that are 0. p is the normal's upper tail.

    Parameters
    ----------
    predicted, actual, naive : (T,) or (T, N), the same unit; NaN = unknown.
    horizon : h; the lag is h − 1.

    Raises
    ------
    InputError
        On different shapes.

    """
    p, y = _pair(predicted, actual, "clark_west")
    m, _ = _pair(naive, actual, "clark_west")

    def gained(rows: slice) -> Floats:
        said, came, simple = p[rows], y[rows], m[rows]
        return np.asarray((came - simple) ** 2 - ((came - said) ** 2 - (simple - said) ** 2))

    return one_sided(session_t(_session_means(y.shape, gained), horizon))


def out_of_sample_r2(predicted: Values, actual: Values, naive: Values) -> float:
    """1 − Σ(y − ŷ)²/Σ(y − naive)² over all known cases (Campbell & Thompson 2008); NaN without any or without errors.

    Unitless; above 0 the model's squared errors are smaller than those of `naive`, e.g. `historical_mean`.

    Raises
    ------
    InputError
        On different shapes.

    """
    p, y = _pair(predicted, actual, "out_of_sample_r2")
    m, _ = _pair(naive, actual, "out_of_sample_r2")
    errors, below = _squares(p, y, m)
    return r2_against(errors, below)


def r2_against(errors: float, below: float) -> float:
    """1 − errors/below, both sums of squares; NaN where there is nothing to divide by."""
    return 1.0 - errors / below if below > 0 else math.nan


def historical_mean(forward: Floats, *, known_after: int, minimum: int = 60) -> Floats:
    """Mean of all forward returns known at t, an asset at a time: the naive forecast of Campbell & Thompson (2008).

    Parameters
    ----------
    forward : (T, N) stamped t, decimal; NaN = unknown.
    known_after : delay + horizon: row s counts from row s + known_after on.
    minimum : returns that a mean needs; NaN before.

    Returns
    -------
    (T, N), decimal, stamped t, from rows ≤ t − known_after alone.

    """
    table = np.asarray(_table(forward))
    rows = HistoricalMean(table, known_after=known_after, minimum=minimum)
    out = np.full(table.shape, np.nan)
    for part in row_blocks(table.shape):
        rows.into(out[part], part)
    return out


class HistoricalMean:
    """`historical_mean` some rows at a time: fast where they are asked for in order, since sums are carried on.

    Parameters
    ----------
    forward, known_after, minimum : as there.

    """

    def __init__(self, forward: Values, *, known_after: int, minimum: int = 60) -> None:
        if known_after < 1 or minimum < 1:
            raise InputError(f"historical mean: known_after and minimum must be ≥ 1, got {known_after}, {minimum}")
        self._table, self._lag, self._minimum = forward, known_after, minimum
        self._restart()

    def _restart(self) -> None:
        self._next = 0
        self._sum, self._count = np.zeros(self._table.shape[1]), np.zeros(1, dtype=np.int64)

    def __call__(self, rows: slice) -> Floats:
        """(n, N) means of these rows."""
        out = np.full((rows.stop - rows.start, self._table.shape[1]), np.nan)
        self.into(out, rows)
        return out

    def into(self, out: Floats, rows: slice) -> None:
        """Write the means of these rows over NaN."""
        begin, stop = max(rows.start - self._lag, 0), rows.stop - self._lag
        if begin < self._next:
            self._restart()
        for part in row_blocks((max(begin - self._next, 0), self._table.shape[1])):
            self._added(slice(self._next, self._next + part.stop - part.start))
        if stop <= begin:
            return
        total, count = self._added(slice(begin, stop))
        later = out[begin + self._lag - rows.start :]
        enough = count >= self._minimum
        if enough.all():
            np.divide(total, count, out=later)
        else:
            np.divide(total, count, out=later, where=enough)

    def _added(self, rows: slice) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Sums through each of the next rows, and counts; these are one a row while no asset has lacked a return."""
        values = self._table[rows]
        known = np.isfinite(values)
        total = np.empty(values.shape)
        if known.all():
            steps = np.arange(1, len(values) + 1, dtype=np.int64)[:, None]
        else:
            values, steps = np.where(known, values, 0.0), known.cumsum(axis=0, dtype=np.int64)
        before = self._sum
        for row, through in zip(values, total, strict=True):
            before = np.add(before, row, out=through)
        count = self._count + steps
        self._sum, self._count, self._next = total[-1], count[-1], rows.stop
        return total, count


def theil_u2(predicted: Values, actual: Values, naive: Floats | float = 0.0) -> float:
    """Root mean squared error over that of the naive forecast, all known cases pooled (Theil 1966); below 1 is better.

    Of returns, the naive forecast is 0: the price stays where it is (persistence). Unitless. NaN where the naive
    forecast makes no error or nothing is known.

    Raises
    ------
    InputError
        On different shapes.

    """
    p, y = _pair(predicted, actual, "theil_u2")
    m = np.broadcast_to(np.asarray(naive, dtype=np.float64).reshape(-1, 1) if np.ndim(naive) == 1 else naive, y.shape)
    errors, below = _squares(p, y, m)
    return math.sqrt(errors / below) if below > 0 else math.nan


def mase(predicted: Values, actual: Values, scale: Floats | float) -> float:
    """Mean absolute error over the in-sample mean absolute error of persistence (Hyndman & Koehler 2006).

    Each asset's errors are divided by its own scale, then all cases count the same. Unitless; below 1: better than
    persistence was on the sessions that the scale is from.

    Parameters
    ----------
    predicted, actual : (T,) or (T, N), the same unit.
    scale : a number or (N,): mean absolute change over sessions **before** the first forecast, in the unit of `actual`
        (of returns: their mean absolute value). Assets without a scale above 0 are left out.

    Raises
    ------
    InputError
        On different shapes.

    """
    p, y = _pair(predicted, actual, "mase")
    size = np.broadcast_to(np.asarray(scale, dtype=np.float64), (y.shape[1],))
    usable = np.where(np.isfinite(size) & (size > 0), size, np.nan)
    if np.isnan(usable).all():
        return math.nan
    total, count = 0.0, 0
    for rows in row_blocks(y.shape):
        scaled = np.abs(y[rows] - p[rows]) / usable
        known = np.isfinite(scaled)
        total, count = total + float(scaled[known].sum()), count + int(known.sum())
    return total / count if count else math.nan


def pesaran_timmermann(predicted: Floats, actual: Floats) -> ForecastTest:
    """Whether signs are foretold better than two independent coins would (Pesaran & Timmermann 1992), one-sided.

    P̂ = share of equal signs, P* = Py·Px + (1 − Py)(1 − Px) with Py and Px the shares above 0;
    S = (P̂ − P*)/√(V(P̂) − V(P*)), V(P̂) = P*(1 − P*)/n,
    V(P*) = [(2Py − 1)²·Px(1 − Px) + (2Px − 1)²·Py(1 − Py) + 4·Py·Px(1 − Py)(1 − Px)/n]/n. p is the normal's upper
    tail. For one series of independent cases; of a panel, or of windows that overlap, use `pesaran_timmermann_panel`.

    Parameters
    ----------
    predicted, actual : (n,); above 0 is up, all else is not; NaN pairs are left out.

    Raises
    ------
    InputError
        On different shapes or a panel.

    """
    if np.ndim(predicted) != 1 or np.ndim(actual) != 1:
        raise InputError("pesaran_timmermann: one series is needed; of a panel use pesaran_timmermann_panel")
    p, y = (side[:] for side in _pair(predicted, actual, "pesaran_timmermann"))
    known = np.isfinite(p) & np.isfinite(y)
    said, up = p[known] > 0, y[known] > 0
    n = len(up)
    if n < 3:
        return ForecastTest(math.nan, math.nan, math.nan, n, reason=f"{n} cases; at least 3 are needed")
    hits, px, py = float((said == up).mean()), float(said.mean()), float(up.mean())
    chance = py * px + (1 - py) * (1 - px)
    why = _one_sided_signs(px, py)
    own = chance * (1 - chance) / n
    of_chance = (
        (2 * py - 1) ** 2 * px * (1 - px)
        + (2 * px - 1) ** 2 * py * (1 - py)
        + 4 * py * px * (1 - py) * (1 - px) / n
    ) / n
    if why or not own - of_chance > 0:
        return ForecastTest(math.nan, math.nan, hits - chance, n, reason=why or "too few cases for the variance")
    from scipy.special import ndtr

    statistic = (hits - chance) / math.sqrt(own - of_chance)
    return ForecastTest(statistic, float(ndtr(-statistic)), hits - chance, n)


def pesaran_timmermann_panel(predicted: Values, actual: Values, *, horizon: int = 1) -> ForecastTest:
    """The same question of a panel, by session: one-sided, the normal's upper tail.

    The excess of hits P̂ − P* of Pesaran & Timmermann (1992) is twice the covariance of the two signs. Each session's
    part in it, the sum over its names of 2·(said − Px)(up − Py), is one observation of `session_t`, so that names
    which move together count once and windows that overlap are allowed for. `mean` is P̂ − P* over all cases.

    Parameters
    ----------
    predicted, actual : (T,) or (T, N); above 0 is up, all else is not; NaN pairs are left out.
    horizon : h; the lag is h − 1.

    Raises
    ------
    InputError
        On different shapes.

    """
    p, y = _pair(predicted, actual, "pesaran_timmermann_panel")
    held, counts, whole = np.zeros(len(y), dtype=bool), np.zeros(3, dtype=np.int64), list[bool]()
    for rows in row_blocks(y.shape):
        known = np.isfinite(p[rows]) & np.isfinite(y[rows])
        whole.append(bool(known.all()))
        held[rows] = whole[-1] or known.any(axis=1)
        counts += [np.count_nonzero(cell) for cell in (known, known & (p[rows] > 0), known & (y[rows] > 0))]
    cases, n = int(counts[0]), int(held.sum())
    if not cases:
        return ForecastTest(math.nan, math.nan, math.nan, 0, horizon - 1, reason="no case is known")
    px, py = int(counts[1]) / cases, int(counts[2]) / cases
    sums = np.zeros(len(y))
    for rows, all_known in zip(row_blocks(y.shape), whole, strict=True):
        signs = p[rows] > 0, y[rows] > 0
        if all_known and all(sign.flags.c_contiguous for sign in signs):  # else sums are taken in another order
            sums[rows] = ((signs[0] - px) * (signs[1] - py)).sum(axis=1)
            continue
        known = np.isfinite(p[rows]) & np.isfinite(y[rows])
        said, up = (np.where(known, sign, 0.0) for sign in signs)
        sums[rows] = np.where(known, (said - px) * (up - py), 0.0).sum(axis=1)
    parts = 2 * sums[held]
    excess = float(parts.sum()) / cases
    why = _one_sided_signs(px, py)
    if why:
        return ForecastTest(math.nan, math.nan, excess, n, horizon - 1, reason=why)
    found = one_sided(session_t(parts, horizon))
    return ForecastTest(
        found.statistic, found.p_value, excess, found.n, found.lag, found.weights, found.reason
    )


def one_sided(found: ForecastTest) -> ForecastTest:
    """The same statistic, against the normal's upper tail."""
    from scipy.special import ndtr

    p_value = float(ndtr(-found.statistic)) if math.isfinite(found.statistic) else math.nan
    return ForecastTest(found.statistic, p_value, found.mean, found.n, found.lag, found.weights, found.reason)


def _one_sided_signs(px: float, py: float) -> str:
    if px in (0.0, 1.0):
        return "every forecast has the same sign"
    return "every outcome has the same sign" if py in (0.0, 1.0) else ""


def long_run_variance(series: Floats, lag: int) -> tuple[float, str]:
    """γ₀ + 2·Σγ_l up to `lag`, denominator n; with Bartlett weights where that is not positive."""
    centred = series - series.mean()
    n = len(centred)
    plain = float(centred @ centred)
    total = plain + 2.0 * sum(float(centred[step:] @ centred[:-step]) for step in range(1, lag + 1))
    if total > _FLAT * plain:
        return total / n, "uniform"
    return float(long_run_covariance(series[:, None], lag)[0, 0]), "Bartlett"


def _squares(predicted: Values, actual: Values, naive: Values) -> tuple[float, float]:
    """Σ(y − ŷ)² and Σ(y − naive)² over all known cases; the second is 0 where it is nothing but rounding."""
    errors = below = size = 0.0
    for rows in row_blocks(actual.shape):
        p, y, m = predicted[rows], actual[rows], naive[rows]
        said, came, simple = cases(np.isfinite(p) & np.isfinite(y) & np.isfinite(m), p, y, m)
        errors += float(((came - said) ** 2).sum())
        below += float(((came - simple) ** 2).sum())
        size += float((came**2).sum())
    return errors, without_rounding(below, size)


def without_rounding(below: float, size: float) -> float:
    """A sum of squared errors, 0 where it is nothing but the rounding of values whose squares sum to `size`."""
    return below if below > _FLAT**2 * size else 0.0


def _table(values: Values) -> Values:
    if isinstance(values, RowValues):
        return values
    table = np.asarray(values, dtype=np.float64)
    return table[:, None] if table.ndim == 1 else table


def _pair(one: Values, two: Values, name: str) -> tuple[Values, Values]:
    shapes = [item.shape if isinstance(item, RowValues) else np.shape(item) for item in (one, two)]
    if shapes[0] != shapes[1]:
        raise InputError(f"{name}: shapes {shapes[0]} and {shapes[1]}; both must be about the same cases")
    return _table(one), _table(two)
