"""What a desk allows: exposures, caps, turnover, neutrality, liquidity; and which of them stands in the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.data.conventions import Floats
from assay.data.errors import InputError

__all__ = ["Constraints", "Limits", "blocking", "read_groups", "violations"]

Mask = NDArray[np.bool_]

#: A limit counts as held up to this: what an interior-point solver leaves.
TOLERANCE = 1e-6
#: Order in which a constraint is proposed for relaxing: the softest first.
RELAX_ORDER = ("max_turnover", "max_volume", "max_group", "max_beta", "max_weight", "gross", "net")


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What every portfolio of an optimised strategy satisfies on the session it is decided; strategies inherit it.

    Parameters
    ----------
    net : Σ weight, a fraction of NAV; 0 is dollar-neutral.
    gross : most Σ|weight|.
    long_only : no short positions.
    max_weight : most |weight| of a name.
    min_weight : least |weight| of a name that is held at all; 0 = none.
    groups : path of a CSV with the columns asset and group (a sector, say); none = no groups.
    max_group : most Σ|weight| of a group.
    max_turnover : most ½Σ|weight − drifted holding| of a rebalance; the first purchase is exempt.
    max_beta : most |Σ beta·weight|, betas to the equal-weighted market over the window; 0 is beta-neutral.
    max_volume : most |weight|·capital as a share of the 20-session mean of close × volume; needs volume.
    capital : currency, read by `max_volume` alone.

    """

    net: float = 1.0
    gross: float = 1.0
    long_only: bool = True
    max_weight: float = 1.0
    min_weight: float = 0.0
    groups: str | None = None
    max_group: float | None = None
    max_turnover: float | None = None
    max_beta: float | None = None
    max_volume: float | None = None
    capital: float = 1_000_000.0

    def __post_init__(self) -> None:
        for name in ("gross", "max_weight", "capital"):
            self._check(name, getattr(self, name), positive=True)
        for name in ("max_group", "max_turnover", "max_volume"):
            if getattr(self, name) is not None:
                self._check(name, getattr(self, name), positive=True)
        self._check("min_weight", self.min_weight)
        if self.max_beta is not None:
            self._check("max_beta", self.max_beta)
        if not math.isfinite(self.net) or abs(self.net) > self.gross * (1 + 1e-12):
            raise InputError(f"constraints: net must lie within ±gross ({self.gross:g}), got {self.net!r}")
        if self.long_only and self.net <= 0:
            raise InputError(f"constraints: net {self.net:g} is impossible long-only; set long_only=no")
        if self.min_weight > self.max_weight:
            raise InputError(f"constraints: min_weight {self.min_weight:g} is above max_weight {self.max_weight:g}")
        if (self.groups is None) != (self.max_group is None):
            raise InputError("constraints: groups (a file) and max_group go together; one of them is missing")

    @staticmethod
    def _check(name: str, value: float, positive: bool = False) -> None:
        if not math.isfinite(value) or value < 0 or (positive and value == 0):
            raise InputError(f"constraints: {name} must be {'above' if positive else 'at least'} 0, got {value!r}")


def read_groups(path: str, assets: pd.Index) -> Mapping[str, tuple[str, ...]]:
    """Group → its assets, of those in `assets`.

    Parameters
    ----------
    path : CSV with a header; the columns ``asset`` and ``group``.
    assets : every one of them must be in the file.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, names an asset twice, or misses an asset.

    """
    try:
        table = pd.read_csv(Path(path), dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"groups {path}: cannot be read: {error}") from None
    table.columns = table.columns.str.strip().str.lower()
    lacking = [name for name in ("asset", "group") if name not in table.columns]
    if lacking:
        raise InputError(f"groups {path}: no column {lacking[0]!r}; expected asset,group")
    twice = table["asset"][table["asset"].duplicated()]
    if len(twice):
        raise InputError(f"groups {path}: asset {twice.iloc[0]!r} stands in it more than once")
    known = dict(zip(table["asset"], table["group"], strict=True))
    missing = [str(asset) for asset in assets if not known.get(str(asset))]
    if missing:
        raise InputError(f"groups {path}: misses {len(missing)} assets, first {missing[0]!r}; add them to the file")
    out: dict[str, list[str]] = {}
    for asset in assets:
        out.setdefault(known[str(asset)], []).append(str(asset))
    return {name: tuple(members) for name, members in sorted(out.items())}


@dataclass(frozen=True, eq=False)
class Limits:
    """The constraints of one session, in numbers, over its n eligible assets.

    Parameters
    ----------
    net, gross : Σ weight, and most Σ|weight|.
    cap : (n,) most |weight|, from the name cap alone.
    liquidity : (n,) most |weight|, from the liquidity cap; infinite where there is none.
    long_only : whether weights are at least 0.
    groups : name → (n,) mask; with `max_group` most Σ|weight| in each.
    previous : (n,) drifted holdings; `outgoing` is ½Σ|weight| of what is held but no longer eligible.
    max_turnover : most ½Σ|weight − previous| + outgoing; None = no limit.
    beta, max_beta : (n,) betas, and most |Σ beta·weight|; None = no limit.
    fixed : (n, 2) further bounds, as the minimum position sets them; None = none.

    """

    net: float
    gross: float
    cap: Floats
    liquidity: Floats
    long_only: bool
    previous: Floats
    groups: Mapping[str, Mask] = field(default_factory=dict)
    max_group: float | None = None
    outgoing: float = 0.0
    max_turnover: float | None = None
    beta: Floats | None = None
    max_beta: float | None = None
    fixed: Floats | None = None

    @property
    def upper(self) -> Floats:
        """(n,) greatest weights."""
        out = np.minimum(np.minimum(self.cap, self.liquidity), self.gross)
        return out if self.fixed is None else np.minimum(out, self.fixed[:, 1])

    @property
    def lower(self) -> Floats:
        """(n,) least weights."""
        out = np.zeros(len(self.cap))
        if not self.long_only:
            out = -np.minimum(np.minimum(self.cap, self.liquidity), self.gross)
        return out if self.fixed is None else np.maximum(out, self.fixed[:, 0])

    def without(self, name: str) -> Limits:
        """The limits with one constraint of `RELAX_ORDER` gone."""
        free = np.full(len(self.cap), np.inf)
        changes: dict[str, dict[str, object]] = {
            "max_turnover": {"max_turnover": None},
            "max_volume": {"liquidity": free},
            "max_group": {"max_group": None},
            "max_beta": {"max_beta": None},
            "max_weight": {"cap": free},
            "gross": {"gross": np.inf},
            "net": {"net": np.nan},
        }
        return replace(self, **changes[name])  # type: ignore[arg-type]

    @property
    def active(self) -> tuple[str, ...]:
        """Names of `RELAX_ORDER` that limit anything."""
        present = {
            "max_turnover": self.max_turnover is not None,
            "max_volume": bool(np.isfinite(self.liquidity).any()),
            "max_group": self.max_group is not None,
            "max_beta": self.max_beta is not None,
            "max_weight": True,
            "gross": True,
            "net": True,
        }
        return tuple(name for name in RELAX_ORDER if present[name])


def violations(weights: Floats, limits: Limits, tolerance: float = TOLERANCE) -> dict[str, float]:
    """By how much `weights` (n,) break each limit; empty where all hold within `tolerance`."""
    size = np.abs(weights)
    over = {
        "net": abs(weights.sum() - limits.net),
        "gross": size.sum() - limits.gross,
        "max_weight": (size - limits.cap).max(),
        "max_volume": (size - limits.liquidity).max(),
        "long_only": -weights.min() if limits.long_only else 0.0,
    }
    if limits.max_group is not None and limits.groups:
        over["max_group"] = max(size[mask].sum() for mask in limits.groups.values()) - limits.max_group
    if limits.max_turnover is not None:
        over["max_turnover"] = 0.5 * np.abs(weights - limits.previous).sum() + limits.outgoing - limits.max_turnover
    if limits.max_beta is not None and limits.beta is not None:
        over["max_beta"] = abs(limits.beta @ weights) - limits.max_beta
    return {name: float(value) for name, value in over.items() if value > tolerance}


def blocking(limits: Limits) -> str | None:
    """Name of the constraint to relax: the softest without which a portfolio exists; None where one exists anyway.

    Each constraint is taken out in turn, in the order `RELAX_ORDER`, and a linear programme says whether the others
    can be met. Where no single one is to blame, all that are active are named.
    """
    if _feasible(limits):
        return None
    for name in limits.active:
        if _feasible(limits.without(name)):
            return name
    return " and ".join(limits.active)


def _feasible(limits: Limits) -> bool:
    """Whether any portfolio meets the limits: w = p − q with p, q ≥ 0, and t ≥ |w − previous|."""
    from scipy.optimize import linprog

    n = len(limits.cap)
    eye, zero, one = np.eye(n), np.zeros((n, n)), np.ones(n)
    none = np.zeros(n)
    rows: list[Floats] = []
    tops: list[float] = []

    def at_most(p: Floats, q: Floats, t: Floats, top: float) -> None:
        if np.isfinite(top):
            rows.append(np.concatenate([p, q, t]))
            tops.append(top)

    at_most(one, one, none, limits.gross)
    if limits.max_group is not None:
        for mask in limits.groups.values():
            at_most(mask.astype(float), mask.astype(float), none, limits.max_group)
    if limits.max_beta is not None and limits.beta is not None:
        at_most(limits.beta, -limits.beta, none, limits.max_beta)
        at_most(-limits.beta, limits.beta, none, limits.max_beta)
    if limits.max_turnover is not None:
        at_most(none, none, 0.5 * one, limits.max_turnover - limits.outgoing)
        rows += list(np.hstack([eye, -eye, -eye])) + list(np.hstack([-eye, eye, -eye]))
        tops += [*limits.previous, *-limits.previous]
    upper, lower = limits.upper, limits.lower
    rows += list(np.hstack([eye, -eye, zero])) + list(np.hstack([-eye, eye, zero]))
    tops += [*np.where(np.isfinite(upper), upper, 1e6), *np.where(np.isfinite(lower), -lower, 1e6)]
    equal = {} if np.isnan(limits.net) else {"A_eq": np.concatenate([one, -one, none])[None, :], "b_eq": [limits.net]}
    answer = linprog(np.zeros(3 * n), A_ub=np.array(rows), b_ub=np.array(tops), bounds=(0, None), **equal)
    return bool(answer.status == 0)
