"""One battery for parts that read prices: feature sets, labels, universes, quality checks; anyone's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from assay.data.errors import InputError, LookAheadError
from assay.data.features import build_features, feature_set
from assay.data.labels import label_values, load_label
from assay.data.own_quality import load_quality_check
from assay.data.panel import PRICE_FIELDS, PricePanel
from assay.data.plugins import checked_answer
from assay.data.synthetic import synthetic_market
from assay.data.universe import own_members

__all__ = ["check_causal", "check_features", "check_label", "check_quality", "check_universe", "market_with_holes"]

_SESSIONS, _ASSETS = 220, 6
#: Rows after which the market is cut off and altered; the first lies inside a hole.
_CUTS = (121, 150, 201)
#: Differences up to this share of the largest value are rounding.
_ROUNDING = 1e-6

Table = Callable[[PricePanel], np.ndarray]


def check_features(name: str) -> tuple[str, ...]:
    """Try a feature set on a random market with holes; what it does wrong is raised, what it does right is returned.

    Checked: it is a `FeatureSet` of features of known price fields, which gives numbers of the panel's shape; cutting
    prices off at t, or altering them after t, changes nothing up to t; twice the same prices give the same values;
    each asset's values follow it when columns change places; its warm-up is long enough; prices are left as they were.

    Raises
    ------
    LookAheadError
        If a value stamped t depends on what came after t.
    InputError
        If another check fails.

    """
    chosen = feature_set(name)
    strangers = [field for feature in chosen.features for field in feature.needs if field not in PRICE_FIELDS]
    if strangers:
        raise InputError(f"feature set {name!r}: needs {strangers[0]!r}, no price field ({', '.join(PRICE_FIELDS)})")
    whole = synthetic_market(_SESSIONS, _ASSETS, seed=0)[0]
    late = np.isfinite(build_features(whole, name).values).all(axis=(1, 2))
    ready = int(late.argmax()) if late.any() else len(late)
    if ready > chosen.warmup:
        raise InputError(
            f"feature set {name!r}: warm-up is {chosen.warmup} sessions, but values are complete only from row {ready}"
        )

    def table(prices: PricePanel) -> np.ndarray:
        return build_features(prices, name, dtype=np.float64).values

    return ("contract", "warm-up", *check_causal(f"feature set {name!r}", table))


def check_label(name: str, *, horizon: int = 5, delay: int = 1) -> tuple[str, ...]:
    """Try a label on a random market with holes; what it does wrong is raised, what it does right is returned.

    Checked: it is a frame of the panel's sessions and assets; altering or cutting off prices after t + delay + horizon
    changes nothing up to t, so that the purge of delay + horizon rows holds; twice the same prices give the same
    labels; each asset's labels follow it when columns change places; prices are left as they were.

    Raises
    ------
    LookAheadError
        If a label stamped t reads prices after t + delay + horizon.
    InputError
        If another check fails.

    """
    load_label(name)

    def table(prices: PricePanel) -> np.ndarray:
        return label_values(name, prices, horizon=horizon, delay=delay)

    return ("contract", *check_causal(f"label {name!r}", table, ahead=delay + horizon))


def check_universe(name: str) -> tuple[str, ...]:
    """Try a universe on a random market with holes; what it does wrong is raised, what it does right is returned.

    Checked: it is a boolean frame of the panel's sessions and assets; it has a member in some session; cutting prices
    off at t, or altering them after t, changes nothing up to t; twice the same prices give the same members; each
    asset's membership follows it when columns change places; prices are left as they were.

    Raises
    ------
    LookAheadError
        If membership in a session depends on what came after it.
    InputError
        If another check fails.

    """

    def table(prices: PricePanel) -> np.ndarray:
        return own_members(name, prices).to_numpy().astype(np.float64)

    if not table(market_with_holes()).any():
        raise InputError(f"universe {name!r}: has no member in any session of the market it is tried on")
    return ("contract", *check_causal(f"universe {name!r}", table))


def check_quality(name: str) -> tuple[str, ...]:
    """Try a quality check on a random market with holes; it may look at the whole panel, before and after.

    Checked: it is a boolean frame of the panel's sessions and assets; twice the same prices give the same answer; each
    asset's flags follow it when columns change places; prices are left as they were.

    Raises
    ------
    InputError
        If a check fails.

    """
    check, who = load_quality_check(name), f"quality check {name!r}"

    def table(prices: PricePanel) -> np.ndarray:
        frame = checked_answer(who, check.flag(prices.shielded()), prices, flags=True)
        return frame.to_numpy().astype(np.float64)

    return ("contract", *check_causal(who, table, ahead=None))


def market_with_holes(seed: int = 0) -> PricePanel:
    """A seeded market with all fields and, in two assets, holes."""
    prices, _ = synthetic_market(_SESSIONS, _ASSETS, seed=seed)
    mask = np.zeros(prices.shape, dtype=bool)
    mask[118:124, 1] = mask[170:180, 3] = True
    holed: dict[str, Any] = {name: getattr(prices, name).mask(mask) for name in prices.fields}
    return replace(prices, **holed)


def check_causal(who: str, table: Table, *, ahead: int | None = 0) -> tuple[str, ...]:
    """The checks that every function of prices passes, by name.

    Parameters
    ----------
    who : for errors, e.g. ``"label 'mine:week'"``.
    table : (T, N) or (T, N, F) of a panel.
    ahead : sessions after t that row t may read; None: all.

    Raises
    ------
    LookAheadError
        If a row reads further.
    InputError
        If another check fails.

    """
    prices = market_with_holes()
    before = {name: getattr(prices, name).copy(deep=True) for name in prices.fields}
    expected = table(prices)
    if _differs(expected, table(prices)) is not None:
        raise InputError(f"{who}: the same prices give other values the second time; draw from a fixed seed")
    order = np.random.default_rng(0).permutation(prices.shape[1])
    swapped = table(prices.select([str(prices.assets[at]) for at in order]))
    if (row := _differs(expected[:, order], swapped)) is not None:
        raise InputError(f"{who}: {prices.sessions[row].date()} depends on the order of the columns")
    if ahead is not None:
        _causality(who, table, prices, expected, ahead)
    touched = [name for name, frame in before.items() if not frame.equals(getattr(prices, name))]
    if touched:
        raise InputError(f"{who}: writes into the prices it is given ({touched[0]})")
    return ("determinism", "column order", *(() if ahead is None else ("causality",)), "inputs untouched")


def _causality(who: str, table: Table, prices: PricePanel, expected: np.ndarray, ahead: int) -> None:
    span = "" if not ahead else f" + {ahead} sessions"
    for cut in _CUTS:
        last = prices.sessions[cut]
        known = cut + 1 - ahead
        for what, panel in (("cut off", prices.through(last)), ("altered", _altered(prices, cut))):
            row = _differs(expected[:known], table(panel)[:known])
            if row is not None:
                raise LookAheadError(
                    f"{who}: {prices.sessions[row].date()}{span} is known by {last.date()}, but it changes when prices "
                    f"after that are {what}"
                )


def _altered(prices: PricePanel, cut: int) -> PricePanel:
    """Other prices, and some missing, after row `cut`."""
    rng = np.random.default_rng(cut)
    factor = np.exp(rng.normal(0, 0.3, prices.shape))
    factor[rng.random(prices.shape) < 0.1] = np.nan
    factor[: cut + 1] = 1.0
    changes: dict[str, Any] = {name: getattr(prices, name) * factor for name in prices.fields}
    return replace(prices, **changes)


def _differs(one: np.ndarray, two: np.ndarray) -> int | None:
    """The first row in which two tables differ by more than rounding; None if none does."""
    if one.shape != two.shape:
        return 0
    spread = np.nanmax(np.abs(one), initial=0.0)
    changed = (np.isnan(one) != np.isnan(two)) | (np.abs(one - two) > _ROUNDING * spread)
    rows = np.flatnonzero(changed.reshape(len(changed), -1).any(axis=1))
    return int(rows[0]) if len(rows) else None
