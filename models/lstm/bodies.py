"""Other bodies for a network that ranks: GRU, dilated causal convolutions, a patch transformer, and a linear one.

Each reads (B, S, F) and answers for the last `steps` sessions, (B, steps, 1), each from sessions up to its own. The
transformer and the linear one read exactly their lookback for every step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from assay.data.errors import InputError

__all__ = ["ConvolutionNetwork", "GraphNetwork", "GruNetwork", "LinearNetwork", "PatchNetwork", "WindowNetwork"]


class GruNetwork(nn.Module):
    """Stacked GRU with dropout between the layers, and a linear score (Cho et al. 2014)."""

    def __init__(self, n_features: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(n_features, hidden, layers, dropout=dropout if layers > 1 else 0.0, batch_first=True)
        self.score = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        states, _ = self.gru(inputs)
        scores: Tensor = self.score(states[:, -steps:])
        return scores


class _Residual(nn.Module):
    """Two dilated convolutions that see the past alone, each with a rectifier and dropout, added to their input."""

    def __init__(self, inputs: int, hidden: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.first = nn.Conv1d(inputs, hidden, kernel, dilation=dilation)
        self.second = nn.Conv1d(hidden, hidden, kernel, dilation=dilation)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Conv1d(inputs, hidden, 1) if inputs != hidden else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        out = values
        for layer in (self.first, self.second):
            out = self.dropout(functional.relu(layer(functional.pad(out, (self.reach, 0)))))
        skipped: Tensor = self.skip(values)
        return functional.relu(out + skipped)


class ConvolutionNetwork(nn.Module):
    """Temporal convolutional network: residual blocks with dilation 1, 2, 4 … (Bai, Kolter & Koltun 2018)."""

    def __init__(self, n_features: int, hidden: int, layers: int, dropout: float, kernel: int = 3) -> None:
        super().__init__()
        widths = [n_features, *[hidden] * layers]
        self.blocks = nn.Sequential(
            *(_Residual(widths[i], widths[i + 1], kernel, 2**i, dropout) for i in range(layers))
        )
        self.score = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        states = self.blocks(inputs.transpose(1, 2)).transpose(1, 2)
        scores: Tensor = self.score(states[:, -steps:])
        return scores


class LinearNetwork(nn.Module):
    """A moving average and what is left after it, each through one linear map over the lookback (Zeng et al. 2023).

    The maps are convolutions of the lookback's length, so that every step reads exactly its own window.
    """

    def __init__(self, n_features: int, lookback: int, smooth: int) -> None:
        super().__init__()
        self.smooth = smooth
        self.trend = nn.Conv1d(n_features, 1, lookback)
        self.rest = nn.Conv1d(n_features, 1, lookback)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        values = inputs.transpose(1, 2)
        padded = functional.pad(values, (self.smooth - 1, 0), mode="replicate")
        average = functional.avg_pool1d(padded, self.smooth, stride=1)
        scores = self.trend(average) + self.rest(values - average)
        answer: Tensor = scores[:, :, -steps:].transpose(1, 2)
        return answer


class PatchNetwork(nn.Module):
    """Patches of sessions as tokens through a transformer encoder (after Nie et al. 2023), and a linear score.

    Every step has its own window of tokens, so that it reads what it would read alone; a patch that several steps share
    is embedded once.
    """

    def __init__(
        self, n_features: int, lookback: int, patch: int, hidden: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.patch, self.count = patch, lookback // patch
        self.embed = nn.Linear(n_features * patch, hidden)
        self.position = nn.Parameter(torch.zeros(self.count, hidden))
        nn.init.normal_(self.position, std=0.02)
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 2 * hidden, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        last = inputs[:, -(self.count * self.patch + steps - 1) :]
        patches = last.unfold(1, self.patch, 1).transpose(2, 3)  # (B, ends of patches, sessions, F)
        every = self.embed(patches.reshape(*patches.shape[:2], -1))
        own = every.unfold(1, (self.count - 1) * self.patch + 1, 1)[..., :: self.patch]  # (B, steps, hidden, count)
        tokens = own.permute(0, 1, 3, 2).reshape(-1, self.count, every.shape[-1]) + self.position
        scores: Tensor = self.score(self.norm(self.encoder(tokens).mean(dim=1)))
        return scores.reshape(len(inputs), steps, 1)


class GraphNetwork(nn.Module):
    """An LSTM for each asset, then a message from every asset of the session to every other, and a linear score.

    The graph is complete and its edges are learnt: an asset hears Σⱼ aᵢⱼ·V hⱼ, a = softmax over j of (Q hᵢ · K hⱼ)/√H
    (graph attention, Veličković et al. 2018, in the scaled dot-product form). A message is of the same session, so the
    network is causal. An asset without data, whose inputs are 0, is not heard.
    """

    reads_market = True

    def __init__(self, n_features: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, layers, dropout=dropout if layers > 1 else 0.0, batch_first=True)
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(2 * hidden, 1)

    def forward(self, inputs: Tensor, steps: int = 1, assets: int = 1) -> Tensor:
        states = self.lstm(inputs)[0][:, -steps:]
        hidden = states.shape[-1]

        def by_session(values: Tensor) -> Tensor:
            return values.reshape(-1, assets, steps, values.shape[-1]).transpose(1, 2)

        known = by_session((inputs[:, -steps:] != 0).any(dim=-1, keepdim=True).to(states.dtype))[..., 0]
        nodes = by_session(states)
        match = self.query(nodes) @ self.key(nodes).transpose(-1, -2) / hidden**0.5
        heard = torch.softmax(match.masked_fill(known.unsqueeze(-2) == 0, -1e9), dim=-1) @ self.value(nodes)
        heard = heard.transpose(1, 2).reshape(states.shape)
        scores: Tensor = self.score(self.dropout(torch.cat([states, heard], dim=-1)))
        return scores


class WindowNetwork(nn.Module):
    """Somebody's module, which maps (B, S, F) to (B,) or (B, 1), answering (B, 1, 1)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor, steps: int = 1) -> Tensor:
        answers: Tensor = self.module(inputs)
        if steps != 1 or answers.numel() != len(inputs):
            raise InputError(
                f"module: expected one number a window, ({len(inputs)},) or ({len(inputs)}, 1), "
                f"got {tuple(answers.shape)}; end it with a linear layer of one output"
            )
        return answers.reshape(-1, 1, 1)
