"""The two panels that everything else reads: prices, and what a model said about them.

Both are frozen and validated once, at construction; afterwards every part trusts them. Frames go in and out as
shallow copies, which copy-on-write makes safe and nearly free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

import numpy as np
import pandas as pd

from assay.data.card import Card, span
from assay.data.errors import InputError
from assay.data.hashing import hash_frame, hash_rows
from assay.data.mapped import row_parts
from assay.data.receipts import checked_receipts

__all__ = [
    "ACTIONS",
    "BENCHMARK_ASSET",
    "PRICE_FIELDS",
    "PredictionPanel",
    "PricePanel",
    "laid_out",
    "ranked",
]

#: Id of the benchmark where it is an asset, see `assay.data.benchmark`.
BENCHMARK_ASSET = "BENCHMARK"
PRICE_FIELDS = ("open", "high", "low", "close", "volume")
#: Order of the action probabilities everywhere.
ACTIONS = ("buy", "sell", "hold")

#: Panels of as many assets are kept a session after the other, since nearly everything reads sessions; those of fewer
#: an asset after the other, as pandas makes frames. How a frame came must not show: sums depend on it in the last bit.
_WIDE = 64

_Panel = TypeVar("_Panel", "PricePanel", "PredictionPanel")


def _checked_frame(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """A shallow float64 copy with a strictly increasing tz-naive session index and unique string columns."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{what}: expected a DataFrame (sessions x assets), got {type(frame).__name__}")
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise InputError(f"{what}: the index must be sessions (a DatetimeIndex), got {type(frame.index).__name__}")
    if frame.index.tz is not None:
        raise InputError(f"{what}: sessions carry the time zone {frame.index.tz}; use tz-naive dates")
    if frame.index.hasnans or not frame.index.is_monotonic_increasing or not frame.index.is_unique:
        raise InputError(f"{what}: sessions must be strictly increasing, without duplicates; sort and deduplicate")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{what}: asset {twice!r} stands in more than one column")
    if len(frame.columns) == 0 or len(frame.index) == 0:
        raise InputError(f"{what}: empty ({len(frame.index)} sessions x {len(frame.columns)} assets)")
    try:
        out = frame.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: not numeric: {error}") from None
    for rows, part in row_parts(out.to_numpy()):
        infinite = np.isinf(part)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise InputError(f"{what}: infinite value at {out.index[rows][row].date()}, {out.columns[column]!r}")
    flags = out.to_numpy().flags
    lies = flags.f_contiguous if out.shape[1] < _WIDE else flags.c_contiguous
    return out if lies else laid_out(out.to_numpy(), out.index, out.columns)


def _check_positive(name: str, frame: pd.DataFrame) -> None:
    count, first = 0, ""
    for rows, part in row_parts(frame.to_numpy()):
        bad = part < 0 if name == "volume" else part <= 0
        if bad.any() and not count:
            row, column = np.argwhere(bad)[0]
            first = f"{frame.index[rows][row].date()} {frame.columns[column]!r}"
        count += int(bad.sum())
    if count:
        raise InputError(
            f"{name}: {count} values not positive, first {first}; set them to NaN or run `data validate`"
        )


def laid_out(values: np.ndarray, index: pd.Index, columns: pd.Index) -> pd.DataFrame:
    """(T, N) `values` as a frame: of a wide panel a session after the other, without a copy if they stand so.

    The assets of a narrow one lie one after another, in a copy.
    """
    if values.shape[1] < _WIDE:
        return pd.DataFrame(np.array(values, order="F"), index, columns, copy=False)
    return pd.DataFrame(np.ascontiguousarray(values), index, columns, copy=False)


def _shielded(panel: _Panel, frames: Mapping[str, pd.DataFrame], **rest: object) -> _Panel:
    """A copy of a valid panel in which writers reach none of the values of `frames`, without copying these.

    What is written through pandas is written to a copy (copy-on-write: what is kept refers to the same blocks). An
    array taken out of a frame is read-only, and stays so: it rests on a read-only memoryview.
    """
    views = {name: np.asarray(memoryview(cast(Any, frame.to_numpy())).toreadonly()) for name, frame in frames.items()}
    kept = {name: pd.DataFrame(views[name], each.index, each.columns, copy=False) for name, each in frames.items()}
    lent = {name: frame.copy(deep=False) for name, frame in kept.items()}
    action = {name: lent.pop(f"action_{name}") for name in ACTIONS if f"action_{name}" in lent}
    out = copy(panel)
    for name, value in {**lent, **rest, **({"action": action} if action else {}), "_kept": kept}.items():
        object.__setattr__(out, name, value)
    return out


@dataclass(frozen=True, eq=False, repr=False)
class PricePanel(Card):
    """Aligned prices: T sessions by N assets, NaN where an asset could not be traded.

    Parameters
    ----------
    close : (T, N) adjusted closes, in currency.
    open, high, low, volume : (T, N) where known, aligned to `close`.
    raw_close : (T, N) closes as they were traded, in the shares that `volume` counts, where the prices are adjusted:
        lots, volume limits and square-root impact are of those shares.
    members : (T, N) bool, who is in the universe on each session, where that is known: only members are ranked, traded
        and trained on (`assay.data.universe`).
    sectors : asset → sector, where a strategy reads it.
    source : where the prices came from, for the report.
    adjusted : what the prices are adjusted for: ``"splits"``, ``"splits and dividends"``, ``"unknown"``.
    warnings : what the loader or the quality checks counted; carried into every result.

    Raises
    ------
    InputError
        If a frame is not numeric, not aligned, not increasing in time, infinite, or not positive.

    Examples
    --------
    >>> close = pd.DataFrame({"A": [1.0, 2.0]}, index=pd.to_datetime(["2020-01-02", "2020-01-03"]))
    >>> PricePanel(close).shape
    (2, 1)

    """

    close: pd.DataFrame
    open: pd.DataFrame | None = None
    high: pd.DataFrame | None = None
    low: pd.DataFrame | None = None
    volume: pd.DataFrame | None = None
    source: str = "memory"
    adjusted: str = "unknown"
    warnings: tuple[str, ...] = ()
    raw_close: pd.DataFrame | None = None
    members: pd.DataFrame | None = None
    sectors: pd.Series | None = None

    def __post_init__(self) -> None:
        close = _checked_frame(self.close, "close")
        object.__setattr__(self, "close", close)
        for name in (*PRICE_FIELDS, "raw_close"):
            frame = getattr(self, name)
            if frame is None:
                continue
            frame = _checked_frame(frame, name)
            if not frame.index.equals(close.index) or not frame.columns.equals(close.columns):
                raise InputError(f"{name}: sessions or assets differ from those of close; reindex it to close")
            _check_positive(name, frame)
            object.__setattr__(self, name, frame)
        inside = self.members
        if inside is not None:
            if not (inside.index.equals(close.index) and inside.columns.equals(close.columns)):
                raise InputError("members: sessions or assets differ from those of close; reindex it to close")
            object.__setattr__(self, "members", inside.astype(bool))

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The T sessions."""
        return self.close.index  # type: ignore[return-value]

    @property
    def assets(self) -> pd.Index:
        """The N asset ids."""
        return self.close.columns

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        return self.close.shape

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the price fields that are present, in the order open, high, low, close, volume."""
        return tuple(name for name in PRICE_FIELDS if getattr(self, name) is not None)

    @property
    def _frames(self) -> tuple[str, ...]:
        return (*self.fields, *(name for name in ("raw_close", "members") if getattr(self, name) is not None))

    @cached_property
    def has_gaps(self) -> bool:
        """Whether an asset has no close on some session."""
        return any(bool(np.isnan(part).any()) for _, part in row_parts(self.close.to_numpy()))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sessions, assets and values of every field (hex, 64 characters)."""
        digest = hashlib.sha256()
        for name in self._frames:
            hash_frame(digest, name, getattr(self, name))
        if self.sectors is not None:
            known = self.sectors.reindex(self.assets)
            digest.update("\x1f".join(map(str, ["sectors", *known.astype(object).fillna("")])).encode())
        return digest.hexdigest()

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """What it shows of itself: size, span, fields, how much is missing, and warnings."""
        missing = float(self.close.isna().to_numpy().mean())
        return f"PricePanel of {self.shape[1]:,} assets, {span(self.sessions)}", [
            ("assets", _listed(self.assets)),
            ("fields", ", ".join(self.fields)),
            ("no price", f"{missing:.1%} of the cells"),
            ("source", f"{self.source}, adjusted: {self.adjusted}"),
            *(("warning", line) for line in self.warnings),
        ]

    def to_frame(self) -> pd.DataFrame:
        """Long table: a row a session and asset that has a close; columns date, asset and the fields."""
        return _long({name: getattr(self, name) for name in self.fields}, self.close)

    def shielded(self) -> PricePanel:
        """The same panel for code that is not ours: what it writes, it writes to a copy of its own; nearly free.

        Examples
        --------
        >>> panel = PricePanel(pd.DataFrame({"A": [1.0, np.nan]}, index=pd.to_datetime(["2020-01-02", "2020-01-03"])))
        >>> lent = panel.shielded()
        >>> _ = lent.close.ffill(inplace=True)
        >>> lent.close["A"].tolist(), panel.close["A"].tolist()
        ([1.0, 1.0], [1.0, nan])

        """
        return _shielded(self, {name: getattr(self, name) for name in self._frames})

    def frame(self, values: np.ndarray) -> pd.DataFrame:
        """(T, N) `values` with the sessions and assets of this panel; they are the frame's own from then on."""
        return laid_out(values, self.sessions, self.assets)

    def _map(self, function) -> PricePanel:  # type: ignore[no-untyped-def]
        return replace(self, **{name: function(getattr(self, name)) for name in self._frames})

    def through(self, session: pd.Timestamp) -> PricePanel:
        """The panel as it was known at the close of `session`: later rows are gone."""
        return self._map(lambda frame: frame.loc[:session])

    def between(self, start: pd.Timestamp | str | None, end: pd.Timestamp | str | None) -> PricePanel:
        """The sessions from `start` to `end`, both included."""
        return self._map(lambda frame: frame.loc[start:end])

    def select(self, assets: Sequence[str]) -> PricePanel:
        """The panel restricted to `assets`, in that order."""
        if self.assets.equals(pd.Index(assets)):
            return self
        missing = [asset for asset in assets if asset not in self.assets]
        if missing:
            raise InputError(f"prices: {len(missing)} assets absent, first {missing[0]!r}")
        return self._map(lambda frame: frame[list(assets)])

    def require(self, needed: Sequence[str], who: str) -> None:
        """Raise `InputError` unless all that is `needed` is present: price fields, ``"benchmark"``; `who` asks."""
        if "benchmark" in needed and BENCHMARK_ASSET not in self.assets:
            raise InputError(
                f"{who}: trades the benchmark, and asset {BENCHMARK_ASSET!r} is not among the prices; "
                "give the benchmark's returns, or name one of the assets with benchmark_asset"
            )
        needed = [name for name in needed if name != "benchmark"]
        missing = [name for name in needed if name not in self.fields]
        if missing:
            raise InputError(
                f"{who}: needs {', '.join(needed)}, the panel from {self.source} has only {', '.join(self.fields)}"
            )


@dataclass(frozen=True, eq=False, repr=False)
class PredictionPanel(Card):
    """What a model said, and what it had seen when it said it.

    Parameters
    ----------
    score : (T, N), stamped t and made from data through the close of t; NaN = no view. None if the model gives only
        probabilities.
    unit : ``"return"`` (expected forward return, so 0 is neutral) or ``"rank"`` (only the order means something).
    horizon : sessions a prediction spans, >= 1.
    delay : sessions from decision to fill, >= 1.
    probability_up : (T, N) in [0, 1], or None.
    action : ``{"buy", "sell", "hold"}`` to (T, N) probabilities that sum to 1, or None.
    receipts : one row a fold, indexed by the first session it predicts, columns
        `assay.data.receipts.RECEIPT_COLUMNS`; None if unknown.
    name : the model, for the report.
    zero_is_neutral : the user's word that 0 separates up from down although `unit` is ``"rank"``.
    dispersion : (T, N) standard deviation of the score over seeds, or None.

    Raises
    ------
    InputError
        On shapes, ranges or units that cannot be.
    LookAheadError
        If a receipt contradicts the stamps of the rows it covers.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03"])
    >>> PredictionPanel(pd.DataFrame({"A": [0.01, -0.02], "B": [0.0, 0.01]}, days), horizon=1, name="mine")
    PredictionPanel 'mine' of 2 assets, 2 sessions, 2024-01-02 … 2024-01-03
      assets    A, B
      predicts  score · unit return · horizon 1 · delay 1
      views     100.0% of the cells
      receipts  none

    """

    score: pd.DataFrame | None
    unit: Literal["return", "rank"] = "return"
    horizon: int = 1
    delay: int = 1
    probability_up: pd.DataFrame | None = None
    action: Mapping[str, pd.DataFrame] | None = None
    receipts: pd.DataFrame | None = None
    name: str = "predictions"
    zero_is_neutral: bool = False
    dispersion: pd.DataFrame | None = None
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.unit not in ("return", "rank"):
            raise InputError(f"predictions: unit must be 'return' or 'rank', got {self.unit!r}")
        if self.horizon < 1 or self.delay < 1:
            raise InputError(
                f"predictions: horizon and delay must be at least 1, got horizon {self.horizon}, delay {self.delay}"
            )
        frames: dict[str, pd.DataFrame] = {}
        for name in ("score", "probability_up", "dispersion"):
            frame = getattr(self, name)
            if frame is not None:
                frames[name] = _checked_frame(frame, name)
                object.__setattr__(self, name, frames[name])
        if self.action is not None:
            if set(self.action) != set(ACTIONS):
                raise InputError(f"action: expected probabilities of {', '.join(ACTIONS)}, got {sorted(self.action)}")
            action = {name: _checked_frame(self.action[name], f"action {name}") for name in ACTIONS}
            frames.update({f"action {name}": frame for name, frame in action.items()})
            object.__setattr__(self, "action", action)
        if not {"score", "probability_up", "action buy"} & set(frames):
            raise InputError("predictions: none of score, probability_up, action given")
        first = next(iter(frames.values()))
        for name, frame in frames.items():
            if not frame.index.equals(first.index) or not frame.columns.equals(first.columns):
                raise InputError(f"{name}: sessions or assets differ from those of the other predictions")
        for name, frame in frames.items():
            if name == "probability_up" or name.startswith("action"):
                for _, part in row_parts(frame.to_numpy()):
                    if (part < 0).any() or (part > 1).any():
                        raise InputError(f"{name}: probabilities must lie in [0, 1]")
        if self.action is not None:
            total = sum(frame.to_numpy() for frame in self.action.values())
            if (np.abs(total - 1) > 1e-6).any():
                raise InputError("action: the probabilities of buy, sell and hold must sum to 1 in every cell")
        if self.receipts is not None:
            object.__setattr__(self, "receipts", checked_receipts(self.receipts, first))

    @property
    def _frame(self) -> pd.DataFrame:
        for frame in (self.score, self.probability_up):
            if frame is not None:
                return frame
        assert self.action is not None  # __post_init__ has seen to it
        return self.action["buy"]

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The T sessions."""
        return self._frame.index  # type: ignore[return-value]

    @property
    def assets(self) -> pd.Index:
        """The N asset ids."""
        return self._frame.columns

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        return self._frame.shape

    @property
    def view(self) -> pd.DataFrame:
        """What ranks the assets, (T, N): the score, else the probability of a rise, else that of buy less that of sell.

        Examples
        --------
        >>> days = pd.to_datetime(["2020-01-02"])
        >>> shares = {"buy": 0.5, "sell": 0.25, "hold": 0.25}
        >>> action = {name: pd.DataFrame({"A": [share]}, days) for name, share in shares.items()}
        >>> float(PredictionPanel(None, action=action).view.iloc[0, 0])
        0.25

        """
        chosen = ranked(self.frames().get)
        assert chosen is not None  # __post_init__ has seen to it
        return chosen

    @property
    def signed_view(self) -> pd.DataFrame:
        """`view` with what is neutral at 0: a probability of a rise less one half.

        Examples
        --------
        >>> days = pd.to_datetime(["2020-01-02"])
        >>> float(PredictionPanel(None, probability_up=pd.DataFrame({"A": [0.75]}, days)).signed_view.iloc[0, 0])
        0.25

        """
        only_probable = self.score is None and self.probability_up is not None
        return self.view - 0.5 if only_probable else self.view

    def frames(self) -> dict[str, pd.DataFrame]:
        """What is predicted, by name, in this order: score, probability_up, action_buy, action_sell, action_hold.

        The dispersion, being about seeds, is not among them. `from_frames` puts them together again.
        """
        named = {"score": self.score, "probability_up": self.probability_up}
        named |= {f"action_{name}": frame for name, frame in (self.action or {}).items()}
        return {name: frame for name, frame in named.items() if frame is not None}

    @classmethod
    def from_frames(cls, frames: Mapping[str, pd.DataFrame], **rest: Any) -> PredictionPanel:
        """A panel of what `frames` names; `rest` are its other parameters."""
        action = {name: frames[f"action_{name}"] for name in ACTIONS if f"action_{name}" in frames}
        return cls(
            score=frames.get("score"), probability_up=frames.get("probability_up"), action=action or None, **rest
        )

    def shielded(self) -> PredictionPanel:
        """The same panel for code that is not ours, see `PricePanel.shielded`."""
        spread = {} if self.dispersion is None else {"dispersion": self.dispersion}
        receipts = None if self.receipts is None else self.receipts.copy()
        return _shielded(self, {**self.frames(), **spread}, receipts=receipts)

    @property
    def purge(self) -> int:
        """Sessions until a label is known: delay + horizon."""
        return self.delay + self.horizon

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over stamps, values, receipts, unit, horizon and delay."""
        named = {"score": self.score, "probability_up": self.probability_up, **(self.action or {})}
        frames = {name: frame.to_numpy() for name, frame in named.items() if frame is not None}
        return self.fingerprint_with(self.sessions, lambda name: (part for _, part in row_parts(frames[name])))

    def fingerprint_with(self, sessions: pd.Index, parts: Callable[[str], Iterable[np.ndarray]]) -> str:
        """The fingerprint with other rows of the same assets.

        Parameters
        ----------
        sessions : of the rows.
        parts : the name of a frame → its rows, some at a time, in order.

        """
        digest = hashlib.sha256(f"{self.unit}|{self.horizon}|{self.delay}|{self.zero_is_neutral}".encode())
        for name in ("score", "probability_up", *(self.action or {})):
            if name not in ("score", "probability_up") or getattr(self, name) is not None:
                hash_rows(digest, name, sessions, self.assets, parts(name))
        if self.receipts is not None:
            digest.update(self.receipts.to_csv(date_format="%Y-%m-%d").encode())
        return digest.hexdigest()

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """What it shows of itself: size, span, what was predicted, and what the model had seen."""
        views = float(self._frame.notna().to_numpy().mean())
        kinds = [name for name in ("score", "probability_up", "action") if getattr(self, name) is not None]
        receipts = "none" if self.receipts is None else f"{len(self.receipts)}, every row checked against its stamp"
        return f"PredictionPanel {self.name!r} of {self.shape[1]:,} assets, {span(self.sessions)}", [
            ("assets", _listed(self.assets)),
            ("predicts", f"{', '.join(kinds)} · unit {self.unit} · horizon {self.horizon} · delay {self.delay}"),
            ("views", f"{views:.1%} of the cells"),
            ("receipts", receipts),
            *(("warning", line) for line in self.warnings),
        ]

    def to_frame(self) -> pd.DataFrame:
        """Long table: a row a session and asset with a view; columns date, asset and what was predicted."""
        columns = {name: getattr(self, name) for name in ("score", "probability_up") if getattr(self, name) is not None}
        return _long({**columns, **(self.action or {})}, self._frame)

    def map(self, function) -> PredictionPanel:  # type: ignore[no-untyped-def]
        """The panel with `function` applied to each of its frames; receipts of rows that are gone stay harmless."""
        changes: dict[str, object] = {
            name: function(getattr(self, name))
            for name in ("score", "probability_up", "dispersion")
            if getattr(self, name) is not None
        }
        if self.action is not None:
            changes["action"] = {name: function(frame) for name, frame in self.action.items()}
        return replace(self, **changes)  # type: ignore[arg-type]

    def moved(self, function: Callable[[np.ndarray], np.ndarray]) -> PredictionPanel:
        """The panel, without receipts, with the values of each of its frames put elsewhere by `function`.

        Nothing is validated again: what `function` gives must be values of the same session, each in one cell.
        """
        out = copy(self)
        lie = np.asfortranarray if self.shape[1] < _WIDE else np.ascontiguousarray
        frames = {
            name: pd.DataFrame(lie(function(frame.to_numpy())), frame.index, frame.columns, copy=False)
            for name, frame in {**self.frames(), "dispersion": self.dispersion}.items()
            if frame is not None
        }
        action = {name: frames.pop(f"action_{name}") for name in ACTIONS if f"action_{name}" in frames}
        for name, value in {**frames, "action": action or None, "receipts": None}.items():
            object.__setattr__(out, name, value)
        out.__dict__.pop("fingerprint", None)
        return out

    def through(self, session: pd.Timestamp) -> PredictionPanel:
        """The predictions stamped at or before `session`."""
        return self.map(lambda frame: frame.loc[:session])

    def since_first_view(self) -> PredictionPanel:
        """The panel from the first session on which anything is said of any asset: the rows before are no decisions.

        Raises
        ------
        InputError
            If there is no view at all.

        """
        if any(not np.isnan(frame.to_numpy()[0]).all() for frame in self.frames().values()):
            return self
        known = np.zeros(len(self.sessions), dtype=bool)
        for frame in self.frames().values():
            for rows, part in row_parts(frame.to_numpy()):
                known[rows] |= ~np.isnan(part).all(axis=1)
        if not known.any():
            raise InputError(f"predictions: {self.name} has no view on any session; there is nothing to trade on")
        first = self.sessions[int(known.argmax())]
        return self.map(lambda frame: frame.loc[first:])

    def require_sign(self, who: str) -> pd.DataFrame:
        """The score, if 0 means neutral; else `InputError` (a rank score has no sign)."""
        score = self.require_score(who)
        if self.unit == "rank" and not self.zero_is_neutral:
            raise InputError(
                f"{who}: reads the sign of the score, but the unit is 'rank', where 0 means nothing; "
                "pass --zero-is-neutral if it does, or use a rule without a sign"
            )
        return score

    def require_score(self, who: str) -> pd.DataFrame:
        """The score, or `InputError` naming `who` needs it."""
        if self.score is None:
            raise InputError(
                f"{who}: needs a score for each asset and session; the predictions have none "
                "(probabilities alone are traded by --strategy confidence)"
            )
        return self.score


def ranked(frame_of: Callable[[str], pd.DataFrame | None]) -> pd.DataFrame | None:
    """What ranks the assets: the score, else the probability of a rise, else that of buy less that of sell.

    Parameters
    ----------
    frame_of : the (T, N) frame of a name of `PredictionPanel.frames`, None where there is none of it; asked for no more
        names than are needed.

    """
    for name in ("score", "probability_up"):
        frame = frame_of(name)
        if frame is not None:
            return frame
    buy, sell = frame_of("action_buy"), frame_of("action_sell")
    return None if buy is None or sell is None else buy - sell


def _listed(assets: pd.Index) -> str:
    """The first few names."""
    names = [str(name) for name in assets[:6]]
    return ", ".join(names) + (" …" if len(assets) > len(names) else "")


def _long(columns: Mapping[str, pd.DataFrame], known: pd.DataFrame) -> pd.DataFrame:
    """Wide frames as the columns of one long table, rows where `known` has a value."""
    rows, places = np.nonzero(known.notna().to_numpy())
    values = {name: frame.to_numpy()[rows, places] for name, frame in columns.items()}
    return pd.DataFrame({"date": known.index[rows], "asset": known.columns[places], **values})
