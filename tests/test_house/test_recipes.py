"""Frozen recipes made in Python refuse what is of the wrong type, by name, as those made of text do."""

from __future__ import annotations

from dataclasses import fields

import pytest

import assay
from assay.data.errors import InputError
from assay.data.plugins import require_types
from assay.models.baselines import Momentum, Ridge
from assay.strategies.confidence import Confidence
from assay.strategies.optimised.portfolios import MeanVariance
from assay.strategies.ranked import FilterNegative

RECIPES = (assay.CostModel, assay.Execution, assay.WalkForward, assay.Checks, assay.MarketShape, assay.Overlays,
           Confidence, FilterNegative, MeanVariance, Momentum, Ridge)  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_number_as_text_and_a_flag_as_a_word_are_refused_by_name(recipe: type) -> None:
    numbers = [item for item in fields(recipe) if isinstance(item.default, int | float)]  # flags too
    assert numbers
    for item in numbers:
        with pytest.raises(InputError, match=rf": {item.name} must be .*, got '5'$"):
            recipe(**{item.name: "5"})


@pytest.mark.parametrize(
    ("recipe", "given"),
    [(assay.WalkForward, {"train": 250.5}), (assay.WalkForward, {"train": True}), (assay.Execution, {"fill": "noon"}),
     (assay.Checks, {"metrics": "a"}), (assay.Checks, {"metrics": (1,)}), (assay.CostModel, {"spread_bps": None})],
)  # fmt: skip
def test_a_value_outside_its_annotation_is_refused(recipe: type, given: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f": {next(iter(given))} must be "):
        recipe(**given)


def test_whole_numbers_are_numbers_and_those_of_numpy_too() -> None:
    import numpy as np

    assert assay.CostModel(commission_bps=np.float32(2), spread_bps=1).traded_rate == 3e-4
    assert assay.WalkForward(train=np.int64(250), retrain="monthly", start="2020-01-02").train == 250
    require_types("checks", assay.Checks(leaks=np.bool_(True), metrics=["a"]))
