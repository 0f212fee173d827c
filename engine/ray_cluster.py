"""Tasks on a Ray cluster: what they share lies once in the object store; a node that dies costs the tasks it ran.

Ray runs a task again elsewhere where its node or worker process has died, and makes again a result that was lost with
one; what else has been done stays. A task that raises is not run again. The driver (the process that asks) holds what
is shared and every result, so it needs no storage that other machines see.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from assay.data.errors import InputError, TrainingError
from assay.data.optional import missing_package
from assay.engine.tasks import ONE_THREAD, call_on_one_thread, heard_by

__all__ = ["RayCluster"]

_LOG = logging.getLogger(__name__)
#: How often a task whose node or worker died is run again.
_RETRIES = 4
#: How long a cluster may take to answer a first call, seconds.
_CALL = 10.0
#: How often the driver asks for messages, and how long it waits for those of tasks that have ended, seconds.
_EARS, _PATIENCE = 0.2, 3.0


class RayCluster:
    """A cluster that this process has joined, or has started on this machine because there was none."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self._mailbox: Any = None
        self._runs = 0

    @classmethod
    @contextmanager
    def joined(cls) -> Iterator[Self]:
        """Join the cluster that ``RAY_ADDRESS`` names, else the one that runs on this machine, else start one there.

        Raises
        ------
        InputError
            If Ray is not installed, no cluster answers there, or it has no cores for tasks.

        """
        with _settings_restored():
            yield from cls._joined()

    @classmethod
    def _joined(cls) -> Iterator[Self]:
        try:
            import ray
        except ImportError as error:
            raise missing_package(error, what="--executor ray") or error from None
        started = not ray.is_initialized()
        if started:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that we start tells nobody of it
            try:
                _call(os.environ.get("RAY_ADDRESS", ""))
                ray.init(
                    log_to_driver=False,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                )
            except (OSError, ValueError, RuntimeError) as error:
                where = os.environ.get("RAY_ADDRESS", "this machine")
                text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
                reason = text.splitlines()[0].rstrip(".")
                raise InputError(
                    f"--executor ray: no cluster at {where}: {reason}; start one with `ray start --head`, or set "
                    "RAY_ADDRESS"
                ) from None
            # What Ray says of nodes that die would go to stdout, where results are.
            printed, ray._private.worker._worker_logs_enabled = ray._private.worker._worker_logs_enabled, False
        own = cls(ray)
        try:
            if own.cores < 1:
                raise InputError("--executor ray: the cluster has no cores for tasks; add a node with --num-cpus")
            yield own
        finally:
            if own._mailbox is not None:
                with suppress(ray.exceptions.RayError):
                    ray.kill(own._mailbox)
            if started:
                ray.shutdown()
                ray._private.worker._worker_logs_enabled = printed

    @property
    def cores(self) -> int:
        """Tasks that can run at once."""
        return int(self.ray.cluster_resources().get("CPU", 0))

    def _alive(self) -> set[str]:
        return {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}

    def put(self, value: object) -> Any:
        """Put a value into the object store, from which every node reads it without a copy a task."""
        return self.ray.put(value)

    def run(
        self,
        function: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        *,
        at_once: int | None,
        gpu: bool,
        heard: Callable[[Any], None] | None,
    ) -> Iterator[tuple[int, Any]]:
        """See `assay.engine.executors.run_tasks`; arguments that `put` gave reach the function as what was put."""
        ray = self.ray
        if gpu and ray.cluster_resources().get("GPU", 0) < 1:
            raise InputError("--executor ray: the model's device is cuda, but the cluster has no GPU; use device=cpu")
        options = {"num_cpus": 1, "num_gpus": int(gpu), "max_retries": _RETRIES, "runtime_env": _environment()}
        remote = ray.remote(**options)(_task)
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, int] = {}
        nodes = self._alive()
        with self._listening(heard) as (box, sent):
            try:
                while waiting or running:
                    while waiting and len(running) < (at_once or len(tasks)):
                        position, task = waiting.pop()
                        running[remote.remote(box, function, *task)] = position
                    done, _ = ray.wait(list(running), num_returns=1)
                    for reference in done:
                        said, result = self._result(reference)
                        sent.append(said)
                        yield running.pop(reference), result
            finally:
                for reference in running:
                    with suppress(ray.exceptions.RayError):
                        ray.cancel(reference, force=True)
                with suppress(ray.exceptions.RayError, RuntimeError):  # of a cluster that is gone the task tells
                    if lost := nodes - self._alive():
                        _LOG.warning("Ray: %d of %d nodes died; what they were at was run again", len(lost), len(nodes))

    def _result(self, reference: Any) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):
                reason = " ".join(str(error.cause).split())
                missing = re.findall(r"ModuleNotFoundError: (No module named '[^']+')", reason)
                raise InputError(
                    f"--executor ray: a worker cannot read its task: {missing[0] if missing else reason[:300]}; every "
                    "machine needs the same packages and your own modules, or `ray job submit --working-dir .`"
                ) from None
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except errors.RayError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TrainingError(
                f"--executor ray: the node or worker of a task died {_RETRIES + 1} times, perhaps for want of memory "
                f"({reason}); what had been finished is kept where a folder was given, so run again to go on"
            ) from None

    @contextmanager
    def _listening(self, heard: Callable[[Any], None] | None) -> Iterator[tuple[Any, list[int]]]:
        """A box of its own for what the tasks of this run say, and a list of how many messages each task has sent.

        The box is the mailbox and the run's number in it, emptied by a thread and closed at the end: what comes later
        reaches nobody. It is None where nobody listens.
        """
        sent: list[int] = []
        if heard is None:
            yield None, sent
            return
        ray, ended = self.ray, Event()
        mailbox = self._mailbox = self._mailbox or self._mailbox_here()
        self._runs += 1
        number = self._runs
        ray.get(mailbox.open.remote(number))

        def listen() -> None:
            count, patience = 0, _PATIENCE
            with suppress(ray.exceptions.RayError):
                while not (ended.is_set() and (count >= sum(sent) or patience <= 0)):
                    if ended.wait(_EARS):
                        time.sleep(_EARS)
                        patience -= _EARS
                    for message in ray.get(mailbox.taken.remote(number)):
                        count += 1
                        heard(message)

        thread = Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield (mailbox, number), sent
        finally:
            ended.set()
            thread.join(timeout=2 * _PATIENCE)
            with suppress(ray.exceptions.RayError):
                mailbox.close.remote(number)

    def _mailbox_here(self) -> Any:
        """A mailbox on the driver's own node: the death of another does not take it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        return self.ray.remote(num_cpus=0, scheduling_strategy=here, runtime_env=_environment())(_Mailbox).remote()


@contextmanager
def _settings_restored() -> Iterator[None]:
    """Take back what Ray and we set of the environment."""

    def settings() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "PYTHONBREAKPOINT"))}

    before = settings()
    try:
        yield
    finally:
        for name in settings().keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _environment() -> dict[str, Any]:
    """What a worker's environment has beside its own: one thread, and the folders of modules that are not installed."""
    own = os.pathsep.join(dict.fromkeys(os.path.abspath(place) for place in sys.path if not _is_installed(place)))
    return {"env_vars": {**dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": own}}


def _is_installed(place: str) -> bool:
    """Whether a folder of modules belongs to Python or to its packages, which every machine has of its own."""
    path, standard = Path(os.path.abspath(place)), Path(sysconfig.get_path("stdlib"))
    zipped = path.parent == standard.parent and path.suffix == ".zip"
    return bool({"site-packages", "dist-packages"} & {*path.parts}) or path.is_relative_to(standard) or zipped


def _call(address: str) -> None:
    """Raise `OSError` where nobody listens at ``host:port``; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CALL).close()


class _Mailbox:
    """What tasks have said and nobody has heard yet, a box a run; lives in a process of its own."""

    def __init__(self) -> None:
        self._boxes: dict[int, list[Any]] = {}

    def open(self, run: int) -> None:
        self._boxes[run] = []

    def close(self, run: int) -> None:
        self._boxes.pop(run, None)

    def put(self, run: int, message: Any) -> None:
        if run in self._boxes:
            self._boxes[run].append(message)

    def taken(self, run: int) -> list[Any]:
        taken, self._boxes[run] = self._boxes[run], []
        return taken


def _task(box: tuple[Any, int] | None, function: Callable[..., Any], *task: Any) -> tuple[int, Any]:
    """One task in a worker process: how many messages it has sent, and its result.

    Messages are not waited for: a task that waits gives its core to another.
    """
    sent = 0

    def send(message: Any) -> None:
        nonlocal sent
        assert box is not None
        mailbox, run = box
        mailbox.put.remote(run, message)
        sent += 1

    with heard_by(None if box is None else send):
        result = call_on_one_thread(function, *task)
    return sent, result
