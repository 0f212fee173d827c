"""Run folders: atomic, reused, safe names, clear errors."""

from __future__ import annotations

import json
import multiprocessing
import shutil

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError, UnknownNameError
from assay.results.storage import runs
from assay.results.storage.runs import (
    add_checks,
    damaged_runs,
    delete_run,
    list_runs,
    load_run,
    run_id,
    save_run,
    to_json,
)

TABLE = pd.DataFrame({"x": [1.0, np.nan]}, index=pd.bdate_range("2020-01-01", periods=2))


def save(root, value: float = 1.0, name: str = "s2", **config):
    return save_run(
        name,
        config={"strategy": name, **config},
        fingerprints={"prices": "abc"},
        metrics={"metrics": [{"name": "sharpe_net", "value": value}]},
        tables={"returns": TABLE},
        notes={"counts": {}},
        root=root,
    )


def test_round_trip(tmp_path):
    run = save(tmp_path)
    again = load_run(run.id, root=tmp_path)
    assert again.manifest["config"]["strategy"] == "s2"
    assert again.metric("sharpe_net") == {"name": "sharpe_net", "value": 1.0}
    assert again.metric("absent") is None
    pd.testing.assert_frame_equal(again.table("returns"), TABLE, check_freq=False)
    assert load_run(run.path).id == run.id
    assert load_run(run.id[:5], root=tmp_path).id == run.id


def test_the_same_inputs_have_the_same_id_and_what_was_added_stays(tmp_path):
    run = save(tmp_path)
    (run.path / "tearsheet.html").write_text("drawn", encoding="utf-8")
    assert save(tmp_path).id == run.id
    assert (run.path / "tearsheet.html").exists()
    assert save(tmp_path, 2.0).metric("sharpe_net")["value"] == 2.0
    assert save(tmp_path, quantile=0.1).id != run.id
    assert not [item for item in tmp_path.iterdir() if item.name.startswith(".")]


def test_nothing_is_left_of_a_run_that_fails_to_write(tmp_path):
    bad = pd.DataFrame({"x": [object(), object()]})
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever pyarrow raises
        save_run("s2", config={}, fingerprints={}, metrics={}, tables={"bad": bad}, notes={}, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def _save_many(root):
    for _ in range(10):
        save(root)


def test_two_processes_saving_the_same_run_do_not_collide(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_save_many, args=(tmp_path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(list_runs(tmp_path)) == 1
    assert list_runs(tmp_path)[0].tables == ("returns",)


def test_listing_showing_and_removing(tmp_path):
    one, two = save(tmp_path), save(tmp_path, quantile=0.1)
    assert {run.id for run in list_runs(tmp_path)} == {one.id, two.id}
    delete_run(one.id, root=tmp_path)
    assert [run.id for run in list_runs(tmp_path)] == [two.id]
    assert list_runs(tmp_path / "absent") == []


def test_an_ambiguous_start_asks_for_more(tmp_path):
    save(tmp_path)
    save(tmp_path, quantile=0.1)
    with pytest.raises(InputError, match="fits 2 runs"):
        load_run("s2", root=tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 200, "a\x00b"])
def test_names_never_become_paths(tmp_path, name):
    with pytest.raises((InputError, ValueError)):
        delete_run(name, root=tmp_path)


def test_unknown_and_damaged_runs(tmp_path):
    run = save(tmp_path)
    with pytest.raises(UnknownNameError, match="unknown run"):
        load_run("nothing", root=tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'returns'"):
        run.table("return")
    (run.path / "metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        load_run(run.id, root=tmp_path)
    assert list_runs(tmp_path) == []


def test_json_is_deterministic_and_strict():
    value = {"b": float("nan"), "a": np.float64(1.5), "t": pd.Timestamp("2020-01-02"), "n": np.int64(3), "l": (1, None)}
    text = to_json(value)
    assert json.loads(text) == {"a": 1.5, "b": None, "t": "2020-01-02", "n": 3, "l": [1, None]}
    assert text == to_json(dict(reversed(value.items())))


def test_ids_are_safe_whatever_the_name():
    assert run_id("../../etc <b>", {}, {}).startswith("etc_b_-")
    assert run_id("动量", {}, {}).startswith("run-")
    assert run_id("_mine", {}, {}).startswith("mine-")


@pytest.mark.parametrize("name", ["动量", "_x", "стратегия 1", "…", ""])
def test_a_name_in_any_script_can_be_stored_and_read(tmp_path, name):
    run = save(tmp_path, name=name)
    assert load_run(run.id, root=tmp_path).manifest["config"]["strategy"] == name


def test_checks_outlive_a_run_made_again_without_them(tmp_path):
    run = add_checks(save(tmp_path), {"leaks": {"found": [], "on": {"cuts": 5}}})
    before = (run.path / "metrics.json").read_bytes()
    assert run.checks["leaks"] == {"found": [], "on": {"prices": "abc", "cuts": 5}}
    again = add_checks(save(tmp_path), {"trials": {"count": 3}})
    assert set(again.checks) == {"leaks", "trials"}
    assert (again.path / "metrics.json").read_bytes() == before
    # A kind takes the place of what was found before.
    assert add_checks(again, {"leaks": {"found": ["weights"]}}).checks["leaks"]["found"] == ["weights"]
    assert load_run(run.id, root=tmp_path).checks["trials"]["count"] == 3
    assert add_checks(again, {}) is again
    # New tables replace the folder, the checks of the same figures stay; other figures have none yet.
    wider = save_run("s2", config={"strategy": "s2"}, fingerprints={"prices": "abc"},
                     metrics={"metrics": [{"name": "sharpe_net", "value": 1.0}]},
                     tables={"returns": TABLE, "more": TABLE}, notes={}, root=tmp_path)  # fmt: skip
    assert wider.has("more")
    assert set(wider.checks) == {"leaks", "trials"}
    assert save(tmp_path, 2.0).checks == {}


def _add_many(root, kind: str) -> None:
    run = load_run("s2", root=root)
    for count in range(20):
        add_checks(run, {f"{kind}{count}": {"found": []}})


def test_checks_written_at_once_are_all_kept(tmp_path):
    run = save(tmp_path)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_many, args=(tmp_path, kind)) for kind in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(load_run(run.id, root=tmp_path).checks) == 40
    assert not [item for item in run.path.iterdir() if item.name.startswith(".")]


@pytest.mark.parametrize("text", ["{", "[]", '{"leaks": 1}'])
def test_damaged_checks_are_one_clear_error_and_never_overwritten(tmp_path, text):
    run = save(tmp_path)
    (run.path / "checks.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"checks\.json: damaged"):
        load_run(run.id, root=tmp_path).checks  # noqa: B018
    with pytest.raises(InputError, match="damaged"):
        add_checks(run, {"leaks": {"found": []}})
    assert (run.path / "checks.json").read_text(encoding="utf-8") == text


def files_of(run) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in run.path.iterdir() if item.name != "manifest.json"}


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "nested": lambda path: path.write_bytes(b"[" * 100_000),
    "edited": lambda path: path.write_bytes(path.read_bytes().replace(b"1", b"2", 1)),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", ["manifest.json", "metrics.json", "returns.parquet"])
def test_a_damaged_run_is_named_removed_and_made_again(tmp_path, capsys, file, how):
    other, run = save(tmp_path, name="other"), save(tmp_path)
    whole = files_of(run)
    if file == "returns.parquet" and how == "edited":
        (run.path / file).write_bytes(whole[file][:-9] + bytes([whole[file][-9] ^ 1]) + whole[file][-8:])
    else:
        DAMAGE[how](run.path / file)
    # Named: in one line, and no other run suffers.
    assert cli.main(["runs", "list", "--results", str(tmp_path)]) == 0
    listed = capsys.readouterr()
    assert other.id in listed.out
    assert not listed.err
    if file != "returns.parquet":
        assert f"{run.id}  damaged" in listed.out
        assert list(damaged_runs(tmp_path)) == [run.id]
    if how != "gone" or file != "returns.parquet":
        with pytest.raises(InputError, match="damaged") as caught:
            load_run(run.id, root=tmp_path).table("returns")
        assert "\n" not in str(caught.value)
    # Made again by a rerun.
    assert files_of(save(tmp_path)) == whole
    # Removed.
    if (run.path / file).is_file():
        DAMAGE[how](run.path / file)
    assert cli.main(["runs", "rm", run.id, "--results", str(tmp_path)]) == 0
    assert [item.name for item in tmp_path.iterdir()] == [other.id]


def test_a_run_without_a_manifest_can_still_be_removed(tmp_path):
    run = save(tmp_path)
    for item in run.path.iterdir():
        item.unlink()
    assert list(damaged_runs(tmp_path)) == [run.id]
    delete_run(run.id, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_removing_a_path_removes_that_folder_and_no_other(tmp_path, capsys):
    run = save(tmp_path / "live")
    copy = tmp_path / "backup" / "s2"
    shutil.copytree(run.path, copy)
    assert cli.main(["runs", "rm", str(copy), "--results", str(tmp_path / "live")]) == 0
    assert not copy.exists()
    assert run.path.exists()
    for name in ("..", ".", str(tmp_path), "live/..", "../live"):
        assert cli.main(["runs", "rm", name, "--results", str(tmp_path / "live")]) == 2
    assert run.path.exists()


def test_removing_a_link_leaves_what_it_points_to(tmp_path):
    run = save(tmp_path / "other")
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / run.id).symlink_to(run.path.absolute())
    delete_run(run.id, root=tmp_path / "live")
    assert run.path.exists()
    assert list((tmp_path / "live").iterdir()) == []


def test_results_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = save(".")
    assert save(".").id == run.id
    assert load_run(run.id, root=".").id == run.id
    add_checks(load_run(run.id, root="."), {"leaks": {}})
    delete_run(run.id, root=".")
    assert list(tmp_path.iterdir()) == []


def test_damaged_checks_do_not_outlive_the_run_made_again(tmp_path):
    run = add_checks(save(tmp_path), {"leaks": {"found": []}})
    (run.path / "checks.json").write_text(json.dumps({"leaks": {"found": []}}), encoding="utf-8")  # edited: no seal
    again = load_run(run.id, root=tmp_path)
    with pytest.raises(InputError, match="checks"):
        again.checks  # noqa: B018
    assert save(tmp_path).checks == {}


def test_a_run_replaced_again_and_again_while_it_is_read_is_read(tmp_path, monkeypatch):
    """Systems give the number of a folder that is gone to the next one made."""
    run = save(tmp_path)
    number = run.path.stat().st_ino
    read_once, calls = runs._read_once, []

    def slow(path):
        calls.append(path)
        if len(calls) > 1:
            return read_once(path)
        for _ in range(50):
            shutil.copytree(path, tmp_path / ".next")
            shutil.rmtree(path)
            (tmp_path / ".next").rename(path)
            if path.stat().st_ino == number:
                break
        raise InputError("one of its files was read of each of two folders")

    monkeypatch.setattr(runs, "_read_once", slow)
    assert [found.id for found in list_runs(tmp_path)] == [run.id]
    assert len(calls) == 2


def _save_other_figures(root, number: int) -> None:
    for count in range(15):
        run = save(root, float(count % 3))
        if count % 2:
            add_checks(run, {f"kind{number}": {"n": count}})


def test_other_figures_saved_at_once_never_fail_nor_leave_anything(tmp_path):
    save(tmp_path)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_save_other_figures, args=(tmp_path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        assert len(list_runs(tmp_path)) == 1  # at every moment
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(list(tmp_path.iterdir())) == 1
