"""Loops over many small networks, which Numba compiles: LSTMs, batch normalisation with dropout, Adam, a whole step.

They are plain functions over arrays (`compiled_loop` compiles them) and go asset by asset, so that what a pass forwards
and backwards leaves behind stays in the processor's cache, and an asset's figures do not depend on who else is there.
They are in one file because Numba looks at a function's own file to see whether what it keeps on disk is still right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from assay.data.compiling import callable_inside, on_disk

__all__ = [
    "add_dots", "add_product", "back_normed", "back_over_steps", "compiled_loop", "gradients", "judge", "learn",
    "normed", "over_steps", "padded", "squash", "stepped",
]  # fmt: skip

_Arrays = tuple[np.ndarray, ...]
_Three = tuple[np.ndarray, np.ndarray, np.ndarray]


@cache
def compiled_loop(loop: Callable[..., None]) -> Callable[..., None]:
    """One of these loops, compiled."""
    _parts_inside()
    compiled: Callable[..., None] = on_disk(loop, reorder=True)
    return compiled


@cache
def _parts_inside() -> None:
    """Once: a second time they would be other functions of the same names."""
    for part in (
        add_product, add_dots, squash, over_steps, back_over_steps, normed, back_normed, stepped, padded, as_steps,
        lstm_room, lstm_kernels, gradients,
    ):  # fmt: skip
        callable_inside(part, reorder=True)


def squash(values: np.ndarray, scales: np.ndarray, c: np.ndarray) -> None:
    """Replace `values` (n,) by 1 − scale + scale·tanh(scale·value); `scales`, `c`: `constants` of `stacked`.

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
    inputs: np.ndarray, first: np.ndarray, again: np.ndarray, bias: np.ndarray, kept: _Three, scales: _Three
) -> None:  # fmt: skip
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
    above: np.ndarray, inputs: np.ndarray, first: np.ndarray, again: np.ndarray,
    kept: _Three, scales: _Three,
    out: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:  # fmt: skip
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
    values: np.ndarray, sizes: np.ndarray, masks: np.ndarray, trained: tuple[np.ndarray, np.ndarray],
    moments: tuple[np.ndarray, np.ndarray], rates: np.ndarray, out: np.ndarray, kept: np.ndarray,
) -> None:  # fmt: skip
    """Fill `out` with `values` (A, S, B, H) normalised over an asset's first `sizes` (A,) pieces, times `masks`.

    Parameters
    ----------
    values, sizes : other pieces are filled with 0.
    masks : (A, B, S, H); empty where nothing is learnt: the running moments normalise then, and nothing is dropped.
    trained : scale and shift, (A, H); empty where nothing is normalised.
    moments : running mean and variance, (A, H), moved towards those of the pieces.
    rates : by how much they are moved, and what is added to the variance.
    out, kept : what is filled: the answer, and mean and inverse deviation of the pieces, (A, 2, H).

    """
    n_assets, steps, rows, hidden = values.shape
    plain, learning = not trained[0].size, masks.size > 0
    zero, one = values.dtype.type(0), values.dtype.type(1)
    scale, shift = np.ones(hidden, values.dtype), np.zeros(hidden, values.dtype)
    for a in range(n_assets):
        size, mean, inverse = sizes[a], kept[a, 0], kept[a, 1]
        count, per = values.dtype.type(steps * size), one / values.dtype.type(max(steps * size, 1))
        mean[:], inverse[:] = zero, one if plain else zero
        if not plain:
            scale[:], shift[:] = trained[0][a], trained[1][a]
        if not plain and not learning:
            mean[:], inverse[:] = moments[0][a], one / np.sqrt(moments[1][a] + rates[1])
        by_batch = size and learning and not plain
        for t in range(steps if by_batch else 0):
            for b in range(size):
                row = values[a, t, b]
                for j in range(hidden):
                    mean[j] += row[j] * per
        for t in range(steps if by_batch else 0):
            for b in range(size):
                row = values[a, t, b]
                for j in range(hidden):
                    inverse[j] += (row[j] - mean[j]) * (row[j] - mean[j])
        for j in range(hidden if by_batch else 0):
            moments[0][a, j] += rates[0] * (mean[j] - moments[0][a, j])
            moments[1][a, j] += rates[0] * (inverse[j] / max(count - one, one) - moments[1][a, j])
            inverse[j] = one / np.sqrt(inverse[j] * per + rates[1])
        for t in range(steps):
            for b in range(rows):
                row, answer = values[a, t, b], out[a, t, b]
                if b >= size:
                    answer[:] = zero
                elif learning:
                    mask = masks[a, b, t]
                    for j in range(hidden):
                        answer[j] = ((row[j] - mean[j]) * inverse[j] * scale[j] + shift[j]) * mask[j]
                else:
                    for j in range(hidden):
                        answer[j] = (row[j] - mean[j]) * inverse[j] * scale[j] + shift[j]


def back_normed(
    above: np.ndarray, values: np.ndarray, sizes: np.ndarray, masks: np.ndarray, scale: np.ndarray, kept: np.ndarray,
    out: _Three,
) -> None:  # fmt: skip
    """Fill the gradients of values, scale and shift of `normed` from that of its answer, `above`."""
    n_assets, steps, rows, hidden = values.shape
    below, to_scale, to_shift = out
    zero, one, plain = values.dtype.type(0), values.dtype.type(1), not scale.size
    nothing = np.zeros((2, hidden), values.dtype)
    for a in range(n_assets):
        size, mean, inverse = sizes[a], kept[a, 0], kept[a, 1]
        along, total = (nothing[0], nothing[1]) if plain else (to_scale[a], to_shift[a])
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
                if b >= size:
                    answer[:] = zero
                elif not plain:
                    for j in range(hidden):
                        apart = (row[j] - mean[j]) * inverse[j]
                        answer[j] = scale[a, j] * inverse[j] * (answer[j] - share * total[j] - share * apart * along[j])


def stepped(
    weights: np.ndarray, grads: np.ndarray, first: np.ndarray, second: np.ndarray,
    by_asset: _Three, numbers: np.ndarray,
) -> None:  # fmt: skip
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


def padded(size: int) -> int:
    """Pieces that loops over `size` of them are run with: they take rows by fours.

    One left over is done alone, sooner than as one of four.
    """
    return size if size % 4 == 1 else -(-size // 4) * 4


def as_steps(flat: np.ndarray, steps: int, rows: int, width: int) -> np.ndarray:
    """The first of flat memory as (1, S, B, F)."""
    return flat[: steps * rows * width].reshape((1, steps, rows, width))


def lstm_room(room: _Arrays, at: int, steps: int, rows: int, hidden: int) -> _Three:
    """Gates, states and cells as (1, S, B, …)."""
    return (as_steps(room[at], steps, rows, 4 * hidden), as_steps(room[at + 1], steps, rows, hidden),
            as_steps(room[at + 2], steps, rows, hidden))  # fmt: skip


def lstm_kernels(weights: _Arrays, a: int, at: int, features: int, bias: np.ndarray) -> _Three:
    """An asset's kernels for inputs and states, (1, F, 4H) and (1, H, 4H), and `bias` filled with the sum of both."""
    width = bias.shape[1]
    one, two = weights[at + 2][a], weights[at + 3][a]
    for j in range(width):
        bias[0, j] = one[j] + two[j]
    return (weights[at][a].reshape((1, features, width)), weights[at + 1][a].reshape((1, width // 4, width)), bias)


def gradients(
    a: int, batch: _Arrays, size: int, masks: _Arrays, model: tuple[_Arrays, _Arrays, _Arrays], scales: _Arrays,
    room: _Arrays, losses: np.ndarray,
) -> None:  # fmt: skip
    """Fill the gradients of asset `a` and its losses, (A, 2): the mean Huber loss of its rows and its penalty.

    Only its own pieces are looked at, so its figures are the same to the last bit whoever else is in the batch.

    Parameters
    ----------
    batch : inputs (A, S, B, F); targets and mask, (A, T, B), of the last T sessions.
    size : its pieces among the B, at least 1.
    masks : of dropout after both LSTMs and the dense layer, (A, B, S, H), (A, B, T, H), (A, B, T, D).
    model : weights (A, n), moments (A, H) and gradients of the weights (1, n). Weights are of both LSTMs as in
        `lstm_states`, for inputs F·4H, for states H·4H, two biases 4H, and of their normalisation, scale and shift, H,
        or 0 where there is none; of the dense layer, D·H and D; of the last, D and 1. Moments are the running mean and
        variance after both LSTMs.
    scales : `constants` of `stacked`, and numbers: momentum, eps, Huber's delta, L2 penalty on the kernels for inputs.
    room : flat memory, see `room_for` of `stacked`.
    losses : what is filled.

    """
    inputs, targets, counted = batch
    weights, moments, grads = model
    steps, features, last = inputs.shape[1], inputs.shape[3], targets.shape[1]
    hidden, dense, rows = weights[2].shape[1] // 4, weights[13].shape[1], padded(size)
    kind = inputs.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    squashing, numbers = (scales[0], scales[1], scales[2]), scales[3]
    delta, penalty = numbers[2], numbers[3]
    sizes = np.full(1, size)
    for p in range(len(grads)):
        grads[p][:] = zero
    losses[a] = zero

    own = as_steps(room[0], steps, rows, features)
    own[0] = inputs[a, :, :rows]
    below, above = lstm_room(room, 1, steps, rows, hidden), lstm_room(room, 4, steps, rows, hidden)
    between, to_between = as_steps(room[7], steps, rows, hidden), as_steps(room[8], steps, rows, hidden)
    to_above, to_below = as_steps(room[9], steps, rows, hidden), as_steps(room[10], steps, rows, hidden)
    tail, read = as_steps(room[11], last, rows, hidden), as_steps(room[12], last, rows, hidden)
    to_read, to_tail = as_steps(room[13], last, rows, hidden), as_steps(room[14], last, rows, hidden)
    units = as_steps(room[15], last, rows, dense).reshape((last * rows, dense))
    to_units = as_steps(room[16], last, rows, dense).reshape((last * rows, dense))
    long, short = masks[0][a].reshape((1, -1, steps, hidden)), masks[1][a].reshape((1, -1, last, hidden))
    biases, kept = np.empty((2, 1, 4 * hidden), inputs.dtype), np.empty((2, 1, 2, hidden), inputs.dtype)

    first = lstm_kernels(weights, a, 0, features, biases[0])
    over_steps(own, first[0], first[1], first[2], below, squashing)
    normed(
        below[1], sizes, long, (weights[4][a : a + 1], weights[5][a : a + 1]),
        (moments[0][a : a + 1], moments[1][a : a + 1]), numbers, between, kept[0],
    )  # fmt: skip
    second = lstm_kernels(weights, a, 6, hidden, biases[1])
    over_steps(between, second[0], second[1], second[2], above, squashing)
    tail[0] = above[1][0, steps - last :]
    normed(
        tail, sizes, short, (weights[10][a : a + 1], weights[11][a : a + 1]),
        (moments[2][a : a + 1], moments[3][a : a + 1]), numbers, read, kept[1],
    )  # fmt: skip

    flat, whole = read.reshape((last * rows, hidden)), zero
    kernel, top, to_top = weights[12][a].reshape((dense, hidden)), weights[14][a], grads[14][0]
    units[:] = weights[13][a]
    add_dots(units, flat, kernel)
    for t in range(last):
        for b in range(size):
            whole += counted[a, t, b]
    for t in range(last):
        for b in range(rows):
            unit, mask, to_unit = units[t * rows + b], masks[2][a, b, t], to_units[t * rows + b]
            answer = weights[15][a, 0]
            for j in range(dense):
                answer += max(unit[j], zero) * mask[j] * top[j]
            off, share = answer - targets[a, t, b], counted[a, t, b] / max(whole, one)
            apart = abs(off)
            losses[a, 0] += share * (half * off * off if apart < delta else delta * (apart - half * delta))
            grad = share * min(max(off, -delta), delta)
            grads[15][0, 0] += grad
            for j in range(dense):
                positive = mask[j] if unit[j] > zero else zero
                to_top[j] += grad * positive * unit[j]
                to_unit[j] = grad * positive * top[j]
    add_product(grads[12][0].reshape((dense, hidden)), to_units.T, flat)
    for row in range(last * rows):
        for j in range(dense):
            grads[13][0, j] += to_units[row, j]
    to_read[:] = zero
    add_product(to_read.reshape((last * rows, hidden)), to_units, kernel)

    back_normed(to_read, tail, sizes, short, weights[10][a : a + 1], kept[1], (to_tail, grads[10], grads[11]))
    to_above[:] = zero
    to_above[0, steps - last :] = to_tail[0]
    to_between[:] = zero
    back_over_steps(
        to_above, between, second[0], second[1], above, squashing,
        (to_between, grads[6].reshape(second[0].shape), grads[7].reshape(second[1].shape), grads[8]),
    )  # fmt: skip
    back_normed(to_between, below[1], sizes, long, weights[4][a : a + 1], kept[0], (to_below, grads[4], grads[5]))
    back_over_steps(
        to_below, own, first[0], first[1], below, squashing,
        (own[:0], grads[0].reshape(first[0].shape), grads[1].reshape(first[1].shape), grads[2]),
    )  # fmt: skip
    for at in (0, 6):
        weight, grad = weights[at][a], grads[at][0]
        for j in range(len(weight)):
            losses[a, 1] += penalty * weight[j] * weight[j]
            grad[j] += (penalty + penalty) * weight[j]
        grads[at + 3][:] = grads[at + 2]  # both biases are added, so they learn the same


def learn(
    batch: _Arrays, sizes: np.ndarray, masks: _Arrays, model: tuple[_Arrays, _Arrays, _Arrays],
    adam: tuple[_Arrays, _Arrays, _Three], scales: _Arrays, room: _Arrays,
    losses: np.ndarray,
) -> None:  # fmt: skip
    """Move the weights of all assets by a step of training, one asset after another, and fill their losses.

    Parameters
    ----------
    batch, masks, model, room, losses : see `gradients`.
    sizes : (A,) pieces of each asset; one without any stays as it is.
    adam : first and second moments of the gradients, (A, n) each, and by asset what `stepped` reads.
    scales : those of `gradients`; the numbers go on with those of `stepped`, and the largest norm of a gradient or 0.

    """
    weights, _, grads = model
    numbers = scales[3]
    zero, one, least = numbers.dtype.type(0), numbers.dtype.type(1), numbers.dtype.type(1e-6)
    for a in range(len(sizes)):
        losses[a] = zero
        if not sizes[a]:
            continue
        gradients(a, batch, sizes[a], masks, model, scales, room, losses)
        if numbers[8] > zero:
            squares = zero
            for p in range(len(grads)):
                for j in range(grads[p].shape[1]):
                    squares += grads[p][0, j] * grads[p][0, j]
            share = min(numbers[8] / (np.sqrt(squares) + least), one)
            for p in range(len(grads)):
                for j in range(grads[p].shape[1]):
                    grads[p][0, j] *= share
        for p in range(len(grads)):
            stepped(
                weights[p][a : a + 1], grads[p], adam[0][p][a : a + 1], adam[1][p][a : a + 1],
                (adam[2][0][a : a + 1], adam[2][1][a : a + 1], adam[2][2][a : a + 1]), numbers[4:8],
            )  # fmt: skip


def judge(
    batch: _Arrays, sizes: np.ndarray, model: tuple[_Arrays, _Arrays, _Arrays], scales: _Arrays, room: _Arrays,
    answers: np.ndarray, losses: np.ndarray,
) -> None:  # fmt: skip
    """Fill the answers (A, T, B) and losses (A, 2) of all assets, normalised by their running moments, nothing dropped.

    Pieces are taken by fours, so that an asset's figures are the same to the last bit whoever else is in the batch.
    Parameters are those of `learn`.
    """
    inputs, targets, counted = batch
    weights, moments, _ = model
    steps, features, last = inputs.shape[1], inputs.shape[3], targets.shape[1]
    hidden, dense = weights[2].shape[1] // 4, weights[13].shape[1]
    kind = inputs.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    squashing, numbers = (scales[0], scales[1], scales[2]), scales[3]
    delta, penalty, nothing = numbers[2], numbers[3], np.empty((0, 0, 0, 0), inputs.dtype)
    biases, kept = np.empty((2, 1, 4 * hidden), inputs.dtype), np.empty((1, 2, hidden), inputs.dtype)
    for a in range(len(sizes)):
        losses[a] = zero
        first = lstm_kernels(weights, a, 0, features, biases[0])
        second = lstm_kernels(weights, a, 6, hidden, biases[1])
        kernel, top = weights[12][a].reshape((dense, hidden)), weights[14][a]
        whole = zero
        for t in range(last):
            for b in range(sizes[a]):
                whole += counted[a, t, b]
        for low in range(0, sizes[a], 4):
            pieces = np.full(1, min(4, sizes[a] - low))
            there, rows = pieces[0], padded(pieces[0])
            own = as_steps(room[0], steps, rows, features)
            below, above = lstm_room(room, 1, steps, rows, hidden), lstm_room(room, 4, steps, rows, hidden)
            between = as_steps(room[7], steps, rows, hidden)
            tail, read = as_steps(room[11], last, rows, hidden), as_steps(room[12], last, rows, hidden)
            units = as_steps(room[15], last, rows, dense).reshape((last * rows, dense))
            own[:] = zero
            own[0, :, :there] = inputs[a, :, low : low + there]
            over_steps(own, first[0], first[1], first[2], below, squashing)
            normed(
                below[1], pieces, nothing, (weights[4][a : a + 1], weights[5][a : a + 1]),
                (moments[0][a : a + 1], moments[1][a : a + 1]), numbers, between, kept,
            )  # fmt: skip
            over_steps(between, second[0], second[1], second[2], above, squashing)
            tail[0] = above[1][0, steps - last :]
            normed(
                tail, pieces, nothing, (weights[10][a : a + 1], weights[11][a : a + 1]),
                (moments[2][a : a + 1], moments[3][a : a + 1]), numbers, read, kept,
            )  # fmt: skip
            units[:] = weights[13][a]
            add_dots(units, read.reshape((last * rows, hidden)), kernel)
            for t in range(last):
                for b in range(there):
                    unit, answer = units[t * rows + b], weights[15][a, 0]
                    for j in range(dense):
                        answer += max(unit[j], zero) * top[j]
                    answers[a, t, low + b] = answer
                    off, share = answer - targets[a, t, low + b], counted[a, t, low + b] / max(whole, one)
                    apart = abs(off)
                    losses[a, 0] += share * (half * off * off if apart < delta else delta * (apart - half * delta))
        for at in (0, 6):
            weight = weights[at][a]
            for j in range(len(weight)):
                losses[a, 1] += penalty * weight[j] * weight[j]
