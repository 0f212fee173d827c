"""Packed panels: the same panel from a folder of mapped arrays; one line where it is not what was written."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay import (
    Checks,
    InputError,
    backtest,
    load_predictions,
    load_prices,
    load_strategy,
    synthetic_market,
    write_predictions,
    write_prices,
)
from assay.commands import main as cli
from assay.data.files.options import ReadOptions
from assay.data.files.packed import is_packed, pack_predictions, pack_prices
from assay.data.mapped import is_mapped, release, row_parts
from assay.data.panel import PricePanel
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import hint_for
from assay.results.report.run_data import RunData
from assay.results.report.sections.summary import verdicts
from assay.results.storage.trial_ledger import scenario_of
from assay.results.workflow import bundles
from assay.results.workflow.inputs import load_inputs, load_market
from assay.results.workflow.study import DataSection, PredictionSection, Study
from assay.results.workflow.study_runs import inputs_of


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A market of 70 assets with holes, as files and packed beside them."""
    folder = tmp_path_factory.mktemp("packed")
    prices, predictions = synthetic_market(40, 70, seed=1)
    close = prices.close.copy()
    close.iloc[5:9, 3] = close.iloc[20:, 4] = np.nan
    prices = PricePanel(close, volume=prices.volume)
    write_prices(prices, folder / "prices.parquet")
    write_predictions(predictions, folder / "scores.parquet")
    pack_prices(load_prices(folder / "prices.parquet"), folder / "prices.pack")
    pack_predictions(load_predictions(folder / "scores.parquet"), folder / "scores.pack")
    return folder


def test_a_packed_panel_is_the_panel_of_its_file(files):
    read, packed = load_prices(files / "prices.parquet"), load_prices(files / "prices.pack")
    assert packed.fingerprint == read.fingerprint
    assert PricePanel(packed.close, volume=packed.volume).fingerprint == read.fingerprint  # computed from the values
    assert packed.close.equals(read.close)
    assert (packed.source, packed.adjusted, packed.warnings) == (read.source, read.adjusted, read.warnings)
    assert packed.sessions.name == read.sessions.name
    scores, theirs = load_predictions(files / "scores.parquet"), load_predictions(files / "scores.pack")
    assert scores.fingerprint == theirs.fingerprint
    assert scores.name == theirs.name


def test_values_stay_in_the_file_through_what_a_run_does_with_a_panel(files):
    packed = load_prices(files / "prices.pack")
    later = packed.between(packed.sessions[3], packed.sessions[30]).through(packed.sessions[20])
    for panel in (packed, later, packed.shielded()):
        values = panel.close.to_numpy()
        assert is_mapped(values)
        assert not values.flags.writeable
    before = packed.close.to_numpy().copy()
    release(packed.close.to_numpy())
    assert np.array_equal(packed.close.to_numpy(), before, equal_nan=True)
    assert sum(len(part) for _, part in row_parts(packed.close.to_numpy(), most=200)) == 40
    assert not is_mapped(before)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda data: data[:-8], "close.npy: no array, or cut short"),
        (lambda data: data[:-8] + np.float64(3.0).tobytes(), "its values are not what was written"),
        (lambda data: b"", "close.npy"),
        (lambda data: data[:6] + b"\xff" + data[7:], "close.npy|format"),
        (None, "No such file"),
    ],
)
def test_what_is_cut_short_or_altered_is_refused_in_one_line(files, tmp_path, harm, reason):
    folder = pack_prices(load_prices(files / "prices.parquet"), tmp_path / "prices.pack")
    array = folder / "close.npy"
    if harm is None:
        array.unlink()
    else:
        array.write_bytes(harm(array.read_bytes()))
    with pytest.raises(InputError, match=reason) as caught:
        load_prices(folder)
    assert "\n" not in str(caught.value)
    assert "pack it again" in str(caught.value)


def test_no_pickle_is_read(files, tmp_path):
    folder = pack_prices(load_prices(files / "prices.parquet"), tmp_path / "prices.pack")
    np.save(folder / "close.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        load_prices(folder)


def test_a_sealed_description_is_held_to(files, tmp_path):
    folder = pack_prices(load_prices(files / "prices.parquet"), tmp_path / "prices.pack")
    about = json.loads((folder / "panel.json").read_text(encoding="utf-8"))
    about["assets"][0] = "another"
    (folder / "panel.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(InputError, match="its content is not what was written"):
        load_prices(folder)


def test_kinds_and_units_are_not_mixed_up(files, tmp_path):
    with pytest.raises(InputError, match="holds packed prices, not predictions"):
        load_predictions(files / "prices.pack")
    with pytest.raises(InputError, match="packed with horizon 1, read with 5"):
        load_predictions(files / "scores.pack", horizon=5)
    with pytest.raises(InputError, match="holds no packed predictions"):
        pack_predictions(load_predictions(files / "scores.parquet"), files / "prices.pack")
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="is there already"):
        pack_prices(load_prices(files / "prices.parquet"), tmp_path / "mine")
    assert not is_packed(tmp_path / "mine")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["mine"]


def test_the_command_packs_beside_the_file_and_a_run_is_the_same_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "ledger"))
    prices, predictions = synthetic_market(60, 6, ic=0.1, seed=2)
    files = tmp_path / "prices.parquet", tmp_path / "scores.parquet"
    write_prices(prices, files[0])
    write_predictions(predictions, files[1])
    assert cli.main(["data", "pack", str(files[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "prices.pack")
    assert cli.main(["data", "pack", str(files[1]), "--as", "predictions"]) == 0
    assert "scores.pack: predictions of 6 assets × 60 sessions" in capsys.readouterr().out
    runs = []
    for suffix in (".parquet", ".pack"):
        panels = load_prices(files[0].with_suffix(suffix)), load_predictions(files[1].with_suffix(suffix))
        runs.append(backtest(load_strategy("s1_bottom_k"), panels[1], panels[0], root=tmp_path / suffix).run)
    assert runs[0].id == runs[1].id
    assert (runs[0].path / "metrics.json").read_bytes() == (runs[1].path / "metrics.json").read_bytes()


def test_a_run_of_packed_panels_that_keeps_returns_is_worked_in_blocks(files, tmp_path):
    panels = load_predictions(files / "scores.pack"), load_prices(files / "prices.pack")
    rule, told = load_strategy("s2_filter_negative"), Told()
    stored = backtest(rule, *panels, root=tmp_path / "blocks", keep="returns", progress=told)
    whole = backtest(rule, *panels, root=tmp_path / "memory", keep="weights")
    assert "sessions" in told.tasks
    assert stored.run.id != whole.run.id  # it has fewer figures
    assert scenario_of(stored.result.config) == scenario_of(whole.result.config)  # and is among the same trials
    theirs = {item["name"]: item["value"] for item in whole.run.metrics["metrics"]}
    ours = {item["name"]: item["value"] for item in stored.run.metrics["metrics"] if item["value"] is not None}
    assert ours == pytest.approx({name: theirs[name] for name in ours}, rel=1e-9)
    assert {name for name in theirs.keys() - ours.keys() if theirs[name] is not None} == {"hit_trade", "hit_trade_base"}
    assert stored.run.metrics["counts"] == whole.run.metrics["counts"]
    assert not stored.run.has("weights")
    assert hint_for(LeakCheck, stored.run) == "run again with --keep all --leaks"  # in blocks it would be refused
    assert hint_for(LeakCheck, whole.run) == "run again with --leaks"
    tiles = {tile.name: tile.detail for tile in verdicts(RunData(stored.run))}
    assert tiles["Second engine"] == "run again with --keep all --cross-check"
    assert [item.name for item in (tmp_path / "blocks").iterdir() if item.is_file()] == []  # nothing is left behind
    narrow = Study(data=DataSection(prices=str(files / "prices.pack")),
                   predictions=PredictionSection(str(files / "scores.pack")))  # fmt: skip
    few = panels[0].map(lambda frame: frame.iloc[:, :8]), PricePanel(panels[1].close.iloc[:, :8].copy())
    backtest(rule, *few, root=tmp_path / "few", keep="returns", progress=told, study=narrow)
    assert told.lines == ["worked in memory, not in blocks of sessions: a panel of 8 assets, which is read whole"]
    with pytest.raises(InputError, match="--canaries: read the whole panels in memory"):
        backtest(rule, *panels, root=tmp_path, keep="returns", checks=Checks(canaries=True))
    backtest(load_strategy("s2_filter_negative", sleeves=2), *panels, root=tmp_path, keep="returns", progress=told)
    assert any("worked in memory, not in blocks of sessions: a schedule, sleeves" in line for line in told.lines)


class Told:
    """Keeps what it is told."""

    def __init__(self):
        self.tasks, self.lines = set(), []

    def advance(self, task, done, total, note="", running=0.0):
        self.tasks.add(task)

    def say(self, line):
        self.lines.append(line)


def test_what_somebody_wrote_into_a_mapping_stays(tmp_path):
    np.save(tmp_path / "a.npy", np.full((600, 400), 100.0))
    values = np.load(tmp_path / "a.npy", mmap_mode="c")
    values[:] = np.arange(1.0, 601.0)[:, None]
    for _ in row_parts(values):
        pass
    release(values)
    assert values[-1, -1] == 600.0


def test_what_is_said_of_how_to_read_a_packed_panel_is_refused_unless_another_file_may_need_it(files, tmp_path):
    for name, options in (("column", ReadOptions(columns={"close": "PX"})), ("layout", ReadOptions(layout="wide"))):
        with pytest.raises(InputError, match=f"packed already, and read as it was packed; leave out --{name},"):
            load_prices(files / "prices.pack", options=options)
        with pytest.raises(InputError, match="packed already"):
            load_predictions(files / "scores.pack", options=options)
    for options in (ReadOptions(tz="Asia/Tokyo"), ReadOptions(date_format="%d.%m.%Y"), ReadOptions(decimal=",")):
        for load, name in ((load_prices, "prices.pack"), (load_predictions, "scores.pack")):
            with pytest.raises(InputError, match="packed already"):
                load(files / name, options=options)
            assert load(files / name, options=replace(options, shared=True)).sessions.size
    data = DataSection(prices=str(files / "prices.pack"), columns={"predictions.date": "Day"}, date_format="%d.%m.%Y")
    universe = tmp_path / "members.csv"  # the date format is of the one file that is text
    universe.write_text("asset,from,to\nS000,14.01.2000,\nS001,01.01.1990,\n")
    market, _ = load_market(replace(data, universe=str(universe), tz="Asia/Tokyo"))
    assert market.members is not None
    assert market.members["S000"].sum() == (market.sessions >= "2000-01-14").sum()
    table = load_predictions(files / "scores.pack").score.rename_axis("Day").iloc[:, :5]
    table.to_csv(tmp_path / "scores.csv", date_format="%d.%m.%Y")
    given = PredictionSection(str(tmp_path / "scores.csv"))
    read = load_inputs(Study(data=data, predictions=given), delay=1)
    assert is_mapped(read.prices.close.to_numpy())
    assert read.predictions.sessions.equals(read.prices.sessions)
    with pytest.raises(InputError, match="leave out --column, say it of another file"):
        load_inputs(Study(data=replace(data, columns={"date": "Day"}), predictions=given), delay=1)


def test_what_is_said_of_dates_or_decimals_is_refused_where_all_files_are_packed(files, tmp_path, capsys):
    prices, scores = str(files / "prices.pack"), str(files / "scores.pack")
    (tmp_path / "members.csv").write_text("asset,from,to\nS000,2000-01-14,\n")
    for line, names in (
        (["data", "describe", prices, "--tz", "Asia/Tokyo"], "--tz, or pack the file again with it"),
        (["backtest", "--prices", prices, "--predictions", scores, "--decimal", ",", "--date-format", "%d.%m.%Y"],
         "--date-format, --decimal, or pack the file again with them"),
    ):  # fmt: skip
        assert cli.main(line) == 2
        assert f"is packed already, and read as it was packed; leave out {names}" in capsys.readouterr().err
    scored = load_predictions(scores)
    days = [(day - pd.offsets.BDay(9), day) for day in scored.sessions]
    rows = [f"{day:%d.%m.%Y},m,0,{past:%d.%m.%Y},{past:%d.%m.%Y},{past:%d.%m.%Y},{day:%d.%m.%Y}" for past, day in days]
    names = "session,model_id,fold,trained_through,preprocessing_fit_through,labels_known_through,available_at"
    parts = [str(pack_predictions(replace(scored, name=name), tmp_path / f"{name}.pack")) for name in ("one", "two")]
    (tmp_path / "one.receipts.csv").write_text("\n".join([names, *rows]))  # of the part, and text
    given = ["combine", *parts, "--out", str(tmp_path / "both.parquet"), "--date-format", "%d.%m.%Y"]
    assert cli.main(given) == 0, capsys.readouterr().err
    (tmp_path / "one.receipts.csv").unlink()
    assert cli.main(given) == 2
    assert "leave out --date-format, or pack" in capsys.readouterr().err
    assert cli.main(["backtest", "--tz", "Asia/Tokyo"]) == 2
    assert "of files; none is named" in capsys.readouterr().err
    data = DataSection(prices=prices, tz="Asia/Tokyo")
    study = Study(data=data, predictions=PredictionSection(scores))
    with pytest.raises(InputError, match="leave out --tz"):
        inputs_of(study)
    assert inputs_of(replace(study, data=replace(data, universe=str(tmp_path / "members.csv"))))[0].members is not None


def test_a_pack_takes_no_other_market_s_place_and_is_no_results_folder(files, tmp_path, capsys):
    first, second = (PricePanel(synthetic_market(20, 4, seed=seed)[0].close) for seed in (0, 1))
    other = PricePanel(second.close.set_axis(list("abcd"), axis=1))
    folder = pack_prices(replace(first, source="prices_2026-07-30.parquet"), tmp_path / "p.pack")
    with pytest.raises(InputError, match=r"is there already, made from .*: 0 of its 4 assets are in .*; remove it, or"):
        pack_prices(other, folder)
    pack_prices(replace(second, source="prices_2026-07-31.parquet"), folder)  # the same assets: a later state of them
    assert load_prices(folder).fingerprint == second.fingerprint
    for place in (folder, folder / "runs"):
        assert cli.main(["runs", "list", "--results", str(place)]) == 2
        assert "p.pack is a packed panel (`data pack`); name another folder" in capsys.readouterr().err


def test_a_pack_is_validated_and_holds_no_sealed_sessions(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "ledger"))
    prices = PricePanel(synthetic_market(60, 5, seed=0)[0].close)
    close = prices.close.copy()
    close.iloc[30:, 2] *= 40.0
    file = write_prices(PricePanel(close), tmp_path / "prices.parquet")
    assert cli.main(["data", "pack", str(file), "--out", str(tmp_path / "whole.pack")]) == 0
    capsys.readouterr()
    reports = []
    for name in ("prices.parquet", "whole.pack"):
        assert cli.main(["data", "validate", str(tmp_path / name), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        reports.append((report["warnings"], report["table"]))
    assert reports[0] == reports[1]
    assert reports[0][0]
    assert cli.main(["data", "seal", str(file), "--after", str(close.index[39].date())]) == 0
    assert cli.main(["data", "pack", str(file)]) == 0
    assert "20 sessions after" in capsys.readouterr().err
    assert load_prices(tmp_path / "prices.pack").shape == (40, 5)


@pytest.mark.slow
def test_a_run_of_packed_panels_is_exported_and_verified(files, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "ledger"))
    panels = ["--prices", str(files / "prices.pack"), "--predictions", str(files / "scores.pack")]
    assert cli.main(["backtest", *panels, "--keep", "returns"]) == 0
    (run,) = (item.name for item in (tmp_path / "results" / "runs").iterdir() if not item.name.startswith("."))
    assert cli.main(["tearsheet", run, "--output", "sheet.md"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "LARGEST", 1000)
        assert cli.main(["runs", "export", run, "run.zip"]) == 2
    assert "and a bundle holds 0 GB at most" in capsys.readouterr().err
    inputs = sum(item.stat().st_size for name in ("prices", "scores") for item in (files / f"{name}.pack").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "LARGEST", inputs + 1000)  # room for the inputs, and not for the rest
        assert cli.main(["runs", "export", run, "run.zip"]) == 2
    assert "run and inputs are" in capsys.readouterr().err
    assert not (tmp_path / "run.zip").exists()
    assert cli.main(["runs", "export", run, "run.zip"]) == 0
    with zipfile.ZipFile("run.zip") as bundle:
        assert {"inputs/prices.pack/panel.json", "inputs/prices.pack/close.npy"} <= {*bundle.namelist()}
    assert cli.main(["verify", "sheet.md", "--run", "run.zip"]) == 0, capsys.readouterr().out
    assert cli.main(["runs", "rerun", run]) == 0
    assert "worked in memory" not in capsys.readouterr().err


def test_packing_again_takes_nothing_of_others_away_and_repairs_nothing(tmp_path):
    prices, predictions = synthetic_market(20, 4, seed=0)
    folder = pack_prices(prices, tmp_path / "p.pack")
    pack_prices(prices, folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, no part of it"):
        pack_prices(prices, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    with pytest.raises(InputError, match="is packed already; repair the file"):
        load_prices(folder, repair="drop")
    with pytest.raises(InputError):
        load_prices("x" * 300 + ".csv")
    named = pack_predictions(predictions, tmp_path / "other.pack")
    assert load_predictions(named).name == predictions.name
