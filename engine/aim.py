"""How far to trade towards a target that moves: partial trading, at a pace from what targets still know as they age.

A book that goes the share κ of the way each session holds x = Σⱼ κ(1−κ)ʲ·targetₜ₋ⱼ. With ic·ρʲ the correlation of a
target with the returns j sessions on, and a·rᵏ its autocorrelation (k ≥ 1), per unit of the target's own size,

    gain G = κ/(1 − bρ),  variance V = κ/(2−κ)·(1 + 2a·br/(1−br)),  trade² D² = κ²·(1 + V − 2a·κr/(1−br)),  b = 1 − κ,

so that κ maximises (G − cD)²/(V + mD²) and the size of the book is (G − cD)/(V + mD²) times the target's: c is the cost
of the expected trade over what a target earns, √(2/π)·rate/(ic·σ), and m the weight of quadratic costs over that of
risk. With c = 0 and a = 1, r = ρ this is the policy of Gârleanu and Pedersen (tested against theirs and against the
quadratic program that it solves).

References
----------
Gârleanu & Pedersen (2013), "Dynamic trading with predictable returns and transaction costs", Journal of Finance 68(6).

"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.data.conventions import Floats

__all__ = ["LAGS", "Decaying", "Pace", "Seen", "fitted", "pace_of", "pace_seen"]

#: Ages of a target, in sessions, at which it is compared with returns.
LAGS = 40
#: Sessions seen before the pace is believed; until then targets are traded as they are.
LEAST = 60
#: Bounds of what is believed of it.
_SLOWEST, _SMALLEST, _LARGEST = 0.02, 0.5, 2.0
#: Fewest assets in a correlation.
_NAMES = 5
_HALF_LIVES = np.geomspace(0.25, 250.0, 80)
_RATES = np.geomspace(0.004, 1.0, 120)


@dataclass(frozen=True)
class Decaying:
    """level·ρᵏ at age k."""

    level: float
    rho: float


@dataclass(frozen=True)
class Pace:
    """The share of the way that is traded each session, and the size of the aim as a multiple of the target's."""

    rate: float
    size: float


#: What is traded where nothing is known.
_WHOLE = Pace(1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the sessions so far have shown of the targets; `after` adds one.

    Parameters
    ----------
    past : (≤ LAGS, N) standardised targets of the last sessions, the newest first; NaN = none.
    close : (N,) the last closes.
    ic, ic_count : (LAGS,) sums over sessions of the correlation of returns with the targets 1, 2, … sessions old, and
        how many.
    own, own_count : (LAGS,) the same of targets with older ones.
    spread, sessions : sum over sessions of the standard deviation of returns across assets, and how many.

    """

    past: Floats
    close: Floats
    ic: Floats
    ic_count: Floats
    own: Floats
    own_count: Floats
    spread: float = 0.0
    sessions: int = 0

    @classmethod
    def nothing(cls, assets: int) -> Seen:
        """Before the first session."""
        none = np.zeros(LAGS)
        return cls(np.empty((0, assets)), np.full(assets, np.nan), none, none, none, none)

    def after(self, target: Floats, close: Floats) -> Seen:
        """With one session more.

        Parameters
        ----------
        target : (N,) the targets that stand at its close; NaN = none.
        close : (N,) its closes.

        """
        returns = close / self.close - 1.0
        known = ~np.isnan(returns)
        fresh = _standard(target)
        ic, ic_count = _correlated(self.past, _standard(returns))
        own, own_count = _correlated(self.past, fresh)
        some = int(known.sum()) >= _NAMES
        return Seen(
            np.vstack([fresh[None, :], self.past[: LAGS - 1]]),
            np.where(np.isnan(close), self.close, close),
            self.ic + ic,
            self.ic_count + ic_count,
            self.own + own,
            self.own_count + own_count,
            self.spread + (float(returns[known].std()) if some else 0.0),
            self.sessions + some,
        )


def _standard(row: Floats) -> Floats:
    """(N,) with mean 0 and standard deviation 1; NaN throughout where there are too few, or they do not vary."""
    known = ~np.isnan(row)
    if known.sum() < _NAMES:
        return np.full(len(row), np.nan)
    deviation = float(row[known].std())
    if not deviation > 0:
        return np.full(len(row), np.nan)
    answer: Floats = (row - row[known].mean()) / deviation
    return answer


def _correlated(past: Floats, row: Floats) -> tuple[Floats, Floats]:
    """(LAGS,) correlation of `row` with each row of `past`, 0 where there is none, and whether there is one."""
    out, count = np.zeros(LAGS), np.zeros(LAGS)
    if len(past):
        both = ~np.isnan(past) & ~np.isnan(row)
        names = both.sum(axis=1)
        enough = names >= _NAMES
        product = np.where(both, past * row, 0.0).sum(axis=1) / np.maximum(names, 1)
        out[: len(past)] = np.where(enough, product, 0.0)
        count[: len(past)] = enough
    return out, count


def fitted(total: Floats, count: Floats) -> Decaying | None:
    """The level·ρᵏ nearest to the means at ages 1, 2, …, weighted by how many; None where the level is not above 0."""
    ages = np.arange(1, len(total) + 1)
    rhos = 0.5 ** (1.0 / _HALF_LIVES)
    shapes = rhos[:, None] ** ages
    along, power = shapes @ total, (shapes**2) @ count
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(power > 0, along / power, 0.0)
    explained = np.where(level > 0, along * level, -np.inf)
    best = int(explained.argmax())
    return Decaying(float(level[best]), float(rhos[best])) if level[best] > 0 else None


def pace_of(gain: Decaying, own: Decaying, *, cost: float = 0.0, quadratic: float = 0.0) -> Pace:
    """The best pace and size.

    Parameters
    ----------
    gain : of the correlation of targets with returns; its level is what a new target earns, and only ρ is read.
    own : autocorrelation of the targets, at most 1 at age 0.
    cost : c; proportional.
    quadratic : m; λ/γ with costs of λ/2·Δ'ΣΔ and a risk of γ/2·x'Σx.

    Returns
    -------
    Pace
        of size 0 where nothing is left after costs.

    """
    from scipy.optimize import brentq, minimize_scalar

    def parts(rate: Floats | float) -> tuple[Floats, Floats]:
        kept = 1.0 - np.asarray(rate, dtype=np.float64)
        level = min(own.level, 1.0)
        fades = 1.0 - kept * own.rho
        variance = rate / (1.0 + kept) * (1.0 + 2.0 * level * kept * own.rho / fades)
        trade = rate**2 * np.maximum(1.0 + variance - 2.0 * level * rate * own.rho / fades, 0.0)
        return rate / (1.0 - kept * gain.rho) - cost * np.sqrt(trade), variance + quadratic * trade

    def worth(rate: Floats | float) -> Floats:
        left, risk = parts(rate)
        answer: Floats = np.sign(left) * left**2 / risk
        return answer

    def slope(rate: float) -> float:
        """Derivative of log worth."""
        kept, level, r = 1.0 - rate, min(own.level, 1.0), own.rho
        fades, decays = 1.0 - kept * r, 1.0 - kept * gain.rho
        share, spread = rate / (1.0 + kept), 1.0 + 2.0 * level * kept * r / fades
        variance = 2.0 / (1.0 + kept) ** 2 * spread - share * 2.0 * level * r / fades**2
        inner = max(1.0 + share * spread - 2.0 * level * rate * r / fades, 1e-300)
        trade = 2.0 * rate * inner + rate**2 * (variance - 2.0 * level * r * (fades - rate * r) / fades**2)
        left, risk = (float(value) for value in parts(rate))
        moved = (decays - rate * gain.rho) / decays**2 - cost * trade / (2.0 * rate * math.sqrt(inner))
        return 2.0 * moved / left - (variance + quadratic * trade) / risk if left > 0 else -1.0

    best = int(worth(_RATES).argmax())
    low, high = _RATES[max(best - 1, 0)], _RATES[min(best + 1, len(_RATES) - 1)]
    rate = float(minimize_scalar(lambda x: -float(worth(x)), bounds=(low, high), method="bounded",
                                 options={"xatol": 1e-7}).x)  # fmt: skip
    if slope(low) > 0 > slope(high):  # a maximum is flat: found by its slope it is as exact as what is given
        rate = float(brentq(slope, low, high, xtol=1e-15))
    left, risk = parts(rate)
    return Pace(rate, max(float(left / risk), 0.0))


def pace_seen(seen: Seen, *, trade_rate: float, first: int) -> Pace:
    """The pace that the sessions so far speak for, within bounds.

    Parameters
    ----------
    seen : through the session of the decision.
    trade_rate : cost of a traded unit.
    first : sessions from a decision to the first return that it earns.

    """
    if seen.sessions < LEAST or seen.ic_count[0] < LEAST:
        return _WHOLE
    gain, own = fitted(seen.ic, seen.ic_count), fitted(seen.own, seen.own_count)
    if gain is None or own is None:
        return Pace(_SLOWEST, _SMALLEST)
    earned = gain.level * gain.rho**first * seen.spread / seen.sessions
    if not earned > 0:
        return Pace(_SLOWEST, _SMALLEST)
    found = pace_of(gain, own, cost=math.sqrt(2 / math.pi) * trade_rate / earned)
    return Pace(max(found.rate, _SLOWEST), min(max(found.size, _SMALLEST), _LARGEST))
