"""Where tasks run: in this process, in local worker processes, or on a Ray cluster. The bytes are the same.

Folds, tuning, canaries, random scores, cells of a sweep and documents of a census all go through `run_tasks`. Every
task runs on one thread: sums are split among threads, so their number would show in the last digits; and two workers
of one thread finish sooner than one of two.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from assay.data.atomic import building, sweep
from assay.data.errors import InputError, TrainingError
from assay.engine.shared import Mapped, Shared, replaced, write_mapped
from assay.engine.tasks import ONE_THREAD, call_on_one_thread, heard_by, listen_always

if TYPE_CHECKING:
    from assay.engine.ray_cluster import RayCluster

__all__ = ["EXECUTORS", "Workers", "opened_workers", "run_tasks"]

T = TypeVar("T")
EXECUTORS = ("serial", "process", "ray")

#: Of the temporary folder in which panels lie for worker processes.
_FOLDER = "assay-panels"
#: Into how many tasks for each worker a loop is cut: what one that ends early leaves to the others.
_TASKS_A_WORKER = 4
#: How often the listener looks for messages, seconds.
_EARS = 0.02


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
    tasks : its arguments; those that are `Shared` reach all tasks that have them without a copy, arrays read-only.
    executor : one of `EXECUTORS`, or open `Workers`, whose processes then serve many calls.
    workers : processes, or tasks at once on Ray; default and local upper bound: the number of cores.
    gpu : whether a task on Ray is given a GPU.
    heard : called with what tasks `say`, from a thread of its own where they run in other processes.

    Raises
    ------
    InputError
        If the executor is unknown, or Ray is not installed or has no GPU.
    TrainingError
        If a worker process dies; or on Ray, after a task's node or worker has died again and again.

    """
    with opened_workers(executor, workers, at_most=len(tasks)) as opened:
        yield from opened.run(function, tasks, gpu=gpu, heard=heard)


@contextmanager
def opened_workers(
    executor: str | Workers, workers: int | None = None, *, at_most: int | None = None
) -> Iterator[Workers]:
    """Workers that are open already, and stay so; or new ones, until the end of the block."""
    if isinstance(executor, Workers):
        yield executor
        return
    with Workers(executor, workers, at_most=at_most) as opened:
        yield opened


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
        self._cluster: RayCluster | None = None
        self._folder: Path | None = None
        #: id → what was handed over, kept so that no other value can have its id, and where it is.
        self._handed: dict[int, tuple[object, Any]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.rest()
        finally:
            self._handed.clear()
            self._cluster = self._folder = None
            self._open.close()

    def rest(self) -> None:
        """End local worker processes until there are tasks again; what is shared stays where it is."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_remote(self) -> bool:
        """Whether tasks may run on machines that do not see this one's disk."""
        return self.executor == "ray"

    def step(self, items: int, most: int) -> int:
        """How many of so many equal items make a task: a few tasks for each worker, and no more than `most` in one."""
        if self.executor == "ray":
            at_once = self.workers or self._joined().cores
        else:
            at_once = 1 if self.executor == "serial" else self._count
        return max(1, most if at_once == 1 else min(most, -(-items // (_TASKS_A_WORKER * at_once))))

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
            cluster = self._joined()
            given = [replaced(task, lambda item: self._once(item, cluster.put)) for task in tasks]
            yield from cluster.run(function, given, at_once=self.workers, gpu=gpu, heard=heard)
        elif self.executor == "process" and self._count > 1:
            given = [replaced(task, lambda item: self._once(item, self._to_file)) for task in tasks]
            yield from self._in_processes(function, given, heard)
        else:
            for position, task in enumerate(tasks):
                with heard_by(heard):
                    result = call_on_one_thread(function, *replaced(task, lambda item: item.value))
                yield position, result

    def _joined(self) -> RayCluster:
        from assay.engine.ray_cluster import RayCluster

        if self._cluster is None:
            self._cluster = self._open.enter_context(RayCluster.joined())
        return self._cluster

    def _once(self, item: Shared[Any], hand_over: Callable[[Any], Any]) -> Any:
        """Where a shared value is that is handed over with the first task that needs it."""
        known = self._handed.get(id(item.value))
        if known is None:
            known = self._handed[id(item.value)] = item.value, hand_over(item.value)
        return known[1]

    def _to_file(self, value: object) -> Mapped:
        place = Path(tempfile.gettempdir())
        try:
            if self._folder is None:
                sweep(place, _FOLDER)
                self._folder = self._open.enter_context(building(place / _FOLDER))
            return write_mapped(value, self._folder / f"{len(self._handed)}.bin")
        except OSError as error:
            raise InputError(
                f"{place}: cannot hold the panels for worker processes ({error.strerror or error}); point TMPDIR to a "
                "folder with room, or use --executor serial"
            ) from None

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
            try:
                futures = {self._pool.submit(call_on_one_thread, function, *task): i for i, task in enumerate(tasks)}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except (BrokenProcessPool, BrokenPipeError):
                self.rest()
                raise TrainingError(
                    "a worker process died, perhaps for want of memory; what it had finished is kept where a folder "
                    "was given, so run again to go on, with fewer workers"
                ) from None
            except BaseException:
                self.rest()  # while they are heard: who is not listened to would never end
                raise


@contextmanager
def _one_thread_environment() -> Iterator[None]:
    """Spawned children read these when they import NumPy and torch; forked ones would inherit our pools."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
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
    listen_always(messages.put)  # what is put is in the pipe before the task ends, so nothing said is lost
