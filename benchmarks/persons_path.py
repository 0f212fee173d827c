"""A person's path on a fresh machine, timed: install, then the commands of docs/your_data.md as they stand there.

Run from the repository root: ``python benchmarks/persons_path.py [--keep FOLDER]``. A virtual environment is made
outside the checkout, the package is installed into it with the README's pins, and each command runs in an empty folder
that holds a file as yfinance leaves it and a file of predictions. At the end the bundle is unpacked elsewhere and run
again there. The exit code is 1 if a command fails or the bytes differ.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "your_data.md"
#: What a person has: bars of 12 tickers in yfinance's two header rows, and a score a day and ticker.
FILES = """
import pandas as pd
from assay import synthetic_market
prices, scores = synthetic_market(620, 12, ic=0.1, seed=7)
fields = {name.title(): getattr(prices, name) for name in ("close", "high", "low", "open", "volume")}
bars = pd.concat(fields, axis="columns", names=["Price", "Ticker"], sort=True).rename_axis(index="Date")
bars.to_parquet("bars.parquet")
long = scores.score.rename_axis(index="date", columns="asset").stack().rename("score").reset_index()
long.to_csv("preds.csv", index=False)
"""


def listed() -> list[str]:
    """The commands of the page."""
    found = re.search(r"<!-- path -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def timed(line: str, folder: Path, environment: dict[str, str]) -> tuple[int, float, str]:
    """Exit code, seconds and last line of a command typed in a shell."""
    begun = time.perf_counter()
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    output = (done.stdout or done.stderr).strip().splitlines() or [""]
    return done.returncode, time.perf_counter() - begun, output[-1]


def path(place: Path) -> bool:
    """Walk the whole of it below a folder; whether all went well."""
    folder, venv = place / "work", place / "venv"
    folder.mkdir()
    environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(place), "ASSAY_LEDGER": str(place / "ledger")}
    pins = f"-q -c {ROOT / 'constraints.txt'}"
    install = (
        f"{sys.executable} -m venv {venv} && {venv}/bin/pip install {pins} torch==2.13.0 "
        f"&& {venv}/bin/pip install {pins} {ROOT}"
    )
    (folder / "files.py").write_text(FILES, encoding="utf-8")
    lines = [install, "python files.py", *listed()]
    good, total = True, 0.0
    for number, line in enumerate(lines):
        code, seconds, said = timed(line, folder, environment)
        total += seconds if number != 1 else 0.0  # the person has the files
        fine = code in ((0, 1, 3) if line.startswith("assay gate") else (0,))
        good &= fine
        shown = "install, with torch" if number == 0 else line
        print(f"{seconds:6.1f} s  exit {code}{'' if fine else ' WRONG'}  {shown}", flush=True)
        if not fine:
            print(f"          {said}")
    with zipfile.ZipFile(folder / "mine.zip") as bundle:
        bundle.extractall(folder / "elsewhere")
    code, seconds, said = timed("assay runs rerun ./elsewhere", folder, environment)
    print(f"{seconds:6.1f} s  exit {code}  assay runs rerun ./elsewhere: {said}")
    print(f"{total:6.1f} s  in all, {len(listed())} commands after the install")
    return good and code == 0


def main() -> int:
    """Walk it in a folder that is removed afterwards, or kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="a new folder to work in, which stays")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return 0 if path(options.keep.resolve()) else 1
    with tempfile.TemporaryDirectory(prefix="assay-path-") as place:
        return 0 if path(Path(place)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
