"""Losses in PyTorch: within-date rank correlation, focal loss, penalties.

Rank losses take one cross-section a row, (D, N) with a mask: ranking stocks against those of another day means
nothing, so a batch is whole dates.

References
----------
Elkan, C. (2001). The Foundations of Cost-Sensitive Learning. IJCAI.
Huber, P. J. (1964). Robust Estimation of a Location Parameter. Annals of Mathematical Statistics 35(1).
Lin, T.-Y., Goyal, P., Girshick, R., He, K., Dollár, P. (2017). Focal Loss for Dense Object Detection. ICCV.
Qin, T., Liu, T.-Y., Li, H. (2010). A General Approximation Framework for Direct Optimization of Information Retrieval
Measures. Information Retrieval 13(4). (Ranks as sums of sigmoids of pairwise differences.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "LEAST_NAMES",
    "correlation",
    "expected_cost",
    "focal_loss",
    "hard_ranks",
    "kernel_penalty",
    "rank_loss",
    "rank_parts",
    "report_rank_loss",
    "report_rank_parts",
    "soft_ranks",
    "standardised",
]

#: A date with fewer names than this teaches no order.
LEAST_NAMES = 3
_TINY = 1e-12


def soft_ranks(values: Tensor, temperature: float, mask: Tensor) -> Tensor:
    """Differentiable ranks within each row, centred on 0, (D, N).

    A rank is Σⱼ σ((xᵢ - xⱼ)/τ) up to a constant. Since σ(u) = ½ + ½·tanh(u/2), the part that matters is
    ½·Σⱼ tanh((xᵢ - xⱼ)/2τ): antisymmetric, so a row sums to 0 without a large mean being taken off again, and bounded
    whatever the temperature.

    Parameters
    ----------
    values : (D, N), one cross-section a row.
    temperature : τ > 0, in the units of `values`; far below their spread the ranks are hard, far above it they are
        linear in the values.
    mask : (D, N) bool; masked-out entries neither get a rank nor count in another's.

    """
    kept = mask.to(values.dtype)
    filled = torch.where(mask, values, torch.zeros_like(values))
    pairs = torch.tanh((filled.unsqueeze(2) - filled.unsqueeze(1)) / (2.0 * temperature))
    return 0.5 * (pairs * kept.unsqueeze(1)).sum(dim=2) * kept


def hard_ranks(values: Tensor, mask: Tensor) -> Tensor:
    """Ranks within each row, average over ties, centred on 0; 0 where masked out, (D, N)."""
    filled = torch.where(mask, values, torch.zeros_like(values))
    sign = torch.sign(filled.unsqueeze(2) - filled.unsqueeze(1))
    kept = mask.to(values.dtype)
    return 0.5 * (sign * kept.unsqueeze(1)).sum(dim=2) * kept


def standardised(values: Tensor, mask: Tensor) -> Tensor:
    """Each row less its mean, over its standard deviation (ddof 0); 0 where masked out, (D, N)."""
    kept = mask.to(values.dtype)
    count = kept.sum(dim=1, keepdim=True).clamp(min=1.0)
    filled = torch.where(mask, values, torch.zeros_like(values))
    centred = (filled - filled.sum(dim=1, keepdim=True) / count) * kept
    spread = torch.sqrt((centred**2).sum(dim=1, keepdim=True) / count + _TINY)
    return centred / spread


def correlation(left: Tensor, right: Tensor, mask: Tensor) -> Tensor:
    """Pearson correlation within each row over the masked entries, (D,); 0 where one side does not vary."""
    return (standardised(left, mask) * standardised(right, mask)).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _usable(mask: Tensor) -> Tensor:
    return mask.sum(dim=1) >= LEAST_NAMES


def _mean_over(values: Tensor, kept: Tensor) -> Tensor:
    weight = kept.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def report_rank_parts(
    predicted: Tensor, actual: Tensor, mask: Tensor, *, temperature: float, delta: float, rank_weight: float
) -> tuple[Tensor, Tensor]:
    """The two terms of `report_rank_loss`, each with its weight."""
    safe = torch.where(mask, actual, torch.zeros_like(actual))
    agreement = correlation(soft_ranks(predicted, temperature, mask), soft_ranks(safe, temperature, mask), mask)
    return _terms(agreement, predicted, safe, mask, delta, rank_weight)


def _terms(
    agreement: Tensor, predicted: Tensor, safe: Tensor, mask: Tensor, delta: float, rank_weight: float
) -> tuple[Tensor, Tensor]:
    huber = functional.huber_loss(predicted, safe, delta=delta, reduction="none")
    return rank_weight * _mean_over(1.0 - agreement, _usable(mask)), (1.0 - rank_weight) * _mean_over(huber, mask)


def report_rank_loss(
    predicted: Tensor, actual: Tensor, mask: Tensor, *, temperature: float, delta: float, rank_weight: float
) -> Tensor:
    """The ranking report's loss: w·(1 - correlation of soft ranks) + (1 - w)·Huber, the rank part within dates.

    Both sides are soft-ranked on their raw values. At τ 0.05 daily returns, whose spread is about 0.02, lie in the
    linear part of the sigmoid, so this correlation is nearly Pearson's.

    Parameters
    ----------
    predicted, actual : (D, N) returns, decimal.
    mask : (D, N) bool.
    temperature : τ of the soft ranks, in units of return.
    delta : where Huber's loss turns linear, in units of return.
    rank_weight : w in [0, 1].

    """
    rank, huber = report_rank_parts(
        predicted, actual, mask, temperature=temperature, delta=delta, rank_weight=rank_weight
    )
    return rank + huber


def rank_parts(
    predicted: Tensor, actual: Tensor, mask: Tensor, *, temperature: float, delta: float, rank_weight: float
) -> tuple[Tensor, Tensor]:
    """The two terms of `rank_loss`, each with its weight."""
    safe = torch.where(mask, actual, torch.zeros_like(actual))
    ranks = soft_ranks(standardised(predicted, mask), temperature, mask)
    return _terms(correlation(ranks, hard_ranks(safe, mask), mask), predicted, safe, mask, delta, rank_weight)


def rank_loss(
    predicted: Tensor, actual: Tensor, mask: Tensor, *, temperature: float, delta: float, rank_weight: float
) -> Tensor:
    """The robust form: predictions standardised within the date and soft-ranked, targets hard-ranked.

    It does not depend on the scale of either side, so the temperature (in standard deviations of the day's
    predictions) means the same for any market, and one wild return moves one rank. Huber's part, on returns in units
    of their training spread, keeps sign and magnitude.
    """
    rank, huber = rank_parts(predicted, actual, mask, temperature=temperature, delta=delta, rank_weight=rank_weight)
    return rank + huber


def focal_loss(logits: Tensor, classes: Tensor, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Mean of (1 - p)^γ·(-log p) of the true class (Lin et al. 2017); γ = 0 is cross-entropy.

    Parameters
    ----------
    logits : (B, C).
    classes : (B,) int64.
    gamma : focus on what is still wrong, >= 0.
    weights : (B,) importance of each row, or None.

    """
    log_p = functional.log_softmax(logits, dim=-1).gather(-1, classes.unsqueeze(-1)).squeeze(-1)
    losses = (1.0 - log_p.exp()).clamp(min=0.0) ** gamma * -log_p
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum().clamp(min=_TINY)


def expected_cost(logits: Tensor, classes: Tensor, costs: Sequence[float], weights: Tensor | None = None) -> Tensor:
    """Mean over rows of Σₖ pₖ·c(true class, k): what the predicted probabilities would cost (Elkan 2001).

    Parameters
    ----------
    logits : (B, C).
    classes : (B,) int64.
    costs : C·C numbers, a row for each true class.
    weights : (B,) importance of each row, or None.

    """
    table = torch.as_tensor(costs, dtype=logits.dtype, device=logits.device).reshape(logits.shape[-1], -1)
    losses = (functional.softmax(logits, dim=-1) * table[classes]).sum(dim=-1)
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum().clamp(min=_TINY)


def kernel_penalty(network: nn.Module) -> Tensor:
    """Sum of squares of the LSTM layers' input kernels: what Keras's ``kernel_regularizer`` punishes."""
    total = torch.zeros(())
    for name, weight in network.named_parameters():
        if "weight_ih" in name:
            total = total.to(weight.device) + (weight**2).sum()
    return total
