"""On a Ray cluster: the same bytes as in this process, arrays shared, errors plain, progress heard."""

from __future__ import annotations

import math
import operator
import os
import shutil
import sys
import time
from contextvars import copy_context
from threading import Thread

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, TrainingError
from assay.data.files.predictions import write_predictions
from assay.data.plugins import load_object
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.executors import Workers, run_tasks
from assay.engine.folds import WalkForward
from assay.engine.random_scores import random_score_null
from assay.engine.shared import Shared
from assay.engine.sweep import cells_of, parse_grid, run_cells
from assay.engine.tasks import say
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.results.tuning.tuned import Tuned
from assay.strategies.catalog import load_strategy
from studies import census

pytestmark = pytest.mark.ray
PRICES, PREDICTIONS = synthetic_market(420, 12, ic=0.1, seed=0)
PLAN = WalkForward(train=200, retrain=60, embargo=2)


@pytest.fixture(scope="module")
def on():
    """Workers on a small cluster of one node."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 100_000_000, "include_dashboard": False}
    ray.init("local", log_to_driver=False, **small)
    try:
        with Workers("ray") as workers:
            yield workers
    finally:
        ray.shutdown()


def looked(prices, number):
    """What a task finds of a shared panel."""
    say(number)
    values = prices.close.to_numpy()
    return values.tobytes(), values.flags.writeable, values.base is None


def speaks_late(number):
    """A task that says something, and something else after it has ended."""

    def later():
        time.sleep(0.5)
        say("late")

    say(number)
    Thread(target=copy_context().run, args=(later,)).start()
    return number


def killed_once(folder, number):
    """A task whose process dies the first time."""
    mark = folder / f"{number}"
    if number == 1 and not mark.exists():
        mark.touch()
        os._exit(9)
    return number


def test_results_errors_and_no_gpu_that_is_not_there(on):
    answers = dict(run_tasks(math.factorial, [(n,) for n in range(5)], executor=on))
    assert answers == {n: math.factorial(n) for n in range(5)}
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(operator.truediv, [(1, 1), (1, 0)], executor=on))
    with pytest.raises(InputError, match="no GPU"):
        list(run_tasks(math.factorial, [(1,)], executor=on, gpu=True))


def test_a_panel_is_put_once_and_what_tasks_say_is_heard(on):
    heard: list[int] = []
    before = len(on._handed)
    for _ in range(2):
        answers = dict(run_tasks(looked, [(Shared(PRICES), n) for n in range(3)], executor=on, heard=heard.append))
        assert set(answers.values()) == {(PRICES.close.to_numpy().tobytes(), False, False)}
    assert len(on._handed) == before + 1
    assert sorted(heard) == [0, 0, 1, 1, 2, 2]


def test_what_is_said_late_does_not_reach_the_next_run(on):
    first: list[int | str] = []
    second: list[int | str] = []
    assert dict(run_tasks(speaks_late, [(1,)], executor=on, heard=first.append)) == {0: 1}
    assert dict(run_tasks(time.sleep, [(1.5,)], executor=on, heard=second.append)) == {0: None}
    assert (first, second) == ([1], [])


def test_a_worker_that_dies_costs_its_task_only_and_one_that_always_dies_is_told(on, tmp_path):
    assert dict(run_tasks(killed_once, [(tmp_path, n) for n in range(3)], executor=on)) == {0: 0, 1: 1, 2: 2}
    with pytest.raises(TrainingError, match="of a task died 5 times"):
        list(run_tasks(os._exit, [(3,)], executor=on))


@pytest.mark.parametrize(
    "model",
    [
        load_model("ridge"),
        load_model("stock_lstm_close", preset="tiny"),
        load_model("stock_lstm_close", preset="tiny", warm_start=True),
        Tuned(base=load_model("ridge"), parameters={"penalty": {"low": 1e-3, "high": 10.0, "log": True}}, trials=3),
    ],
    ids=["ridge", "lstm", "chained", "tuned"],
)
def test_a_walk_forward_gives_the_same_bytes_and_resumes(on, model, tmp_path):
    folds, seeds = PLAN.split(PRICES.sessions), (0, 1)
    heard: list[str] = []

    def run(executor, folder):
        def progress(done, total, text, share):
            heard.append(f"{done}/{total} {text}")

        walk = walk_forward(model, PRICES, folds, seeds=seeds, executor=executor, folder=folder, progress=progress)
        write_predictions(walk.predictions, tmp_path / "panel.parquet")
        return (tmp_path / "panel.parquet").read_bytes()

    def files(folder):
        return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    alone = run("serial", tmp_path / "alone")
    heard.clear()
    assert run(on, tmp_path / "ray") == alone
    assert files(tmp_path / "ray") == files(tmp_path / "alone")
    assert sum("tested to" in line for line in heard) == len(folds) * 2
    assert any("epoch" in line for line in heard) == ("lstm" in model.name)
    # Taken away after the second fold, it goes on from there and ends with the same bytes.
    for part in (tmp_path / "ray").glob("*/*"):
        if folds[2].test_start.strftime("%Y%m%d") in part.name or folds[3].test_start.strftime("%Y%m%d") in part.name:
            shutil.rmtree(part)
    heard.clear()
    assert run(on, tmp_path / "ray") == alone
    assert heard[0].endswith("4 fits found finished")
    assert sum("tested to" in line for line in heard) == 4
    assert files(tmp_path / "ray") == files(tmp_path / "alone")


@pytest.mark.parametrize("grid", [["quantile=0.1,0.2,0.4", "cost_bps=0,5", "delay=1,2"], ["minimum_fee=0,1,5"]])
def test_a_sweep_gives_the_same_bytes(on, grid):
    cells = cells_of("quintile_long_short", parse_grid(grid))
    alone, spread = (
        {item.index: item for batch in run_cells(cells, PREDICTIONS, PRICES, executor=where) for item in batch}
        for where in ("serial", on)
    )
    assert sorted(alone) == sorted(spread) == list(range(len(cells)))
    for index, item in alone.items():
        other = spread[index]
        pd.testing.assert_series_equal(other.net, item.net, check_exact=True)
        assert (other.turnover_ann, other.gross_mean, other.net_exposure) == (
            item.turnover_ann, item.gross_mean, item.net_exposure,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "costs"),
    [("s2_filter_negative", CostModel()), ("quintile_long_short", CostModel(minimum_fee=1.0))],
    ids=["batched", "one by one"],
)
def test_random_scores_give_the_same_bytes(on, name, costs):
    done: list[int] = []
    alone, spread = (
        random_score_null(
            load_strategy(name), PREDICTIONS, PRICES, runs=19, costs=costs, executor=where, progress=done.append
        )
        for where in ("serial", on)
    )
    assert sum(done) == 40
    for part in ("sharpe", "turnover", "net_exposure"):
        assert getattr(alone, part).tobytes() == getattr(spread, part).tobytes()
    assert (alone.real, alone.real_turnover) == (spread.real, spread.real_turnover)


def test_the_command_stores_the_same_run(on, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path / "ledger"))
    PRICES.close.to_csv(tmp_path / "prices.csv")

    def run(executor):
        where = tmp_path / executor
        code = cli.main([
            "walk-forward", "--model", "ridge", "--prices", str(tmp_path / "prices.csv"), "--train", "200",
            "--retrain", "60", "--canaries", "--canary-seeds", "1", "--random-runs", "19", "--no-tearsheet",
            "--executor", executor, "--results", str(where),
        ])  # fmt: skip
        assert code in (0, 1), capsys.readouterr().err
        (folder,) = (item for item in where.iterdir() if not item.name.startswith("."))
        return folder.name, *((folder / name).read_bytes() for name in ("metrics.json", "checks.json"))

    assert run("serial") == run("ray")


def test_a_census_gives_the_same_bytes(on, tmp_path, monkeypatch):
    (tmp_path / "documents").mkdir()
    for number in range(3):
        text = f"# R\n\n- Trades: 23\n- Wins: 15\n- Losses: 8\n- Win rate: {66 + number}.4%\n"
        (tmp_path / "documents" / f"{number}.md").write_text(text, encoding="utf-8")

    monkeypatch.setattr(census, "FIGURES", tmp_path)

    def measured(executor):
        for name in ("documents", "flags"):
            census.write(name, [], ("set",))
        census.measure("pilot", tmp_path / "documents", executor)
        return [(tmp_path / name).read_bytes() for name in ("documents.csv", "flags.csv")]

    alone = measured("serial")
    assert alone == measured(on)
    assert b"68.4%" in alone[1]


def test_a_cluster_that_is_not_there_is_told(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(InputError, match=r"no cluster at 127.0.0.1:9: .* refused; start one"):
        list(run_tasks(len, [("a",)], executor="ray"))


def test_a_part_of_ones_own_in_a_file_reaches_the_workers_and_one_that_is_nowhere_is_told(on, tmp_path, forget_plugins):
    (tmp_path / "my_rule.py").write_text("def doubled(number):\n    return 2 * number\n", encoding="utf-8")
    doubled = load_object("test", f"{tmp_path / 'my_rule.py'}:doubled")
    assert dict(run_tasks(doubled, [(21,)], executor=on)) == {0: 42}
    sys.path.remove(str(tmp_path))
    with pytest.raises(InputError, match="cannot read its task: No module named 'my_rule'; every machine needs"):
        list(run_tasks(doubled, [(21,)], executor=on))


def test_two_panels_are_two_values(on):
    one, two = np.zeros(5), np.ones(5)
    assert dict(run_tasks(np.sum, [(Shared(one),), (Shared(two),)], executor=on)) == {0: 0.0, 1: 5.0}
