"""The engine on random markets against the oracle's plain loops, the batch and vectorbt."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.test_engine.random_markets import entries_outcome, weights_outcome

#: What a sample must hold to be worth comparing.
KINDS = (
    "delay 0", "delay 1", "delay 2", "delay 3", "fills at the open", "fills at the close", "holes or listings",
    "forced exits", "unfilled orders", "lots", "volume", "leverage above 2", "ruin", "constant weight",
)  # fmt: skip


def compared(outcomes) -> tuple[Counter[str], Counter[str], list[str]]:
    by, traits, wrong = Counter(), Counter(), []
    for seed, outcome in outcomes:
        by.update(outcome.compared)
        traits.update(outcome.traits)
        wrong += [f"seed {seed}: {line}" for line in outcome.differences]
    return by, traits, wrong


def test_target_weights_on_a_sample_of_markets():
    by, traits, wrong = compared((seed, weights_outcome(seed, vectorbt=False)) for seed in range(240))
    assert not wrong
    assert by["oracle"] > 180
    assert by["batch"] > 50
    assert all(traits[kind] >= 5 for kind in KINDS), traits


def test_entry_rules_on_a_sample_of_markets():
    by, traits, wrong = compared((seed, entries_outcome(seed)) for seed in range(160))
    assert not wrong
    assert by["oracle, entries"] == 160
    assert traits["lots"] > 10
    assert traits["ruin"] > 2


def test_vectorbt_on_a_sample_of_markets():
    by, _, wrong = compared((seed, weights_outcome(seed)) for seed in range(1000, 1040))
    assert not wrong
    assert by["vectorbt"] >= 20
    assert by["vectorbt, in part"] >= 3


@pytest.mark.oracle
def test_ten_thousand_markets(tally):
    def outcomes():
        for seed in range(10_000):
            yield seed, entries_outcome(seed, loops=True) if seed % 3 == 2 else weights_outcome(seed, loops=True)

    by, _, wrong = compared(outcomes())
    kinds = ", ".join(f"{name} {count:,}" for name, count in by.items())
    tally(f"10,000 random markets against {kinds}", disagreements=len(wrong))
    assert not wrong
