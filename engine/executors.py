"""Where folds are fit: in this process, in local worker processes, or on a Ray cluster. The bytes are the same.

Every task runs on one thread: sums are split among threads, so their number would show in the last digits; and two
workers of one thread finish sooner than one of two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from data.errors import InputError

__all__ = ["EXECUTORS", "run_tasks"]

T = TypeVar("T")
EXECUTORS = ("serial", "process", "ray")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def run_tasks(
    function: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    *,
    executor: str = "serial",
    workers: int | None = None,
) -> Iterator[tuple[int, T]]:
    """Call ``function(*task)`` for each task; yields (position, result) as they end.

    Parameters
    ----------
    function : a module-level function.
    tasks : its arguments.
    executor : one of `EXECUTORS`.
    workers : processes; default and upper bound: the number of cores.

    Raises
    ------
    InputError
        If the executor is unknown, or Ray is not installed.

    """
    if executor not in EXECUTORS:
        raise InputError(f"executor: must be {', '.join(EXECUTORS)}, got {executor!r}")
    if workers is not None and workers < 1:
        raise InputError(f"workers: must be at least 1, got {workers}")
    cores = os.cpu_count() or 1
    count = min(workers or cores, cores, max(len(tasks), 1))
    if executor == "ray":
        yield from _ray(function, tasks)
    elif executor == "process" and count > 1:
        yield from _processes(function, tasks, count)
    else:
        for position, task in enumerate(tasks):
            yield position, call_on_one_thread(function, *task)


def call_on_one_thread(function: Callable[..., T], *task: Any) -> T:
    """Call with every BLAS and OpenMP pool held to one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return function(*task)


def _processes(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], count: int) -> Iterator[tuple[int, T]]:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    # Spawned children read the environment when they import NumPy and torch; a forked one would inherit our pools.
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            futures = {pool.submit(call_on_one_thread, function, *task): i for i, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _ray(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, T]]:
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray: Ray is not installed; install the extra: pip install 'assay[ray]'") from None
    started = not ray.is_initialized()
    if started:
        ray.init(
            log_to_driver=False, include_dashboard=False, runtime_env={"env_vars": dict.fromkeys(_ONE_THREAD, "1")}
        )
    try:
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus)(call_on_one_thread)
        waiting = {remote.remote(function, *task): position for position, task in enumerate(tasks)}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            for reference in done:
                yield waiting.pop(reference), ray.get(reference)
    finally:
        if started:
            ray.shutdown()
