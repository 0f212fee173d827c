"""Cross-sections, session by session: exposures made comparable, and regressions of all sessions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats

__all__ = ["Placed", "Rows", "SectorRows", "regressed", "sector_exposures", "standardised"]

#: Deviations from the mean at which an exposure ends.
_CLIP = 3.0
#: Names that must be left over after the factors.
_LEAST_DF = 3
#: Of the trace, below which a combination of factors does not exist.
_RANK = 1e-10
#: Values of a block's exposures held at once.
_CHUNK = 250_000


class Rows(Protocol):
    """(T, N) values of which some sessions are asked for at a time; an array is one."""

    def __getitem__(self, rows: Any, /) -> Any:
        """(n, N) of a slice or an array of positions."""


@dataclass(frozen=True, eq=False)
class SectorRows:
    """1 for the assets of a sector, less its share of those that count; 0 for the others. Made as it is asked for.

    Parameters
    ----------
    member : (N,) who is in the sector.
    keep : (T, N) which assets count.
    share : (T, 1) of those that count, in the sector.

    """

    member: npt.NDArray[np.bool_]
    keep: npt.NDArray[np.bool_]
    share: Floats

    def __getitem__(self, rows: Any, /) -> Floats:
        return np.where(self.keep[rows], self.member - self.share[rows], 0.0)


@dataclass(frozen=True, eq=False)
class Placed:
    """Rows at other sessions and assets: `absent` where there are none.

    Parameters
    ----------
    values : (T, N).
    sessions : (T',) positions in T; below 0 is absent.
    assets : (N',) positions in N, below 0 is absent; None for all, as they stand.

    """

    values: Rows
    sessions: npt.NDArray[np.intp]
    assets: npt.NDArray[np.intp] | None
    absent: float = 0.0

    def __getitem__(self, rows: Any, /) -> Floats:
        where = self.sessions[rows]
        out: Floats = self.values[where]
        if self.assets is not None:
            out = out[:, self.assets]
            out[:, self.assets < 0] = self.absent
        if (where < 0).any():
            out = np.array(out)
            out[where < 0] = self.absent
        return out


def standardised(values: Floats, keep: npt.NDArray[np.bool_]) -> Floats:
    """Each row less its mean over its deviation, ended at ±3 and centred again; 0 where not known or not kept.

    Parameters
    ----------
    values : (T, N); NaN is not known, and stands at the mean of the others.
    keep : (T, N) which assets count.

    """
    out = np.empty(values.shape)
    step = max(1, _CHUNK // max(values.shape[1], 1))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        out[rows] = _standardised(values[rows], keep[rows] & np.isfinite(values[rows]))
    return out


def _standardised(values: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)

    def centred(rows: Floats) -> Floats:
        rows = np.where(there, rows, 0.0)
        return np.where(there, rows - rows.sum(axis=1, keepdims=True) / count, 0.0)

    out = centred(values)
    deviation = np.sqrt((out**2).sum(axis=1, keepdims=True) / count)
    size = np.abs(out).max(axis=1, keepdims=True, initial=0.0)
    varies = (deviation > 1e-12) & (deviation > 1e-9 * size)
    out = np.where(varies, out / np.where(varies, deviation, 1.0), 0.0)
    return centred(np.clip(out, -_CLIP, _CLIP))


def sector_exposures(sectors: pd.Series, keep: npt.NDArray[np.bool_]) -> dict[str, SectorRows]:
    """Sector → (T, N) 1 for its assets, less its share of those kept; nothing where there are not two sectors.

    Parameters
    ----------
    sectors : (N,) asset → sector; an asset without one is in none.
    keep : (T, N) which assets count.

    """
    known = [] if sectors is None else sorted(str(name) for name in sectors.dropna().unique())
    count = np.maximum(keep.sum(axis=1, keepdims=True), 1)
    out = {}
    for name in known if len(known) > 1 else ():
        member = (sectors.astype(object) == name).to_numpy(dtype=bool)
        out[name] = SectorRows(member, keep, keep[:, member].sum(axis=1, keepdims=True) / count)
    return out


def regressed(values: Floats, exposures: Sequence[Rows]) -> tuple[Floats, Floats, Floats]:
    """Each row on a constant and the rows of the exposures, by ordinary least squares of minimum norm.

    Parameters
    ----------
    values : (T, N); NaN is left out.
    exposures : (T, N) each, without NaN; rows beyond T are not read.

    Returns
    -------
    factors : (T, 1 + K) what a unit of each earned; NaN on rows with fewer than 3 names left over.
    own : (T, N) residuals.
    r2 : (T,) share of the variation around the row's mean that is explained.

    """
    sessions, assets = values.shape
    width = 1 + len(exposures)
    factors, own, r2 = np.full((sessions, width), np.nan), np.full(values.shape, np.nan), np.full(sessions, np.nan)
    step = max(1, _CHUNK // max(assets * width, 1))
    for start in range(0, sessions, step):
        rows = slice(start, min(start + step, sessions))
        there = np.isfinite(values[rows])
        design = np.stack([there.astype(np.float64), *(np.where(there, frame[rows], 0.0) for frame in exposures)], 1)
        known = np.where(there, values[rows], 0.0)
        gram = design @ design.transpose(0, 2, 1)
        rank = (np.linalg.eigvalsh(gram) > _RANK * np.trace(gram, axis1=1, axis2=2)[:, None]).sum(axis=1)
        enough = there.sum(axis=1) - rank >= _LEAST_DF
        if not enough.any():
            continue
        right = (design @ known[:, :, None])[enough]
        found = (np.linalg.pinv(gram[enough], rcond=_RANK, hermitian=True) @ right)[:, :, 0]
        left = np.where(
            there[enough], known[enough] - (found[:, None, :] @ design[enough])[:, 0, :], np.nan
        )
        at = np.arange(rows.start, rows.stop)[enough]
        factors[at], own[at] = found, left
        about = np.where(there[enough], known[enough] - (right[:, :1, 0] / there[enough].sum(1, keepdims=True)), 0.0)
        total = (about**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            r2[at] = np.where(total > 0, 1 - np.nansum(left**2, axis=1) / total, np.nan)
    return factors, own, r2
