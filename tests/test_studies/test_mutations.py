"""The table of mutations fits the code, so that it can be run at any time."""

from __future__ import annotations

from pathlib import Path

from studies.mutations import misfits, mutations


def test_every_mutation_stands_once_in_its_file_and_changes_it():
    table = mutations()
    assert len(table) >= 60
    assert not misfits(table)
    assert len({item.name for item in table}) == len(table)
    tests = Path(__file__).parents[1]
    for item in table:
        assert item.old != item.new
        assert all((tests / name).exists() for name in item.tests), item.name
