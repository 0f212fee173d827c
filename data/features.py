"""Feature sets: pure functions of a price panel, row t from rows up to t, with the fields they need declared.

Five sets stand in `FEATURE_SETS`: `core14` (returns, volatilities, volume and range of a panel with all fields),
`core_close` (what of it needs closes alone), `indicators27` (prices and technical indicators), `indicators_phase2` (the
same with oscillators, volume, the market's regime and its correlation) and `price` (the close).
A set is asked for by name; none replaces another silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from assay.data import indicators as ta
from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PRICE_FIELDS, PricePanel
from assay.data.plugins import load_object, offered

__all__ = [
    "FEATURE_SETS",
    "Feature",
    "FeaturePanel",
    "FeatureSet",
    "build_features",
    "feature_set",
    "features_changed_by",
    "series_feature",
]

_ANNUAL = np.sqrt(float(SESSIONS_A_YEAR))


@dataclass(frozen=True)
class Feature:
    """One column of a feature set.

    Parameters
    ----------
    name : what it is called.
    compute : (T, N) array from a panel, stamped t, from rows up to t; NaN where it cannot be known.
    needs : price fields read, beside close.
    warmup : rows before the first value on a panel without gaps.

    """

    name: str
    compute: Callable[[PricePanel], np.ndarray]
    needs: tuple[str, ...] = ()
    warmup: int = 0


@dataclass(frozen=True)
class FeatureSet:
    """Named features in a fixed order."""

    name: str
    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F features."""
        return tuple(feature.name for feature in self.features)

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        wanted = {name for feature in self.features for name in feature.needs}
        return tuple(name for name in PRICE_FIELDS if name in wanted)

    @property
    def warmup(self) -> int:
        """Rows before all features have values on a panel without gaps."""
        return max(feature.warmup for feature in self.features)

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, eq=False)
class FeaturePanel:
    """Features of T sessions and N assets.

    Parameters
    ----------
    values : (T, N, F) float32 or float64, stamped t, from data through the close of t; NaN = unknown.
    names : the F features.
    sessions : the T sessions.
    assets : the N asset ids.
    feature_set : the set they come from.

    """

    values: np.ndarray
    names: tuple[str, ...]
    sessions: pd.DatetimeIndex
    assets: pd.Index
    feature_set: str

    def __post_init__(self) -> None:
        shape = (len(self.sessions), len(self.assets), len(self.names))
        if self.values.shape != shape:
            raise InputError(f"features: values have shape {self.values.shape}, sessions, assets and names say {shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, N, F)."""
        return self.values.shape

    def frame(self, name: str) -> pd.DataFrame:
        """One feature as a (T, N) frame."""
        if name not in self.names:
            raise UnknownNameError("feature", name, self.names)
        return pd.DataFrame(self.values[..., self.names.index(name)], index=self.sessions, columns=self.assets)


#: Group under which other packages offer feature sets.
FEATURE_ENTRY_POINTS = "assay.features"


def feature_set(name: str) -> FeatureSet:
    """The feature set called `name`, or a person's own: ``package.module:NAME`` or ``./file.py:NAME``.

    Raises
    ------
    UnknownNameError
        If there is none.
    InputError
        If the path cannot be imported, or names no `FeatureSet`.

    """
    if name in FEATURE_SETS:
        return FEATURE_SETS[name]
    offers = offered(FEATURE_ENTRY_POINTS, FEATURE_SETS)
    if ":" not in name and name not in offers:
        raise UnknownNameError("feature set", name, {*FEATURE_SETS, *offers})
    found = load_object(f"feature set {name!r}", offers.get(name, name))
    if not isinstance(found, FeatureSet):
        raise InputError(f"feature set {name!r}: a {type(found).__name__}, not an assay.data.features.FeatureSet")
    return found


#: Of a key of what is asked for, and of what makes it: what is read instead.
_Change = Callable[[tuple[str, ...], Callable[[], FeaturePanel]], FeaturePanel]
_change: ContextVar[_Change | None] = ContextVar("_change", default=None)


@contextmanager
def features_changed_by(change: _Change) -> Iterator[None]:
    """Let `change` say what every call of `build_features` inside gives back; for finding out what a model reads."""
    token = _change.set(change)
    try:
        yield
    finally:
        _change.reset(token)


def build_features(
    prices: PricePanel, name: str = "core14", *, dtype: type[np.floating] = np.float32, who: str | None = None
) -> FeaturePanel:
    """Features of every session and asset, row t from rows up to t.

    Parameters
    ----------
    prices : T sessions by N assets.
    name : a key of `FEATURE_SETS`, or the path of one's own set, see `feature_set`.
    dtype : of the values; float32 is what the networks read.
    who : named in the error if a field is missing.

    Returns
    -------
    FeaturePanel
        (T, N, F). NaN through each feature's warm-up, after gaps until its window is whole, and where a quotient has
        no denominator (no volume, say).

    Raises
    ------
    UnknownNameError
        If there is no such set.
    InputError
        If the panel lacks a field that the set needs.

    Examples
    --------
    >>> close = pd.DataFrame({"A": [1.0, 1.1, 1.21]}, index=pd.bdate_range("2020-01-01", periods=3))
    >>> build_features(PricePanel(close), "core_close").frame("return_1")["A"].astype(float).round(6).tolist()
    [nan, 0.1, 0.1]

    """
    chosen = feature_set(name)
    prices.require(chosen.needs, who or f"feature set {name}")
    change = _change.get()
    if change is None:
        return _built(prices, name, chosen, dtype)
    return change((name, np.dtype(dtype).str, prices.fingerprint), lambda: _built(prices, name, chosen, dtype))


def _built(prices: PricePanel, name: str, chosen: FeatureSet, dtype: type[np.floating]) -> FeaturePanel:
    values = np.empty((*prices.shape, len(chosen)), dtype=dtype)
    lent = prices.shielded()
    for column, feature in enumerate(chosen.features):
        computed = np.asarray(feature.compute(lent))
        if computed.shape != prices.shape:
            raise InputError(
                f"feature {feature.name!r} of {name}: gave {computed.shape}, expected {prices.shape}: sessions × assets"
            )
        values[..., column] = computed
    values[~np.isfinite(values)] = np.nan
    return FeaturePanel(values, chosen.names, prices.sessions, prices.assets, name)


def _field(prices: PricePanel, name: str) -> np.ndarray:
    answer: np.ndarray = getattr(prices, name).to_numpy()
    return answer


def series_feature(name: str, series: pd.Series, *, known_after: int = 1) -> Feature:
    """A feature from a series that is no price, the same for every asset: a rate, an index of activity, a spread.

    Row t holds the last value whose date lies at least `known_after` calendar days before session t: what is dated d
    is not known on d itself. Give the days until publication, and first releases: revised figures knew the future.

    Parameters
    ----------
    name : what it is called.
    series : values by date, in any order; repeated dates are refused.
    known_after : days from a value's date until it is known, at least 1.

    Raises
    ------
    InputError
        If a date is repeated or unreadable, or `known_after` is below 1.

    Examples
    --------
    >>> rate = pd.Series([0.02, 0.03], pd.to_datetime(["2020-01-01", "2020-01-03"]))
    >>> close = pd.DataFrame({"A": [1.0, 1.1, 1.2]}, index=pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"]))
    >>> series_feature("rate", rate).compute(PricePanel(close)).ravel().tolist()
    [0.02, 0.02, 0.03]

    """
    if known_after < 1:
        raise InputError(f"feature {name!r}: known_after must be at least 1 day, got {known_after!r}")
    if not isinstance(series.index, pd.DatetimeIndex) or not series.index.is_unique:
        raise InputError(f"feature {name!r}: the series needs an index of dates, each once")
    ordered = series.sort_index().dropna()
    published = pd.DatetimeIndex(ordered.index) + pd.Timedelta(days=known_after)
    values = ordered.to_numpy(dtype=np.float64)

    def compute(prices: PricePanel) -> np.ndarray:
        position = published.searchsorted(prices.sessions, side="right") - 1
        known = np.where(position >= 0, values[np.maximum(position, 0)] if len(values) else np.nan, np.nan)
        answer: np.ndarray = np.where(np.isfinite(_close(prices)), known[:, None], np.nan)
        return answer

    return Feature(name, compute)


def _close(prices: PricePanel) -> np.ndarray:
    return prices.close.to_numpy()


def _level(name: str) -> Feature:
    return Feature(name, lambda p: _field(p, name), () if name == "close" else (name,))


def _return(sessions: int) -> Feature:
    return Feature(f"return_{sessions}", lambda p: ta.change(_close(p), sessions), warmup=sessions)


def _log_return(prices: PricePanel) -> np.ndarray:
    answer: np.ndarray = np.log1p(ta.change(_close(prices), 1))
    return answer


def _volatility(window: int) -> Feature:
    """Annualised: √252 · standard deviation (ddof 1) of the last `window` simple returns."""
    return Feature(
        f"volatility_{window}",
        lambda p: _ANNUAL * ta.rolling_std(ta.change(_close(p), 1), window),
        warmup=window,
    )


def _momentum(window: int) -> Feature:
    """Close over its simple moving average, less one: unlike the return, it is not a copy of another column."""
    return Feature(
        f"momentum_{window}", lambda p: ta.ratio(_close(p), ta.rolling_mean(_close(p), window)) - 1.0, warmup=window - 1
    )


def _from_high(source: str) -> Feature:
    return Feature(
        "from_high_20",
        lambda p: ta.ratio(_close(p), ta.rolling_max(_field(p, source), 20)) - 1.0,
        () if source == "close" else (source,),
        19,
    )


def _from_low(source: str) -> Feature:
    return Feature(
        "from_low_20",
        lambda p: ta.ratio(_close(p), ta.rolling_min(_field(p, source), 20)) - 1.0,
        () if source == "close" else (source,),
        19,
    )


def _range(prices: PricePanel) -> np.ndarray:
    return ta.ratio(_field(prices, "high") - _field(prices, "low"), _close(prices))


def _volume_volatility(prices: PricePanel) -> np.ndarray:
    volume = _field(prices, "volume")
    return ta.ratio(ta.rolling_std(volume, 20), ta.rolling_mean(volume, 20))


def _volume_ratio(prices: PricePanel) -> np.ndarray:
    volume = _field(prices, "volume")
    return ta.ratio(volume, ta.rolling_mean(volume, 20))


def _volume_trend(prices: PricePanel) -> np.ndarray:
    volume = _field(prices, "volume")
    return ta.ratio(ta.rolling_mean(volume, 5), ta.rolling_mean(volume, 20))


def _market_return(prices: PricePanel) -> np.ndarray:
    """Mean return over the assets that have one, the same for every asset; NaN for an asset that has none."""
    returns = ta.change(_close(prices), 1)
    known = np.isfinite(returns)
    count = known.sum(axis=1, keepdims=True)
    mean = ta.ratio(np.where(known, returns, 0.0).sum(axis=1, keepdims=True), count.astype(float))
    return np.where(known, mean, np.nan)


def _average(kind: str, window: int) -> Feature:
    smooth = ta.rolling_mean if kind == "sma" else ta.ema
    return Feature(f"{kind}_{window}", lambda p: smooth(_close(p), window), warmup=window - 1)


def _against(kind: str, window: int) -> Feature:
    smooth = ta.rolling_mean if kind == "sma" else ta.ema
    return Feature(
        f"close_to_{kind}_{window}",
        lambda p: ta.ratio(_close(p), smooth(_close(p), window)) - 1.0,
        warmup=window - 1,
    )


def _macd(part: int, name: str, warmup: int) -> Feature:
    return Feature(name, lambda p: ta.macd(_close(p))[part], warmup=warmup)


def _bollinger(part: int, name: str) -> Feature:
    return Feature(name, lambda p: ta.bollinger(_close(p))[part], warmup=19)


def _bars(prices: PricePanel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _field(prices, "high"), _field(prices, "low"), _close(prices)


_MARKET = Feature("market_return", _market_return, warmup=1)

_CORE14 = (
    _return(1),
    _return(5),
    _return(20),
    _volatility(20),
    _volatility(5),
    Feature("volume_volatility_20", _volume_volatility, ("volume",), 19),
    _from_high("high"),
    _from_low("low"),
    Feature("range", _range, ("high", "low")),
    _momentum(20),
    _momentum(5),
    Feature("volume_ratio_20", _volume_ratio, ("volume",), 19),
    Feature("volume_trend", _volume_trend, ("volume",), 19),
    _MARKET,
)

_CORE_CLOSE = (
    _return(1),
    _return(5),
    _return(20),
    _volatility(20),
    _volatility(5),
    _from_high("close"),
    _from_low("close"),
    _momentum(20),
    _momentum(5),
    _MARKET,
)

_INDICATORS27 = (
    *(_level(name) for name in PRICE_FIELDS),
    *(_average("sma", window) for window in (10, 20, 50)),
    *(_average("ema", window) for window in (12, 21, 26)),
    Feature("rsi_14", lambda p: ta.rsi(_close(p)), warmup=14),
    _macd(0, "macd", 25),
    _macd(1, "macd_signal", 33),
    _macd(2, "macd_histogram", 33),
    _bollinger(0, "bollinger_upper"),
    _bollinger(1, "bollinger_middle"),
    _bollinger(2, "bollinger_lower"),
    _bollinger(3, "bollinger_width"),
    Feature("atr_14", lambda p: ta.atr(*_bars(p)), ("high", "low"), 14),
    Feature("adx_14", lambda p: ta.adx(*_bars(p)), ("high", "low"), 27),
    _return(1),
    Feature("log_return", _log_return, warmup=1),
    Feature("volume_change", lambda p: ta.change(_field(p, "volume"), 1), ("volume",), 1),
    _volatility(20),
    _against("sma", 20),
    _against("ema", 21),
)


def _oscillator(part: int, name: str, warmup: int) -> Feature:
    return Feature(name, lambda p: ta.stochastic(*_bars(p))[part], ("high", "low"), warmup)


def _obv_share(prices: PricePanel) -> np.ndarray:
    """Change of the on-balance volume over 20 sessions as a share of the volume traded in them, in [-1, 1]."""
    close, volume = _close(prices), _field(prices, "volume")
    return ta.ratio(ta.rolling_mean(ta.signed_volume(close, volume), 20), ta.rolling_mean(volume, 20))


def _vwap(prices: PricePanel) -> np.ndarray:
    return ta.vwap(*_bars(prices), _field(prices, "volume"))


def _market_level(prices: PricePanel) -> np.ndarray:
    """Log level of the equal-weighted market, from 0, the same for every asset; a session without returns adds 0."""
    returns = ta.change(_close(prices), 1)
    known = np.isfinite(returns)
    mean = ta.ratio(np.where(known, returns, 0.0).sum(axis=1), known.sum(axis=1).astype(float))
    level: np.ndarray = np.repeat(np.log1p(np.nan_to_num(mean)).cumsum()[:, None], prices.shape[1], axis=1)
    return level


def _market_trend(prices: PricePanel) -> np.ndarray:
    """Log of the market's level over its mean of 50 sessions: above 0 in a rising market."""
    level = _market_level(prices)
    return np.where(np.isfinite(_close(prices)), level - ta.rolling_mean(level, 50), np.nan)


def _market_stress(prices: PricePanel) -> np.ndarray:
    """The market's volatility of 20 sessions over that of 60: above 1 while it is rising."""
    level = _market_level(prices)
    moves = np.full(level.shape, np.nan)
    moves[1:] = level[1:] - level[:-1]
    stress = ta.ratio(ta.rolling_std(moves, 20), ta.rolling_std(moves, 60))
    return np.where(np.isfinite(_close(prices)), stress, np.nan)


def _index_correlation(prices: PricePanel) -> np.ndarray:
    """Correlation of 60 sessions with the mean return of the panel's assets."""
    return ta.rolling_correlation(ta.change(_close(prices), 1), _market_return(prices), 60)


def _sector_correlation(prices: PricePanel) -> np.ndarray:
    """Correlation of 60 sessions with the mean return of the other assets of its sector; NaN without a sector."""
    if prices.sectors is None:
        raise InputError("feature 'sector_correlation_60': the prices have no sectors; give them with --sectors")
    sector = prices.sectors.reindex(prices.assets)
    returns = ta.change(_close(prices), 1)
    known = np.isfinite(returns)
    filled = np.where(known, returns, 0.0)
    others = np.full(returns.shape, np.nan)
    for name in sector.dropna().unique():
        inside = np.flatnonzero((sector == name).to_numpy())
        total = filled[:, inside].sum(axis=1, keepdims=True) - filled[:, inside]
        count = known[:, inside].sum(axis=1, keepdims=True) - known[:, inside]
        others[:, inside] = ta.ratio(total, count.astype(float))
    return ta.rolling_correlation(returns, others, 60)


_PHASE2 = (
    *_INDICATORS27,
    _oscillator(0, "stochastic_k", 13),
    _oscillator(1, "stochastic_d", 15),
    Feature("williams_r_14", lambda p: ta.williams_r(*_bars(p)), ("high", "low"), 13),
    Feature("obv", lambda p: ta.obv(_close(p), _field(p, "volume")), ("volume",)),
    Feature("obv_share_20", _obv_share, ("volume",), 20),
    Feature("vwap_20", _vwap, ("high", "low", "volume"), 19),
    Feature("close_to_vwap_20", lambda p: ta.ratio(_close(p), _vwap(p)) - 1.0, ("high", "low", "volume"), 19),
    _MARKET,
    Feature("market_trend_50", _market_trend, warmup=49),
    Feature("market_stress", _market_stress, warmup=60),
    Feature("index_correlation_60", _index_correlation, warmup=60),
)

#: `indicators_phase2` and the correlation with the sector, for prices that have sectors: name it as
#: ``assay.data.features:WITH_SECTORS``.
WITH_SECTORS = FeatureSet(
    "with_sectors", (*_PHASE2, Feature("sector_correlation_60", _sector_correlation, warmup=60))
)

#: Every feature set, by name.
FEATURE_SETS: Mapping[str, FeatureSet] = MappingProxyType(
    {
        chosen.name: chosen
        for chosen in (
            FeatureSet("core14", _CORE14),
            FeatureSet("core_close", _CORE_CLOSE),
            FeatureSet("indicators27", _INDICATORS27),
            FeatureSet("indicators_phase2", _PHASE2),
            FeatureSet("price", (_level("close"),)),
        )
    }
)
