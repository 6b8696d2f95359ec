"""Counts by block of time, of bounded number: hours while they are few, days and more as they grow many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

import numpy as np

from nowcast.postprocessing.folds import T, pooled

MOST_BLOCKS = 40
FIRST_HOURS = 6
_DAY_HOURS = 24


class Blocks(Generic[T]):
    """Counts of forecasts by the block of UTC time that they start in.

    Blocks are of six hours; when there are more than `MOST_BLOCKS` they become days, then three days and so
    on, so that a year's counts take no more room than a week's.
    """

    def __init__(self) -> None:
        self._hours = FIRST_HOURS
        self._counts: dict[int, T] = {}

    def add(self, reference_time: np.datetime64, counts: T) -> None:
        """Count what a forecast from this time gave."""
        self._add(int(reference_time.astype("datetime64[h]").astype(np.int64)), counts)

    def merge(self, other: Blocks[T]) -> None:
        """Add what others have counted."""
        while self._hours < other._hours:
            self._coarsen()
        for hour, counts in other._counts.items():
            self._add(hour, counts)

    def _add(self, hour: int, counts: T) -> None:
        block = hour // self._hours * self._hours
        self._counts[block] = self._counts[block] + counts if block in self._counts else counts
        while len(self._counts) > MOST_BLOCKS:
            self._coarsen()

    def _coarsen(self) -> None:
        self._hours = _DAY_HOURS if self._hours < _DAY_HOURS else 3 * self._hours
        self._counts = self._merged(self._hours)

    def held_out(self) -> Iterator[tuple[list[T], T]]:
        """Go through the days: counts of the blocks of one, and of all others; nothing where there is one."""
        each, days = self.each, self.days
        begins = np.array(list(days), "datetime64[h]")
        for i, day in enumerate(days):
            if len(days) > 1:
                own = [
                    counts
                    for hour, counts in each.items()
                    if np.searchsorted(begins, np.datetime64(hour), side="right") - 1 == i
                ]
                yield own, pooled(counts for name, counts in days.items() if name != day)

    @property
    def each(self) -> dict[str, T]:
        """Counts of every block, in order, by the hour that it begins at."""
        return {_named(hour): self._counts[hour] for hour in sorted(self._counts)}

    @property
    def days(self) -> dict[str, T]:
        """Counts by day, or of longer blocks; by block of six hours where all are of one day."""
        by_day = self._merged(max(self._hours, _DAY_HOURS))
        return {_named(hour): by_day[hour] for hour in sorted(by_day)} if len(by_day) > 1 else self.each

    def _merged(self, hours: int) -> dict[int, T]:
        groups: dict[int, list[T]] = {}
        for hour, counts in self._counts.items():
            groups.setdefault(hour // hours * hours, []).append(counts)
        return {hour: pooled(group) for hour, group in groups.items()}


def _named(hour: int) -> str:
    return str(np.datetime64(hour, "h"))
