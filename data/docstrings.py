"""What a numpydoc docstring says: its text, and the meaning of each parameter."""

from __future__ import annotations

import inspect
import re

__all__ = ["first_sentence", "parameter_meanings", "text_of"]

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+$|^See |\Z)", re.DOTALL | re.MULTILINE)


def text_of(documented: object) -> str:
    """The docstring up to its parameters, on one line."""
    return " ".join((inspect.getdoc(documented) or "").partition("\nParameters\n")[0].split())


def first_sentence(documented: object) -> str:
    """The docstring's first paragraph, on one line."""
    return (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")


def parameter_meanings(documented: type) -> dict[str, str]:
    """Parameter → its meaning, from the docstrings of a class and its bases; the nearest wins.

    Examples
    --------
    >>> class Rule:
    ...     '''A rule.
    ...
    ...     Parameters
    ...     ----------
    ...     low, high : bounds,
    ...         both included.
    ...     '''
    >>> parameter_meanings(Rule)
    {'low': 'bounds, both included.', 'high': 'bounds, both included.'}

    """
    out: dict[str, str] = {}
    for base in reversed(documented.__mro__):
        section = _SECTION.search(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        if section is None:
            continue
        for entry in re.split(r"\n(?=\S)", section.group(1).strip()):
            head, colon, meaning = entry.partition(" : ")
            if colon:
                out.update(dict.fromkeys(re.split(r",\s*", head.strip()), " ".join(meaning.split())))
    return out
