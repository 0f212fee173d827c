"""Digests of frames, taken in some rows at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from assay.data.mapped import row_parts

__all__ = ["hash_frame", "hash_rows"]


def hash_frame(digest: hashlib._Hash, name: str, frame: pd.DataFrame) -> None:
    """Take in a frame under its name: sessions, assets and values, the latter some rows at a time."""
    hash_rows(digest, name, frame.index, frame.columns, (part for _, part in row_parts(frame.to_numpy())))


def hash_rows(
    digest: hashlib._Hash, name: str, sessions: pd.Index, assets: pd.Index, parts: Iterable[np.ndarray]
) -> None:
    """Take in rows of these sessions and assets, some at a time and in order, under a name."""
    digest.update(name.encode())
    digest.update(sessions.to_numpy(dtype="datetime64[s]").tobytes())
    digest.update("\x1f".join(map(str, assets)).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data.cast("B"))
