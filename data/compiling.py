"""Loops compiled by Numba, which is imported only where that pays: large problems and repeated ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["callable_inside", "has_numba", "on_disk"]


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


def _options(reorder: bool) -> dict[str, Any]:
    freedom = {"reassoc", "contract", "nsz"} if reorder else False
    return {"nogil": True, "fastmath": freedom, "error_model": "numpy"}
