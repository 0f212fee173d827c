"""Runs that keep less than everything: the same figures, and one line about what they cannot show."""

from dataclasses import replace

import pytest

from assay import Checks, InputError, backtest, compare, gate, load_strategy, synthetic_market
from assay.commands.backtest import KEPT
from assay.results.evidence.marginal import marginal_of
from assay.results.report.compare import summary_lines
from assay.results.report.tearsheet import tearsheet_sections
from assay.results.report.terminal import render_run
from assay.results.storage.kept import KEEP, kept_tables, left_out
from assay.results.workflow.kept_study import read_kept
from assay.results.workflow.positions import continued_predictions, target_positions

SAID = "kept: returns, without"


@pytest.fixture(scope="module")
def market():
    return synthetic_market(90, 6, ic=0.2, seed=3)


@pytest.fixture(scope="module")
def runs(market, tmp_path_factory):
    """The same backtest with each of what can be kept, in folders of their own."""
    prices, predictions = market
    rule = load_strategy("s2_filter_negative")
    return {
        keep: backtest(rule, predictions, prices, root=tmp_path_factory.mktemp(keep), keep=keep).run for keep in KEEP
    }


def test_figures_do_not_depend_on_what_is_kept(runs):
    whole = {item.name for item in runs["all"].path.glob("*.parquet")}
    assert {run.id for run in runs.values()} == {runs["all"].id}
    assert len({(run.path / "metrics.json").read_bytes() for run in runs.values()}) == 1
    gone = {f"{name}.parquet" for name in ("fills", "forward_returns", "holdings", "score", "trades", "weights")}
    assert whole - {item.name for item in runs["returns"].path.glob("*.parquet")} == gone
    assert whole - {item.name for item in runs["weights"].path.glob("*.parquet")} == gone - {"weights.parquet"}


def test_a_folder_never_loses_what_it_keeps_and_gains_what_is_asked(market, tmp_path):
    prices, predictions = market
    rule = load_strategy("equal_weight")

    def kept(keep):
        run = backtest(rule, predictions, prices, root=tmp_path, keep=keep).run
        return run.kept, run.has("holdings"), read_kept(run).report.keep

    assert kept("returns") == ("returns", False, "returns")
    assert kept("all") == ("all", True, "all")
    assert kept("weights") == ("all", True, "all")  # what is there stays


def test_a_table_that_was_left_out_is_named_with_the_way_to_it(runs):
    with pytest.raises(InputError, match=f"{SAID} holdings; the command that made it stores them with --keep all"):
        runs["returns"].table("holdings")
    assert runs["weights"].table("weights").equals(runs["all"].table("weights"))
    with pytest.raises(InputError, match="nothing"):
        runs["returns"].table("nothing")


def test_the_sheet_says_what_it_cannot_draw(runs):
    def shown(keep):
        parts = [part for section in tearsheet_sections(runs[keep]) for part in section.parts]
        missing = next((part for part in parts if part.title == "What this run does not have"), None)
        return {part.title for part in parts}, [row[2].text for row in missing.rows]

    (whole, missing), (less, reasons), (_, fewer) = map(shown, ("all", "returns", "weights"))
    said = SAID[0].upper() + SAID[1:]
    assert not [line for line in missing if said in line]
    assert {"weights", "trades", "score"} <= {line.removeprefix(f"{said} ").partition(";")[0] for line in reasons}
    assert not [line for line in fewer if "without weights" in line]
    lost = {"IC decay", "Dispersion of predictions", "Concentration", "Round trips", "Score and return by asset",
            "Current positions"}  # fmt: skip
    assert lost <= whole
    assert not lost & less
    assert {"Rank IC by session", "Returns by fifth of the score", "Stage by stage", "IC by year", "Exposure"} <= less


def test_the_gate_judges_a_run_that_kept_returns_as_any_other(runs):
    verdicts = [gate(runs[keep], "production") for keep in ("all", "returns")]
    assert verdicts[0].outcomes == verdicts[1].outcomes


def test_a_comparison_says_what_it_leaves_out(runs, market, tmp_path):
    prices, predictions = market
    other = backtest(load_strategy("s5_long_only"), predictions, prices, root=tmp_path, keep="returns").run
    found = compare(runs["all"], other, draws=50)
    assert [line for line in summary_lines(found) if "no squared errors" in line and SAID in line]
    assert found.to_json()["not_shown"]
    assert "squared_error" not in set(found.differences["statistic"])
    assert any(SAID in note for note in marginal_of([runs["all"], other], draws=50).notes)


def test_positions_ask_for_the_predictions_that_the_run_does_not_keep(runs, market):
    prices, predictions = market
    late = predictions.map(lambda frame: frame.iloc[40:])
    with pytest.raises(InputError, match="or give predictions from"):
        continued_predictions(runs["returns"], late, prices)
    book = target_positions(runs["returns"], predictions, prices, nav=1e6, unaccepted=True)
    assert book.replayed > 0  # by its net returns
    assert book.difference <= 1e-12


def test_what_is_not_said_is_a_matter_of_size(market, tmp_path, monkeypatch):
    prices, predictions = market
    rule = load_strategy("equal_weight")
    monkeypatch.setattr("assay.results.storage.kept.AUTO_CELLS", 90 * 6)
    assert backtest(rule, predictions, prices, root=tmp_path / "small").run.kept == "all"
    monkeypatch.setattr("assay.results.storage.kept.AUTO_CELLS", 90 * 6 - 1)
    large = backtest(rule, predictions, prices, root=tmp_path / "large").run
    assert (large.kept, read_kept(large).report.keep) == ("weights", "weights")
    assert "kept: weights" in render_run(large)


def test_what_can_be_kept_is_one_list():
    assert KEPT == KEEP
    with pytest.raises(InputError, match="keep: must be one of auto, all, weights, returns"):
        kept_tables({}, "nothing")
    assert left_out("returns", "returns") is None


def test_a_study_says_what_is_kept(runs):
    study = read_kept(runs["weights"])
    assert study.report.keep == "weights"
    assert replace(study, report=replace(study.report, keep="all")).checks.load() == Checks()
