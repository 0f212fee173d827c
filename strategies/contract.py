"""One battery for every strategy, the shipped ones and anyone's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.benchmark import with_benchmark_asset
from assay.data.errors import BacktestError, InputError, LookAheadError
from assay.data.panel import ACTIONS, PRICE_FIELDS, PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.strategies.base import Decision, EntryRule, Overlays, Strategy, memory_of

__all__ = ["check_strategy", "random_panels"]

_SESSIONS, _ASSETS = 90, 12
#: Frames of the random predictions, beside the action probabilities.
_FRAMES = ("score", "probability_up")
#: Differences up to this are rounding.
_ROUNDING = 1e-9

Panels = tuple[PredictionPanel, PricePanel]


def check_strategy(strategy: Strategy | EntryRule, *, seeds: tuple[int, ...] = (0, 1)) -> tuple[str, ...]:
    """Try a strategy on random markets; what it does wrong is raised, what it does right is returned.

    Checked: it is a strategy (name, needs, overlays); its frames have the sessions and assets of the predictions and
    no infinite cell; altering prices or predictions after t, and cutting them off at t, changes nothing up to t; a
    decision reads no more sessions than its ``memory`` says; twice the same inputs give the same frames; an asset
    without a price or a view gets nothing; permuted columns give permuted frames; the inputs are left as they were.

    Parameters
    ----------
    strategy : weights by rule, or an entry rule.
    seeds : of the random markets.

    Returns
    -------
    tuple of str
        Names of the checks passed.

    Raises
    ------
    LookAheadError
        If something stamped t depends on what came after t.
    InputError
        If another check fails.

    Examples
    --------
    >>> from assay.strategies.catalog import load_strategy
    >>> check_strategy(load_strategy("quintile_long_short"), seeds=(0,))
    ('contract', 'frames', 'causality', 'memory', 'determinism', 'missing data', 'column order', 'inputs untouched')

    """
    _contract(strategy)
    checks: Mapping[str, Callable[[Strategy | EntryRule, Panels, np.random.Generator], None]] = {
        "frames": _frames,
        "causality": _causality,
        "memory": _memory,
        "determinism": _determinism,
        "missing data": _missing_data,
        "column order": _column_order,
        "inputs untouched": _inputs_untouched,
    }
    for seed in seeds:
        for name, check in checks.items():
            panels = _fitting(strategy, random_panels(seed))  # anew: a strategy that writes must not spoil the next
            try:
                check(strategy, panels, np.random.default_rng(seed))
            except BacktestError as error:
                error.add_note(f"check_strategy: {strategy.name}, check {name!r}, seed {seed}")
                raise
    return ("contract", *checks)


def random_panels(seed: int, sessions: int = _SESSIONS, assets: int = _ASSETS) -> Panels:
    """A seeded market with opens, highs, lows and volume, holes in it, and predictions of every kind for it.

    The scores are returns of noise, some tied, some missing; probabilities and actions are random.
    """
    rng = np.random.default_rng([seed, 1])
    prices, _ = synthetic_market(sessions, assets, seed=seed)
    holes = rng.random(prices.shape) < 0.03
    changes: dict[str, Any] = {name: getattr(prices, name).mask(holes) for name in prices.fields}
    prices = replace(prices, **changes)
    return _predictions(rng, prices.sessions, prices.assets), prices


def _predictions(rng: np.random.Generator, sessions: pd.DatetimeIndex, assets: pd.Index) -> PredictionPanel:
    shape = (len(sessions), len(assets))
    missing = rng.random(shape) < 0.05

    def frame(cells: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(np.where(missing, np.nan, cells), sessions, assets)

    actions = rng.dirichlet(np.full(3, 0.5), shape)
    return PredictionPanel(
        frame(np.round(rng.normal(0, 0.01, shape), 3)),
        probability_up=frame(rng.random(shape)),
        action={name: frame(actions[:, :, i]) for i, name in enumerate(ACTIONS)},
        name="random",
    )


def _fitting(strategy: Strategy | EntryRule, panels: Panels) -> Panels:
    """The panels with the tradable benchmark that some rules need."""
    predictions, prices = panels
    if "benchmark" not in strategy.needs:
        return panels
    return predictions, with_benchmark_asset(prices, prices.close.pct_change(fill_method=None).mean(axis=1))


def _output(strategy: Strategy | EntryRule, panels: Panels) -> dict[str, pd.DataFrame]:
    """Every frame that the strategy makes, by name."""
    if isinstance(strategy, EntryRule):
        signals = strategy.signals(*panels)
        return {"enter": signals.enter, "exit": signals.exit, "priority": signals.priority}
    answer = strategy.target_weights(*panels)
    if not isinstance(answer, Decision):
        return {"target_weights": answer}
    return {"target_weights": answer.weights, **{f"stage {name}": made() for name, made in answer.stages.items()}}


def _contract(strategy: Strategy | EntryRule) -> None:
    if not isinstance(strategy, EntryRule | Strategy):
        raise InputError(f"{type(strategy).__name__}: neither a Strategy nor an EntryRule; see assay.strategies.base")
    if not isinstance(strategy.name, str) or not strategy.name:
        raise InputError(f"{type(strategy).__name__}: name must be a text, got {strategy.name!r}")
    strangers = [field for field in strategy.needs if field not in (*PRICE_FIELDS, "benchmark")]
    if strangers:
        raise InputError(
            f"{strategy.name}: needs {strangers[0]!r}, which is neither a price field ({', '.join(PRICE_FIELDS)}) nor "
            "'benchmark'"
        )
    if not isinstance(strategy, EntryRule) and not isinstance(strategy.overlays, Overlays):
        raise InputError(f"{strategy.name}: overlays must be Overlays, got {type(strategy.overlays).__name__}")


def _frames(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    predictions, _ = panels
    for name, frame in _output(strategy, panels).items():
        if not frame.index.equals(predictions.sessions):
            raise InputError(f"{strategy.name}: {name} has other sessions than the predictions")
        lacking = predictions.assets.difference(frame.columns)
        if len(lacking):
            raise InputError(f"{strategy.name}: {name} lacks {len(lacking)} assets, first {lacking[0]!r}")
        if np.isinf(frame.to_numpy(dtype=np.float64)).any():
            raise InputError(f"{strategy.name}: {name} has infinite cells")


def _causality(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    predictions, prices = panels
    expected = _output(strategy, panels)
    for cut in sorted(rng.choice(np.arange(1, len(prices.sessions) - 1), 3, replace=False).tolist()):
        last = prices.sessions[cut]
        cases = {
            "prices": (predictions, _altered_prices(prices, cut, rng)),
            "predictions": (_altered_predictions(predictions, cut, rng), prices),
            "sessions": (predictions.through(last), prices.through(last)),
        }
        for what, altered in cases.items():
            for name, frame in _output(strategy, altered).items():
                row = _first_difference(expected[name].iloc[: cut + 1], frame.iloc[: cut + 1])
                if row is not None:
                    raise LookAheadError(
                        f"{strategy.name}: {name} of {row.date()} changes when {what} after {last.date()} do"
                    )


def _altered_prices(prices: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel:
    """Other prices, and some missing, after row `cut`."""
    factor = np.exp(rng.normal(0, 0.3, prices.shape))
    factor[rng.random(prices.shape) < 0.1] = np.nan
    factor[: cut + 1] = 1.0
    changes: dict[str, Any] = {name: getattr(prices, name) * factor for name in prices.fields}
    return replace(prices, **changes)


def _altered_predictions(predictions: PredictionPanel, cut: int, rng: np.random.Generator) -> PredictionPanel:
    """Other predictions after row `cut`."""
    other = _predictions(rng, predictions.sessions, predictions.assets)

    def spliced(frame: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([frame.iloc[: cut + 1], later.iloc[cut + 1 :]])

    changes: dict[str, Any] = {name: spliced(getattr(predictions, name), getattr(other, name)) for name in _FRAMES}
    if predictions.action is not None and other.action is not None:
        changes["action"] = {name: spliced(predictions.action[name], other.action[name]) for name in ACTIONS}
    return replace(predictions, **changes)


def _memory(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    memory = memory_of(strategy)
    if memory is None or memory > len(panels[1].sessions) or isinstance(strategy, EntryRule):
        return
    predictions, prices = panels
    expected = _output(strategy, panels)
    for cut in rng.choice(np.arange(memory - 1, len(prices.sessions)), 3, replace=False).tolist():
        first, last = prices.sessions[cut - memory + 1], prices.sessions[cut]
        short = (predictions.map(lambda frame, a=first, b=last: frame.loc[a:b]), prices.between(first, last))
        for name, frame in _output(strategy, short).items():
            if _first_difference(expected[name].iloc[[cut]], frame.iloc[[-1]]) is not None:
                raise InputError(
                    f"{strategy.name}: {name} of {last.date()} reads more than its memory of {memory} sessions"
                )


def _determinism(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    first, second = _output(strategy, panels), _output(strategy, panels)
    for name, frame in first.items():
        if not frame.equals(second[name]):
            raise InputError(f"{strategy.name}: {name} differs between two runs on the same inputs; fix its seed")


def _missing_data(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    predictions, prices = panels
    ghost = predictions.assets[0]

    def without(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{ghost: np.nan}) if ghost in frame.columns else frame

    changes: dict[str, Any] = {name: without(getattr(prices, name)) for name in prices.fields}
    gone = replace(prices, **changes)
    for name, frame in _output(strategy, (predictions.map(without), gone)).items():
        if name != "priority" and (frame[ghost].fillna(0).to_numpy(dtype=np.float64) != 0).any():
            raise InputError(f"{strategy.name}: {name} wants an asset that has neither a price nor a prediction")


def _column_order(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    predictions, prices = panels
    shuffled = predictions.assets[rng.permutation(len(predictions.assets))]
    others = [asset for asset in prices.assets if asset not in predictions.assets]
    permuted = (predictions.map(lambda frame: frame[shuffled]), prices.select([*others, *shuffled]))
    expected = _output(strategy, panels)
    for name, frame in _output(strategy, permuted).items():
        row = _first_difference(expected[name], frame[expected[name].columns])
        if row is not None:
            raise InputError(f"{strategy.name}: {name} of {row.date()} depends on the order of the columns")


def _inputs_untouched(strategy: Strategy | EntryRule, panels: Panels, rng: np.random.Generator) -> None:
    predictions, prices = panels
    kept = predictions.map(lambda frame: frame.copy(deep=True))
    before = {name: getattr(prices, name).copy(deep=True) for name in prices.fields}
    _output(strategy, panels)
    touched = [name for name, frame in before.items() if not frame.equals(getattr(prices, name))]
    if touched:
        raise InputError(f"{strategy.name}: writes into the prices it is given ({touched[0]})")
    for name in _FRAMES:
        if not getattr(kept, name).equals(getattr(predictions, name)):
            raise InputError(f"{strategy.name}: writes into the predictions it is given ({name})")
    for name, frame in (kept.action or {}).items():
        if predictions.action is not None and not frame.equals(predictions.action[name]):
            raise InputError(f"{strategy.name}: writes into the predictions it is given (action {name})")


def _first_difference(expected: pd.DataFrame, got: pd.DataFrame) -> pd.Timestamp | None:
    """The first session on which two frames differ by more than rounding; NaN equals NaN."""
    if expected.shape != got.shape:
        start: pd.Timestamp = expected.index[0]
        return start
    left, right = expected.to_numpy(dtype=np.float64), got.to_numpy(dtype=np.float64)
    differs = ~np.isclose(left, right, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True)
    rows = differs.any(axis=1)
    first: pd.Timestamp = expected.index[int(rows.argmax())]
    return first if rows.any() else None
