"""The lockbox: sessions of a market that no command reads before somebody says why, in the ledger.

A seal is an entry of the trial ledger: a market, a date, and the fingerprint of the prices after it. While it is shut,
panels of that market end at the date, whichever file they come from, and one that a notebook hands in is refused. Each
opening is an entry, too; the gate takes a verdict on sealed sessions from the first alone. `data validate`, which says
nothing of what prices did, checks the bars of the whole file. The ledger is the user's own: a seal keeps one's word
visible, it does not hide data from who wants to read the file with other tools.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.results.storage.chain import Entry, append_entry, entries
from assay.results.storage.trial_ledger import market_of, register

__all__ = ["Opening", "Seal", "open_lockbox", "require_open", "seal_market", "seals_on", "shut"]


@dataclass(frozen=True)
class Opening:
    """When a lockbox was opened, and why."""

    when: str
    reason: str


@dataclass(frozen=True)
class Seal:
    """A lockbox on a market.

    Parameters
    ----------
    key : in the ledger.
    prices : fingerprint of the panel that was sealed.
    after, last : the last session outside, and the last inside when it was sealed.
    assets : names inside.
    digest : fingerprint of the closes inside.
    openings : in order.

    """

    key: str
    prices: str
    after: pd.Timestamp
    last: pd.Timestamp
    assets: tuple[str, ...]
    digest: str
    openings: tuple[Opening, ...] = ()


def seal_market(prices: PricePanel, after: pd.Timestamp) -> Seal:
    """Seal the sessions of a market after a date.

    Raises
    ------
    InputError
        If there are none on one side of the date, or they are sealed already.

    """
    inside = prices.sessions[prices.sessions > after]
    if not len(inside) or len(inside) == len(prices.sessions):
        raise InputError(f"--after {after.date()}: no sessions on one side; the panel spans "
                         f"{prices.sessions[0].date()} to {prices.sessions[-1].date()}")  # fmt: skip
    for known in seals_on(prices):
        if known.after < prices.sessions[-1]:
            raise InputError(f"data seal: this market is sealed after {known.after.date()} already")
    register([], prices)
    last, assets = inside[-1], tuple(map(str, prices.assets))
    digest = _digest(prices, after, last, assets)
    key = f"{prices.fingerprint}:{after.date()}"
    body = {"prices": prices.fingerprint, "after": str(after.date()), "last": str(last.date()), "assets": list(assets),
            "digest": digest, "sessions": len(inside)}  # fmt: skip
    append_entry("seal", key, body)
    return Seal(key, prices.fingerprint, after, last, assets, digest)


def _digest(prices: PricePanel, after: pd.Timestamp, last: pd.Timestamp, assets: tuple[str, ...]) -> str:
    inside = prices.close.reindex(columns=list(assets)).loc[lambda frame: (frame.index > after) & (frame.index <= last)]
    return PricePanel(inside).fingerprint if len(inside) else ""


def seals_on(prices: PricePanel | str) -> list[Seal]:
    """The seals on a market, with their openings; the earliest date first."""
    found = entries("seal")
    if not found:
        return []
    kin = market_of(prices)
    openings = entries("opening")
    return sorted(
        (_seal(entry, openings) for entry in found if entry.body["prices"] in kin), key=lambda seal: seal.after
    )


def _seal(entry: Entry, openings: list[Entry]) -> Seal:
    body, key = entry.body, entry.key.removeprefix("seal:")
    told = tuple(Opening(item.created, str(item.body["reason"])) for item in openings if item.body["seal"] == key)
    return Seal(key, str(body["prices"]), pd.Timestamp(body["after"]), pd.Timestamp(body["last"]),
                tuple(body["assets"]), str(body["digest"]), told)  # fmt: skip


def shut(prices: PricePanel) -> PricePanel:
    """The panel up to its market's seal, with a warning; itself where there is none.

    Raises
    ------
    InputError
        If nothing lies before the seal.

    """
    for seal in seals_on(prices):
        inside = int((prices.sessions > seal.after).sum())
        if not inside:
            continue
        if inside == len(prices.sessions):
            raise InputError(f"all {inside:,} sessions lie in the lockbox (after {seal.after.date()}); "
                             '--open-lockbox "REASON" reads them')  # fmt: skip
        message = f"lockbox: {inside:,} sessions after {seal.after.date()} are sealed and left out"
        return replace(prices.through(seal.after), warnings=(*prices.warnings, message))
    return prices


def require_open(prices: PricePanel, who: str) -> None:
    """Refuse a panel that reaches into a lockbox which nobody opened for it.

    Parameters
    ----------
    prices : as somebody handed them in; what `shut` or `open_lockbox` gave back passes.
    who : named in the error.

    Raises
    ------
    InputError
        If it holds sealed sessions.

    """
    for seal in seals_on(prices):
        inside = int((prices.sessions > seal.after).sum())
        if inside and not any(line.startswith(_opened(seal)) for line in prices.warnings):
            raise InputError(
                f"{who}: {inside:,} sessions after {seal.after.date()} are sealed; assay.load_prices leaves them out, "
                "and reads them with open_lockbox=\"REASON\""
            )


def _opened(seal: Seal) -> str:
    """How the warning of a panel begins whose lockbox was opened."""
    return f"lockbox: opened after {seal.after.date()}"


def open_lockbox(prices: PricePanel, reason: str) -> PricePanel:
    """The whole panel, with a warning, after an entry in the ledger for each seal that was opened.

    Raises
    ------
    InputError
        If there is no reason, no seal, or the prices inside are not those that were sealed.

    """
    if not reason.strip():
        raise InputError("--open-lockbox: say why; the reason stands in the ledger")
    known = seals_on(prices)
    seals = [seal for seal in known if (prices.sessions > seal.after).any()]
    if known and not seals:
        raise InputError(
            f"--open-lockbox: these prices end {prices.sessions[-1].date()}, before what is sealed, as copies by "
            "`data pack` and `data seal --out` do; give the file that has the sealed sessions"
        )
    if not seals:
        raise InputError("--open-lockbox: no sessions of these prices are sealed; `data seal` does that")
    for seal in seals:
        if _digest(prices, seal.after, seal.last, seal.assets) != seal.digest:
            when = seal.after.date()
            raise InputError(f"--open-lockbox: prices after {when} are not those that were sealed; nothing was opened")
    messages = []
    for seal in seals:
        count = len(seal.openings) + 1
        append_entry("opening", f"{seal.key}:{count}", {"seal": seal.key, "reason": reason.strip(), "number": count})
        before = f", opened before on {seal.openings[0].when[:10]}" if seal.openings else ""
        messages.append(f"{_opened(seal)} ({reason.strip()}){before}")
    return replace(prices, warnings=(*prices.warnings, *messages))
