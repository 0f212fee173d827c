"""Models on disk: tensors as safetensors, everything else as JSON. Nothing is ever unpickled.

Format 2 seals the metadata with a digest, stamps and the tensors' digest among them. Format 1 had a digest of the
tensors alone: it is still read, and `is_sealed` says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.atomic import replacing
from assay.data.errors import InputError, TrainingError
from assay.data.stored import read_json, read_sealed, sealed

__all__ = ["METADATA", "TENSORS", "checkpoint_id", "is_sealed", "read_checkpoint", "read_metadata", "write_checkpoint"]

METADATA = "model.json"
TENSORS = "model.safetensors"
_FORMAT = 2
#: What every checkpoint says of itself, and the type of it.
_FIELDS = {"model": str, "params": dict, "sha256": str}


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_checkpoint(folder: Path, metadata: Mapping[str, object], tensors: Mapping[str, np.ndarray]) -> None:
    """Write both files into an existing folder, the metadata last: without it there is no checkpoint.

    Parameters
    ----------
    folder : existing folder.
    metadata : JSON-able; must hold ``model``, the name or ``package.module:Class`` of the recipe, and ``params``.
    tensors : named arrays.

    """
    from safetensors.numpy import save

    data = save({name: np.require(tensors[name], requirements="C") for name in sorted(tensors)})
    content = sealed({"format": _FORMAT, **metadata, "sha256": hashlib.sha256(data).hexdigest()})
    _write(folder / TENSORS, data)
    _write(folder / METADATA, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_metadata(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself, checked against the digest that it was sealed with.

    Raises
    ------
    InputError
        If the folder holds no checkpoint, or one of a later format.
    TrainingError
        If its metadata cannot be read, or is not what was written.

    """
    path = Path(folder) / METADATA
    if not path.is_file():
        raise InputError(f"checkpoint: {folder} holds no {METADATA}; give the folder that `train` wrote")
    try:
        content = read_json(path)
        version = content.get("format") if isinstance(content, dict) else None
        if version == _FORMAT:
            content = read_sealed(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"checkpoint: {path} is damaged or was edited: {error}; train again") from None
    if version is None:
        raise TrainingError(f"checkpoint: {path} is damaged: it names no format; train again")
    if version not in (1, _FORMAT):
        raise InputError(f"checkpoint: {path} has format {version!r}, this version reads up to {_FORMAT}")
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(content.get(name), kind)]
    if wrong:
        raise TrainingError(f"checkpoint: {path} is damaged: {wrong[0]} is missing or of another type; train again")
    return dict(content)


def is_sealed(metadata: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's stamps and parameters are covered by its digest."""
    answer: bool = metadata["format"] != 1
    return answer


def checkpoint_id(metadata: Mapping[str, Any]) -> str:
    """The name of a fitted model: its recipe, and digits that change with its tensors, parameters and stamps."""
    digits = str(metadata["sha256"])
    if is_sealed(metadata):
        about = {name: metadata.get(name) for name in ("params", "stamps", "sha256")}
        digits = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return f"{metadata['model']}-{digits[:12]}"


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and tensors, checked against the digest that was written with them.

    Raises
    ------
    InputError
        If the folder holds no checkpoint.
    TrainingError
        If a file is damaged, cut short or not the one that was written.

    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = read_metadata(folder)
    path = Path(folder) / TENSORS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"checkpoint: {path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != content["sha256"]:
        raise TrainingError(f"checkpoint: {path} is damaged or not the file written with {METADATA}; train again")
    try:
        return content, load(data)
    except SafetensorError as error:
        raise TrainingError(f"checkpoint: {path} is not a safetensors file: {error}") from None
