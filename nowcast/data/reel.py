"""A reel: many short sequences made on the fly, one after the other with a gap in time between them.

Windows fall within sequences by the same rule that keeps radar clips free of gaps.

Dimensions: F frames of a sequence, H rows, W columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nowcast.core.times import Times
from nowcast.data.source import SentWithoutCaches, check_span

REEL_STEP = np.timedelta64(1_000_000_000, "ns")
"""Time between two frames of a reel: a second."""


class Reel(SentWithoutCaches, ABC):
    """Sequences of one length that follow from their numbers; the newest one is kept."""

    step: ClassVar[np.timedelta64] = REEL_STEP

    def __init__(self, count: int, length: int) -> None:
        self._count, self._length = count, length
        self._last: tuple[int, npt.NDArray[Any]] | None = None

    @cached_property
    def times(self) -> Times:
        """Seconds from 1970 on; between two sequences one second is left out."""
        return reel_times(self._count, self._length)

    @abstractmethod
    def make(self, number: int) -> npt.NDArray[Any]:
        """Make sequence ``number``: (F, H, W)."""

    def sequence(self, number: int) -> npt.NDArray[Any]:
        """Return sequence ``number``: (F, H, W)."""
        if self._last is None or self._last[0] != number:
            self._last = (number, self.make(number))
        return self._last[1]

    def frames(self, first: int, count: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return frames of the reel, of as many sequences as they lie in: (T, 1, h, w)."""
        check_span(self, first, count, self._count * self._length)  # type: ignore[arg-type]
        parts = []
        while count > 0:
            number, start = divmod(first, self._length)
            part = self.sequence(number)[start : start + count, rows, columns]
            parts.append(part)
            first, count = first + len(part), count - len(part)
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return whole[:, np.newaxis]


def reel_times(count: int, length: int) -> Times:
    """Return the times of ``count`` sequences of ``length`` frames: between two a step is left out."""
    steps: npt.NDArray[np.int64] = np.arange(count)[:, np.newaxis] * (length + 1) + np.arange(length)
    return np.datetime64(0, "ns") + steps.ravel() * REEL_STEP
