"""Executors: the same results in the same places, one thread each, errors and dead workers told plainly."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay import synthetic_market
from assay.data.errors import InputError, TrainingError
from assay.engine import ray_cluster
from assay.engine.executors import Workers, run_tasks
from assay.engine.shared import Shared, write_mapped
from assay.engine.tasks import say

ROOT = Path(__file__).parents[2]
needs_two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core: nothing runs beside this process")


def test_each_task_gets_its_own_result():
    answers = dict(run_tasks(math.factorial, [(n,) for n in range(6)]))
    assert answers == {n: math.factorial(n) for n in range(6)}


def seen(prices, number):
    """What a task finds of a shared panel: its closes, and whether they could be written or are a copy."""
    values = prices.close.to_numpy()
    return number, values.tobytes(), values.base is None or values.base.flags.owndata, prices.fingerprint


@needs_two_cores
def test_what_tasks_share_reaches_processes_as_views_of_one_file():
    prices, _ = synthetic_market(200, 12, seed=0)
    with Workers("process", 2) as workers:
        answers = dict(run_tasks(seen, [(Shared(prices), n) for n in range(3)], executor=workers))
        assert len(os.listdir(workers._folder)) == 1
    assert not workers._folder
    for number in range(3):
        assert answers[number] == (number, prices.close.to_numpy().tobytes(), False, prices.fingerprint)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_value_is_the_value_and_cannot_be_written(tmp_path, order):
    frame = pd.DataFrame(np.array(np.arange(4e3).reshape(200, 20), order=order))
    for name, value in (("frame", frame), ("array", frame.to_numpy()), ("panel", synthetic_market(200, 12)[0])):
        again = write_mapped(value, tmp_path / name).load()
        one, two = (item.close if name == "panel" else item for item in (value, again))
        np.testing.assert_array_equal(one, two)
        one, two = (np.asarray(item) for item in (one, two))
        assert one.strides == two.strides
        with pytest.raises(ValueError, match="read-only"):
            two[0, 0] = 1.0
    assert list(again.close.columns) == list(value.close.columns)
    assert again.fingerprint == value.fingerprint
    # Two blocks of numbers, and what is no panel, go with the task as before.
    mixed = pd.DataFrame({"a": np.arange(4e3), "b": np.arange(4000)})
    pd.testing.assert_frame_equal(write_mapped(mixed, tmp_path / "mixed").load(), mixed)
    assert write_mapped("text", tmp_path / "text").load() == "text"


@needs_two_cores
def test_no_room_for_the_panels_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr("assay.engine.executors.write_mapped", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(InputError, match=r"cannot hold the panels .* \(full\); point TMPDIR"):
        list(run_tasks(len, [(Shared([1]),)] * 2, executor="process", workers=2))


@needs_two_cores
def test_work_is_done_elsewhere_by_no_more_workers_than_asked_for():
    ran = {pid for _, pid in run_tasks(os.getpid, [()] * 12, executor="process", workers=2)}
    assert os.getpid() not in ran
    assert len(ran) <= 2
    many = {pid for _, pid in run_tasks(os.getpid, [()] * 12, executor="process", workers=500)}
    assert len(many) <= (os.cpu_count() or 1)


@needs_two_cores
def test_a_worker_has_one_thread_and_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    names = [("OMP_NUM_THREADS",), ("MKL_NUM_THREADS",)]
    assert dict(run_tasks(os.getenv, names, executor="process", workers=2)) == {0: "1", 1: "1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_what_tasks_say_is_heard(executor):
    heard: list[str] = []
    list(run_tasks(say, [("one",), ("two",), ("three",)], executor=executor, workers=2, heard=heard.append))
    assert sorted(heard) == ["one", "three", "two"]


def test_nobody_need_listen():
    assert list(run_tasks(say, [("one",)])) == [(0, None)]
    say("to nobody")


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_a_failing_task_raises_what_it_raised(executor):
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(operator.truediv, [(1, 1), (1, 0)], executor=executor, workers=2))


@needs_two_cores
def test_a_worker_that_dies_is_told_plainly():
    with pytest.raises(TrainingError, match="a worker process died"):
        list(run_tasks(os._exit, [(3,), (3,)], executor="process", workers=2))


ORPHANS = """
import os, time
from assay.engine.executors import run_tasks
if __name__ == "__main__":
    for _, pid in run_tasks(os.getpid, [()] * 4 , executor="process", workers=2):
        print(pid, flush=True)
        time.sleep(60)
"""


@needs_two_cores
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        if not Path(f"/proc/{worker}").exists() or "\nState:\tZ" in Path(f"/proc/{worker}/status").read_text():
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there 10 s after its parent")


@pytest.mark.parametrize(
    ("options", "match"),
    [({"executor": "cluster"}, "executor: must be serial, process, ray"), ({"workers": 0}, "workers")],
)
def test_options_that_cannot_be(options, match):
    with pytest.raises(InputError, match=match):
        list(run_tasks(math.factorial, [(1,)], **options))


def test_ray_is_asked_for_clearly_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'assay\[ray\]'"):
        list(run_tasks(math.factorial, [(1,)], executor="ray"))


def talks(number):
    """Fails at once, or says more than a pipe holds."""
    if number == 0:
        raise ValueError("task 0")
    for _ in range(3000):
        say("x" * 100)
    return number


@needs_two_cores
def test_after_a_task_has_failed_others_end_and_there_can_be_tasks_again():
    with Workers("process", 2) as workers:
        with pytest.raises(ValueError, match="task 0"):
            dict(run_tasks(talks, [(0,), (1,)], executor=workers))
        assert dict(run_tasks(math.factorial, [(3,), (4,)], executor=workers)) == {0: 6, 1: 24}


def test_a_worker_of_a_cluster_finds_modules_that_are_not_installed(monkeypatch):
    project, standard = f"{sys.base_prefix}{os.sep}src", sysconfig.get_path("stdlib")
    installed = [standard, f"{standard}/lib-dynload", f"{Path(standard).parent}/python311.zip", "/venv/site-packages/x"]
    monkeypatch.setattr(sys, "path", [project, *installed, "relative"])
    folders = ray_cluster._environment()["env_vars"]["PYTHONPATH"].split(os.pathsep)
    assert folders == [project, os.path.abspath("relative")]


def test_what_a_cluster_sets_of_the_environment_is_taken_back(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "there")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    with pytest.raises(InputError, match="ray is not installed; it is needed for work on a Ray cluster"):
        list(run_tasks(operator.neg, [(1,)], executor="ray"))
    with ray_cluster._settings_restored():
        os.environ |= {"RAY_ADDRESS": "elsewhere", "RAY_USAGE_STATS_ENABLED": "0"}
    assert os.environ["RAY_ADDRESS"] == "there"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ
