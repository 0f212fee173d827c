"""The claims file: TOML in, `ClaimSet` out, and back.

A claims file lists the figures of a report **as printed**, each tied to its run. The fields and type hints of `model`
are the schema, once; each mistake is answered with its line::

    title = "RELIANCE LSTM Training Results"
    source = "reliance_training_results.md"

    [[group]]                       # one run: model, configuration, stage, and the context of its figures
    name = "wider"
    split = "validation"
    sample = { n = 28 }             # so too target, loss, architecture, schedule, portfolio
    class = [{ name = "up", support = 16 }]

    [[claim]]                       # one figure
    metric = "accuracy"             # a canonical name; a typo is answered with the nearest
    printed = "57.14%"              # the figure as it stands, with %, ~, >, K
    group = "wider"
    line = 15

A draft lists under ``[excluded]`` the numeric tokens that are no claims, with the reason; people alone read that table.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.model import BESIDE, Claim, ClaimSet, Group, Sample, Split
from assay.data.errors import InputError

if TYPE_CHECKING:
    from assay.audit.read.sheet import Draft

__all__ = ["MAX_BYTES", "dump_claims", "dump_draft", "load_claims", "parse_claims", "read_text"]

T = TypeVar("T")
_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*[\"']?([\w-]+)[\"']?\s*[=.]")
_ISO = re.compile(r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")
#: Largest file that is read, bytes.
MAX_BYTES = 20_000_000
#: A claims file beyond these is no report's, and relations between its claims would be searched for minutes.
_MOST_CLAIMS, _MOST_TEXT = 2_000, 2_000_000
#: Periods in a year: minutes of every day are half of it.
_MOST_PERIODS = 1_000_000


def read_text(path: Path) -> str:
    """Read a file of UTF-8, or of UTF-16 that begins with its mark; `InputError` if it is no such text or too large."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MAX_BYTES else b""
        wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        folder = "is a folder; name a claims file or a report"
        raise InputError(f"{path}: {folder if path.is_dir() else reason}") from None
    except UnicodeDecodeError as error:
        line, form = raw.count(b"\n", 0, error.start) + 1, "UTF-16" if wide else "UTF-8"
        where = f"{path}, line {line}: byte 0x{raw[error.start]:02x}"
        raise InputError(f"{where} is not {form}; save the file as UTF-8") from None
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size / 1e6:.0f} MB; a report or claims file of at most 20 MB is read")
    if "\x00" in text:
        raise InputError(f"{path}: holds NUL bytes; it is not a text file")
    return text


def load_claims(path: Path | str) -> ClaimSet:
    """Load a claims file; `InputError`, with file and line, where it cannot be read or breaks the schema.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "m.toml"
    >>> _ = file.write_text('title = "M"\\nclaim = [{id = "a", metric = "accuracy", printed = "57.14%"}]')
    >>> [claim.printed for claim in load_claims(file).claims]
    ['57.14%']

    """
    return parse_claims(read_text(Path(path)), str(path))


def parse_claims(text: str, name: str = "claims") -> ClaimSet:
    """Parse the text of a claims file; `InputError` if it is not TOML, breaks the schema, or contradicts itself.

    Examples
    --------
    >>> parse_claims('title = "x"\\n[[claim]]\\nmetric = "acuracy"\\nprinted = "57%"\\n', "a.toml")
    Traceback (most recent call last):
        ...
    assay.data.errors.InputError: a.toml, line 3: unknown metric 'acuracy'; did you mean 'accuracy'?

    """
    text = text.replace("\r\n", "\n")
    document = _document(text, name)
    try:
        return _checked(_from_toml(ClaimSet, document), name)
    except _PathError as error:
        path, message = error.args
        raise InputError(f"{name}, line {_line_of(path, text)}: {message}") from None


class _PathError(Exception):
    """The path of the key that is wrong (``group[0].sample.n``), and the message."""


def _checked(read: ClaimSet, name: str) -> ClaimSet:
    """The claims as read, each finished and in a group that there is, and nothing that contradicts itself."""
    if len(read.claims) > _MOST_CLAIMS:
        count = f"{len(read.claims):,} claims; at most {_MOST_CLAIMS:,} are judged at once"
        raise InputError(f"{name}: {count}: split the file")
    groups = read.groups or (Group("report"),) * bool(read.claims)
    names = {group.name: index for index, group in reversed(list(enumerate(groups)))}
    ids, claims = set[str](), list[Claim]()
    for index, claim in enumerate(read.claims):
        claims.append(_finished(claim, groups[0].name, ids, f"claim[{index}]"))
        ids.add(claims[-1].id)
    for index, claim in enumerate(claims):
        _check_claim(claim, names, ids, f"claim[{index}]")
    for index, group in enumerate(groups):
        for wrong, key, message in _contradictions(group, index, names):
            if wrong:
                raise _PathError(f"group[{index}].{key}", f"group {group.name!r}: {message}")
    return replace(read, groups=groups, claims=tuple(claims))


def _document(text: str, name: str) -> dict[str, Any]:
    """The tables of a claims file, without what people alone read, and with what may be left out."""
    if len(text) > _MOST_TEXT:
        raise InputError(f"{name}: {len(text):,} characters; a claims file has at most {_MOST_TEXT:,}: split it")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        reason = "its tables are nested too deeply" if deep else str(error).partition(";")[0]
        raise InputError(f"{name}: not TOML: {reason}") from None
    document.pop("excluded", None)
    claims = document.get("claim", [])
    if isinstance(claims, list):
        document["claim"] = [{"id": "", "group": ""} | row if isinstance(row, dict) else row for row in claims]
    return {"title": "", "source": "", "group": []} | document


def _finished(claim: Claim, first: str, ids: set[str], path: str) -> Claim:
    """A claim with its figure read, in the first group where it names none, by an id of its own."""
    claim = replace(claim, group=claim.group or first)
    if claim.id in ids:
        raise _PathError(f"{path}.id", f"claim id {claim.id!r} stands twice; give each its own")
    if not claim.id:
        stem = ".".join(filter(None, (claim.group, claim.split, claim.label, claim.metric, claim.at)))
        names = itertools.chain([stem], (f"{stem}#{number}" for number in itertools.count(2)))
        claim = replace(claim, id=next(name for name in names if name not in ids))
    return replace(claim, value=_place_print(claim.printed, "printed", path, claim.unit, claim.decimal))


def _check_claim(claim: Claim, groups: Collection[str], ids: set[str], path: str) -> None:
    """The run and the claims that it names must exist, and a relation has as many inputs as it takes."""
    relation, inputs = claim.relation, claim.inputs
    if claim.group not in groups:
        raise _PathError(f"{path}.group", f"no [[group]] is named {claim.group!r}; known: {', '.join(sorted(groups))}")
    if relation in ("change", "reduction", "ratio", "difference") and len(inputs) != 2:
        raise _PathError(f"{path}.inputs", f"relation {relation!r} takes two inputs, got {len(inputs)}")
    if relation in BESIDE and (len(inputs) != 1 or claim.metric != relation):
        raise _PathError(f"{path}.relation", f"relation {relation!r} takes one input and the metric {relation!r}")
    for wanted in inputs:
        if wanted == claim.id or wanted not in ids:
            raise _PathError(f"{path}.inputs", f"claim {claim.id!r}: input {wanted!r} is no other claim's id")


def _contradictions(group: Group, index: int, names: Mapping[str, int]) -> Iterator[tuple[object, str, str]]:
    """What the context of one group may say against itself: whether it does, the key to point at, and the message."""
    yield not group.name, "name", "its name is empty; claims name it"
    yield names[group.name] < index, "name", "its name stands twice; give each its own"
    sample, target, book = group.sample, group.target, group.portfolio
    spans: list[tuple[str, str, Sample | Split]] = [("sample.start", "", sample)]
    spans += [("sample.splits", f"split {split.name!r}: ", split) for split in sample.splits]
    for key, words, span in spans:
        early = span.start[: len(span.end)] > span.end[: len(span.start)]
        yield early, key, f"{words}start {span.start} is after end {span.end}"
    for key, what, parts in (("sample.splits", "split", sample.splits), ("class[0].share", "class", group.classes)):
        total = sum(max(part.share.interval.low, 0.0) for part in parts if part.share is not None)
        yield total > 1 + 1e-9, key, f"the {what} shares sum to at least {total:.3g}, more than one"
    supports = sum(item.support or 0 for item in group.classes)
    for key, count in (("sample.n_positive", sample.n_positive or 0), ("class[0].support", supports)):
        too_many = sample.n is not None and count > sample.n
        yield too_many, key, f"{key.rpartition('.')[2]} {count} exceeds n {sample.n}"
    low, high, span_of = target.low, target.high, target.span
    yield low and high and span_of is None, "target.low", f"low {low} is above high {high}"
    outside = target.mean and span_of and not target.mean.interval.meets(span_of)
    yield outside, "target.mean", f"mean {target.mean} is outside {low} to {high}"
    for name, spread in (("std", target.std), ("daily_volatility", target.daily_volatility)):
        yield spread and spread.value < 0, f"target.{name}", f"{name} {spread} is negative"
    scaled, periods = book.volatility_target, book.periods_per_year or 0
    yield scaled and scaled.value <= 0, "portfolio.volatility_target", f"volatility_target {scaled} is not above 0"
    wild = book.risk_free and not -0.5 < book.risk_free.value < 1.0
    yield wild, "portfolio.risk_free", f"risk_free {book.risk_free} is no annual rate; write e.g. 3% or 0.03"
    many = f"periods_per_year {periods:,} is above {_MOST_PERIODS:,}"
    yield periods > _MOST_PERIODS, "portfolio.periods_per_year", many
    for name, count in Counter(item.name for item in group.classes).items():
        yield count > 1, "class[0].name", f"class {name!r} stands twice"
    for number, layer in enumerate(group.architecture.layers if group.architecture else (), 1):
        sized = layer.kind in ("lstm", "gru", "rnn", "dense", "conv1d")
        empty = f"layer {number} ({layer.kind}) needs units of at least 1"
        yield sized and layer.units < 1, "architecture.layers", empty
        fed = f"layer {number} cannot be fed by layer {layer.source + 1}"
        yield layer.source >= number - 1, "architecture.layers", fed
    for other in group.shares_sample_with:
        unknown = other not in names or other == group.name
        yield unknown, "shares_sample_with", f"no other group is named {other!r}"


def _line_of(path: str, text: str) -> int:
    """The line of a table or key of a TOML text, or of the nearest table around it that has one."""
    lines: dict[str, int] = {}
    counts: Counter[str] = Counter()
    table = quoted = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not quoted and (head := _HEADER.match(line)):
            table = ""
            *above, last = re.sub(r"[\"' ]", "", head[2]).split(".")
            for part in (*above, last):
                table = f"{table}.{part}".lstrip(".")
                counts[table] += head[1] == "[[" and part is last
                table += f"[{counts[table] - 1}]" if counts[table] else ""
            lines[table] = number
        elif not quoted and (key := _KEY.match(line)):
            lines.setdefault(f"{table}.{key[1]}".lstrip("."), number)
        for mark in ('"""', "'''"):
            if line.count(mark) % 2 and quoted in ("", mark):
                quoted = "" if quoted else mark
    path = path.strip(".")
    while path and path not in lines:
        path = re.sub(r"\.?[^.\[]+$|\[\d+\]$|.$", "", path)
    return lines.get(path, 1)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known := list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(filter(None, known))}"


@cache
def _keys(cls: Any) -> dict[str, tuple[Field[Any], Any, Any]]:
    """Key -> field, its type without None, and its mark."""
    hints = get_type_hints(cls, include_extras=True)
    out = {}
    for item in fields(cls):
        hint, mark = hints[item.name], None
        while get_origin(hint) in (Annotated, Union, UnionType):
            if get_origin(hint) is Annotated:
                hint, mark = get_args(hint)
            else:
                hint = next(option for option in get_args(hint) if option is not NoneType)
        out[item.metadata.get("key", item.name)] = item, hint, mark
    return out


def _from_toml(cls: Callable[..., T], table: Mapping[str, Any], path: str = "", what: str = "the file") -> T:
    """A frozen value from a table, nested tables too; a field that is kept out of files is None."""
    keys = _keys(cls)
    if unknown := [key for key in table if key not in keys or not key]:
        raise _PathError(f"{path}.{unknown[0]}", f"unknown key {unknown[0]!r} in {what}; {_nearest(unknown[0], keys)}")
    values = {}
    for key, (item, hint, mark) in keys.items():
        if key in table:
            values[item.name] = _value(table[key], hint, mark, key, path)
        elif item.default is MISSING and item.default_factory is MISSING:
            if key:
                raise _PathError(f"{path}.{key}", f"{what} needs {key!r}")
            values[item.name] = None
    return cls(**values)


#: Type of a field → what stands in the file, in Python and in words; any other is a dataclass, so a table.
_HELD: dict[Any, tuple[Any, str]] = {
    str: (str, 'a string in quotes (figures too: "57.14%")'), Printed: (str, 'a figure in quotes ("57.14%")'),
    bool: (bool, "true or false"), int: (int, "a whole number"), float: (int | float, "a number"),
}  # fmt: skip


def _value(value: Any, hint: Any, mark: Any, key: str, path: str) -> Any:
    """The value of a key, of what its hint and mark ask for."""
    part = get_args(hint)[0] if get_origin(hint) is tuple else None
    held, words = _HELD.get(hint, (dict, "a table"))
    good = isinstance(value, held) and (held is bool or not isinstance(value, bool))
    if mark == "date":
        words = 'an ISO date ("2024-06-30")'
        value = value.isoformat()[:10] if hasattr(value, "isoformat") else value
        good = isinstance(value, str) and bool(_ISO.match(value))
    elif part is not None:
        words = f"a list of {'strings' if part is str else 'tables'}"
        good = isinstance(value, list) and all(isinstance(item, str if part is str else dict) for item in value)
    if not good or (hint in (int, float) and not abs(value) <= 1e300):
        raise _PathError(f"{path}.{key}", f"{key!r} must be {words}, got {_shown(value)}")
    if isinstance(mark, tuple) and value not in mark:
        raise _PathError(f"{path}.{key}", f"unknown {key} {value!r}; {_nearest(value, mark)}")
    if isinstance(mark, int) and (size := len(value) if isinstance(value, list) else value) < mark:
        raise _PathError(f"{path}.{key}", f"{key} {size} is below {mark}" if mark else f"{key} {size} is negative")
    if part is not None:
        what, items = key if path else f"[[{key}]]", enumerate(value)
        return tuple(x if part is str else _from_toml(part, x, f"{path}.{key}[{i}]".strip("."), what) for i, x in items)
    if hint is Printed:
        return _place_print(value, key, path)
    return value if hint in _HELD else _from_toml(hint, value, f"{path}.{key}", key)


def _shown(value: Any) -> str:
    """The beginning of a value for a message; a whole number can be longer than Python writes out."""
    try:
        return f"{value!r:.60}"
    except ValueError:
        return "a number of thousands of digits"


def _place_print(text: str, key: str, path: str, unit: str = "", decimal: str = ".") -> Printed:
    """A printed figure; the error where none stands at the start of the text has the line of its key."""
    try:
        return parse_print(text, unit=unit, decimal=decimal)
    except InputError as error:
        raise _PathError(f"{path}.{key}", str(error)) from None


def dump_claims(claims: ClaimSet) -> str:
    """The claim set as TOML; `parse_claims` reads it back to an equal set."""
    blocks = [_toml_lines(replace(claims, groups=(), claims=()))]
    blocks += [_toml_lines(group, "[group]") for group in claims.groups]
    blocks += [_toml_lines(claim, "[claim]") for claim in claims.claims]
    return "\n".join(line for block in blocks for line in [*block, ""])


def dump_draft(draft: Draft) -> str:
    """The draft as TOML: the claims, then what was set aside and what was not placed, each with its line and reason."""
    head = [
        "# Drafted by a machine. Check the groups (one run each), the splits and the labels; add what the report says",
        "# about n, classes, price range, loss and architecture; then delete the line 'draft = true'.",
        *("# Note: " + " ".join("".join(c if c.isprintable() else " " for c in note).split()) for note in draft.notes),
    ]
    left = {"not_placed": draft.unplaced, "tokens": draft.excluded}
    rows = {key: [{"line": x.line, "text": x.text, "reason": x.reason} for x in items] for key, items in left.items()}
    tail = [f"{key} = {_toml_value(of, broken=True)}" for key, of in rows.items()]
    return "\n".join([*head, "", dump_claims(draft.claims), "[excluded]", *tail, ""])


def _stated(value: Any) -> dict[str, Any]:
    """Key -> value of the fields that are not at their defaults."""
    kind: Any = type(value)
    pairs = {key: (getattr(value, item.name), item.default) for key, (item, _, _) in _keys(kind).items() if key}
    return {key: current for key, (current, default) in pairs.items() if current not in (None, (), "", default)}


def _toml_lines(value: Any, head: str = "") -> list[str]:
    """A frozen value as a TOML table under its heading: a key a line, then the tables inside it."""
    lines, inside = [f"[{head}]"] if head else [], []
    for key, item in _stated(value).items():
        if is_dataclass(item) and not isinstance(item, Printed):
            inside += ["", *_toml_lines(item, f"{head.strip('[]')}.{key}")] if _stated(item) else []
        else:
            lines.append(f"{key} = {_toml_value(item, broken=True)}")
    return lines + inside


def _toml_value(value: Any, broken: bool = False) -> str:
    """A value as TOML text; control characters are escaped. `broken`: tables of a list stand on lines of their own."""
    if is_dataclass(value):
        value = str(value) if isinstance(value, Printed) else _stated(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        items = [_toml_value(item) for item in value]
        lines = broken and any(item[0] == "{" for item in items)
        return "[\n  " + ",\n  ".join(items) + ",\n]" if lines else f"[{', '.join(items)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
