"""The clock a service runs by: the machine's own, or a simulated one that replays an archive."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import numpy as np

from nowcast.core.times import now_utc


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> np.datetime64:
        """Return the present time, UTC."""
        ...

    def wait_until(self, moment: np.datetime64, stop: threading.Event) -> bool:
        """Wait for ``moment``; return False at once when ``stop`` is set."""
        ...


class SystemClock:
    """The machine's clock; waits in short turns, so that a clock set forward or back is noticed."""

    longest_turn = 5.0

    def now(self) -> np.datetime64:
        """Return the present time, UTC."""
        return now_utc()

    def wait_until(self, moment: np.datetime64, stop: threading.Event) -> bool:
        """Wait for ``moment``, looking at the clock anew every few seconds."""
        while (left := _seconds(moment - self.now())) > 0:
            if stop.wait(min(left, self.longest_turn)):
                return False
        return not stop.is_set()


class SimulatedClock:
    """A clock that starts at ``start`` and runs ``speed`` times as fast whenever somebody waits for it.

    Why not always: a machine is not faster because a clock is. Work takes its true time, so that a
    cycle of ten seconds takes ten simulated ones, as on the machine's clock; only the waiting is cut short.
    """

    def __init__(self, start: np.datetime64, speed: float) -> None:
        self._set(start)
        self._speed = speed

    def _set(self, moment: np.datetime64) -> None:
        self._moment, self._since = moment.astype("datetime64[ns]"), time.monotonic()

    def now(self) -> np.datetime64:
        """Return the simulated time."""
        return _later(self._moment, time.monotonic() - self._since)

    def wait_until(self, moment: np.datetime64, stop: threading.Event) -> bool:
        """Wait for the simulated ``moment``, ``speed`` times shorter."""
        start, began = self.now(), time.monotonic()
        most = _seconds(moment - start)
        while (left := _seconds(moment - self.now())) > 0:
            stopped = stop.wait(min(left / self._speed, 1.0))
            passed = (time.monotonic() - began) * self._speed
            self._set(moment if passed >= most else _later(start, passed))
            if stopped:
                return False
        return not stop.is_set()


class ManualClock:
    """A clock that stands still until somebody waits; for tests and for replays as fast as possible."""

    def __init__(self, start: np.datetime64) -> None:
        self.moment = start.astype("datetime64[ns]")

    def now(self) -> np.datetime64:
        """Return the time it stands at."""
        moment: np.datetime64 = self.moment
        return moment

    def wait_until(self, moment: np.datetime64, stop: threading.Event) -> bool:
        """Jump to ``moment``."""
        self.moment = max(self.moment, moment.astype("datetime64[ns]"))
        return not stop.is_set()


def _later(moment: np.datetime64, seconds: float) -> np.datetime64:
    later: np.datetime64 = moment + np.timedelta64(int(seconds * 1e9), "ns")
    return later


def _seconds(delta: np.timedelta64) -> float:
    return float(delta / np.timedelta64(1, "s"))
