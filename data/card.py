"""How a value shows itself to a person at a prompt or in a notebook: a title and a few rows."""

from __future__ import annotations

from html import escape

__all__ = ["Card", "plural", "span"]

_MOST_ROWS = 16


class Card:
    """A short report as ``repr`` and, in a notebook, as a table; a class says what stands in it.

    Examples
    --------
    >>> class Coin(Card):
    ...     def card(self):
    ...         return "Coin", [("value", "1"), ("side", "heads")]
    >>> Coin()
    Coin
      value  1
      side   heads

    """

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The title, and rows of a name and a text each."""
        raise NotImplementedError(f"{type(self).__name__} does not say what stands in its report")

    def __repr__(self) -> str:
        title, rows = self.card()
        rows = _shortened(rows)
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name:<{width}}  {text}".rstrip() for name, text in rows)])

    def _repr_html_(self) -> str:
        title, rows = self.card()
        body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in _shortened(rows))
        return f"<table><caption>{escape(title)}</caption>{body}</table>"


def _shortened(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    left = len(rows) - _MOST_ROWS
    return rows if left <= 0 else [*rows[:_MOST_ROWS], ("…", f"{left} more")]


def plural(count: int, thing: str) -> str:
    """A count with its noun: ``1 fold``, ``13 folds``."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def span(sessions: object) -> str:
    """How many sessions, from when to when.

    Examples
    --------
    >>> import pandas as pd
    >>> span(pd.bdate_range("2020-01-01", periods=3))
    '3 sessions, 2020-01-01 … 2020-01-03'

    """
    days = list(sessions)  # type: ignore[call-overload]
    return f"{plural(len(days), 'session')}, {days[0].date()} … {days[-1].date()}" if days else "no sessions"
