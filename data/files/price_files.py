"""Prices as this project writes them: long, one row a session and asset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.data.atomic import check_target, replacing
from assay.data.files.prices import ADJUSTED_KEY
from assay.data.panel import PricePanel

__all__ = ["PRICE_SUFFIXES", "write_prices"]

PRICE_SUFFIXES = (".parquet", ".csv")


def write_prices(prices: PricePanel, path: str | Path) -> Path:
    """Write a panel as long Parquet or CSV (by suffix), which `load_prices` reads back.

    Columns: date, asset and the panel's fields; a bar without any value has no row, so a session or an asset without
    a single one is not written. The same prices give the same bytes.

    Parameters
    ----------
    prices : what to write.
    path : ends in ``.parquet`` or ``.csv``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        On another suffix, or if the file cannot be written.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    path = Path(path)
    check_target(path, PRICE_SUFFIXES)
    values = {name: getattr(prices, name).to_numpy() for name in prices.fields}
    rows, columns = np.nonzero(np.logical_or.reduce([np.isfinite(grid) for grid in values.values()]))
    days = pa.array(prices.sessions.to_numpy().astype("datetime64[D]"), pa.date32())
    names = pa.array([str(asset) for asset in prices.assets], pa.string())
    data: dict[str, pa.Array] = {
        "date": days.take(pa.array(rows)),
        "asset": pa.DictionaryArray.from_arrays(pa.array(columns.astype(np.int32)), names),
    }
    for name, grid in values.items():
        data[name] = pa.array(grid[rows, columns], from_pandas=True)
    table = pa.table(data).replace_schema_metadata({ADJUSTED_KEY: prices.adjusted})
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            pq.write_table(table, temporary, compression="zstd")
        else:
            csv.write_csv(table, temporary)
    return path
