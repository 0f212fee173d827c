"""The vocabulary of reports as data: `vocabulary.toml`, read once, with its word lists as tuples and sets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES", "pattern", "phrases", "table", "wordset"]

LANGUAGES = ("en", "pt", "es", "de", "fr", "zh")


@lru_cache(maxsize=1)
def _file() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))


def table(name: str) -> Mapping[str, Any]:
    """A table of the vocabulary: ``metric``, ``split``, ``statistic``, ``combine`` …"""
    found: Mapping[str, Any] = _file()[name]
    return found


@lru_cache(maxsize=256)
def phrases(name: str, key: str = "") -> tuple[str, ...]:
    """A list of phrases of ``[words]``, or of another table by its name and key."""
    text = table(name)[key] if key else table("words")[name]
    return tuple(" ".join(part.split()) for part in text.split(";") if part.strip())


@lru_cache(maxsize=256)
def wordset(name: str) -> frozenset[str]:
    """A list of phrases of ``[words]`` as a set."""
    return frozenset(phrases(name))


@lru_cache(maxsize=256)
def pattern(name: str) -> re.Pattern[str]:
    """A pattern of ``[pattern]``, compiled without regard to case; blanks stand in it only as ``\\s`` or ``[ ]``."""
    return re.compile("".join(table("pattern")[name].split("\n")), re.I)
