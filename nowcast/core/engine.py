"""Where many like tasks are done: in this process, in processes of this machine, or on a cluster.

One interface, so that a workflow is written once and gives the same values wherever it runs: tasks carry
no state, their results are combined in the order of the tasks, and every worker computes with one thread
(a network's last bits depend on the number of threads).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nowcast.core.errors import SettingsError
from nowcast.core.machine import usable_cores
from nowcast.core.processes import lost_is_an_error

if TYPE_CHECKING:
    from distributed import Client

    from nowcast.core.cluster import Cluster

T = TypeVar("T")
R = TypeVar("R")
Lost = Callable[[T, str], R]
_WORTHWHILE_SECONDS = 20.0
"""Work that would take longer than this in one process is spread: starting a cluster takes about three."""


class Engine(Protocol):
    """Does tasks."""

    def each(self, work: Callable[[T], R], tasks: Sequence[T], lost: Lost[T, R] = ...) -> Iterator[R]:
        """Do ``work`` on every task and yield the results in the order they come.

        Args:
            work: a function that can be pickled; it travels to each worker once.
            tasks: its arguments.
            lost: makes the result of a task that ended its worker, from the task and a phrase that says
                what it did, such as "crashed its process". Without it, that is an error.

        Raises:
            NowcastError: no worker starts; a task was lost.
            Exception: whatever ``work`` raises.
        """
        ...

    def abort(self) -> None:
        """See to it that what is being done is not gone on with; tasks ask by `wanted`."""
        ...

    def close(self) -> None:
        """End the workers that this engine has started; those at work are killed."""
        ...


class InProcess:
    """Does tasks in this process, in their order, with one thread."""

    def each(self, work: Callable[[T], R], tasks: Sequence[T], lost: Lost[T, R] | None = None) -> Iterator[R]:
        """Do every task; see `Engine.each`. An error that would end a worker ends this process."""
        del lost
        for task in tasks:
            with one_thread():
                result = work(task)
            yield result

    def abort(self) -> None:
        """Nothing is being done."""

    def close(self) -> None:
        """Nothing to end."""


class Spreading:
    """Begins in this process, and spreads what is left over the cores where that ends earlier."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None

    def each(self, work: Callable[[T], R], tasks: Sequence[T], lost: Lost[T, R] | None = None) -> Iterator[R]:
        """Do every task; see `Engine.each`."""
        rest, began = list(tasks), time.monotonic()
        while rest and self._cluster is None:
            yield from InProcess().each(work, [rest.pop(0)])
            done = len(tasks) - len(rest)
            left = (time.monotonic() - began) / done * len(rest)
            if usable_cores() > 1 and len(rest) > 1 and left > _WORTHWHILE_SECONDS:
                self._cluster = _local_cluster(usable_cores())
        if self._cluster is not None:
            yield from self._cluster.each(work, rest, lost or lost_is_an_error)

    def abort(self) -> None:
        """Nothing more than leaving `each` does."""

    def close(self) -> None:
        """End the cluster, where one was started."""
        if self._cluster is not None:
            self._cluster.close()


@contextlib.contextmanager
def open_engine(
    workers: int | None = None, scheduler: Client | str | None = None, dashboard: bool = False
) -> Iterator[Engine]:
    """An engine for the length of a block.

    Args:
        workers: processes of this machine, of which no more are started than it has cores; 1 is this
            process, None this one and, where the work is long, one a core.
        scheduler: address of a dask scheduler (``tcp://HOST:PORT``) or a `distributed.Client`; it has the
            workers then.
        dashboard: serve the dashboard of dask for the local workers, on this machine only.

    Raises:
        SettingsError: fewer than one worker; both are given; no scheduler there, or one with other versions.

    Example:
        >>> import nowcast
        >>> with nowcast.open_engine(workers=2) as engine:  # doctest: +SKIP
        ...     nowcast.verify("italy.zarr", ["persistence"], "2025-03-21/2025-03-22", engine=engine)
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"--workers: got {workers}, expected 1 or more")
    if workers is not None and scheduler is not None:
        raise SettingsError(
            f"--workers: got {workers} beside a scheduler, expected one of both: the scheduler has the "
            "workers; leave --workers out"
        )
    engine: Engine
    if scheduler is not None:
        from nowcast.core.cluster import connect

        engine = connect(scheduler)
    elif workers is None and not dashboard:
        engine = Spreading()
    elif workers == 1:
        engine = InProcess()
    else:
        engine = _local_cluster(workers or usable_cores(), dashboard)
    try:
        yield engine
    finally:
        engine.close()


def in_order(engine: Engine, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """Do ``work`` on every task and yield the results in the order of the tasks.

    Results that come early wait for their turn, so that what is summed is summed in one order.
    """
    early: dict[int, R] = {}
    turn = 0
    for number, result in engine.each(_Numbered(work), list(enumerate(tasks))):
        early[number] = result
        while turn in early:
            yield early.pop(turn)
            turn += 1


class TimeLimited:
    """An engine whose tasks may take so long: then their worker is ended, and with it the task.

    By an alarm that the kernel keeps, as a library that hangs may never let Python go on.

    Args:
        engine: whose workers are processes.
        seconds: most time of a task.
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds

    def each(
        self, work: Callable[[T], R], tasks: Sequence[T], lost: Lost[T, R] = lost_is_an_error
    ) -> Iterator[R]:
        """Do every task; see `Engine.each`."""

        def late(task: T, how: str) -> R:
            return lost(task, f"{how} or did not end within {self._seconds:g} s")

        yield from self._engine.each(_Within(work, self._seconds), tasks, late)

    def abort(self) -> None:
        """As the engine."""
        self._engine.abort()

    def close(self) -> None:
        """As the engine."""
        self._engine.close()


class _Within:
    def __init__(self, work: Callable[[Any], Any], seconds: float) -> None:
        self.work, self.seconds = work, seconds

    def __call__(self, task: Any) -> Any:
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            return self.work(task)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


class _Numbered:
    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work

    def __call__(self, task: tuple[int, Any]) -> tuple[int, Any]:
        return task[0], self.work(task[1])


def wanted(boss: int) -> bool:
    """Whether anybody still waits for the task that is being done here.

    Why: a worker may outlive the process that sent the task, and must then write nothing any more.

    Args:
        boss: process that coordinates, where it is of this machine.
    """
    worker = sys.modules.get("nowcast.core.cluster_worker")
    asked: bool | None = worker.is_wanted() if worker is not None else None
    return boss in (os.getpid(), os.getppid()) if asked is None else asked


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, where it is loaded."""
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    if torch is None or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _local_cluster(workers: int, dashboard: bool = False) -> Cluster:
    """Start workers, at most one a core: more would only take turns on it, each with a memory of its own."""
    from nowcast.core.cluster import start_local

    return start_local(min(workers, usable_cores()), dashboard)
