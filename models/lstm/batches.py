"""What a network is trained on: batches of pieces with their labels, drawn the same way for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from assay.models.lstm.windows import Pieces, piece_ranges

__all__ = ["Batch", "TrainingRows"]

#: Consecutive rows of one asset are much alike, so a batch holds at least this many pieces.
_LEAST_PIECES = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """B pieces of K rows with C label columns.

    Parameters
    ----------
    inputs : (B, lookback - 1 + K, F).
    targets : (B, K, C); 0 where masked out.
    mask : (B, K) bool: rows that count.
    weights : (B, K) importance of the rows in the loss.
    rarity : (B, K) n / (classes · n of the row's class), whether or not rows are drawn or weighted by it.
    where : (B,) positions of the assets and (B,) first rows.
    assets : how many consecutive pieces share their sessions, one an asset; 1 if the batch is not made of whole dates.

    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    weights: Tensor
    rarity: Tensor
    where: tuple[np.ndarray, np.ndarray]
    assets: int = 1

    def by_date(self, values: Tensor) -> Tensor:
        """(B, K) rearranged so that each row is the cross-section of one session, (B / assets · K, assets)."""
        return values.reshape(-1, self.assets, values.shape[1]).transpose(1, 2).reshape(-1, self.assets)

    def to(self, device: str) -> Batch:
        """The batch on a device."""
        if device == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in ("inputs", "targets", "mask", "weights", "rarity")}
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Scaled inputs and labels of N assets and T sessions, asset by asset.

    Parameters
    ----------
    pieces : the inputs.
    targets : (N, T + steps, C) float32; 0 where unknown and in the padding.
    usable : (N, T + steps) bool: complete window and known label.
    weights : (N, T + steps) float32 importance of the rows.
    whole_dates : whether a batch must hold all assets of its sessions, as a loss within dates needs.
    oversample : draw pieces in proportion to their weight instead of weighting their loss (single-row pieces only).
    weighted : whether rows that are not drawn by their weight count by it in the loss.

    """

    pieces: Pieces
    targets: np.ndarray
    usable: np.ndarray
    weights: np.ndarray
    whole_dates: bool = False
    oversample: bool = False
    weighted: bool = True

    def asset(self, position: int) -> TrainingRows:
        """The sample of one asset."""
        one = slice(position, position + 1)
        return replace(
            self,
            pieces=replace(self.pieces, inputs=self.pieces.inputs[one]),
            targets=self.targets[one],
            usable=self.usable[one],
            weights=self.weights[one],
        )

    def epoch(self, start: int, end: int, size: int, rng: np.random.Generator | None = None) -> Iterator[Batch]:
        """Batches that cover the usable rows of [start, end) once.

        Parameters
        ----------
        start, end : range of row positions.
        size : rows in a batch, about: whole pieces, and whole dates where they are asked for.
        rng : shuffles the pieces and shifts where they begin; None leaves both in order, as validation needs.

        """
        together = len(self.usable) if self.whole_dates else 1
        for assets, ranges in self.drawn(start, end, size, rng):
            yield self.batch(assets, ranges, end, together)

    def drawn(
        self, start: int, end: int, size: int, rng: np.random.Generator | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pieces of each batch of `epoch`: positions of their assets, (B,), and their row ranges, (B, 2)."""
        steps, n_assets = self.pieces.steps, len(self.usable)
        offset = int(rng.integers(steps)) if rng is not None and steps > 1 else 0
        ranges = piece_ranges(start, end, steps, offset)
        if self.whole_dates:
            order = np.arange(len(ranges)) if rng is None else rng.permutation(len(ranges))
            count = max(1, size // (steps * n_assets))
            for group in _groups(order, count):
                yield np.tile(np.arange(n_assets), len(group)), np.repeat(ranges[group], n_assets, axis=0)
            return
        assets, which = np.divmod(np.arange(n_assets * len(ranges)), len(ranges))
        filled = self._mask(assets, ranges[which]).any(axis=1)
        assets, which = assets[filled], which[filled]
        if rng is not None:
            drawn = self._draw(assets, ranges[which, 0], rng)
            assets, which = assets[drawn], which[drawn]
        count = max(1, size // steps) if steps == 1 else max(_LEAST_PIECES, size // steps)
        for group in _groups(np.arange(len(assets)), count):
            yield assets[group], ranges[which[group]]

    def _draw(self, assets: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not (self.oversample and self.pieces.steps == 1):
            return rng.permutation(len(assets))
        chance = self.weights[assets, rows].astype(np.float64)
        return rng.choice(len(assets), size=len(assets), replace=True, p=chance / chance.sum())

    def _mask(self, assets: np.ndarray, ranges: np.ndarray) -> np.ndarray:
        rows = ranges[:, :1] + np.arange(self.pieces.steps)
        answer: np.ndarray = self.usable[assets[:, None], rows] & (rows < ranges[:, 1:])
        return answer

    def batch(self, assets: np.ndarray, ranges: np.ndarray, end: int, together: int = 1) -> Batch:
        """The pieces of these assets and row ranges, of rows before `end`; `together` is `Batch.assets`."""
        rows = ranges[:, :1] + np.arange(self.pieces.steps)
        beside = assets[:, None]
        rarity = self.weights[beside, rows]
        plain = not self.weighted or (self.oversample and self.pieces.steps == 1)
        weights = np.ones_like(rarity) if plain else rarity
        inputs = self.pieces.gather(assets, ranges[:, 0])
        for b in np.flatnonzero(ranges[:, 0] + self.pieces.steps > end):
            # What lies beyond the rows asked for is not looked at, not even by batch normalisation: the last row stays.
            known = self.pieces.lookback - 1 + end - ranges[b, 0]
            inputs[b, known:] = inputs[b, known - 1]
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(self.targets[beside, rows]),
            torch.from_numpy(self._mask(assets, ranges)),
            torch.from_numpy(weights),
            torch.from_numpy(rarity),
            (assets, ranges[:, 0]),
            together,
        )


def _groups(order: np.ndarray, count: int) -> list[np.ndarray]:
    """Consecutive groups of `count`; a last group of a single entry joins the one before it.

    Batch normalisation cannot normalise a single row.
    """
    cuts = list(range(count, len(order), count))
    if cuts and len(order) - cuts[-1] == 1 and count > 1:
        cuts.pop()
    return [group for group in np.split(order, cuts) if len(group)]
