"""The recurrence of many small LSTMs at once: hidden states of assets side by side, by compiled loops or by torch.

Both give the same to rounding. The loops go asset by asset, so that its kernel stays in the processor's cache for all
steps, and an asset's figures do not depend on who else is there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.data.compiling import on_disk

__all__ = ["recur"]


def recur(projected: Tensor, kernel: Tensor, *, compiled: bool) -> Tensor:
    """Hidden states of LSTMs, (A, S, B, H), with gradients.

    Parameters
    ----------
    projected : (A, S, B, 4H) inputs times the input kernel, biases added; gates in torch's order i, f, g, o.
    kernel : (A, 4H, H) recurrent kernels.
    compiled : by loops that Numba compiles, which are several times faster and take seconds to compile once.

    References
    ----------
    Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    """
    answer: Tensor = _Recurrence.apply(projected, kernel, compiled)  # type: ignore[no-untyped-call]
    return answer


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, kernel: Tensor, compiled: bool) -> Tensor:
        gates = torch.empty_like(projected, memory_format=torch.contiguous_format)
        assets, steps, rows, width = projected.shape
        states, cells, squashed = (projected.new_empty((assets, steps, rows, width // 4)) for _ in range(3))
        turned = kernel.transpose(1, 2).contiguous()
        out = (gates, states, cells, squashed)
        if compiled:
            given = (projected.contiguous(), turned, *out)
            forward_loop()(*(value.numpy() for value in given), constants(width // 4, rows, gates.numpy().dtype))
        else:
            _forward(projected, turned, *out)
        ctx.compiled = compiled
        ctx.save_for_backward(kernel, *out)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        kernel, gates, states, cells, squashed = ctx.saved_tensors
        above = grads[0].contiguous()
        out = torch.empty_like(gates)
        saved = (kernel.contiguous(), gates, cells, squashed)
        if ctx.compiled:
            backward_loop()(above.numpy(), *(value.detach().numpy() for value in saved), out.numpy())
        else:
            _backward(above, *saved, out)
        # The state before the first step is zero, so the first step says nothing of the kernel.
        later, before = out[:, 1:].flatten(1, 2), states[:, :-1].flatten(1, 2)
        return out, torch.bmm(later.transpose(1, 2), before), None


def _forward(projected: Tensor, turned: Tensor, gates: Tensor, states: Tensor, cells: Tensor, squashed: Tensor) -> None:
    hidden = states.shape[-1]
    for t in range(projected.shape[1]):
        now = projected[:, t] if t == 0 else torch.baddbmm(projected[:, t], states[:, t - 1], turned)
        i, f, g, o = now.split(hidden, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        torch.cat([i, f, g, o], dim=-1, out=gates[:, t])
        cells[:, t] = i * g if t == 0 else i * g + f * cells[:, t - 1]
        squashed[:, t] = torch.tanh(cells[:, t])
        states[:, t] = o * squashed[:, t]


def _backward(above: Tensor, kernel: Tensor, gates: Tensor, cells: Tensor, squashed: Tensor, out: Tensor) -> None:
    hidden = cells.shape[-1]
    later, carried = torch.zeros_like(cells[:, 0]), torch.zeros_like(cells[:, 0])
    for t in range(gates.shape[1] - 1, -1, -1):
        i, f, g, o = gates[:, t].split(hidden, dim=-1)
        before = cells[:, t - 1] if t else torch.zeros_like(carried)
        to_h = above[:, t] + later
        to_c = carried + to_h * o * (1.0 - squashed[:, t] ** 2)
        parts = (to_c * g * i * (1.0 - i), to_c * before * f * (1.0 - f), to_c * i * (1.0 - g * g),
                 to_h * squashed[:, t] * o * (1.0 - o))  # fmt: skip
        torch.cat(parts, dim=-1, out=out[:, t])
        carried = to_c * f
        later = torch.bmm(out[:, t], kernel)


@cache
def forward_loop() -> Callable[..., None]:
    """`over_steps`, compiled."""
    loop: Callable[..., None] = on_disk(over_steps, reorder=True)
    return loop


@cache
def backward_loop() -> Callable[..., None]:
    """`back_over_steps`, compiled."""
    loop: Callable[..., None] = on_disk(back_over_steps, reorder=True)
    return loop


@cache
def constants(hidden: int, rows: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `over_steps` multiplies by: a scale for each gate, one for each cell, and the numbers of `over_steps`.

    The first is ½ for a sigmoid, as σ(x) = ½ + ½·tanh(x/2), and 1 for a tanh.
    """
    scale = np.full(4 * hidden, 0.5, dtype)
    scale[2 * hidden : 3 * hidden] = 1.0
    numbers = (0.25, 5.0, 1.0, 2027025.0, 270270.0, 6930.0, 36.0, 945945.0, 51975.0, 630.0)
    return scale, np.ones(rows * hidden, dtype), np.array(numbers, dtype)


def over_steps(
    projected: np.ndarray,
    turned: np.ndarray,
    gates: np.ndarray,
    states: np.ndarray,
    cells: np.ndarray,
    squashed: np.ndarray,
    scales: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Fill gates, states, cells and tanh of the cells from projections and kernels (A, H, 4H); see `recur`.

    tanh(4y) is twice doubled, tanh 2y = 2·tanh y / (1 + tanh² y), from the Padé approximant [7/8] of tanh y, with a
    single division: within 1e-14 in float64 and two units in the last place in float32, and loops over it vectorise.
    """
    n_assets, steps, rows, width = gates.shape
    hidden = width // 4
    by_gate, by_cell, c = scales
    quarter, most, one = c[0], c[1], c[2]
    n0, n1, n2, n3, d1, d2, d3 = c[3], c[4], c[5], c[6], c[7], c[8], c[9]
    whole = hidden - hidden % 4
    now = np.empty((rows, width), gates.dtype)
    for a in range(n_assets):
        kernel = turned[a]
        for t in range(steps):
            now[:] = projected[a, t]
            for b in range(rows if t else 0):
                row, state = now[b], states[a, t - 1, b]
                for k in range(0, whole, 4):
                    s0, s1, s2, s3 = state[k], state[k + 1], state[k + 2], state[k + 3]
                    k0, k1, k2, k3 = kernel[k], kernel[k + 1], kernel[k + 2], kernel[k + 3]
                    for j in range(width):
                        row[j] += s0 * k0[j] + s1 * k1[j] + s2 * k2[j] + s3 * k3[j]
                for k in range(whole, hidden):
                    s0, k0 = state[k], kernel[k]
                    for j in range(width):
                        row[j] += s0 * k0[j]
            for b in range(rows):
                row, gate = now[b], gates[a, t, b]
                for j in range(width):
                    y = min(max(row[j] * (by_gate[j] * quarter), -most), most)
                    s = y * y
                    n = y * (n0 + s * (n1 + s * (n2 + s * n3)))
                    d = n0 + s * (d1 + s * (d2 + s * (d3 + s)))
                    n, d = (n + n) * d, d * d + n * n
                    gate[j] = (one - by_gate[j]) + by_gate[j] * ((n + n) * d / (d * d + n * n))
                cell = cells[a, t, b]
                for j in range(hidden):
                    cell[j] = gate[j] * gate[2 * hidden + j]
                if t:
                    before = cells[a, t - 1, b]
                    for j in range(hidden):
                        cell[j] += gate[hidden + j] * before[j]
            every, tanh = cells[a, t].reshape(rows * hidden), squashed[a, t].reshape(rows * hidden)
            for j in range(rows * hidden):
                y = min(max(every[j] * (by_cell[j] * quarter), -most), most)
                s = y * y
                n = y * (n0 + s * (n1 + s * (n2 + s * n3)))
                d = n0 + s * (d1 + s * (d2 + s * (d3 + s)))
                n, d = (n + n) * d, d * d + n * n
                tanh[j] = (n + n) * d / (d * d + n * n)
            for b in range(rows):
                gate, state, tanh = gates[a, t, b], states[a, t, b], squashed[a, t, b]
                for j in range(hidden):
                    state[j] = gate[3 * hidden + j] * tanh[j]


def back_over_steps(
    above: np.ndarray, kernels: np.ndarray, gates: np.ndarray, cells: np.ndarray, squashed: np.ndarray, out: np.ndarray
) -> None:
    """Fill the gradient of the projections, (A, S, B, 4H), from that of the states, (A, S, B, H); see `recur`."""
    n_assets, steps, rows, width = gates.shape
    hidden = width // 4
    later, carried = np.zeros((rows, hidden), gates.dtype), np.zeros((rows, hidden), gates.dtype)
    nothing = np.zeros(hidden, gates.dtype)
    for a in range(n_assets):
        kernel = kernels[a]
        later[:] = 0.0
        carried[:] = 0.0
        for t in range(steps - 1, -1, -1):
            for b in range(rows):
                gate, tanh, part = gates[a, t, b], squashed[a, t, b], out[a, t, b]
                before = cells[a, t - 1, b] if t else nothing
                from_above, from_later, cell = above[a, t, b], later[b], carried[b]
                for j in range(hidden):
                    i, f, g, o, s = gate[j], gate[hidden + j], gate[2 * hidden + j], gate[3 * hidden + j], tanh[j]
                    to_h = from_above[j] + from_later[j]
                    og = o * to_h
                    to_c = cell[j] + (og - og * s * s)
                    ig = to_c * i * g
                    part[j] = ig - ig * i
                    ff = to_c * f
                    part[hidden + j] = (ff - ff * f) * before[j]
                    part[2 * hidden + j] = to_c * i - ig * g
                    part[3 * hidden + j] = (og - og * o) * s
                    cell[j] = ff
                    from_later[j] = nothing[j]
            for b in range(rows if t else 0):
                part, onto = out[a, t, b], later[b]
                for k in range(0, width, 4):
                    s0, s1, s2, s3 = part[k], part[k + 1], part[k + 2], part[k + 3]
                    k0, k1, k2, k3 = kernel[k], kernel[k + 1], kernel[k + 2], kernel[k + 3]
                    for j in range(hidden):
                        onto[j] += s0 * k0[j] + s1 * k1[j] + s2 * k2[j] + s3 * k3[j]
