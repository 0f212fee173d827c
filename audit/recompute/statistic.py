"""A statistic as a row of data: its name, the conventions that it is printed under, and one function of a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.recompute.conventions import Dimensions, Material, Reading, readings_over
from assay.audit.recompute.series import bases_of, idle, values_of

__all__ = ["Choice", "Choices", "Statistic", "by_name", "of_returns"]

Choice = dict[str, str]
#: What a dimension can be: choices, or the choices that a material has.
Choices = Sequence[str] | Callable[[Material], Sequence[str]]


@dataclass(frozen=True)
class Statistic:
    """One statistic under the conventions in use.

    Parameters
    ----------
    name : canonical metric.
    dimensions : material -> dimension -> choices, the project's own first; empty where the material cannot give it.
    figure : (material, choice) -> value, or None where the choice has no meaning.
    idle : material -> dimensions that cannot matter there.

    """

    name: str
    dimensions: Callable[[Material], Dimensions]
    figure: Callable[[Material, Choice], float | None]
    idle: Callable[[Material], Sequence[str]] = lambda _: ()

    def readings(self, material: Material) -> tuple[Reading, ...]:
        """Every reading that the material gives, the project's own convention first."""
        dimensions = self.dimensions(material)
        if not dimensions:
            return ()
        return readings_over(dimensions, lambda choice: self.figure(material, choice), self.idle(material))


def by_name(*rows: Statistic) -> dict[str, Statistic]:
    """The rows by their canonical metric."""
    return {row.name: row for row in rows}


def of_returns(
    name: str, figure: Callable[[np.ndarray, Choice, Material], float | None], *, only: str = "", fewest: int = 2,
    **dimensions: Choices,
) -> Statistic:  # fmt: skip
    """A row over the return series of a material.

    Parameters
    ----------
    name : canonical metric.
    figure : ((T,) returns as the choice has them, choice, material) -> value.
    only : part of the names of the series that count, ``""`` for all.
    fewest : returns that a series must have.
    dimensions : the grid beside the series; those named ``form`` and ``days`` are applied before `figure` sees them.

    """

    def grid(material: Material) -> Dimensions:
        bases = bases_of(material, only, fewest)
        given = {name: own(material) if callable(own) else own for name, own in dimensions.items()}
        return {"basis": bases, **given} if bases else {}

    def without(material: Material) -> tuple[str, ...]:
        return idle(material, bases_of(material, only, fewest)) if "days" in dimensions else ()

    def value(material: Material, choice: Choice) -> float | None:
        return figure(values_of(material, choice), choice, material)

    return Statistic(name, grid, value, without)
