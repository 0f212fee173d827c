"""What every side reads: bars, scores and probabilities as arrays, and the frames made of them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["FIELDS", "Inputs"]

FIELDS = ("open", "high", "low", "close", "volume", "score", "probability")


class Inputs:
    """The arrays of a folder, (T, N) float64 without gaps, and their labels."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    score: np.ndarray
    probability: np.ndarray

    def __init__(self, folder: Path) -> None:
        for name in FIELDS:
            setattr(self, name, np.load(folder / f"{name}.npy"))
        sessions, assets = self.close.shape
        self.sessions = pd.bdate_range("2015-01-01", periods=sessions)
        self.assets = [f"A{i:04d}" for i in range(assets)]
        self.folder = folder

    def frame(self, name: str) -> pd.DataFrame:
        """One of them, labelled."""
        return pd.DataFrame(getattr(self, name), self.sessions, self.assets)

    @property
    def bars(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Opens, highs, lows and closes."""
        return self.open, self.high, self.low, self.close

    @cached_property
    def book(self) -> pd.Series:
        """(T,) net returns of the quintile book, which the sheets show."""
        from yardsticks import quintile_loop

        return pd.Series(quintile_loop(self.score, self.close), self.sessions, name="quintile")

    @cached_property
    def market(self) -> pd.Series:
        """(T,) returns of all names, equally weighted."""
        returns = np.zeros(len(self.close))
        returns[1:] = (self.close[1:] / self.close[:-1] - 1).mean(axis=1)
        return pd.Series(returns, self.sessions, name="market")

    def long(self, *names: str, date: str = "date", asset: str = "symbol") -> pd.DataFrame:
        """A row a session and asset."""
        sessions, assets = self.close.shape
        columns = {date: np.repeat(self.sessions.to_numpy(), assets), asset: np.tile(self.assets, sessions)}
        return pd.DataFrame({**columns, **{name: getattr(self, name).ravel() for name in names}})
