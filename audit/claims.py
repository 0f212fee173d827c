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
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from assay.audit.claims_lint import contradictions
from assay.audit.claims_model import (
    RELATIONS,
    Architecture,
    Claim,
    ClaimSet,
    ClassShare,
    Group,
    Layer,
    LossFormula,
    LossTerm,
    Portfolio,
    Sample,
    Schedule,
    Target,
)
from assay.audit.intervals import parse_print
from assay.audit.located import Located, read_text
from assay.audit.metrics_vocabulary import METRICS
from assay.data.errors import InputError

__all__ = ["load_claims", "parse_claims"]

_GROUP = {"name": "str", "model": "str", "configuration": "str", "stage": "str", "split": "str", "notes": "str",
          "shares_sample_with": "strs", "sample": "table", "target": "table", "class": "tables", "loss": "table",
          "architecture": "table", "schedule": "table", "portfolio": "table"}  # fmt: skip
_CLAIM = {"id": "str", "metric": "str", "printed": "str", "group": "str", "unit": "str", "split": "str", "label": "str",
          "at": "str", "relation": "str", "inputs": "strs", "definition": "str", "target": "bool", "line": "int",
          "text": "str", "decimal": "str", "context": "table", "record": "str", "document": "str"}  # fmt: skip
_TOP = {"title": "str", "source": "str", "draft": "bool", "group": "tables", "claim": "tables", "excluded": "table"}
_SAMPLE = {"n": "int", "n_positive": "int", "assets": "int", "sessions": "int", "start": "date", "end": "date",
           "years": "float", "market": "str", "horizon": "int", "splits": "tables"}  # fmt: skip
_SPLIT = {"name": "str", "share": "str", "start": "date", "end": "date"}
_TARGET = {"kind": "str", "low": "print", "high": "print", "range_covers": "str", "mean": "print", "std": "print",
           "daily_volatility": "print"}  # fmt: skip
_CLASS = {"name": "str", "share": "print", "support": "int"}
_LOSS = {"terms": "tables", "before": "tables", "includes_regularisation": "bool"}
_TERM = {"kind": "str", "weight": "float", "metric": "str", "same_quantity": "bool"}
_ARCHITECTURE = {"layers": "tables", "inputs": "int", "framework": "str", "complete": "bool", "saves_optimizer": "bool"}
_LAYER = {"kind": "str", "units": "int", "bidirectional": "bool", "bias": "bool", "heads": "int", "kernel": "int",
          "vocabulary": "int", "source": "int"}  # fmt: skip
_SCHEDULE = {"max_epochs": "int", "patience": "int", "min_delta": "float", "epochs_run": "int", "best_epoch": "int",
             "restarts": "bool"}  # fmt: skip
_PORTFOLIO = {"periods_per_year": "int", "trials": "int", "long_gross": "float", "short_gross": "float",
              "rate_bps": "float", "turnover_kind": "str", "equal_bets": "bool", "risk_free": "print",
              "assets": "int", "volatility_target": "print", "volatility_window": "int"}  # fmt: skip

_CHOICES = {
    ("target", "kind"): ("", "price", "return", "scaled price"),
    ("target", "range_covers"): ("", "evaluation", "train"),
    ("term", "kind"): ("one_minus_correlation", "mse", "mae", "huber", "focal", "cross_entropy",
                       "binary_cross_entropy", "l2", "other"),
    ("layer", "kind"): ("lstm", "gru", "rnn", "dense", "batch_norm", "layer_norm", "embedding", "attention",
                        "additive_attention", "conv1d", "dropout"),
    ("architecture", "framework"): ("", "torch", "keras"),
    ("portfolio", "turnover_kind"): ("", "one-way", "two-way"),
}  # fmt: skip
#: A file beyond these is no report's, and relations between its claims would be searched for minutes.
_MOST_CLAIMS, _MOST_TEXT = 2_000, 2_000_000
_ISO = re.compile(r"^\d{4}(-\d{2}(-\d{2})?)?$")


def load_claims(path: Path | str) -> ClaimSet:
    """Load a claims file.

    Raises
    ------
    InputError
        If the file cannot be read or breaks the schema; the message names file and line.

    """
    path = Path(path)
    return parse_claims(read_text(path), str(path))


def parse_claims(text: str, name: str = "claims") -> ClaimSet:
    """Parse the text of a claims file.

    Parameters
    ----------
    text : TOML.
    name : what messages call it.

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
    if len(text) > _MOST_TEXT:
        raise InputError(f"{name}: {len(text):,} characters; a claims file has at most {_MOST_TEXT:,}: split it")
    try:
        document = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.rstrip("\n").count("\n") + 1
        raise InputError(f"{name}, line {line}: not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{name}: not a claims file: its tables are nested too deeply") from None
    where = Located(text.replace("\r\n", "\n"), name)
    _check_table(document, _TOP, "", where, "the file")
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
    for index, claim in enumerate(claims):
        for wanted in claim.inputs:
            if wanted not in taken or wanted == claim.id:
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
    return ClaimSet(
        title=document.get("title", ""),
        source=document.get("source", ""),
        groups=tuple(groups),
        claims=tuple(claims),
        draft=document.get("draft", False),
    )


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


def _check_table(table: Mapping[str, Any], schema: Mapping[str, str], path: str, where: Located, what: str) -> None:
    """Refuse unknown keys and wrong types; names the nearest known key."""
    for key, value in table.items():
        if key not in schema:
            near = difflib.get_close_matches(key, schema, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(schema)}"
            raise where.error(path, key, f"unknown key {key!r} in {what}; {hint}")
        wanted = schema[key]
        if not _has_type(value, wanted):
            raise where.error(path, key, f"{key!r} must be {_TYPE_WORDS[wanted]}, got {_shown(value)}")


_TYPE_WORDS = {
    "str": 'a string in quotes (figures too: "57.14%")', "int": "a whole number", "float": "a number",
    "bool": "true or false", "strs": "a list of strings", "table": "a table", "tables": "a list of tables",
    "print": 'a figure as printed, in quotes ("57.14%")', "date": 'an ISO date ("2024-06-30")',
}  # fmt: skip


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _has_type(value: Any, wanted: str) -> bool:
    if wanted == "date":
        return hasattr(value, "isoformat") or (isinstance(value, str) and (not value or bool(_ISO.match(value))))
    if wanted in ("int", "float"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            return False
        return wanted == "float" or isinstance(value, int)
    if wanted == "strs":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted == "tables":
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return isinstance(value, {"str": str, "print": str, "bool": bool, "table": dict}[wanted])


def _build(
    cls: Callable[..., Any],
    table: Mapping[str, Any],
    schema: Mapping[str, str],
    path: str,
    where: Located,
    kind: str = "",
) -> Any:
    """A frozen value from a flat table, prints parsed and choices checked; nested tables are left to the caller."""
    _check_table(table, schema, path, where, path.rpartition(".")[2].partition("[")[0] or "the file")
    values: dict[str, Any] = {}
    for key, value in table.items():
        choices = _CHOICES.get((kind, key))
        if choices is not None and value not in choices:
            raise where.error(path, key, f"{key} {value!r} is not one of {', '.join(repr(c) for c in choices)}")
        if schema[key] == "print":
            value = _printed(value, path, key, where)
        elif schema[key] == "date":
            value = value if isinstance(value, str) else value.isoformat()[:10]
        if schema[key] not in ("table", "tables"):
            values[key] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


def _printed(text: str, path: str, key: str, where: Located, unit: str = "", decimal: str = ".") -> Any:
    try:
        return parse_print(text, unit=unit if unit in ("percent", "%", "bps", "pp") else "", decimal=decimal)
    except InputError as error:
        raise where.error(path, key, str(error)) from None


def _group(table: Mapping[str, Any], path: str, where: Located) -> Group:
    _check_table(table, _GROUP, path, where, "[[group]]")
    if not table.get("name"):
        raise where.error(path, "name", "[[group]] needs a name")
    sample = table.get("sample", {})
    built = _build(Sample, {k: v for k, v in sample.items() if k != "splits"}, _SAMPLE, f"{path}.sample", where)
    splits = []
    for index, split in enumerate(sample.get("splits", [])):
        place = f"{path}.sample.splits[{index}]"
        _check_table(split, _SPLIT, place, where, "splits")
        if split.get("share"):
            _printed(split["share"], place, "share", where)
        dates = [value if isinstance(value, str) else value.isoformat()[:10] for value in
                 (split.get("start", ""), split.get("end", ""))]  # fmt: skip
        splits.append((split.get("name", ""), split.get("share", ""), dates[0], dates[1]))
    loss, architecture, schedule = table.get("loss"), table.get("architecture"), table.get("schedule")
    values: dict[str, Any] = {
        key: table[key] for key in ("name", "model", "configuration", "stage", "split", "notes") if key in table
    }
    return Group(
        **values,
        sample=replace(built, splits=tuple(splits)),
        target=_build(Target, table.get("target", {}), _TARGET, f"{path}.target", where, "target"),
        classes=tuple(
            _build(ClassShare, item, _CLASS, f"{path}.class[{index}]", where)
            for index, item in enumerate(table.get("class", []))
        ),
        loss=None if loss is None else _loss(loss, f"{path}.loss", where),
        architecture=None if architecture is None else _architecture(architecture, f"{path}.architecture", where),
        schedule=None if schedule is None else _build(Schedule, schedule, _SCHEDULE, f"{path}.schedule", where),
        portfolio=_build(Portfolio, table.get("portfolio", {}), _PORTFOLIO, f"{path}.portfolio", where, "portfolio"),
        shares_sample_with=tuple(table.get("shares_sample_with", ())),
    )


def _loss(table: Mapping[str, Any], path: str, where: Located) -> LossFormula:
    _check_table(table, _LOSS, path, where, "loss")
    terms = {
        key: tuple(
            _build(LossTerm, item, _TERM, f"{path}.{key}[{index}]", where, "term")
            for index, item in enumerate(table.get(key, []))
        )
        for key in ("terms", "before")
    }
    return LossFormula(terms["terms"], terms["before"], table.get("includes_regularisation", False))


def _architecture(table: Mapping[str, Any], path: str, where: Located) -> Architecture:
    layers = tuple(
        _build(Layer, item, _LAYER, f"{path}.layers[{index}]", where, "layer")
        for index, item in enumerate(table.get("layers", []))
    )
    if not layers:
        raise where.error(path, "layers", "architecture needs layers, a list of tables with kind and units")
    built: Architecture = _build(partial(Architecture, layers), table, _ARCHITECTURE, path, where, "architecture")
    return built


def _claim(table: Mapping[str, Any], path: str, where: Located, groups: set[str], first: str) -> Claim:
    _check_table(table, _CLAIM, path, where, "[[claim]]")
    for key in ("metric", "printed"):
        if key not in table:
            raise where.error(path, key, f"[[claim]] needs {key!r}")
    metric, group, relation = table["metric"], table.get("group", first), table.get("relation", "")
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, METRICS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(METRICS)}"
        raise where.error(path, "metric", f"unknown metric {metric!r}; {hint}")
    if group not in groups:
        raise where.error(path, "group", f"no [[group]] is named {group!r}; known: {', '.join(sorted(groups))}")
    if relation not in RELATIONS:
        known = ", ".join(name for name in RELATIONS if name)
        raise where.error(path, "relation", f"unknown relation {relation!r}; known: {known}")
    inputs = tuple(table.get("inputs", ()))
    if relation in ("change", "reduction", "ratio", "difference") and len(inputs) != 2:
        raise where.error(path, "inputs", f"relation {relation!r} takes two inputs, got {len(inputs)}")
    if relation in ("interval", "spread") and (len(inputs) != 1 or metric != relation):
        raise where.error(path, "relation", f"relation {relation!r} takes one input and the metric {relation!r}")
    if table.get("line", 1) < 1:
        raise where.error(path, "line", f"line numbers start at 1, got {table['line']}")
    value = _printed(table["printed"], path, "printed", where, table.get("unit", ""), table.get("decimal", "."))
    notes = dict(table.get("context", {}))
    if table.get("decimal", ".") != ".":
        notes["decimal"] = table["decimal"]
    parts = [group, table.get("split", ""), table.get("label", ""), metric, table.get("at", "")]
    return Claim(
        id=table.get("id", ".".join(part for part in parts if part)),
        metric=metric,
        printed=table["printed"],
        value=value,
        group=group,
        **{key: table[key] for key in ("unit", "split", "label", "at", "definition", "target") if key in table},
        relation=relation,
        inputs=inputs,
        source_line=table.get("line"),
        source_text=table.get("text", ""),
        context=tuple((str(key), str(item)) for key, item in notes.items()),
        record=table.get("record", ""),
        document=table.get("document", ""),
    )
