"""Runs in an object store: whole or not there, checked on the way back, and the same to every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Barrier
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from pyarrow.fs import LocalFileSystem

from assay import backtest, load_strategy
from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.data.synthetic import synthetic_market
from assay.results.storage import object_store
from assay.results.storage import runs as stored_runs
from assay.results.storage.labels import read_labels, write_labels
from assay.results.storage.object_store import ObjectStore, address, is_url, local_root, results_at
from assay.results.storage.runs import add_checks, damaged_runs, delete_run, list_runs, load_run, save_run

TABLE = pd.DataFrame({"x": [1.0, np.nan]}, index=pd.bdate_range("2020-01-01", periods=2))
URL = "s3://bucket/runs"


class Objects:
    """A folder that answers as an object store does: no folders are made, an object appears whole."""

    def __init__(self, folder: Path):
        self._files, self._folder = LocalFileSystem(), folder
        self.asked: list[tuple[str, str]] = []

    def _place(self, name):
        return str(self._folder / name)

    def open_input_stream(self, name):
        self.asked.append(("read", name))
        return self._files.open_input_stream(self._place(name))

    def open_output_stream(self, name):
        self.asked.append(("write", name))
        self._files.create_dir(str(Path(self._place(name)).parent))
        return self._files.open_output_stream(self._place(name))

    def get_file_info(self, what):
        if isinstance(what, list):
            return self._files.get_file_info([self._place(name) for name in what])
        from pyarrow.fs import FileSelector

        return self._files.get_file_info(FileSelector(self._place(what.base_dir)))

    def delete_file(self, name):
        self.asked.append(("delete", name))
        self._files.delete_file(self._place(name))

    def delete_dir(self, name):
        self._files.delete_dir(self._place(name))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store, and whose machine asks: each has a folder of its own."""
    objects = Objects(tmp_path / "there")
    (tmp_path / "there" / "bucket").mkdir(parents=True)
    at = {"machine": "one"}

    def opened(url):
        root = tmp_path / at["machine"]
        (root / ".store").mkdir(parents=True, exist_ok=True)
        (root / ".store" / "url").write_text(json.dumps(url))
        return ObjectStore(url, root, objects, "bucket/runs")

    monkeypatch.setattr(object_store, "_opened", opened)
    objects.at = at
    return objects


def saved(root, value=1.0, **config):
    metrics = {"metrics": [{"name": "sharpe_net", "value": value}]}
    return save_run("s2", config=config, fingerprints={"prices": "p"}, metrics=metrics, tables={"t": TABLE}, notes={},
                    root=root)  # fmt: skip


def test_a_run_written_by_one_is_read_by_another(store):
    with results_at(URL) as root:
        run = saved(root, a=1)
    writes = [name for what, name in store.asked if what == "write"]
    assert writes[-1] == f"bucket/runs/{run.id}/run.json"  # the marker is the last
    assert sum(name.endswith("/t.parquet") for name in writes) == 1
    store.at["machine"] = "two"
    with results_at(URL) as root:
        store.asked.clear()
        (listed,) = list_runs(root)
        assert (listed.id, listed.metric("sharpe_net")["value"], damaged_runs(root)) == (run.id, 1.0, {})
        assert not any(name.endswith(".parquet") for _, name in store.asked)  # a list needs no table
        again = load_run("s2", root=root)  # by the start of its id
        pd.testing.assert_frame_equal(again.table("t"), TABLE, check_freq=False)
        assert again.metrics == run.metrics
        store.asked.clear()
        load_run(run.id, root=root)
        assert [name for what, name in store.asked if not name.endswith("run.json")] == []  # nothing twice
    assert not [name for what, name in store.asked if what == "write"]  # nothing was new


def test_without_the_marker_there_is_no_run_and_the_next_write_completes_it(store, monkeypatch):
    put = ObjectStore._put

    def fails(self, name, content):
        if name.endswith("run.json"):
            raise InputError("power cut")
        put(self, name, content)

    monkeypatch.setattr(ObjectStore, "_put", fails)
    lost = r"power cut; what is new stands in .*one, and the next command"
    with pytest.raises(InputError, match=lost), results_at(URL) as root:
        run = saved(root)
    store.at["machine"] = "two"
    with results_at(URL) as root:
        assert list_runs(root) == []
        with pytest.raises(UnknownNameError, match="run"):
            load_run(run.id, root=root)
    monkeypatch.setattr(ObjectStore, "_put", put)
    store.at["machine"] = "one"
    store.asked.clear()
    with results_at(URL):
        pass
    assert [name for what, name in store.asked if what == "write"] == [f"bucket/runs/{run.id}/run.json"]


def test_checks_and_labels_follow_and_a_run_made_anew_is_the_new_one(store):
    with results_at(URL) as root:
        run = saved(root)
    store.at["machine"] = "two"
    with results_at(URL) as root:
        again = load_run(run.id, root=root)
        add_checks(again, {"leaks": {"passed": True}})
        write_labels(again, add=["keep"])
    store.at["machine"] = "one"
    with results_at(URL) as root:
        (listed,) = list_runs(root)
        assert (listed.checks["leaks"]["passed"], read_labels(listed).tags) == (True, ("keep",))
        assert load_run(run.id, root=root).has("t")
        saved(root)  # the same again: the stored one stays, with what was added
        assert load_run(run.id, root=root).checks
        saved(root, value=2.0)  # other figures: made anew
    store.at["machine"] = "three"
    with results_at(URL) as root:
        fresh = load_run(run.id, root=root)
        assert fresh.metric("sharpe_net")["value"] == 2.0
        assert not fresh.checks
        assert read_labels(fresh).tags == ("keep",)
    store.at["machine"] = "two"  # which held the old one
    with results_at(URL) as root:
        assert load_run(run.id, root=root).metric("sharpe_net")["value"] == 2.0
        assert not (root / run.id / "checks.json").exists()


def test_a_list_does_not_take_tables_away_and_removed_is_removed(store):
    with results_at(URL) as root:
        run, other = saved(root), saved(root, a=2)
    store.at["machine"] = "two"
    with results_at(URL) as root:
        write_labels(list_runs(root)[0], add=["seen"])  # of a run whose tables were not brought
        write_labels(list_runs(root)[1], add=["seen"])
    store.at["machine"] = "one"
    with results_at(URL) as root:
        assert load_run(run.id, root=root).table("t").shape == (2, 1)
        assert delete_run(run.id, root=root) == root / run.id
    assert not (root / run.id).exists()
    store.at["machine"] = "two"
    with results_at(URL) as root:
        assert [item.id for item in list_runs(root)] == [other.id]
        assert not (root / run.id).exists()
        with pytest.raises(UnknownNameError):
            load_run(run.id, root=root)


def test_what_is_damaged_there_is_said_and_never_used(store, tmp_path):
    with results_at(URL) as root:
        run = saved(root)
    (table,) = (tmp_path / "there").rglob("t.parquet")
    sound = table.read_bytes()
    table.write_bytes(sound[:-1] + b"?")
    store.at["machine"] = "two"
    with results_at(URL) as root, pytest.raises(InputError, match=r"damaged: t.parquet: its content is not what was"):
        load_run(run.id, root=root)
    store.asked.clear()
    with results_at(URL):
        pass
    assert store.asked == []  # what was brought in part is nobody's change
    table.write_bytes(sound)
    with results_at(URL) as root:
        assert load_run(run.id, root=root).table("t").shape == (2, 1)
    store.at["machine"] = "three"
    marker = tmp_path / "there" / "bucket" / "runs" / run.id / "run.json"
    marker.write_text(marker.read_text().replace("t.parquet", "../../t.parquet"))
    with results_at(URL) as root, pytest.raises(InputError, match=r"damaged: run.json"):
        load_run(run.id, root=root)
    marker.write_text(json.dumps(object_store.sealed({"files": {"../../../escaped": ["0" * 64, 1]}})))
    with results_at(URL) as root, pytest.raises(InputError, match="no name of a file of a run"):
        load_run(run.id, root=root)


def test_a_damaged_run_is_named_removed_or_made_again_and_the_others_go_on(store, tmp_path, monkeypatch):
    with results_at(URL) as root:
        ill, gone, sound, late = (saved(root, a=number).id for number in range(4))
    runs = tmp_path / "there" / "bucket" / "runs"
    for run in (ill, gone):
        (runs / run / "run.json").write_text("{")
    next((runs / late).rglob("t.parquet")).unlink()
    store.at["machine"] = "two"
    with results_at(URL) as root:
        write_labels(load_run(sound, root=root), add=["kept"])
        assert {run.id for run in list_runs(root)} == {sound, late}
        assert {run: reason.partition(": damaged: run.json")[0] for run, reason in damaged_runs(root).items()} == {
            ill: f"run {URL}/{ill}", gone: f"run {URL}/{gone}",
        }  # fmt: skip
        with pytest.raises(InputError, match=rf"{late}: damaged: t.parquet: is not there; the command that made it"):
            load_run(late, root=root)
        with monkeypatch.context() as patch:
            patch.setattr(stored_runs, "write_tables", Mock(side_effect=OSError(28, "disk full")))
            with pytest.raises(InputError, match="cannot be written: disk full"):
                saved(root, a=3)
        assert (runs / late / "run.json").is_file()  # until the new one is made, what is sound there stays
        saved(root, a=0)
        assert not saved(root, a=3).has("absent")
        delete_run(gone, root=root)
    assert not (runs / gone).exists()
    store.at["machine"] = "one"  # where they were made, and are known as what they were
    with results_at(URL) as root:
        assert damaged_runs(root) == {}
        assert [load_run(run, root=root).table("t").shape for run in (ill, sound, late)] == [(2, 1)] * 3
        assert read_labels(load_run(sound, root=root)).tags == ("kept",)
        (runs / ill / "run.json").write_text("{")
        write_labels(load_run(sound, root=root), add=["again"])
        add_checks(load_run(sound, root=root), {"leaks": {"passed": True}})
    store.at["machine"] = "two"
    (tmp_path / "two" / ill / "labels.json").write_text("{}")  # changed here: it is whole here, and mends what is there
    with results_at(URL):
        pass
    store.at["machine"] = "three"
    with results_at(URL) as root:
        assert {run.id for run in list_runs(root)} == {ill, sound, late}
        assert load_run(sound, root=root).checks


def test_what_is_damaged_there_is_replaced_by_who_made_it_and_has_it_whole(store, tmp_path):
    with results_at(URL) as root:
        run = saved(root)
        write_labels(run, add=["kept"])
        assert (address(root), run.address) == (URL, f"{URL}/{run.id}")
        assert address(run.path / "models" / "fold0" / "a.json") == f"{URL}/{run.id}/models/fold0/a.json"
    (there,) = (tmp_path / "there" / "bucket" / "runs" / run.id).rglob("t.parquet")
    whole = there.read_bytes()
    there.write_bytes(whole[:-1] + b"!")  # of the same length
    read = store.open_input_stream

    def refused(name):
        if name.endswith("t.parquet"):
            raise OSError("403")
        return read(name)

    store.open_input_stream = refused  # that it cannot be read again takes nothing from who has made the run
    with results_at(URL) as root:
        assert saved(root).id == run.id
    store.open_input_stream = read
    with results_at(URL) as root:
        saved(root)
    assert there.read_bytes() == whole
    store.at["machine"] = "two"
    with results_at(URL) as root:
        assert load_run(run.id, root=root).table("t").shape == (2, 1)
        assert read_labels(load_run(run.id, root=root)).tags == ("kept",)


def test_runs_of_a_list_are_asked_for_together(store, monkeypatch):
    with results_at(URL) as root:
        saved(root, a=1)
        saved(root, a=2)
    store.at["machine"] = "two"
    together = Barrier(2)

    def marker(self, run, ask=ObjectStore._marker):
        together.wait(timeout=10.0)  # of one at a time the first would wait in vain
        return ask(self, run)

    monkeypatch.setattr(ObjectStore, "_marker", marker)
    with results_at(URL) as root:
        assert len(list_runs(root)) == 2


def test_an_error_of_the_command_is_what_is_said_and_its_runs_are_kept(store, monkeypatch, caplog):
    def fails(opened=results_at):
        with opened(URL) as root:
            saved(root)
            raise RuntimeError("mine")

    @contextmanager
    def closing_late(url):
        with closing(ExitStack()) as resources:
            yield resources.enter_context(results_at(url))

    def refused(self, name, content):
        raise InputError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "_put", refused)
        with pytest.raises(RuntimeError, match="mine"):
            fails()
        # Click before 8.2 closes what a command opened without a word on how the command ended.
        with pytest.raises(RuntimeError, match="mine"):
            fails(closing_late)
        assert [line.partition("; what is new stands in ")[0] for line in caplog.messages] == ["no room", "no room"]
        left = results_at(URL)
        saved(left.__enter__())
        left.gen.close()  # type: ignore[attr-defined]
        assert len(caplog.messages) == 2
    with pytest.raises(RuntimeError, match="mine"):
        fails()
    assert len(caplog.messages) == 2
    store.at["machine"] = "two"
    with results_at(URL) as root:
        assert len(list_runs(root)) == 1


def test_a_url_is_no_folder(tmp_path, monkeypatch, capsys):
    assert is_url("s3://bucket/x")
    assert is_url(Path("s3://bucket/x"))
    assert not is_url("results/runs")
    assert not is_url("C:/results")
    with pytest.raises(InputError, match="with results_at"):
        local_root("s3://bucket/x")
    with pytest.raises(InputError, match=r"results_at\('s3://bucket/x'\)"):
        local_root(Path("s3://bucket/x"))
    monkeypatch.chdir(tmp_path)
    for root in ("gs://bucket/x", "s3://", "s3://B/x"):
        with pytest.raises(InputError, match="expected s3://bucket/prefix"), results_at(root):
            pass
    assert cli.main(["runs", "list", "--results", "s3:/b"]) == 2
    assert capsys.readouterr().err.startswith("error: s3:/b: expected s3://bucket/prefix")
    prices, predictions = synthetic_market(60, 6)
    with pytest.raises(InputError, match="an object store"):
        backtest(load_strategy("quintile_long_short"), predictions, prices, root="s3://bucket/x")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def served(**environment):
    """The URL of a server that speaks S3 on this machine, with a bucket."""
    pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[server]'")
    code = ("from moto.server import ThreadedMotoServer as S; import sys; s = S('127.0.0.1', 0, verbose=False); "
            "s.start(); print(s.get_host_and_port()[1], flush=True); sys.stdin.read()")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env={**os.environ, **environment}) as process:  # fmt: skip
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
        try:
            yield url
        finally:
            process.communicate()


@pytest.mark.slow
def test_commands_work_on_a_server_that_speaks_s3(tmp_path, monkeypatch, capsys):
    with served() as server:
        commands_on(server, tmp_path, monkeypatch, capsys)


def commands_on(server, tmp_path, monkeypatch, capsys):
    for name, value in {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
                        "ASSAY_RESULTS": "s3://bucket/desk/runs"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    def on(machine, *arguments):
        monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / machine))
        code = cli.main(list(arguments))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    def tables(folder):
        return {path.name for path in folder.glob("*.parquet")}

    monkeypatch.chdir(tmp_path)
    later = ("--start", "2019-01-01")
    assert on("one", "backtest", "--strategy", "quintile_long_short", *later)[0] == 0
    assert on("one", "backtest", "--strategy", "s2_filter_negative", *later)[0] == 0
    assert on("one", "backtest", "--strategy", "s2_filter_negative", *later, "--results", "local")[0] == 0
    listed = json.loads(on("two", "runs", "list", "--json")[1])["runs"]
    ids = sorted((row["run_id"] for row in listed), reverse=True)
    assert [name.partition("-")[0] for name in ids] == ["s2_filter_negative", "quintile_long_short"]
    local = tmp_path / "local" / ids[0]
    (mirror,) = (tmp_path / "two" / "results").glob("*")
    assert (mirror / ids[0] / "metrics.json").read_bytes() == (local / "metrics.json").read_bytes()
    assert not tables(mirror / ids[0])
    own = ("--prices", "p.parquet", "--predictions", "o.parquet", "--receipts", "o.receipts.csv")
    assert on("one", "data", "synthetic", "--sessions", "90", "--out", "p.parquet", "--oracle", "o.parquet")[0] == 0
    run = json.loads(on("one", "backtest", *own, "--json")[1])["run_id"]
    shutil.copytree(tmp_path / "one", tmp_path / "deep" / "er")  # another depth
    assert on("deep/er", "runs", "rerun", run)[0] == 0
    assert on("one", "runs", "rm", run)[0] == 0
    assert "Sharpe" in on("two", "runs", "show", "s2")[1]
    assert tables(mirror / ids[0]) == tables(local)
    place = f"s3://bucket/desk/runs/{ids[0]}"  # not the copy's
    assert on("two", "runs", "show", ids[0])[1].splitlines()[-1] == place
    assert on("two", "tearsheet", ids[0])[:2] == (0, f"{place}/tearsheet.html\n")
    assert on("two", "gate", ids[0], "--policy", "research")[1].endswith(f"{place}/gate.json\n")
    assert on("two", "compare", *ids)[0] == 0
    assert on("two", "runs", "tag", ids[0], "keep")[0] == 0
    shutil.rmtree(tmp_path / "two")
    tagged = json.loads(on("three", "runs", "list", "--filter", "tags=keep", "--json")[1])["runs"]
    assert [row["run_id"] for row in tagged] == ids[:1]
    assert on("three", "runs", "show", ids[0])[0] == 0
    (mirror,) = (tmp_path / "three" / "results").glob("*")
    assert (mirror / ids[0] / "tearsheet.html").is_file()
    assert (mirror / ids[0] / "gate.json").is_file()
    assert on("three", "runs", "rm", ids[1])[0] == 0
    assert [row["run_id"] for row in json.loads(on("two", "runs", "list", "--json")[1])["runs"]] == ids[:1]
    # What goes wrong is one line.
    code, _, said = on("one", "runs", "show", "nothing")
    assert (code, said.count("\n")) == (2, 1)
    assert "nothing" in said
    for url, endpoint, reason in (
        ("s3://absent/runs", server, "there is no such bucket"),
        ("s3://bucket/runs", "http://127.0.0.1:9", "no answer; check AWS_ENDPOINT_URL"),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        code, _, said = on("one", "runs", "list", "--results", url)
        assert (code, said.count("\n")) == (2, 1), said
        assert reason in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_who_may_not_is_told_so(tmp_path, monkeypatch, capsys):
    with served(INITIAL_NO_AUTH_ACTION_COUNT="1") as server:
        for name, value in {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
                            "ASSAY_CACHE": str(tmp_path)}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        assert cli.main(["runs", "list", "--results", "s3://bucket/runs"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "access" in said, said
