"""Packed panels: a folder of plain arrays, mapped into memory instead of read, beside the file they were made from.

``panel.json`` (sealed) names sessions, assets, arrays and where they came from; each array is one ``.npy`` file, (T, N)
in C order, so that a block of sessions is one stretch of the file. The digest in ``panel.json`` is of sessions, assets
and all values: opening a folder reads it once and refuses it where anything is not what was written. There is no
pickle in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.atomic import building, locked, put_folder, sweep
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.hashing import hash_frame
from assay.data.jsonable import jsonable
from assay.data.mapped import row_parts
from assay.data.panel import PRICE_FIELDS, PredictionPanel, PricePanel
from assay.data.stored import file_digest, read_sealed, sealed

__all__ = [
    "SUFFIX",
    "input_digest",
    "is_packed",
    "load_packed_predictions",
    "load_packed_prices",
    "pack_predictions",
    "pack_prices",
    "refuse_idle",
    "refuse_options",
]

#: What the name of a packed panel usually ends in.
SUFFIX = ".pack"
_ABOUT, _FORMAT, _VERSION = "panel.json", "assay.panel", 1
_PRICES = (*PRICE_FIELDS, "raw_close", "members")


def is_packed(data: object) -> bool:
    """Whether this is the folder of a packed panel, sound or not."""
    try:
        return isinstance(data, str | Path) and (Path(data) / _ABOUT).is_file()
    except (OSError, ValueError):  # what is wrong with the path is said by who reads files
        return False


def input_digest(path: str | Path) -> str | None:
    """SHA-256 of a file; of a packed panel, of the description that holds the digest of its values; None of others."""
    place = Path(path) / _ABOUT if is_packed(path) else Path(path)
    return file_digest(place) if place.is_file() else None


def refuse_options(folder: str | Path, options: ReadOptions, *, beside: bool = False) -> None:
    """Raise `InputError` if it is said how to read a packed panel, which was read when it was packed.

    Dates, decimals and the time zone may be said of another file, `beside` it or one of those that share the options,
    and say nothing here; whether there is one of the latter is for `refuse_idle` to see.
    """
    if not (options.shared or beside):
        refuse_idle([folder], options)
    names = ", ".join(flag for flag, given in (("--column", options.columns), ("--layout", options.layout)) if given)
    if names:
        raise InputError(
            f"{folder}: is packed already, and read as it was packed; leave out {names}, say it of another file alone "
            "(--column predictions.date=Day), or pack the file again with it"
        )


def refuse_idle(files: Iterable[str | Path], options: ReadOptions) -> None:
    """Raise `InputError` if dates, decimals or the time zone are said of packed panels alone, which nothing would heed.

    Parameters
    ----------
    files : all that is read; what is not there is for its reader to say.
    options : what is said of them all.

    """
    given = (("--date-format", options.date_format), ("--decimal", options.decimal), ("--tz", options.tz))
    names = ", ".join(flag for flag, value in given if value is not None)
    found = [file for file in files if names and Path(file).exists()]
    if found and all(map(is_packed, found)):
        raise InputError(
            f"{found[0]}: is packed already, and read as it was packed; leave out {names}, or pack the file again with "
            f"{'it' if ',' not in names else 'them'}"
        )


def pack_prices(prices: PricePanel, folder: str | Path) -> Path:
    """Write prices as a packed panel; in the place of one of the same name and of the same assets, or of none.

    Parameters
    ----------
    prices : of any size; read some sessions at a time.
    folder : to be made.

    Raises
    ------
    InputError
        If something else has the name, another market's panel too; the panel has sectors; or the folder cannot be
        written.

    Examples
    --------
    >>> from assay import load_prices, synthetic_market
    >>> prices, _ = synthetic_market(20, 3, seed=0)
    >>> load_prices(pack_prices(prices, "prices.pack")).fingerprint == prices.fingerprint
    True

    """
    if prices.sectors is not None:
        raise InputError("pack: the prices have sectors, which are given to a run beside them (--sectors)")
    frames = {name: frame for name in _PRICES if (frame := getattr(prices, name)) is not None}
    about = {"kind": "prices", "source": prices.source, "adjusted": prices.adjusted, "warnings": list(prices.warnings)}
    return _written(Path(folder), frames, about)


def pack_predictions(predictions: PredictionPanel, folder: str | Path) -> Path:
    """Write predictions as a packed panel, without receipts, which stay in their file; see `pack_prices`.

    Examples
    --------
    >>> from assay import load_predictions, synthetic_market
    >>> _, predictions = synthetic_market(20, 3, seed=0)
    >>> load_predictions(pack_predictions(predictions, "scores.pack")).shape
    (20, 3)

    """
    frames = predictions.frames()
    if predictions.dispersion is not None:
        frames["dispersion"] = predictions.dispersion
    about = {"kind": "predictions", "name": predictions.name, "unit": predictions.unit, "horizon": predictions.horizon}
    return _written(Path(folder), frames, {**about, "warnings": list(predictions.warnings)})


def load_packed_prices(folder: str | Path) -> PricePanel:
    """The prices of a packed folder, mapped; what `assay.data.files.prices.load_prices` gives for one.

    Raises
    ------
    InputError
        If the folder is none of prices, or is not what was written.

    """
    about, frames = _opened(Path(folder), "prices")
    described: dict[str, Any] = {name: about[name] for name in ("source", "adjusted")}
    panel = PricePanel(**{**described, **frames}, warnings=tuple(about["warnings"]))
    panel.__dict__["fingerprint"] = about["values"]  # of the same bytes in the same order
    return panel


def load_packed_predictions(folder: str | Path, **settings: Any) -> PredictionPanel:
    """The predictions of a packed folder, mapped, with the `settings` of a `PredictionPanel`.

    Raises
    ------
    InputError
        If the folder is none of predictions, is not what was written, or was packed with another unit or horizon.

    """
    about, frames = _opened(Path(folder), "predictions")
    for name in ("unit", "horizon"):
        if settings.get(name, about[name]) != about[name]:
            raise InputError(
                f"{folder}: packed with {name} {about[name]}, read with {settings[name]}; say {name} {about[name]}, or "
                "pack it again"
            )
    known = {name: about[name] for name in ("name", "unit", "horizon")}
    dispersion = frames.pop("dispersion", None)
    return PredictionPanel.from_frames(
        frames, dispersion=dispersion, warnings=tuple(about["warnings"]), **{**known, **settings}
    )


def _digest(frames: Mapping[str, pd.DataFrame]) -> str:
    digest = hashlib.sha256()
    for name, frame in frames.items():
        hash_frame(digest, name, frame)
    return digest.hexdigest()


def _written(folder: Path, frames: Mapping[str, pd.DataFrame], about: Mapping[str, Any]) -> Path:
    if folder.exists() and _kind(folder) != about["kind"]:
        raise InputError(
            f"pack {folder}: is there already, and holds no packed {about['kind']}; name another folder with --out"
        )
    first = next(iter(frames.values()))
    if folder.exists():
        _refuse_another(folder, about, first.columns)
    strange = sorted(item.name for item in folder.iterdir() if not _own(item)) if folder.exists() else []
    if strange:
        raise InputError(f"pack {folder}: holds {strange[0]}, no part of it; move that, or name another with --out")
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        **about,
        "arrays": {name: str(frame.to_numpy().dtype) for name, frame in frames.items()},
        "sessions": first.index.to_numpy(dtype="datetime64[s]").astype(np.int64).tolist(),
        "assets": [str(asset) for asset in first.columns],
        "axes": [first.index.name, first.columns.name],
        "values": _digest(frames),
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent, folder.name)
        with building(folder) as aside:
            for name, frame in frames.items():
                values = frame.to_numpy()
                with (aside / f"{name}.npy").open("wb") as file:
                    head = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False,
                            "shape": values.shape}  # fmt: skip
                    np.lib.format.write_array_header_2_0(file, head)
                    for _, part in row_parts(values):
                        file.write(np.ascontiguousarray(part).data)
            plain = sealed({key: jsonable(value) for key, value in content.items()})
            (aside / _ABOUT).write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")
            with locked(folder.parent):
                put_folder(aside, folder)
    except OSError as error:
        raise InputError(f"pack {folder}: cannot be written: {error.strerror or error}") from None
    return folder


def _refuse_another(folder: Path, about: Mapping[str, Any], assets: pd.Index) -> None:
    """Raise `InputError` if the panel of that name is of mostly other assets (a name may carry its date)."""

    def title(described: Mapping[str, Any]) -> str:
        return str(described.get("source", described.get("name"))).partition(" (read as ")[0]

    try:
        there = read_sealed(folder / _ABOUT)
        known = {str(asset) for asset in there["assets"]}
    except (OSError, ValueError, LookupError, TypeError):
        return  # damaged: to be made again
    shared = known & {str(asset) for asset in assets}
    if 2 * len(shared) < min(len(known), len(assets)):
        raise InputError(
            f"pack {folder}: is there already, made from {title(there)}: {len(shared):,} of its {len(known):,} assets "
            f"are in {title(about)}; remove it, or name another folder with --out"
        )


def _own(item: Path) -> bool:
    return item.name == _ABOUT or item.suffix == ".npy"


def _kind(folder: Path) -> str | None:
    """What a packed folder holds; None where it cannot be told."""
    try:
        return str(read_sealed(folder / _ABOUT)["kind"])
    except (OSError, ValueError, KeyError):
        return None


def _opened(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """What ``panel.json`` says, and the frames over the mapped arrays, every value held against the digest."""
    again = "remove it, and pack it again (`data pack`)"
    try:
        about = read_sealed(folder / _ABOUT)
        if about.get("format") != _FORMAT or about.get("version") != _VERSION:
            raise ValueError(f"it is of format {about.get('format')!r}, version {about.get('version')!r}")
        if about["kind"] != kind:
            raise InputError(f"{folder}: holds packed {about['kind']}, not {kind}")
        rows, columns = about["axes"]
        stamps = np.array(about["sessions"], dtype="datetime64[s]").astype("datetime64[us]")
        sessions, assets = pd.DatetimeIndex(stamps, name=rows), pd.Index(about["assets"], dtype="str", name=columns)
        frames = {
            name: _frame(folder / f"{name}.npy", dtype, sessions, assets) for name, dtype in about["arrays"].items()
        }
        if _digest(frames) != about["values"]:
            raise ValueError("its values are not what was written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder}: damaged: {reason}; {again}") from None
    return about, frames


def _frame(path: Path, dtype: str, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    try:
        values = cast(np.ndarray, np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror or 'cut short'}") from None
    except (EOFError, ValueError):
        raise ValueError(f"{path.name}: no array, or cut short") from None
    if values.dtype != np.dtype(dtype) or values.shape != (len(sessions), len(assets)) or not values.flags.c_contiguous:
        raise ValueError(f"{path.name}: {values.dtype} of shape {values.shape}, not what {_ABOUT} says")
    return pd.DataFrame(values, sessions, assets, copy=False)
