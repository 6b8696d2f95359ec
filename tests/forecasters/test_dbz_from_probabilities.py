"""dBZ from probabilities: the formula by hand, the events it must keep, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.decision import ABOVE_LAST_DB, dbz_from_probabilities

THRESHOLDS = [20.0, 30.0, 40.0]


def one_pixel(*probabilities: float) -> np.ndarray:
    return np.array(probabilities, np.float32).reshape(-1, 1, 1, 1)


def rebuilt(*probabilities: float, levels: object = 0.5) -> float:
    return float(dbz_from_probabilities(one_pixel(*probabilities), THRESHOLDS, levels)[0, 0, 0])


def test_values_by_hand() -> None:
    assert rebuilt(0.8, 0.4, 0.0) == pytest.approx(20 + 10 * 0.3 / 0.4)  # 0.3 over, 0.1 short
    assert rebuilt(0.9, 0.6, 0.1) == pytest.approx(30 + 10 * 0.1 / 0.5)
    assert rebuilt(0.5, 0.1, 0.0) == 20.0  # barely exceeds
    assert rebuilt(0.49, 0.4, 0.3) == NO_ECHO_DBZ
    assert rebuilt(0.9, 0.8, 0.7) == 40.0 + ABOVE_LAST_DB
    assert np.isnan(rebuilt(0.9, np.nan, 0.7))
    assert np.isnan(rebuilt(0.1, 0.0, np.nan))


def test_levels_of_each_threshold_and_lead_time_are_used() -> None:
    probabilities = np.repeat(one_pixel(0.6, 0.4, 0.1), 2, axis=1)
    levels = np.array([[0.5, 0.5], [0.5, 0.3], [0.5, 0.2]])
    found = dbz_from_probabilities(probabilities, THRESHOLDS, levels)[:, 0, 0]
    assert found == pytest.approx([20 + 10 * 0.1 / 0.2, 30 + 10 * 0.1 / 0.2])
    assert rebuilt(0.6, 0.4, 0.1, levels=[0.5, 0.3, 0.2]) == pytest.approx(35.0)


def test_the_largest_exceeded_threshold_decides_even_if_a_weaker_one_is_not_reached() -> None:
    assert rebuilt(0.4, 0.4, 0.0, levels=[0.5, 0.3, 0.3]) == pytest.approx(30 + 10 * 0.1 / 0.4)


def test_a_level_above_one_is_never_reached() -> None:
    assert rebuilt(1.0, 1.0, 1.0, levels=[0.5, 0.5, 2.0]) < 40.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_thresholding_the_field_is_thresholding_the_probabilities(seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = -np.sort(-random.random((3, 2, 6, 7)), axis=0).astype(np.float32)
    probabilities[:, :, 0, 0] = np.nan
    levels = random.uniform(0.05, 0.95, (3, 2)).astype(np.float32)
    dbz = dbz_from_probabilities(probabilities, THRESHOLDS, levels)
    reached = probabilities >= levels[:, :, None, None]
    for k, threshold in enumerate(THRESHOLDS):
        np.testing.assert_array_equal(dbz >= threshold, reached[k:].any(axis=0))
    assert np.isnan(dbz[:, 0, 0]).all()
    assert np.isfinite(dbz[:, 1:]).all()


def test_a_probability_a_rounding_error_under_its_level_stays_under_the_threshold() -> None:
    under = float(np.nextafter(np.float32(0.5), np.float32(0)))
    assert rebuilt(1.0, under, 0.0) < 30.0
    assert rebuilt(1.0, under, 0.0) > 29.99


@pytest.mark.parametrize("levels", [0.0, -1.0, np.nan, [0.5, 0.5], [[0.5, 0.5]] * 3, [[[0.5]]] * 3])
def test_bad_levels_are_refused(levels: object) -> None:
    with pytest.raises(SettingsError, match="decision thresholds"):
        dbz_from_probabilities(one_pixel(0.9, 0.5, 0.1), THRESHOLDS, levels)


def test_bad_thresholds_and_shapes_are_refused() -> None:
    with pytest.raises(SettingsError, match="rising"):
        dbz_from_probabilities(one_pixel(0.9, 0.5, 0.1), [20, 20, 30])
    with pytest.raises(SettingsError, match="shapes"):
        dbz_from_probabilities(one_pixel(0.9, 0.5), THRESHOLDS)
    with pytest.raises(SettingsError, match="shapes"):
        dbz_from_probabilities(np.zeros((3, 2, 2), np.float32), THRESHOLDS)


def test_decision_thresholds_are_spread_over_lead_times() -> None:
    probabilities = np.repeat(one_pixel(0.6, 0.25, 0.1), 3, axis=1)
    found = dbz_from_probabilities(probabilities, THRESHOLDS, [0.2, 0.3, 0.9])
    np.testing.assert_array_equal(found, np.full((3, 1, 1), found[0, 0, 0]))
    assert found[0, 0, 0] == pytest.approx(20 + 10 * 0.4 / 0.45)
