"""A network's answers for every row of a panel, in blocks whose shape depends on nothing but the recipe."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from assay.data.errors import InputError
from assay.models.lstm.training import forward
from assay.models.lstm.windows import Pieces

__all__ = ["BLOCK_WINDOWS", "score_rows"]

#: Rows that a block of scoring holds at least; small enough for any memory, large enough to keep a core busy.
BLOCK_WINDOWS, _BLOCK_PIECES = 512, 64


def score_rows(
    network: nn.Module, pieces: Pieces, first: int = 0, *, outputs: int = 1, device: str = "cpu", bf16: bool = False
) -> np.ndarray:
    """Answers for every row from lookback - 1 on, (T, N, outputs) float64; NaN before that and before row `first`.

    Rows are scored in blocks of one fixed shape, counted from row lookback - 1 whatever T and `first` are, so that
    neither a shorter panel nor a later start changes a bit of what is left. Call it inside `deterministic`.
    """
    n_assets, steps = len(pieces.inputs), pieces.steps
    n_rows = pieces.inputs.shape[1] - steps
    together = min(n_assets, BLOCK_WINDOWS)
    deep = max(1, (BLOCK_WINDOWS if steps == 1 else _BLOCK_PIECES) // together)
    if getattr(network, "reads_market", False) and n_assets > together:
        raise InputError(f"a network over the whole market takes at most {BLOCK_WINDOWS} assets, got {n_assets}")
    begin = pieces.lookback - 1
    out = np.full((n_rows, n_assets, outputs), np.nan)
    network.eval()
    with torch.inference_mode():
        for block in range(begin, n_rows, deep * steps):
            if block + deep * steps <= first:
                continue
            starts = np.minimum(block + steps * np.arange(deep), n_rows - 1)
            for low in range(0, n_assets, together):
                members = np.minimum(np.arange(low, low + together), n_assets - 1)
                batch = torch.from_numpy(pieces.gather(np.tile(members, deep), np.repeat(starts, together)))
                answer = forward(network, batch.to(device), steps, bf16, together).cpu().numpy()
                answer = answer.reshape(deep, together, steps, -1).transpose(0, 2, 1, 3).reshape(
                    deep * steps, together, -1
                )  # fmt: skip
                high, end = min(low + together, n_assets), min(block + deep * steps, n_rows)
                out[block:end, low:high] = answer[: end - block, : high - low]
    out[:first] = np.nan
    return out
