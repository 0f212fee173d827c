"""The compiled loop of entry rules against the book it stands for, bit for bit, on random markets."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from assay.engine import entry_kernel, entry_rules
from assay.engine.entry_ledger import EntryBook, Journal
from assay.engine.entry_rules import simulate_entries
from assay.strategies.base import EntrySignals
from tests.test_engine.random_markets import entry_market


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)])
def walk(request):
    """The loop as Python runs it, and, slow, as Numba compiles it."""
    if request.param == "interpreted":
        return entry_kernel.walk
    pytest.importorskip("numba")
    return entry_kernel.compiled_walk()


def book_of(seed: int) -> EntryBook:
    panel, signals, rule, _, options = entry_market(seed)
    market, liquidity = entry_rules._market(panel, signals, rule, options["costs"], options["execution"])
    return EntryBook(market, rule, options["costs"], options["execution"], liquidity, options["optimistic"])


def events_of(journal: Journal) -> list[tuple[int, int, tuple[str, str]]]:
    return [(s, a, journal.texts[number]) for s, a, number in journal.events.tolist()]


def test_the_loop_writes_what_the_book_writes(walk):
    seen: Counter[object] = Counter()
    for seed in range(40):
        book = book_of(seed)
        if not book.is_plain:
            continue
        ours, theirs = book_of(seed).live_compiled(walk), book.live()
        for name in ("rows", "carried", "fills", "spans", "held", "open", "open_shares"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=f"{seed}: {name}")
        assert events_of(ours) == events_of(theirs)
        assert (ours.counts, ours.ruined_at) == (theirs.counts, theirs.ruined_at)
        seen.update({text for _, _, text in events_of(theirs)} | {"plain", f"side {book.rule.side}"})
    assert seen["plain"] > 15
    assert seen["side -1"] > 2
    # Whole shares are never too small here; two kinds of exit are rarer than the sample is large.
    assert sum(bool(seen[text]) for text in entry_kernel.TEXTS) >= len(entry_kernel.TEXTS) - 3, seen


def test_many_candidates_are_served_by_priority(walk, monkeypatch):
    """More than are sorted by insertion, with ties and gaps among the priorities."""
    panel, signals, rule, _, _ = entry_market(4)
    rng = np.random.default_rng(0)
    names = [f"A{i:03d}" for i in range(150)]
    index = pd.bdate_range("2020-01-01", periods=12)
    close = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (12, 150)), axis=0)), index, names)
    panel = type(panel)(close, open=close, high=close, low=close)
    priority = pd.DataFrame(rng.random((12, 150)).round(1), index, names).mask(rng.random((12, 150)) < 0.2)
    enter = pd.DataFrame(rng.random((12, 150)) < 0.7, index, names)
    wanted = type(signals)(enter, enter & False, priority)
    rule = type(rule)(stop_loss=0.02, take_profit=0.02, size=0.004, max_positions=0, max_holding=3, side=1)
    plain = simulate_entries(panel, wanted, rule, compiled=False)
    monkeypatch.setattr(entry_rules, "compiled_walk", lambda: walk)
    fast = simulate_entries(panel, wanted, rule, compiled=True)
    assert len(plain.fills) > 200
    for name in ("fills", "events", "holdings", "costs", "exposure"):
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(plain, name), check_exact=True)
    assert (fast.counts, fast.warnings) == (plain.counts, plain.warnings)


def test_limits_say_what_the_tables_say(walk, monkeypatch):
    """Signals by limits, whose tables the loop need not see, against the same tables; some priorities are missing."""
    monkeypatch.setattr(entry_rules, "compiled_walk", lambda: walk)
    entered = 0
    for seed in range(6):
        panel, _, rule, _, _ = entry_market(seed)
        rng = np.random.default_rng(seed)
        values = pd.DataFrame(rng.random(panel.shape).round(1), panel.sessions, panel.assets)
        limited = EntrySignals.beyond(values.mask(rng.random(panel.shape) < 0.1), 0.6, 0.3)
        tables = EntrySignals(limited.enter, limited.exit, limited.priority)
        one, two = (simulate_entries(panel, each, rule, keep="returns", compiled=True) for each in (limited, tables))
        plain = simulate_entries(panel, tables, rule, compiled=False)
        for result in (one, two):
            for name in ("returns", "gross_returns", "nav", "turnover", "cash", "interest"):
                pd.testing.assert_series_equal(getattr(result, name), getattr(plain, name), check_exact=True)
            for name in ("events", "costs", "exposure"):
                pd.testing.assert_frame_equal(getattr(result, name), getattr(plain, name), check_exact=True)
            assert result.counts == plain.counts
        entered += plain.counts["entries"]
    assert entered > 50


def test_events_are_made_when_they_are_read():
    panel, signals, rule, _, _ = entry_market(4)
    result = simulate_entries(panel, signals, rule, keep="returns")
    other = result.changed(warnings=("more",))
    assert callable(vars(result)["events"])
    assert callable(vars(other)["events"])
    assert (other.warnings, other.returns is result.returns) == (("more",), True)
    kinds = ("stops", "targets", "signal_exits", "time_exits", "unfilled_orders")
    assert len(other.events) == sum(result.counts[kind] for kind in kinds) > 50
    assert other.events is other.events
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(result)).events, other.events)


def test_one_run_is_not_worth_compiling():
    assert not entry_kernel.worth_compiling_entries(1, 5040)
