"""Stored runs as rows of named values, to sort, filter and show: settings, figures, tags."""

from __future__ import annotations

import contextlib
import fnmatch
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from assay.data.errors import InputError, UnknownNameError
from assay.results.storage.labels import read_labels
from assay.results.storage.runs import Run, flattened

__all__ = ["differing_settings", "selected", "sorted_rows", "value_of", "values_of"]

Row = Mapping[str, Any]
_TEST = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def values_of(run: Run) -> dict[str, Any]:
    """Everything that a run can be found by, under one name each.

    ``run_id``, ``created``, ``kind``, ``tags``, ``note``, ``sessions``; every setting, nested ones joined by a dot
    (``parameters.quantile``, ``costs.spread_bps``); every metric by its name, a person's own too.
    """
    labels = read_labels(run)
    metrics = {item["name"]: item.get("value") for item in run.metrics.get("metrics", ())}
    with contextlib.suppress(InputError, AttributeError, LookupError, TypeError):  # damaged checks: `runs show` says so
        metrics |= {item["name"]: item["value"] for item in run.checks.get("own_metrics", {}).get("figures", ())}
    return {
        "run_id": run.id,
        "created": run.manifest.get("created"),
        "kind": run.kind,
        "tags": " ".join(labels.tags),
        "note": labels.note,
        "sessions": run.metrics.get("sessions"),
        **metrics,
        **flattened(run.manifest.get("config", {})),
    }


def _full_name(name: str, rows: Sequence[Row]) -> str:
    """The name that is meant: itself, or the one name that ends in ``.name``."""
    known = {each for row in rows for each in row}
    if name in known or not rows:
        return name
    ends = sorted(each for each in known if each.endswith(f".{name}"))
    if len(ends) > 1:
        raise InputError(f"{name!r} may be {' or '.join(ends)}; give the whole name")
    if not ends:
        raise UnknownNameError("column", name, known)
    return ends[0]


def value_of(row: Row, name: str, rows: Sequence[Row]) -> Any:
    """A row's value under a name or the end of one; None where it has none.

    Raises
    ------
    UnknownNameError
        If no row has it; the nearest is suggested.
    InputError
        If the end of a name fits several.

    """
    return row.get(_full_name(name, rows))


def selected(rows: Sequence[Row], tests: Iterable[str]) -> list[Row]:
    """The rows that pass every test: ``strategy=s2*`` (a pattern), ``model!=ridge``, ``sharpe_net>0.5``.

    Raises
    ------
    InputError
        If a test cannot be read, or its name is unknown.

    """
    out = list(rows)
    for test in tests:
        found = _TEST.fullmatch(test)
        if found is None:
            raise InputError(f"--filter {test}: expected NAME=PATTERN, NAME!=PATTERN or NAME>NUMBER, e.g. strategy=s2*")
        name, sign, wanted = _full_name(found[1], rows), found[2], found[3]
        if sign in _ORDER:
            limit = _number(wanted)
            if limit is None:
                raise InputError(f"--filter {test}: {wanted!r} is not a number")
            out = [row for row in out if (value := _number(row.get(name))) is not None and _ORDER[sign](value, limit)]
        else:
            out = [row for row in out if _fits(row.get(name), wanted, name) is (sign == "=")]
    return out


def _fits(value: Any, wanted: str, name: str) -> bool:
    """Whether a value is meant by a pattern; of tags, whether one is."""
    number = _number(wanted)
    if number is not None and (own := _number(value)) is not None and not isinstance(value, str):
        return own == number
    texts = str(value).split() if name == "tags" and value else ["none" if value is None else str(value)]
    return any(fnmatch.fnmatchcase(text.lower(), wanted.lower()) for text in texts)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def sorted_rows(rows: Sequence[Row], name: str, *, reverse: bool = False) -> list[Row]:
    """The rows by a value: numbers from the largest, texts from A; those without it last, whichever way."""
    key = _full_name(name, rows)
    known = [row for row in rows if row.get(key) is not None]
    numeric = bool(known) and all(_number(row[key]) is not None and not isinstance(row[key], str) for row in known)
    if numeric:
        known.sort(key=lambda row: float(row[key]), reverse=not reverse)
    else:
        known.sort(key=lambda row: str(row[key]), reverse=reverse)
    return [*known, *(row for row in rows if row.get(key) is None)]


def differing_settings(runs: Sequence[Run]) -> list[str]:
    """Names of the settings in which runs differ, in order; what merely names things is left out."""
    flat = [flattened(run.manifest.get("config", {})) for run in runs]
    names = sorted({name for values in flat for name in values} - {"strategy", "model"})
    return [name for name in names if len({repr(values.get(name)) for values in flat}) > 1]
