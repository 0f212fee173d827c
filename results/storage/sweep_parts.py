"""Finished cells of a sweep that still runs, so that one that was killed goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from assay.data.atomic import replacing
from assay.engine.sweep import CellResult

__all__ = ["read_parts", "write_part"]


def write_part(folder: Path, batch: Sequence[CellResult]) -> None:
    """Keep the cells of one pass."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({str(item.index): item.net for item in batch})
    about = pd.DataFrame(
        {str(item.index): [item.turnover_ann, item.gross_mean, item.net_exposure] for item in batch},
        index=["turnover_ann", "gross_mean", "net_exposure"],
    )
    first = min(item.index for item in batch)
    with replacing(folder / f"about-{first}.parquet") as temporary:
        about.to_parquet(temporary)
    with replacing(folder / f"net-{first}.parquet") as temporary:
        frame.to_parquet(temporary)


def read_parts(folder: Path) -> dict[int, CellResult]:
    """Position → the cells that are kept; what a kill has damaged is left out, and run again."""
    out = {}
    for path in sorted(folder.glob("net-*.parquet")):
        try:
            frame = pd.read_parquet(path)
            about = pd.read_parquet(path.with_name(path.name.replace("net-", "about-")))
        except (OSError, ValueError):
            continue
        for column in frame:
            net = frame[column].dropna().rename(None)
            out[int(column)] = CellResult(int(column), net, *(float(value) for value in about[column]))
    return out
