"""Kinds of values on the command line: bounded numbers, files of data, and where results lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["DATA", "Bounded", "DataFile", "ResultsPlace", "data_files"]


class DataFile(click.Path):
    """A file of data, of those that --column, --tz and their like say how to read."""


#: One that may not exist: our own loaders say what is wrong with it, in one line.
DATA = DataFile(path_type=Path)


class Bounded(click.ParamType):  # type: ignore[type-arg]
    """A number that is one: finite, and of a size that a count, a price or a share of basis points can have.

    What is sensible beyond that is said where it is used, in the words of that place.
    """

    def __init__(self, name: str, kind: Callable[[str], float], most: float) -> None:
        self.name, self.kind, self.most = name, kind, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = self.kind(value) if not isinstance(value, str) or value.isascii() else None
        except (ValueError, OverflowError):
            number = None
        if number is None:
            self.fail(f"{str(value)[:40]!r} is not a valid {self.name}.", param, ctx)
        if not -self.most <= number <= self.most:  # nan is none of these
            self.fail(f"{str(value)[:40]} does not lie between {-self.most:,.0f} and {self.most:,.0f}.", param, ctx)
        return number


class ResultsPlace(click.Path):
    """A folder, or the folder that stands for an object store while the command runs."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not isinstance(value, str) or ":/" not in value or ctx is None or ctx.resilient_parsing:
            return Path(os.fsdecode(super().convert(value, param, ctx)))
        from assay.results.storage.object_store import is_url, results_at

        if not is_url(value):  # C:/results
            return Path(os.fsdecode(super().convert(value, param, ctx)))
        return ctx.with_resource(results_at(value))


def data_files(context: click.Context) -> list[str | Path]:
    """The files of data that a command is given, and where receipts beside them would lie."""
    from assay.data.files.predictions import receipts_path

    names = [str(option.name) for option in context.command.params if isinstance(option.type, DataFile)]
    given = [context.params[name] for name in names if context.params.get(name)]
    beside = [receipts_path(part) for part in context.params.get("parts") or ()]  # read where they are there
    return [file for item in given for file in (item if isinstance(item, tuple) else (item,))] + beside
