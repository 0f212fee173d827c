"""A report made again: printed figures beside measured ones, each in its place, with the audit's verdict."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from assay.audit.claims.files import parse_claims
from assay.audit.like import like, render_like, render_like_html, report_claims
from assay.data.errors import UnknownNameError
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.models.catalog import load_model
from assay.results.evidence.forecast_tables import forecast_tables
from assay.results.evidence.training_report import Figures, training_figures
from assay.results.workflow import Checks, walk_forward

REPORTS = {
    "b3_model_card": "final",
    "b3_training_report": "final",
    "nse_phase2_report": "scom",
    "reliance_training_results": "wider",
    "stock_lstm_model_details": "model",
}


def test_the_documented_commands_name_each_report_and_its_model() -> None:
    page = Path(__file__).parents[2] / "docs" / "tutorials" / "auditing_a_report.md"
    commands = r"^    assay walk-forward --like (\w+) --model (\w+) --prices"
    named = dict(re.findall(commands, page.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(named) == set(REPORTS)
    for report, model in named.items():
        assert report_claims(report).claims
        assert load_model(model, preset="report").name == model


@pytest.mark.parametrize("name", REPORTS)
def test_a_figure_that_is_as_printed_is_found_in_every_report(name: str) -> None:
    """What a model would have to give for the report to be right, handed in: its figures are as printed."""
    claims = report_claims(name)
    given: dict[str, dict] = {"validation": {}, "test": {}}
    for claim in sorted(claims.claims, key=lambda claim: (not claims.split_of(claim), claim.value.unit)):
        if claim.group == REPORTS[name] and not claim.relation and claim.value.is_point:
            label, split = claim.label.lower(), claims.split_of(claim)
            key = (claim.metric, label.split()[0] if "quintile" in label else label, claim.at)
            for part in {"train": ["validation"], "": ["validation", "test"]}.get(split, [split]):
                given.get(part, given["test"]).setdefault(key, claim.value.value)
    page = like(claims, Figures(given["validation"], given["test"], {}), preset="report", about="handed in")
    own = [row for row in page.rows if row.verdict.claim.group == REPORTS[name] and not row.verdict.claim.relation]
    # One name may stand for two figures of a report: the ranking report calls an information ratio an IC once.
    wrong = [row for row in own if row.place in ("above the print", "below the print")]
    assert len(wrong) <= 3
    about_data = sum(row.place == "a fact of the report's own data" for row in own)
    assert sum(row.place == "as printed" for row in own) > 0.7 * (len(own) - about_data)
    text = render_like(page)
    assert claims.title in text
    assert any(word in text for word in ("inconsistent", "implausible", "explained by a baseline"))


def test_figures_of_other_runs_and_derived_ones() -> None:
    claims = report_claims("b3_training_report")
    figures = Figures({("train_loss", "", ""): 100.0, ("validation_loss", "", ""): 350.0, ("loss_gap", "", ""): 250.0},
                      {("accuracy", "", ""): 0.5, ("random_baseline", "", ""): 0.4}, {})  # fmt: skip
    rows = {(row.verdict.claim.metric, row.verdict.claim.printed): row
            for row in like(claims, figures, preset="report", about="").rows}  # fmt: skip
    assert rows["multiple", "35×"].validation == pytest.approx(3.5)
    assert rows["multiple", "2.74×"].test == pytest.approx(1.25)
    assert rows["accuracy", "59.1%"].place == "the report's run before its changes"
    assert rows["change", "54%"].place == "against the report's run before its changes"
    cells = like(claims, figures, preset="report", about="").cells()
    assert "change of accuracy, final" in {row["claim"] for row in cells}
    assert rows["train_loss", "253.35"].place == "below the print"
    assert math.isnan(rows["train_loss", "253.35"].test)
    direction = report_claims("reliance_training_results")
    deeper = Figures({("accuracy", "", ""): 0.3929, ("auc", "", ""): 0.9}, {("accuracy", "", ""): 0.2}, {})
    rows = {(row.verdict.claim.group, row.verdict.claim.metric, row.verdict.claim.printed): row
            for row in like(direction, deeper, preset="deeper", about="").rows}  # fmt: skip
    assert rows["deeper", "accuracy", "39.29%"].place == "as printed"
    assert rows["wider", "accuracy", "57.14%"].place == "another preset: wider"
    assert rows["target improved", "auc", ">0.65"].place == "met"
    assert rows["target improved", "accuracy", ">60%"].place == "not met"


@pytest.mark.parametrize(("relation", "value"), [("difference", 0.25), ("change", math.nan)])
def test_a_difference_from_a_measured_zero(relation: str, value: float) -> None:
    text = f'''[[claim]]\nid = "a"\nmetric = "accuracy"\nprinted = "50%"
[[claim]]\nid = "b"\nmetric = "f1"\nprinted = "0.5"
[[claim]]\nid = "c"\nmetric = "{relation}"\nprinted = "0.25"\nrelation = "{relation}"\ninputs = ["a", "b"]'''
    figures = Figures({("accuracy", "", ""): 0.0, ("f1", "", ""): 0.25}, {}, {})
    row = like(parse_claims(text), figures, preset="report", about="").rows[2]
    assert row.validation == pytest.approx(value, nan_ok=True)
    assert row.place == ("as printed" if relation == "difference" else "not given by this run")


def test_places_of_goals_yardsticks_and_epochs_that_were_not_reached() -> None:
    figures = Figures({("r2", "", ""): 0.9, ("epochs_run", "", ""): 3.0}, {("sharpe", "", ""): -1.0}, {})
    prices = like(report_claims("nse_phase2_report"), figures, preset="report", about="").rows
    places = {(row.verdict.claim.group, row.verdict.claim.printed): row.place for row in prices}
    assert places["full training", "0.40-0.70"] == "above the print"  # a range is not missed by being better
    assert places["full training", "> 0.5"] == "met"
    assert places["yardstick", "> 10"] == "a yardstick, no result"
    sizes = replace(figures, validation={("file_size", "scaler", ""): 448.0, ("r2", "", ""): 0.9})
    card = like(report_claims("b3_model_card"), sizes, preset="report", about="")
    shown = {(row["claim"], row["printed"]): row for row in card.cells()}
    assert shown["r2, alerts", "below 0.95"]["here"] == "the alert goes off"
    assert shown["file size, scaler, files", "~10-50KB"]["validation"] == "0.4 KB"
    counted = {("parameters", "keras", ""): 204_929.0, ("parameters", "torch", ""): 205_953.0}
    figures = replace(figures, validation={**figures.validation, **counted})
    ranks = like(report_claims("stock_lstm_model_details"), figures, preset="report", about="").rows
    assert next(row for row in ranks if row.verdict.claim.metric == "parameters").validation == 205_953.0
    assert {row.place for row in ranks if row.verdict.claim.at == "epoch 30"} == {"training ended at epoch 3"}
    assert {row.place for row in ranks if row.verdict.claim.at == "epoch 1"} == {"not given by this run"}
    frozen = next(row for row in ranks if row.verdict.claim.group == "frozen strategy")
    assert (frozen.test, frozen.place) == (-1.0, "below the print")  # the strategy's name for itself is no other run


def test_the_page_of_a_stored_walk_forward(tmp_path) -> None:
    prices, _ = synthetic_market(160, 10, ic=0.1, seed=4)
    model = load_model("b3_multitask", preset="tiny", epochs=2, target="price", recent=100)
    stored = walk_forward(
        model, prices, WalkForward(train=None, minimum_train=128, retrain=160), horizon=2, baselines=False,
        checks=Checks(), root=tmp_path,
    )  # fmt: skip
    figures = training_figures(stored, model, prices, speed=True)
    log = stored.walk.logs[0, 0]
    assert figures.validation["r2", "", ""] == log["validation"]["level"]["r2"]
    assert figures.validation["precision", "sell", ""] == log["validation"]["action"]["classes"]["sell"]["precision"]
    assert figures.validation["train_loss", "", "epoch 1"] == log["epochs"][0]["train_loss"]
    assert figures.validation["parameters", "", ""] == log["parameters"]["keras"]
    assert figures.validation["parameters", "torch", ""] == log["parameters"]["torch"]
    tables = forecast_tables(stored.walk.predictions, prices, fill=stored.result.config["execution"]["fill"])
    assert figures.test["mape", "", ""] == tables["levels"].loc["model", "mape"]
    assert figures.test["ic_percentile", "25%", ""] == tables["daily"].loc["25%", "rank_ic"]
    assert figures.test["hit_rate", "top", ""] == tables["fifths"].loc[5, "hit_rate"]
    metrics = {item["name"]: item["value"] for item in stored.run.metrics["metrics"]}
    assert figures.test["accuracy", "", ""] == pytest.approx(metrics["action_accuracy"])
    assert figures.test["f1_macro", "", ""] == pytest.approx(metrics["action_macro_f1"])
    assert figures.test["sharpe", "", ""] == metrics["sharpe_net"]
    shares = [figures.validation["split_share", name, ""] for name in ("train", "validation")]
    assert sum(shares) + figures.test["split_share", "test", ""] == pytest.approx(1.0)
    assert 0 < figures.validation["latency", "", ""] < 1000
    assert set(figures.tables) >= {"epochs", "losses", "classes", "thresholds", "levels", "fifths"}
    claims = report_claims("b3_training_report")
    page = like(claims, figures, preset="report", about="<b>about</b>", notes=["a & b"])
    html, text = render_like_html(page), render_like(page)
    assert "<b>about</b>" not in html
    assert "&lt;b&gt;about&lt;/b&gt;" in html
    assert "a &amp; b" in html
    assert 'content="default-src' in html
    assert html.count("<tr>") > len(page.rows)
    assert int(re.search(r"(\d+) of them measured", page.summary)[1]) > 30
    assert "Price levels, out of sample" in text
    few = replace(page, rows=(), tables={"daily": pd.DataFrame({"rank_ic": {"mean": math.nan, "n": 12345.0}})})
    for shown in (render_like_html(few), render_like(few)):
        assert "–" in shown
        assert "12,345" in shown


def test_a_report_that_is_not_there() -> None:
    with pytest.raises(UnknownNameError, match="b3_model_card"):
        report_claims("b3_model_crad")


def test_runs_that_a_claims_file_calls_others_are_not_measured() -> None:
    text = '''[[group]]\nname = "a"\nstage = "phase 2"
[[group]]\nname = "b"\nstage = "{stage}"
[[claim]]\nmetric = "accuracy"\nprinted = "50%"\ngroup = "a"
[[claim]]\nmetric = "accuracy"\nprinted = "60%"\ngroup = "b"'''
    for stage, places in (("final", ["phase 2", "as printed"]), ("phase 3", ["above the print", "as printed"])):
        claims = parse_claims(text.format(stage=stage))
        rows = like(claims, Figures({}, {("accuracy", "", ""): 0.6}, {}), preset="report", about="").rows
        assert [row.place for row in rows] == places
