"""Tags and a note beside a stored run: words of whoever looks at it, which change neither its id nor its figures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assay.data.atomic import locked, replacing
from assay.data.errors import InputError
from assay.data.stored import read_sealed, sealed
from assay.results.storage.runs import LABELS, Run, to_json

__all__ = ["Labels", "read_labels", "write_labels"]

_TAG = re.compile(r"[^\s,]{1,60}")
_LONGEST_NOTE = 10_000


@dataclass(frozen=True)
class Labels:
    """What was written beside a run.

    Parameters
    ----------
    tags : words without spaces or commas, in order of the alphabet.
    note : free text.

    Raises
    ------
    InputError
        If a tag is none, or the note is longer than 10,000 characters.

    """

    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for tag in self.tags:
            if not _TAG.fullmatch(tag):
                raise InputError(f"tag {tag[:70]!r}: one word of at most 60 characters, without spaces or commas")
        if len(self.note) > _LONGEST_NOTE:
            raise InputError(f"note: {len(self.note):,} characters; at most {_LONGEST_NOTE:,}")
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))


def read_labels(run: Run) -> Labels:
    """The tags and the note of a run; empty where nothing was written.

    Raises
    ------
    InputError
        If the file is damaged.

    """
    return _read(run.path / LABELS)


def _read(path: Path) -> Labels:
    try:
        content = read_sealed(path)
        return Labels(tuple(content["tags"]), content["note"])
    except FileNotFoundError:
        return Labels()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: damaged: {error}; remove the file and tag the run again") from None


def write_labels(run: Run, *, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None) -> Labels:
    """Add and take away tags, or put a note in the place of the one before; the labels as they are then.

    Raises
    ------
    InputError
        If a tag is none, one to be removed is not there, or the file is damaged or cannot be written.

    """
    with locked(run.path.parent):
        before = _read(run.path / LABELS)
        gone = tuple(remove)
        for tag in gone:
            if tag not in before.tags:
                raise InputError(f"run {run.id}: has no tag {tag!r}; it has {', '.join(before.tags) or 'none'}")
        kept = (tag for tag in (*before.tags, *add) if tag not in gone)
        labels = Labels(tuple(kept), before.note if note is None else note.strip())
        with replacing(run.path / LABELS) as temporary:
            temporary.write_text(to_json(sealed({"tags": list(labels.tags), "note": labels.note})), encoding="utf-8")
    return labels
