"""What the columns of a file are, and which of four layouts they come in.

`recognise` reads a header and answers with a `Layout`, which says its own name ("yfinance, 5 fields × 30 tickers").
Where a header can be read in two ways it is refused, with both readings and the option that decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assay.data.errors import InputError
from assay.data.files.aliases import PRICES, RAW_BARS, VENDORS, Names, Vendor, vendor_called
from assay.data.files.options import LAYOUTS, LayoutName, ReadOptions
from assay.data.files.sources import Source, listed, plain

__all__ = ["Layout", "recognise"]
#: How a ticker is written that may be called like a field: LOW and OPEN are, Low is none.
_TICKER = re.compile(r"[A-Z]{1,5}")


@dataclass(frozen=True, eq=False)
class Layout:
    """How a table is read.

    Parameters
    ----------
    kind : one of `LAYOUTS`.
    date : its date column.
    asset : its asset column; None but in a long table.
    columns : field to column, of a long table or of one asset.
    cells : field to asset to column, of a wide one.
    vendor : whose shape it is, if known.

    """

    kind: LayoutName
    date: str
    asset: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    vendor: Vendor | None = None

    @property
    def named(self) -> bool:
        """Whether there is more to say than that the file is long or wide."""
        return self.vendor is not None or self.kind == "fields"

    def describe(self, assets: int) -> str:
        """``yfinance, 5 fields × 30 tickers``: whose shape, and what was found."""
        fields = len(self.columns) or len(self.cells)
        name = self.vendor.name if self.vendor else LAYOUTS[self.kind].split(",")[0]
        return (
            f"{name}, {fields} {'field' if fields == 1 else 'fields'} × "
            f"{assets:,} {'ticker' if assets == 1 else 'tickers'}"
        )


def recognise(source: Source, names: Names, options: ReadOptions) -> Layout:
    """Which column is which.

    Parameters
    ----------
    source : the table.
    names : what is looked for.
    options : its ``columns`` and ``layout`` win over what is recognised.

    Raises
    ------
    InputError
        If there is no date, no field that is needed, a column is asked for that is not there, or the header can be
        read in two ways.

    """
    own = source.own_columns(options, names.fields, names.kind)
    vendor = _vendor_of(source, names)
    date = own.get("date") or _date_column(source, names, vendor)
    if date is None:
        dated = [name for name in source.columns if re.match(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4}", name)]
        hint = "dates stand in the header: transpose it" if len(dated) > 1 else "say which with --column date=NAME"
        raise InputError(f"{source.label}: no date column among {_shown(source)}; name one 'date', or {hint}")
    if source.depth > 1:
        return _of_levels(source, names, date, options, vendor)
    rest = [name for name in source.columns if name != date and not _row_number(name)]
    if not rest:
        raise InputError(f"{source.label}: only a date column; expected a column for each asset")
    fields, asset = _fields_of(source, names, own, vendor, rest)
    kind = options.layout or _kind_of(source, names, fields, asset, rest)
    if kind == "fields":
        cells = _flattened(rest, names)
        if cells is None:
            raise InputError(f"{source.label}: its columns are no fields of assets like Close_AAPL; leave out --layout")
        return Layout("fields", date, cells=cells, vendor=_flat_vendor(rest, names))
    if kind == "wide":
        return Layout("wide", date, cells={names.values[0]: {name.strip(): name for name in rest}}, vendor=vendor)
    if not set(fields) & set(names.values):
        wanted = "close" if names.kind == "prices" else "score, probability_up or buy/sell/hold"
        first = names.values[0]
        raise InputError(
            f"{source.label}: no {wanted} among {_shown(source)}; name one {first!r}, or say --column {first}=NAME"
        )
    if kind == "long" and asset is None:
        raise InputError(
            f"{source.label}: no asset column among {_shown(source)}; name one 'asset', or say --column asset=NAME"
        )
    for factor in ("price_divisor", "volume_factor"):
        column = getattr(vendor, factor, None)
        at = next((name for name in source.columns if plain(name) == column), None)
        if at is not None:
            fields[factor] = at
    return Layout(kind, date, asset if kind == "long" else None, fields, vendor=vendor)


def _shown(source: Source) -> str:
    return ", ".join(source.columns[:8]) + (", …" if len(source.columns) > 8 else "")


def _row_number(name: str) -> bool:
    """Whether a column is what pandas calls the row numbers that it writes beside a table."""
    return name in ("", "Unnamed: 0", "__index_level_0__", "index", "level_0")


def _vendor_of(source: Source, names: Names) -> Vendor | None:
    if names.kind != "prices":
        return None
    if source.depth == 1 and sum(name.startswith("$") for name in source.columns) > 1:
        return vendor_called("Qlib")
    there = {plain(name) for name in source.columns}
    dated = bool(there & set(names.fields["date"]))
    if {"open", "high", "low", "close", "volume", "name", "date"} == there:
        return vendor_called("Kaggle S&P 500")
    if "<CLOSE>" in source.columns and "<PER>" in source.columns:
        return vendor_called("Stooq")
    return next(
        (
            vendor
            for vendor in VENDORS
            if any(mark <= there for mark in vendor.marks)
            # T, O, H, L, C and V are tickers as well: letters are fields only as the vendor writes them, without a date
            and ("o" not in vendor.columns.values() or (not dated and set(RAW_BARS.values()) <= set(source.columns)))
        ),
        None,
    )


def _vendor_column(source: Source, vendor: Vendor | None, field: str) -> str | None:
    wanted = vendor.columns.get(field) if vendor is not None else None
    if wanted is None:
        return None
    exact = [name for name in source.columns if name == wanted]
    return (
        exact[0]
        if exact
        else next((name for name in source.columns if len(wanted) > 1 and plain(name) == wanted), None)
    )


def _date_column(source: Source, names: Names, vendor: Vendor | None) -> str | None:
    """The column of dates: the vendor's, one that is called so, or a nameless one at the edge."""
    own = _vendor_column(source, vendor, "date")
    if own is not None:
        return own
    labels = {plain(name): name for name in reversed(source.columns)}
    if source.depth > 1:  # a cell of the header that only names the index
        pairs = reversed(list(zip(source.columns, source.levels, strict=True)))
        labels = {plain(parts[0]): name for name, parts in pairs if not any(parts[1:])}
    named = [labels[name] for name in names.fields["date"] if name in labels]
    found = next((name for name in named if not source.fractional(name)), named[0] if len(named) == 1 else None)
    if found is not None:
        return found
    for edge in (source.columns[0], source.columns[-1]):  # pandas writes a nameless index first in CSV, last in Parquet
        if _row_number(edge) or (source.depth > 1 and edge in labels.values() and plain(edge) in _UNNAMED):
            return edge
    return None


_UNNAMED = ("", "unnamed0", "index", "indexlevel0", "level0", "price", "ticker")


def _fields_of(
    source: Source, names: Names, own: Mapping[str, str], vendor: Vendor | None, rest: Sequence[str]
) -> tuple[dict[str, str], str | None]:
    """Field to column, and the asset column."""
    taken = set(own.values())
    plains: dict[str, list[str]] = {}
    for name in rest:
        if name not in taken:
            plains.setdefault(plain(name), []).append(name)
    found: dict[str, str] = {}
    for wanted, synonyms in names.fields.items():
        if wanted == "date":
            continue
        given = own.get(wanted) or _vendor_column(source, vendor, wanted)
        if given is not None:
            found[wanted] = given
            continue
        columns = [name for synonym in synonyms for name in plains.get(synonym, ()) if name not in found.values()]
        if wanted == "asset":  # a column of prices may be of an asset that is called NAME
            columns = [name for name in columns if not source.fractional(name)][:1]
        if not columns:
            continue
        exact = plain(columns[0]) == synonyms[0] and len(plains[synonyms[0]]) == 1
        if wanted in names.values and len(columns) > 1 and (not exact or names.kind == "predictions"):
            raise InputError(
                f"{source.label}: both {columns[0]!r} and {columns[1]!r} may be the {wanted}; "
                f"say which with --column {wanted}=NAME"
            )
        found[wanted] = columns[0]
    asset = found.pop("asset", None)
    return found, asset


def _kind_of(
    source: Source, names: Names, fields: Mapping[str, str], asset: str | None, rest: Sequence[str]
) -> LayoutName:
    """The layout of a table with one row of header, refused where it may be two."""
    unknown = [
        name
        for name in rest
        if name not in fields.values()
        and (plain(name) not in names.bystanders or (plain(name) == "name" and source.fractional(name)))
    ]
    priced = bool(set(fields) & set(names.values))
    if asset is not None:
        if priced or len(rest) < 3 or _is_text(source, asset):
            return "long"
        raise _two_readings(
            source, f"{asset!r} may be", ("the asset of each row", "long"), ("an asset with closes of its own", "wide")
        )
    cells = _flattened(rest, names)
    if cells is not None:
        return "fields"
    parts = [name for name in rest if names.field_of(name) is None and plain(name) not in names.bystanders]
    flat = [name for name in parts if _split(name, names)]
    if flat:
        other = next((name for name in rest if name not in flat), None)
        if other is None:  # all of them are, but not alike, or without a close
            raise InputError(
                f"{source.label}: {flat[0]!r} is a field of an asset, but the columns are not all written alike or "
                f"have no {names.values[0]}; rename them, or say --layout wide if each is an asset"
            )
        raise _two_readings(
            source, f"{flat[0]!r} is a field of an asset and {other!r} is not:",
            ("leave out the columns that are none, for a column a field and asset", None),
            (LAYOUTS["wide"], "wide"),
        )  # fmt: skip
    if not fields:
        if names.kind == "predictions":
            _refuse_prices(source, rest)
        few = rest if 1 < len(rest) <= _FEW else []
        named = next((name for name in few if _is_text(source, name, every=True)), None)
        if named is not None:
            value = names.values[0]
            raise InputError(
                f"{source.label}: no {value} among {_shown(source)}; if {named!r} holds the asset, say --column "
                f"asset={named} --column {value}=NAME; if not, leave {named!r} out"
            )
        strange = [name for name in rest if name not in unknown and not _TICKER.fullmatch(name)]
        if strange and len(rest) > 1:
            raise _two_readings(
                source, f"{strange[0]!r} may be", ("no asset (leave it out)", None),
                ("one with closes of its own", "wide"),
            )  # fmt: skip
        return "wide"
    if names.kind == "predictions":
        if not unknown:
            raise InputError(
                f"{source.label}: no asset column among {_shown(source)}; name one 'asset', or say --column asset=NAME"
            )
        raise _two_readings(
            source, f"{next(iter(fields.values()))!r} is a field and {unknown[0]!r} is not:",
            (f"predictions a row an asset (say --column asset={unknown[0]})", None), (LAYOUTS["wide"], "wide"),
        )  # fmt: skip
    if priced and not unknown:
        beside = _beside_close(source, fields, rest)
        if beside or (len(fields) == 1 and len(rest) > 1 and all(_TICKER.fullmatch(name) for name in rest)):
            raise _two_readings(
                source, f"{listed(rest)} may be", ("a close and columns beside it", "single"), ("tickers", "wide")
            )
        return "single"
    if not unknown:
        raise InputError(
            f"{source.label}: no close among {_shown(source)}; name one 'close', or say --column close=NAME"
        )
    tickers = all(_TICKER.fullmatch(name) for name in fields.values())
    if not priced and tickers and len(fields) < 4 and "volume" not in fields and not _is_bar(source, fields):
        return "wide"
    are = "is a field" if len(fields) == 1 else "are fields"
    hint = (
        f"; if {unknown[0]!r} holds the asset, say --column asset={unknown[0]}" if _is_text(source, unknown[0]) else ""
    )
    raise _two_readings(
        source, f"{listed(fields.values())} {are} of a bar and {unknown[0]!r} is not:",
        (LAYOUTS["single"], "single"), (LAYOUTS["wide"], "wide"), hint,
    )  # fmt: skip


def _beside_close(source: Source, fields: Mapping[str, str], rest: Sequence[str]) -> list[str]:
    """Columns beside a close that may be assets as well as it: all are written as tickers, and move as prices do."""
    bar = [fields[name] for name in ("open", "high", "low", "close", "adjusted_close") if name in fields]
    if len(bar) > 2 or not all(_TICKER.fullmatch(name) for name in bar):
        return []
    close = fields.get("close", bar[0])
    others = [name for name in rest if name not in (close, fields.get("volume")) and _TICKER.fullmatch(name)]
    return [name for name in others if _moves_as_price(source, name)]


#: Columns up to which a table of unknown names may be one of a row a session and asset.
_FEW = 12
#: Median change of a session, decimal, up to which positive numbers may be prices.
_CALM = 0.05


def _moves_as_price(source: Source, name: str) -> bool:
    """Whether a column is positive and changes little from row to row, but does change."""
    import numpy as np

    from assay.data.files.columns import floats

    try:
        values = floats(source.read(numbers=[name]), name, source, ReadOptions())
    except InputError:
        return False
    known = values[np.isfinite(values)]
    if len(known) < 3 or (known <= 0).any():
        return False
    return bool(0 < np.median(np.abs(known[1:] / known[:-1] - 1.0)) < _CALM)


def _two_readings(
    source: Source, start: str, first: tuple[str, str | None], second: tuple[str, str | None], hint: str = ""
) -> InputError:
    said = [f"{text} (--layout {kind})" if kind else text for text, kind in (first, second)]
    return InputError(f"{source.label}: {start} {said[0]}, or {said[1]}{hint}")


def _refuse_prices(source: Source, rest: Sequence[str]) -> None:
    bars = [name for name in rest if PRICES.field_of(name) is not None]
    if len(bars) > 1 or _flattened(rest, PRICES) is not None:
        raise InputError(f"{source.label}: holds prices ({listed(bars or rest)}), not predictions; check the option")


#: A number as text, infinite ones too: they are refused as numbers.
_NUMBER = re.compile(r"[-+]?([\d.,]*\d([eE][-+]?\d+)?|inf(inity)?)", re.IGNORECASE)


def _is_text(source: Source, name: str, *, every: bool = False) -> bool:
    """Whether a column holds names, not numbers, as far as its first cells say.

    One that is no number makes it so; or `every` one is to be, and to begin with a letter.
    """
    table = source.read(texts=[name])
    from assay.data.files.sources import MISSING, is_text

    kind = table[name].type
    value = getattr(kind, "value_type", kind)
    if not is_text(value):
        return False
    cells = [str(cell).strip() for cell in table[name].slice(0, 200).to_pylist() if cell is not None]
    cells = [cell for cell in cells if cell not in MISSING]
    names = [cell for cell in cells if not _NUMBER.fullmatch(cell)]
    return bool(names) and (not every or (names == cells and all(name[0].isalpha() for name in names)))


def _is_bar(source: Source, fields: Mapping[str, str]) -> bool:
    """Whether columns named open, high and low hold values in that order in every row."""
    import pyarrow as pa

    from assay.data.files.columns import floats

    have = [name for name in ("open", "high", "low") if name in fields]
    if len(have) < 2:
        return False
    try:
        table = source.read(numbers=[fields[name] for name in have])
        values = {name: floats(table, fields[name], source, ReadOptions()) for name in have}
    except (InputError, pa.ArrowException):
        return True
    top, bottom = values.get("high", values.get("open")), values.get("low", values.get("open"))
    return bool(((top >= bottom) | (top != top) | (bottom != bottom)).all())  # type: ignore[operator]


# --- a column a field and asset -------------------------------------------------------------------------------------


def _of_levels(source: Source, names: Names, date: str, options: ReadOptions, vendor: Vendor | None) -> Layout:
    """The layout of columns with several labels: one of the levels names fields, another assets."""
    columns = [
        (name, parts)
        for name, parts in zip(source.columns, source.levels, strict=True)
        if name != date and not _row_number(name)
    ]
    if options.layout not in (None, "fields"):
        raise InputError(f"{source.label}: its header has {source.depth} rows, fields and assets; leave out --layout")
    single = [name for name, parts in columns if not any(parts[1:])]
    if single and len(single) < len(columns):
        raise InputError(f"{source.label}: column {single[0]!r} has no asset, others have; leave it out")
    levels = list(zip(*(parts for _, parts in columns), strict=True))
    known = [_known_share(level, names) for level in levels]
    full = [position for position, share in enumerate(known) if share == 1.0]
    if len(full) > 1:  # one ticker, or tickers that are called like fields
        spread = [position for position in full if len(set(levels[position])) > 1]
        full = spread if len(spread) == 1 else full
    assets = [position for position in range(len(levels)) if position not in full[:1]
              and (len(set(levels[position])) > 1 or len(levels) == 2)]  # fmt: skip
    if len(full) != 1 or len(assets) != 1:
        shown = " / ".join(listed(dict.fromkeys(level)) for level in levels)
        found = "no row of the header names fields only" if not full else "more than one row of it may name fields"
        if not full and max(known) > 0:
            at = known.index(max(known))
            strange = next(
                name for name in levels[at] if names.field_of(name) is None and plain(name) not in names.bystanders
            )
            found = f"{strange!r} is no field"
        raise InputError(
            f"{source.label}: a header of {source.depth} rows ({shown}): {found}; keep one column a field and asset"
        )
    mistaken = {name for name in levels[assets[0]] if names.field_of(name) and not _TICKER.fullmatch(name)}
    if mistaken:
        raise InputError(
            f"{source.label}: a header of {source.depth} rows: {listed(sorted(mistaken))} may be a field or an asset; "
            "keep one column a field and asset"
        )
    cells: dict[str, dict[str, str]] = {}
    for (name, parts), label in zip(columns, levels[full[0]], strict=True):
        wanted = names.field_of(label)
        if wanted is None:
            continue
        asset = parts[assets[0]].strip()
        if asset in cells.setdefault(wanted, {}):
            raise InputError(f"{source.label}: {label!r} of {asset!r} stands there twice; remove one")
        cells[wanted][asset] = name
    _require(source, names, cells)
    return Layout("fields", date, cells=cells, vendor=vendor or _levels_vendor(levels[full[0]], levels[assets[0]]))


def _known_share(labels: Sequence[str], names: Names) -> float:
    fields = [names.field_of(label) is not None for label in labels]
    known = [name or plain(label) in names.bystanders for name, label in zip(fields, labels, strict=True)]
    return sum(known) / len(labels) if any(fields) else 0.0


def _require(source: Source, names: Names, cells: Mapping[str, Mapping[str, str]]) -> None:
    if not set(cells) & set(names.values):
        raise InputError(
            f"{source.label}: no {' or '.join(names.values[:2])} among its fields ({', '.join(cells)}); "
            f"a file of {names.kind} needs one"
        )


def _levels_vendor(fields: Sequence[str], assets: Sequence[str]) -> Vendor | None:
    """Whose columns of two levels these are."""
    if any(plain(name).startswith("px") for name in fields) or any(re.search(r" [A-Z]{2} Equity$", a) for a in assets):
        return vendor_called("Bloomberg")
    if all(name.startswith("$") for name in fields):
        return vendor_called("Qlib")
    titled = {"Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits", "Capital Gains"}
    return vendor_called("yfinance") if {"Close", "Adj Close"} & set(fields) and set(fields) <= titled else None


def _flat_vendor(rest: Sequence[str], names: Names) -> Vendor | None:
    parts = [_split(name, names) for name in rest]
    fields = {field_name for found in parts for field_name, _, _ in found}
    titled = {"Open", "High", "Low", "Close", "Adj Close", "Volume"}
    return vendor_called("yfinance, flattened") if len(fields) > 1 and fields <= titled else None


def _split(name: str, names: Names, *, bystanders: bool = False) -> list[tuple[str, str, str]]:
    """(label of the field, asset, ``"prefix"`` or ``"suffix"``) of each way to read a name like Close_AAPL."""
    found = []
    for match in re.finditer(r"[_.|:/ -]+", name):
        left, right = name[: match.start()], name[match.end() :]
        if left and right:
            if names.field_of(left) is not None or (bystanders and plain(left) in names.bystanders):
                found.append((left, right, "prefix"))
            if names.field_of(right) is not None or (bystanders and plain(right) in names.bystanders):
                found.append((right, left, "suffix"))
    return found


def _flattened(rest: Sequence[str], names: Names) -> dict[str, dict[str, str]] | None:
    """Field to asset to column, if every column is a field of an asset, all written alike in one way; None if not."""
    readings = []
    for side in ("prefix", "suffix"):
        cells: dict[str, dict[str, str]] = {}
        for name in rest:
            if names.field_of(name) is not None:
                break
            ways = [way for way in _split(name, names, bystanders=True) if way[2] == side]
            if not ways:
                break
            label, asset, _ = max(ways, key=lambda way: len(way[0]))  # Adj_Close_AAPL: adjusted, not closes of "Adj"
            wanted = names.field_of(label)
            if wanted is None:
                continue
            mistaken = names.field_of(asset) is not None and not _TICKER.fullmatch(asset)
            if mistaken or asset in cells.setdefault(wanted, {}):
                break
            cells[wanted][asset] = name
        else:
            if set(cells) & set(names.values):
                readings.append(cells)
    return readings[0] if len(readings) == 1 else None
