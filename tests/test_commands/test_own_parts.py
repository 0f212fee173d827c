"""Parts of one's own by file: strategies and feature sets; whose fault an exception is; names by their beginning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.features import build_features
from assay.data.plugins import load_object
from assay.data.synthetic import synthetic_market
from assay.engine.checkpoints import identity_of
from assay.models.baselines import Ridge
from assay.models.catalog import load_fitted, load_model
from assay.strategies.catalog import load_strategy

PRICES, _ = synthetic_market(330, 8, ic=0.15, seed=5)
FEATURES = """
from assay.data.features import Feature, FeatureSet
def week(prices):
    return prices.close.pct_change(5, fill_method=None)
def broken(prices):
    return prices.close.nothing
WEEK = FeatureSet("week", (Feature("week", week, warmup=5),))
BROKEN = FeatureSet("broken", (Feature("broken", broken),))
ODD = FeatureSet("odd", (Feature("odd", lambda prices: 3.0),))
"""


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of feature sets below the working folder, under a name that no other test has."""
    name = f"features_{tmp_path.name.replace('-', '_')}"
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"{name}.py").write_text(FEATURES)
    monkeypatch.chdir(tmp_path)
    return f"./parts/{name}.py"


def test_a_feature_set_of_ones_own(features: str) -> None:
    panel = build_features(PRICES, f"{features}:WEEK")
    expected = PRICES.close.pct_change(5, fill_method=None).to_numpy()
    assert panel.names == ("week",)
    assert panel.values[..., 0][5:] == pytest.approx(expected[5:], rel=1e-6, nan_ok=True)
    model = Ridge(feature_set=f"{features}:WEEK")
    assert model.lookback == 6
    assert model.fit(PRICES, horizon=1, delay=1, seed=0).predict(PRICES).shape == PRICES.shape


def test_faults_name_the_file_or_what_is_expected(features: str, capsys: pytest.CaptureFixture[str]) -> None:
    def said(name: str, code: int) -> str:
        assert cli.main(["train", "--model", "ridge", "--model-param", f"feature_set={features}:{name}"]) == code
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        return err

    assert f"{Path(features).name} line 6 in broken, raised AttributeError" in said("BROKEN", 1)
    assert "gave (), expected" in said("ODD", 2)
    assert "a function, not an assay.data.features.FeatureSet" in said("week", 2)
    assert "cannot import" in said("NONE", 2)


def test_changed_features_are_fit_again(features: str) -> None:
    model = Ridge(feature_set=f"{features}:WEEK")
    before = identity_of(model, PRICES, 1, 1)
    assert identity_of(model, PRICES, 1, 1) == before
    path = Path(features)
    path.write_text(FEATURES + "# changed\n")
    assert identity_of(model, PRICES, 1, 1) != before


def test_a_checkpoint_does_not_choose_whose_code_runs(features: str, tmp_path: Path) -> None:
    folder = tmp_path / "fitted"
    folder.mkdir()
    Ridge(feature_set=f"{features}:WEEK").fit(PRICES, horizon=1, delay=1, seed=0).save(folder)
    with pytest.raises(InputError, match="somebody's code"):
        load_fitted(folder)
    assert load_fitted(folder, "ridge").predict(PRICES).shape == PRICES.shape


def test_a_file_whose_name_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("X = 1\n")
    with pytest.raises(InputError, match=r"is the name of another module .* rename json\.py"):
        load_object("strategy 'x'", f"{tmp_path / 'json.py'}:X")
    with pytest.raises(InputError, match="there is no file"):
        load_object("strategy 'x'", f"{tmp_path / 'absent.py'}:X")


def test_the_beginning_of_a_name_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_strategy("s2").name == "s2_filter_negative"
    assert load_model("grad").name == "gradient_boosting"
    assert load_model("stock_lstm").name == "stock_lstm"  # a whole name is no beginning
    assert cli.main(["strategies", "show", "s"]) == 2
    err = capsys.readouterr().err
    assert "begins 7 names, s1_bottom_k" in err
    assert "s7_confidence_scaled" in err
    assert cli.main(["strategies", "show", "s2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]
