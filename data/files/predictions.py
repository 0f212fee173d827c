"""Predictions from files, long or wide, and as this project writes them, with unit, horizon and delay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from assay.data.atomic import check_target, replacing
from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import PREDICTIONS
from assay.data.files.columns import date_codes
from assay.data.files.grids import read_grids
from assay.data.files.layouts import recognise
from assay.data.files.melted import unmelted
from assay.data.files.options import ReadOptions
from assay.data.files.packed import is_packed, load_packed_predictions, refuse_options
from assay.data.files.readers import open_source
from assay.data.files.sources import Source, plain
from assay.data.panel import ACTIONS, PredictionPanel
from assay.data.quality import QualityReport
from assay.data.receipts import CHOSEN, RECEIPT_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["load_predictions", "load_receipts", "read_predictions", "receipts_path", "write_predictions"]

#: Under this key a file of predictions says its name, unit, horizon, delay and zero_is_neutral, as JSON.
ABOUT_KEY = b"assay.predictions"


def load_predictions(
    data: Any,
    *,
    name: str | None = None,
    unit: Literal["return", "rank"] = "return",
    horizon: int = 1,
    delay: int = 1,
    receipts: Any = None,
    zero_is_neutral: bool = False,
    options: ReadOptions | None = None,
    receipts_options: ReadOptions | None = None,
) -> PredictionPanel:
    """Predictions from a file or a frame.

    Long: one row a session and asset, with columns for the date, the asset and at least one of score, probability_up,
    or buy, sell and hold. Wide: the date first, then a column of scores for each asset.

    Parameters
    ----------
    data : a file or frame, as in `load_prices`.
    name : the model, for the report; default the file's name.
    unit, horizon, delay, zero_is_neutral : as in `PredictionPanel`.
    receipts : file or frame with a row a fold: session (the first it predicts) and the columns of `RECEIPT_COLUMNS`.
    options : how to read what the file does not say itself.
    receipts_options : the same of the receipts; default: dates as in `options`.

    Returns
    -------
    PredictionPanel

    Raises
    ------
    InputError
        If it cannot be read as predictions, or can be in two ways, holds none, or one that cannot be (a probability
        of 1.2).
    DataQualityError
        If an asset has two rows on one session, or a value is infinite.
    LookAheadError
        If the receipts contradict the stamps.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"date": ["2024-01-02"] * 2, "asset": ["AAA", "BBB"], "score": [0.01, -0.02]})
    >>> load_predictions(table, name="mine")
    PredictionPanel 'mine' of 2 assets, 1 session, 2024-01-02 … 2024-01-02
      assets    AAA, BBB
      predicts  score · unit return · horizon 1 · delay 1
      views     100.0% of the cells
      receipts  none

    """
    options = options or ReadOptions()
    if is_packed(data):
        refuse_options(data, options, beside=receipts is not None and receipts_options is None)
        own = {} if name is None else {"name": name}
        return load_packed_predictions(
            data, **own, unit=unit, horizon=horizon, delay=delay,
            receipts=_receipts(receipts, options, receipts_options), zero_is_neutral=zero_is_neutral,
        )  # fmt: skip
    source = open_source(data, options)
    _refuse_contradiction(source, {"unit": unit, "horizon": horizon})
    source = unmelted(source, PREDICTIONS, options) or source
    grids = read_grids(source, recognise(source, PREDICTIONS, options), options)
    frames, findings = grids.frames, grids.findings
    QualityReport(source.label, tuple(findings)).raise_for_errors()
    for field, frame in frames.items():
        refuse_infinite(source, field, frame)
    if not any(frame.notna().to_numpy().any() for field, frame in frames.items() if field != "dispersion"):
        raise InputError(f"{source.label}: every prediction is empty; expected at least one finite value")
    given = [action for action in ACTIONS if action in frames]
    if given and len(given) < len(ACTIONS):
        raise InputError(f"{source.label}: probabilities of {', '.join(given)} only; give buy, sell and hold, or none")
    known = _receipts(receipts, options, receipts_options)
    try:
        return PredictionPanel(
            frames.get("score"),
            unit=unit,
            horizon=horizon,
            delay=delay,
            probability_up=frames.get("probability_up"),
            action={action: frames[action] for action in ACTIONS} if given else None,
            receipts=known,
            name=name or source.stem,
            zero_is_neutral=zero_is_neutral,
            dispersion=frames.get("dispersion"),
            warnings=tuple(finding.message for finding in findings),
        )
    except InputError as error:
        raise InputError(f"{source.label}: {error}") from None


def _receipts(data: Any, options: ReadOptions, own: ReadOptions | None) -> pd.DataFrame | None:
    return None if data is None else load_receipts(data, options=own or replace(options, columns={}, layout=None))


def load_receipts(data: Any, *, options: ReadOptions | None = None) -> pd.DataFrame:
    """Receipts: a row a fold, indexed by the first session it predicts (`session`).

    Parameters
    ----------
    data : a file or frame, as in `load_prices`.
    options : how to read what the file does not say itself; ``columns`` may name session and `RECEIPT_COLUMNS`.

    Raises
    ------
    InputError
        If it cannot be read, has no column ``session``, or a stamp is not a date.

    """
    options = options or ReadOptions()
    source = open_source(data, options)
    own = source.own_columns(options, ("session", *RECEIPT_COLUMNS), "receipts")
    names = {plain(column): column for column in source.columns if column not in own.values()}
    names |= {plain(field): column for field, column in own.items()}
    index = next((names[name] for name in ("session", "indexlevel0", "", "unnamed0") if name in names), None)
    if index is None:
        raise InputError(
            f"{source.label}: no column 'session' (the first session a fold predicts); name one so, or say "
            "--column receipts.session=NAME"
        )
    columns = {name: names[plain(name)] for name in (*RECEIPT_COLUMNS, CHOSEN) if plain(name) in names}
    table = source.read(texts=[index, *columns.values()])
    texts = ("model_id", "fold", CHOSEN)
    stamps = {"session": index} | {name: column for name, column in columns.items() if name not in texts}
    parsed = {name: _stamps_of(table, column, source, options) for name, column in stamps.items()}
    out = pd.DataFrame(index=pd.DatetimeIndex(parsed.pop("session"), name="session"))
    for name, column in columns.items():
        out[name] = parsed[name] if name in parsed else _values_of(table, column, source)
    if "fold" in out:
        try:
            out["fold"] = out["fold"].astype("int64")
        except OverflowError:
            raise InputError(f"{source.label}: column {columns['fold']!r} must hold the numbers of folds") from None
        except (TypeError, ValueError):
            pass  # names, which the panel judges
    return out


def _values_of(table: pa.Table, name: str, source: Source) -> list[Any]:
    """A column of names or numbers."""
    try:
        values: list[Any] = table[name].to_pylist()
    except (OverflowError, ValueError) as error:
        raise InputError(
            f"{source.label}: column {name!r} cannot be read ({error}); write names or whole numbers"
        ) from None
    return values


def _stamps_of(table: pa.Table, name: str, source: Source, options: ReadOptions) -> np.ndarray:
    """A column of dates as datetime64[us], NaT where empty."""
    axis, _ = date_codes(table, name, source, options)
    answer: np.ndarray = np.append(axis.labels.to_numpy().astype("datetime64[us]"), np.datetime64("NaT"))[axis.codes]
    return answer


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

    Examples
    --------
    >>> from assay import synthetic_market
    >>> _, predictions = synthetic_market(20, 3, seed=0)
    >>> load_predictions(write_predictions(predictions, "scores.parquet")).shape
    (20, 3)

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
    source = open_source(path, ReadOptions())
    try:
        about = json.loads(source.metadata[ABOUT_KEY])
        settings = {name: about[name] for name in ("name", "unit", "horizon", "delay", "zero_is_neutral")}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: does not say its unit, horizon and delay; pass it as --predictions") from None
    beside = receipts_path(Path(path))
    return load_predictions(path, receipts=beside if beside.exists() else None, **settings)


def _refuse_contradiction(source: Source, stated: Mapping[str, object]) -> None:
    """A file of ours knows its unit and horizon; to read it as something else would be a quiet mistake."""
    try:
        about = dict(json.loads(source.metadata.get(ABOUT_KEY, b"{}")))
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"{source.label}: its metadata is damaged; write the file again") from None
    for name, value in stated.items():
        if about.get(name, value) != value:
            raise InputError(f"{source.label}: was written with {name} {about[name]}, read with {value}; state {name}")


def refuse_infinite(source: Source, field: str, frame: pd.DataFrame) -> None:
    """Raise `DataQualityError` naming the first infinite value of `frame`."""
    bad = np.isinf(frame.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        where = f"{frame.index[row].date()} {frame.columns[column]!r}"
        raise DataQualityError(
            f"{source.label}: {field}: {int(bad.sum())} infinite values, first {where}; leave them empty"
        )
