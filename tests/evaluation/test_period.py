"""Sums over a period by hand: two nowcasts of three lead times, coverage that moves."""

import numpy as np
import pytest

from nowcast.evaluation.period import PeriodScores
from nowcast.forecasters.base import label_forecast
from tests.fakes.fields import projected_grid

GRID = projected_grid(2, 3, height_m=2000.0)
LEADS = np.arange(1, 4) * np.timedelta64(10, "m")
NAN = np.nan
OBSERVED = (
    [[[30, NAN, 5], [5, 5, 40]], [[NAN, 30, 5], [5, 30, 5]], [[5, 5, NAN], [5, 5, 5]]],
    [[[30, 30, NAN], [5, 5, 5]], [[5, NAN, NAN], [30, 5, 5]], [[30, 5, 5], [5, 5, NAN]]],
)
FORECAST = ([[30, 30, 5], [5, 30, 5]], [[30, 5, 30], [5, 5, 5]])
"""The same at each lead time."""


@pytest.fixture(scope="module")
def scores():
    found = PeriodScores([20.0], ["csi", "mae"], GRID.cell_km, [20.0], block=2)
    for forecast, observed, seconds in zip(FORECAST, OBSERVED, (1.0, 4.0), strict=True):
        found.add(_made(forecast), np.array(observed, np.float32), seconds)
    return found


def _made(forecast):
    dbz = np.broadcast_to(np.float32(forecast), (3, 2, 3))
    return label_forecast(dbz, np.datetime64("2025-03-22T12:00", "ns"), LEADS, GRID)


def test_counts_of_each_nowcast_stay_apart(scores):
    assert scores.counts.tolist() == [[[[1, 1, 1], [2, 0, 0], [0, 0, 3]]], [[[1, 1, 0], [0, 1, 1], [1, 0, 1]]]]


def test_scores_are_of_all_nowcasts_together(scores):
    values = {row.lead_minutes: row.value for row in scores.rows("m", [10, 20, 30]) if row.score == "csi"}
    assert values == {10.0: 2 / 5, 20.0: 2 / 4, 30.0: 1 / 5, None: pytest.approx((2 / 5 + 2 / 4 + 1 / 5) / 3)}


def test_the_map_is_of_all_lead_times_together(scores):
    # two columns in the west: 5 hits, 2 misses, 5 false alarms; one in the east: a miss and a false alarm
    cells = scores.cells(3)
    np.testing.assert_allclose(cells["csi", 20.0, None], [[5 / 12, 0.0]])


def test_the_time_of_a_nowcast_is_the_mean(scores):
    assert scores.seconds == 2.5


def test_sums_of_one_nowcast_each_merged_in_order_are_those_of_all(scores):
    merged = PeriodScores([20.0], ["csi", "mae"], GRID.cell_km, [20.0], block=2)
    for forecast, observed, seconds in zip(FORECAST, OBSERVED, (1.0, 4.0), strict=True):
        one = PeriodScores([20.0], ["csi", "mae"], GRID.cell_km, [20.0], block=2)
        one.add(_made(forecast), np.array(observed, np.float32), seconds)
        merged.merge(one)
    assert merged.rows("m", [10, 20, 30]) == scores.rows("m", [10, 20, 30])
    assert merged.counts.tolist() == scores.counts.tolist()
    assert list(merged.cells(3)) == list(scores.cells(3))
    for key, values in scores.cells(3).items():
        np.testing.assert_array_equal(merged.cells(3)[key], values)
    assert merged.seconds == scores.seconds
