"""Predictions as this project writes them: a long Parquet file that knows its unit, horizon and delay, and receipts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from assay.data.atomic import check_target, replacing
from assay.data.errors import InputError
from assay.data.files.columns import Source
from assay.data.files.prices import ABOUT_KEY, load_predictions
from assay.data.panel import PredictionPanel

__all__ = ["read_predictions", "receipts_path", "write_predictions"]


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
