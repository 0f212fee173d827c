"""Where torch, vectorbt or skfolio is not installed, every command that does not need it works; the others say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
absent = sys.argv[1].split()
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from assay.commands.main import main
for line in sys.argv[2:]:
    for stream in (sys.stdout, sys.stderr):
        print("\\x1e", file=stream, flush=True)
    print(main(line.split()), "\\x1f", flush=True)
"""


def test_commands_without_the_packages(tmp_path):
    """One process in which all three are absent: what needs none of them works, what needs one names that one."""
    absent = set().union(*COMMANDS.values())
    assert absent == {"torch", "vectorbt", "skfolio"}
    answer = subprocess.run(
        [sys.executable, "-c", CODE, " ".join(sorted(absent)), *(line.format(root=ROOT) for line in COMMANDS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ASSAY_CACHE": str(tmp_path / "cache")},
        check=False,
    )
    outputs, errors = (text.split("\x1e")[1:] for text in (answer.stdout, answer.stderr))
    assert len(outputs) == len(errors) == len(COMMANDS), answer.stderr[-2000:]
    for (line, needs), output, error in zip(COMMANDS.items(), outputs, errors, strict=True):
        code = int(output.partition("\x1f")[0].split()[-1])
        assert code in ({2} if needs else {0, 1, 3}), (line, code, error[-2000:])
        assert [name for name in absent if f"{name} is not installed" in error] == sorted(needs), (line, error[-2000:])
    assert "our bug" not in answer.stderr
