"""Studies: TOML that is read, refused and written; and the study that a run keeps reproduces it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.models.baselines import Ridge
from assay.models.catalog import MODELS, load_model
from assay.results.storage.runs import load_run
from assay.results.workflow import backtest, run_study
from assay.results.workflow.kept_study import STUDY, derived, model_section, read_kept, sources_of
from assay.results.workflow.requests import Checks
from assay.results.workflow.study import (
    CostSection,
    DataSection,
    FoldSection,
    ModelSection,
    PositionSection,
    PredictionSection,
    StrategySection,
    Study,
)
from assay.results.workflow.study_files import load_study, parse_study, schema_text, study_schema, study_toml
from assay.results.workflow.templates import TEMPLATES
from assay.strategies.catalog import STRATEGIES, load_strategy

ROOT = Path(__file__).parents[3]
PRICES, ORACLE = synthetic_market(330, 8, ic=0.15, seed=5)
FULL = Study(
    data=DataSection(prices="a b/p.csv", columns={"close": "PX_LAST", "predictions.score": 'y "hat"'}, decimal=","),
    predictions=PredictionSection(file="x.parquet", unit="rank", start="2020-01-02"),
    strategy=StrategySection("./mine.py:Mine", {"quantile": 0.1, "names": ["A", "B"], "on": True, "none": "none"}),
    costs=CostSection(commission_bps=7.5, files=("costs.csv",)),
    made_from={"a b/p.csv": "00ff"},
)


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with prices and predictions."""
    write_prices(PRICES, tmp_path / "prices.parquet")
    write_predictions(ORACLE, tmp_path / "preds.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert cli.main([*arguments, "--json"]) == 0, capsys.readouterr().err
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("study", [Study(), FULL, *(study for study, _ in TEMPLATES.values())])
def test_what_is_written_is_read_back(study: Study) -> None:
    assert parse_study(study_toml(study)) == study
    assert parse_study(study_toml(study, about="a\nb", commented=True)) == study


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[fold]\ntrain = 3", "did you mean 'folds'?"),
        ("[folds]\ntrian = 3", "[folds] 'trian': did you mean 'train'?"),
        ("[folds]\ntrain = 'all'", '[folds] train: expected a whole number or "expanding", got \'all\''),
        ("[folds]\nseeds = ['a']", "expected a whole number or a list, each a whole number"),
        ("[costs]\ncommission_bps = 'five'", "[costs] commission_bps: expected a number, got 'five'"),
        ("[costs]\ntable = 3", "unknown key"),
        ("[checks]\nleaks = 1", "[checks] leaks: expected true or false, got 1"),
        ("[execution]\ndelay = 0", "delay must be at least 1"),
        ("[data]\ndecimal = ';'", 'expected "." or ","'),
        ("[model]\npreset = 'small'", "[model]: name is missing; it is a text"),
        ("[model]\nname = 'ridge'\n[predictions]", "exclude each other"),
        ("data = 3", "expected a table [data]"),
        ("[sweep]\ngrid = { quantile = 0.1 }", "[sweep] grid: expected a table, got a table"),
        ("[sweep]\n[gate]\npolicy = 'research'\n[checks]\nleaks = true", "take out what is of one: [checks], [gate]"),
        ("[data", "not TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, reason: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert reason in str(caught.value)
    assert cli.main(["run", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_dates_may_be_dates_and_whole_numbers_may_stand_for_numbers() -> None:
    study = parse_study("[folds]\nstart = 2018-01-02\n[costs]\ncommission_bps = 10\n[execution]\nsame_close = true")
    assert (study.folds.start, study.costs.commission_bps, study.execution.delay) == ("2018-01-02", 10.0, 0)
    assert isinstance(study.costs.commission_bps, float)


def test_the_shipped_schema_is_that_of_the_dataclasses() -> None:
    assert (ROOT / "results" / "workflow" / "study.schema.json").read_text(encoding="utf-8") == schema_text()
    sections = study_schema()["properties"]
    assert set(sections) == {item.name for item in fields(Study)}
    assert sections["folds"]["properties"]["train"]["anyOf"] == [{"type": "integer"}, {"enum": ["expanding"]}]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_written_down_and_comes_back_equal(name: str) -> None:
    strategy = load_strategy(name)
    study = derived(Study(), strategy=strategy, costs=CostModel(), checks=Checks())
    assert study.data.in_memory == ()
    back = parse_study(study_toml(study))
    assert back == study
    assert back.strategy.name == name
    assert back.load_strategy("") == strategy


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_written_down_and_comes_back_equal(name: str) -> None:
    model = load_model(name, **({"estimator": "sklearn.linear_model:Ridge"} if name == "sklearn" else {}))
    section, lost = model_section(model)
    back = parse_study(study_toml(Study(model=section)))
    assert (lost, section.name) == ([], name)
    assert back.model is not None
    assert back.model.load() == model


def test_a_backtest_by_study_is_that_of_the_command(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (market / "costs.csv").write_text("asset,spread_bps\nS000,9\n")
    typed = run_of(
        "backtest", "--prices", "prices.parquet", "--predictions", "preds.parquet", "--strategy", "quintile_long_short",
        "--param", "quantile=0.25", "--commission-bps", "3", "--costs-file", "costs.csv", "--results", "one",
        capsys=capsys,
    )  # fmt: skip
    study = Study(
        data=DataSection(prices="prices.parquet"),
        predictions=PredictionSection(file="preds.parquet"),
        strategy=StrategySection("quintile_long_short", {"quantile": 0.25}),
        costs=CostSection(commission_bps=3, files=("costs.csv",)),
    )
    (market / "study.toml").write_text(study_toml(study))
    written = run_of("run", "study.toml", "--results", "two", capsys=capsys)
    assert written["run_id"] == typed["run_id"]
    one, two = (load_run(str(typed["run_id"]), root=root) for root in ("one", "two"))
    assert one.manifest["files"] == two.manifest["files"]
    assert (one.path / STUDY).read_bytes() == (two.path / STUDY).read_bytes()
    kept = load_study(one.path / STUDY)
    assert kept.data.prices == "../../prices.parquet"
    assert set(kept.made_from) == {"../../prices.parquet", "../../preds.parquet", "../../costs.csv"}


def test_a_walk_forward_by_study_is_that_of_the_command(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = run_of(
        "walk-forward", "--prices", "prices.parquet", "--model", "ridge", "--model-param", "penalty=0.1",
        "--train", "200", "--retrain", "60", "--no-baselines", "--no-tearsheet", "--executor", "serial",
        "--results", "one",
        capsys=capsys,
    )  # fmt: skip
    study = Study(
        data=DataSection(prices="prices.parquet"),
        model=ModelSection("ridge", parameters={"penalty": 0.1}),
        folds=FoldSection(train=200, retrain=60, executor="serial"),
    )
    text = study_toml(study) + "\n[checks]\nbaselines = false\nleaks = true\n[gate]\npolicy = 'research'\n"
    (market / "study.toml").write_text(text)
    assert cli.main(["run", "study.toml", "--results", "two", "--json"]) in (1, 3)
    written = json.loads(capsys.readouterr().out)
    assert written["run_id"] == typed["run_id"]
    assert written["gate"]["verdict"] != "pass"
    assert (market / "two" / written["run_id"] / "gate.json").is_file()
    assert cli.main(["runs", "rerun", str(typed["run_id"]), "--results", "one"]) == 0
    assert "the same bytes" in capsys.readouterr().out


def test_a_rerun_says_which_input_changed(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--prices", "prices.parquet", "--predictions", "preds.parquet", "--results", "runs"]
    made = str(run_of("backtest", *arguments, capsys=capsys)["run_id"])
    before = (market / "runs" / made / "metrics.json").read_bytes()
    assert cli.main(["runs", "rerun", made, "--results", "runs"]) == 0
    moved = PRICES.close.copy()
    moved.iloc[-40:, 0] *= 1.01
    write_prices(replace(PRICES, close=moved, open=None, high=None, low=None), market / "prices.parquet")
    capsys.readouterr()
    assert cli.main(["runs", "rerun", made, "--results", "runs", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["same_bytes"]
    assert "prices.parquet is not the file that it was" in answer["causes"]
    assert "the prices are other values than they were" in answer["causes"]
    assert (market / "runs" / made / "metrics.json").read_bytes() == before
    (market / "prices.parquet").unlink()
    assert cli.main(["runs", "rerun", made, "--results", "runs"]) == 2


def test_inputs_from_memory_are_marked_and_such_a_study_is_not_run(market: Path, capsys) -> None:
    run = backtest(load_strategy("equal_weight"), ORACLE, PRICES, root="runs").run
    kept = read_kept(run)
    assert kept.data.in_memory == ("prices", "predictions")
    assert cli.main(["runs", "rerun", run.id, "--results", "runs"]) == 2
    assert "came from memory" in capsys.readouterr().err
    assert sources_of(PRICES, None, PRICES.close.iloc[:, 0]).data.in_memory == ("prices", "benchmark")


def test_unknown_strategy_parameters_are_named(market: Path) -> None:
    study = parse_study("[strategy]\nname = 's2_filter_negative'\n[strategy.parameters]\nquantil = 0.1")
    with pytest.raises(UnknownNameError, match="did you mean 'quantile'"):
        study.load_strategy("")


@pytest.mark.usefixtures("forget_plugins")
@pytest.mark.parametrize("template", ["predictions", "strategy"])
def test_a_template_runs_as_it_is_and_overwrites_nothing(template: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    folder = f"{template}_project"
    assert cli.main(["init", "--template", template, folder]) == 0
    text = (tmp_path / folder / "study.toml").read_text(encoding="utf-8")
    (tmp_path / folder / "study.toml").write_text(text.replace("tearsheet = true", "tearsheet = false"))
    assert cli.main(["init", "--template", template, folder]) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["run", f"{folder}/study.toml"]) == 0
    assert cli.main(["run", f"{folder}/study.toml"]) == 0
    (made,) = [path for path in (tmp_path / "results" / "runs").iterdir() if not path.name.startswith(".")]
    assert load_study(made / STUDY).data.in_memory == ()


@pytest.mark.usefixtures("forget_plugins")
def test_the_model_template_is_a_model(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "--template", "model"]) == 0
    assert cli.main(["check", "model", "./my_model.py:MyModel"]) == 0
    assert cli.main(["init", "--template", "strategy", "other"]) == 0
    capsys.readouterr()
    fitted = load_model("./my_model.py:MyModel").fit(PRICES, horizon=1, delay=1, seed=0)
    ridge = Ridge().fit(PRICES, horizon=1, delay=1, seed=0)
    assert fitted.predict(PRICES).shape == ridge.predict(PRICES).shape


def test_a_study_says_what_is_held_next_from_python_too(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (market / "held.csv").write_text("asset,shares\nS000,10\ncash,50000\n")
    (market / "study.toml").write_text(
        "[data]\nprices = 'prices.parquet'\n[predictions]\nfile = 'preds.parquet'\n[strategy]\n"
        "name = 'quintile_long_short'\n[positions]\nholdings = 'held.csv'\nout = 'book.csv'\nmax_age = 10\n"
        "unaccepted = true\nstate = 'live'\n"
    )
    (market / "live").mkdir()
    assert cli.main(["run", "study.toml", "--results", "one"]) == 0
    out = capsys.readouterr().out
    assert "UNACCEPTED" in out
    written = pd.read_csv(market / "book.csv").set_index("asset")
    assert written.loc["S000", "held"] == 10
    (made,) = [path for path in (market / "one").iterdir() if path.name.startswith("quintile")]
    assert load_study(made / STUDY).positions == PositionSection(
        holdings="../../held.csv", out="../../book.csv", state="../../live", max_age=10, unaccepted=True
    )
    typed = ["positions", made.name, "--prices", "prices.parquet", "--predictions", "preds.parquet", "--unaccepted",
             "--holdings", "held.csv", "--max-age", "10", "--results", "one", "--out", "typed.csv"]  # fmt: skip
    assert cli.main([*typed, "--state", "live"]) == 0  # the state goes on where the study began it
    followed = pd.read_csv(market / "typed.csv").set_index("asset")
    np.testing.assert_allclose(followed["order"], written["order"], rtol=1e-9, atol=1e-9)
    assert cli.main(typed) == 0
    assert (market / "typed.csv").read_bytes() == (market / "book.csv").read_bytes()
    by_study = ["positions", "study.toml", "--holdings", "held.csv", "--max-age", "10", "--results", "one"]
    assert cli.main([*by_study, "--unaccepted", "--out", "study.csv"]) == 0
    assert (market / "study.csv").read_bytes() == (market / "book.csv").read_bytes()
    assert cli.main(by_study) == 2  # the study has no [gate]
    assert "no gate has judged it" in capsys.readouterr().err
    assert cli.main([*by_study, "--prices", "prices.parquet"]) == 2
    assert "drop the options" in capsys.readouterr().err
    stored = run_study("study.toml", root="two")
    assert stored.run.id == made.name
    assert cli.main(["runs", "rerun", made.name, "--results", "one"]) == 0


def test_a_sweep_by_study_is_that_of_the_command(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--prices", "prices.parquet", "--predictions", "preds.parquet", "--strategy", "quintile_long_short"]
    grid = ["--grid", "quantile=0.2,0.4", "--grid", "cost_bps=0,7.5", "--borrow-bps", "10"]
    typed = run_of("sweep", *files, *grid, "--results", "one", capsys=capsys)
    (market / "study.toml").write_text(
        "[data]\nprices = 'prices.parquet'\n[predictions]\nfile = 'preds.parquet'\n[strategy]\nname = 'quintile'\n"
        "[costs]\nborrow_bps = 10\n[sweep]\ngrid = { quantile = [0.2, 0.4], cost_bps = [0, 7.5] }\nheatmap = 'a.png'\n"
    )
    written = run_of("run", "study.toml", "--results", "two", capsys=capsys)
    assert written["run_id"] == typed["run_id"]
    one, two = (load_run(str(typed["run_id"]), root=root) for root in ("one", "two"))
    assert one.manifest["files"] == two.manifest["files"]
    assert (one.path / STUDY).read_bytes() == (two.path / STUDY).read_bytes()
    assert (market / "a.png").read_bytes().startswith(b"\x89PNG")
    stored = run_study(one.path / STUDY, root="three")
    assert stored.run.id == one.id
    assert cli.main(["runs", "rerun", one.id, "--results", "one"]) == 0
    assert "the same bytes, 2 tables" in capsys.readouterr().out
