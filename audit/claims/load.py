"""The claims file: TOML in, `ClaimSet` out, and back.

A claims file lists the figures of a report **as printed**, each tied to its run::

    title = "RELIANCE LSTM Training Results"
    source = "reliance_training_results.md"

    [[group]]                       # one run: model, configuration, stage, and the context of its figures
    name = "wider"
    configuration = "[192,96,48], dropout 0.35"
    split = "validation"
    shares_sample_with = ["baseline"]
    [group.sample]                  # n, n_positive, assets, sessions, start, end, years, market, horizon, splits
    n = 28
    [group.target]                  # kind, low, high, range_covers, mean, std, daily_volatility
    [[group.class]]                 # name, share, support
    [group.loss]                    # terms, before, includes_regularisation
    [group.architecture]            # layers, inputs, framework, complete, saves_optimizer
    [group.schedule]                # max_epochs, patience, min_delta, epochs_run, best_epoch, restarts
    [group.portfolio]               # periods_per_year, trials, rate_bps, volatility_target, volatility_window, …

    [[claim]]                       # one figure
    id = "wider.accuracy"
    metric = "accuracy"             # a canonical name; a typo is answered with the nearest
    printed = "57.14%"              # the figure as it stands, with %, ~, >, K
    group = "wider"
    line = 15

Further keys of a claim: ``unit``, ``split``, ``label`` (class, quantile, side, asset), ``at`` (epoch, fold, period),
``relation`` with ``inputs``, ``definition``, ``target`` (a goal, not a result), ``text`` (the line it stands on),
and ``decimal`` (``","`` where the report prints a decimal comma). A draft lists under ``[excluded]`` the numeric tokens
that are no claims, with the reason; that table is read by people only.
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.audit.claims.intervals import Printed
from assay.audit.claims.located import read_text
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE, RELATIONS, Claim, ClaimSet, Group
from assay.audit.claims.schema import Place, from_toml, nearest, place_print, table_lines
from assay.data.errors import InputError

__all__ = ["contradictions", "load_claims", "parse_claims"]

#: A file beyond these is no report's, and relations between its claims would be searched for minutes.
_MOST_CLAIMS, _MOST_TEXT = 2_000, 2_000_000


def load_claims(path: Path | str) -> ClaimSet:
    """Load a claims file.

    Raises
    ------
    InputError
        If the file cannot be read or breaks the schema; the message names file and line.

    Examples
    --------
    >>> text = 'title = "M"; claim = [{id = "a", metric = "accuracy", printed = "57.14%"}]'
    >>> _ = Path("m.toml").write_text(text.replace("; ", chr(10)))
    >>> [claim.printed for claim in load_claims("m.toml").claims]
    ['57.14%']

    """
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
        raise InputError(
            f"{name}: {len(read.claims):,} claims; at most {_MOST_CLAIMS:,} are judged at once: split the file"
        )
    groups = read.groups or (Group("report"),) * bool(read.claims)
    names, ids = {group.name for group in groups}, set[str]()
    claims = []
    for index, claim in enumerate(read.claims):
        claims.append(_finished(claim, groups[0].name, ids, file.inside(f"claim[{index}]")))
        ids.add(claims[-1].id)
    for index, claim in enumerate(claims):
        _check_claim(claim, names, ids, file.inside(f"claim[{index}]"))
    for index, group in enumerate(groups):
        place = file.inside(f"group[{index}]")
        if group.name in [other.name for other in groups[:index]]:
            raise place.error("name", f"group name {group.name!r} stands twice; give each its own")
        for key, message in contradictions(group, names):
            raise place.error(key, f"group {group.name!r}: {message}")
    return replace(read, groups=groups, claims=tuple(claims))


def _document(text: str, name: str) -> dict[str, Any]:
    """The tables of a claims file, without what people alone read, and with what may be left out."""
    if len(text) > _MOST_TEXT:
        raise InputError(f"{name}: {len(text):,} characters; a claims file has at most {_MOST_TEXT:,}: split it")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.rstrip("\n").count("\n") + 1
        raise InputError(f"{name}, line {line}: not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{name}: not a claims file: its tables are nested too deeply") from None
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


def _check_claim(claim: Claim, groups: set[str], ids: set[str], place: Place) -> None:
    """The names a claim uses must exist, and a relation has as many inputs as it takes."""
    relation, inputs = claim.relation, claim.inputs
    for key, name, known in (("metric", claim.metric, METRICS), ("relation", relation, RELATIONS)):
        if name not in known:
            raise place.error(key, f"unknown {key} {name!r}; {nearest(name, known)}")
    if claim.group not in groups:
        raise place.error("group", f"no [[group]] is named {claim.group!r}; known: {', '.join(sorted(groups))}")
    if relation in ("change", "reduction", "ratio", "difference") and len(inputs) != 2:
        raise place.error("inputs", f"relation {relation!r} takes two inputs, got {len(inputs)}")
    if relation in BESIDE and (len(inputs) != 1 or claim.metric != relation):
        raise place.error("relation", f"relation {relation!r} takes one input and the metric {relation!r}")
    for wanted in inputs:
        if wanted not in ids - {claim.id}:
            raise place.error("inputs", f"claim {claim.id!r}: input {wanted!r} is no other claim's id")


def contradictions(group: Group, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what cannot hold together in the context of one group, as (key to point at, message).

    `names` are those of all groups. Only statements of the context about itself are judged here: what contradicts a
    *claim* is for the checks to find.
    """
    sample, target, portfolio = group.sample, group.target, group.portfolio
    layers = group.architecture.layers if group.architecture is not None else ()
    classes = Counter(item.name for item in group.classes)
    supports = sum(item.support or 0 for item in group.classes)
    parts = _total(split.share for split in sample.splits)
    shares = _total(item.share for item in group.classes)
    ends = f"{target.low} to {target.high}"
    yield from (
        (key, message)
        for wrong, key, message in (
            ((sample.n_positive or 0) > (sample.n or math.inf), "sample.n_positive",
             f"n_positive {sample.n_positive} exceeds n {sample.n}"),
            (_after(sample.start, sample.end), "sample.start", f"start {sample.start} is after end {sample.end}"),
            *((_after(split.start, split.end), "sample.splits",
               f"split {split.name!r}: start {split.start} is after end {split.end}") for split in sample.splits),
            (parts > 1, "sample.splits", f"the split shares sum to at least {parts:.3g}, more than one"),
            (target.low and target.high and target.span is None, "target.low",
             f"low {target.low} is above high {target.high}"),
            (target.mean and target.span and not target.mean.interval.meets(target.span), "target.mean",
             f"mean {target.mean} is outside {ends}"),
            (target.std and target.std.interval.high < 0, "target.std", f"std {target.std} is negative"),
            (portfolio.volatility_target and portfolio.volatility_target.interval.high <= 0,
             "portfolio.volatility_target", f"volatility_target {portfolio.volatility_target} is not above 0"),
            *((count > 1, "class[0].name", f"class {name!r} stands twice") for name, count in classes.items()),
            (shares > 1, "class[0].share", f"the class shares sum to at least {shares:.3g}, more than one"),
            (supports > (sample.n or math.inf), "class[0].support",
             f"the class supports sum to {supports}, more than n {sample.n}"),
            *((layer.kind in _SIZED and layer.units < 1, "architecture.layers",
               f"layer {number} ({layer.kind}) needs units of at least 1") for number, layer in enumerate(layers, 1)),
            *((layer.source >= number - 1, "architecture.layers",
               f"layer {number} cannot be fed by layer {layer.source + 1}") for number, layer in enumerate(layers, 1)),
            (group.name in group.shares_sample_with, "shares_sample_with",
             "a group shares its sample with itself; name the other one"),
            *((other not in names, "shares_sample_with", f"unknown group {other!r}")
              for other in group.shares_sample_with),
        )
        if wrong
    )  # fmt: skip


_SIZED = ("lstm", "gru", "rnn", "dense", "conv1d")


def _after(start: str, end: str) -> bool:
    """Whether a date lies after another, each perhaps only its beginning."""
    return bool(start and end) and start[: len(end)] > end[: len(start)]


def _total(shares: Iterable[Printed | None]) -> float:
    """The least that shares can sum to, less what rounding may add."""
    return sum(max(share.interval.low, 0.0) for share in shares if share is not None) - 1e-9
