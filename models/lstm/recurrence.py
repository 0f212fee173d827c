"""Many small LSTMs at once, side by side, forwards and backwards: by compiled loops or by torch.

Both give the same to rounding. The loops go asset by asset and keep all that one needs in the processor's cache: its
kernels, its gates and, on the way back, their gradient, from which the kernels' own are taken at once. An asset's
figures do not depend on who else is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.models.lstm.loops import back_over_steps, compiled_loop, constants, over_steps

__all__ = ["arrays_of", "lstm_states"]

_Kept = tuple[Tensor, Tensor, Tensor]  # gates, states, cells


def lstm_states(inputs: Tensor, kernels: tuple[Tensor, Tensor, Tensor], *, compiled: bool) -> Tensor:
    """Hidden states of LSTMs, (A, S, B, H), with gradients.

    Parameters
    ----------
    inputs : (A, S, B, F).
    kernels : for inputs, (A, F, 4H), and for states, (A, H, 4H), and the sum of both biases, (A, 4H); gates in torch's
        order i, f, g, o. They are the transposes of torch's, which rows of inputs and states multiply from the left.
    compiled : by loops that Numba compiles, which are several times faster and take seconds to compile once.

    References
    ----------
    Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    """
    answer: Tensor = _States.apply(inputs, *kernels, compiled)  # type: ignore[no-untyped-call]
    return answer


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, first: Tensor, again: Tensor, bias: Tensor, compiled: bool) -> Tensor:
        shape, hidden = inputs.shape[:3], again.shape[1]
        gates, states, cells = (inputs.new_empty((*shape, width)) for width in (4 * hidden, hidden, hidden))
        inputs, kept = inputs.contiguous(), (gates, states, cells)
        ctx.compiled, ctx.below = compiled, ctx.needs_input_grad[0]
        ctx.save_for_backward(inputs, first, again, *kept)
        if compiled:
            own = arrays_of(kept)
            compiled_loop(over_steps)(
                *arrays_of((inputs, first, again, bias)), own, constants(hidden, shape[2], own[0].dtype)
            )
        else:
            _forward(inputs, first, again, bias, kept)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, None]:
        inputs, first, again, *rest = ctx.saved_tensors
        kept: _Kept = tuple(rest)
        out = (torch.zeros_like(inputs if ctx.below else inputs[:0]), torch.zeros_like(first), torch.zeros_like(again),
               first.new_zeros((len(first), first.shape[2])))  # fmt: skip
        above, first, again = (part.contiguous() for part in (grads[0], first.transpose(1, 2), again.transpose(1, 2)))
        if ctx.compiled:
            own = arrays_of(kept)
            scales = constants(again.shape[2], inputs.shape[2], own[0].dtype)
            compiled_loop(back_over_steps)(*arrays_of((above, inputs, first, again)), own, scales, arrays_of(out))
        else:
            _backward(above, inputs, (first, again), kept, out)
        return (out[0] if ctx.below else None, *out[1:], None)


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
    above: Tensor, inputs: Tensor, kernels: tuple[Tensor, Tensor], kept: _Kept, out: tuple[Tensor, ...]
) -> None:
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
        later = torch.bmm(grad[:, t], kernels[1])
    flat = grad.flatten(1, 2)
    if out[0].numel():
        out[0].copy_(torch.bmm(flat, kernels[0]).view_as(inputs))
    torch.bmm(inputs.flatten(1, 2).transpose(1, 2), flat, out=out[1])
    # The state before the first step is zero, so the first step says nothing of the kernel.
    torch.bmm(states[:, :-1].flatten(1, 2).transpose(1, 2), grad[:, 1:].flatten(1, 2), out=out[2])
    out[3].copy_(flat.sum(dim=1))
