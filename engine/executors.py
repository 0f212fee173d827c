"""Where folds are fit: in this process, in local worker processes, or on a Ray cluster. The bytes are the same.

Every task runs on one thread: sums are split among threads, so their number would show in the last digits; and two
workers of one thread finish sooner than one of two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from assay.data.errors import InputError, TrainingError
from assay.data.optional import missing_package

__all__ = ["EXECUTORS", "run_tasks", "say"]

T = TypeVar("T")
EXECUTORS = ("serial", "process", "ray")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: How often the listener looks for messages, seconds.
_EARS = 0.02

#: Where messages of the running task go; None = nobody listens.
_listener: ContextVar[Callable[[Any], None] | None] = ContextVar("_listener", default=None)


def say(message: Any) -> None:
    """Tell the caller of `run_tasks` how a task is getting on; on Ray nobody listens."""
    if (listener := _listener.get()) is not None:
        listener(message)


def run_tasks(
    function: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    *,
    executor: str = "serial",
    workers: int | None = None,
    gpu: bool = False,
    heard: Callable[[Any], None] | None = None,
) -> Iterator[tuple[int, T]]:
    """Call ``function(*task)`` for each task; yields (position, result) as they end.

    Parameters
    ----------
    function : a module-level function.
    tasks : its arguments.
    executor : one of `EXECUTORS`.
    workers : processes, or tasks at once on Ray; default and local upper bound: the number of cores.
    gpu : whether a task on Ray is given a GPU.
    heard : called with what tasks `say`, from a thread of its own where they run in other processes.

    Raises
    ------
    InputError
        If the executor is unknown, or Ray is not installed or has no GPU.
    TrainingError
        If a worker process dies.

    """
    if executor not in EXECUTORS:
        raise InputError(f"executor: must be {', '.join(EXECUTORS)}, got {executor!r}")
    if workers is not None and workers < 1:
        raise InputError(f"workers: must be at least 1, got {workers}")
    cores = os.cpu_count() or 1
    count = min(workers or cores, cores, max(len(tasks), 1))
    if executor == "ray":
        yield from _ray(function, tasks, workers, gpu)
    elif executor == "process" and count > 1:
        yield from _processes(function, tasks, count, heard)
    else:
        for position, task in enumerate(tasks):
            token = _listener.set(heard)
            try:
                result = call_on_one_thread(function, *task)
            finally:
                _listener.reset(token)
            yield position, result


def call_on_one_thread(function: Callable[..., T], *task: Any) -> T:
    """Call with every BLAS and OpenMP pool held to one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return function(*task)


def _processes(
    function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], count: int, heard: Callable[[Any], None] | None
) -> Iterator[tuple[int, T]]:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    context = get_context("spawn")
    messages = None if heard is None else context.SimpleQueue()
    with (
        _one_thread_environment(),
        _listening(messages, heard),
        ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker, initargs=(messages,)) as pool,
    ):
        futures = {pool.submit(call_on_one_thread, function, *task): i for i, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except (BrokenProcessPool, BrokenPipeError):
            raise TrainingError(
                "a worker process died, perhaps for want of memory; what it had finished is kept where a folder was "
                "given, so run again to go on, with fewer workers"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread_environment() -> Iterator[None]:
    """Spawned children read these when they import NumPy and torch; forked ones would inherit our pools."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _listening(messages: Any, heard: Callable[[Any], None] | None) -> Iterator[None]:
    """Hand on what workers put into the queue, from a thread."""
    if messages is None or heard is None:
        yield
        return
    from threading import Event, Thread

    ended = Event()

    def listen() -> None:
        while not (ended.is_set() and messages.empty()):
            if messages.empty():
                ended.wait(_EARS)
            else:
                heard(messages.get())

    thread = Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A worker killed in the middle of a message leaves the listener waiting for the rest of it.
        thread.join(timeout=2.0)


def _start_worker(messages: Any) -> None:
    """In a new worker: die with the parent and on Ctrl-C without a traceback, and speak into the queue."""
    import signal
    from multiprocessing import parent_process
    from multiprocessing.connection import wait
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = parent_process()

    def die_with_parent() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    Thread(target=die_with_parent, daemon=True).start()
    if messages is not None:  # what is put is in the pipe before the task ends, so nothing said is lost
        _listener.set(messages.put)


def _ray(
    function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int | None, gpu: bool
) -> Iterator[tuple[int, T]]:
    try:
        import ray
    except ImportError as error:
        raise missing_package(error, what="--executor ray") or error from None
    started = not ray.is_initialized()
    if started:
        # Joins the cluster that RAY_ADDRESS names, else starts one on this machine.
        ray.init(
            log_to_driver=False, include_dashboard=False, runtime_env={"env_vars": dict.fromkeys(_ONE_THREAD, "1")}
        )
    try:
        if gpu and ray.cluster_resources().get("GPU", 0) < 1:
            raise InputError("--executor ray: the model's device is cuda, but the cluster has no GPU; use device=cpu")
        remote = ray.remote(num_cpus=1, num_gpus=int(gpu))(call_on_one_thread)
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < (workers or len(tasks)):
                position, task = waiting.pop()
                running[remote.remote(function, *task)] = position
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                position = running.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise (error.cause if isinstance(error.cause, Exception) else error) from None
                except ray.exceptions.WorkerCrashedError as error:
                    raise TrainingError(f"--executor ray: a worker died: {error}") from None
                yield position, result
    finally:
        if started:
            ray.shutdown()
