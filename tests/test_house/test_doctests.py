"""Every example in a docstring runs, and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ("audit", "commands", "data", "engine", "models", "results", "strategies")


def modules() -> list[str]:
    """The packages below `assay` and all that is in them."""
    names = []
    for package in PACKAGES:
        home = importlib.import_module(f"assay.{package}")
        names += [home.__name__, *(item.name for item in pkgutil.walk_packages(home.__path__, f"{home.__name__}."))]
    return names


NAMES = modules()


@pytest.mark.parametrize("name", NAMES)
def test_examples_print_what_they_say(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    assert sum(bool(test.examples) for name in NAMES for test in finder.find(importlib.import_module(name))) >= 80
