"""Worker processes: they end with their parent, and one that crashes or hangs costs its task alone."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, TypeVar

from nowcast.core.clean_start import clean_start
from nowcast.core.errors import NowcastError

T = TypeVar("T")
R = TypeVar("R")
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None) -> None:
    """End this process when the one that started it dies: a kill -9 leaves nobody to tell it to.

    On Linux the kernel ends it, whatever it hangs in; elsewhere a thread waits for the parent's end.

    Args:
        parent: process id of the parent; None in a process of `multiprocessing`, which knows it.
    """
    known = multiprocessing.parent_process()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif known is not None:
        threading.Thread(target=_wait_and_end, args=(known.sentinel,), daemon=True).start()
    if parent is None and known is not None:
        parent = known.pid
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def _wait_and_end(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class Workers(contextlib.AbstractContextManager["Workers"]):
    """A number of processes of one thread each, started when there is work and ended by `close`.

    They are spawned, so that they start clean, or forked: a spawned one imports everything anew, which takes
    longer than many files that are read in it.
    """

    def __init__(
        self, count: int | None = None, seconds: float | None = None, forked: bool | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            count: most processes at a time; None is one a core.
            seconds: most time that a task may take; then its process is killed. Every task lost that way
                halves the time of the next ones, down to a second, so that many do not add up.
            forked: copy this process, on Linux and where it has no threads (one may hold a lock of HDF5 that
                nobody would release in the copy). None: where ``seconds`` are given.
        """
        self.count = max(1, count if count is not None else os.cpu_count() or 1)
        self._seconds = seconds
        self._forked = seconds is not None if forked is None else forked
        self._idle: list[_Worker] = []
        self._alive: set[_Worker] = set()

    def each(
        self, work: Callable[[T], R], tasks: Sequence[T], lost: Callable[[T, str], R] | None = None
    ) -> Iterator[R]:
        """Do ``work`` on every task and yield the results in the order they come.

        One process or one task without a limit on time is done in this process.

        Args:
            work: a function that can be pickled.
            tasks: its arguments.
            lost: makes the result of a task whose process died or was killed, from the task and a phrase
                that says what it did: "crashed its process" or "did not end within 20 s". Without it, that is
                an error.

        Raises:
            NowcastError: no process starts, so that none of the tasks is to blame.
            Exception: whatever ``work`` raises.
        """
        if self._seconds is None and min(self.count, len(tasks)) < 2:
            yield from map(work, tasks)
            return
        lost = lost or lost_is_an_error
        waiting = deque(tasks)
        busy: dict[_Worker, T] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.count:
                    worker = self._idle.pop() if self._idle else self._start()
                    busy[worker] = waiting.popleft()
                    worker.begin(work, busy[worker])
                yield from self._finished(busy, lost)
        finally:
            for worker in busy:
                self._end(worker)

    def _finished(self, busy: dict[_Worker, T], lost: Callable[[T, str], R]) -> Iterator[R]:
        """Wait for one of the ``busy`` to answer, to die or to run out of time."""
        left = None if self._seconds is None else self._seconds - max(w.spent for w in busy)
        heard = wait([worker.pipe for worker in busy], None if left is None else max(left, 0.0))
        for worker in [w for w in busy if w.pipe in heard]:
            try:
                answer = worker.answer()
            except (EOFError, OSError):
                self._end(worker)
                worker.require_start(self.count)
                yield lost(busy.pop(worker), "crashed its process")
                continue
            if answer is not None:
                del busy[worker]
                self._idle.append(worker)
                yield _result(answer)
        limit = self._seconds
        if limit is None:
            return
        for worker in [w for w in busy if w.spent >= limit]:
            self._end(worker)
            self._seconds = min(limit, max(limit / 2, 1.0))
            yield lost(busy.pop(worker), f"did not end within {limit:g} s")

    def __exit__(self, *_: object) -> None:
        self.close()

    def abort(self) -> None:
        """End the processes; those of later tasks are started anew."""
        self.close()

    def close(self) -> None:
        """End the processes; those at work are killed."""
        self._idle.clear()
        for worker in list(self._alive):
            self._end(worker)

    def _start(self) -> _Worker:
        worker = _Worker(self._forked)
        self._alive.add(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        if worker in self._alive:
            self._alive.remove(worker)
            worker.kill()


def _may_fork() -> bool:
    return sys.platform == "linux" and threading.active_count() == 1


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, forked: bool) -> None:
        fork = forked and _may_fork()
        context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far,), daemon=True)
        with clean_start():
            self.process.start()
        far.close()
        self._started = False
        self._work: object = None
        self._began = 0.0

    def begin(self, work: Callable[[Any], Any], task: Any) -> None:
        """Hand over a task; the function goes along only when it is another than before."""
        new, self._work = work is not self._work, work
        self._began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `answer` tells that it is dead
            self.pipe.send((new, work if new else None, task))

    @property
    def spent(self) -> float:
        """Seconds since the task began, none while the process is still starting."""
        return time.monotonic() - self._began if self._started else 0.0

    def answer(self) -> bytes | None:
        """Take what it sent; None is word that it has started.

        Raises:
            EOFError, OSError: it is dead.
        """
        found: bytes = self.pipe.recv_bytes()
        if self._started:
            return found
        self._started, self._began = True, time.monotonic()
        return None

    def require_start(self, count: int) -> None:
        """Refuse to go on where the process died before it could begin.

        Raises:
            NowcastError: it never started.
        """
        if not self._started:
            raise NowcastError(
                f"workers: got none of {count} processes to start, expected each to; take 1 worker"
            )

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


def _serve(pipe: Connection) -> None:
    """Do tasks until killed. Signals are the parent's business: a Ctrl-C must not look like a bad file."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    pipe.send_bytes(b"started")
    work: Any = None
    while True:
        try:
            new, given, task = pipe.recv()
        except EOFError:
            return
        work = given if new else work
        try:
            answer = pickle.dumps((True, work(task)))
        except Exception as error:
            answer = pickle.dumps((False, portable(error)))
        pipe.send_bytes(answer)


def lost_is_an_error(task: object, how: str) -> NoReturn:
    """Refuse to go on without a task.

    Raises:
        NowcastError: always.
    """
    raise NowcastError(
        f"workers: one {how} at each try, expected it to end; it may need more memory than there is, "
        "take fewer workers"
    )


def portable(error: Exception) -> Exception:
    """The error itself, or its text where it cannot be pickled and back."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _result(answer: bytes) -> Any:
    good, value = pickle.loads(answer)
    if not good:
        raise value
    return value
