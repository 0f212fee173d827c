"""When two price panels are one market: the same assets on overlapping sessions with nearly the same closes.

A file that gained a row, lost an asset or was adjusted for a dividend has another fingerprint and is the same market.
A panel is kept as a sketch small enough to be stored with every ledger: its assets, and its closes on sessions whose
date is divisible by a power of two, so that the sketches of two panels hold the same dates where they overlap.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.data.errors import InputError
from assay.data.panel import PricePanel

__all__ = ["Sketch", "same_market", "sketch_of"]

#: Closes in a sketch, about, and sessions at least and at most.
_VALUES, _FEWEST, _MOST = 16_384, 8, 256
#: What two panels of one market share: of the smaller's assets, of the shorter's time, of closes.
_ASSETS, _TIME, _EQUAL = 0.5, 0.1, 0.9
#: Relative difference of two ratios of closes that are equal: vendors round.
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Sketch:
    """What is kept of a price panel.

    Parameters
    ----------
    fingerprint : of the panel.
    assets : names, in the panel's order.
    first, last : sessions, as days since 1970-01-01.
    days : (S,) the sampled sessions.
    closes : (S, N) float32.

    """

    fingerprint: str
    assets: tuple[str, ...]
    first: int
    last: int
    days: npt.NDArray[np.int32]
    closes: npt.NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Compressed: a JSON head, days and closes."""
        head = json.dumps([self.fingerprint, list(self.assets), self.first, self.last, len(self.days)]).encode()
        body = self.days.astype("<i4").tobytes() + self.closes.astype("<f4").tobytes()
        return zlib.compress(len(head).to_bytes(4, "little") + head + body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """Read `to_bytes`.

        Raises
        ------
        InputError
            If the bytes are none.

        """
        try:
            raw = zlib.decompress(data)
            size = int.from_bytes(raw[:4], "little")
            fingerprint, assets, first, last, count = json.loads(raw[4 : 4 + size])
            start = 4 + size
            days = np.frombuffer(raw, "<i4", count, start)
            closes = np.frombuffer(raw, "<f4", count * len(assets), start + 4 * count).reshape(count, len(assets))
        except (zlib.error, ValueError, TypeError) as error:
            message = f"trial ledger: a market's sketch is damaged ({error}); see `runs trials --verify`"
            raise InputError(message) from None
        return cls(str(fingerprint), tuple(assets), int(first), int(last), days, closes)


def sketch_of(prices: PricePanel) -> Sketch:
    """The sketch of a panel: about 16,000 closes, on 8 to 256 sessions."""
    days = prices.sessions.to_numpy(dtype="datetime64[D]").astype(np.int32)
    wanted = int(np.clip(_VALUES // max(len(prices.assets), 1), _FEWEST, _MOST))
    step = 1
    while len(days) > wanted * step and (days % (2 * step) == 0).any():
        step *= 2
    rows = np.flatnonzero(days % step == 0)
    return Sketch(
        prices.fingerprint,
        tuple(map(str, prices.assets)),
        int(days[0]),
        int(days[-1]),
        days[rows],
        prices.close.to_numpy()[rows].astype(np.float32),
    )


def same_market(one: Sketch, two: Sketch) -> bool:
    """Whether two panels are about one market.

    They are if they share half of the smaller one's assets and a tenth of the shorter one's time, and 90% of the closes
    that both have there are equal up to one factor an asset, which is what an adjustment for a dividend after the
    overlap changes. Compared are ratios of neighbouring sampled closes.
    """
    if one.fingerprint == two.fingerprint:
        return True
    place = {name: column for column, name in enumerate(two.assets)}
    shared = [(column, place[name]) for column, name in enumerate(one.assets) if name in place]
    overlap = min(one.last, two.last) - max(one.first, two.first)
    shorter = min(one.last - one.first, two.last - two.first)
    if len(shared) < max(1, _ASSETS * min(len(one.assets), len(two.assets))) or overlap < max(1, _TIME * shorter):
        return False
    _, left, right = np.intersect1d(one.days, two.days, return_indices=True)
    if len(left) < 2:
        return False
    columns = np.array(shared)
    a = one.closes[np.ix_(left, columns[:, 0])].astype(np.float64)
    b = two.closes[np.ix_(right, columns[:, 1])].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (a[1:] / a[:-1]) / (b[1:] / b[:-1])
    known = np.isfinite(ratio)
    return bool(known.any() and (np.abs(ratio[known] - 1) <= _TOLERANCE).mean() >= _EQUAL)
