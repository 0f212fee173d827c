"""One battery for every model, the shipped ones and anyone's own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError, InputError, LookAheadError
from assay.data.panel import PRICE_FIELDS, PredictionPanel, PricePanel
from assay.data.receipts import STAMPS
from assay.data.synthetic import synthetic_market
from assay.models.base import FittedForecaster, Forecaster
from assay.models.catalog import MODELS, load_fitted
from assay.models.checkpoint import read_metadata

__all__ = ["check_forecaster"]

#: Differences up to this, against the spread of the scores, are rounding.
_ROUNDING = 1e-6
_CODE = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".h5", ".npy")


@dataclass(frozen=True, eq=False)
class _Trial:
    """A model, the market it is tried on and what it was fit on."""

    model: Forecaster
    prices: PricePanel
    cut: int
    horizon: int
    delay: int
    seed: int

    @property
    def train(self) -> PricePanel:
        return self.prices.through(self.prices.sessions[self.cut])

    def fit(self, train: PricePanel | None = None) -> FittedForecaster:
        return self.model.fit(train or self.train, horizon=self.horizon, delay=self.delay, seed=self.seed)


def check_forecaster(
    model: Forecaster, *, horizon: int = 1, delay: int = 1, seed: int = 0, sessions: int | None = None
) -> tuple[str, ...]:
    """Try a model on a random market with holes; what it does wrong is raised, what it does right is returned.

    Checked: it is a model, and fitting leaves it as it was; its stamps say nothing later than what it was given, its
    preprocessing stops with its training rows, and a purge of delay + horizon lies between them and validation;
    predictions up to t stay the same when prices after t are altered or cut off, also right before and inside a hole;
    altering what it says it has not seen changes nothing; the same seed gives the same predictions; an asset without
    prices has no view; permuted columns give permuted predictions; stored and loaded it predicts the same, without a
    file that could hold code, through the very door that `predict` opens; its inputs are left as they were.

    Parameters
    ----------
    model : an unfitted recipe. It is fit three times, so hand in a small one.
    horizon, delay : of the labels.
    seed : of the market and of the fits.
    sessions : of the market; None takes 150 and four lookbacks.

    Returns
    -------
    tuple of str
        Names of the checks passed.

    Raises
    ------
    LookAheadError
        If a prediction stamped t depends on what came after t, or a stamp cannot be true.
    InputError
        If another check fails.

    Examples
    --------
    >>> from assay import load_model
    >>> check_forecaster(load_model("momentum", lookback=5), sessions=60)[:2]
    ('contract', 'fit')

    """
    _contract(model)
    size = sessions or 150 + 4 * int(model.lookback)
    trial = _Trial(model, _market(size, seed), int(size * 0.75), horizon, delay, seed)
    checks: Mapping[str, Callable[[_Trial, FittedForecaster], None]] = {
        "predictions": _predictions,
        "inputs untouched": _inputs_untouched,
        "stamps": _stamps,
        "causality": _causality,
        "unseen": _unseen,
        "determinism": _determinism,
        "missing data": _missing_data,
        "column order": _column_order,
        "round trip": _round_trip,
    }
    before = repr(model)
    running = "fit"
    try:
        fitted = trial.fit()
        if repr(model) != before:
            raise InputError(f"{model.name}: fit changes the recipe; return what was learnt as another object")
        for running, check in checks.items():  # noqa: B007 (named in the note below)
            check(trial, fitted)
    except BacktestError as error:
        error.add_note(f"check_forecaster: {model.name}, check {running!r}, seed {seed}")
        raise
    return ("contract", "fit", *checks)


def _market(sessions: int, seed: int, assets: int = 8) -> PricePanel:
    """A seeded market with all fields and, in two assets, holes."""
    rng = np.random.default_rng([seed, 2])
    prices, _ = synthetic_market(sessions, assets, ic=0.1, seed=seed)
    holes = np.zeros(prices.shape, dtype=bool)
    holes[:, 1] = rng.random(sessions) < 0.01
    holes[int(sessions * 0.9) : int(sessions * 0.9) + 3, 2] = True
    changes: dict[str, Any] = {name: getattr(prices, name).mask(holes) for name in prices.fields}
    return replace(prices, **changes)


def _tables(panel: PredictionPanel) -> dict[str, pd.DataFrame]:
    out = {name: getattr(panel, name) for name in ("score", "probability_up")}
    out.update({f"action {name}": frame for name, frame in (panel.action or {}).items()})
    return {name: frame for name, frame in out.items() if frame is not None}


def _same(expected: PredictionPanel, got: PredictionPanel) -> tuple[str, pd.Timestamp] | None:
    """The first table and session that differ by more than rounding; None if none does."""
    others = _tables(got)
    for name, frame in _tables(expected).items():
        if name not in others or others[name].shape != frame.shape:
            return name, frame.index[0]
        left, right = frame.to_numpy(), others[name].to_numpy()
        spread = float(np.nanstd(left)) if np.isfinite(left).any() else 0.0
        differs = ~np.isclose(left, right, rtol=_ROUNDING, atol=_ROUNDING * spread, equal_nan=True)
        if differs.any():
            return name, frame.index[int(differs.any(axis=1).argmax())]
    return None


def _contract(model: Forecaster) -> None:
    if not isinstance(model, Forecaster):
        raise InputError(f"{type(model).__name__}: no model; see assay.models.base.Forecaster")
    if not isinstance(model.name, str) or not model.name:
        raise InputError(f"{type(model).__name__}: name must be a text, got {model.name!r}")
    if not isinstance(model.lookback, int) or model.lookback < 0:
        raise InputError(f"{model.name}: lookback must be a number of sessions, got {model.lookback!r}")
    strangers = [field for field in model.needs if field not in PRICE_FIELDS]
    if strangers:
        raise InputError(f"{model.name}: needs {strangers[0]!r}, which is no price field ({', '.join(PRICE_FIELDS)})")


def _predictions(trial: _Trial, fitted: FittedForecaster) -> None:
    if not isinstance(fitted, FittedForecaster):
        raise InputError(f"{trial.model.name}: fit returns no FittedForecaster; see assay.models.base")
    panel = fitted.predict(trial.prices)
    if not panel.sessions.equals(trial.prices.sessions) or not panel.assets.equals(trial.prices.assets):
        raise InputError(f"{trial.model.name}: predict answers for other sessions or assets than it was given")
    if (panel.horizon, panel.delay) != (trial.horizon, trial.delay):
        raise InputError(
            f"{trial.model.name}: fit for horizon {trial.horizon} and delay {trial.delay}, "
            f"predicts horizon {panel.horizon} and delay {panel.delay}"
        )
    if not any(frame.notna().any(axis=None) for frame in _tables(panel).values()):
        raise InputError(f"{trial.model.name}: has no view at all on {len(panel.sessions)} sessions")


def _stamps(trial: _Trial, fitted: FittedForecaster) -> None:
    name, last = trial.model.name, trial.prices.sessions[trial.cut]
    for stamp in STAMPS:
        value = getattr(fitted, stamp)
        if value > last:
            raise LookAheadError(f"{name}: {stamp} is {value.date()}, but it was given prices to {last.date()} only")
        if value > fitted.trained_through:
            raise LookAheadError(f"{name}: {stamp} lies after trained_through, which covers data in any role")
    told = fitted.training_log.get("sessions")
    if not isinstance(told, Mapping) or not {"train_end", "validation_start"} <= set(told):
        return
    end, start = (pd.Timestamp(told[key]) for key in ("train_end", "validation_start"))
    if fitted.preprocessing_fit_through > end:
        raise LookAheadError(
            f"{name}: preprocessing is fit through {fitted.preprocessing_fit_through.date()}, "
            f"beyond the training rows, which end {end.date()}"
        )
    first, last_row = trial.prices.sessions.get_indexer(pd.DatetimeIndex([start, end]))
    between = int(first - last_row) - 1
    if between < trial.horizon + trial.delay:
        raise LookAheadError(
            f"{name}: {between} sessions lie between training and validation rows; labels need a purge of "
            f"{trial.horizon + trial.delay}"
        )


def _cuts(trial: _Trial) -> list[int]:
    """Rows to cut at: before and inside the holes, and a few of the test sessions."""
    closes: np.ndarray = np.isnan(trial.prices.close.to_numpy()).any(axis=1)
    holes = np.flatnonzero(closes & (np.arange(len(closes)) > trial.cut))
    last = len(closes) - 2
    near = {int(row) + shift for row in holes[:2] for shift in (-1, 0)}
    spread = {trial.cut, trial.cut + 7, (trial.cut + last) // 2, last}
    return sorted(row for row in near | spread if trial.cut <= row <= last)


def _causality(trial: _Trial, fitted: FittedForecaster) -> None:
    full = fitted.predict(trial.prices)
    for cut in _cuts(trial):
        stamp = trial.prices.sessions[cut]
        expected = full.through(stamp)
        altered = _altered(trial.prices, cut, trial.seed)
        for what, panel in (("cut off", trial.prices.through(stamp)), ("altered", altered)):
            found = _same(expected, fitted.predict(panel).through(stamp))
            if found:
                raise LookAheadError(
                    f"{trial.model.name}: {found[0]} of {found[1].date()} changes when prices after "
                    f"{stamp.date()} are {what}"
                )


def _altered(prices: PricePanel, cut: int, seed: int) -> PricePanel:
    """Other prices, and some missing, after row `cut`."""
    rng = np.random.default_rng([seed, cut])
    factor = np.exp(rng.normal(0, 0.3, prices.shape))
    factor[rng.random(prices.shape) < 0.1] = np.nan
    factor[: cut + 1] = 1.0
    changes: dict[str, Any] = {name: getattr(prices, name) * factor for name in prices.fields}
    return replace(prices, **changes)


def _unseen(trial: _Trial, fitted: FittedForecaster) -> None:
    """What lies after every stamp, inside the training panel, must not matter to the fit."""
    seen = max(getattr(fitted, stamp) for stamp in STAMPS)
    train = trial.train
    if seen >= train.sessions[-1]:
        return
    row = int(train.sessions.searchsorted(seen))
    other = trial.fit(_altered(train, row, trial.seed))
    found = _same(fitted.predict(trial.prices), other.predict(trial.prices))
    if found:
        raise LookAheadError(
            f"{trial.model.name}: says it saw nothing after {seen.date()}, but {found[0]} changes with what came then"
        )


def _determinism(trial: _Trial, fitted: FittedForecaster) -> None:
    first, again = fitted.predict(trial.prices), fitted.predict(trial.prices)
    anew = trial.fit().predict(trial.prices)
    for what, panel in (("predicting twice", again), ("fitting twice with one seed", anew)):
        for name, frame in _tables(first).items():
            if not frame.equals(_tables(panel)[name]):
                raise InputError(f"{trial.model.name}: {what} gives different values of {name}; draw from the seed")


def _missing_data(trial: _Trial, fitted: FittedForecaster) -> None:
    ghost = trial.prices.assets[0]
    frames = {name: getattr(trial.prices, name).copy() for name in trial.prices.fields}
    for frame in frames.values():
        frame.loc[frame.index > trial.prices.sessions[trial.cut], ghost] = np.nan
    gone: dict[str, Any] = dict(frames)
    panel = fitted.predict(replace(trial.prices, **gone))
    for name, frame in _tables(panel).items():
        if frame[ghost].iloc[trial.cut + 1 + int(trial.model.lookback) :].notna().any():
            raise InputError(
                f"{trial.model.name}: {name} has a view on an asset without a price for {trial.model.lookback} sessions"
            )


def _column_order(trial: _Trial, fitted: FittedForecaster) -> None:
    order = trial.prices.assets[np.random.default_rng(trial.seed).permutation(len(trial.prices.assets))]
    expected = fitted.predict(trial.prices)
    got = fitted.predict(trial.prices.select(list(order)))
    found = _same(expected, got.map(lambda frame: frame[expected.assets]))
    if found:
        raise InputError(f"{trial.model.name}: {found[0]} of {found[1].date()} depends on the order of the columns")


def _round_trip(trial: _Trial, fitted: FittedForecaster) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.save(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        risky = [path.name for path in files if path.suffix in _CODE]
        if risky or not files:
            raise InputError(
                f"{trial.model.name}: save writes {risky[0] if risky else 'nothing'}; "
                "write safetensors and JSON, which cannot hold code"
            )
        again = _loaded(trial.model, folder)
        for stamp in STAMPS:
            if getattr(again, stamp) != getattr(fitted, stamp):
                raise InputError(f"{trial.model.name}: {stamp} is lost between save and load")
        found = _same(fitted.predict(trial.prices), again.predict(trial.prices))
        if found:
            raise InputError(f"{trial.model.name}: {found[0]} of {found[1].date()} changes between save and load")


def _loaded(model: Forecaster, folder: Path) -> FittedForecaster:
    """What `predict` makes of a folder; a class that cannot be named, typed at a prompt, is asked itself."""
    kind = type(model)
    path = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<" in path:
        read_metadata(folder)
        return model.load(folder)
    return load_fitted(folder, model.name if MODELS.get(model.name) == path else path)


def _inputs_untouched(trial: _Trial, fitted: FittedForecaster) -> None:
    before = {name: getattr(trial.prices, name).copy(deep=True) for name in trial.prices.fields}
    fitted.predict(trial.prices)
    touched = [name for name, frame in before.items() if not frame.equals(getattr(trial.prices, name))]
    if touched:
        raise InputError(f"{trial.model.name}: writes into the prices it is given ({touched[0]})")
