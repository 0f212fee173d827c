"""Groups and neutrality of ranked rules: selection within sectors, scores and weights without beta, sectors or styles.

All of it is known at t: sectors from the panel, styles from `assay.data.characteristics` through the close of t.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from assay.data.characteristics import characteristics
from assay.data.conventions import Floats
from assay.data.cross_section import regressed, sector_exposures, standardised
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PricePanel

__all__ = [
    "DOLLAR",
    "SECTOR",
    "STYLES",
    "check_names",
    "memory_of_styles",
    "neutral_scores",
    "neutral_weights",
    "sector_groups",
]

#: style → closes that it reads; None for a memory without end.
STYLES: dict[str, int | None] = {"beta": 253, "momentum": 253, "volatility": 61, "reversal": None, "liquidity": 61}
SECTOR, DOLLAR = "sector", "dollar"


def check_names(text: str | None, known: Sequence[str], who: str) -> tuple[str, ...]:
    """The names in ``"beta,sector"``; an unknown one is refused with the nearest."""
    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for name in names:
        if name not in known:
            raise UnknownNameError(who, name, known)
    return names


def memory_of_styles(names: Sequence[str]) -> int | None:
    """Closes that these names read: 1 for sectors alone, None where one of them forgets nothing."""
    read = [STYLES.get(name, 1) for name in names]
    return None if None in read else max([1, *(count for count in read if count is not None)])


def sector_groups(prices: PricePanel, assets: pd.Index, who: str) -> pd.Series:
    """(N,) asset → sector; an asset without one is in none.

    Raises
    ------
    InputError
        If the panel has no sectors, or none for these assets.

    """
    if prices.sectors is None:
        raise InputError(f"{who}: needs the sector of each asset; give --sectors, or a panel with `sectors`")
    found = prices.sectors.reindex(assets)
    if found.isna().all():
        raise InputError(f"{who}: the sectors name none of the {len(assets)} assets; check the ids")
    return found


def _exposures(keep: Floats, score: pd.DataFrame, prices: PricePanel, names: Sequence[str], who: str) -> list[Floats]:
    """(T, N) each: centred exposures of the assets kept."""
    kept = np.asarray(keep, dtype=bool)
    styles = [name for name in names if name in STYLES]
    raw = characteristics(prices, names=styles)
    lacking = [name for name in styles if name not in raw]
    if lacking:
        raise InputError(f"{who}: {lacking[0]} needs volume, which the prices lack")
    out = [
        standardised(raw[name].reindex(index=score.index, columns=score.columns).to_numpy(dtype=np.float64), kept)
        for name in styles
    ]
    if SECTOR in names:
        out += [rows[:] for rows in sector_exposures(sector_groups(prices, score.columns, who), kept).values()]
    return out


def neutral_scores(score: pd.DataFrame, prices: PricePanel, names: Sequence[str], who: str) -> pd.DataFrame:
    """Scores of which each session's own regression on the exposures is taken off; their mean stays, and so does 0.

    Sessions with fewer than 3 names left over have no scores.
    """
    values = score.to_numpy(dtype=np.float64)
    keep = np.isfinite(values)
    factors, own, _ = regressed(values, _exposures(keep, score, prices, names, who))
    return pd.DataFrame(own + factors[:, :1], score.index, score.columns)


def neutral_weights(weights: pd.DataFrame, prices: PricePanel, names: Sequence[str], who: str) -> pd.DataFrame:
    """Weights of the names held, less their projection on the exposures (and on 1 for ``dollar``), at the same gross.

    A session on which nothing would be left is all cash.
    """
    values = weights.to_numpy(dtype=np.float64)
    held = np.isfinite(values) & (values != 0)
    columns = _exposures(held, weights, prices, [name for name in names if name != DOLLAR], who)
    columns += [held.astype(np.float64)] if DOLLAR in names else []
    if not columns:
        return weights
    design = np.stack(columns, axis=1)
    known = np.where(held, values, 0.0)
    gram = design @ design.transpose(0, 2, 1)
    slopes = np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ (design @ known[:, :, None])
    left = np.where(held, known - (slopes.transpose(0, 2, 1) @ design)[:, 0, :], 0.0)
    gross, after = np.abs(known).sum(axis=1, keepdims=True), np.abs(left).sum(axis=1, keepdims=True)
    real = after > 1e-9 * gross
    scaled = np.where(real, left * np.divide(gross, after, out=np.zeros_like(gross), where=after > 0), 0.0)
    return pd.DataFrame(np.where(np.isnan(values), np.nan, scaled), weights.index, weights.columns)
