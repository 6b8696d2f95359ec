"""The axis of time: which step and phase the times of files speak for, and how far they may lie apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import TimeError
from nowcast.core.times import Times, as_step, minutes, snap

_NICE_MINUTES = (1, 2, 2.5, 3, 4, 5, 6, 7.5, 10, 12, 15, 20, 30, 60, 120, 180, 360, 720, 1440)
_LONGEST_GAP = np.timedelta64(5 * 365, "D").astype("timedelta64[ns]")
_MOST_EMPTY_SLOTS = 1_000_000
_EPOCH = np.datetime64(0, "ns")


@dataclass(frozen=True)
class TimeAxis:
    """The slots of an archive: ``phase`` is one of them, frames lie from ``first`` to ``last``."""

    step: np.timedelta64
    phase: np.datetime64
    first: np.datetime64
    last: np.datetime64

    @property
    def tolerance(self) -> np.timedelta64:
        """How far a time may be moved onto its slot: see `tolerance_of`."""
        return tolerance_of(self.step)

    def snapped(self, times: Times) -> Times:
        """Return the times of one file, those near a slot moved onto it.

        Of two that would share one only the nearer is moved.
        """
        moved = snap(times, self.step, self.tolerance, self.phase)
        order = np.lexsort((np.abs(moved - times).astype(np.int64), moved.astype(np.int64)))
        second = np.zeros(len(times), np.bool_)
        second[order[1:]] = moved[order][1:] == moved[order][:-1]
        return np.where(second, times, moved)

    def reaching(self, times: Times) -> TimeAxis:
        """Extend the span to those sorted times that no gap beyond the limit parts from it."""
        later, earlier = times[times > self.last], times[times < self.first][::-1]
        return TimeAxis(self.step, self.phase, self._reach(earlier, self.first), self._reach(later, self.last))

    def _reach(self, times: Times, edge: np.datetime64) -> np.datetime64:
        """Return the last of ``times``, which lead away from ``edge``, before a gap beyond the limit."""
        apart = np.abs(np.diff(np.concatenate([[edge], times]))) > longest_gap(self.step)
        near = times[: int(np.argmax(apart))] if apart.any() else times
        return np.datetime64(near[-1]) if len(near) else edge


def tolerance_of(step: np.timedelta64) -> np.timedelta64:
    """Return three tenths of the step, but 2 minutes at most: jitter of clocks, not another series."""
    return min(as_step(step) * 3 // 10, np.timedelta64(120 * 10**9, "ns"))


def longest_gap(step: np.timedelta64) -> np.timedelta64:
    """Return how long an archive may be without a frame: five years or a million slots.

    Why: one frame dated 1970 would make millions of empty slots.
    """
    return min(_LONGEST_GAP, as_step(step) * _MOST_EMPTY_SLOTS)


def infer_step(times: Times) -> np.timedelta64:
    """Return the step that sorted, unique times speak for: their most frequent difference.

    Where the times jitter, so that most do not lie on it, it is the round number of minutes nearest to
    the middle difference.

    Raises:
        TimeError: fewer than two different times.
    """
    if len(times) < 2:
        raise TimeError(
            "step: got a single time, expected two or more to tell the step from; give it with --step MINUTES"
        )
    differences = np.diff(times)
    counts = Counter(differences.tolist())
    most = max(counts.values())
    found = as_step(np.timedelta64(min(d for d, n in counts.items() if n == most), "ns"))
    if _share_on(times, found) >= (0.5 if most > 1 else 1.0) and minutes(found) * 60 % 1 == 0:
        return found
    middle = minutes(np.timedelta64(int(np.median(differences.astype(np.int64))), "ns"))
    nice = min(_NICE_MINUTES, key=lambda m: abs(np.log(m / middle)))
    step = np.timedelta64(round(nice * 60 * 10**9), "ns")
    near = np.abs(_offsets(times, step, infer_phase(times, step))) <= tolerance_of(step)
    return step if near.mean() >= 0.5 else found


def _offsets(times: Times, step: np.timedelta64, phase: np.datetime64) -> npt.NDArray[np.timedelta64]:
    off: npt.NDArray[np.timedelta64] = (times - phase + step // 2) % step - step // 2
    return off


def _share_on(times: Times, step: np.timedelta64) -> float:
    return max(Counter(((times - _EPOCH) % step).tolist()).values()) / len(times)


def infer_phase(times: Times, step: np.timedelta64) -> np.datetime64:
    """Return the first slot: on the rest that most times share, else on the whole steps of the clock.

    A single time that is near a whole step and not at a whole minute counts as jitter too.
    """
    rest, count = Counter(((times - _EPOCH) % step).tolist()).most_common(1)[0]
    shared = count >= len(times) / 2 and (len(times) > 1 or rest % (60 * 10**9) == 0)
    on_clock = snap(times, step, tolerance_of(step))
    near = (on_clock - _EPOCH) % step == np.timedelta64(0)
    if not shared and near.mean() >= 0.5:
        return np.datetime64(on_clock[near][0])
    return np.datetime64(times[(times - _EPOCH) % step == np.timedelta64(rest, "ns")][0])


def main_stretch(times: Times, gap: np.timedelta64) -> Times:
    """Return those of sorted times that most others lie near: the longest part without a gap beyond."""
    parts = np.split(times, np.flatnonzero(np.diff(times) > gap) + 1)
    return max(reversed(parts), key=len)
