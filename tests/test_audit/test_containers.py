"""One interpreter: the same labels read the same in every container."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.read.draft import draft_claims

Labels = tuple[str, str, str, str]
Reading = list[tuple[str, str, str, str, str]]


def read(text: str, form: str = "") -> Reading:
    found = draft_claims(text, form=form).claims.claims
    return [(c.metric, c.printed, c.group.removeprefix("main / "), c.split, c.label) for c in found]


def by_columns(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    head = f"| Model | Split | {first} | {second} |\n|---|---|---|---|\n"
    return read(f"# R\n\n{head}| {run} | {split} | {values[0]} | {values[1]} |\n")


def by_rows(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    head = f"# R\n\n## {split}\n\n| Metric | {run} |\n|---|---|\n"
    return read(f"{head}| {first} | {values[0]} |\n| {second} | {values[1]} |\n")


def as_html(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    heads = "".join(f"<th>{name}</th>" for name in ("Model", "Split", first, second))
    cells = "".join(f"<td>{text}</td>" for text in (run, split, *values))
    return read(f"<table>\n<tr>{heads}</tr>\n<tr>{cells}</tr>\n</table>\n")


def as_csv(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    return read(f"model,split,{first},{second}\n{run},{split},{values[0]},{values[1]}\n", "csv")


def as_spaced(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    width = max(len(first), len(second), 12)
    head = f"{'model':<12}{first:>{width + 4}}{second:>{width + 4}}"
    row = f"{run:<12}{values[0]:>{width + 4}}{values[1]:>{width + 4}}"
    return read(f"# R\n\n## {split}\n\n```\n{head}\n{row}\n```\n")


def as_json(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    body = {"results": {"model": run, "split": split, first: float(values[0]), second: float(values[1])}}
    text = json.dumps(body)
    for value in values:
        text = text.replace(repr(float(value)), value)
    return read(text, "json")


def as_yaml(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    return read(f"{run}:\n  {split}:\n    {first}: {values[0]}\n    {second}: {values[1]}\n", "yaml")


def as_list(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    return read(f"# R\n\n## {run}\n\n**{split} set**\n\n- {first}: {values[0]}\n- **{second}**: {values[1]}\n")


def as_block(labels: Labels, values: tuple[str, str]) -> Reading:
    run, split, first, second = labels
    return read(f"# R\n\n## {run}\n\n### {split}\n\n```\n{first}: {values[0]}\n{second} = {values[1]}\n```\n")


CONTAINERS = [by_columns, by_rows, as_html, as_csv, as_spaced, as_json, as_yaml, as_list, as_block]
NAMES = {
    "accuracy": "accuracy", "Precision": "precision", "recall": "recall", "F1": "f1", "macro_f1": "f1_macro",
    "AUC": "auc", "mcc": "mcc", "R2": "r2", "mae": "mae", "RMSE": "rmse", "rank_ic": "rank_ic", "IC": "ic",
    "sharpe_ratio": "sharpe", "Max Drawdown": "max_drawdown", "win_rate": "win_rate", "weighted_f1": "f1_weighted",
    "annual_return": "annual_return", "Hit rate": "hit_rate", "log_loss": "log_loss", "Brier": "brier",
}  # fmt: skip
#: Names that hold a metric's name and are none.
OTHERS = [
    "accuracy_threshold",
    "sharpe_window",
    "max_drawdown_limit",
    "f1_weight",
    "Deflated Sharpe",
    "drawdown_recovery",
]

_NAMES = st.lists(st.sampled_from(sorted(NAMES)), min_size=2, max_size=2, unique_by=lambda name: NAMES[name])
_FIGURES = st.integers(101, 989).filter(lambda n: n % 10).map(lambda n: f"0.{n}")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["lstm", "xgboost", "ridge", "transformer"]),
    st.sampled_from(["test", "validation"]),
    _NAMES,
    st.tuples(_FIGURES, _FIGURES),
)
def test_the_same_labels_read_the_same_in_every_container(
    run: str, split: str, names: list[str], values: tuple[str, str]
) -> None:
    wanted = [(NAMES[name], value, run, split, "") for name, value in zip(names, values, strict=True)]
    for container in CONTAINERS:
        assert container((run, split, names[0], names[1]), values) == wanted, container.__name__


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.__name__)
def test_what_only_looks_like_a_metric_is_none_in_any_container(container: object, name: str) -> None:
    assert callable(container)
    assert [metric for metric, *_ in container(("lstm", "test", "accuracy", name), ("0.571", "0.312"))] == ["accuracy"]
