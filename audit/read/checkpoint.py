"""Somebody's checkpoint read for its shapes and settings alone: nothing in it is run, no number of it is loaded.

A torch file is a zip whose ``data.pkl`` says which tensors there are. Its opcodes are walked on a small stack on which
a name is a name and a call is a note of a call; of all that stands there only the sizes of tensors and plain values are
taken. Keras files are read through h5py, safetensors by their header.
"""

from __future__ import annotations

import json
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from assay.data.errors import InputError
from assay.data.optional import missing_package

__all__ = ["Checkpoint", "read_checkpoint_shapes"]

#: Bytes of a description that are read at most; a state dict's takes some hundred a tensor.
_LARGEST = 64 << 20
_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of its network.

    Parameters
    ----------
    kind : ``"torch"``, ``"keras"`` or ``"safetensors"``.
    shapes : tensor → its shape; what an optimiser keeps is left out.
    settings : plain values that stand beside them: hyper-parameters, the epoch, scores, a Keras layer's configuration.

    """

    kind: str
    shapes: Mapping[str, Shape]
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Numbers in all tensors, as Keras counts (moments of batch normalisation included, batch counters not)."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if not name.endswith("num_batches_tracked"))

    @property
    def recurrent(self) -> dict[str, tuple[int, int]]:
        """LSTM layers by name: how many inputs a step and how many units they have."""
        out = {}
        for name, shape in self.shapes.items():
            last = name.replace("/", ".").rpartition(".")[2]
            if last.startswith("weight_ih") and len(shape) == 2 and shape[0] % 4 == 0:
                out[name] = (shape[1], shape[0] // 4)
            twin = name.replace("recurrent_kernel", "kernel")
            if "recurrent_kernel" in name and len(shape) == 2 and shape[1] == 4 * shape[0] and twin in self.shapes:
                out[twin] = (self.shapes[twin][0], shape[0])
        return out


def read_checkpoint_shapes(path: Path) -> Checkpoint:
    """The shapes and settings in a ``.pt``, ``.pth``, ``.safetensors``, ``.keras`` or ``.h5`` file.

    Raises
    ------
    InputError
        If the file cannot be read, is of another kind, or does not say its shapes.

    """
    path = Path(path)
    readers: dict[str, Callable[[Path], Checkpoint]] = {
        ".pt": _torch, ".pth": _torch, ".safetensors": _safetensors, ".keras": _keras, ".h5": _h5, ".hdf5": _h5,
    }  # fmt: skip
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: not a checkpoint that can be read; give {', '.join(readers)}")
    try:
        found = read(path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read as ' + path.suffix}") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, zipfile.BadZipFile, struct.error,
            RecursionError, NotImplementedError, EOFError) as error:  # fmt: skip
        raise InputError(f"{path}: not a {path.suffix} checkpoint ({type(error).__name__}: {error})") from None
    if not found.shapes:
        raise InputError(f"{path}: says no shape of any tensor")
    return found


def _limited(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        content = part.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise InputError(f"{name}: larger than a description of shapes can be")
    return content


# --- torch ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Call:
    """A call that stands in the file and is not made."""

    what: str
    arguments: tuple[Any, ...]


class _Mark:
    """Where a collection begins on the stack."""


def _torch(path: Path) -> Checkpoint:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: a torch file from before version 1.6, which is no zip; save it again")
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if not inside:
            raise InputError(f"{path}: holds no data.pkl")
        content = _noted(_limited(archive, inside[0]))
    shapes: dict[str, Shape] = {}
    settings: dict[str, object] = {}
    for name, value in _leaves(content):
        parts = name.split(".")
        if any(part.startswith("optim") for part in parts):
            continue
        shape = _tensor_shape(value)
        if shape is not None:
            shapes[".".join(part for part in parts if "state_dict" not in part)] = shape
        elif isinstance(value, (bool, int, float, str)):
            settings[name] = value
    return Checkpoint("torch", shapes, settings)


def _tensor_shape(value: object) -> Shape | None:
    if not isinstance(value, _Call) or value.what.rpartition(".")[2] not in _REBUILD:
        return None
    if value.what.endswith("_rebuild_parameter"):
        return _tensor_shape(value.arguments[0])
    size = value.arguments[2]
    if not isinstance(size, tuple) or not all(isinstance(n, int) and 0 <= n < 1 << 40 for n in size):
        raise ValueError("a tensor without a size")
    return size


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, _Call) and isinstance(value.arguments, tuple) and _tensor_shape(value) is None:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _noted(data: bytes) -> object:
    """What a pickle would build, with every call noted instead of made and every name kept as text."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        items: list[Any] = []
        while not isinstance(stack[-1], _Mark):
            items.append(stack.pop())
        stack.pop()
        return items[::-1]

    for opcode, argument, _ in pickletools.genops(BytesIO(data)):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name == "MARK":
            stack.append(_Mark())
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[_number(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[_number(argument)])
        elif name == "GLOBAL":
            stack.append(str(argument).replace(" ", "."))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(f"{module}.{attribute}")
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, what = stack.pop(), stack.pop()
            dictionary = name == "REDUCE" and what == "collections.OrderedDict"
            stack.append({} if dictionary else _Call(str(what), tuple(arguments)))
        elif name == "BINPERSID":
            stack.append(_Call("storage", (stack.pop(),)))
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _put(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = since_mark()
            _put(stack[-1], items)
        elif name == "APPEND":
            stack.pop()
        elif name == "APPENDS":
            since_mark()
        elif name == "BUILD":
            stack.pop()  # attributes of an object; an ordered dictionary of modules carries its versions here
        elif argument is not None and isinstance(argument, (int, float, str, bytes)):
            stack.append(argument)
        else:
            raise ValueError(f"opcode {name} does not belong in a state dict")
    raise ValueError("no end")


_CONSTANTS: Mapping[str, Callable[[], object]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set, "NONE": lambda: None,
    "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
}  # fmt: skip


def _number(argument: object) -> int:
    if not isinstance(argument, int):
        raise ValueError("a place in the memo that is no number")
    return argument


def _put(target: object, items: list[Any]) -> None:
    if isinstance(target, dict):
        target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, str))


# --- the others -----------------------------------------------------------------------------------------------------


def _safetensors(path: Path) -> Checkpoint:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LARGEST:
            raise InputError(f"{path}: its header is larger than a description of shapes can be")
        header = json.loads(file.read(length))
    about = header.pop("__metadata__", {})
    return Checkpoint("safetensors", {name: tuple(part["shape"]) for name, part in header.items()}, about)


def _keras(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(_limited(archive, "config.json"))
        weights = BytesIO(_limited(archive, "model.weights.h5"))
    return Checkpoint("keras", _datasets(weights)[0], _layer_settings(config))


def _h5(path: Path) -> Checkpoint:
    with path.open("rb") as file:
        shapes, config = _datasets(file)
    return Checkpoint("keras", shapes, _layer_settings(config) if config else {})


def _datasets(file: BinaryIO) -> tuple[dict[str, Shape], dict[str, Any] | None]:
    """Shapes of the data sets below no optimiser, and the model's configuration where the file has one."""
    try:
        import h5py
    except ImportError as error:
        raise missing_package(error, what="audit --checkpoint") or error from None

    shapes: dict[str, Shape] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            shapes[name] = tuple(int(n) for n in item.shape)

    with h5py.File(file, "r") as content:
        content.visititems(note)
        config = content.attrs.get("model_config")
    return shapes, json.loads(config) if isinstance(config, (str, bytes)) else None


def _layer_settings(config: Mapping[str, Any]) -> dict[str, object]:
    """Plain values of each layer's configuration, by ``layer.setting``."""
    inner = config.get("config", {})
    layers = inner.get("layers", []) if isinstance(inner, dict) else inner
    out: dict[str, object] = {}
    for layer in layers:
        own = layer.get("config", {})
        name = own.get("name", layer.get("class_name", "layer"))
        out[f"{name}.class"] = layer.get("class_name", "")
        out |= {f"{name}.{key}": value for key, value in own.items() if isinstance(value, (bool, int, float, str))}
    return out
