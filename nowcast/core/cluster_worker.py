"""What runs in a worker of a dask cluster: functions that were sent once, called with tasks."""

from __future__ import annotations

import os
import pickle
import platform
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from distributed import WorkerPlugin, get_worker

from nowcast.core.allocator import keep_freed_memory
from nowcast.core.engine import one_thread
from nowcast.core.processes import end_with_parent, portable
from nowcast.core.version import __version__

_ARRIVAL_SECONDS = 10.0
_FUNCTIONS: dict[str, bytes | Callable[[Any], Any] | None] = {}


class Function(WorkerPlugin):  # type: ignore[misc]  # read without types
    """A plugin of dask's workers that brings a function along, to workers of now and of later.

    Why not with each task: a network has megabytes, and is to be unpacked once.
    """

    def __init__(self, name: str, packed: bytes) -> None:
        self.name, self.packed = name, packed

    def setup(self, worker: Any) -> None:
        """Keep the function until it is called: what is wrong with it is then told as a task's error.

        A nanny starts its worker as a process of its own, with memory that goes back at once. Without one the
        worker may be a thread of the user's process, whose memory is the user's business.
        """
        if worker.nanny is not None:
            keep_freed_memory()
        _FUNCTIONS[self.name] = self.packed

    def teardown(self, worker: Any) -> None:
        """Forget it; tasks of it that are still waiting here are of no use to anybody."""
        del worker
        _FUNCTIONS[self.name] = None


class Answers(NamedTuple):
    """The outcome of a group of tasks: results in their order, up to the first that raised something."""

    results: list[Any]
    error: Exception | None
    seconds: float
    """What they took, without what the first of all takes to unpack the function."""


@dataclass(frozen=True)
class TaskGroup:
    """Tasks that travel together; no list, in which dask would look for tasks of its own."""

    tasks: list[Any]


def call(name: str, group: TaskGroup) -> Answers:
    """Call a function that was sent with each task of a group."""
    results: list[Any] = []
    began = time.monotonic()
    try:
        work = _function(name)
        began = time.monotonic()
        with one_thread():
            for task in group.tasks:
                results.append(work(task))
    except Exception as error:
        return Answers(results, portable(error), time.monotonic() - began)
    return Answers(results, None, time.monotonic() - began)


def is_wanted() -> bool | None:
    """Whether the task that is being done here still has a client; None where this is no task of a cluster."""
    try:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except (ValueError, AttributeError, KeyError):
        return None
    return task is not None and task.state == "executing"


def _function(name: str) -> Callable[[Any], Any]:
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while name not in _FUNCTIONS and time.monotonic() < deadline:
        time.sleep(0.05)
    found = _FUNCTIONS[name]
    if found is None:
        raise RuntimeError("the work that this task belongs to has ended")
    if isinstance(found, bytes):
        found = _FUNCTIONS[name] = pickle.loads(found)
    return found


def versions() -> dict[str, str]:
    """Versions that must be the same on all machines of a cluster."""
    python = ".".join(platform.python_version_tuple()[:2])
    libraries = {name: version(name) for name in ("dask", "distributed")}
    return {"python": python, "nowcast": __version__, **libraries}


def dask_setup(_worker: Any) -> None:
    """Begin a local worker: it ends with its parent, and Ctrl-C is its parent's business."""
    end_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
