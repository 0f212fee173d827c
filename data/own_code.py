"""Whose code an exception comes from: ours, an installed package's, or that of the person who runs us."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Place", "named_error", "place_of"]

_OURS = Path(__file__).resolve().parents[1]
_PACKAGES = ("assay", "audit", "commands", "data", "engine", "models", "results", "strategies", "cli.py")
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<name>.+)')
#: Installed beside us for their own sake; no fault of theirs is a user's.
_TOOLS = ("pip", "setuptools", "pytest", "pluggy", "hypothesis", "xdist")


@dataclass(frozen=True)
class Place:
    """A line of somebody's code.

    Parameters
    ----------
    file : its source file.
    line : of the file, from 1.
    function : the function that it stands in, ``<module>`` for none.

    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        within = "" if self.function == "<module>" else f" in {self.function}"
        return f"{self.file} line {self.line}{within}"


def place_of(error: BaseException) -> Place | None:
    """The innermost line of a user's own code that an exception passed; None if it passed none.

    Code of theirs is what lies outside this project, Python, and the packages that this project needs. A part that
    comes from an installed package (by entry point, say) is that package's own. What a worker process raised carries
    its traceback as a text.
    """
    frames = [Place(item.filename, item.lineno or 0, item.name) for item in traceback.extract_tb(error.__traceback__)]
    remote = getattr(error.__cause__, "tb", None)
    if isinstance(remote, str):
        frames += [Place(match["file"], int(match["line"]), match["name"]) for match in _FRAME.finditer(remote)]
    if isinstance(error, SyntaxError) and error.filename is not None:  # the file was never run
        frames.append(Place(error.filename, error.lineno or 0, "<module>"))
    theirs = [frame for frame in frames if os.path.isfile(frame.file) and not _is_known(Path(frame.file))]
    return theirs[-1] if theirs else None


def named_error(error: BaseException) -> str:
    """``ValueError: too short``, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_known(file: Path) -> bool:
    """Whether a source file belongs to this project, to Python, or to an installed package that is nobody's plug-in."""
    file = Path(os.path.realpath(file))
    if any(file.is_relative_to(_OURS / name) for name in _PACKAGES):
        return True
    places = sysconfig.get_paths()
    for name in ("purelib", "platlib"):
        home = Path(os.path.realpath(places[name]))
        if file.is_relative_to(home):
            top = file.relative_to(home).parts[0].removesuffix(".py")
            return top.startswith("_") or top in _needed() or not _needed()
    return any(file.is_relative_to(os.path.realpath(places[name])) for name in ("stdlib", "platstdlib", "scripts"))


@cache
def _needed() -> frozenset[str]:
    """Top-level names of the packages that we need, and of those that they need; empty where we are not installed."""
    from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

    found: set[str] = set()
    open_ = ["assay", *_TOOLS]
    while open_:
        name = _canonical(open_.pop())
        if name in found:
            continue
        try:
            wants = distribution(name).requires or []
        except PackageNotFoundError:
            if name == "assay":
                return frozenset()
            continue
        found.add(name)
        open_ += [re.split(r"[^A-Za-z0-9_.-]", want, maxsplit=1)[0] for want in wants]
    tops = packages_distributions()
    return frozenset(top for top, owners in tops.items() if any(_canonical(owner) in found for owner in owners))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
