"""How the model was trained, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from assay.data.card import plural
from assay.results.report.blocks import (
    Cell,
    Figure,
    Note,
    Section,
    Table,
    fixed,
    number,
    p_text,
    percent,
    plain_table,
    said,
)
from assay.results.report.plots import plot_folds, plot_importance, plot_models, plot_training
from assay.results.report.run_data import RunData, first_rows

__all__ = ["model_section"]

_MOST_ROWS = 120


def _p(value: Any, digits: int = 4) -> Cell:
    """A p-value; a dash where there is none."""
    cell = fixed(value, digits)
    return cell if cell.sort is None else replace(cell, text=p_text(float(value), digits))


_FIGURES = [
    ("model", "model", said),
    ("sharpe_net", "net Sharpe", fixed),
    ("sharpe_low", "low", fixed),
    ("sharpe_high", "high", fixed),
    ("rank_ic", "rank IC", lambda value: fixed(value, 4)),
    ("rank_ic_t", "HAC t", fixed),
    ("r2", "R² of returns", lambda value: fixed(value, 4)),
    ("theil_u2", "U2", lambda value: fixed(value, 4)),
    ("dm_t", "DM t, persistence", fixed),
    ("accuracy", "accuracy", percent),
    ("base_rate", "share that rose", percent),
    ("balanced_accuracy", "balanced accuracy", percent),
    ("auc", "AUC", lambda value: fixed(value, 3)),
    ("auc_error", "± of AUC", lambda value: fixed(value, 3)),
    ("mcc", "MCC", lambda value: fixed(value, 3)),
    ("brier", "Brier", lambda value: fixed(value, 4)),
    ("brier_uncertainty", "Brier of base rate", lambda value: fixed(value, 4)),
    ("pt_p", "signs, p", lambda value: _p(value, 3)),
    ("action_accuracy", "accuracy of actions", percent),
    ("action_macro_f1", "macro F1 of actions", lambda value: fixed(value, 3)),
]


#: Figures of the predictions as forecasts; what a direction model and a return model have, each in its order.
_FORECAST = (
    ("r2", "R² of returns", 4), ("r2_oos", "R² against the mean so far", 4), ("theil_u2", "U2", 4), ("mase", "MASE", 3),
    ("dm_t", "t against persistence", 2), ("dm_p", "p against persistence", 4),
    ("cw_t", "t against the mean so far", 2), ("cw_p", "p against the mean so far", 4),
    ("pt_t", "t of the signs", 2), ("pt_p", "p of the signs", 4),
    ("level_r2", "R² of the implied price", 4), ("level_r2_persistence", "R² of yesterday's price", 4),
    ("level_mae", "MAE of the implied price", 3), ("level_rmse", "RMSE of the implied price", 3),
    ("level_mape", "MAPE of the implied price", 4), ("level_bias", "bias of the implied price", 3),
    ("accuracy", "accuracy", 4), ("base_rate", "share that rose", 4), ("balanced_accuracy", "balanced accuracy", 4),
    ("precision", "precision of up", 4), ("recall", "recall of up", 4), ("f1", "F1 of up", 4),
    ("mcc", "MCC", 4), ("auc", "AUC", 4), ("auc_error", "error of AUC, by session", 4),
    ("auc_error_delong", "error of AUC, DeLong", 4), ("auc_error_hanley_mcneil", "error of AUC, Hanley–McNeil", 4),
    ("brier", "Brier", 5), ("brier_reliability", "Brier: reliability", 5),
    ("brier_resolution", "Brier: less resolution", 5), ("brier_uncertainty", "Brier: uncertainty", 5),
    ("brier_within", "Brier: within bands", 5),
    ("ece", "calibration error", 4), ("log_loss", "log loss", 4), ("log_loss_base", "log loss of the base rate", 4),
    ("action_accuracy", "accuracy of actions", 4), ("action_base_rate", "share of the commonest action", 4),
    ("action_balanced_accuracy", "balanced accuracy of actions", 4), ("action_macro_f1", "macro F1 of actions", 4),
    ("action_mcc", "MCC of actions", 4),
)  # fmt: skip


def model_section(data: RunData) -> Section:
    """The predictions as forecasts; folds on a time line, training curves, baselines, seeds, receipts."""
    parts = (
        *_forecasts(data),
        *_folds(data),
        *_training(data),
        *_importance(data),
        *_beside(data),
        *_receipts(data),
    )
    return Section("model", "Model", parts)


def _forecasts(data: RunData) -> list[Table]:
    rows = []
    for name, label, digits in _FORECAST:
        item = data.metrics.get(name)
        if item is None:
            continue
        value = item["value"]
        reason = f"{item['reason']} · " if value is None and item.get("reason") else ""
        ends = "" if item.get("low") is None else f"[{item['low']:.{digits}f}, {item['high']:.{digits}f}]"
        exact = "null" if value is None else repr(float(value))
        shown = _p(value, digits) if name.endswith("_p") else fixed(value, digits)
        figure = replace(shown, metric=f"{name}.value", value=exact)
        about = Cell(f"{reason}{item.get('convention', '')}")
        rows.append((Cell(label), figure, Cell(ends), number(item.get("n")), about))
    if not rows:
        return []
    caption = (
        "Out of sample, before any portfolio. Tests and the interval take whole sessions as the cases: the names of "
        "one session move together. Below 0, t against persistence speaks for the model."
    )
    titles = ("figure", "value", "95%", "n", "convention")
    used = [at for at, title in enumerate(titles) if title != "95%" or any(row[at].text for row in rows)]
    table = tuple(tuple(row[at] for at in used) for row in rows)
    return [Table("As forecasts", tuple(titles[at] for at in used), table, caption=caption, wide=True)]


def _folds(data: RunData) -> list[Figure | Table | Note]:
    folds = data.optional("folds")
    if folds is None:
        return [
            Note(
                "The predictions were not made by a walk-forward of this run.", "Folds and training curves", absent=True
            )
        ]
    first, last = folds.iloc[0], folds.iloc[-1]
    start, end = said(first["test_start"]).text, said(last["test_end"]).text
    alt = f"{plural(len(folds), 'fold')}; tested from {start} to {end}."
    height = min(5.0, 1.2 + 0.14 * len(folds))
    form = [(name, name.replace("_", " "), said) for name in folds.columns]
    shown, rest = first_rows(folds, _MOST_ROWS)
    parts: list[Figure | Table | Note] = [
        Figure(
            "Folds",
            alt,
            lambda axes: plot_folds(axes, folds),
            size=(12.0, height),
            wide=True,
            behind=plain_table("Folds", shown, form, caption=rest),
        ),
    ]
    figures = data.optional("fold_metrics")
    if figures is not None:
        known = [item for item in _FIGURES[1:] if item[0] in figures and figures[item[0]].notna().any()]
        kept = [("fold", "fold", number), ("sessions", "sessions", number), *known]
        shown, rest = first_rows(figures, _MOST_ROWS)
        parts.append(plain_table("Predictions by fold", shown, kept, caption=rest))
    return parts


def _training(data: RunData) -> list[Figure | Note]:
    if data.optional("folds") is None:
        return []
    training = data.optional("training")
    if training is None:
        return [Note("The model is fitted in one step, or keeps no curve.", "Training curves", absent=True)]
    fits = training.groupby(["fold", "seed"]).ngroups
    alt = f"Loss by epoch of {plural(fits, 'fit')}, up to epoch {int(training['epoch'].max())}."
    return [Figure("Training curves", alt, lambda axes: plot_training(axes, training))]


def _importance(data: RunData) -> list[Figure | Table]:
    """What each feature is worth out of sample; nothing where it was not asked for."""
    table = data.optional("importance")
    if table is None:
        return []
    shown, rest = first_rows(table, _MOST_ROWS)

    def small(value: Any) -> Cell:
        return fixed(value, 4)

    over = "draws" if len(data.config.get("seeds", ())) == 1 else "seeds"
    form: list[tuple[str, str, Callable[[Any], Cell]]] = [
        ("feature", "feature", said), ("importance", "rank IC lost", small), ("low", "low", small),
        ("high", "high", small), ("t", "HAC t", fixed), ("error_seeds", f"± over {over}", small),
        ("rank_ic", "rank IC as it is", small), ("folds_above_0", "folds above 0", percent), ("n", "sessions", number),
    ]  # fmt: skip
    about = (
        "Out of sample: what the fold's models lose when they read the feature from another asset, up to a year "
        "earlier. 95%, HAC over sessions; beside it the standard error over "
        f"{'the seeds of the fits' if over == 'seeds' else 'the draws, of fits of one seed'}. Features that say the "
        f"same share what they say. {rest}"
    )
    values = "; ".join(f"{name} {fixed(row['importance'], 4).text}" for name, row in shown.iterrows())
    parts: list[Figure | Table] = [
        Figure("What the model reads", f"Rank IC lost without each feature: {values}.",
               partial(plot_importance, table=shown), "Permutation importance, out of sample.",
               (4.8, 1.1 + 0.26 * len(shown))),
        plain_table("Permutation importance", shown.reset_index(), form, caption=about.strip(), wide=True),
    ]  # fmt: skip
    folds = data.optional("importance_folds")
    if folds is not None:
        rows, rest = first_rows(folds, _MOST_ROWS)
        kept = [("fold", "fold", number), *(item for item in form if item[0] in folds)]
        parts.append(plain_table("Permutation importance by fold", rows, kept, caption=rest))
    return parts


def _beside(data: RunData) -> list[Figure | Table | Note]:
    parts: list[Figure | Table | Note] = []
    for name, title, why in (
        ("baselines", "Baselines beside the model", "No baselines were run on the same folds."),
        ("seeds", "Seeds", "One seed, or seeds were not kept apart."),
    ):
        table = data.optional(name)
        if table is None:
            parts.append(Note(why, title, absent=True))
            continue
        size = (4.8, 1.1 + 0.26 * len(table))
        values = "; ".join(f"{label} {fixed(value).text}" for label, value in table.get("sharpe_net", {}).items())
        parts.append(
            Figure(f"{title}: net Sharpe", f"Net Sharpe through the same strategy: {values}.",
                   partial(plot_models, table=table), "The same folds, the same strategy.", size)
        )  # fmt: skip
        used = [item for item in _FIGURES if item[0] == "model" or (item[0] in table and table[item[0]].notna().any())]
        notes = table["note"].fillna("").items() if "note" in table else ()
        caption = " ".join(f"{label}: {note}." for label, note in notes if note)
        parts.append(plain_table(title, table.rename_axis("model").reset_index(), used, caption=caption, wide=True))
    return parts


def _receipts(data: RunData) -> list[Table | Note]:
    receipts = data.optional("receipts")
    if receipts is None:
        return [
            Note("None: nothing proves what the model had seen when it made a prediction.", "Receipts", absent=True)
        ]
    table = receipts.rename_axis("session").reset_index()
    shown, rest = first_rows(table, _MOST_ROWS)
    form = [
        ("session", "from", said), ("fold", "fold", number), ("model_id", "model", said),
        ("trained_through", "trained through", said), ("preprocessing_fit_through", "preprocessing through", said),
        ("labels_known_through", "labels known through", said), ("available_at", "available at", said),
    ]  # fmt: skip
    about = f"{plural(len(table), 'receipt')}, each checked against the sessions it covers. {rest}"
    return [plain_table("Receipts", shown, form, caption=about.strip(), wide=True)]
