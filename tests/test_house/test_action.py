"""The action and the hooks: their steps run as they stand, and nothing of an input becomes part of a script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.commands import main as cli
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
#: The harmonic mean of 0.80 and 0.50 is 0.62.
WRONG = "| class | precision | recall | f1-score |\n|---|---|---|---|\n| up | 0.80 | 0.50 | 0.90 |\n"
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}


def test_no_input_is_part_of_a_script() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in STEPS.values():
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        checked = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
    for text in [*(value for step in STEPS.values() for value in step.get("env", {}).values()),
                 *(output["value"] for output in ACTION["outputs"].values())]:  # fmt: skip
        (named,) = re.findall(r"\$\{\{ (inputs|steps|github)\.([\w.-]+) \}\}", text)
        if named[0] == "inputs":
            assert named[1] in ACTION["inputs"]
        if named[0] == "steps":
            assert named[1].split(".")[0] in STEPS
    assert "pip install" in STEPS["install"]["run"]


def step(name: str, folder: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Run a step as a runner does: exit code, its outputs, and the summary."""
    given = {key: str(value.get("default", "")) for key, value in ACTION["inputs"].items()} | inputs
    env = {**os.environ, "RUNNER_TEMP": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    env |= {"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    for key, text in STEPS[name].get("env", {}).items():
        wanted = re.search(r"inputs\.([\w-]+)", text)
        env[key] = given[wanted[1]] if wanted else inputs.get(key, "")
    done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]], env=env,
                          cwd=folder, capture_output=True, text=True, check=False)  # fmt: skip
    outputs, summary = folder / "output", folder / "summary"
    lines = outputs.read_text().splitlines() if outputs.exists() else []
    return done.returncode, dict(line.split("=", 1) for line in lines), (
        summary.read_text() if summary.exists() else done.stderr
    )


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A checked-out repository with a study, and `assay` on the path."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "assay").write_text(
        f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m assay \"$@\"\n", encoding="utf-8"
    )
    (tmp_path / "bin" / "assay").chmod(0o755)
    prices, oracle = synthetic_market(200, 8, ic=0.15, seed=5)
    write_prices(prices, tmp_path / "prices.parquet")
    write_predictions(oracle, tmp_path / "preds.parquet")
    (tmp_path / "my study; touch owned.toml").write_text(
        '[data]\nprices = "prices.parquet"\n\n[predictions]\nfile = "preds.parquet"\n\n'
        '[strategy]\nname = "quintile_long_short"\n', encoding="utf-8",
    )  # fmt: skip
    (tmp_path / "report.md").write_text(WRONG)
    return tmp_path


@pytest.mark.slow
def test_the_steps_run_a_study_judge_it_and_audit(job: Path) -> None:
    study = "my study; touch owned.toml"
    code, outputs, said = step("run", job, study=study)
    assert code == 0, said
    run = outputs["run-id"]
    code, outputs, summary = step("gate", job, RUN=run, policy="research")
    assert code in (0, 1, 3)
    assert outputs["verdict"] == {0: "pass", 1: "fail", 3: "insufficient"}[code]
    assert run in summary
    assert (job / "results" / "runs" / run / "tearsheet.html").is_file()
    with zipfile.ZipFile(outputs["bundle"]) as bundle:
        assert "study.toml" in bundle.namelist()
    assert (job / ".assay" / "trials.sqlite").is_file()
    assert step("run", job, study="nowhere.toml")[0] == 2
    code, _, summary = step("audit", job, reports="report.md")
    assert code == 1
    assert "inconsistent" in summary
    assert not list(job.rglob("owned*"))


def test_the_hooks_are_commands_that_take_files(tmp_path: Path, capsys) -> None:
    assert len({hook["id"] for hook in HOOKS}) == len(HOOKS)
    good, bad, other = tmp_path / "good.md", tmp_path / "bad.md", tmp_path / "other.md"
    other.write_text("# Contributing\n\nNo figure stands here.\n")
    good.write_text("The model reached an accuracy of 57.14%.\n")
    bad.write_text(WRONG)
    files = {"assay-audit": ([good], [bad])}
    for hook in HOOKS:
        program, *arguments = hook["entry"].split()
        assert (program, hook["language"]) == ("assay", "python")
        right, wrong = files[hook["id"]]
        assert all(re.search(hook["files"], path.name) for path in right)
        assert cli.main([*arguments, *map(str, right)]) == 0, capsys.readouterr()
        assert cli.main([*arguments, *map(str, wrong)]) != 0
        assert cli.main([*arguments, str(other)]) == 0, capsys.readouterr()
