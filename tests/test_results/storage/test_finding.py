"""Runs as rows: filters, order, tags and notes, and what differs between two."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market
from assay.results.report.tables import table_lines
from assay.results.storage.differences import differences
from assay.results.storage.finding import selected, sorted_rows, value_of, values_of
from assay.results.storage.labels import Labels, read_labels, write_labels
from assay.results.storage.runs import Run, load_run, save_run
from assay.results.workflow.kept_study import STUDY

PRICES, ORACLE = synthetic_market(330, 8, ic=0.15, seed=5)


def stored(root: Path, quantile: float, sharpe: float | None, model: str = "ridge") -> Run:
    table = pd.DataFrame({"net": [0.01, sharpe or 0.0]}, index=pd.date_range("2020-01-01", periods=2))
    return save_run(
        "s2",
        config={"strategy": "s2", "model": model, "parameters": {"quantile": quantile}, "costs": {"quantile": 1.0}},
        fingerprints={"prices": "a" * 64},
        metrics={"metrics": [{"name": "sharpe_net", "value": sharpe}], "sessions": 2},
        tables={"returns": table},
        notes={},
        root=root,
    )


def test_rows_are_filtered_and_sorted(tmp_path: Path) -> None:
    runs = [stored(tmp_path, 0.1, 0.5), stored(tmp_path, 0.2, None), stored(tmp_path, 0.3, 1.5, "zero")]
    write_labels(runs[0], add=["best", "kept"])
    rows = [values_of(run) for run in runs]

    def found(*tests: str) -> list[float]:
        return [row["parameters.quantile"] for row in selected(rows, tests)]

    assert found("model=rid*") == [0.1, 0.2]
    assert found("model!=ridge") == found("sharpe_net>0.5") == [0.3]
    assert found("sharpe_net>=0.5", "parameters.quantile<0.3") == [0.1]
    assert found("parameters.quantile=0.20") == [0.2]
    assert found("tags=kept") == found("tags=be*") == [0.1]
    assert found("sharpe_net=none") == [0.2]
    assert [row["sharpe_net"] for row in sorted_rows(rows, "sharpe_net")] == [1.5, 0.5, None]
    assert [row["sharpe_net"] for row in sorted_rows(rows, "sharpe_net", reverse=True)] == [0.5, 1.5, None]
    assert [row["model"] for row in sorted_rows(rows, "model")] == ["ridge", "ridge", "zero"]
    with pytest.raises(InputError, match=r"costs.quantile or parameters.quantile"):
        value_of(rows[0], "quantile", rows)
    with pytest.raises(UnknownNameError, match="did you mean 'sharpe_net'"):
        selected(rows, ["sharp_net>1"])
    with pytest.raises(InputError, match="expected NAME=PATTERN"):
        selected(rows, ["sharpe_net"])


def test_labels_change_nothing_else_and_survive_a_new_version_of_the_run(tmp_path: Path) -> None:
    run = stored(tmp_path, 0.1, 0.5)
    before = {item.name: item.read_bytes() for item in run.path.iterdir()}
    assert write_labels(run, add=["b", "a", "a"]) == Labels(("a", "b"))
    write_labels(run, note=" worth another look ")
    after = {item.name: item.read_bytes() for item in run.path.iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"labels.json"}
    assert load_run(run.id, root=tmp_path).id == run.id
    assert stored(tmp_path, 0.1, 0.7).id == run.id  # other figures: the run is made anew
    assert read_labels(run) == Labels(("a", "b"), "worth another look")
    assert write_labels(run, remove=["a"]).tags == ("b",)
    with pytest.raises(InputError, match="has no tag 'x'"):
        write_labels(run, remove=["x"])
    with pytest.raises(InputError, match="one word"):
        write_labels(run, add=["two words"])
    (run.path / "labels.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        read_labels(run)


def test_differences_of_two_runs(tmp_path: Path) -> None:
    one, two = stored(tmp_path, 0.1, 0.5), stored(tmp_path, 0.2, 0.5, "zero")
    outcome = differences(one, two)
    assert [(item.name, item.one, item.two) for item in outcome.config] == [
        ("model", "ridge", "zero"),
        ("parameters.quantile", 0.1, 0.2),
    ]
    assert outcome.inputs == outcome.versions == outcome.metrics == outcome.tables == ()
    assert outcome.same_bytes
    assert differences(one, stored(tmp_path, 0.3, 0.6)).tables == ("metrics.json", "returns.parquet")


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_tables_fit(width: int) -> None:
    rows = [["s2_filter_negative-8a3c29f9", -0.226, "x" * 90], ["quintile", 12.5, None]]
    lines = table_lines(["run_id", "sharpe_net", "parameters"], rows, width=width)
    assert max(map(len, lines)) <= width
    if width >= 60:
        assert "s2_filter_negative-8a3c29f9" in lines[1]
        assert "-0.226" in lines[1]


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Two real runs in a working folder."""
    write_prices(PRICES, tmp_path / "prices.parquet")
    write_predictions(ORACLE, tmp_path / "preds.parquet")
    monkeypatch.chdir(tmp_path)
    ids = []
    for quantile in ("0.2", "0.4"):
        arguments = ["--prices", "prices.parquet", "--predictions", "preds.parquet", "--param", f"quantile={quantile}"]
        assert cli.main(["backtest", "--strategy", "quintile_long_short", "--json", *arguments]) == 0
        ids.append(json.loads(capsys.readouterr().out)["run_id"])
    return ids


def test_runs_on_the_command_line(two_runs: list[str], monkeypatch, capsys) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert cli.main(["runs", *arguments]) == code
        outcome = capsys.readouterr()
        return outcome.out if code == 0 else outcome.err

    one, two = two_runs
    said("tag", one, "best")
    said("note", one, "a note")
    rows = json.loads(said("list", "--sort", "sharpe_net", "--json"))["runs"]
    assert {row["run_id"]: row["parameters"] for row in rows} == {one: {"quantile": 0.2}, two: {"quantile": 0.4}}
    assert rows[0]["sharpe_net"] >= rows[1]["sharpe_net"]
    text = said("list", "--filter", "tags=best", "--columns", "run_id,parameters.quantile,note", "--csv")
    assert list(csv.reader(io.StringIO(text))) == [["run_id", "parameters.quantile", "note"], [one, "0.2", "a note"]]
    monkeypatch.setenv("NO_COLOR", "1")
    for width in (60, 80, 120):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        lines = said("list").splitlines()
        assert max(map(len, lines)) <= width
        assert one in "\n".join(lines)
        assert max(map(len, said("diff", one, two).splitlines())) <= width
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert "parameters.quantile" in said("diff", one, two)
    assert json.loads(said("diff", one, two, "--json"))["config"] == [
        {"name": "parameters.quantile", "one": 0.2, "two": 0.4}
    ]
    assert "did you mean" in said("list", "--sort", "sharpenet", code=2)
    assert cli.main(["compare", one, two]) == 0
    out = capsys.readouterr().out
    assert "set differently" in out
    assert "quantile" in out


def test_a_bundle_gives_the_same_bytes_elsewhere(two_runs: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    (one, _) = two_runs
    assert cli.main(["runs", "export", one, "a.zip"]) == 0
    assert cli.main(["runs", "export", one, "b.zip"]) == 0
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()
    with zipfile.ZipFile("a.zip") as bundle:
        names = set(bundle.namelist())
        assert {STUDY, "manifest.json", "metrics.json", "inputs/prices.parquet", "inputs/preds.parquet"} <= names
        assert str(tmp_path).encode() not in b"".join(bundle.read(name) for name in names if name.endswith(".toml"))
        bundle.extractall(tmp_path / "elsewhere" / "bundle")
    Path("prices.parquet").unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    capsys.readouterr()
    assert cli.main(["runs", "rerun", "./bundle"]) == 0
    assert "the same bytes" in capsys.readouterr().out
    assert cli.main(["run", "bundle/study.toml"]) == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert cli.main(["runs", "export", one, "c.zip"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("c.zip").exists()
