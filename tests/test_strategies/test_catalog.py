"""Strategies by name, path and entry point, and the battery that each has to pass."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, LookAheadError, UnknownNameError
from assay.strategies.base import Decision, EntryRule, EntrySignals, Overlays, Strategy
from assay.strategies.catalog import STRATEGIES, describe, load_strategy, strategy_names
from assay.strategies.confidence import Confidence
from assay.strategies.contract import check_strategy, random_panels
from assay.strategies.ranked import FilterNegative, QuintileLongShort


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_shipped_strategy_passes_the_battery(name):
    strategy = load_strategy(name)
    assert strategy.name == name
    assert isinstance(strategy, EntryRule | Strategy)
    assert len(check_strategy(strategy)) == 8


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_shipped_strategy_is_a_frozen_value(name):
    strategy = load_strategy(name)
    assert strategy == load_strategy(name)
    field = dataclasses.fields(strategy)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(strategy, field, 0)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_shipped_strategy_is_described(name):
    row = describe(name)
    json.dumps(row)
    assert row["name"] == name
    assert row["rule"].endswith(".")
    assert all(item["meaning"] for item in row["parameters"])
    assert load_strategy(name, **{item["name"]: item["default"] for item in row["parameters"]}) == load_strategy(name)


def test_parameters_are_read_from_text():
    rule = load_strategy("s2_filter_negative", quantile="0.1", vol_target="none", kill_switches="off", smoothing="0")
    assert rule == FilterNegative(quantile=0.1, vol_target=None, kill_switches=False, smoothing=0.0)
    assert load_strategy("confidence", max_positions="5", size="0.05") == Confidence(max_positions=5, size=0.05)
    assert load_strategy("s2_filter_negative", vol_target="0.1").overlays.vol_target == 0.1
    assert load_strategy("s4_benchmark_hedge", benchmark_asset="SPY").benchmark_asset == "SPY"
    assert load_strategy("multitask_action", require_agreement="true").require_agreement is True


@pytest.mark.parametrize(
    ("name", "params", "match"),
    [
        ("s2_filter_negatve", {}, "did you mean 's2_filter_negative'"),
        ("", {}, "unknown strategy ''"),
        ("s2_filter_negative", {"quantil": "0.1"}, "did you mean 'quantile'"),
        ("s2_filter_negative", {"quantile": "0"}, "quantile must be above 0 and at most 0.5, got 0"),
        ("s2_filter_negative", {"quantile": "0.7"}, "at most 0.5, got 0.7"),
        ("s2_filter_negative", {"quantile": "a fifth"}, "quantile must be a number, got 'a fifth'"),
        ("s2_filter_negative", {"quantile": "nan"}, "quantile must be a number"),
        ("s2_filter_negative", {"quantile": "none"}, "quantile must be a number"),
        ("s2_filter_negative", {"quantile": [0.2]}, "quantile must be a number"),
        ("s2_filter_negative", {"kill_switches": "perhaps"}, "kill_switches must be true or false"),
        ("s2_filter_negative", {"vol_target": "low"}, "vol_target must be a number or none"),
        ("s2_filter_negative", {"vol_target": "-0.1"}, "vol_target must be above 0"),
        ("s2_filter_negative", {"smoothing": "1"}, "smoothing"),
        ("confidence", {"max_positions": "2.5"}, "max_positions must be a whole number"),
        ("confidence", {"max_positions": "inf"}, "max_positions must be a whole number"),
        ("no.such.module:Rule", {}, "cannot import 'no.such.module:Rule'"),
        ("assay.strategies.ranked:NoSuch", {}, "cannot import"),
        (":Rule", {}, "cannot import"),
        ("assay.strategies.ranked:", {}, "cannot import"),
        ("assay.strategies.ranked:check_quantile", {}, "is not a class"),
        ("assay.data.panel:PricePanel", {}, "is no strategy; it lacks target_weights"),
        ("assay.engine.costs:CostModel", {}, "is no strategy; it lacks target_weights, or signals"),
    ],
)
def test_what_cannot_be_loaded(name, params, match):
    with pytest.raises(InputError, match=match) as caught:
        load_strategy(name, **params)
    assert "\n" not in str(caught.value)


def test_a_module_that_breaks_is_the_users_to_mend(tmp_path, monkeypatch):
    (tmp_path / "broken_rule.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="ZeroDivisionError"):
        load_strategy("broken_rule:Rule")


def test_overlays_that_are_none_are_refused(tmp_path, monkeypatch):
    (tmp_path / "tuple_rule.py").write_text(
        "class Rule:\n    name, family, needs, overlays = 'r', 'mine', (), ()\n\n"
        "    def target_weights(self, predictions, prices):\n        return predictions.score\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"overlays must be assay.Overlays, `Overlays\(\)` for none, got tuple"):
        load_strategy("tuple_rule:Rule")


def test_an_own_strategy_by_path(tmp_path, monkeypatch):
    (tmp_path / "own_rule.py").write_text(
        "from assay.strategies.ranked import QuintileLongShort\n\n\nclass Mine(QuintileLongShort):\n"
        '    """Mine."""\n\n    name = "mine"\n'
    )
    monkeypatch.chdir(tmp_path)
    rule = load_strategy("own_rule:Mine", quantile="0.3")
    assert (rule.name, rule.quantile) == ("mine", 0.3)
    assert describe("own_rule:Mine")["rule"] == "Mine."


def test_strategies_of_installed_packages(monkeypatch):
    points = [
        importlib.metadata.EntryPoint("theirs", "assay.strategies.ranked:QuintileLongShort", "assay.strategies"),
        importlib.metadata.EntryPoint("confidence", "assay.strategies.ranked:BottomK", "assay.strategies"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "assay.strategies" else [])
    assert strategy_names()[-1] == "theirs"
    assert isinstance(load_strategy("theirs"), QuintileLongShort)
    assert isinstance(load_strategy("confidence"), Confidence)  # our own names cannot be taken
    with pytest.raises(UnknownNameError, match="did you mean 'theirs'"):
        load_strategy("thers")


# --- strategies that must not pass


@dataclass(frozen=True)
class Base:
    """Equal to the score, so that each fault stands alone."""

    name: str = "faulty"
    needs: tuple[str, ...] = ()
    overlays: Overlays = Overlays()  # noqa: RUF009

    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0)


class Centred(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.rolling(3, center=True, min_periods=1).mean().fillna(0.0)


class FullSample(Base):
    def target_weights(self, predictions, prices):
        return (predictions.score / predictions.score.stack().std()).fillna(0.0)


class NextReturn(Base):
    def target_weights(self, predictions, prices):
        return prices.close.pct_change(fill_method=None).shift(-1).fillna(0.0)


class BackFilled(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.bfill().fillna(0.0)


class LastRow(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0) * float(len(predictions.sessions))


class Unseeded(Base):
    def target_weights(self, predictions, prices):
        cells = np.random.default_rng().normal(size=predictions.shape)
        return pd.DataFrame(cells, predictions.sessions, predictions.assets)


class ByColumn(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0) * np.arange(predictions.shape[1])


class Ghost(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0) * 0 + 0.1


class Writing(Base):
    def target_weights(self, predictions, prices):
        values = predictions.score.to_numpy()
        values.flags.writeable = True
        values[:, :] = np.nan_to_num(values)
        return predictions.score.copy()


class Infinite(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0).replace(0.0, np.inf)


class Short(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0).iloc[5:]


class Narrow(Base):
    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0).iloc[:, 1:]


class Forgetful(Base):
    memory = 2

    def target_weights(self, predictions, prices):
        return predictions.score.fillna(0.0).rolling(3, min_periods=1).mean()


class Nosy(Base):
    def target_weights(self, predictions, prices):
        early = {"select": lambda: Centred().target_weights(predictions, prices)}
        return Decision(super().target_weights(predictions, prices), stages=early, label="filter")


class PeekingEntry(Confidence):
    def signals(self, predictions, prices):
        found = super().signals(predictions, prices)
        return EntrySignals(found.enter.shift(-1, fill_value=False), found.exit, found.priority)


@pytest.mark.parametrize("rule", [Centred, FullSample, NextReturn, BackFilled, LastRow, Nosy, PeekingEntry])
def test_look_ahead_is_found(rule):
    with pytest.raises(LookAheadError, match=r"changes when (prices|predictions|sessions) after \d{4}-"):
        check_strategy(rule())


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        (Unseeded, "changes when|differs between two runs"),
        (ByColumn, "depends on the order of the columns"),
        (Ghost, "neither a price nor a prediction"),
        (Infinite, "infinite"),
        (Short, "other sessions"),
        (Forgetful, "reads more than its memory of 2 sessions"),
        (Narrow, "lacks 1 assets"),
    ],
)
def test_other_faults_are_found(rule, match):
    with pytest.raises((InputError, LookAheadError), match=match):
        check_strategy(rule())


def test_a_rule_without_faults_passes():
    assert "causality" in check_strategy(Base())


def test_writing_into_the_inputs_is_found():
    with pytest.raises(InputError, match="writes into the predictions"):
        check_strategy(Writing())


@pytest.mark.parametrize("bad", [Base(name=""), Base(needs=("vwap",)), Base(overlays=None)])
def test_the_contract_is_checked(bad):
    with pytest.raises(InputError):
        check_strategy(bad)


def test_something_else_is_no_strategy():
    with pytest.raises(InputError, match="neither a Strategy nor an EntryRule"):
        check_strategy(object())


def test_the_error_says_which_check():
    with pytest.raises(LookAheadError) as caught:
        check_strategy(Centred(), seeds=(3,))
    assert caught.value.__notes__ == ["check_strategy: faulty, check 'causality', seed 3"]


def test_the_random_panels_have_what_rules_read():
    predictions, prices = random_panels(0)
    assert prices.fields == ("open", "high", "low", "close", "volume")
    assert predictions.score is not None
    assert predictions.probability_up is not None
    assert predictions.action is not None
    assert prices.close.isna().any(axis=None)
    assert predictions.score.isna().any(axis=None)
