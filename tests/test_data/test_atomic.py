"""Files and folders that appear whole, kills at any moment, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.data import atomic
from assay.data.atomic import building, locked, put_folder, recover, replacing, sweep
from assay.data.stored import read_sealed, sealed


def killed(action: Callable[[], object]) -> None:
    """Run in a child process that ends by SIGKILL at its end, if not before."""
    child = os.fork()
    if child == 0:
        action()
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def half_written(folder: Path) -> None:
    with building(folder / "folder") as one, replacing(folder / "file") as other:
        (one / "content").touch()
        other.write_text("half", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


def put(target: Path, text: str) -> None:
    with building(target) as aside:
        (aside / "content").write_text(text, encoding="utf-8")
        with locked(target.parent):
            put_folder(aside, target)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another(
    tmp_path: Path, exchanges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    for text in ("one", "two", "three"):
        put(tmp_path / "run", text)
        assert (tmp_path / "run" / "content").read_text(encoding="utf-8") == text
        assert [item.name for item in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("moment", range(1, 6))
def test_a_kill_at_any_rename_loses_nothing(
    tmp_path: Path, exchanges: bool, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "run", "old")

    def replaced() -> None:
        count = 0

        def hook(event: str, arguments: object) -> None:
            nonlocal count
            if event in ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)  # in the child only
        put(tmp_path / "run", "new")

    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    killed(replaced)
    recover(tmp_path)
    assert (tmp_path / "run" / "content").read_text(encoding="utf-8") in ("old", "new")
    sweep(tmp_path)
    put(tmp_path / "run", "new")
    assert (tmp_path / "run" / "content").read_text(encoding="utf-8") == "new"
    assert [item.name for item in tmp_path.iterdir()] == ["run"]


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    killed(lambda: half_written(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    with building(tmp_path / "mine") as aside:
        (tmp_path / ".hidden").touch()
        (tmp_path / ".other.tmp").touch()
        sweep(tmp_path, "file")
        assert sum(item.is_dir() for item in tmp_path.iterdir()) == 2
        sweep(tmp_path)
        assert sorted(item.name for item in tmp_path.iterdir()) == sorted([".hidden", ".other.tmp", aside.name])


def test_what_another_machine_writes_is_left_for_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setattr(atomic, "_machine", lambda: "0" * 8)
        killed(lambda: half_written(tmp_path))
    left = list(tmp_path.iterdir())
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == left
    for item in left:
        os.utime(item, (0, 0))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_number_used_again_is_another_process(tmp_path: Path) -> None:
    # Process 1 lives, but was not born when this name says.
    left = tmp_path / f".run~{atomic._machine()}-1-1234567890123-00000000.tmp"
    left.mkdir()
    if not Path("/proc/1/stat").exists():
        pytest.skip("this system does not say when a process started")
    sweep(tmp_path)
    assert not left.exists()


def test_names_of_any_length_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 250, "量" * 80):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text("whole", encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == "whole"


def test_a_lock_keeps_another_process_waiting(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from assay.data.atomic import locked
with locked(Path({str(tmp_path)!r})):
    print("in", flush=True); sys.stdin.readline()
    Path({str(tmp_path)!r}, "written").touch()
"""
    root = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "in\n"
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    with locked(tmp_path):
        assert (tmp_path / "written").exists()
    child.communicate()


@pytest.mark.parametrize("content", [{}, {"a": [1, (2, 3)], 5: 1.5, "t": None}, {"x": float("nan")}, {"é": "\ud800"}])
def test_a_seal_holds_whatever_the_order_and_breaks_with_any_change(tmp_path: Path, content: dict[str, object]) -> None:
    import json

    path = tmp_path / "x.json"
    text = json.dumps(sealed(content))
    path.write_text(text, encoding="utf-8")
    assert json.dumps(read_sealed(path)) == json.dumps(content)
    path.write_text(json.dumps(dict(reversed(json.loads(text).items()))), encoding="utf-8")
    assert json.dumps(read_sealed(path), sort_keys=True) == json.dumps(json.loads(json.dumps(content)), sort_keys=True)
    path.write_text(json.dumps({**json.loads(text), "more": 1}), encoding="utf-8")
    with pytest.raises(ValueError, match="not what was written"):
        read_sealed(path)
