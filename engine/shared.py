"""Values that many tasks read, such as panels: handed over once, arrays mapped read-only and never copied.

For local processes the arrays of a value are written to one file as they lie in memory, and each worker maps that file.
On Ray the object store does the same on every node.
"""

from __future__ import annotations

import functools
import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Mapped", "Shared", "replaced", "write_mapped"]

T = TypeVar("T")
#: Arrays begin at multiples of this, as NumPy's own do on every processor.
_ALIGNED = 64
#: Bytes from which an array is worth a place in the file.
_LEAST = 1 << 14


@dataclass(frozen=True, eq=False)
class Shared(Generic[T]):
    """An argument of a task that other tasks have, too: `assay.engine.executors.run_tasks` hands it over once.

    The function gets `value` itself, whose arrays may then be read-only.
    """

    value: T


def replaced(task: Sequence[Any], by: Callable[[Shared[Any]], Any]) -> tuple[Any, ...]:
    """A task's arguments with `by` called for those that are shared."""
    return tuple(by(item) if isinstance(item, Shared) else item for item in task)


@dataclass(frozen=True, eq=False)
class _Array:
    path: str
    start: int
    dtype: npt.DTypeLike
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    def load(self) -> npt.NDArray[Any]:
        count = int(np.prod(self.shape))
        flat = np.frombuffer(_bytes_of(self.path), self.dtype, count, self.start)
        return flat.reshape(self.shape, order=self.order)


@dataclass(frozen=True, eq=False)
class _Frame:
    values: _Array
    index: pd.Index
    columns: pd.Index

    def load(self) -> pd.DataFrame:
        return pd.DataFrame(self.values.load(), self.index, self.columns, copy=False)


@dataclass(frozen=True, eq=False)
class Mapped:
    """A value whose arrays lie in a file of this machine; the file is gone when the workers it is for have ended.

    Parameters
    ----------
    kind : its class, of a dataclass; None of a frame or an array.
    parts : attribute → value, or where it lies; a frame or an array under ``""``.

    """

    kind: type | None
    parts: Mapping[str, Any]

    def load(self) -> Any:
        """The value; its arrays are views of the file, which this process maps once."""
        parts = {name: part.load() if isinstance(part, _Array | _Frame) else part for name, part in self.parts.items()}
        if self.kind is None:
            return parts[""]
        value: Any = object.__new__(self.kind)  # what was checked when it was made need not be checked again
        vars(value).update(parts)
        return value


def write_mapped(value: object, path: Path) -> Mapped:
    """Write the arrays of a dataclass, a frame or an array to a new file.

    Raises
    ------
    OSError
        If it cannot be written.

    """
    try:
        with path.open("xb") as file:
            if is_dataclass(value):
                return Mapped(type(value), {name: _put(part, file) for name, part in vars(value).items()})
            return Mapped(None, {"": _put(value, file)})
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _put(part: object, file: BinaryIO) -> object:
    """Where an array or a frame of one block of numbers lies in the file; anything else itself."""
    if type(part) is np.ndarray:
        return _put_array(part, file) or part
    if type(part) is pd.DataFrame and not part.attrs and part.size:
        values = part.to_numpy()
        if np.may_share_memory(values, part.to_numpy()):  # else each is a copy: the frame has several blocks
            place = _put_array(values, file)
            return part if place is None else _Frame(place, part.index, part.columns)
    return part


def _put_array(values: npt.NDArray[Any], file: BinaryIO) -> _Array | None:
    flags = values.flags
    if values.dtype.kind not in "fiub" or values.nbytes < _LEAST or not (flags.c_contiguous or flags.f_contiguous):
        return None
    file.write(b"\0" * (-file.tell() % _ALIGNED))
    start = file.tell()
    file.write((values if flags.c_contiguous else values.T).data)
    return _Array(file.name, start, values.dtype, values.shape, "C" if flags.c_contiguous else "F")


@functools.lru_cache(maxsize=8)
def _bytes_of(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
