"""The radar's own clock: slots, jumps, stopping."""

import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.service.clock import ManualClock, SimulatedClock, SystemClock
from nowcast.service.schedule import cycle_times, stop_on_signals, watch

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
LATE = np.timedelta64(3, "m").astype("timedelta64[ns]")
START = np.datetime64("2025-06-01T12:04", "ns")


def test_slots_are_the_frames_times_plus_the_wait():
    slots = cycle_times(START, STEP, LATE)
    assert [str(next(slots).astype("datetime64[m]")) for _ in range(3)] == [
        "2025-06-01T12:13",
        "2025-06-01T12:23",
        "2025-06-01T12:33",
    ]


@given(minute=st.integers(0, 60 * 24 - 1), step=st.sampled_from([1, 2, 5, 6, 10, 15]), late=st.integers(0, 20))
def test_the_first_slot_is_never_past_and_never_a_step_away(minute, step, late):
    start = np.datetime64("2025-06-01", "ns") + np.timedelta64(minute, "m")
    step_ns = np.timedelta64(step, "m").astype("timedelta64[ns]")
    slot = next(cycle_times(start, step_ns, np.timedelta64(late, "m").astype("timedelta64[ns]")))
    assert slot >= start
    assert slot - start < step_ns
    assert (slot - np.timedelta64(late, "m") - np.datetime64("2025-06-01", "ns")) % step_ns == 0


def test_a_cycle_that_outlasts_its_slot_skips_to_the_next_full_one():
    clock = ManualClock(START)
    begun = []

    def run():
        begun.append(str(clock.now().astype("datetime64[m]")))
        clock.moment = clock.moment + np.timedelta64(25, "m")

    assert watch(run, clock, STEP, LATE, threading.Event(), cycles=3) == 3
    assert [b[11:] for b in begun] == ["12:13", "12:43", "13:13"]


def test_a_clock_set_back_only_moves_the_next_slot():
    clock = ManualClock(START)
    begun = []

    def run():
        begun.append(str(clock.now().astype("datetime64[m]"))[11:])
        if len(begun) == 1:
            clock.moment = np.datetime64("2025-06-01T09:00", "ns")

    watch(run, clock, STEP, LATE, threading.Event(), cycles=2)
    assert begun == ["12:13", "09:03"]


def test_stop_ends_after_the_running_cycle():
    stop = threading.Event()
    assert watch(stop.set, ManualClock(START), STEP, LATE, stop) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_set_the_event_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), number)
        assert stop.wait(1.0)
        assert not SystemClock().wait_until(SystemClock().now() + np.timedelta64(60, "s"), stop)
    assert signal.getsignal(number) is before


def test_the_simulated_clock_runs_faster():
    clock = SimulatedClock(START, 6000.0)
    assert clock.wait_until(START + STEP, threading.Event())
    assert START + STEP <= clock.now() < START + 100 * STEP
