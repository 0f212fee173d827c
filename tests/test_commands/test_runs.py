"""`runs trials`: the ledger as its reader sees it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.results.checks.trials import best_of_trials
from assay.results.stats.overfitting import probability_of_overfitting
from assay.results.stats.superior_ability import superior_ability
from assay.results.storage.ledger import read_trials, register, trial_of


def fill(root: Path, bps: list[float], family: str = "assay.strategies.ranked") -> pd.DataFrame:
    """One trial a commission, each with returns of its own."""
    index = pd.bdate_range("2020-01-01", periods=320, name="session")
    rng = np.random.default_rng(5)
    returns = {}
    for value in bps:
        config = {"strategy": "s2", "model": "ridge", "costs": {"commission_bps": value, "spread_bps": 0.0}}
        net = pd.Series(rng.normal(0.0002, 0.01, len(index)), index)
        trial = trial_of(config, prices="abcdef0123456789", family=family)
        register(trial, "one", net, root=root)
        register(trial, "one", net, root=root)  # a rerun is no new trial
        returns[value] = net
    return pd.DataFrame(returns)


def test_trials_are_shown_with_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    returns = fill(tmp_path, [0.0, 5.0, 10.0])
    fill(tmp_path, [5.0], family="assay.strategies.actions")
    assert cli.main(["runs", "trials", "--json", "--results", str(tmp_path)]) == 0
    ranked, actions = json.loads(capsys.readouterr().out)["families"]
    assert (ranked["family"], ranked["count"], actions["count"]) == ("assay.strategies.ranked", 3, 1)
    sharpes = [row["sharpe_ann"] for row in ranked["trials"]]
    assert sharpes == sorted(sharpes, reverse=True)
    expected = returns.mean() / returns.std() * 252**0.5
    shown = {row["settings"]["costs.commission_bps"]: row["sharpe_ann"] for row in ranked["trials"]}
    assert shown == pytest.approx(expected.to_dict())
    assert all(set(row["settings"]) == {"costs.commission_bps"} and row["members"] == 1 for row in ranked["trials"])
    assert ranked["pbo"] == probability_of_overfitting(returns.to_numpy()).probability
    assert ranked["spa"]["p_value"] == superior_ability(returns.to_numpy()).consistent
    assert actions["pbo"] is None
    assert "one trial" in actions["pbo_reason"]


def test_trials_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, [0.0, 5.0, 10.0])
    assert cli.main(["runs", "trials", "--top", "2", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "assay.strategies.ranked on prices abcdef01: 3 trials" in out
    assert out.count("costs.commission_bps=") == 2
    assert "1 more" in out
    assert "deflated Sharpe" in out
    assert "SPA p" in out


def test_no_trials_and_a_damaged_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "trials", "--results", str(tmp_path)]) == 0
    assert "no trials in" in capsys.readouterr().out
    (tmp_path / "trials.sqlite").write_bytes(b"not a ledger " * 100)
    assert cli.main(["runs", "trials", "--results", str(tmp_path)]) == 2
    assert "trials.sqlite" in capsys.readouterr().err
    assert (tmp_path / "trials.sqlite").read_bytes() == b"not a ledger " * 100


def test_too_few_common_sessions_are_not_judged(tmp_path: Path) -> None:
    fill(tmp_path, [0.0])
    config = {"strategy": "s2", "costs": {"commission_bps": 7.0, "spread_bps": 0.0}}
    later = pd.Series(np.random.default_rng(1).normal(0, 0.01, 50), pd.bdate_range("2024-01-01", periods=50))
    register(trial_of(config, prices="abcdef0123456789", family="assay.strategies.ranked"), "one", later, root=tmp_path)
    found = best_of_trials(read_trials(root=tmp_path))
    assert found.count == 2
    assert found.pbo is None
    assert found.spa is None
    assert found.pbo_reason
    assert found.spa_reason
