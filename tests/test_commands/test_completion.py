"""Names of strategies, models and runs, completed by the shell through click."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("assay backtest --strategy s1", ["s1_bottom_k"]),
        ("assay walk-forward --model grad", ["gradient_boosting"]),
        ("assay models show rid", ["ridge"]),
        ("assay gate my_", ["my_run-0123abcd"]),
        ("assay ru", ["run", "runs"]),
    ],
)
def test_names_complete(words: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "results" / "runs" / "my_run-0123abcd").mkdir(parents=True)
    start = "from assay.commands.main import run; run()"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[0] = 'assay'; {start}"
    asked = {"_ASSAY_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **asked},
        check=True,
    )
    assert answer.stdout.splitlines()[1::3] == expected
    assert answer.stderr == ""
