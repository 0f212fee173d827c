"""A language model's knowledge cutoff is what it was trained through, and is refused like any other look-ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import LookAheadError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.panel import PredictionPanel
from assay.data.synthetic import synthetic_market

SESSIONS = pd.bdate_range("2024-01-02", periods=60)


def panel(cutoff: str, released: str) -> PredictionPanel:
    """Scores of a language model from 2024 on, with what is known of when it stopped to learn and when it was there."""
    score = pd.DataFrame(np.ones((60, 5)), SESSIONS, list("ABCDE"))
    row = {"model_id": "llm", "fold": 0, "trained_through": cutoff, "preprocessing_fit_through": cutoff,
           "labels_known_through": cutoff, "available_at": released}  # fmt: skip
    return PredictionPanel(score, receipts=pd.DataFrame([row], index=pd.DatetimeIndex([SESSIONS[0]])), name="llm")


def test_a_model_whose_cutoff_and_release_lie_before_its_first_row_is_taken() -> None:
    assert panel("2023-04-30", "2023-11-06").receipts is not None


@pytest.mark.parametrize(
    ("cutoff", "released", "words"),
    [
        ("2024-06-01", "2024-08-01", "before they are available"),  # it has read the days that it now predicts
        ("2023-12-01", "2024-03-01", "before they are available"),  # nobody could have asked it yet
        ("2023-12-01", "2023-11-01", "saw data after they were available"),
        ("2024-01-03", "2024-01-02", "saw data after they were available"),
    ],
)
def test_a_knowledge_cutoff_after_the_stamp_is_look_ahead(cutoff: str, released: str, words: str) -> None:
    with pytest.raises(LookAheadError, match=words):
        panel(cutoff, released)


def test_the_command_line_refuses_it_in_one_line(tmp_path, capsys) -> None:
    prices, oracle = synthetic_market(80, 6, ic=0.1, seed=1)
    write_prices(prices, tmp_path / "prices.csv")
    write_predictions(oracle, tmp_path / "scores.parquet")
    late = oracle.sessions[10].date()
    names = "session,model_id,fold,trained_through,preprocessing_fit_through,labels_known_through,available_at"
    first = oracle.sessions[0].date()
    (tmp_path / "receipts.csv").write_text(f"{names}\n{first},llm,0,{late},{late},{late},{late}\n")
    code = cli.main(["backtest", "--prices", str(tmp_path / "prices.csv"), "--predictions",
                     str(tmp_path / "scores.parquet"), "--receipts", str(tmp_path / "receipts.csv"),
                     "--results", str(tmp_path / "runs")])  # fmt: skip
    assert code == 1
    answer = capsys.readouterr().err
    assert "predict before they are available" in answer
    assert answer.count("\n") == 1
    assert not (tmp_path / "runs").exists()
