"""alphalens-reloaded: the documented path, and the information coefficient alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alphalens.performance import factor_information_coefficient, mean_return_by_quantile
from alphalens.utils import get_clean_factor_and_forward_returns
from inputs import Inputs

Run = Callable[[], dict[str, Any]]


def _clean(data: Inputs) -> Callable[[], Any]:
    factor = data.frame("score").stack()
    factor.index.names = ["date", "asset"]
    prices = data.frame("close").shift(-1).iloc[:-1]  # a score of t is bought at the close of t + 1

    def clean() -> Any:
        return get_clean_factor_and_forward_returns(factor, prices, quantiles=5, periods=(1,), filter_zscore=None)

    return clean


def _figures(clean: Any) -> dict[str, Any]:
    means, _ = mean_return_by_quantile(clean, demeaned=False)
    rank_ic = factor_information_coefficient(clean).iloc[:, 0].to_numpy()
    return {"rank_ic": rank_ic, **{f"quantile_{q}": value for q, value in means.iloc[:, 0].items()}}


def ic(data: Inputs) -> Run:
    """From the frames: joined, binned, then both figures."""
    clean = _clean(data)
    return lambda: _figures(clean())


def ic_ready(data: Inputs) -> Run:
    """Both figures of a frame that is joined and binned already."""
    ready = _clean(data)()
    return lambda: _figures(ready)
