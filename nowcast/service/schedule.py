"""`nowcast watch`: cycles on the radar's own clock until somebody says stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np

from nowcast.core.times import to_text
from nowcast.service.clock import Clock

log = logging.getLogger(__name__)


def cycle_times(start: np.datetime64, step: np.timedelta64, late: np.timedelta64) -> Iterator[np.datetime64]:
    """Yield the times to run at: every multiple of ``step`` since midnight, plus ``late``."""
    day = start.astype("datetime64[D]").astype("datetime64[ns]")
    number = int(np.ceil((start - late - day) / step))
    while True:
        yield day + number * step + late
        number += 1


def watch(
    run: Callable[[], None],
    clock: Clock,
    step: np.timedelta64,
    late: np.timedelta64,
    stop: threading.Event,
    cycles: int | None = None,
) -> int:
    """Run cycle after cycle on the radar's clock; return how many were run.

    A cycle that outlasts its slot makes the next begin at the next full slot: never two at once,
    never a queue. A clock set forward or back only moves the next slot.

    Args:
        run: one cycle; what it raises ends the watch.
        clock: the machine's or a simulated one.
        step: the radar's time step.
        late: how long after a frame's nominal time to wait for it.
        stop: set from outside (SIGTERM) to end after the running cycle.
        cycles: end after so many; None for ever.
    """
    done = 0
    while not stop.is_set() and (cycles is None or done < cycles):
        slot = next(cycle_times(clock.now(), step, late))
        log.info("next cycle at %s", to_text(slot))
        if not clock.wait_until(slot, stop):
            break
        run()
        done += 1
    return done


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; the running cycle ends, no further one begins."""
    stop = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        log.info("%s: ending after the running cycle", signal.Signals(number).name)
        stop.set()

    before = {s: signal.signal(s, note) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
