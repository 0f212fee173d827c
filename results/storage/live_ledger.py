"""The live ledger: fills as they were recorded, in one file that grows by whole recordings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from assay.data.atomic import locked, replacing
from assay.data.errors import InputError
from assay.data.files.fills import FILL_COLUMNS

__all__ = ["LEDGER", "read_fills", "record_fills"]

LEDGER = "fills.parquet"
_COLUMNS = (*FILL_COLUMNS, "recording")


def record_fills(folder: Path | str, fills: pd.DataFrame) -> int:
    """Append fills to the ledger in `folder`; how many it has then.

    Parameters
    ----------
    folder : the state's.
    fills : columns `assay.data.files.fills.FILL_COLUMNS`.

    Raises
    ------
    InputError
        If the folder does not exist, or the same fills were recorded before.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; create it first")
    if not len(fills):
        raise InputError("record: the file has no fills")
    text = fills[list(FILL_COLUMNS)].sort_values(list(FILL_COLUMNS)).to_csv(index=False)
    recording = hashlib.sha256(text.encode()).hexdigest()
    with locked(folder):
        known = read_fills(folder)
        if (known["recording"] == recording).any():
            raise InputError(f"{folder}: these {len(fills)} fills were recorded before; nothing is written")
        fresh = fills[list(FILL_COLUMNS)].assign(recording=recording)
        whole = pd.concat([known, fresh], ignore_index=True) if len(known) else fresh
        whole = whole.sort_values("session", kind="stable", ignore_index=True)
        with replacing(folder / LEDGER) as temporary:
            whole.to_parquet(temporary, index=False)
    return len(whole)


def read_fills(folder: Path | str) -> pd.DataFrame:
    """The fills of the ledger in `folder`, in order of session; none where there is no ledger.

    Raises
    ------
    InputError
        If it cannot be read.

    """
    path = Path(folder) / LEDGER
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=object) for name in _COLUMNS})
    try:
        return pd.read_parquet(path)[list(_COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged: {str(error).splitlines()[0]}; bring back a copy") from None
