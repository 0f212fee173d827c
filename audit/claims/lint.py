"""Context that contradicts itself: found when a claims file is read, before any check leans on it."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import Group

__all__ = ["contradictions"]


def contradictions(group: Group) -> Iterator[tuple[str, str, str]]:
    """Yield what cannot hold together in the context of one group.

    As (table, key, message): the sub-table and key to point at, and one sentence.

    Notes
    -----
    Only statements of the context about itself are judged here. What contradicts a *claim* is for the checks to find.

    """
    yield from _sample(group)
    yield from _target(group)
    yield from _classes(group)
    yield from _schedule(group)
    portfolio = group.portfolio
    if portfolio.periods_per_year is not None and not 1 <= portfolio.periods_per_year <= 1_000_000:
        yield "portfolio", "periods_per_year", f"periods_per_year {portfolio.periods_per_year} is not in 1 … 1000000"
    if portfolio.trials is not None and portfolio.trials < 1:
        yield "portfolio", "trials", f"trials {portfolio.trials} is below 1"
    if portfolio.volatility_target is not None and portfolio.volatility_target.interval.high <= 0:
        yield "portfolio", "volatility_target", f"volatility_target {portfolio.volatility_target.text} is not above 0"
    if portfolio.volatility_window is not None and portfolio.volatility_window < 2:
        yield "portfolio", "volatility_window", f"volatility_window {portfolio.volatility_window} is below 2"
    if group.architecture is not None:
        for number, layer in enumerate(group.architecture.layers, 1):
            if layer.kind in ("lstm", "gru", "rnn", "dense", "conv1d") and layer.units < 1:
                yield "architecture", "layers", f"layer {number} ({layer.kind}) needs units of at least 1"
            if layer.source >= number - 1:
                yield "architecture", "layers", f"layer {number} cannot be fed by layer {layer.source + 1}"
    if group.name in group.shares_sample_with:
        yield "", "shares_sample_with", "a group shares its sample with itself; name the other one"


def _sample(group: Group) -> Iterator[tuple[str, str, str]]:
    sample = group.sample
    for key in ("n", "assets", "sessions", "horizon"):
        value = getattr(sample, key)
        if value is not None and value < 1:
            yield "sample", key, f"{key} {value} is below 1"
    if sample.n_positive is not None and sample.n_positive < 0:
        yield "sample", "n_positive", f"n_positive {sample.n_positive} is negative"
    if sample.n is not None and sample.n_positive is not None and sample.n_positive > sample.n:
        yield "sample", "n_positive", f"n_positive {sample.n_positive} exceeds n {sample.n}"
    if sample.start and sample.end and sample.start[: len(sample.end)] > sample.end[: len(sample.start)]:
        yield "sample", "start", f"start {sample.start} is after end {sample.end}"
    total = 0.0
    for name, share, start, end in sample.splits:
        if start and end and start[: len(end)] > end[: len(start)]:
            yield "sample", "splits", f"split {name!r}: start {start} is after end {end}"
        if share:
            total += max(parse_print(share).interval.low, 0.0)
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


def _schedule(group: Group) -> Iterator[tuple[str, str, str]]:
    schedule = group.schedule
    if schedule is None:
        return
    for key in ("max_epochs", "patience", "epochs_run", "best_epoch"):
        value = getattr(schedule, key)
        if value is not None and value < 0:
            yield "schedule", key, f"{key} {value} is negative"
