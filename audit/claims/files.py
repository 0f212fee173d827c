"""The claims file: TOML in, `ClaimSet` out, and back.

A claims file lists the figures of a report **as printed**, each tied to its run; `model` has all keys::

    title = "RELIANCE LSTM Training Results"
    source = "reliance_training_results.md"

    [[group]]                       # one run: model, configuration, stage, and the context of its figures
    name = "wider"
    configuration = "[192,96,48], dropout 0.35"
    split = "validation"
    shares_sample_with = ["baseline"]
    sample = { n = 28 }             # so too target, loss, architecture, schedule, portfolio
    class = [{ name = "up", support = 16 }]

    [[claim]]                       # one figure
    id = "wider.accuracy"
    metric = "accuracy"             # a canonical name; a typo is answered with the nearest
    printed = "57.14%"              # the figure as it stands, with %, ~, >, K
    group = "wider"
    line = 15

A draft lists under ``[excluded]`` the numeric tokens that are no claims, with the reason; people alone read that table.
"""

from __future__ import annotations

import itertools
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.audit.claims.model import BESIDE, Claim, ClaimSet, Group, Sample, Split
from assay.audit.claims.schema import Place, from_toml, place_print, table_lines, toml_lines, toml_value
from assay.data.errors import InputError

if TYPE_CHECKING:
    from assay.audit.read.sheet import Draft, Excluded

__all__ = ["MAX_BYTES", "dump_claims", "dump_draft", "load_claims", "parse_claims", "read_text"]

#: Largest file that is read, bytes.
MAX_BYTES = 20_000_000
#: A claims file beyond these is no report's, and relations between its claims would be searched for minutes.
_MOST_CLAIMS, _MOST_TEXT = 2_000, 2_000_000
#: Periods in a year: minutes of every day are half of it.
_MOST_PERIODS = 1_000_000


def read_text(path: Path) -> str:
    """Read a UTF-8 file; `InputError` if it is missing, a folder, too large, not UTF-8, or holds NUL bytes."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MAX_BYTES else b""
        text = raw.decode("utf-8-sig")
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        folder = "is a folder; name a claims file or a report"
        raise InputError(f"{path}: {folder if path.is_dir() else reason}") from None
    except UnicodeDecodeError as error:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path}: is UTF-16; save it as UTF-8") from None
        line, byte = raw.count(b"\n", 0, error.start) + 1, raw[error.start]
        raise InputError(f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size / 1e6:.0f} MB; a report or claims file of at most 20 MB is read")
    if "\x00" in text:
        raise InputError(f"{path}: holds NUL bytes; it is not a text file")
    return text


def load_claims(path: Path | str) -> ClaimSet:
    """Load a claims file; `InputError`, with file and line, if it cannot be read or is as `parse_claims` refuses."""
    return parse_claims(read_text(Path(path)), str(path))


def parse_claims(text: str, name: str = "claims") -> ClaimSet:
    """Parse the text of a claims file.

    Raises
    ------
    InputError
        If the text is not TOML, breaks the schema, or its context contradicts itself.

    Examples
    --------
    >>> parse_claims('title = "x"\\n[[claim]]\\nmetric = "acuracy"\\nprinted = "57%"\\n', "a.toml")
    Traceback (most recent call last):
        ...
    assay.data.errors.InputError: a.toml, line 3: unknown metric 'acuracy'; did you mean 'accuracy'?

    """
    text = text.replace("\r\n", "\n")
    document, file = _document(text, name), Place(name, table_lines(text))
    read = from_toml(ClaimSet, document, file)
    if len(read.claims) > _MOST_CLAIMS:
        count = f"{len(read.claims):,} claims; at most {_MOST_CLAIMS:,} are judged at once"
        raise InputError(f"{name}: {count}: split the file")
    groups = read.groups or (Group("report"),) * bool(read.claims)
    names = {group.name: index for index, group in reversed(list(enumerate(groups)))}
    ids, claims = set[str](), list[Claim]()
    for index, claim in enumerate(read.claims):
        claims.append(_finished(claim, groups[0].name, ids, file.inside(f"claim[{index}]")))
        ids.add(claims[-1].id)
    for index, claim in enumerate(claims):
        _check_claim(claim, names, ids, file.inside(f"claim[{index}]"))
    for index, group in enumerate(groups):
        place = file.inside(f"group[{index}]")
        if not group.name:
            raise place.error("name", "the name of a [[group]] is empty; its claims name it")
        if names[group.name] < index:
            raise place.error("name", f"group name {group.name!r} stands twice; give each its own")
        for wrong, key, message in _contradictions(group, names):
            if wrong:
                raise place.error(key, f"group {group.name!r}: {message}")
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


def _finished(claim: Claim, first: str, ids: set[str], place: Place) -> Claim:
    """A claim with its figure read, in the first group where it names none, by an id of its own."""
    claim = replace(claim, group=claim.group or first)
    if claim.id in ids:
        raise place.error("id", f"claim id {claim.id!r} stands twice; give each its own")
    if not claim.id:
        stem = ".".join(filter(None, (claim.group, claim.split, claim.label, claim.metric, claim.at)))
        names = itertools.chain([stem], (f"{stem}#{number}" for number in itertools.count(2)))
        claim = replace(claim, id=next(name for name in names if name not in ids))
    return replace(claim, value=place_print(claim.printed, "printed", place, claim.unit, claim.decimal))


def _check_claim(claim: Claim, groups: Collection[str], ids: set[str], place: Place) -> None:
    """The run and the claims that it names must exist, and a relation has as many inputs as it takes."""
    relation, inputs = claim.relation, claim.inputs
    if claim.group not in groups:
        raise place.error("group", f"no [[group]] is named {claim.group!r}; known: {', '.join(sorted(groups))}")
    if relation in ("change", "reduction", "ratio", "difference") and len(inputs) != 2:
        raise place.error("inputs", f"relation {relation!r} takes two inputs, got {len(inputs)}")
    if relation in BESIDE and (len(inputs) != 1 or claim.metric != relation):
        raise place.error("relation", f"relation {relation!r} takes one input and the metric {relation!r}")
    for wanted in inputs:
        if wanted == claim.id or wanted not in ids:
            raise place.error("inputs", f"claim {claim.id!r}: input {wanted!r} is no other claim's id")


def _contradictions(group: Group, names: Collection[str]) -> Iterator[tuple[object, str, str]]:
    """What the context of one group may say against itself: whether it does, the key to point at, and the message.

    `names` are those of all groups. What contradicts a *claim* is for the checks to find.
    """
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


def dump_claims(claims: ClaimSet) -> str:
    """The claim set as TOML; `parse_claims` reads it back to an equal set.

    Examples
    --------
    >>> from assay.audit.claims.model import Group
    >>> print(dump_claims(ClaimSet("A title", "", (Group("main"),), ())))
    title = "A title"
    <BLANKLINE>
    [[group]]
    name = "main"
    <BLANKLINE>

    """
    blocks = [toml_lines(replace(claims, groups=(), claims=()))]
    blocks += [toml_lines(group, "[group]") for group in claims.groups]
    blocks += [toml_lines(claim, "[claim]") for claim in claims.claims]
    return "\n".join(line for block in blocks for line in [*block, ""])


def dump_draft(draft: Draft) -> str:
    """The draft as TOML: the claims, then what was set aside and what was not placed, each with its line and reason."""
    head = [
        "# Drafted by a machine. Check the groups (one run each), the splits and the labels; add what the report says",
        "# about n, classes, price range, loss and architecture; then delete the line 'draft = true'.",
        *("# Note: " + " ".join("".join(c if c.isprintable() else " " for c in note).split()) for note in draft.notes),
    ]
    tail = ["[excluded]", f"not_placed = {_listed(draft.unplaced)}", f"tokens = {_listed(draft.excluded)}"]
    return "\n".join([*head, "", dump_claims(draft.claims), *tail, ""])


def _listed(items: Iterable[Excluded]) -> str:
    rows = [{"line": item.line, "text": item.text, "reason": item.reason} for item in items]
    return toml_value(rows, broken=True)
