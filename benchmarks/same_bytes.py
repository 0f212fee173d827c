"""Whether two checkouts give the same bytes: every README command is run in both, and what they store is compared.

Run as `python benchmarks/same_bytes.py OTHER_CHECKOUT` (a `git worktree` of the commit before, say). Compared are
the run ids, each run's ``metrics.json``, its prediction, return and weight tables, and what commands write by name;
of Parquet files every bit of their values, not how these are packed. Each side has a ledger of trials of its own, since
a sweep tells how many trials there are. Exit code 1 if anything differs. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet

__all__ = ["main"]

HERE = Path(__file__).resolve().parents[1]


def commands(checkout: Path) -> list[list[str]]:
    """The README's commands, as arguments of ``cli.py``; one predictions file is written beside them."""
    text = (checkout / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- commands -->\n```\w+\n(.*?)```", text, re.S)
    if found is None:
        raise SystemExit(f"{checkout}: README.md has no block of commands")
    listed = [shlex.split(line)[2:] for line in found[1].strip().splitlines()]
    saved = ["--save-predictions", "predictions.parquet"]
    return [[*line, *saved] if line[0] == "walk-forward" else line for line in listed]


def stored(checkout: Path, lines: list[list[str]], folder: Path) -> dict[str, str]:
    """Run the commands of one checkout in a folder; what they stored, path → digest."""
    (folder / "data").symlink_to(checkout / "data")
    environment = {**os.environ, "ASSAY_LEDGER": str(folder / "ledger")}
    for line in lines:
        answer = subprocess.run(
            [sys.executable, str(checkout / "cli.py"), *line],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(f"{checkout.name}: {' '.join(line)} → {answer.returncode}", file=sys.stderr, flush=True)
    compared = ("metrics.json", "*predictions*.parquet", "returns.parquet", "weights.parquet", "market.parquet")
    paths = sorted({path for pattern in compared for path in folder.rglob(pattern)})
    kept = [path for path in paths if "data" not in path.relative_to(folder).parts[:1]]
    return {str(path.relative_to(folder)): digest(path) for path in kept}


def digest(path: Path) -> str:
    """Of a file's bytes; of a Parquet file, of its schema and the bits of its values."""
    if path.suffix != ".parquet":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    table = pyarrow.parquet.read_table(path)
    out = hashlib.sha256(str(table.schema.remove_metadata()).encode())
    for column in table.columns:
        values = column.to_numpy()
        out.update(repr(values.tolist()).encode() if values.dtype == object else values.tobytes())
    return out.hexdigest()


def main() -> int:
    """Compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="A checkout of the commit to compare with.")
    other = parser.parse_args().other.resolve()
    lines = commands(other)  # of the commit before: what was promised then
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as after:
        first, second = stored(other, lines, Path(before)), stored(HERE, lines, Path(after))
    wrong = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in wrong:
        print(f"differs: {name}: {first.get(name, 'absent')[:12]} {second.get(name, 'absent')[:12]}")
    print(f"{len(first)} files of {len(lines)} commands, {len(wrong)} differ")
    return 1 if wrong or not first else 0


if __name__ == "__main__":
    sys.exit(main())
