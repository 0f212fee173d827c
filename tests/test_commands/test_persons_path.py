"""What docs/your_data.md lists, run as it stands there: from a yfinance file to a run with the same bytes."""

from __future__ import annotations

import glob
import json
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.synthetic import synthetic_market
from assay.results.storage.runs import list_runs
from assay.results.workflow.study import DataSection, PredictionSection, StrategySection, Study
from assay.results.workflow.study_runs import make_run

PAGE = Path(__file__).parents[2] / "docs" / "your_data.md"
PRICES, ORACLE = synthetic_market(620, 12, ic=0.1, seed=7)


def listed(name: str) -> list[list[str]]:
    """The commands of one block of the page."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    lines = found.group(1).splitlines()
    assert all(line.startswith("assay ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


def typed(words: list[str]) -> int:
    """One command, its file patterns filled in as a shell does."""
    return cli.main([part for word in words for part in (sorted(glob.glob(word)) if "*/" in word else [word])])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as yfinance leaves it and predictions, in the working folder."""
    monkeypatch.chdir(tmp_path)
    fields = {name.title(): getattr(PRICES, name) for name in ("close", "high", "low", "open", "volume")}
    bars = pd.concat(fields, axis="columns", names=["Price", "Ticker"], sort=True).rename_axis(index="Date")
    bars.to_parquet("bars.parquet")
    long = ORACLE.score.rename_axis(index="date", columns="asset").stack().rename("score").reset_index()
    long.to_csv("preds.csv", index=False)
    return tmp_path


@pytest.mark.slow
def test_a_persons_path(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = listed("path")
    assert len(commands) <= 12
    shown = {}
    for words in commands:
        code = typed(words)
        shown[" ".join(words[:2])] = capsys.readouterr().out
        assert code in ((0, 1, 3) if words[0] == "gate" else (0,)), words
    assert "read as yfinance, 5 fields × 12 tickers" in shown["data validate"]
    assert "the same bytes" in shown["runs rerun"]
    assert len(list_runs("results/runs")) == 2  # the study made the run that was there
    with zipfile.ZipFile("mine.zip") as bundle:
        assert {"study.toml", "inputs/bars.parquet", "inputs/my_model.py"} <= {*bundle.namelist()}
        bundle.extractall("elsewhere")
    (files / "bars.parquet").unlink()
    assert cli.main(["runs", "rerun", "./elsewhere", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["differences"]
    assert (again["tables"], again["config"]) == ([], [])
    assert again["two"] in {run.id for run in list_runs("results/runs")}


@pytest.mark.slow
def test_thirty_experiments(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for quantile in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35):
        for gross in (0.3, 0.4, 0.5, 0.6, 0.7):
            study = Study(
                data=DataSection(prices="bars.parquet"),
                predictions=PredictionSection(file="preds.csv"),
                strategy=StrategySection("quintile_long_short", {"quantile": quantile, "long_gross": gross}),
            )
            make_run(study, root=Path("results/runs"))
    made = list_runs("results/runs")
    assert len(made) == 30

    def sharpe(run: object) -> float:
        return float(run.metric("sharpe_net")["value"])  # type: ignore[attr-defined]

    ranked = sorted(made, key=sharpe, reverse=True)
    ids = {"BEST": ranked[0].id, "SECOND": ranked[1].id, "WORST": ranked[-1].id}
    shown = []
    for words in listed("experiments"):
        assert typed([ids.get(word, word) for word in words]) == 0, words
        shown.append(capsys.readouterr().out)
    table = shown[0].splitlines()
    assert len(table) == 31
    assert table[1].startswith(ids["BEST"])
    best = ranked[0].manifest["config"]["parameters"]
    assert table[1].split()[1:3] == [f"{best['quantile']:.4g}", f"{best['long_gross']:.4g}"]
    differing = [name for name, value in best.items() if ranked[1].manifest["config"]["parameters"][name] != value]
    assert differing
    assert all(name in shown[2] for name in differing)
    assert "best" in shown[3]
    assert ids["BEST"] in shown[5]
    assert "the same bytes" in shown[6]
    assert Path("best.zip").is_file()
    assert ids["WORST"] not in {run.id for run in list_runs("results/runs")}
    assert cli.main(["runs", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 29
    assert np.isfinite(sharpe(ranked[0]))
