"""Many small LSTMs side by side by torch alone, with their gradients; the compiled loops have their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["arrays_of", "lstm_states"]

_Kept = tuple[Tensor, Tensor, Tensor]  # gates, states, cells


def lstm_states(inputs: Tensor, kernels: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Hidden states of LSTMs, (A, S, B, H).

    Parameters
    ----------
    inputs : (A, S, B, F).
    kernels : for inputs, (A, F, 4H), and for states, (A, H, 4H), and the sum of both biases, (A, 4H); gates in torch's
        order i, f, g, o. They are the transposes of torch's, which rows of inputs and states multiply from the left.

    References
    ----------
    Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    """
    answer: Tensor = _States.apply(inputs, *kernels)  # type: ignore[no-untyped-call]
    return answer


def _room(inputs: Tensor, hidden: int) -> _Kept:
    gates, states, cells = (inputs.new_empty((*inputs.shape[:3], width)) for width in (4 * hidden, hidden, hidden))
    return gates, states, cells


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, first: Tensor, again: Tensor, bias: Tensor) -> Tensor:
        kept = _room(inputs, again.shape[1])
        ctx.save_for_backward(inputs, first, again, *kept)
        _forward(inputs, first, again, bias, kept)
        return kept[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        inputs, first, again, *kept = ctx.saved_tensors
        return _backward(grads[0], inputs, (first, again), tuple(kept), below=ctx.needs_input_grad[0])


def arrays_of(tensors: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    """The memory of tensors as arrays."""
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _forward(inputs: Tensor, first: Tensor, again: Tensor, bias: Tensor, kept: _Kept) -> None:
    gates, states, cells = kept
    hidden = states.shape[-1]
    projected = torch.baddbmm(bias.unsqueeze(1), inputs.flatten(1, 2), first).view_as(gates)
    for t in range(gates.shape[1]):
        now = projected[:, t] if t == 0 else torch.baddbmm(projected[:, t], states[:, t - 1], again)
        i, f, g, o = now.split(hidden, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        torch.cat([i, f, g, o], dim=-1, out=gates[:, t])
        cells[:, t] = i * g if t == 0 else i * g + f * cells[:, t - 1]
        states[:, t] = o * torch.tanh(cells[:, t])


def _backward(
    above: Tensor, inputs: Tensor, kernels: tuple[Tensor, Tensor], kept: _Kept, *, below: bool
) -> tuple[Tensor | None, ...]:
    """Gradients of inputs (None unless `below`, as of data), both kernels and the bias."""
    gates, states, cells = kept
    hidden, grad = cells.shape[-1], torch.empty_like(gates)
    later, carried = torch.zeros_like(cells[:, 0]), torch.zeros_like(cells[:, 0])
    for t in range(gates.shape[1] - 1, -1, -1):
        i, f, g, o = gates[:, t].split(hidden, dim=-1)
        before, squashed = cells[:, t - 1] if t else torch.zeros_like(carried), torch.tanh(cells[:, t])
        to_h = above[:, t] + later
        to_c = carried + to_h * o * (1.0 - squashed**2)
        parts = (to_c * g * i * (1.0 - i), to_c * before * f * (1.0 - f), to_c * i * (1.0 - g * g),
                 to_h * squashed * o * (1.0 - o))  # fmt: skip
        torch.cat(parts, dim=-1, out=grad[:, t])
        carried = to_c * f
        later = torch.bmm(grad[:, t], kernels[1].transpose(1, 2))
    flat = grad.flatten(1, 2)
    # The state before the first step is zero, so the first step says nothing of the kernel.
    to_again = torch.bmm(states[:, :-1].flatten(1, 2).transpose(1, 2), grad[:, 1:].flatten(1, 2))
    to_inputs = torch.bmm(flat, kernels[0].transpose(1, 2)).view_as(inputs) if below else None
    return to_inputs, torch.bmm(inputs.flatten(1, 2).transpose(1, 2), flat), to_again, flat.sum(dim=1)
