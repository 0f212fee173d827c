"""The four networks. Each reads (B, S, F) and answers for the last `steps` sessions, (B, steps, outputs).

A network that answers for more than one step must be causal within its input: step s from sessions up to s. The LSTMs
are; the one with attention looks over its whole window and therefore answers for the last step alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["DirectionNetwork", "MultiTaskNetwork", "PriceNetwork", "RankingNetwork", "keras_count", "parameter_counts"]


class RankingNetwork(nn.Module):
    """Stacked LSTM with dropout between the layers, and a linear score."""

    def __init__(self, n_features: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(n_features, hidden, layers, dropout=between, batch_first=True)
        self.score = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        states, _ = self.lstm(inputs)
        answer: Tensor = self.score(states[:, -steps:])
        return answer


class MultiTaskNetwork(nn.Module):
    """One LSTM, dropout, and two heads: three action logits, then one return."""

    def __init__(self, n_features: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.action = nn.Linear(hidden, 3)
        self.value = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        states, _ = self.lstm(inputs)
        shared = self.dropout(states[:, -steps:])
        return torch.cat([self.action(shared), self.value(shared)], dim=-1)


class _Block(nn.Module):
    """LSTM, batch normalisation over batch and steps, dropout."""

    def __init__(self, n_inputs: int, units: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, units, batch_first=True)
        self.norm = nn.BatchNorm1d(units, eps=1e-3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, steps: int | None = None) -> Tensor:
        states, _ = self.lstm(inputs)
        if steps is not None:
            states = states[:, -steps:]
        normal = self.norm(states.reshape(-1, states.shape[-1])).reshape(states.shape)
        answer: Tensor = self.dropout(normal)
        return answer


class _Attention(nn.Module):
    """Scaled dot-product self-attention over the steps of a window, one head, added to its input."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(units, units) for _ in range(3))

    def forward(self, states: Tensor) -> Tensor:
        match = self.query(states) @ self.key(states).transpose(1, 2) / math.sqrt(states.shape[-1])
        answer: Tensor = states + torch.softmax(match, dim=-1) @ self.value(states)
        return answer


class DirectionNetwork(nn.Module):
    """LSTM, LSTM, attention, LSTM, each with batch normalisation; dense 64 and 32; one logit."""

    def __init__(self, n_features: int, units: Sequence[int], dense: Sequence[int], dropout: float) -> None:
        super().__init__()
        first, second, third = units
        self.first = _Block(n_features, first, dropout)
        self.second = _Block(first, second, dropout)
        self.attention = _Attention(second)
        self.third = _Block(second, third, dropout)
        layers: list[nn.Module] = []
        width = third
        for size in dense:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.dense = nn.Sequential(*layers, nn.Linear(width, 1))
        keras_start(self)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        if steps != 1:
            raise ValueError("attention looks over the whole window: it answers for the last step alone")
        states = self.attention(self.second(self.first(inputs)))
        answer: Tensor = self.dense(self.third(states, steps=1))
        return answer


class PriceNetwork(nn.Module):
    """Two blocks of LSTM, batch normalisation and dropout; dense 25; the next price, scaled."""

    def __init__(self, n_features: int, units: int, dense: int, dropout: float, dense_dropout: float) -> None:
        super().__init__()
        self.first = _Block(n_features, units, dropout)
        self.second = _Block(units, units, dropout)
        self.dense = nn.Sequential(nn.Linear(units, dense), nn.ReLU(), nn.Dropout(dense_dropout), nn.Linear(dense, 1))
        keras_start(self)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        answer: Tensor = self.dense(self.second(self.first(inputs), steps))
        return answer


def keras_start(network: nn.Module) -> None:
    """Start as Keras does: Glorot kernels, orthogonal recurrent kernels, zero biases, forget gates at 1."""
    for name, weight in network.named_parameters():
        if "weight_ih" in name or (weight.dim() == 2 and "weight_hh" not in name):
            nn.init.xavier_uniform_(weight)
        elif "weight_hh" in name:
            for gate in weight.data.chunk(4):
                nn.init.orthogonal_(gate)
        elif "norm" not in name:
            nn.init.zeros_(weight)
        if "bias_ih" in name:
            quarter = weight.shape[0] // 4
            weight.data[quarter : 2 * quarter] = 1.0


def keras_count(network: nn.Module) -> int:
    """Parameters as Keras counts them: one bias a gate (PyTorch keeps two), batch norm's running moments included."""
    total = sum(p.numel() for name, p in network.named_parameters() if "bias_hh" not in name)
    moments = sum(b.numel() for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var")))
    return total + moments


def parameter_counts(network: nn.Module) -> dict[str, int]:
    """``{"torch": trainable parameters here, "keras": the same network by Keras's count}``."""
    return {"torch": sum(p.numel() for p in network.parameters()), "keras": keras_count(network)}
