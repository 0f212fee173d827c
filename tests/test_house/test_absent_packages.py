"""Where torch, vectorbt or skfolio is not installed, every command that does not need it works; the others say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROUGHT = "--prices market.parquet --predictions scores.parquet --receipts scores.receipts.csv"
#: command → the packages it cannot do without
COMMANDS = {
    "data synthetic --sessions 300 --assets 12 --ic 0.05 --seed 1 --out market.parquet --oracle scores.parquet": set(),
    "data validate market.parquet": set(),
    f"backtest {BROUGHT} --leaks": set(),
    f"backtest --strategy hrp {BROUGHT}": {"skfolio"},
    f"backtest {BROUGHT} --cross-check": {"vectorbt"},
    "backtest --strategy quintile_long_short": {"skfolio"},
    f"backtest --strategy s5_long_only {BROUGHT}": set(),
    "walk-forward --model ridge --prices market.parquet --train 150 --retrain 100 --no-tearsheet --workers 1": set(),
    f"sweep {BROUGHT} --grid quantile=0.1,0.2": set(),
    "gate s5_long_only --policy research": set(),
    "audit {root}/data/claims/nse_phase2_report.toml": set(),
    "models list": set(),
    "models show ridge": set(),
    "train --model stock_lstm_close --preset small --prices market.parquet --through 2001-01-01": {"torch"},
    "strategies list": set(),
    "runs list": set(),
}
CODE = """
import sys
missing = sys.argv[1]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from assay.commands.main import main
for line in sys.argv[2:]:
    print("\\x1e", line, flush=True)
    code = main(line.split())
    print("\\x1f", code, flush=True)
"""


@pytest.mark.parametrize("missing", ["torch", "vectorbt", "skfolio"])
def test_commands_without_a_package(missing, tmp_path):
    lines = [line.format(root=ROOT) for line in COMMANDS]
    answer = subprocess.run(
        [sys.executable, "-c", CODE, missing, *lines],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ASSAY_CACHE": str(tmp_path / "cache")},
        check=False,
    )
    codes = [int(part.split()[0]) for part in answer.stdout.split("\x1f")[1:]]
    assert len(codes) == len(lines), answer.stderr[-2000:]
    for line, code, needs in zip(COMMANDS, codes, COMMANDS.values(), strict=True):
        fine = {2} if missing in needs else {0, 1, 3}
        assert code in fine, (line, code, answer.stderr[-2000:])
    asked = [line for line, needs in COMMANDS.items() if missing in needs]
    assert answer.stderr.count(f"{missing} is not installed") >= (len(asked) if missing != "skfolio" else 1)
    assert "our bug" not in answer.stderr
