"""Dropout masks of many networks, each as `torch.nn.Dropout` would draw its own: from its generator, in its order.

On a processor torch draws one number at a time. A compiled loop reads the same numbers, 53 bits of two words of the
Mersenne Twister each, a block at a time in a tenth of the time; where this torch draws otherwise, torch draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from assay.data.compiling import callable_inside
from assay.models.lstm.loops import compiled_loop

__all__ = ["DropoutMasks", "draw_each", "draw_kept"]

_WORDS = 624  # of a state of the Mersenne Twister


class DropoutMasks:
    """The masks of networks by place, from generators that go on where each one's start left off.

    Parameters
    ----------
    generators : one a network.
    compiled : whether a compiled loop draws, where it draws what torch does.

    """

    def __init__(self, generators: Sequence[torch.Generator], *, compiled: bool) -> None:
        self.generators = list(generators)
        self.streams: tuple[np.ndarray, np.ndarray] | None = None
        if compiled and _is_torch_s():
            words, places = zip(*map(_stream, generators), strict=True)
            self.streams = np.stack(words), np.concatenate(places)

    def draw(self, alive: Sequence[int], values: Tensor, chance: float, sizes: Sequence[int]) -> Tensor:
        """0, or what makes up for the zeros, for `values` (A, S, B, F), as (A, B, S, F).

        Parameters
        ----------
        alive : places of the networks that the values are of.
        values : only their shape is read.
        chance : of a zero.
        sizes : how many of a network's B pieces are real; it draws for those alone.

        """
        _, steps, rows, width = values.shape
        if chance <= 0:
            return values.new_ones((len(sizes), rows, steps, width))
        masks = values.new_empty((len(sizes), rows, steps, width))
        kept = values.new_ones(1).div_(1.0 - chance)
        if self.streams is not None:
            _loop()(
                masks.numpy().reshape(len(sizes), rows, -1), np.array(alive), np.array(sizes),
                (1.0 - chance) * 2.0**53, kept.numpy(), *self.streams,
            )  # fmt: skip
            return masks
        for mask, place, size in zip(masks, alive, sizes, strict=True):
            if size:
                mask[:size].bernoulli_(1.0 - chance, generator=self.generators[place]).mul_(kept)
            mask[size:] = 0.0
        return masks


@cache
def _loop() -> Callable[..., None]:
    callable_inside(draw_kept, reorder=True)
    return compiled_loop(draw_each)


def _stream(generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The words of a generator's state and the place of the next of them."""
    state = generator.get_state().numpy()
    left, upcoming = int(state[8:12].view(np.int32)[0]), int(state[16:24].view(np.int64)[0])
    words = state[24 : 24 + 8 * _WORDS].view(np.uint64).astype(np.uint32)
    return words, np.array([_WORDS if left == 1 else upcoming])


@cache
def _is_torch_s() -> bool:
    """Whether this torch draws as the loop does: some builds have other generators."""
    generator = torch.Generator().manual_seed(5)
    own, others = np.empty((1, 1, 2 * _WORDS), np.float32), torch.empty(2 * _WORDS)
    words, place = _stream(generator)
    _loop()(own, np.zeros(1, int), np.ones(1, int), 0.7 * 2.0**53, np.ones(1, np.float32), words[None], place)
    return torch.equal(torch.from_numpy(own[0, 0]), others.bernoulli_(0.7, generator=generator))


def draw_each(
    masks: np.ndarray, alive: np.ndarray, sizes: np.ndarray, below: float, kept: np.ndarray, states: np.ndarray,
    places: np.ndarray,
) -> None:  # fmt: skip
    """Fill the first `sizes` (A,) pieces of each network's mask (A, B, n) by `draw_kept`, the others with 0.

    `states` (M, 624) and `places` (M,) are of all networks, `alive` (A,) says which of them the masks are of.
    """
    words = np.empty(2 * masks.shape[1] * masks.shape[2], np.uint32)
    for a in range(len(masks)):
        count, place = sizes[a] * masks.shape[2], alive[a]
        flat = masks[a].reshape(-1)
        draw_kept(flat[:count], below, kept, states[place], places[place : place + 1], words[: 2 * count])
        flat[count:] = 0.0


def draw_kept(
    out: np.ndarray, below: float, kept: np.ndarray, state: np.ndarray, place: np.ndarray, words: np.ndarray
) -> None:
    """Fill `out` (n,) with `kept` (1,) where a number of 53 bits is below `below`, else 0; `words` is room for 2n.

    `state` (624,) and `place` (1,) move on. Matsumoto & Nishimura 1998 (MT19937).
    """
    upper, lower, matrix = np.uint32(0x80000000), np.uint32(0x7FFFFFFF), np.uint32(0x9908B0DF)
    one, first, second = np.uint32(1), np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
    filled, at = 0, place[0]
    value, zero = kept[0], out.dtype.type(0)
    while filled < len(words):
        if at == 624:
            for i in range(227):
                mixed = (state[i] & upper) | (state[i + 1] & lower)
                state[i] = state[i + 397] ^ (mixed >> one) ^ (matrix * (mixed & one))
            for i in range(227, 623):
                mixed = (state[i] & upper) | (state[i + 1] & lower)
                state[i] = state[i - 227] ^ (mixed >> one) ^ (matrix * (mixed & one))
            mixed = (state[623] & upper) | (state[0] & lower)
            state[623] = state[396] ^ (mixed >> one) ^ (matrix * (mixed & one))
            at = 0
        count = min(624 - at, len(words) - filled)
        for i in range(count):
            word = state[at + i]
            word ^= word >> np.uint32(11)
            word ^= (word << np.uint32(7)) & first
            word ^= (word << np.uint32(15)) & second
            words[filled + i] = word ^ (word >> np.uint32(18))
        filled += count
        at += count
    place[0] = at
    for i in range(len(out)):
        high = np.float64(words[2 * i] & np.uint32(0x1FFFFF)) * 4294967296.0
        out[i] = value if high + np.float64(words[2 * i + 1]) < below else zero
