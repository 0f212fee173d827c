"""Quality checks of one's own: cells of a price panel that a person's function finds wrong or odd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.plugins import checked_answer, find_object
from assay.data.quality import QualityFinding, QualityReport, finding_at

__all__ = ["QUALITY_ENTRY_POINTS", "QualityCheck", "load_quality_check", "own_findings", "with_own_checks"]

#: Group under which other packages offer quality checks.
QUALITY_ENTRY_POINTS = "assay.quality_checks"


@dataclass(frozen=True)
class QualityCheck:
    """A check of prices.

    Parameters
    ----------
    flag : of prices to a (T, N) bool frame: True where something is wrong.
    severity : an error stops the load; a warning is counted and travels with every result.
    remedy : what to do about it.

    """

    flag: Callable[[PricePanel], pd.DataFrame]
    severity: Literal["error", "warning"] = "warning"
    remedy: str = "look at these bars"


def load_quality_check(name: str) -> QualityCheck:
    """A person's own check, ``package.module:NAME`` or ``./file.py:NAME``; a plain function only warns.

    Raises
    ------
    InputError
        If it cannot be imported, or is neither a function nor a `QualityCheck`.

    """
    found = find_object("quality check", name, {}, QUALITY_ENTRY_POINTS)
    if isinstance(found, QualityCheck):
        return found
    if not callable(found) or isinstance(found, type):
        raise InputError(
            f"quality check {name!r}: a {type(found).__name__}, neither a function nor an "
            "assay.data.own_quality.QualityCheck"
        )
    return QualityCheck(found)


def own_findings(names: Sequence[str], prices: PricePanel) -> tuple[QualityFinding, ...]:
    """What each check found, where it found anything.

    Raises
    ------
    InputError
        If an answer is not of the panel's sessions and assets, or a cell is neither true nor false.

    """
    out = []
    for name in names:
        check, who = load_quality_check(name), f"quality check {name!r}"
        frame = checked_answer(who, check.flag(prices.shielded()), prices, flags=True)
        if frame.to_numpy().any():
            title = name.rpartition(":")[2].replace("_", " ")
            out.append(finding_at(title, check.severity, frame.to_numpy(), prices.close, check.remedy))
    return tuple(out)


def with_own_checks(names: Sequence[str], prices: PricePanel) -> PricePanel:
    """The prices with the warnings of these checks.

    Raises
    ------
    DataQualityError
        If a check that is an error found anything.

    """
    report = QualityReport(prices.source, own_findings(names, prices))
    report.raise_for_errors()
    messages = report.messages()
    return replace(prices, warnings=(*prices.warnings, *messages)) if messages else prices
