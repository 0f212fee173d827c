"""Whether the values of a table bear out what its column names made of it; refused where they speak against it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.files.layouts import Layout
from assay.data.files.sources import Source, listed

__all__ = ["refuse_doubtful"]

_READINGS = (
    "one asset's bars (--column close=NAME and so on, or --layout single), "
    "or a column of closes an asset (--layout wide)"
)
#: Columns that never lie further apart, decimal, are of one asset.
_TOGETHER = 0.1
#: Sessions from which on that means anything.
_ENOUGH = 10
#: Median distance from the close, decimal, up to which opens, highs and lows are of the same bar.
_BAR = 0.2
#: Median change of a session, decimal, below which values that are not whole are no volumes.
_CALM = 0.05


def refuse_doubtful(source: Source, layout: Layout, frames: Mapping[str, pd.DataFrame]) -> None:
    """Refuse closes of assets whose names make them a bar, and a bar whose names make it closes of assets.

    Columns called Open, High and Close are a bar only if their values lie together; columns of names that nobody knows
    are assets only if they do not. A long table is not looked at: its asset column leaves no doubt.

    Parameters
    ----------
    source, layout : the table, and what its names made of it.
    frames : (T, N) raw values by field.

    Raises
    ------
    InputError
        Both readings, and the options that decide.

    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if layout.kind in ("single", "fields"):
            _refuse_no_bar(source, layout, frames)
        # PRC.Low and PRC.High may be two fields of the asset PRC, or the prices (PRC) of Low and High.
        if layout.kind == "wide" or (layout.kind == "fields" and len(frames) == 1):
            _refuse_bars(source, next(iter(frames.values())))


def _refuse_no_bar(source: Source, layout: Layout, frames: Mapping[str, pd.DataFrame]) -> None:
    readings = _READINGS if layout.kind == "single" else "rename the columns, or say --layout wide if each is an asset"
    name = "close" if "close" in frames else next(iter(frames))
    close = np.abs(frames[name].to_numpy())

    def called(field: str) -> str:
        return layout.columns.get(field) or next(iter(layout.cells[field].values()))

    for field in ("open", "high", "low"):
        if field not in frames:
            continue
        away = np.abs(frames[field].to_numpy()) / close - 1.0
        away = away[np.isfinite(away)]
        beyond = {"high": away < -1e-6, "low": away > 1e-6}.get(field, np.abs(away) > 1.0)
        if len(away) and (np.median(np.abs(away)) > _BAR or beyond.mean() > _BAR):
            raise InputError(
                f"{source.label}: {called(field)!r} and {called(name)!r} do not lie together as a bar's do: {readings}"
            )
    if "volume" in frames and len(close) >= _ENOUGH:
        volume = frames["volume"].to_numpy()
        change = np.abs(volume[1:] / volume[:-1] - 1.0)
        if (volume % 1 > 0).any() and np.isfinite(change).any() and np.nanmedian(change) < _CALM:
            raise InputError(f"{source.label}: {called('volume')!r} moves as prices do, not as volumes: {readings}")


def _refuse_bars(source: Source, frame: pd.DataFrame) -> None:
    """Refuse columns that lie together, all of them, or all whose names have the same part: one asset's, each group."""
    names = list(frame.columns)
    if len(names) < 2 or len(frame) < _ENOUGH:
        return
    values = frame.to_numpy()
    if _lie_together(values, [list(range(len(names)))]):
        raise InputError(f"{source.label}: columns {listed(names)} never lie further apart than 10%: {_READINGS}")
    parts = [re.match(r"(.+?)([_.|:/ -]+)(.+)$", name) for name in names]
    if not all(parts):
        return
    for side in (1, 3):
        groups: dict[str, list[int]] = {}
        for position, part in enumerate(parts):
            assert part is not None  # all of them matched
            groups.setdefault(part[side], []).append(position)
        if len(groups) < len(names) and min(map(len, groups.values())) > 1 and _lie_together(values, groups.values()):
            raise InputError(
                f"{source.label}: columns {listed(names)} look like fields of assets under names that are not known; "
                "rename them (Close_AAPL), or say --layout wide if each is an asset"
            )


def _lie_together(values: np.ndarray, groups: Iterable[list[int]]) -> bool:
    """Whether the columns of each group never lie further apart than 10%."""
    for group in groups:
        away = np.abs(values[:, group] / values[:, group[:1]] - 1.0)
        known = np.isfinite(away).all(axis=1)
        if not known.any() or away[known].max() >= _TOGETHER:
            return False
    return True
