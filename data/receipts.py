"""Receipts: what a model had seen when it predicted, a row a fold; one that contradicts its stamps is refused."""

from __future__ import annotations

import pandas as pd

from assay.data.errors import InputError, LookAheadError

__all__ = ["CHOSEN", "RECEIPT_COLUMNS", "STAMPS", "checked_receipts"]

RECEIPT_COLUMNS = (
    "model_id",
    "fold",
    "trained_through",
    "preprocessing_fit_through",
    "labels_known_through",
    "available_at",
)
#: A further column, as JSON, of models that choose their hyper-parameters in each fold (the chosen ones) or go on from
#: the fold before (``started_from`` or ``kept_from``: the last session which that fit had seen).
CHOSEN = "parameters"
#: The roles in which a model sees data, each with the last session it saw.
STAMPS = ("trained_through", "preprocessing_fit_through", "labels_known_through")


def checked_receipts(receipts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Receipts with parsed stamps, refused where a row could not have been known.

    The receipt indexed at session s covers the rows from s until the next receipt. A row stamped t is possible only
    if max(trained_through, preprocessing_fit_through, labels_known_through) <= available_at <= t. What a language model
    was trained through is its knowledge cutoff, and it is available from its release.
    """
    missing = [name for name in RECEIPT_COLUMNS if name not in receipts.columns]
    if missing:
        raise InputError(f"receipts: columns missing: {', '.join(missing)}")
    out = receipts.loc[:, [*RECEIPT_COLUMNS, *([CHOSEN] if CHOSEN in receipts.columns else [])]].copy()
    try:
        out.index = pd.DatetimeIndex(pd.to_datetime(out.index), name="session")
        for name in (*STAMPS, "available_at"):
            out[name] = pd.to_datetime(out[name])
    except (TypeError, ValueError) as error:
        raise InputError(f"receipts: not a date: {error}") from None
    if not out.index.is_monotonic_increasing or not out.index.is_unique:
        raise InputError("receipts: sessions must be strictly increasing")
    if out[[*STAMPS, "available_at"]].isna().to_numpy().any():
        raise InputError("receipts: a stamp is missing; every fold states what its model had seen")
    late = out[out[list(STAMPS)].max(axis="columns") > out["available_at"]]
    if len(late):
        raise LookAheadError(
            f"receipts: {len(late)} folds saw data after they were available, first at {late.index[0].date()}"
        )
    early = out[out["available_at"] > out.index]
    if len(early):
        raise LookAheadError(
            f"receipts: {len(early)} folds predict before they are available, first at {early.index[0].date()}"
        )
    has_view = frame.notna().any(axis="columns")
    uncovered = frame.index[has_view & (frame.index < out.index[0])] if len(out) else frame.index[has_view]
    if len(uncovered):
        raise LookAheadError(f"receipts: {len(uncovered)} rows have none, first {uncovered[0].date()}")
    return out

