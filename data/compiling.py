"""Loops compiled by Numba, which is imported only where that pays: large problems and repeated ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["has_numba", "on_disk"]


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

    freedom = {"reassoc", "contract", "nsz"} if reorder else False
    compiler: Any = numba.njit
    options = {"nogil": True, "fastmath": freedom, "error_model": "numpy"}
    try:
        return compiler(signature, cache=True, **options)(loop)
    except RuntimeError:  # no folder to keep it in
        return compiler(signature, **options)(loop)
