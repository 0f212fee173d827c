"""Models on disk: tensors as safetensors, everything else as JSON. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.errors import InputError, TrainingError

__all__ = ["METADATA", "TENSORS", "read_checkpoint", "read_metadata", "write_checkpoint"]

METADATA = "model.json"
TENSORS = "model.safetensors"
_FORMAT = 1


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    content = {"format": _FORMAT, **metadata, "sha256": hashlib.sha256(data).hexdigest()}
    _write(folder / TENSORS, data)
    _write(folder / METADATA, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_metadata(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself.

    Raises
    ------
    InputError
        If the folder holds no checkpoint, or one of a later format.
    TrainingError
        If its metadata cannot be read.

    """
    path = Path(folder) / METADATA
    if not path.is_file():
        raise InputError(f"checkpoint: {folder} holds no {METADATA}; give the folder that `train` wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, names = content["format"], (content["model"], content["params"], content["sha256"])
    except (ValueError, KeyError, TypeError):
        raise TrainingError(f"checkpoint: {path} is damaged; train again") from None
    if version != _FORMAT or not isinstance(names[0], str) or not isinstance(names[1], dict):
        raise InputError(f"checkpoint: {path} has format {version!r}, this version reads {_FORMAT}")
    return content


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
