"""What stands in a results folder, so that two can be compared, and that no damage is overlooked."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

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


def ledger(root: Path) -> tuple[str, int, int] | None:
    """Whether the ledger is sound, and how many trials and members it has; None where there is none."""
    path = root / "trials.sqlite"
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        sound = connection.execute("pragma integrity_check").fetchone()[0]
        tables = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
        counts = [
            connection.execute(f"select count(*) from {table}").fetchone()[0] if table in tables else 0
            for table in ("trials", "members")
        ]
    finally:
        connection.close()
    return str(sound), counts[0], counts[1]


def leftovers(root: Path) -> list[str]:
    """Hidden files and folders that no command means to keep."""
    kept = (".walk-forward", ".sweep-")
    names = [item.relative_to(root).as_posix() for item in root.rglob(".*")]
    return [name for name in names if not name.split("/")[-1].startswith(kept)]
