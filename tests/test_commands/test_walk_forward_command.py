"""walk-forward, train and predict from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.files.predictions import read_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market
from assay.results.report.blocks import Table
from assay.results.report.run_data import RunData
from assay.results.report.sections.model import model_section
from assay.results.storage.runs import load_run


@pytest.fixture(scope="module")
def prices_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("market") / "prices.parquet"
    write_prices(synthetic_market(330, 8, ic=0.2, seed=5)[0], path)
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def walk(prices_path: Path, results: Path, *more: object) -> list[object]:
    return [
        "walk-forward", "--model", "ridge", "--prices", prices_path, "--train", 200, "--retrain", 60,
        "--executor", "serial", "--no-tearsheet", "--results", results, *more,
    ]  # fmt: skip


def test_a_walk_forward_ends_as_a_backtest_with_folds_baselines_and_models(capsys, prices_path, tmp_path):
    out = tmp_path / "predictions.parquet"
    asked = ("--save-predictions", out, "--embargo", 3, "--importance", "--importance-draws", 2)
    code, said, progress = run(capsys, *walk(prices_path, tmp_path, *asked))
    assert code == 0
    assert [line.split(" · ")[0] for line in progress.splitlines()] == [
        *(f"ridge {i}/3" for i in (1, 2, 3)), *(f"importance {i}/3" for i in (1, 2, 3)),
    ]  # fmt: skip
    assert "rank IC lost without" in said
    assert "± draws" in said, "of one seed"
    stored = load_run(said.strip().splitlines()[-1])
    assert stored.manifest["config"]["recipe"]["model"] == "ridge"
    assert stored.manifest["config"]["walk_forward"]["embargo"] == 3
    folds = stored.table("folds")
    assert folds["embargo"].eq(3).all()
    assert len(folds) == 3
    per_fold = stored.table("fold_metrics")
    assert per_fold["fold"].tolist() == folds["fold"].tolist()
    assert per_fold["rank_ic"].notna().all()
    table = stored.table("baselines")
    assert list(table.index) == ["ridge", "zero", "momentum", "reversal", "majority", "gradient_boosting"]
    weighted = np.average(per_fold["rank_ic"], weights=per_fold["sessions"])
    assert table.loc["ridge", "rank_ic"] == pytest.approx(weighted, abs=0.02)
    assert stored.checks["leaks"]["verdict"].startswith("no change in predictions, weights, run")
    assert sorted(path.name for path in (stored.path / "models").iterdir()) == [f"fold00{i}-seed0" for i in range(3)]
    worth = stored.table("importance")
    assert set(worth.index) == set(stored.metrics["training_logs"]["fold 0 seed 0"]["coefficients"])
    assert stored.table("importance_folds").groupby("fold").size().tolist() == [len(worth)] * 3
    section = model_section(RunData(stored))
    assert [part.title for part in section.parts if isinstance(part, Table) and "importance" in part.title] == [
        "Permutation importance", "Permutation importance by fold",
    ]  # fmt: skip
    predictions = read_predictions(out)
    assert predictions.receipts is not None
    assert predictions.receipts["available_at"].tolist() == folds["cutoff"].tolist()
    # The stored predictions, backtested alone, give the same figures.
    code, said, _ = run(
        capsys, "backtest", "--predictions", out, "--receipts", out.with_suffix(".receipts.csv"),
        "--prices", prices_path, "--results", tmp_path / "alone", "--json",
    )  # fmt: skip
    assert code == 0
    again = {item["name"]: item["value"] for item in json.loads(said)["metrics"]}
    sharpe = stored.metric("sharpe_net")
    assert sharpe is not None
    assert again["sharpe_net"] == pytest.approx(sharpe["value"], abs=1e-12)


def test_epochs_and_seeds_are_kept(capsys, prices_path, tmp_path):
    code, said, _ = run(
        capsys, *walk(prices_path, tmp_path, "--model", "stock_lstm", "--preset", "tiny", "--seeds", 2,
                      "--no-baselines", "--no-leaks", "--json"),
    )  # fmt: skip
    assert code == 0
    stored = load_run(json.loads(said)["path"])
    training = stored.table("training")
    assert training.groupby(["fold", "seed"]).size().tolist() == [2] * 6
    assert list(stored.table("seeds").index) == ["seed 0", "seed 1"]
    assert stored.table("dispersion").shape == stored.table("score").shape
    assert stored.table("folds")["validation_start"].notna().all()
    assert list(stored.table("baselines").index) == ["stock_lstm"]


def test_probabilities_alone_are_traded_by_confidence(capsys, prices_path, tmp_path):
    code, said, _ = run(capsys, *walk(prices_path, tmp_path, "--model", "majority", "--no-baselines", "--no-leaks"))
    assert code == 0
    assert said.startswith("confidence · majority")


def test_a_second_run_fits_nothing_again(capsys, prices_path, tmp_path, monkeypatch):
    from assay.models.baselines import Ridge

    first = run(capsys, *walk(prices_path, tmp_path, "--no-baselines", "--no-leaks"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fit again")

    monkeypatch.setattr(Ridge, "fit", refuse)
    assert run(capsys, *walk(prices_path, tmp_path, "--no-baselines", "--no-leaks"))[:2] == first[:2]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "rigde"), "did you mean 'ridge'"),
        (("--model-param", "penalty=much"), "penalty must be a number"),
        (("--model-param", "penalty"), "--model-param penalty: expected NAME=VALUE"),
        (("--preset", "huge"), "huge"),
        (("--train", "many"), "--train many"),
        (("--train", 900), "nothing to predict"),
        (("--retrain", "weekly"), "retrain must be"),
        (("--retrain", 0), "retrain must be at least 1"),
        (("--embargo", -1), "embargo"),
        (("--horizon", 0), "horizon"),
        (("--seeds", 0), "seeds must be distinct and at least one"),
        (("--workers", 0), "workers: must be"),
        (("--start", "soon"), "--start soon: not a date"),
        (("--start", "2000-02-01"), "start later or train on less"),
        (("--end", "1999-01-01"), "nothing to predict"),
        (("--start", "2040-01-02"), "nothing to predict from 2040-01-02 on: the sessions end"),
        (("--save-predictions", "out.csv"), "out.csv"),
        (("--save-predictions", "no/such/folder/out.parquet"), "no folder"),
        (("--strategy", "momentous"), "unknown strategy"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(capsys, prices_path, tmp_path, more, message):
    code, said, err = run(capsys, *walk(prices_path, tmp_path / "runs", *more))
    assert code == 2
    assert said == ""
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_missing_fields_are_told_before_anything_is_fit(capsys, prices_path, tmp_path):
    closes = tmp_path / "closes.parquet"
    pd.read_parquet(prices_path, columns=["date", "asset", "close"]).to_parquet(closes)
    code, _, err = run(capsys, *walk(closes, tmp_path / "runs", "--strategy", "confidence"))
    assert code == 2
    assert "confidence" in err
    assert "open" in err
    code, _, err = run(capsys, *walk(closes, tmp_path / "runs", "--model", "stock_lstm", "--preset", "tiny"))
    assert code == 2
    assert "stock_lstm" in err
    assert not (tmp_path / "runs").exists()


def test_mlflow_is_asked_for_clearly_where_it_is_missing(capsys, prices_path, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    code, _, err = run(capsys, *walk(prices_path, tmp_path / "runs", "--mlflow", f"file://{tmp_path}"))
    assert code == 2
    assert "pip install 'assay[mlflow]'" in err


@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_parameters_metrics_losses_and_files(capsys, prices_path, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")  # restores afterwards what `connect` sets
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    store = f"file://{tmp_path / 'mlruns'}"
    code, said, err = run(
        capsys, *walk(prices_path, tmp_path / "runs", "--model", "stock_lstm", "--preset", "tiny", "--no-baselines",
                      "--no-leaks", "--mlflow", store),
    )  # fmt: skip
    assert code == 0, err
    stored = load_run(said.strip().splitlines()[-1])
    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("assay")
    assert experiment is not None
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.run_name == stored.id
    assert logged.data.params["recipe.model"] == "stock_lstm"
    sharpe = stored.metric("sharpe_net")
    assert sharpe is not None
    assert logged.data.metrics["sharpe_net"] == pytest.approx(sharpe["value"])
    history = client.get_metric_history(logged.info.run_id, "fold1_seed0_train_loss")
    expected = stored.table("training").query("fold == 1")["train_loss"].tolist()
    assert [point.value for point in history] == pytest.approx(expected)
    assert {item.path for item in client.list_artifacts(logged.info.run_id)} == {
        "checks.json", "manifest.json", "metrics.json",
    }  # fmt: skip


def test_train_compares_presets_and_stores_one(capsys, prices_path, tmp_path):
    common = ("train", "--model", "stock_lstm", "--prices", prices_path, "--through", "2000-12-29")
    code, said, _ = run(capsys, *common, "--preset", "tiny", "--preset", "small", "--model-param", "epochs=1")
    assert code == 0
    assert "trained through 2000-12-29, judged on 2001-01-01" in said
    header = next(line for line in said.splitlines() if line.split() == ["tiny", "small"])
    assert header
    assert "rank_ic" in said
    out = tmp_path / "model"
    code, said, _ = run(capsys, *common, "--preset", "tiny", "--out", out, "--json")
    assert code == 0
    answer = json.loads(said)
    assert answer["test_start"] == "2001-01-01"
    assert len(answer["training"]["tiny"]["epochs"]) == 2
    code, _, err = run(capsys, *common, "--preset", "tiny", "--out", out)
    assert code == 2
    assert "does not exist yet" in err


def test_predict_gives_what_the_walk_forward_did_for_the_fold(capsys, prices_path, tmp_path):
    out = tmp_path / "walked.parquet"
    code, said, _ = run(
        capsys, *walk(prices_path, tmp_path, "--no-baselines", "--no-leaks", "--save-predictions", out)
    )
    assert code == 0
    model = load_run(said.strip().splitlines()[-1]).path / "models" / "fold002-seed0"
    alone = tmp_path / "alone.parquet"
    code, said, _ = run(capsys, "predict", model, "--prices", prices_path, "--out", alone, "--json")
    assert code == 0
    answer = json.loads(said)
    one, two = read_predictions(out), read_predictions(alone)
    assert one.score is not None
    assert two.score is not None
    assert answer["start"] == f"{two.sessions[0].date()}"
    pd.testing.assert_frame_equal(one.score.loc[two.sessions[0] :], two.score, check_freq=False)
    assert one.receipts is not None
    assert two.receipts is not None
    assert two.receipts["model_id"].iloc[0].startswith("ridge-")
    for stamp in ("trained_through", "labels_known_through", "available_at"):
        assert two.receipts[stamp].iloc[0] == one.receipts[stamp].iloc[-1]
    cases = {
        "start later": (model, "--start", answer["trained_through"]),
        "holds no model.json": (tmp_path,),
        "there is no folder": (model, "--out", tmp_path / "no" / "x.parquet"),
        "end the name": (model, "--out", tmp_path / "x.csv"),
    }
    for message, arguments in cases.items():
        code, said, err = run(capsys, "predict", "--prices", prices_path, "--out", tmp_path / "x.parquet", *arguments)
        assert (code, said) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    damaged = tmp_path / "damaged"
    shutil.copytree(model, damaged)
    (damaged / "model.json").write_text("{", encoding="utf-8")
    code, _, err = run(capsys, "predict", damaged, "--prices", prices_path, "--out", tmp_path / "x.parquet")
    assert code == 2
    assert "damaged" in err
    assert not (tmp_path / "x.parquet").exists()




def test_what_a_model_does_not_beat_is_said():
    from assay.results.report.terminal import _beaten

    table = pd.DataFrame(
        {"rank_ic": [0.02, np.nan, 0.03, 0.01], "sharpe_net": [0.5, 0.4, 0.1, -0.2]},
        index=["own", "zero", "ridge", "momentum"],
    )
    assert _beaten(table) == ["own: no better than ridge by rank IC; above all of them by net Sharpe"]
    assert _beaten(table.iloc[:1]) == []
