"""Finished cells of a sweep that still runs, so that one that was killed goes on where it stopped.

A pass is kept as a folder, with the digest of each of its files: what was damaged since is run again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from assay.data.atomic import building, locked, put_folder, sweep
from assay.data.stored import file_digests, holds_files, read_sealed, sealed
from assay.engine.sweep import CellResult

__all__ = ["read_parts", "write_part"]

_SEAL = "files.json"


def write_part(folder: Path, batch: Sequence[CellResult]) -> None:
    """Keep the cells of one pass."""
    frame = pd.DataFrame({str(item.index): item.net for item in batch})
    about = pd.DataFrame(
        {str(item.index): [item.turnover_ann, item.gross_mean, item.net_exposure] for item in batch},
        index=["turnover_ann", "gross_mean", "net_exposure"],
    )
    target = folder / f"cells-{min(item.index for item in batch)}"
    # The same sweep elsewhere, which has ended, takes the folder away: then nobody needs what is kept here.
    with contextlib.suppress(FileNotFoundError):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        with building(target) as aside:
            about.to_parquet(aside / "about.parquet")
            frame.to_parquet(aside / "net.parquet")
            (aside / _SEAL).write_text(json.dumps(sealed({"files": file_digests(aside)})), encoding="utf-8")
            with locked(folder):
                if _sound(target) is None:
                    put_folder(aside, target)


def read_parts(folder: Path) -> dict[int, CellResult]:
    """Position → the cells that are kept and are what was written; all others are run again."""
    out = {}
    for part in filter(None, map(_sound, sorted(folder.glob("cells-*")))):
        frame, about = part
        for column in frame:
            net = frame[column].dropna().rename(None)
            out[int(str(column))] = CellResult(int(str(column)), net, *(float(value) for value in about[column]))
    return out


def _sound(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Net returns and the figures beside them of one pass; None where a file is not what was written."""
    try:
        if not holds_files(folder, read_sealed(folder / _SEAL)["files"]):
            return None
        return pd.read_parquet(folder / "net.parquet"), pd.read_parquet(folder / "about.parquet")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
