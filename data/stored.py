"""JSON files that this project wrote, read back: what was cut short, flipped or edited is found before it is used.

A sealed file holds, beside its content, the SHA-256 digest of that content; digests of other files may be part of it.
A seal tells damage and editing from what was written. It is no signature: who edits a file can seal it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["file_digest", "file_digests", "holds_files", "read_json", "read_sealed", "sealed"]

_SEAL = "digest"
#: No file of this kind comes near; what is larger is not one.
_LARGEST = 256 << 20


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able content with its digest, which does not depend on the order of keys."""
    return {**content, _SEAL: _digest(content)}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder and below, by its path in it."""
    files = sorted(item for item in folder.rglob("*") if item.is_file())
    return {item.relative_to(folder).as_posix(): file_digest(item) for item in files}


def holds_files(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether a folder holds these files as they were written (and perhaps more)."""
    try:
        return all(file_digest(folder / name) == digest for name, digest in digests.items())
    except OSError:
        return False


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no JSON, too large or nested too deeply; the text says which.

    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"larger than {_LARGEST >> 20} MB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not text in UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from None


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of a sealed file, without its seal, in the order in which it was written.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is damaged, was edited, or has no seal; the text says which.

    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError("not a table of settings")
    seal = content.pop(_SEAL, None)
    if seal is None:
        raise ValueError("it has no digest: an earlier version wrote it, or it was edited")
    try:
        matches = seal == _digest(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not matches:
        raise ValueError("its content is not what was written")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(content))  # as it will be read: keys are texts, tuples are lists
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
