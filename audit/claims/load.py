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
``decimal`` (``","`` where the report prints a decimal comma) and ``context`` (a table of notes). A draft lists under
``[excluded]`` the numeric tokens that are no claims, with the reason; that table is read by people only.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.located import Located, read_text
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE, RELATIONS, Claim, ClaimSet, Group
from assay.audit.claims.schema import check_keys, from_toml, printed_at
from assay.data.errors import InputError

__all__ = ["contradictions", "load_claims", "parse_claims"]

#: Whole numbers of a group's context, by table -> the least they can be.
_LEAST = {
    "sample": {"n": 1, "assets": 1, "sessions": 1, "horizon": 1, "n_positive": 0},
    "portfolio": {"trials": 1, "volatility_window": 2},
    "schedule": {"max_epochs": 0, "patience": 0, "epochs_run": 0, "best_epoch": 0},
}


def contradictions(group: Group) -> Iterator[tuple[str, str, str]]:
    """Yield what cannot hold together in the context of one group.

    As (table, key, message): the sub-table and key to point at, and one sentence.

    Notes
    -----
    Only statements of the context about itself are judged here. What contradicts a *claim* is for the checks to find.

    """
    for table, keys in _LEAST.items():
        for key, least in keys.items():
            value = getattr(getattr(group, table), key, None)
            if value is not None and value < least:
                yield table, key, f"{key} {value} is {f'below {least}' if least else 'negative'}"
    yield from _sample(group)
    yield from _target(group)
    yield from _classes(group)
    portfolio = group.portfolio
    if portfolio.periods_per_year is not None and not 1 <= portfolio.periods_per_year <= 1_000_000:
        yield "portfolio", "periods_per_year", f"periods_per_year {portfolio.periods_per_year} is not in 1 … 1000000"
    if portfolio.volatility_target is not None and portfolio.volatility_target.interval.high <= 0:
        yield "portfolio", "volatility_target", f"volatility_target {portfolio.volatility_target.text} is not above 0"
    for number, layer in enumerate(group.architecture.layers if group.architecture is not None else (), 1):
        if layer.kind in ("lstm", "gru", "rnn", "dense", "conv1d") and layer.units < 1:
            yield "architecture", "layers", f"layer {number} ({layer.kind}) needs units of at least 1"
        if layer.source >= number - 1:
            yield "architecture", "layers", f"layer {number} cannot be fed by layer {layer.source + 1}"
    if group.name in group.shares_sample_with:
        yield "", "shares_sample_with", "a group shares its sample with itself; name the other one"


def _sample(group: Group) -> Iterator[tuple[str, str, str]]:
    sample = group.sample
    if sample.n is not None and sample.n_positive is not None and sample.n_positive > sample.n:
        yield "sample", "n_positive", f"n_positive {sample.n_positive} exceeds n {sample.n}"
    if sample.start and sample.end and sample.start[: len(sample.end)] > sample.end[: len(sample.start)]:
        yield "sample", "start", f"start {sample.start} is after end {sample.end}"
    for name, _, start, end in sample.splits:
        if start and end and start[: len(end)] > end[: len(start)]:
            yield "sample", "splits", f"split {name!r}: start {start} is after end {end}"
    total = sum(max(parse_print(share).interval.low, 0.0) for _, share, _, _ in sample.splits if share)
    if total > 1 + 1e-9:
        yield "sample", "splits", f"the split shares sum to at least {total:.3g}, more than one"


def _target(group: Group) -> Iterator[tuple[str, str, str]]:
    target = group.target
    if target.low is not None and target.high is not None and target.low.interval.low > target.high.interval.high:
        yield "target", "low", f"low {target.low.text} is above high {target.high.text}"
    span = target.span
    ends = [end.text for end in (target.low, target.high) if end is not None]
    if span is not None and target.mean is not None and not target.mean.interval.meets(span):
        yield "target", "mean", f"mean {target.mean.text} is outside {' to '.join(ends)}"
    if target.std is not None and target.std.interval.high < 0:
        yield "target", "std", f"std {target.std.text} is negative"


def _classes(group: Group) -> Iterator[tuple[str, str, str]]:
    names = [item.name for item in group.classes]
    for name in names:
        if names.count(name) > 1:
            yield "class[0]", "name", f"class {name!r} stands twice"
            return
    total = sum(max(item.share.interval.low, 0.0) for item in group.classes if item.share is not None)
    if total > 1 + 1e-9:
        yield "class[0]", "share", f"the class shares sum to at least {total:.3g}, more than one"
    supports = [item.support for item in group.classes if item.support is not None]
    if any(value < 0 for value in supports):
        yield "class[0]", "support", "a class support is negative"
    if group.sample.n is not None and sum(supports) > group.sample.n:
        yield "class[0]", "support", f"the class supports sum to {sum(supports)}, more than n {group.sample.n}"


_TOP = {"title": str, "source": str, "draft": bool, "group": list, "claim": list, "excluded": dict}
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
    path = Path(path)
    return parse_claims(read_text(path), str(path))


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
    document, where = _document(text, name), Located(text, name)
    _check_top(document, where)
    groups = [_group(table, f"group[{index}]", where) for index, table in enumerate(document.get("group", []))]
    _refuse_duplicates([group.name for group in groups], "group", "name", where)
    names = {group.name for group in groups}
    if not groups and document.get("claim"):
        groups, names = [Group("report")], {"report"}
    if len(document.get("claim", [])) > _MOST_CLAIMS:
        count = len(document["claim"])
        raise InputError(f"{name}: {count:,} claims; at most {_MOST_CLAIMS:,} are judged at once: split the file")
    claims: list[Claim] = []
    taken: dict[str, int] = {}
    for index, table in enumerate(document.get("claim", [])):
        claim = _claim(table, f"claim[{index}]", where, names, groups[0].name if groups else "")
        if "id" not in table:
            claim = _numbered(claim, taken)
        taken[claim.id] = taken.get(claim.id, 0) + 1
        claims.append(claim)
    _refuse_duplicates([claim.id for claim in claims], "claim", "id", where)
    _check_references(claims, groups, where)
    return ClaimSet(
        title=document.get("title", ""),
        source=document.get("source", ""),
        groups=tuple(groups),
        claims=tuple(claims),
        draft=document.get("draft", False),
    )


def _document(text: str, name: str) -> dict[str, Any]:
    if len(text) > _MOST_TEXT:
        raise InputError(f"{name}: {len(text):,} characters; a claims file has at most {_MOST_TEXT:,}: split it")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.rstrip("\n").count("\n") + 1
        raise InputError(f"{name}, line {line}: not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{name}: not a claims file: its tables are nested too deeply") from None


def _check_references(claims: list[Claim], groups: list[Group], where: Located) -> None:
    """What claims and groups name must exist, and the context of a group must not contradict itself."""
    ids, names = {claim.id for claim in claims}, {group.name for group in groups}
    for index, claim in enumerate(claims):
        for wanted in claim.inputs:
            if wanted not in ids or wanted == claim.id:
                message = f"claim {claim.id!r}: input {wanted!r} is no other claim's id"
                raise where.error(f"claim[{index}]", "inputs", message)
    for index, group in enumerate(groups):
        for other in group.shares_sample_with:
            if other not in names:
                message = f"group {group.name!r}: unknown group {other!r}"
                raise where.error(f"group[{index}]", "shares_sample_with", message)
        for table_name, key, message in contradictions(group):
            path = f"group[{index}]" + (f".{table_name}" if table_name else "")
            raise where.error(path, key, f"group {group.name!r}: {message}")


def _numbered(claim: Claim, taken: Mapping[str, int]) -> Claim:
    stem, number, name = claim.id, 2, claim.id
    while name in taken:
        name, number = f"{stem}#{number}", number + 1
    return replace(claim, id=name)


def _refuse_duplicates(names: list[str], table: str, key: str, where: Located) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise where.error(f"{table}[{index}]", key, f"{table} {key} {name!r} stands twice; give each its own")
        seen.add(name)


def _check_top(document: Mapping[str, Any], where: Located) -> None:
    """The keys of the file itself: texts, a flag, and lists of tables."""
    words = {str: "a string in quotes", bool: "true or false", list: "a list of tables", dict: "a table"}
    check_keys(document, _TOP, "", where, "the file")
    for key, value in document.items():
        tables = _TOP[key] is not list or (isinstance(value, list) and all(isinstance(item, dict) for item in value))
        if not isinstance(value, _TOP[key]) or not tables:
            raise where.error("", key, f"{key!r} must be {words[_TOP[key]]}, got {str(value)[:60]!r}")


def _group(table: Mapping[str, Any], path: str, where: Located) -> Group:
    if not table.get("name"):
        raise where.error(path, "name", "[[group]] needs a name")
    plan = table.get("architecture")
    if isinstance(plan, dict) and not plan.get("layers"):
        message = "architecture needs layers, a list of tables with kind and units"
        raise where.error(f"{path}.architecture", "layers", message)
    return from_toml(Group, table, path, where, "[[group]]")


def _claim(table: Mapping[str, Any], path: str, where: Located, groups: set[str], first: str) -> Claim:
    decimal = table.get("decimal", ".")
    if decimal not in (".", ","):
        raise where.error(path, "decimal", f"decimal {decimal!r} is not one of '.', ','")
    rest = {key: value for key, value in table.items() if key != "decimal"}
    parts = [table.get(key) for key in ("group", "split", "label", "metric", "at")]
    name = ".".join(part for part in (parts[0] or first, *parts[1:]) if isinstance(part, str) and part)
    rest = {"id": name, "group": first} | rest
    claim = from_toml(Claim, rest, path, where, "[[claim]]", {"value": None})
    _check_claim(claim, path, where, groups)
    value = printed_at(claim.printed, path, "printed", where, claim.unit, decimal)
    context = claim.context + ((("decimal", decimal),) if decimal != "." else ())
    return replace(claim, value=value, context=context)


def _check_claim(claim: Claim, path: str, where: Located, groups: set[str]) -> None:
    """The names a claim uses must exist, and a relation has as many inputs as it takes."""
    if claim.metric not in METRICS:
        near = difflib.get_close_matches(claim.metric, METRICS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(METRICS)}"
        raise where.error(path, "metric", f"unknown metric {claim.metric!r}; {hint}")
    if claim.group not in groups:
        known = ", ".join(sorted(groups))
        raise where.error(path, "group", f"no [[group]] is named {claim.group!r}; known: {known}")
    relation, inputs = claim.relation, claim.inputs
    if relation not in RELATIONS:
        known = ", ".join(name for name in RELATIONS if name)
        raise where.error(path, "relation", f"unknown relation {relation!r}; known: {known}")
    if relation in ("change", "reduction", "ratio", "difference") and len(inputs) != 2:
        raise where.error(path, "inputs", f"relation {relation!r} takes two inputs, got {len(inputs)}")
    if relation in BESIDE and (len(inputs) != 1 or claim.metric != relation):
        raise where.error(path, "relation", f"relation {relation!r} takes one input and the metric {relation!r}")
    if claim.source_line is not None and claim.source_line < 1:
        raise where.error(path, "line", f"line numbers start at 1, got {claim.source_line}")
