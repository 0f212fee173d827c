"""Whether scores and features still look as they did: the population stability index, with its sampling error.

Values of one session move together and those of neighbouring sessions resemble each other, so cells are no independent
cases: they are counted down by both (`effective_cases`).

References
----------
Yurdakul & Naranjo (2020), "Statistical properties of the population stability index", Journal of Risk Model Validation
14(4), for the distribution of PSI without drift.
Bartlett (1946), "On the theoretical specification and sampling properties of autocorrelated time-series", Supplement
to the Journal of the Royal Statistical Society 8(1), for the cases that an autocorrelated series is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.features import build_features
from assay.data.panel import PricePanel
from assay.results.storage.runs import Run

__all__ = ["Drift", "drift", "effective_cases", "feature_drift", "population_stability"]

_BINS = 10
#: Correlation beyond which a series is taken as no more than this slow.
_SLOWEST = 0.999
_LEVEL = 0.05


@dataclass(frozen=True)
class Drift:
    """How far a panel's values have moved.

    Parameters
    ----------
    name : what they are.
    psi : population stability index of the old values against the new ones.
    limit : what it stays below in 95% of samples without drift (of all panels tested together, where there are more).

    """

    name: str
    psi: float
    limit: float

    @property
    def drifted(self) -> bool:
        """Whether it is beyond its limit."""
        return self.psi > self.limit


def population_stability(
    old: Floats, new: Floats, *, cases: tuple[float, float], level: float = _LEVEL
) -> tuple[float, float]:
    """PSI over tenths of the old values, and its point without drift: χ²₉·(1/n + 1/m) of n and m cases.

    Parameters
    ----------
    old, new : values without NaN.
    cases : n and m.
    level : chance of lying beyond the point without drift.

    """
    from scipy.special import chdtri

    edges = np.quantile(old, np.linspace(0, 1, _BINS + 1)[1:-1])
    shares = []
    for values in (old, new):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=_BINS) + 0.5
        shares.append(counts / counts.sum())
    psi = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return psi, float(chdtri(_BINS - 1, level)) * (1 / cases[0] + 1 / cases[1])


def effective_cases(values: Floats) -> float:
    """How many independent cases the cells of a (T, N) panel amount to, at least 1.

    With ρ the correlation of a name's values with its own of the session before, around its own mean, and c = N times
    the variance of the sessions' means over the cells' variance (1 where names move by themselves, N where they move as
    one), the cells count as T·N·(1 − ρ)/((1 + ρ)·c).
    """
    known = np.isfinite(values)
    names = float(known.sum(axis=1)[known.any(axis=1)].mean()) if known.any() else 0.0
    count = np.maximum(known.sum(axis=0), 1)
    off = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / count, 0.0)
    both = known[1:] & known[:-1]
    total = float((off[1:] ** 2 * both).sum() + (off[:-1] ** 2 * both).sum()) / 2
    rho = float((off[1:] * off[:-1] * both).sum()) / total if total > 0 else 0.0
    rho = min(max(rho, 0.0), _SLOWEST)
    means = off.sum(axis=1)[known.any(axis=1)] / np.maximum(known.sum(axis=1)[known.any(axis=1)], 1)
    spread = float((off**2).sum()) / max(int(known.sum()), 1)
    together = names * float((means**2).mean()) / spread if spread > 0 else names
    return max(1.0, float(known.sum()) * (1 - rho) / (1 + rho) / min(max(together, 1.0), max(names, 1.0)))


def drift(name: str, old: Floats, new: Floats, *, tests: int = 1) -> Drift | None:
    """PSI of (T, N) old values against (S, N) new ones; None where either has too few.

    Parameters
    ----------
    name : what the values are.
    old, new : NaN where there is none.
    tests : panels that are tested together: each is held to 5% over their number.

    """
    before, after = old[np.isfinite(old)], new[np.isfinite(new)]
    if len(before) < _BINS or not len(after):
        return None
    # How much a cell counts is told from the old sample: a drift of the new one must not widen its own limit.
    worth = effective_cases(old) / len(before)
    cases = (worth * len(before), max(1.0, worth * len(after)))
    return Drift(name, *population_stability(before, after, cases=cases, level=_LEVEL / tests))


def feature_drift(run: Run, prices: PricePanel, after: pd.Timestamp) -> tuple[Drift, ...]:
    """Drift of each feature of the run's model; none where the run names no feature set.

    Parameters
    ----------
    run : whose sessions with a score are the old sample.
    prices : through the new sessions, from before the old ones on.
    after : last old session; later ones are new.

    """
    recipe = run.manifest.get("config", {}).get("recipe") or {}
    parameters = recipe.get("params") or {}
    base = parameters.get("base") or {}
    chosen = parameters.get("feature_set") or (base.get("params") or {}).get("feature_set")
    if not chosen or not run.has("score"):
        return ()
    try:
        features = build_features(prices, str(chosen), dtype=np.float64, who=f"gate --monitor: {recipe.get('model')}")
    except InputError:
        return ()  # a set of the user's own whose file is gone, or prices without a field that it needs
    first = run.table("score").index[0]
    old = (prices.sessions >= first) & (prices.sessions <= after)
    new = prices.sessions > after
    found = [
        drift(name, features.values[old, :, column], features.values[new, :, column], tests=len(features.names))
        for column, name in enumerate(features.names)
    ]
    return tuple(item for item in found if item is not None)
