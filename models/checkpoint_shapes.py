"""Somebody's checkpoint read for its shapes and settings alone: nothing in it is run, no number of it is loaded.

A torch file is a zip whose ``data.pkl`` says which tensors there are. Its opcodes are walked on a small stack on which
a name is a name and a call is a note of a call; of all that stands there only the sizes of tensors and plain values are
taken. Keras files are read through h5py, safetensors by their header. What is read has limits, so that a file made to
fill memory or to take for ever ends in one line.
"""

from __future__ import annotations

import json
import math
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from assay.data.errors import InputError
from assay.data.optional import missing_package

__all__ = ["Checkpoint", "read_checkpoint_shapes"]

#: Bytes of a description that are read at most; a state dict's takes some hundred a tensor.
_LARGEST = 16 << 20
#: Bytes of compressed Keras weights that are unpacked at most; Keras stores them as they are, and then all are read.
_LARGEST_UNPACKED = 64 << 20
#: Opcodes of a pickle that are walked at most, of which a tensor takes about forty, and data sets of an HDF5 file.
_MOST_STEPS, _MOST_SETS = 2_000_000, 200_000
#: Letters of a name, and of a value that is text; dimensions of a tensor, and numbers along one.
_LONGEST, _MOST_DIMENSIONS, _MOST_ALONG = 1_000, 64, 1 << 40
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
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file")
    readers: dict[str, Callable[[Path], Checkpoint]] = {
        ".pt": _torch, ".pth": _torch, ".safetensors": _safetensors, ".keras": _keras, ".h5": _h5, ".hdf5": _h5,
    }  # fmt: skip
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: not a checkpoint that can be read; give {', '.join(readers)}")
    try:
        path.open("rb").close()
        found = read(path)
        for name, shape in found.shapes.items():
            _require_shape(name, shape)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read as ' + path.suffix}") from None
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a {path.suffix} checkpoint ({type(error).__name__}: {reason})") from None
    if not found.shapes:
        raise InputError(f"{path}: says no shape of any tensor")
    settings = {name: value for name, value in found.settings.items() if _is_plain(name, value)}
    return Checkpoint(found.kind, found.shapes, settings)


#: What reading a damaged file raises; RuntimeError is h5py's, and zipfile's of an encrypted part.
_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError, MemoryError,
            zipfile.BadZipFile, zlib.error, struct.error)  # fmt: skip


def _require_shape(name: str, shape: Shape) -> None:
    whole = all(type(size) is int and 0 <= size < _MOST_ALONG for size in shape)
    if not whole or len(shape) > _MOST_DIMENSIONS or len(name) > _LONGEST:
        raise ValueError(f"tensor {name[:40]!r} has no shape that a tensor can have")


def _is_plain(name: str, value: object) -> bool:
    """Whether a setting is one that can be shown: no text of megabytes, no whole number that is no 64-bit one."""
    if isinstance(value, int):
        return len(name) <= _LONGEST and abs(value) < 1 << 63
    return len(name) <= _LONGEST and (isinstance(value, float) or (isinstance(value, str) and len(value) <= _LONGEST))


def _limited(archive: zipfile.ZipFile, name: str, largest: int = _LARGEST) -> bytes:
    with archive.open(name) as part:
        content = part.read(largest + 1)
    if len(content) > largest:
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
        raise InputError(f"{path}: not a torch file, or one from before version 1.6, which is no zip; save it again")
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
    if not isinstance(size, tuple):
        raise ValueError("a tensor without a size")
    return size


def _leaves(value: object, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, object]]:
    """Names and values below nested dictionaries; one that is there under several names is walked once."""
    seen = set() if seen is None else seen
    if isinstance(value, _Call) and _tensor_shape(value) is None:
        return
    if len(name) > _LONGEST:
        raise ValueError("a name longer than names are")
    if not isinstance(value, dict):
        yield name, value
    elif id(value) not in seen:
        seen.add(id(value))
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key), seen)


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

    for count, (opcode, argument, _) in enumerate(pickletools.genops(BytesIO(data))):
        if count > _MOST_STEPS:
            raise ValueError("more steps than a state dict takes")
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
            stack.append(f"{_text(module)}.{_text(attribute)}")
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, what = stack.pop(), _text(stack.pop())
            if not isinstance(arguments, tuple):
                raise ValueError("a call without arguments")
            dictionary = name == "REDUCE" and what == "collections.OrderedDict"
            stack.append({} if dictionary else _Call(what, arguments))
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


def _text(value: object) -> str:
    """A name, which must be text: of a nested value the text could be endless."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("a name that is no text")
    return value


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
    about = dict(header.pop("__metadata__", {}))
    return Checkpoint("safetensors", {name: tuple(part["shape"]) for name, part in header.items()}, about)


class _Stored(RawIOBase):
    """A part of a file from `start` on, `size` bytes, as a file of its own: weights stored as they are in a zip."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.size, self.at = file, start, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self.at = max(0, offset + {SEEK_SET: 0, SEEK_CUR: self.at, SEEK_END: self.size}[whence])
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.start + self.at)
        content = self.file.read(max(0, min(len(buffer), self.size - self.at)))
        buffer[: len(content)] = content
        self.at += len(content)
        return len(content)


def _keras(path: Path) -> Checkpoint:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        config = json.loads(_limited(archive, "config.json"))
        part = archive.getinfo("model.weights.h5")
        weights: Any
        if part.compress_type == zipfile.ZIP_STORED:
            file.seek(part.header_offset + 26)  # where the local header says how long its name and its extra field are
            start = part.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
            weights = _Stored(file, start, part.file_size)
        else:
            weights = BytesIO(_limited(archive, part.filename, _LARGEST_UNPACKED))
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
            if len(shapes) > _MOST_SETS:
                raise ValueError("more data sets than a model has")
            shapes[name] = tuple(int(n) for n in item.shape)

    with h5py.File(file, "r") as content:
        content.visititems(note)
        single = "model_config" in content.attrs and content.attrs.get_id("model_config").shape == ()
        config = content.attrs["model_config"] if single else None
        if isinstance(config, (str, bytes)) and len(config) > _LARGEST:
            raise ValueError("its configuration is larger than a description of layers can be")
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
