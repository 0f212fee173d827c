"""What a task is where it runs: one thread, and words about how it is getting on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from assay.engine.shared import Mapped

__all__ = ["ONE_THREAD", "call_on_one_thread", "heard_by", "listen_always", "say"]

T = TypeVar("T")
#: Environment variables that hold the libraries beneath to one thread.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

#: Where messages of the running task go; None = nobody listens.
_listener: ContextVar[Callable[[Any], None] | None] = ContextVar("_listener", default=None)


def say(message: Any) -> None:
    """Tell the caller of `run_tasks` how a task is getting on."""
    if (listener := _listener.get()) is not None:
        listener(message)


@contextmanager
def heard_by(listener: Callable[[Any], None] | None) -> Iterator[None]:
    """Within it, `listener` gets what is said."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listen_always(listener: Callable[[Any], None]) -> None:
    """From now on, `listener` gets what is said in this process."""
    _listener.set(listener)


def call_on_one_thread(function: Callable[..., T], *task: Any) -> T:
    """Call with every BLAS and OpenMP pool held to one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return function(*(item.load() if isinstance(item, Mapped) else item for item in task))
