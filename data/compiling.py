"""Loops compiled by Numba, which is imported only where that pays: large problems and repeated ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

__all__ = ["callable_inside", "has_numba", "on_disk", "read_soon", "with_read_soon"]


def has_numba() -> bool:
    """Whether loops can be compiled here; importing Numba takes half a second."""
    try:
        import numba
    except ImportError:
        return False
    return bool(numba)


def on_disk(loop: Callable[..., Any], signature: Any = None, *, reorder: bool = False) -> Any:
    """A loop over arrays, compiled, or read from Numba's cache on disk.

    Parameters
    ----------
    loop : what is compiled.
    signature : types of its arguments; by default those of its first call.
    reorder : whether sums may be taken in another order, so that they differ in the last bits.

    """
    import numba

    compiler: Any = numba.njit
    options = _options(reorder)
    try:
        return compiler(signature, cache=True, **options)(loop)
    except RuntimeError:  # no folder to keep it in
        return compiler(signature, **options)(loop)


def callable_inside(function: Callable[..., Any], *, reorder: bool = False) -> None:
    """Let compiled loops call a function, which stays what it is for everyone else."""
    from numba.extending import register_jitable

    register_jitable(**_options(reorder))(function)


def read_soon(table: npt.NDArray[Any], row: int, column: int) -> None:
    """Say that a cell of a table will be read: a compiled loop asks memory for it and goes on; else it is nothing."""


def with_read_soon() -> None:
    """Let compiled loops call `read_soon`."""
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.core import cgutils, types
    from numba.extending import intrinsic, overload

    pointer_to: Any = cgutils.get_item_pointer

    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        cell = pointer_to(context, builder, signature.args[0], array, arguments[1:])
        place, number = builder.bitcast(cell, ir.IntType(8).as_pointer()), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        asked = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(asked, [place, number(0), number(3), number(1)])  # to be read, often, and no instruction
        return context.get_dummy_value()

    def typed(_: Any, table: Any, row: Any, column: Any) -> Any:
        return types.void(table, types.intp, types.intp), written

    ask: Any = intrinsic(typed)

    options: Any = _options(reorder=False)

    @overload(read_soon, jit_options=options)
    def compiled(table: Any, row: Any, column: Any) -> Any:
        def asking(table: Any, row: Any, column: Any) -> Any:  # named as Numba wants it: as what it stands for
            ask(table, row, column)

        return asking


def _options(reorder: bool) -> dict[str, Any]:
    freedom = {"reassoc", "contract", "nsz"} if reorder else False
    return {"nogil": True, "fastmath": freedom, "error_model": "numpy"}
