"""A model and a strategy that note each time they are asked, for `benchmarks/cluster.py`: what is done twice shows."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

from assay.data.canary_labels import CanaryLabels
from assay.data.panel import PredictionPanel, PricePanel
from assay.models.baselines import FittedRidge, Ridge
from assay.strategies.base import Decision
from assay.strategies.ranked import QuintileLongShort

__all__ = ["Watched", "WatchedQuintile"]


def note(path: str, what: str) -> None:
    """One line about who does what; written in one piece, whoever else writes."""
    ray = sys.modules.get("ray")
    node = ray.get_runtime_context().get_node_id() if ray is not None and ray.is_initialized() else ""
    line = json.dumps({"what": what, "node": node, "pid": os.getpid(), "at": time.time()}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


@dataclass(frozen=True, kw_only=True)
class Watched(Ridge):
    """Ridge that notes each fit, and rests first: a fit of some length that leaves the cores to others.

    Parameters
    ----------
    log : the file for notes.
    rest : seconds.

    """

    name: ClassVar[str] = "watched"
    log: str = ""
    rest: float = 0.5

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedRidge:
        """See `Ridge`."""
        if self.log:
            note(self.log, f"fit {train.sessions[-1].date()} {seed}")
        time.sleep(self.rest)
        return super().fit(train, horizon=horizon, delay=delay, seed=seed, labels=labels)


@dataclass(frozen=True, kw_only=True)
class WatchedQuintile(QuintileLongShort):
    """Quintiles that note each decision.

    Parameters
    ----------
    log : the file for notes.
    rest : seconds.

    """

    name: ClassVar[str] = "watched_quintile"
    log: str = ""
    rest: float = 0.1

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """See `QuintileLongShort`."""
        if self.log:
            note(self.log, f"decide {self.quantile:g} {predictions.fingerprint[:12]}")
        time.sleep(self.rest)
        return super().target_weights(predictions, prices)
