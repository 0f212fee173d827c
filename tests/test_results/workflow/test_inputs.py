"""What a study's data section is read as."""

from __future__ import annotations

from pathlib import Path

from assay.data.sample import PRICE_INDEX, SURVIVORSHIP_WARNING, load_sample
from assay.results.workflow.inputs import load_market
from assay.results.workflow.study import DataSection


def test_the_samples_index_is_no_fault_of_a_benchmark_that_was_brought_along(tmp_path: Path) -> None:
    theirs = load_sample()[1].rename("return")
    theirs.to_frame().to_csv(tmp_path / "total.csv", index_label="date")
    own, benchmark = load_market(DataSection(benchmark=str(tmp_path / "total.csv")))
    assert benchmark is not None
    assert benchmark.name == "total"
    assert SURVIVORSHIP_WARNING in own.warnings
    assert PRICE_INDEX not in own.warnings
    assert PRICE_INDEX in load_market(DataSection())[0].warnings
