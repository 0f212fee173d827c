"""One book by the compiled loop that works many runs (`assay.engine.kernels`), with the ledger of a single run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.compiling import has_numba
from assay.data.conventions import Floats
from assay.data.panel import PricePanel
from assay.engine.batch import batchable, fills_and_marks, rates_of, within_cap
from assay.engine.costs import COST_KINDS, CostModel
from assay.engine.execution import Execution
from assay.engine.kernels import Book, Market, Wanted, compiled_books, compiled_gross, market_of
from assay.engine.ledger import Ledger

__all__ = ["CompiledRun", "PriceMissingError"]

Mask = npt.NDArray[np.bool_]
_ONE = np.zeros(1, dtype=np.int64)


class PriceMissingError(Exception):
    """What a run holds or wants has no price, which the loop does not know."""


@dataclass(frozen=True, eq=False)
class CompiledRun:
    """Decisions that order every asset or none, on prices, at proportional costs: simulated at any scale.

    Parameters
    ----------
    market : prices, from the first decision on.
    weights : (1, D, N) decisions.
    rows : (T,) decision of each session, −1 where there is none.
    gross : (D,) Σ|w| of each decision.
    costs, execution : of the run.

    """

    market: Market
    weights: Floats
    rows: npt.NDArray[np.int64]
    gross: Floats
    costs: CostModel
    execution: Execution

    @classmethod
    def of(
        cls, prices: PricePanel, weights: pd.DataFrame, costs: CostModel, execution: Execution
    ) -> CompiledRun | None:
        """The run of `weights` on `prices`, which are cut to them; None where the loop does not know it."""
        if not (costs.is_proportional and batchable(execution) and has_numba()):
            return None
        values = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))[None]
        gross = compiled_gross(values)[0]
        if np.isinf(gross).any():
            return None  # a mistake, which is refused elsewhere
        rows = np.arange(len(weights))
        if not weights.index.equals(prices.sessions):
            rows = weights.index.get_indexer(prices.sessions)
        gaps = np.isnan(gross)
        if gaps.any():
            if not np.isnan(values[0, gaps]).all():
                return None
            rows = np.where((rows >= 0) & gaps[rows], -1, rows)
        market = market_of(*fills_and_marks(prices, execution), execution.delay, execution.capital)
        return cls(market, values, rows.astype(np.int64), gross, costs, execution)

    def ledger(self, scale: Floats | None = None, restated: Mask | None = None) -> tuple[Ledger, int]:
        """The ledger, and on how many sessions the orders were above the cap.

        Parameters
        ----------
        scale : (T,) factors on the decisions of each session.
        restated : (T,) where the last decision is ordered again.

        Raises
        ------
        PriceMissingError
            If a price is missing where something is held or wanted.

        """
        rows, scale = self.rows, np.ones(len(self.rows)) if scale is None else scale
        if restated is not None:
            rows = np.where(restated, rows[np.maximum.accumulate(np.where(rows >= 0, np.arange(len(rows)), 0))], rows)
        cap = within_cap(np.where(rows >= 0, self.gross[rows] * np.abs(scale), 0.0), self.execution.max_gross)
        wanted = Wanted(self.weights, _ONE, rows[None], (scale * cap)[None], np.array([0, 1]))
        book, lost = compiled_books(self.market, wanted, rates_of([self.costs]))
        if lost.any():
            raise PriceMissingError
        return self._ledger(Book(*(part[0] for part in book))), int((cap != 1).sum())

    def _ledger(self, book: Book) -> Ledger:
        out = Ledger.empty(len(self.rows), 0, keep_shares=False)
        out.nav, out.nav_before, out.cash, out.interest = book.nav, book.before, book.cash, book.interest
        out.traded, out.long, out.short = book.traded, book.long, book.short
        out.costs[:, :2] = book.traded[:, None] * (np.array([self.costs.commission_bps, self.costs.spread_bps]) / 1e4)
        out.costs[:, COST_KINDS.index("borrow")] = book.borrow
        out.costs[:, COST_KINDS.index("financing")] = book.financing
        ruined = np.flatnonzero((book.before <= 0) | (book.nav <= 0))
        out.ruined_at = int(ruined[0]) if len(ruined) else None
        return out
