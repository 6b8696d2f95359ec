"""Reliability tables: counts by hand, pooling, what a forecast carries, what cannot be."""

import json
import math

import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.postprocessing.reliability import ATTRIBUTE, BINS, Attested, ReliabilityTable, reliability_of
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable

LEADS = np.arange(1, 3) * np.timedelta64(10, "m")


@pytest.fixture(scope="module")
def coming():
    return Probable().forecast(moving_disc(projected_grid()), LEADS)


@pytest.fixture(scope="module")
def table(coming):
    return ReliabilityTable.counted(coming, coming.reflectivity.values + np.float32(8.0))


def test_counts_by_hand(coming, table):
    p = coming.exceedance_probability.values[1, 0].astype(np.float64)  # of 30 dBZ
    event = coming.reflectivity.values[0] + 8 >= 30
    within = (p >= 0.3) & (p < 0.4)
    found = table.at(30.0, 10.0, 0.35)
    assert found.cases == within.sum() > 0
    assert found.observed_frequency == event[within].mean()
    assert table.forecast[1][0][5] == pytest.approx(p[within].mean())
    assert table.at(29.0, 12.0, 0.3) == found  # nearest; a bin begins with its lower bound
    assert sum(table.cases[1][0]) == p.size


def test_where_there_is_no_case_there_is_no_frequency(table):
    nothing = table.at(30.0, 10.0, 0.95)
    assert math.isnan(nothing.observed_frequency)
    assert nothing.cases == 0
    assert table.at(30.0, 10.0, float("nan")).cases == 0


def test_unknown_pixels_do_not_count(coming):
    seen = coming.reflectivity.values.copy()
    seen[:, :10] = np.nan
    found = ReliabilityTable.counted(coming, seen)
    assert sum(found.cases[0][0]) == seen[0].size - 10 * seen.shape[2]


def test_tables_add_up(coming, table):
    seen = coming.reflectivity.values + np.float32(8.0)
    rows = slice(None, 20), slice(20, None)
    parts = [ReliabilityTable.counted(coming.isel(y=r), seen[:, r]) for r in rows]
    both = parts[0] + parts[1]
    assert both.cases == table.cases
    for one, other in zip(both.sums, table.sums, strict=True):
        np.testing.assert_allclose(one, other)
    with pytest.raises(SettingsError, match="pool tables of one forecaster"):
        table + ReliabilityTable.counted(coming.isel(lead_time=[0]), seen[:1])


def test_a_forecast_carries_it_as_text(coming, table):
    found = Attested(table, 3.25).apply(coming, coming.reflectivity)
    assert found.attrs["tail_dbz"] == 3.25
    assert len(found.attrs[ATTRIBUTE]) < 40_000
    read = reliability_of(found.attrs)
    assert read.cases == table.cases
    np.testing.assert_allclose(np.array(read.observed), np.array(table.observed), atol=5e-5)
    assert reliability_of(coming.attrs) is None
    with pytest.raises(SettingsError, match="not JSON"):
        reliability_of({ATTRIBUTE: "{"})
    with pytest.raises(SettingsError, match="got no probabilities"):
        ReliabilityTable.counted(coming.drop_vars("exceedance_probability"), coming.reflectivity.values)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds_dbz": [20.0]},
        {"cases": [[[1.0] * (BINS - 1)] * 2] * 3},
        {"cases": [[[-1.0] * BINS] * 2] * 3},
        {"observed": [[[1.5] * BINS] * 2] * 3},
        {"inflation": 0.5},
        {"lead_minutes": [20.0, 10.0]},
        {"odds": 1},
    ],
)
def test_tables_that_cannot_be_are_refused(table, change):
    text = json.dumps(json.loads(table.to_json()) | change)
    with pytest.raises(SettingsError):
        ReliabilityTable.from_json(text)
