"""`runs trials`: the ledger as its reader sees it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.results.checks.trials import best_of_trials
from assay.results.stats.overfitting import probability_of_overfitting
from assay.results.stats.superior_ability import superior_ability
from assay.results.storage.places import ledger_path
from assay.results.storage.trial_ledger import Record, read_trials, register, scenario_of, trial_of


def fill(values: list[float], family: str = "ranked", market: str = "abcdef0123456789") -> pd.DataFrame:
    """One trial a quantile, each with returns of its own."""
    index = pd.bdate_range("2020-01-01", periods=320, name="session")
    rng = np.random.default_rng(5)
    returns = {}
    for value in values:
        config = {"strategy": "s2", "model": "ridge", "quantile": value, "costs": {"commission_bps": 5.0}}
        net = pd.Series(rng.normal(0.0002, 0.01, len(index)), index)
        record = Record(trial_of(config, family=family), "one", net, scenario_of(config))
        register([record], market)
        register([record], market)  # a rerun is no new trial
        returns[value] = net
    return pd.DataFrame(returns)


def test_trials_are_shown_with_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    returns = fill([0.1, 0.2, 0.3])
    fill([0.2], family="actions", market="another")
    assert cli.main(["runs", "trials", "--json", "--results", str(tmp_path)]) == 0
    ranked, actions = json.loads(capsys.readouterr().out)["markets"]
    assert (ranked["market"], ranked["count"], actions["count"]) == ("abcdef0123456789", 3, 1)
    assert {row["family"] for row in ranked["trials"]} == {"ranked"}
    sharpes = [row["sharpe_ann"] for row in ranked["trials"]]
    assert sharpes == sorted(sharpes, reverse=True)
    expected = returns.mean() / returns.std() * 252**0.5
    shown = {row["settings"]["quantile"]: row["sharpe_ann"] for row in ranked["trials"]}
    assert shown == pytest.approx(expected.to_dict())
    assert all(set(row["settings"]) == {"quantile"} and row["members"] == 1 for row in ranked["trials"])
    assert ranked["pbo"] == probability_of_overfitting(returns.to_numpy()).probability
    assert ranked["spa"]["p_value"] == superior_ability(returns.to_numpy()).consistent
    assert actions["pbo"] is None
    assert "one trial" in actions["pbo_reason"]


def test_trials_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill([0.1, 0.2, 0.3])
    assert cli.main(["runs", "trials", "--top", "2", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "market abcdef01: 3 trials, 3 score series" in out
    assert out.count("quantile=") == 2
    assert "1 more" in out
    assert "deflated Sharpe" in out
    assert "SPA p" in out


def test_no_trials_and_a_damaged_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "trials", "--results", str(tmp_path)]) == 0
    assert "no trials in" in capsys.readouterr().out
    path = ledger_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a ledger " * 100)
    assert cli.main(["runs", "trials", "--results", str(tmp_path)]) == 2
    assert "trials.sqlite" in capsys.readouterr().err
    assert path.read_bytes() == b"not a ledger " * 100


def test_the_chain_is_walked_exported_and_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([0.1, 0.2])
    assert cli.main(["runs", "trials", "--verify"]) == 0
    assert "2 entries, head" in capsys.readouterr().out
    copy = tmp_path / "copy.sqlite"
    assert cli.main(["runs", "trials", "--export", str(copy)]) == 0
    assert cli.main(["runs", "trials", "--export", str(copy)]) == 2
    with sqlite3.connect(ledger_path()) as connection:
        connection.execute("update entries set body = replace(body, '0.1', '0.9') where seq = 1")
    capsys.readouterr()
    assert cli.main(["runs", "trials", "--verify", "--json"]) == 1
    assert "entry 1 (member) was changed" in json.loads(capsys.readouterr().out)["broken"][0]
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "team"))
    assert cli.main(["runs", "trials", "--merge", str(copy)]) == 0
    assert "merged 2" in capsys.readouterr().out
    assert read_trials().count == 2


def test_too_few_common_sessions_are_not_judged() -> None:
    fill([0.1])
    config = {"strategy": "s2", "quantile": 0.7}
    later = pd.Series(np.random.default_rng(1).normal(0, 0.01, 50), pd.bdate_range("2024-01-01", periods=50))
    register([Record(trial_of(config, family="ranked"), "one", later)], "abcdef0123456789")
    found = best_of_trials(read_trials())
    assert found.count == 2
    assert found.pbo is None
    assert found.spa is None
    assert found.pbo_reason
    assert found.spa_reason
