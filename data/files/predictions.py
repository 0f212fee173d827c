"""Predictions from files, long or wide, and as this project writes them, with unit, horizon and delay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.atomic import check_target, replacing
from assay.data.errors import DataQualityError, InputError
from assay.data.files.columns import ASSET_NAMES, DATE_NAMES, Source, match_columns, plain
from assay.data.files.grids import read_long, read_wide
from assay.data.panel import ACTIONS, PredictionPanel
from assay.data.quality import QualityReport

__all__ = ["load_predictions", "load_receipts", "read_predictions", "receipts_path", "write_predictions"]

#: Under this key a file of predictions says its name, unit, horizon, delay and zero_is_neutral, as JSON.
ABOUT_KEY = b"assay.predictions"

_PREDICTIONS = {
    "date": DATE_NAMES,
    "asset": ASSET_NAMES,
    "score": (
        "score", "prediction", "predictions", "pred", "yhat", "ypred", "forecast", "signal", "alpha",
        "expectedreturn", "predictedreturn",
    ),
    "probability_up": ("probabilityup", "probup", "pup", "upprobability", "probability", "proba", "prob"),
    "buy": ("buy", "pbuy", "probbuy", "probabilitybuy"),
    "sell": ("sell", "psell", "probsell", "probabilitysell"),
    "hold": ("hold", "phold", "probhold", "probabilityhold"),
    "dispersion": ("dispersion", "scorestd"),
}  # fmt: skip



def load_predictions(
    path: str | Path,
    *,
    name: str | None = None,
    unit: Literal["return", "rank"] = "return",
    horizon: int = 1,
    delay: int = 1,
    receipts: str | Path | None = None,
    zero_is_neutral: bool = False,
) -> PredictionPanel:
    """Predictions from a long or wide CSV or Parquet file.

    Long: date, asset, and a score, a probability_up, probabilities of buy, sell and hold, or several of them. Wide:
    the date first, then a column of scores for each asset.

    Parameters
    ----------
    path : the file.
    name : the model, for the report; default the file's name.
    unit, horizon, delay, zero_is_neutral : as in `PredictionPanel`.
    receipts : file with a row a fold: session (the first it predicts) and the columns of `RECEIPT_COLUMNS`.

    Returns
    -------
    PredictionPanel

    Raises
    ------
    InputError
        If the file cannot be read as predictions, holds none, or one that cannot be (a probability of 1.2).
    DataQualityError
        If an asset has two rows on one session, or a value is infinite.
    LookAheadError
        If the receipts contradict the stamps.

    """
    source = Source.open(path)
    _refuse_contradiction(source, {"unit": unit, "horizon": horizon})
    columns = match_columns(source, _PREDICTIONS)
    if "date" not in columns:
        raise InputError(f"{source.path}: no date column among {', '.join(source.columns[:8])}; name one 'date'")
    fields = {field: column for field, column in columns.items() if field not in ("date", "asset")}
    if "asset" not in columns and len(fields) == len(source.columns) - 1:
        raise InputError(f"{source.path}: no asset column among {', '.join(source.columns)}; name one 'asset'")
    if "asset" in columns:
        if not set(fields) & {"score", "probability_up", *ACTIONS}:
            raise InputError(
                f"{source.path}: no score, probability_up or buy/sell/hold among {', '.join(source.columns[:8])}"
            )
        frames, findings = read_long(source, columns["date"], columns["asset"], fields)
    else:
        closes, findings = read_wide(source, columns["date"])
        frames = {"score": closes}
    QualityReport(str(source.path), tuple(findings)).raise_for_errors()
    for field, frame in frames.items():
        refuse_infinite(source.path, field, frame)
    if not any(frame.notna().to_numpy().any() for field, frame in frames.items() if field != "dispersion"):
        raise InputError(f"{source.path}: every prediction is empty; expected at least one finite value")
    given = [action for action in ACTIONS if action in frames]
    if given and len(given) < len(ACTIONS):
        raise InputError(f"{source.path}: probabilities of {', '.join(given)} only; give buy, sell and hold, or none")
    try:
        return PredictionPanel(
            frames.get("score"),
            unit=unit,
            horizon=horizon,
            delay=delay,
            probability_up=frames.get("probability_up"),
            action={action: frames[action] for action in ACTIONS} if given else None,
            receipts=None if receipts is None else load_receipts(receipts),
            name=name or source.path.stem,
            zero_is_neutral=zero_is_neutral,
            dispersion=frames.get("dispersion"),
            warnings=tuple(finding.message for finding in findings),
        )
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from None


def load_receipts(path: str | Path) -> pd.DataFrame:
    """Receipts from CSV or Parquet: a row a fold, indexed by the first session it predicts (`session`).

    Raises
    ------
    InputError
        If the file cannot be read, or has no column ``session``.

    """
    source = Source.open(path)
    names = {plain(column): column for column in source.columns}
    index = names.get("session") or names.get("indexlevel0")
    if index is None:
        raise InputError(f"{source.path}: no column 'session' (the first session a fold predicts)")
    try:
        frame = pd.read_parquet(source.path) if source.parquet else pd.read_csv(source.path, sep=source.separator)
    except (ValueError, OSError) as error:
        raise InputError(f"{source.path}: cannot be read: {error}") from None
    return frame.set_index(index) if index in frame.columns else frame


def receipts_path(path: Path) -> Path:
    """Where the receipts of the predictions at `path` lie: ``<stem>.receipts.csv`` beside them."""
    return path.with_name(f"{path.stem}.receipts.csv")


def write_predictions(predictions: PredictionPanel, path: str | Path) -> Path:
    """Write predictions as long Parquet, and their receipts as CSV beside them.

    Columns: date, asset, and those of score, probability_up, buy, sell, hold, dispersion that there are, one row for
    each of the T × N cells. Name, unit, horizon, delay and zero_is_neutral are kept in the file's metadata. The same
    predictions give the same bytes.

    Parameters
    ----------
    predictions : what to write.
    path : the Parquet file.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the name does not end in ``.parquet``, or the file cannot be written.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    check_target(path, (".parquet",))
    sessions, assets = predictions.sessions, predictions.assets
    rows = pa.array(np.repeat(np.arange(len(sessions), dtype=np.int32), len(assets)))
    columns = pa.array(np.tile(np.arange(len(assets), dtype=np.int32), len(sessions)))
    days = pa.array(sessions.to_numpy().astype("datetime64[D]"), pa.date32())
    data: dict[str, pa.Array] = {
        "date": days.take(rows),
        "asset": pa.DictionaryArray.from_arrays(columns, pa.array([str(asset) for asset in assets], pa.string())),
    }
    frames = {name: getattr(predictions, name) for name in ("score", "probability_up", "dispersion")}
    for name, frame in (frames | dict(predictions.action or {})).items():
        if frame is not None:
            data[name] = pa.array(frame.to_numpy().ravel(), from_pandas=True)
    about = {name: getattr(predictions, name) for name in ("name", "unit", "horizon", "delay", "zero_is_neutral")}
    table = pa.table(data).replace_schema_metadata({ABOUT_KEY: json.dumps(about, sort_keys=True)})
    beside = receipts_path(path)
    if predictions.receipts is None:
        beside.unlink(missing_ok=True)
    else:
        with replacing(beside) as temporary:
            predictions.receipts.to_csv(temporary, index_label="session", date_format="%Y-%m-%d", lineterminator="\n")
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def read_predictions(path: str | Path) -> PredictionPanel:
    """Read back what `write_predictions` wrote, with its receipts if they lie beside it.

    Raises
    ------
    InputError
        If the file was not written by `write_predictions` (use `load_predictions` and state unit, horizon and delay).

    """
    source = Source.open(path)
    try:
        about = json.loads(source.metadata()[ABOUT_KEY])
        settings = {name: about[name] for name in ("name", "unit", "horizon", "delay", "zero_is_neutral")}
    except (KeyError, ValueError):
        raise InputError(f"{path}: does not say its unit, horizon and delay; pass it as --predictions") from None
    beside = receipts_path(Path(path))
    return load_predictions(path, receipts=beside if beside.exists() else None, **settings)


def _refuse_contradiction(source: Source, stated: Mapping[str, object]) -> None:
    """A file of ours knows its unit and horizon; to read it as something else would be a quiet mistake."""
    try:
        about = dict(json.loads(source.metadata().get(ABOUT_KEY, b"{}")))
    except (TypeError, ValueError):
        raise InputError(f"{source.path}: its metadata is damaged; write the file again") from None
    for name, value in stated.items():
        if about.get(name, value) != value:
            raise InputError(f"{source.path}: was written with {name} {about[name]}, read with {value}; state {name}")


def refuse_infinite(path: Path, field: str, frame: pd.DataFrame) -> None:
    """Raise `DataQualityError` naming the first infinite value of `frame`."""
    bad = np.isinf(frame.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        where = f"{frame.index[row].date()} {frame.columns[column]!r}"
        raise DataQualityError(f"{path}: {field}: {int(bad.sum())} infinite values, first {where}; leave them empty")
