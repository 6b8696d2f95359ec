"""Tasks in groups: quick ones travel together, so that handing them over costs little beside doing them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")
_GROUP_SECONDS = 0.1
"""What a group is to take: a scheduler takes some milliseconds for one, whatever is in it."""
_MOST_TOGETHER = 64
_SHARES = 32
"""A group is no more than this part of what is left, so that all workers end about together."""
_FIRST = 16
_KNOWN = 4
_MOST_WAITING = 1000
"""Groups that a scheduler is handed at a time: enough for hundreds of workers, and a bounded memory."""


class TaskGroups(Generic[T]):
    """What is left to do, taken a group at a time; how many are a group follows from how long tasks take.

    Args:
        tasks: all of them.
        workers: that are there. Before anything is known, each is handed two tasks, and all of them sixteen.
    """

    def __init__(self, tasks: Sequence[T], workers: int) -> None:
        self._left = deque(tasks)
        self._alone: deque[T] = deque()
        self._first = max(_FIRST, 2 * workers)
        self._seconds: deque[float] = deque(maxlen=_FIRST)

    @property
    def most_waiting(self) -> int:
        """How many groups may be handed over and not yet done."""
        return _MOST_WAITING if len(self._seconds) >= _KNOWN else self._first

    def took(self, seconds: float) -> None:
        """Learn what a task took."""
        self._seconds.append(seconds)

    def again(self, tasks: Sequence[T]) -> None:
        """Have these done again, each alone: one of them has ended the worker of all."""
        self._alone.extend(tasks)

    def take(self) -> list[T]:
        """Take the next group; an empty one when nothing is left."""
        if self._alone:
            return [self._alone.popleft()]
        return [self._left.popleft() for _ in range(min(self._size(), len(self._left)))]

    def _size(self) -> int:
        if len(self._seconds) < _KNOWN:
            return 1
        quick = int(_GROUP_SECONDS / max(median(self._seconds), 1e-6))
        return max(1, min(quick, _MOST_TOGETHER, len(self._left) // _SHARES))
