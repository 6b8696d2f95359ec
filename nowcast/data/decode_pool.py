"""Many videos decoded by a few processes: results as they come, a crash of the decoder survived."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from nowcast.core.errors import NowcastError
from nowcast.core.processes import end_with_parent

T = TypeVar("T")
R = TypeVar("R")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def decode_all(
    work: Callable[[T], R], tasks: Sequence[T], processes: int, crashed: Callable[[T], R]
) -> Iterator[R]:
    """Do ``work`` on every task in so many processes and give the results in the order they come.

    Processes are spawned and end with this one; with one task or one process all is done here.

    Args:
        work: a function that can be pickled.
        tasks: its arguments.
        processes: how many at a time.
        crashed: makes the result of a task whose process died: a decoder that meets a bad file can.

    Raises:
        NowcastError: no process starts at all, or whatever ``work`` raises.
    """
    if processes == 1 or len(tasks) == 1:
        yield from map(work, tasks)
        return
    waiting = list(reversed(tasks))
    suspects: list[T] = []
    while waiting or suspects:
        yield from (_alone(work, task, crashed) for task in suspects)
        suspects = []
        with _pool(processes) as pool:
            running: dict[Future[R], T] = {}
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * processes:
                        future = pool.submit(work, waiting[-1])
                        running[future] = waiting.pop()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        del running[future]
                        yield result
            except BrokenProcessPool:
                suspects = list(running.values())


def _alone(work: Callable[[T], R], task: T, crashed: Callable[[T], R]) -> R:
    """Do one task in a process of its own, to find out whether it is the one that crashes."""
    with _pool(1) as pool:
        try:
            return pool.submit(work, task).result()
        except BrokenProcessPool:
            return crashed(task)


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes of one thread each, so that they do not fight over the cores."""
    context = multiprocessing.get_context("spawn")
    with _environment(), ProcessPoolExecutor(processes, context, initializer=_begin) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise NowcastError(
                f"videos: got none of {processes} processes to start, expected a script that can be "
                "imported; put the call under 'if __name__ == \"__main__\":' or set processes: 1"
            ) from error
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    """End quietly with Ctrl-C, and with the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
