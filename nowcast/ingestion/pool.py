"""Many files at once: dask over spawned processes, results as they come, a crashed worker survived."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from dask.callbacks import Callback
from dask.local import get_sync
from dask.multiprocessing import get as get_by_processes

from nowcast.core.errors import NowcastError
from nowcast.core.processes import end_with_parent

T = TypeVar("T")
R = TypeVar("R")
_PREFIX = "file-"


class Workers(Generic[T, R]):
    """A number of processes; HDF5 and netCDF are not safe in threads, so none are used.

    Processes are spawned, not forked: they start clean, and only when more than one task comes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __call__(
        self, work: Callable[[T], R], tasks: Sequence[T], done: Callable[[R], None],
        lost: Callable[[T], R],
    ) -> None:
        """Do ``work`` on every task and hand each result to ``done`` in this process as it comes.

        Args:
            work: a function that can be pickled and does not raise.
            tasks: its arguments.
            done: called once for each task, in any order.
            lost: makes the result of a task whose process died (out of memory, a crash in a library).

        Raises:
            NowcastError: no process starts at all, so that none of the tasks is to blame.
        """
        if self.count == 1 or len(tasks) < 2:
            self._run(get_sync, work, tasks, range(len(tasks)), done)
            return
        if self._pool is None:
            self._start()
        seen: set[int] = set()
        try:
            self._by_processes(work, tasks, range(len(tasks)), done, seen)
        except BrokenProcessPool:
            for number in range(len(tasks)):
                if number in seen:
                    continue
                self.close()
                try:
                    self._by_processes(work, tasks, [number], done, seen)
                except BrokenProcessPool:
                    done(lost(tasks[number]))

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            self.count, multiprocessing.get_context("spawn"), initializer=end_with_parent
        )
        try:
            self._pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            self.close()
            raise NowcastError(
                f"workers: got none of {self.count} processes to start, expected a script that can be "
                "imported; put the call under 'if __name__ == \"__main__\":' or take 1 worker"
            ) from error

    def _by_processes(
        self, work: Callable[[T], R], tasks: Sequence[T], numbers: Sequence[int],
        done: Callable[[R], None], seen: set[int],
    ) -> None:
        if self._pool is None:
            self._start()
        get = partial(get_by_processes, pool=self._pool, num_workers=self.count, chunksize=1)
        self._run(get, work, tasks, numbers, done, seen)

    def _run(
        self, get: Callable[..., Any], work: Callable[[T], R], tasks: Sequence[T],
        numbers: Sequence[int], done: Callable[[R], None], seen: set[int] | None = None,
    ) -> None:
        def finished(key: Any, result: R, *_: Any) -> None:
            if str(key).startswith(_PREFIX):
                if seen is not None:
                    seen.add(int(str(key).removeprefix(_PREFIX)))
                done(result)

        graph = {f"{_PREFIX}{n}": (partial(work, tasks[n]),) for n in numbers}
        with Callback(posttask=finished):  # type: ignore[no-untyped-call]
            get(graph, list(graph))

    def close(self) -> None:
        """End the processes, without waiting for tasks that have not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


@contextmanager
def workers(count: int | None) -> Iterator[Workers[Any, Any]]:
    """Give `Workers`, one process a core unless told otherwise, and end them afterwards."""
    found = Workers[Any, Any](max(1, count if count is not None else os.cpu_count() or 1))
    try:
        yield found
    finally:
        found.close()
