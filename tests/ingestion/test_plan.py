"""The plan by hand: slots of a step that does not begin at midnight, clocks, periods, majorities, batches."""

from pathlib import Path

import numpy as np
import pytest

from nowcast.ingestion.axis import TimeAxis, infer_phase, tolerance_of
from nowcast.ingestion.plan import (
    MeasuredQuantity,
    Rules,
    Wanted,
    common_grid,
    judge,
    quantity_of,
    without_shared_times,
)
from nowcast.ingestion.scan import Scan
from tests.fakes.fields import projected_grid

STEP = np.timedelta64(10 * 60 * 10**9, "ns")
GRID = projected_grid(6, 8, height_m=2000.0)


def at(*clocks):
    return np.array([f"2025-03-01T{clock}" for clock in clocks], "datetime64[ns]")


def scan(*clocks, name="a.h5", grid=GRID, **attrs):
    attrs = {"quantity": "DBZH", **attrs}
    return Scan(Path(name), 1, 1, name, "odim_h5", at(*clocks), grid, attrs)


def rules(now="23:00", phase="12:03", last="14:03"):
    return Rules(GRID, TimeAxis(STEP, *at(phase, phase, last)), (quantity_of(scan("12:03")),), at(now)[0])


def clocks(times):
    return [str(t)[11:19] for t in times]


def test_slots_are_counted_from_the_phase_and_times_near_one_are_moved_onto_it():
    found = judge(scan("12:03:00", "12:13:50", "12:20:00", "12:31:10", "12:45:01"), rules())
    assert isinstance(found, Wanted)
    assert found.frames == (0, 1, 3)
    assert clocks(found.times) == ["12:03:00", "12:13:00", "12:33:00"]
    assert (
        "2 frames are off the archive's step of 10 minutes, the first at 2025-03-01T12:20:00Z"
        in (found.problems[0])
    )


@pytest.mark.parametrize(
    ("now", "frames"), [("12:33", (0, 1, 2, 3)), ("12:18", (0, 1, 2, 3)), ("12:17", (0, 1, 2))]
)
def test_a_clock_may_be_a_quarter_of_an_hour_behind(now, frames):
    found = judge(scan("12:03", "12:13", "12:23", "12:33"), rules(now))
    assert found.frames == frames
    assert found.final == (len(frames) == 4)


@pytest.mark.parametrize(("minutes", "seconds"), [(5, 90), (6, 108), (10, 120), (1, 18), (60, 120)])
def test_the_tolerance_is_three_tenths_of_a_step_and_two_minutes_at_most(minutes, seconds):
    assert tolerance_of(np.timedelta64(minutes, "m")) == np.timedelta64(seconds, "s")


def test_of_two_times_near_one_slot_the_nearer_is_moved():
    axis = TimeAxis(STEP, *at("12:03", "12:03", "14:03"))
    assert clocks(axis.snapped(at("12:14:30", "12:13:20", "12:22:40"))) == ["12:14:30", "12:13:00", "12:23:00"]
    assert clocks(axis.snapped(at("12:13:20", "12:14:30"))) == ["12:13:00", "12:14:30"]


def test_the_phase_is_that_of_most_times_and_not_of_the_first():
    assert infer_phase(at("12:01", "12:13", "12:23", "12:33"), STEP) == at("12:13")[0]
    assert infer_phase(at("12:03", "12:13", "12:21"), STEP) == at("12:03")[0]


def test_periods_are_the_same_to_a_hundredth():
    def quantity(hours):
        return MeasuredQuantity("odim_h5", "ACRR", True, hours)

    assert quantity(1.0).same(quantity(1.005))
    assert not quantity(1.0).same(quantity(0.9))
    assert not quantity(0.25).same(quantity(0.5))
    assert not quantity(1.0).same(quantity(0.0))
    assert quantity(None).same(quantity(1.0))


def test_the_grid_is_that_of_most_frames_and_not_of_most_files():
    other = projected_grid(6, 9)
    few = [scan("12:03", name="b.h5", grid=other), scan("12:13", name="c.h5", grid=other)]
    assert common_grid([*few, scan("12:03", "12:13", "12:23")]) is GRID


def test_files_that_share_a_time_lie_in_batches_one_after_the_other():
    """c shares 12:03 with a, which is in the first batch, and 12:23 with b, which is in the second."""
    files = [
        Wanted(scan(*times, name=name), tuple(range(len(times))), at(*times))
        for name, times in (
            ("a", ["12:03", "12:13"]),
            ("b", ["12:13", "12:23"]),
            ("c", ["12:03", "12:23"]),
            ("d", ["12:33"]),
        )
    ]
    batches = without_shared_times(files)
    assert [[str(f.scan.path) for f in batch] for batch in batches] == [["a", "d"], ["b"], ["c"]]
