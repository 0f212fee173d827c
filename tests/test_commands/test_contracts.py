"""Parts of one's own: each kind from its template, its battery against planted faults, and what a run makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.align import align
from assay.data.canary_labels import CanaryLabels
from assay.data.contract import market_with_holes
from assay.data.errors import BacktestError, InputError, LookAheadError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.labels import label_values
from assay.data.own_quality import own_findings
from assay.data.synthetic import synthetic_market
from assay.data.universe import own_members, with_own_members
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.own_costs import with_own_costs
from assay.models.catalog import load_model
from assay.results.storage.runs import load_run
from assay.results.workflow.parts import PARTS, check_part
from assay.results.workflow.study_files import load_study
from assay.results.workflow.templates import TEMPLATES, write_template
from assay.strategies.catalog import load_strategy

PRICES, ORACLE = synthetic_market(330, 8, ic=0.15, seed=5)

SOURCE = '''
from dataclasses import dataclass
import numpy as np
import pandas as pd
from assay import forward_returns
from assay.data.features import Feature, FeatureSet
from assay.data.labels import Label
from assay.data.own_quality import QualityCheck

def frame(prices, values):
    return pd.DataFrame(values, prices.sessions, prices.assets)

# labels
def week(prices, *, horizon, delay):
    return forward_returns(prices, horizon=horizon, delay=delay).rank(axis=1, pct=True) - 0.5
def too_far(prices, *, horizon, delay):
    return prices.close.shift(-(horizon + delay + 1)) / prices.close - 1
def half_window(prices, *, horizon, delay):
    return prices.close[::-1].rolling(50, min_periods=1).mean()[::-1] / prices.close - 1
NEUTRAL = Label(week, unit="rank", zero_is_neutral=True)
# universes
def cheap(prices):
    return prices.close.rank(axis=1) <= 4
def survivors(prices):
    return frame(prices, np.broadcast_to(prices.close.notna().all(axis=0).to_numpy(), prices.shape).copy())
def numbers(prices):
    return prices.close
def nobody(prices):
    return prices.close < 0
def by_column(prices):
    return frame(prices, np.broadcast_to(np.arange(prices.shape[1]) < 3, prices.shape).copy())
def writes(prices):
    prices.close.iloc[0, 0] = 1.0
    return prices.close > 0
# quality
def odd(prices):
    flags = prices.close < 0
    flags.loc[flags.index[3], prices.close.iloc[3].idxmin()] = True
    return flags
BAD = QualityCheck(odd, severity="error", remedy="mend it")
_calls = []
def forgetful(prices):
    _calls.append(1)
    return frame(prices, np.full(prices.shape, len(_calls) % 2 == 0))
# metrics
def worst(result, predictions, prices):
    return float(result.returns.min())
def spanned(result, predictions, prices):
    return 2.0, 1.0, 3.0
def backwards(result, predictions, prices):
    return 2.0, 3.0, 1.0
def words(result, predictions, prices):
    return "high"
def two(result, predictions):
    return 1.0
def raises(result, predictions, prices):
    return [][1]
# rules
def turnover(run):
    return run.metric("turnover_ann")["value"]
def none(run):
    return None
# features
FUTURE = FeatureSet("future", (Feature("next", lambda p: p.close.shift(-1)),))
SHORT = FeatureSet("short", (Feature("week", lambda p: p.close.pct_change(5, fill_method=None), warmup=2),))
STRANGE = FeatureSet("strange", (Feature("x", lambda p: p.close, needs=("bid",)),))
# costs
@dataclass(frozen=True)
class Range:
    share: float = 0.1
    def rates(self, prices):
        spread = 1e4 * self.share * (prices.high / prices.low - 1.0)
        return {"spread_bps": spread, "cash_rate_bps": spread.mean(axis=1) * 0}
@dataclass(frozen=True)
class Tomorrow:
    def rates(self, prices):
        return {"spread_bps": prices.close.pct_change(fill_method=None).abs().shift(-1) * 1e4}
@dataclass(frozen=True)
class Paid:
    def rates(self, prices):
        return {"spread_bps": frame(prices, np.full(prices.shape, -5.0))}
@dataclass(frozen=True)
class Unknown:
    def rates(self, prices):
        return {"bribe": prices.close}
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of parts in the working folder, under a name that no other test has."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return f"./{name}.py"


FAULTS = [
    ("label", "too_far", LookAheadError, "is known by"),
    ("label", "half_window", LookAheadError, "cut off"),
    ("label", "Tomorrow", InputError, "not a function or"),
    ("universe", "survivors", LookAheadError, "changes when prices after that are"),
    ("universe", "numbers", InputError, "holds float64, expected true or false"),
    ("universe", "nobody", InputError, "has no member"),
    ("universe", "by_column", InputError, "order of the columns"),
    ("universe", "writes", BacktestError, ""),
    ("quality", "forgetful", InputError, "the second time"),
    ("metric", "backwards", InputError, "outside its interval"),
    ("metric", "words", InputError, "gave str"),
    ("metric", "two", InputError, "not a function of (result, predictions, prices)"),
    ("rule", "two", InputError, "not a function of (run)"),
    ("features", "FUTURE", LookAheadError, "cut off"),
    ("features", "SHORT", InputError, "complete only from row 5"),
    ("features", "STRANGE", InputError, "no price field"),
    ("costs", "Tomorrow", LookAheadError, "is known by"),
    ("costs", "Paid", InputError, "at least 0"),
    ("costs", "Unknown", InputError, "'bribe' is a DataFrame"),
]


@pytest.mark.parametrize(("kind", "name", "error", "words"), FAULTS, ids=[f"{case[0]}-{case[1]}" for case in FAULTS])
def test_planted_faults_are_found(kind: str, name: str, error: type[Exception], words: str, own: str) -> None:
    if name == "writes":  # the panel is shielded: what a part writes stays with it, or is refused by pandas
        assert market_with_holes().close.iloc[0, 0] != 1.0
        check_part(kind, f"{own}:{name}")
        return
    with pytest.raises(error) as caught:
        check_part(kind, f"{own}:{name}")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("label", "week"), ("label", "NEUTRAL"), ("universe", "cheap"), ("quality", "odd"), ("metric", "worst"),
     ("metric", "spanned"), ("rule", "turnover"), ("rule", "none"), ("costs", "Range"), ("features", "core14")],
)  # fmt: skip
def test_sound_parts_pass(kind: str, name: str, own: str) -> None:
    settings = {"share": "0.2"} if name == "Range" else {}
    passed = check_part(kind, name if kind == "features" else f"{own}:{name}", settings)
    assert "contract" in passed


def test_the_kinds_have_templates_and_the_templates_pass_their_check(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(TEMPLATES) == {"predictions", "sweep", *PARTS}
    for kind in set(PARTS) - {"model", "strategy"}:  # these two have tests of their own
        paths = write_template(kind, tmp_path / kind)
        plugin = next(path for path in paths if path.suffix == ".py")
        study = load_study(tmp_path / kind / "study.toml").located(below=tmp_path / kind)
        named = [part for part in study.parts() if f"{plugin.stem}.py" in part]
        part = named[0] if named else f"{plugin}:longest_fall"
        assert check_part(kind, part)


def test_a_label_of_ones_own_is_what_a_model_is_trained_towards(own: str) -> None:
    name = f"{own}:week"
    values = label_values(name, PRICES, horizon=2, delay=1)
    ahead = PRICES.close.shift(-3) / PRICES.close.shift(-1) - 1  # close fills, by hand
    ahead = PRICES.open.shift(-3) / PRICES.open.shift(-1) - 1 if PRICES.open is not None else ahead
    expected = ahead.rank(axis=1, pct=True).to_numpy() - 0.5
    assert np.allclose(values, expected, equal_nan=True)
    assert np.isnan(values[-3:]).all()
    plain = load_model("ridge", label=name).fit(PRICES, horizon=2, delay=1, seed=0).predict(PRICES)
    neutral = load_model("ridge", label=f"{own}:NEUTRAL").fit(PRICES, horizon=2, delay=1, seed=0).predict(PRICES)
    usual = load_model("ridge").fit(PRICES, horizon=2, delay=1, seed=0).predict(PRICES)
    assert (plain.unit, plain.zero_is_neutral) == ("rank", False)
    assert (neutral.unit, neutral.zero_is_neutral) == ("rank", True)
    assert (usual.unit, usual.zero_is_neutral) == ("return", False)
    assert plain.score.std().mean() > 5 * usual.score.std().mean()
    shuffled = label_values(name, PRICES, horizon=2, delay=1, labels=CanaryLabels("shuffled"))
    assert np.array_equal(np.isfinite(shuffled), np.isfinite(values))
    assert not np.allclose(shuffled, values, equal_nan=True)


def test_a_universe_keeps_to_its_members(own: str) -> None:
    inside = own_members(f"{own}:cheap", PRICES)
    prices = with_own_members(PRICES, f"{own}:cheap")
    assert prices.members.equals(inside)
    assert prices.fingerprint != PRICES.fingerprint
    joined, report = align(ORACLE, prices)
    lost = int((ORACLE.score.notna() & ~inside.loc[ORACLE.sessions]).to_numpy().sum())
    assert report.counts["predictions: not a member of the universe"] == lost > 0
    weights = run_backtest(load_strategy("quintile_long_short"), joined, prices).target_weights
    outside = ~inside.loc[weights.index, weights.columns].to_numpy()
    assert (weights.fillna(0.0).to_numpy()[outside] == 0).all()
    ahead = label_values(f"{own}:week", prices, horizon=1, delay=1)
    assert np.isnan(ahead[~inside.to_numpy()]).all()
    with pytest.raises(InputError, match="no member"):
        with_own_members(PRICES, f"{own}:nobody")


def test_own_costs_are_paid_from_the_next_session_on(own: str) -> None:
    costs = with_own_costs(CostModel.zero(), f"{own}:Range", {"share": 0.2}, PRICES)
    spread = costs.table.by_asset["spread_bps"]
    expected = 2e3 * (PRICES.high / PRICES.low - 1)
    assert np.allclose(spread.iloc[10], expected.iloc[10])  # row 10 stands on session 11 and was known on session 10
    assert spread.index[10] == PRICES.sessions[11]
    result = run_backtest(load_strategy("quintile_long_short"), ORACLE, PRICES, costs=costs)
    fills = result.fills
    rates = expected.shift(1)
    paid = sum(abs(row.shares * row.price) * rates.loc[row.session, row.asset] / 1e4 for row in fills.itertuples())
    assert result.costs["spread"].sum() == pytest.approx(paid, rel=1e-9)
    with pytest.raises(InputError, match="set by"):
        with_own_costs(costs, f"{own}:Range", {}, PRICES)


def test_quality_checks_warn_or_stop(own: str) -> None:
    (finding,) = own_findings([f"{own}:odd"], PRICES)
    assert (finding.check, finding.count, finding.severity) == ("odd", 1, "warning")
    assert PRICES.close.iloc[3].idxmin() in finding.where


def test_a_run_of_own_parts_keeps_them_and_reruns(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_prices(PRICES, tmp_path / "prices.parquet")
    write_predictions(ORACLE, tmp_path / "preds.parquet")
    arguments = [
        "--prices", "prices.parquet", "--predictions", "preds.parquet", "--strategy", "quintile_long_short",
        "--universe", f"{own}:cheap", "--quality-check", f"{own}:odd", "--cost-model", f"{own}:Range",
        "--cost-param", "share=0.01", "--metric", f"{own}:worst", "--metric", f"{own}:spanned", "--results", "runs",
    ]  # fmt: skip
    assert cli.main(["backtest", *arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    figures = {item["name"]: item["value"] for item in made["own_metrics"]["figures"]}
    assert figures["spanned"] == 2.0
    assert made["manifest"]["universe"] > 0
    assert any("odd: 1" in warning for warning in made["warnings"])
    assert any("not a member of the universe" in warning for warning in made["warnings"])
    run = load_run(made["run_id"], root="runs")
    assert figures["worst"] == pytest.approx(run.table("returns")["net"].min())
    plain = ["--prices", "prices.parquet", "--predictions", "preds.parquet", "--strategy", "quintile_long_short"]
    assert cli.main(["backtest", *plain, "--results", "runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] != run.id
    kept = load_study(run.path / "study.toml")
    assert kept.data.in_memory == ()
    assert cli.main(["runs", "rerun", run.id, "--results", "runs"]) == 0
    assert "the same bytes" in capsys.readouterr().out
    policy = f'[rules.worst]\nmetric = "worst"\nat_least = -0.5\n[rules.t]\npath = "{own}:turnover"\nat_most = 1e6\n'
    (tmp_path / "policy.toml").write_text(policy)
    assert cli.main(["gate", run.id, "--policy", "policy.toml", "--results", "runs"]) == 0
    (tmp_path / "policy.toml").write_text(policy.replace(f"{own}:turnover", f"{own}:none"))
    assert cli.main(["gate", run.id, "--policy", "policy.toml", "--results", "runs"]) == 3
    capsys.readouterr()
    assert cli.main(["runs", "list", "--results", "runs", "--columns", "run_id,worst", "--sort", "worst", "--csv"]) == 0
    assert str(figures["worst"])[:8] in capsys.readouterr().out
    book = ["positions", "--prices", "prices.parquet", "--predictions", "preds.parquet", "--unaccepted"]
    assert cli.main([*book, run.id, "--results", "runs"]) == 2
    assert "a cost model of one's own" in capsys.readouterr().err
    assert cli.main(["backtest", *plain, "--universe", f"{own}:cheap", "--results", "runs", "--json"]) == 0
    kept_within = json.loads(capsys.readouterr().out)["run_id"]
    assert cli.main([*book, kept_within, "--universe", f"{own}:cheap", "--results", "runs"]) == 0
    assert "largest difference 0" in capsys.readouterr().out


def test_faults_in_own_parts_name_file_and_line(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken_part.py").write_text("import numpy\n\nX = 1 / 0\n")
    for name, place in ((f"{own}:raises", f"{Path(own).name} line "), ("./broken_part.py:X", "broken_part.py line 3")):
        assert cli.main(["check", "metric", name]) == 1
        err = capsys.readouterr().err
        assert place in err
        assert err.count("\n") == 1
    assert cli.main(["check", "metric", "./no_such.py:X"]) == 2
    assert cli.main(["check", "metric", "ulcer"]) == 2
    assert "known: ./file.py:Name, package.module:Name" in capsys.readouterr().err


def test_an_installed_package_of_parts_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sysconfig

    from assay.data import own_code

    site = tmp_path / "site"
    site.mkdir()
    (site / "their_parts.py").write_text("def boom():\n    raise KeyError('x')\n")
    places = {**sysconfig.get_paths(), "purelib": str(site), "platlib": str(site)}
    monkeypatch.setattr(own_code.sysconfig, "get_paths", lambda: places)
    monkeypatch.setattr(own_code, "_needed", lambda: frozenset({"numpy"}))
    monkeypatch.syspath_prepend(str(site))
    import their_parts

    with pytest.raises(KeyError) as caught:
        their_parts.boom()
    place = own_code.place_of(caught.value)
    assert place is not None
    assert (Path(place.file).name, place.line) in {("their_parts.py", 2), (Path(__file__).name, place.line)}
    with pytest.raises(ValueError, match="no date") as ours:
        pd.Timestamp("no date")
    monkeypatch.undo()
    assert own_code._needed() == frozenset() or "pandas" in own_code._needed()
    assert "test_contracts" in str(own_code.place_of(ours.value))


def test_the_page_of_contracts_names_every_kind_and_group() -> None:
    import re

    from assay.commands.check import _KINDS
    from assay.commands.init import KINDS_OF_TEMPLATE
    from assay.data.features import FEATURE_ENTRY_POINTS
    from assay.data.labels import LABEL_ENTRY_POINTS
    from assay.data.own_quality import QUALITY_ENTRY_POINTS
    from assay.data.universe import UNIVERSE_ENTRY_POINTS
    from assay.engine.own_costs import COST_ENTRY_POINTS
    from assay.models.catalog import ENTRY_POINTS as MODEL_ENTRY_POINTS
    from assay.results.checks.own_metrics import METRIC_ENTRY_POINTS
    from assay.results.gate.figures import RULE_ENTRY_POINTS
    from assay.strategies.catalog import ENTRY_POINTS as STRATEGY_ENTRY_POINTS

    page = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \|.*\| `(assay\.\w+)` \|$", page, re.MULTILINE))
    assert rows == {
        "strategy": STRATEGY_ENTRY_POINTS, "model": MODEL_ENTRY_POINTS, "features": FEATURE_ENTRY_POINTS,
        "label": LABEL_ENTRY_POINTS, "costs": COST_ENTRY_POINTS, "universe": UNIVERSE_ENTRY_POINTS,
        "quality": QUALITY_ENTRY_POINTS, "metric": METRIC_ENTRY_POINTS, "rule": RULE_ENTRY_POINTS,
    }  # fmt: skip
    assert set(rows) == set(PARTS) == set(_KINDS)
    assert set(KINDS_OF_TEMPLATE) == set(TEMPLATES)
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [kind.capitalize() for kind in PARTS]
