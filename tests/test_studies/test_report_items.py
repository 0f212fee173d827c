"""The table of the reports' items is true of the code, and its page is what it writes."""

from __future__ import annotations

from studies.report_items import ROOT, items, page, problems


def test_every_row_holds_and_the_page_is_the_tables() -> None:
    rows = items()
    assert len(rows) == 116
    assert problems(rows) == []
    assert (ROOT / "studies" / "report_items.md").read_text(encoding="utf-8") == page(rows)


def test_a_row_that_does_not_hold_is_said() -> None:
    row = {
        "id": "x", "state": "exact", "where": "models.stock_lstm:StockLSTM.lookback", "reason": "",
        "test": "tests/test_studies/test_report_items.py::test_a_row_that_does_not_hold_is_said",
        "preset": ["stock_lstm", "report"], "values": {"lookback": 90},
    }  # fmt: skip
    assert problems([row]) == []
    wrong = {
        "where": "models.stock_lstm:StockLSTM.no", "test": "tests/test_studies/test_report_items.py::test_no",
        "values": {"lookback": 91}, "state": "perfect", "reason": "none",
    }  # fmt: skip
    for key, value in wrong.items():
        assert problems([{**row, key: value}]), key
    assert problems([row, row]) == ["x: 2 rows of that id"]
