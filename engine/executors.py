"""Where folds are fit: in this process, in local worker processes, or on a Ray cluster. The bytes are the same.

Every task runs on one thread: sums are split among threads, so their number would show in the last digits; and two
workers of one thread finish sooner than one of two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self, TypeVar

from assay.data.errors import InputError, TrainingError
from assay.data.optional import missing_package

__all__ = ["EXECUTORS", "Workers", "run_tasks", "say"]

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
    executor: str | Workers = "serial",
    workers: int | None = None,
    gpu: bool = False,
    heard: Callable[[Any], None] | None = None,
) -> Iterator[tuple[int, T]]:
    """Call ``function(*task)`` for each task; yields (position, result) as they end.

    Parameters
    ----------
    function : a module-level function.
    tasks : its arguments.
    executor : one of `EXECUTORS`, or open `Workers`, whose processes then serve many calls.
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
    if isinstance(executor, Workers):
        yield from executor.run(function, tasks, gpu=gpu, heard=heard)
        return
    with Workers(executor, workers, at_most=len(tasks)) as opened:
        yield from opened.run(function, tasks, gpu=gpu, heard=heard)


class Workers:
    """Where tasks run, opened once for many calls of `run_tasks`: processes start with the first task and serve all.

    Parameters
    ----------
    executor : one of `EXECUTORS`.
    workers : processes, or tasks at once on Ray; default and local upper bound: the number of cores.
    at_most : no more processes than this, as when no more tasks will come.

    Raises
    ------
    InputError
        If the executor is unknown, or fewer than one worker is asked for.

    Examples
    --------
    >>> with Workers("serial") as workers:
    ...     dict(run_tasks(abs, [(-1,), (-2,)], executor=workers))
    {0: 1, 1: 2}

    """

    def __init__(self, executor: str, workers: int | None = None, *, at_most: int | None = None) -> None:
        if executor not in EXECUTORS:
            raise InputError(f"executor: must be {', '.join(EXECUTORS)}, got {executor!r}")
        if workers is not None and workers < 1:
            raise InputError(f"workers: must be at least 1, got {workers}")
        cores = os.cpu_count() or 1
        self.executor, self.workers = executor, workers
        self._count = min(workers or cores, cores, cores if at_most is None else max(at_most, 1))
        self._messages: Any = None
        self._pool: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def run(
        self,
        function: Callable[..., T],
        tasks: Sequence[tuple[Any, ...]],
        *,
        gpu: bool = False,
        heard: Callable[[Any], None] | None = None,
    ) -> Iterator[tuple[int, T]]:
        """See `run_tasks`."""
        if self.executor == "ray":
            yield from _ray(function, tasks, self.workers, gpu)
        elif self.executor == "process" and self._count > 1:
            yield from self._in_processes(function, tasks, heard)
        else:
            for position, task in enumerate(tasks):
                token = _listener.set(heard)
                try:
                    result = call_on_one_thread(function, *task)
                finally:
                    _listener.reset(token)
                yield position, result

    def _in_processes(
        self, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], heard: Callable[[Any], None] | None
    ) -> Iterator[tuple[int, T]]:
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        if not tasks:
            return
        if self._pool is None:
            context = get_context("spawn")
            self._messages = context.SimpleQueue()
            self._pool = ProcessPoolExecutor(
                self._count, mp_context=context, initializer=_start_worker, initargs=(self._messages,)
            )
        # Processes start when tasks are handed in, and read the environment then.
        with _one_thread_environment(), _listening(self._messages, heard):
            futures = {self._pool.submit(call_on_one_thread, function, *task): i for i, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except (BrokenProcessPool, BrokenPipeError):
                raise TrainingError(
                    "a worker process died, perhaps for want of memory; what it had finished is kept where a folder "
                    "was given, so run again to go on, with fewer workers"
                ) from None
            except BaseException:
                self._pool.shutdown(wait=False, cancel_futures=True)
                raise


def call_on_one_thread(function: Callable[..., T], *task: Any) -> T:
    """Call with every BLAS and OpenMP pool held to one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return function(*task)


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
    """Hand on what workers put into the queue, from a thread; what nobody hears is taken out all the same."""
    from threading import Event, Thread

    ended = Event()

    def listen() -> None:
        while not (ended.is_set() and messages.empty()):
            if messages.empty():
                ended.wait(_EARS)
            else:
                message = messages.get()
                if heard is not None:
                    heard(message)

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
    _listener.set(messages.put)  # what is put is in the pipe before the task ends, so nothing said is lost


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
