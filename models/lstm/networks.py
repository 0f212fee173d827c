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
    """LSTM, dropout, and two heads: three action logits, then one return.

    Read backwards as well, a window's last state is beside it the first one of the backward pass, which has seen the
    whole window. With attention the heads also read Σ aₛ·hₛ, a = softmax(hₛ · W·h_last) (Luong et al. 2015).
    """

    def __init__(
        self,
        n_features: int,
        hidden: int,
        dropout: float,
        *,
        depth: int = 1,
        bidirectional: bool = False,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.whole = hidden, bidirectional or attention
        between = dropout if depth > 1 else 0.0
        self.lstm = nn.LSTM(n_features, hidden, depth, dropout=between, bidirectional=bidirectional, batch_first=True)
        width = hidden * (2 if bidirectional else 1)
        self.match = nn.Linear(width, width, bias=False) if attention else None
        self.dropout = nn.Dropout(dropout)
        width *= 2 if attention else 1
        self.action = nn.Linear(width, 3)
        self.value = nn.Linear(width, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        if self.whole and steps != 1:
            raise ValueError("a network that looks over its whole window answers for the last step alone")
        states, _ = self.lstm(inputs)
        read = states[:, -steps:]
        if self.lstm.bidirectional:
            read = torch.cat([states[:, -1:, : self.hidden], states[:, :1, self.hidden :]], dim=-1)
        if self.match is not None:
            weights = torch.softmax(states @ self.match(read).transpose(1, 2), dim=1)
            read = torch.cat([read, (weights * states).sum(dim=1, keepdim=True)], dim=-1)
        shared = self.dropout(read)
        return torch.cat([self.action(shared), self.value(shared)], dim=-1)


class _Block(nn.Module):
    """LSTM, batch normalisation over batch and steps (or none), dropout."""

    def __init__(self, n_inputs: int, units: int, dropout: float, *, normed: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, units, batch_first=True)
        self.norm = nn.BatchNorm1d(units, eps=1e-3) if normed else nn.Identity()
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

    def __init__(
        self, n_features: int, units: int, dense: int, dropout: float, dense_dropout: float, *, normed: bool = True
    ) -> None:
        super().__init__()
        self.first = _Block(n_features, units, dropout, normed=normed)
        self.second = _Block(units, units, dropout, normed=normed)
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
