"""Loops over many small networks, which Numba compiles: LSTMs, batch normalisation with dropout, Adam, a whole step.

They are plain functions over arrays (`compiled_loop` compiles them) and go asset by asset, so that what a pass forwards
and backwards leaves behind stays in the processor's cache, and an asset's figures depend on who else is there by
rounding at most (where batches are of unequal length). They are in one file because Numba looks at a function's own
file to see whether what it keeps on disk is still right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from assay.data.compiling import callable_inside, on_disk

__all__ = [
    "add_dots",
    "add_product",
    "back_normed",
    "back_over_steps",
    "compiled_loop",
    "constants",
    "learn",
    "masked",
    "normed",
    "over_steps",
    "squash",
    "stepped",
]

_Arrays = tuple[np.ndarray, ...]


@cache
def compiled_loop(loop: Callable[..., None]) -> Callable[..., None]:
    """One of these loops, compiled."""
    _parts_inside()
    compiled: Callable[..., None] = on_disk(loop, reorder=True)
    return compiled


@cache
def _parts_inside() -> None:
    """Once: a second time they would be other functions of the same names."""
    for part in (add_product, add_dots, squash, over_steps, back_over_steps, normed, back_normed, masked):
        callable_inside(part, reorder=True)


@cache
def constants(hidden: int, rows: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales of `squash` for each gate of some rows, those for each cell, and its numbers.

    A scale is ½ for a sigmoid, as σ(x) = ½ + ½·tanh(x/2), and 1 for a tanh.
    """
    scale = np.full((rows, 4, hidden), 0.5, dtype)
    scale[:, 2] = 1.0
    numbers = (0.25, 5.0, 1.0, 2027025.0, 270270.0, 6930.0, 36.0, 945945.0, 51975.0, 630.0)
    return scale.ravel(), np.ones(rows * hidden, dtype), np.array(numbers, dtype)


def squash(values: np.ndarray, scales: np.ndarray, c: np.ndarray) -> None:
    """Replace `values` (n,) by 1 − scale + scale·tanh(scale·value); `scales` and `c` as `constants` gives them.

    tanh(4y) is twice doubled, tanh 2y = 2·tanh y / (1 + tanh² y), from the Padé approximant [7/8] of tanh y, with a
    single division: within 1e-14 in float64 and two units in the last place in float32, and loops over it vectorise.
    """
    quarter, most, one = c[0], c[1], c[2]
    n0, n1, n2, n3, d1, d2, d3 = c[3], c[4], c[5], c[6], c[7], c[8], c[9]
    for j in range(len(values)):
        y = min(max(values[j] * (scales[j] * quarter), -most), most)
        s = y * y
        n = y * (n0 + s * (n1 + s * (n2 + s * n3)))
        d = n0 + s * (d1 + s * (d2 + s * (d3 + s)))
        n, d = (n + n) * d, d * d + n * n
        values[j] = (one - scales[j]) + scales[j] * ((n + n) * d / (d * d + n * n))


def add_product(out: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Add `left` (M, K) times `right` (K, N) to `out` (M, N), four rows and four terms at a time.

    What four rows share is then read once, and what is summed stays in the processor's registers.
    """
    rows, terms = left.shape
    width = out.shape[1]
    whole_rows, whole = rows - rows % 4, terms - terms % 4
    for r in range(0, whole_rows, 4):
        o0, o1, o2, o3 = out[r], out[r + 1], out[r + 2], out[r + 3]
        for k in range(0, whole, 4):
            r0, r1, r2, r3 = right[k], right[k + 1], right[k + 2], right[k + 3]
            a0, a1, a2, a3 = left[r, k], left[r, k + 1], left[r, k + 2], left[r, k + 3]
            b0, b1, b2, b3 = left[r + 1, k], left[r + 1, k + 1], left[r + 1, k + 2], left[r + 1, k + 3]
            c0, c1, c2, c3 = left[r + 2, k], left[r + 2, k + 1], left[r + 2, k + 2], left[r + 2, k + 3]
            d0, d1, d2, d3 = left[r + 3, k], left[r + 3, k + 1], left[r + 3, k + 2], left[r + 3, k + 3]
            for j in range(width):
                x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
                o0[j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                o1[j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                o2[j] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                o3[j] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3
        for k in range(whole, terms):
            r0, a0, b0, c0, d0 = right[k], left[r, k], left[r + 1, k], left[r + 2, k], left[r + 3, k]
            for j in range(width):
                x0 = r0[j]
                o0[j] += a0 * x0
                o1[j] += b0 * x0
                o2[j] += c0 * x0
                o3[j] += d0 * x0
    for r in range(whole_rows, rows):
        o0 = out[r]
        for k in range(0, whole, 4):
            r0, r1, r2, r3 = right[k], right[k + 1], right[k + 2], right[k + 3]
            a0, a1, a2, a3 = left[r, k], left[r, k + 1], left[r, k + 2], left[r, k + 3]
            for j in range(width):
                o0[j] += a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j]
        for k in range(whole, terms):
            r0, a0 = right[k], left[r, k]
            for j in range(width):
                o0[j] += a0 * r0[j]


def add_dots(out: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Add `left` (M, K) times `right` (N, K) turned to `out` (M, N); faster than `add_product` where N is small."""
    rows, terms = left.shape
    width = len(right)
    whole_rows, whole = rows - rows % 4, width - width % 4
    zero = out.dtype.type(0)
    for r in range(0, whole_rows, 4):
        l0, l1, l2, l3 = left[r], left[r + 1], left[r + 2], left[r + 3]
        for j in range(0, whole, 4):
            r0, r1, r2, r3 = right[j], right[j + 1], right[j + 2], right[j + 3]
            a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
            c0, c1, c2, c3, d0, d1, d2, d3 = zero, zero, zero, zero, zero, zero, zero, zero
            for k in range(terms):
                x0, x1, x2, x3 = r0[k], r1[k], r2[k], r3[k]
                a, b, c, d = l0[k], l1[k], l2[k], l3[k]
                a0, a1, a2, a3 = a0 + a * x0, a1 + a * x1, a2 + a * x2, a3 + a * x3
                b0, b1, b2, b3 = b0 + b * x0, b1 + b * x1, b2 + b * x2, b3 + b * x3
                c0, c1, c2, c3 = c0 + c * x0, c1 + c * x1, c2 + c * x2, c3 + c * x3
                d0, d1, d2, d3 = d0 + d * x0, d1 + d * x1, d2 + d * x2, d3 + d * x3
            o0, o1, o2, o3 = out[r], out[r + 1], out[r + 2], out[r + 3]
            o0[j], o0[j + 1], o0[j + 2], o0[j + 3] = o0[j] + a0, o0[j + 1] + a1, o0[j + 2] + a2, o0[j + 3] + a3
            o1[j], o1[j + 1], o1[j + 2], o1[j + 3] = o1[j] + b0, o1[j + 1] + b1, o1[j + 2] + b2, o1[j + 3] + b3
            o2[j], o2[j + 1], o2[j + 2], o2[j + 3] = o2[j] + c0, o2[j + 1] + c1, o2[j + 2] + c2, o2[j + 3] + c3
            o3[j], o3[j + 1], o3[j + 2], o3[j + 3] = o3[j] + d0, o3[j + 1] + d1, o3[j + 2] + d2, o3[j + 3] + d3
        for j in range(whole, width):
            r0, a0, b0, c0, d0 = right[j], zero, zero, zero, zero
            for k in range(terms):
                x0 = r0[k]
                a0, b0, c0, d0 = a0 + l0[k] * x0, b0 + l1[k] * x0, c0 + l2[k] * x0, d0 + l3[k] * x0
            out[r, j], out[r + 1, j] = out[r, j] + a0, out[r + 1, j] + b0
            out[r + 2, j], out[r + 3, j] = out[r + 2, j] + c0, out[r + 3, j] + d0
    for r in range(whole_rows, rows):
        for j in range(width):
            l0, r0, a0 = left[r], right[j], zero
            for k in range(terms):
                a0 += l0[k] * r0[k]
            out[r, j] += a0


def over_steps(
    inputs: np.ndarray,
    first: np.ndarray,
    again: np.ndarray,
    bias: np.ndarray,
    kept: tuple[np.ndarray, np.ndarray, np.ndarray],
    scales: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Fill `kept`: gates (A, S, B, 4H), states and cells (A, S, B, H); see `lstm_states` of `recurrence`."""
    gates, states, cells = kept
    n_assets, steps, rows, width = gates.shape
    hidden = width // 4
    by_gate, by_cell, numbers = scales
    nothing, squashed = np.zeros((rows, hidden), gates.dtype), np.empty(rows * hidden, gates.dtype)
    for a in range(n_assets):
        gates[a] = bias[a]
        add_product(gates[a].reshape(steps * rows, width), inputs[a].reshape(steps * rows, -1), first[a])
        for t in range(steps):
            if t:
                add_product(gates[a, t], states[a, t - 1], again[a])
            flat = gates[a, t].reshape(rows * width)
            squash(flat, by_gate, numbers)
            before = cells[a, t - 1] if t else nothing
            for b in range(rows):
                gate, cell, old = gates[a, t, b], cells[a, t, b], before[b]
                for j in range(hidden):
                    cell[j] = gate[j] * gate[2 * hidden + j] + gate[hidden + j] * old[j]
            squashed[:] = cells[a, t].reshape(rows * hidden)
            squash(squashed, by_cell, numbers)
            for b in range(rows):
                gate, state, tanh = gates[a, t, b], states[a, t, b], squashed[b * hidden : (b + 1) * hidden]
                for j in range(hidden):
                    state[j] = gate[3 * hidden + j] * tanh[j]


def back_over_steps(
    above: np.ndarray,
    inputs: np.ndarray,
    first: np.ndarray,
    again: np.ndarray,
    kept: tuple[np.ndarray, np.ndarray, np.ndarray],
    scales: tuple[np.ndarray, np.ndarray, np.ndarray],
    out: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Add to the gradients of inputs (none where empty), both kernels and the bias that of the states, `above`."""
    gates, states, cells = kept
    n_assets, steps, rows, width = gates.shape
    hidden = width // 4
    below, to_first, to_again, to_bias = out
    _, by_cell, numbers = scales
    grad = np.empty((steps, rows, width), gates.dtype)
    later, carried = np.zeros((rows, hidden), gates.dtype), np.zeros((rows, hidden), gates.dtype)
    nothing = np.zeros((rows, hidden), gates.dtype)
    squashed = np.empty(rows * hidden, gates.dtype)
    for a in range(n_assets):
        later[:] = 0.0
        carried[:] = 0.0
        for t in range(steps - 1, -1, -1):
            before = cells[a, t - 1] if t else nothing
            squashed[:] = cells[a, t].reshape(rows * hidden)
            squash(squashed, by_cell, numbers)
            # A gate at a time: loops over few arrays vectorise without checks of which memory is whose.
            for b in range(rows):
                gate, part, old = gates[a, t, b], grad[t, b], before[b]
                tanh = squashed[b * hidden : (b + 1) * hidden]
                upper, to_h, cell = above[a, t, b], later[b], carried[b]
                for j in range(hidden):
                    to_h[j] += upper[j]
                for j in range(hidden):
                    o, s = gate[3 * hidden + j], tanh[j]
                    og = o * to_h[j]
                    to_h[j] = (og - og * o) * s
                    cell[j] += og - og * s * s
                for j in range(hidden):
                    part[3 * hidden + j] = to_h[j]
                for j in range(hidden):
                    i, g, to_c = gate[j], gate[2 * hidden + j], cell[j]
                    ig = to_c * i * g
                    part[j] = ig - ig * i
                    part[2 * hidden + j] = to_c * i - ig * g
                for j in range(hidden):
                    f = gate[hidden + j]
                    ff = cell[j] * f
                    cell[j] = ff
                    part[hidden + j] = (ff - ff * f) * old[j]
            if t:
                later[:] = 0.0
                add_dots(later, grad[t], again[a])
        flat = grad.reshape(steps * rows, width)
        if below.size:
            add_dots(below[a].reshape(steps * rows, -1), flat, first[a])
        add_product(to_first[a], inputs[a].reshape(steps * rows, -1).T, flat)
        # The state before the first step is zero, so the first step says nothing of the kernel.
        add_product(to_again[a], states[a, :-1].reshape((steps - 1) * rows, hidden).T, flat[rows:])
        for b in range(steps * rows):
            for j in range(width):
                to_bias[a, j] += flat[b, j]


def normed(
    values: np.ndarray,
    sizes: np.ndarray,
    masks: np.ndarray,
    trained: tuple[np.ndarray, np.ndarray],
    moments: tuple[np.ndarray, np.ndarray],
    rates: np.ndarray,
    out: np.ndarray,
    kept: np.ndarray,
) -> None:
    """Fill `out` with `values` (A, S, B, H) normalised over an asset's first `sizes` (A,) pieces, times `masks`.

    Parameters
    ----------
    values, sizes : other pieces are filled with 0.
    masks : (A, B, S, H).
    trained : scale and shift, (A, H).
    moments : running mean and variance, (A, H), moved towards those of the pieces.
    rates : by how much they are moved, and what is added to the variance.
    out, kept : what is filled: the answer, and mean and inverse deviation of the pieces, (A, 2, H).

    """
    n_assets, steps, rows, hidden = values.shape
    scale, shift = trained
    zero, one = values.dtype.type(0), values.dtype.type(1)
    for a in range(n_assets):
        size = sizes[a]
        count = values.dtype.type(steps * size)
        mean, inverse = kept[a, 0], kept[a, 1]
        mean[:] = zero
        inverse[:] = zero
        for t in range(steps if size else 0):
            for b in range(size):
                row = values[a, t, b]
                for j in range(hidden):
                    mean[j] += row[j]
        for j in range(hidden if size else 0):
            mean[j] /= count
        for t in range(steps if size else 0):
            for b in range(size):
                row = values[a, t, b]
                for j in range(hidden):
                    inverse[j] += (row[j] - mean[j]) * (row[j] - mean[j])
        for j in range(hidden if size else 0):
            moments[0][a, j] += rates[0] * (mean[j] - moments[0][a, j])
            moments[1][a, j] += rates[0] * (inverse[j] / max(count - one, one) - moments[1][a, j])
            inverse[j] = one / np.sqrt(inverse[j] / count + rates[1])
        for t in range(steps):
            for b in range(rows):
                row, mask, answer = values[a, t, b], masks[a, b, t], out[a, t, b]
                if b < size:
                    for j in range(hidden):
                        answer[j] = ((row[j] - mean[j]) * inverse[j] * scale[a, j] + shift[a, j]) * mask[j]
                else:
                    answer[:] = zero


def masked(out: np.ndarray, values: np.ndarray, masks: np.ndarray) -> None:
    """Fill `out` with `values` (1, S, B, H) times masks (B, S, H)."""
    _, steps, rows, hidden = values.shape
    for t in range(steps):
        for b in range(rows):
            for j in range(hidden):
                out[0, t, b, j] = values[0, t, b, j] * masks[b, t, j]


def back_normed(
    above: np.ndarray,
    values: np.ndarray,
    sizes: np.ndarray,
    masks: np.ndarray,
    scale: np.ndarray,
    kept: np.ndarray,
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Fill the gradients of values, scale and shift of `normed` from that of its answer, `above`."""
    n_assets, steps, rows, hidden = values.shape
    below, to_scale, to_shift = out
    zero, one = values.dtype.type(0), values.dtype.type(1)
    for a in range(n_assets):
        size = sizes[a]
        mean, inverse, along, total = kept[a, 0], kept[a, 1], to_scale[a], to_shift[a]
        along[:] = zero
        total[:] = zero
        for t in range(steps):
            for b in range(size):
                row, mask, upper, answer = values[a, t, b], masks[a, b, t], above[a, t, b], below[a, t, b]
                for j in range(hidden):
                    grad = upper[j] * mask[j]
                    answer[j] = grad
                    total[j] += grad
                    along[j] += grad * ((row[j] - mean[j]) * inverse[j])
        share = one / max(values.dtype.type(steps * size), one)
        for t in range(steps):
            for b in range(rows):
                row, answer = values[a, t, b], below[a, t, b]
                if b < size:
                    for j in range(hidden):
                        apart = (row[j] - mean[j]) * inverse[j]
                        answer[j] = scale[a, j] * inverse[j] * (answer[j] - share * total[j] - share * apart * along[j])
                else:
                    answer[:] = zero


def stepped(
    weights: np.ndarray,
    grads: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    by_asset: tuple[np.ndarray, np.ndarray, np.ndarray],
    numbers: np.ndarray,
) -> None:
    """Move weights (A, n) by a step of Adam, with the first and second moments of their gradients.

    Parameters
    ----------
    weights, grads, first, second : (A, n).
    by_asset : whether an asset takes part; its rate over the first moment's bias; the root of the second's, (A,) each.
    numbers : shares of the new in the first moment and in the second, what is added to the denominator, decay.

    """
    active, size, root = by_asset
    fresh, squared, least, decay = numbers[0], numbers[1], numbers[2], numbers[3]
    for a in range(len(weights)):
        if not active[a]:
            continue
        rate, under = size[a], root[a]
        weight, given, one, two = weights[a], grads[a], first[a], second[a]
        for j in range(weights.shape[1]):
            grad = given[j] + decay * weight[j]
            mean = one[j] + fresh * (grad - one[j])
            square = two[j] + squared * (grad * grad - two[j])
            one[j], two[j] = mean, square
            weight[j] -= rate * mean / (np.sqrt(square) / under + least)


def learn(
    batch: _Arrays, sizes: np.ndarray, masks: _Arrays, weights: _Arrays, moments: _Arrays, grads: _Arrays,
    scales: _Arrays, losses: np.ndarray,
) -> None:  # fmt: skip
    """Fill gradients and losses, (A, 2): the mean Huber loss of an asset's rows and its penalty.

    Parameters
    ----------
    batch : inputs (A, S, B, F); targets and mask, (A, T, B), of the last T sessions.
    sizes : (A,) real pieces among the B; an asset without any has no gradient.
    masks : of dropout after both LSTMs and the dense layer, (A, B, S, H), (A, B, T, H), (A, B, T, D).
    weights : of both LSTMs as in `lstm_states`, (A, F, 4H), (A, H, 4H), (A, 4H), and their normalisation, scale and
        shift (A, H), or (A, 0) where there is none; of the dense layer, (A, D, H), (A, D), and the last, (A, 1, D),
        (A, 1).
    moments : running mean and variance after both LSTMs.
    grads : of the weights.
    scales : `constants`, and momentum, eps, Huber's delta, L2 penalty on the kernels for inputs.
    losses : what is filled.

    """
    inputs, targets, counted = batch
    n_assets, steps, rows, _ = inputs.shape
    last, hidden, dense = targets.shape[1], weights[1].shape[1], weights[11].shape[1]
    kind = inputs.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    squashing, numbers = (scales[0], scales[1], scales[2]), scales[3]
    delta, penalty = numbers[2], numbers[3]
    plain = weights[3].shape[1] == 0

    below = (np.empty((1, steps, rows, 4 * hidden), inputs.dtype), np.empty((1, steps, rows, hidden), inputs.dtype),
             np.empty((1, steps, rows, hidden), inputs.dtype))  # fmt: skip
    above = (np.empty((1, steps, rows, 4 * hidden), inputs.dtype), np.empty((1, steps, rows, hidden), inputs.dtype),
             np.empty((1, steps, rows, hidden), inputs.dtype))  # fmt: skip
    between, to_between = np.empty_like(below[1]), np.empty_like(below[1])
    to_above, to_below = np.empty_like(below[1]), np.empty_like(below[1])
    tail, read = np.empty((1, last, rows, hidden), inputs.dtype), np.empty((1, last, rows, hidden), inputs.dtype)
    to_read, to_tail = np.empty_like(tail), np.empty_like(tail)
    kept = np.empty((2, 1, 2, hidden), inputs.dtype)
    units, to_units = np.empty((last * rows, dense), inputs.dtype), np.empty((last * rows, dense), inputs.dtype)
    nothing = np.empty((0, steps, rows, inputs.shape[3]), inputs.dtype)

    for a in range(n_assets):
        losses[a] = zero
        grads[0][a], grads[1][a], grads[2][a], grads[3][a], grads[4][a] = zero, zero, zero, zero, zero
        grads[5][a], grads[6][a], grads[7][a], grads[8][a], grads[9][a] = zero, zero, zero, zero, zero
        grads[10][a], grads[11][a], grads[12][a], grads[13][a] = zero, zero, zero, zero
        if not sizes[a]:
            continue
        own, size = inputs[a : a + 1], sizes[a : a + 1]
        over_steps(own, weights[0][a : a + 1], weights[1][a : a + 1], weights[2][a : a + 1], below, squashing)
        if plain:
            masked(between, below[1], masks[0][a])
        else:
            normed(
                below[1], size, masks[0][a : a + 1], (weights[3][a : a + 1], weights[4][a : a + 1]),
                (moments[0][a : a + 1], moments[1][a : a + 1]), numbers, between, kept[0],
            )  # fmt: skip
        over_steps(between, weights[5][a : a + 1], weights[6][a : a + 1], weights[7][a : a + 1], above, squashing)
        tail[0] = above[1][0, steps - last :]
        if plain:
            masked(read, tail, masks[1][a])
        else:
            normed(
                tail, size, masks[1][a : a + 1], (weights[8][a : a + 1], weights[9][a : a + 1]),
                (moments[2][a : a + 1], moments[3][a : a + 1]), numbers, read, kept[1],
            )  # fmt: skip

        flat, whole = read.reshape(last * rows, hidden), zero
        units[:] = weights[11][a]
        add_dots(units, flat, weights[10][a])
        for t in range(last):
            for b in range(rows):
                whole += counted[a, t, b]
        for t in range(last):
            for b in range(rows):
                unit, mask, to_unit, top = (
                    units[t * rows + b],
                    masks[2][a, b, t],
                    to_units[t * rows + b],
                    weights[12][a, 0],
                )
                answer = weights[13][a, 0]
                for j in range(dense):
                    answer += max(unit[j], zero) * mask[j] * top[j]
                off, share = answer - targets[a, t, b], counted[a, t, b] / max(whole, one)
                apart = abs(off)
                losses[a, 0] += share * (half * off * off if apart < delta else delta * (apart - half * delta))
                grad = share * min(max(off, -delta), delta)
                grads[13][a, 0] += grad
                to_top = grads[12][a, 0]
                for j in range(dense):
                    positive = mask[j] if unit[j] > zero else zero
                    to_top[j] += grad * positive * unit[j]
                    to_unit[j] = grad * positive * top[j]
        add_product(grads[10][a], to_units.T, flat)
        for row in range(last * rows):
            for j in range(dense):
                grads[11][a, j] += to_units[row, j]
        to_read[:] = zero
        add_product(to_read.reshape(last * rows, hidden), to_units, weights[10][a])

        if plain:
            masked(to_tail, to_read, masks[1][a])
        else:
            back_normed(
                to_read, tail, size, masks[1][a : a + 1], weights[8][a : a + 1], kept[1],
                (to_tail, grads[8][a : a + 1], grads[9][a : a + 1]),
            )  # fmt: skip
        to_above[:] = zero
        to_above[0, steps - last :] = to_tail[0]
        to_between[:] = zero
        back_over_steps(
            to_above, between, weights[5][a : a + 1], weights[6][a : a + 1], above, squashing,
            (to_between, grads[5][a : a + 1], grads[6][a : a + 1], grads[7][a : a + 1]),
        )  # fmt: skip
        if plain:
            masked(to_below, to_between, masks[0][a])
        else:
            back_normed(
                to_between, below[1], size, masks[0][a : a + 1], weights[3][a : a + 1], kept[0],
                (to_below, grads[3][a : a + 1], grads[4][a : a + 1]),
            )  # fmt: skip
        back_over_steps(
            to_below, own, weights[0][a : a + 1], weights[1][a : a + 1], below, squashing,
            (nothing, grads[0][a : a + 1], grads[1][a : a + 1], grads[2][a : a + 1]),
        )  # fmt: skip
        for kernel, grad in ((weights[0][a], grads[0][a]), (weights[5][a], grads[5][a])):
            for k in range(len(kernel)):
                for j in range(4 * hidden):
                    losses[a, 1] += penalty * kernel[k, j] * kernel[k, j]
                    grad[k, j] += (penalty + penalty) * kernel[k, j]
