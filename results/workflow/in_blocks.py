"""A backtest of packed panels that keeps returns, in blocks of sessions: memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from assay.data.align import JoinReport
from assay.data.errors import InputError
from assay.data.files.packed import is_packed
from assay.data.mapped import is_mapped
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.row_tables import RowFrame, rows_of
from assay.engine.in_blocks import run_in_blocks, why_not_in_blocks
from assay.engine.result import BacktestResult
from assay.results.checks.trading import Trading
from assay.results.evidence.backtest import Evidence
from assay.results.evidence.in_blocks import evaluate_in_blocks
from assay.results.workflow.requests import Checks, Progress
from assay.results.workflow.study import Study

__all__ = ["are_packed", "refuse_checks", "result_in_blocks", "why_in_memory", "why_read_whole"]


def are_packed(predictions: PredictionPanel, prices: PricePanel) -> bool:
    """Whether both panels are mapped files, see `assay.data.files.packed`."""
    frames = [prices.close, *predictions.frames().values()]
    return all(is_mapped(frame.to_numpy()) for frame in frames)


def why_in_memory(trading: Trading, predictions: PredictionPanel, prices: PricePanel) -> str | None:
    """Why packed panels are worked in memory all the same; None where they are not."""
    if prices.members is not None:
        return "a universe that assets leave, which is listed"
    return why_not_in_blocks(trading.strategy, predictions, prices, trading.costs, trading.execution)


def why_read_whole(study: Study, predictions: PredictionPanel, prices: PricePanel) -> str | None:
    """Why the panels of packed folders are not mapped; None where the study names none."""
    given = study.predictions
    if given is None or not (is_packed(study.data.prices) and is_packed(given.file)):
        return None
    if study.data.delisting_returns is not None:
        return "delisting returns, which are written into the prices"
    few = min(len(prices.assets), len(predictions.assets))
    return f"a panel of {few} assets, which is read whole"


def refuse_checks(checks: Checks, engine: str) -> None:
    """Raise `InputError` if a check is asked for that reads whole tables."""
    names = ("leaks", "cross_check", "canaries", "capacity", "styles", "metrics")
    asked = [f"--{item.name.replace('_', '-')}" for item in fields(checks)
             if item.name in names and getattr(checks, item.name)]  # fmt: skip
    asked += ["--engine vectorbt"] if engine != "native" else []
    if asked:
        raise InputError(
            f"{', '.join(asked)}: read the whole panels in memory, which --keep returns of packed panels does not; "
            "leave one of the two out"
        )


def result_in_blocks(
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    benchmark: pd.Series | None,
    root: Path,
    progress: Progress,
) -> tuple[BacktestResult, JoinReport, Evidence, list[str]]:
    """The result, how the panels joined, the evidence, and doubts about the scale of the scores.

    Parameters
    ----------
    predictions, prices : packed; not joined yet.
    root : the results folder, where weights wait for the evidence in a file without a name, gone at the end.

    Raises
    ------
    InputError
        If the folder cannot be written, or as `assay.engine.in_blocks.run_in_blocks` does.

    """
    with _scratch(root) as file:
        index: list[pd.DatetimeIndex] = []

        def decided(weights: pd.DataFrame) -> None:
            file.write(np.ascontiguousarray(weights.to_numpy()).data)
            index.append(pd.DatetimeIndex(weights.index))

        result, report = run_in_blocks(
            trading.strategy, predictions, prices, benchmark=benchmark, costs=trading.costs,  # type: ignore[arg-type]
            execution=trading.execution, decided=decided,
            told=lambda done, total: progress.advance("sessions", done, total),
        )  # fmt: skip
        file.flush()
        progress.advance("evidence", 0, 1)
        evidence, doubts = evaluate_in_blocks(result, predictions, prices, _read_back(file, index, prices.assets))
        progress.advance("evidence", 1, 1)
    return result, report, evidence, doubts


@contextmanager
def _scratch(root: Path) -> Iterator[IO[bytes]]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            yield file
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"results folder {root}: cannot be written: {reason}; see --results") from None


def _read_back(file: IO[bytes], index: list[pd.DatetimeIndex], assets: pd.Index) -> RowFrame:
    sessions = index[0].append(index[1:])
    values = np.memmap(file, np.float64, "r", shape=(len(sessions), len(assets)))
    return rows_of(pd.DataFrame(values, sessions, assets, copy=False))
