"""What a model's out-of-sample predictions are worth as predictions, beside those of its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from assay.data.labels import action_labels, up_down
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.results.evidence.forecasts import Outcomes, chosen_actions, forecast_metrics
from assay.results.stats.information_coefficient import ic_metrics, ic_table
from assay.results.stats.performance import sharpe_interval

__all__ = ["BASELINES", "comparison", "fold_metrics", "prediction_metrics"]

#: Models that run beside every other.
BASELINES = ("zero", "momentum", "reversal", "majority", "ridge", "gradient_boosting")


def prediction_metrics(predictions: PredictionPanel, prices: PricePanel, *, fill: Any = None) -> dict[str, float]:
    """Figures of the predictions alone, by what they predict.

    Parameters
    ----------
    predictions : out of sample.
    prices : the panel they are about.
    fill : which price the windows run between.

    Returns
    -------
    dict
        rank_ic, rank_ic_t, rank_ic_ir_ann for what can be ranked; mae, rmse, bias for return scores; precision,
        recall, f1, predicted_up for probabilities; what `forecasts.forecast_metrics` says of either (R²,
        U2, Diebold–Mariano …; AUC, Brier and its parts, MCC …); action_accuracy, action_macro_f1, action_weighted_f1,
        action_base_rate (the share of the commonest action, which is the accuracy of always saying it) for actions.

    """
    from assay.models.metrics import action_metrics, direction_metrics, return_metrics

    span: dict[str, Any] = {"horizon": predictions.horizon, "delay": predictions.delay, "fill": fill}

    def on_stamps(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.reindex(index=predictions.sessions, columns=predictions.assets)

    ahead = forward_returns(prices, **span)
    forward = on_stamps(ahead)
    out: dict[str, float] = {}
    ranked = predictions.score if predictions.score is not None else predictions.probability_up
    if ranked is not None:
        figures = {m.name: m.value for m in ic_metrics(ic_table(ranked, forward), predictions.horizon)}
        out |= {"rank_ic": figures["rank_ic_mean"], "rank_ic_t": figures["rank_ic_t"]}
        out["rank_ic_ir_ann"] = figures["rank_ic_ir_ann"]
    if predictions.score is not None and predictions.unit == "return":
        found = return_metrics(predictions.score.to_numpy(), forward.to_numpy())
        out |= {name: value for name, value in found.items() if name != "n"}
    if predictions.probability_up is not None:
        up = on_stamps(up_down(prices, **span))
        found = direction_metrics(predictions.probability_up.to_numpy(), up.to_numpy())
        out |= {name: value for name, value in found.items() if name != "n"}
    outcomes = Outcomes(ahead, predictions.horizon, predictions.delay)
    out |= {metric.name: metric.value for metric in forecast_metrics(predictions, outcomes)}
    if predictions.action is not None:
        chosen = chosen_actions(predictions)
        actual = on_stamps(action_labels(prices, **span)).to_numpy()
        judged = action_metrics(chosen, actual)
        out |= {
            f"action_{name}": float(str(judged[name]))
            for name in ("accuracy", "macro_f1", "weighted_f1")
            if name in judged
        }
        both = actual[np.isfinite(chosen) & np.isfinite(actual)].astype(int)
        if len(both):
            out["action_base_rate"] = float(np.bincount(both).max() / len(both))
    return out


def comparison(
    strategy: Any,
    panels: Mapping[str, PredictionPanel],
    prices: PricePanel,
    *,
    costs: CostModel,
    execution: Execution,
    benchmark: pd.Series | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a model: the figures of its predictions, and the net Sharpe ratio of the strategy on them; and what it
    earned, (T, models) net returns a session.

    Parameters
    ----------
    strategy : what trades the predictions; a panel that it cannot read has no Sharpe ratio, and `note` says why.
    panels : name → out-of-sample predictions, the model's own first.

    """
    from assay.data.errors import BacktestError

    rows, books = {}, {}
    for name, panel in panels.items():
        row: dict[str, Any] = dict(prediction_metrics(panel, prices, fill=execution.fill_at(prices)))
        try:
            result = run_backtest(
                strategy, panel, prices, costs=costs, execution=execution, benchmark=benchmark, keep="returns"
            )
            books[name] = result.returns
            excess = result.over_cash(result.returns).to_numpy()
            row["sharpe_net"], row["sharpe_low"], row["sharpe_high"] = sharpe_interval(excess)
            row["note"] = ""
        except BacktestError as error:
            row["note"] = str(error)
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "model"
    return table, pd.DataFrame(books)


def fold_metrics(
    predictions: PredictionPanel, folds: pd.DataFrame, prices: PricePanel, *, fill: Any = None
) -> pd.DataFrame:
    """A row a fold: `prediction_metrics` of its test sessions alone.

    Parameters
    ----------
    predictions : of the whole walk-forward.
    folds : with columns fold, test_start and test_end.
    prices : the panel they are about.
    fill : which price the windows run between.

    """
    rows = []
    for fold in folds.itertuples(index=False):
        span = slice(fold.test_start, fold.test_end)
        own = replace(predictions, receipts=None).map(lambda frame, span=span: frame.loc[span])
        rows.append({"fold": fold.fold, "sessions": len(own.sessions), **prediction_metrics(own, prices, fill=fill)})
    return pd.DataFrame(rows)
