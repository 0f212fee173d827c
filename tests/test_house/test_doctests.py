"""Every example in a docstring runs, and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import assay

PACKAGES = ("audit", "commands", "data", "engine", "models", "results", "strategies")


def modules() -> list[str]:
    """The packages below `assay` and all that is in them."""
    names = []
    for package in PACKAGES:
        home = importlib.import_module(f"assay.{package}")
        names += [home.__name__, *(item.name for item in pkgutil.walk_packages(home.__path__, f"{home.__name__}."))]
    return names


NAMES = modules()


@pytest.fixture(autouse=True)
def _a_folder_for_what_they_store(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_examples_print_what_they_say(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_every_public_name_has_an_example_among_them():
    parser = doctest.DocTestParser()
    texts = {name: getattr(assay, name).__doc__ or "" for name in assay.__all__}
    assert [name for name, text in texts.items() if not parser.get_examples(text) or "+SKIP" in text] == []
    assert {getattr(assay, name).__module__ for name in assay.__all__} <= set(NAMES)


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    assert sum(bool(test.examples) for name in NAMES for test in finder.find(importlib.import_module(name))) >= 80
