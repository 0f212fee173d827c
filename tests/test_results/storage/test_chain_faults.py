"""A ledger that another command holds, and one in which a cell is not what was written."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from assay.data.errors import InputError
from assay.results.storage import chain
from assay.results.storage.chain import append_entry, entries, verify


def test_a_ledger_that_is_held_is_waited_for_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "trials.sqlite"
    append_entry("look", "one", {"a": 1}, path=path)
    monkeypatch.setattr(chain, "_QUIET_SECONDS", 0.1)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("begin immediate")
    timer = threading.Timer(0.6, lambda: holder.execute("commit"))
    timer.start()
    try:
        assert append_entry("look", "two", {"a": 2}, path=path)
    finally:
        timer.join()
        holder.close()
    assert "another command holds it; waiting" in caplog.text
    assert [entry.body["a"] for entry in entries("look", path=path)] == [1, 2]


def test_a_ledger_that_stays_held_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trials.sqlite"
    append_entry("look", "one", {"a": 1}, path=path)
    monkeypatch.setattr(chain, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(chain, "_WAIT_SECONDS", 0.2)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("begin immediate")
    begun = time.monotonic()
    with pytest.raises(InputError, match="locked"):
        append_entry("look", "two", {"a": 2}, path=path)
    holder.close()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("column", ["kind", "body", "data", "created", "previous", "digest"])
@pytest.mark.parametrize("value", [b"\xff", 0, "x", '{"a": 2}', "[" * 50_000])
def test_a_changed_cell_is_found_when_it_is_read(tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "trials.sqlite"
    append_entry("look", "one", {"a": 1}, path=path)
    connection = sqlite3.connect(path)
    connection.execute(f"update entries set {column} = ?", (value,))
    connection.commit()
    connection.close()
    assert verify(path).broken
    if column == "kind":  # it is of another kind now, and none of this one is left
        assert entries("look", path=path) == []
    else:
        with pytest.raises(InputError, match="--verify"):
            entries("look", path=path)


def test_a_schema_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    append_entry("look", "one", {"a": 1}, path=path)
    written = path.read_bytes()
    place = written.index(b"indexentries_by_kind") + len(b"index")
    path.write_bytes(written[:place] + b"\x99" + written[place + 1 :])
    with pytest.raises(InputError, match="damaged"):
        entries("look", path=path)
