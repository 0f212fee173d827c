"""What stands in a results folder, so that two can be compared, and that no damage is overlooked."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from assay.results.storage.chain import verify
from assay.results.storage.places import FILE_NAME

__all__ = ["contents", "ledger", "leftovers"]

#: What differs between two runs of the same command, and no more.
_OF_THE_MOMENT = ("created", "timings", "digest", "files")


def contents(root: Path) -> dict[str, Any]:
    """Every visible file by its path: bytes, a manifest without what is of the moment, the ledger's rows."""
    out: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or any(part.startswith(".") for part in name.split("/")):
            continue
        if path.name == "manifest.json":
            content = json.loads(path.read_text(encoding="utf-8"))
            out[name] = {key: value for key, value in content.items() if key not in _OF_THE_MOMENT}
        elif path.name.startswith("trials.sqlite"):
            out["trials.sqlite"] = ledger(root)
        else:
            out[name] = path.read_bytes()
    return out


def ledger(root: Path) -> tuple[str, int, tuple[str, ...]] | None:
    """Whether the ledger's file is sound, how many entries it has, and what is broken; None where there is none."""
    path = root / FILE_NAME
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        sound = str(connection.execute("pragma integrity_check").fetchone()[0])
        tables = connection.execute("select name from sqlite_master where name = 'entries'").fetchall()
    finally:
        connection.close()
    if not tables:
        return sound, 0, ()
    walked = verify(path)
    return sound, walked.entries, walked.broken


def leftovers(root: Path) -> list[str]:
    """Hidden files and folders that no command means to keep."""
    kept = (".walk-forward", ".sweep-")
    names = [item.relative_to(root).as_posix() for item in root.rglob(".*")]
    return [name for name in names if not name.split("/")[-1].startswith(kept)]
