"""The table of mutations fits the code, so that it can be run at any time."""

from __future__ import annotations

from pathlib import Path

from studies.mutations import misfits, mutations


def test_the_mutations_stand_once_in_their_files_and_change_them():
    table = mutations()
    assert len(table) - len(misfits(table)) >= 80, misfits(table)
    assert len({item.name for item in table}) == len(table)
    tests = Path(__file__).parents[1]
    for item in table:
        assert item.old != item.new
        assert all((tests / name).exists() for name in item.tests), item.name
