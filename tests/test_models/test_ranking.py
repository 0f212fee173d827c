"""The ranking model: its loss, its parameter count, and that it finds what is planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from assay.data.errors import InputError
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.lstm import losses
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.networks import DirectionNetwork, RankingNetwork, parameter_counts
from assay.models.lstm.windows import Pieces
from assay.models.stock_lstm import StockLSTM, StockLSTMClose


def everything(rows: int, names: int) -> torch.Tensor:
    return torch.ones(rows, names, dtype=torch.bool)


def report_soft_rank(x: torch.Tensor, temperature: float) -> torch.Tensor:
    """Sum of sigmoids of pairwise differences, one cross-section, as the report states it."""
    return torch.sigmoid((x[:, None] - x[None, :]) / temperature).sum(dim=1)


def test_parameter_count_is_the_architectures_not_the_reports() -> None:
    assert parameter_counts(StockLSTM().network(14))["torch"] == 205_953
    assert parameter_counts(StockLSTMClose().network(10))["torch"] == 203_905


def test_soft_ranks_equal_the_reports_up_to_a_constant() -> None:
    x = torch.randn(7, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = losses.soft_ranks(x, 0.3, everything(7, 12))
    for row, ranks in zip(x, ours, strict=True):
        theirs = report_soft_rank(row, 0.3)
        torch.testing.assert_close(ranks, theirs - theirs.mean())


def test_soft_ranks_become_ranks_and_stay_finite_at_any_scale() -> None:
    x = torch.tensor([[3e4, -1e4, 0.0, 5.0]])
    x.requires_grad_()
    ranks = losses.soft_ranks(x, 1e-4, everything(1, 4))
    assert ranks.tolist() == [[1.5, -1.5, -0.5, 0.5]]
    ranks.square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_hard_ranks_equal_scipys() -> None:
    x = torch.tensor([[0.3, 0.1, 0.3, -2.0, 0.5]])
    expected = stats.rankdata(x[0].numpy())
    assert losses.hard_ranks(x, everything(1, 5))[0].tolist() == (expected - expected.mean()).tolist()


def test_a_masked_name_counts_nowhere() -> None:
    generator = torch.Generator().manual_seed(2)
    p, y = torch.randn(4, 9, generator=generator), torch.randn(4, 9, generator=generator)
    mask = everything(4, 9)
    mask[:, 3] = False
    spoilt = y.clone()
    spoilt[:, 3] = float("nan")
    keep = [i for i in range(9) if i != 3]
    for form in (losses.rank_loss, losses.report_rank_loss):
        settings = {"temperature": 0.2, "delta": 0.05, "rank_weight": 0.7}
        full = form(p, spoilt, mask, **settings)
        torch.testing.assert_close(full, form(p[:, keep], y[:, keep], everything(4, 8), **settings))


def test_perfect_order_costs_nothing_and_reversed_order_two() -> None:
    y = torch.linspace(-2, 2, 20).repeat(3, 1)
    settings = {"temperature": 1e-3, "delta": 0.05, "rank_weight": 1.0}
    for form in (losses.rank_loss, losses.report_rank_loss):
        assert form(3 * y, y, everything(3, 20), **settings).item() == pytest.approx(0.0, abs=1e-5)
        assert form(-y, y, everything(3, 20), **settings).item() == pytest.approx(2.0, abs=1e-5)


def test_the_reports_loss_on_daily_returns_is_nearly_a_pearson_correlation() -> None:
    generator = torch.Generator().manual_seed(3)
    p, y = 0.02 * torch.randn(50, 40, generator=generator), 0.02 * torch.randn(50, 40, generator=generator)
    y[:, 0] = 0.08  # one wild return a day
    soft = 1 - losses.report_rank_loss(p, y, everything(50, 40), temperature=0.05, delta=0.05, rank_weight=1.0)
    pearson = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.numpy(), y.numpy(), strict=True)])
    spearman = np.mean([stats.spearmanr(a, b)[0] for a, b in zip(p.numpy(), y.numpy(), strict=True)])
    assert abs(soft.item() - pearson) < 0.02
    assert abs(soft.item() - spearman) > 2 * abs(soft.item() - pearson)


def test_the_robust_loss_does_not_depend_on_scale() -> None:
    generator = torch.Generator().manual_seed(4)
    p, y = torch.randn(10, 30, generator=generator), torch.randn(10, 30, generator=generator)
    mask = everything(10, 30)
    settings = {"temperature": 0.25, "delta": 2.5, "rank_weight": 1.0}
    small = losses.rank_loss(0.01 * p, 0.02 * y, mask, **settings)
    torch.testing.assert_close(small, losses.rank_loss(p, y, mask, **settings), rtol=1e-4, atol=1e-5)
    wild = y.clone()
    wild[:, 5] = y.max(dim=1).values * 1e4
    ranked = y.clone()
    ranked[:, 5] = y.max(dim=1).values + 1.0
    with_wild, with_next = (losses.rank_loss(p, actual, mask, **settings) for actual in (wild, ranked))
    torch.testing.assert_close(with_wild, with_next)


def test_a_batch_is_whole_dates_and_mixing_dates_would_rank_days() -> None:
    """Each day shifts all its returns; an order within days does not see it, one over mixed rows sees little else."""
    rng = np.random.default_rng(5)
    T, N, K = 24, 8, 4
    day = 0.05 * rng.standard_normal((T, 1))
    returns = day + 0.01 * rng.standard_normal((T, N))
    own = returns - day  # a perfect order within each day, blind to the day
    targets = np.zeros((N, T + K, 1), dtype=np.float32)
    targets[:, :T, 0] = returns.T
    inputs = np.zeros((N, T + K, 1), dtype=np.float32)
    inputs[:, :T, 0] = own.T
    usable = np.zeros((N, T + K), dtype=bool)
    usable[:, :T] = True
    sample = TrainingRows(Pieces(inputs, 1, K), targets, usable, np.ones((N, T + K), np.float32), whole_dates=True)
    settings = {"temperature": 1e-3, "delta": 0.05, "rank_weight": 1.0}
    seen = 0
    for batch in sample.epoch(0, T, 32, np.random.default_rng(0)):
        scores, actual, mask = (batch.by_date(v) for v in (batch.inputs[..., 0], batch.targets[..., 0], batch.mask))
        for values, kept in zip(actual.numpy(), mask.numpy(), strict=True):
            if kept.any():
                seen += 1
                assert any(np.allclose(values, row.astype(np.float32)) for row in returns)
        assert losses.rank_loss(scores, actual, mask, **settings).item() < 1e-3
    assert seen == T
    mixed_p = torch.from_numpy(own.ravel()[None].astype(np.float32))
    mixed_y = torch.from_numpy(returns.ravel()[None].astype(np.float32))
    assert losses.rank_loss(mixed_p, mixed_y, everything(1, T * N), **settings).item() > 0.5


def test_it_finds_a_planted_signal() -> None:
    prices, oracle = synthetic_market(520, 40, ic=0.15, seed=2)
    cut = 399
    model = load_model("stock_lstm", preset="small", lookback=10, chunk=20, hidden=12, epochs=8)
    fitted = model.fit(prices.through(prices.sessions[cut]), horizon=1, delay=1, seed=0)
    ahead = forward_returns(prices)
    own = fitted.predict(prices).score.iloc[cut + 1 :].corrwith(ahead.iloc[cut + 1 :], axis=1).mean()
    best = oracle.score.iloc[cut + 1 :].corrwith(ahead.iloc[cut + 1 :], axis=1).mean()
    assert own > 0.8 * best
    assert fitted.training_log["validation"]["rank_ic"] > 0
    assert {"momentum_20", "reversal_1"} == set(fitted.training_log["baselines"])


def test_parameters_that_cannot_be() -> None:
    for name, value in (("rank_loss", "soft"), ("temperature", 0.0), ("rank_weight", 2.0), ("per_asset", True)):
        with pytest.raises(InputError, match="stock_lstm"):
            StockLSTM(**{name: value})
    attentive = DirectionNetwork(3, (4, 4, 4), (4, 4), 0.0)
    with pytest.raises(ValueError, match="last step"):
        attentive(torch.zeros(2, 5, 3), steps=2)
    assert RankingNetwork(3, 4, 1, 0.5).lstm.dropout == 0.0
