"""A step of training of stacked price networks: their losses and gradients, as a loop over assets that Numba compiles.

All that an asset's pass forwards and backwards leaves behind stays in the processor's cache until the next asset's.
"""

from __future__ import annotations

import numpy as np

from assay.models.lstm.loops import add_dots, add_product, back_normed, back_over_steps, masked, normed, over_steps

__all__ = ["learn"]

_Arrays = tuple[np.ndarray, ...]


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
