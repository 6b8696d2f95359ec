"""Decision thresholds: by hand, against a search over all, ties, empty counts, and that they never fall."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.scores.categorical import Csi
from nowcast.scores.decision import DbzDecisionCounts, ProbabilityDecisionCounts, _never_falling, dbz_candidates


def csi_at(forecast, observed, decision, threshold):
    called = (forecast >= np.float32(decision)) & ~np.isnan(observed)
    occurred = observed >= np.float32(threshold)
    counted = (called | occurred).sum()
    return (called & occurred).sum() / counted if counted else np.nan


def row(*values):
    return np.array(values, np.float32).reshape(1, 1, -1)


def test_a_forecast_that_is_always_five_db_too_weak():
    observed = row(20, 25, 30, 35, 40, NO_ECHO_DBZ, np.nan)
    counts = DbzDecisionCounts([20, 30], 1)
    counts.add(np.where(observed > 0, observed - 5, observed), observed)
    found = counts.choose()
    # any threshold in (10, 15] and (20, 25] is perfect; the nearest to the threshold is taken
    np.testing.assert_array_equal(found.thresholds, [[15.0], [25.0]])
    np.testing.assert_array_equal(found.csi, [[1.0], [1.0]])
    np.testing.assert_array_equal(found.csi_before, [[4 / 5], [2 / 3]])


def test_a_perfect_forecast_keeps_its_thresholds():
    observed = row(5, 12, 20, 30, 44, 50)
    counts = DbzDecisionCounts([10, 20, 30, 40], 1)
    counts.add(observed, observed)
    np.testing.assert_array_equal(counts.choose().thresholds[:, 0], [10, 20, 30, 40])


def test_an_event_that_never_occurred_keeps_its_threshold_and_has_no_csi():
    counts = DbzDecisionCounts([20, 50], 1)
    counts.add(row(20, 10, np.nan), row(20, 10, 5))
    found = counts.choose()
    np.testing.assert_array_equal(found.thresholds[:, 0], [20, 50])
    assert np.isnan(found.csi[1, 0])
    counts.add(row(60), row(20))  # a false alarm: CSI 0, and nothing to learn a threshold from
    assert counts.choose().thresholds[1, 0] == 50
    assert counts.choose().csi[1, 0] == 0


def test_nothing_counted_at_all():
    found = DbzDecisionCounts([20, 30], 2).choose()
    np.testing.assert_array_equal(found.thresholds, [[20, 20], [30, 30]])
    assert np.isnan(found.csi).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_csi_of_the_chosen_thresholds_is_that_of_the_contingency_table_and_the_highest(seed):
    random = np.random.default_rng(seed)
    observed = (random.integers(0, 100, (2, 2, 12, 9)) / 2).astype(np.float32)
    forecast = np.round(observed * 0.7 + random.normal(0, 6, observed.shape), 1).astype(np.float32)
    observed[random.random(observed.shape) < 0.1] = np.nan
    forecast[random.random(observed.shape) < 0.1] = np.nan
    forecast[random.random(observed.shape) < 0.1] = NO_ECHO_DBZ
    counts = DbzDecisionCounts([20.0, 35.0], 2)
    for f, o in zip(forecast, observed, strict=True):  # two pairs, pooled
        counts.add(f, o)
    found = counts.choose()
    assert (np.diff(found.thresholds, axis=0) >= 0).all()
    plain = Csi(20.0)
    np.testing.assert_array_equal(found.csi_before[0], plain.value(plain.sums(forecast, observed)))
    candidates = dbz_candidates([20.0, 35.0])
    for s in range(2):
        table = [[csi_at(forecast[:, s], observed[:, s], c, t) for c in candidates] for t in (20, 35)]
        for k in range(2):
            place = list(candidates).index(np.float32(found.thresholds[k, s]))
            assert found.csi[k, s] == table[k][place]
        low, high = (np.array(t) for t in table)
        best = max(np.nanmax(low[: j + 1]) + high[j] for j in range(len(candidates)))
        assert found.csi[:, s].sum() == pytest.approx(best, abs=1e-6)


def test_thresholds_that_would_fall_are_chosen_together():
    worth = np.array([[0.0, 0.1, 0.9, 0.2], [0.8, 0.3, 0.2, 0.0], [0.0, 0.0, 0.3, 0.1]])
    rising = [c for c in itertools.product(range(4), repeat=3) if list(c) == sorted(c)]
    best = max(rising, key=lambda c: sum(worth[k, j] for k, j in enumerate(c)))
    assert tuple(_never_falling(worth)) == best == (2, 2, 2)


def test_thresholds_of_probabilities_by_hand():
    probabilities = np.stack([row(0.9, 0.6, 0.3, 0.2), row(0.4, 0.1, 0.05, 0.0)])
    observed = row(35, 22, 21, np.nan)
    counts = ProbabilityDecisionCounts([20, 30], 1)
    counts.add(probabilities, observed)
    found = counts.choose()
    # 20 dBZ: anything up to .3 catches all three; 30 dBZ: above .1 up to .4 is right; nearest to .5
    np.testing.assert_allclose(found.thresholds[:, 0], [0.3, 0.4], atol=1e-7)
    np.testing.assert_array_equal(found.csi[:, 0], [1, 1])
    np.testing.assert_array_equal(found.csi_before[:, 0], [2 / 3, 0])
    np.testing.assert_array_equal(counts.at(found.thresholds)[:, 0], [[3, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(counts.at([[0.5], [0.05]])[:, 0], [[2, 1, 0], [1, 0, 2]])


def test_probabilities_that_are_not_a_number_are_no_event():
    counts = ProbabilityDecisionCounts([20], 1)
    counts.add(np.array([[[[np.nan, 0.7]]]], np.float32), row(30, 30))
    assert counts.choose().csi[0, 0] == 0.5


def test_a_bad_threshold():
    with pytest.raises(SettingsError, match="threshold"):
        DbzDecisionCounts([float("nan")], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unobserved_pixels_are_neither_events_nor_non_events(dtype):
    """Two lead times, another part unobserved at each: forecasts there would be false alarms."""
    observed = np.array([[[30, 30, np.nan, np.nan, 5]], [[np.nan, np.nan, np.nan, 30, 5]]], dtype)
    forecast = np.array([[[25, 24, 29, 45, 1]], [[40, 50, 60, 33, 2]]], dtype)
    counts = DbzDecisionCounts([30.0], 2)
    counts.add(forecast, observed)
    found = counts.choose()
    np.testing.assert_array_equal(found.thresholds, [[24.0, 30.0]])
    np.testing.assert_array_equal(found.csi, [[1.0, 1.0]])
    probabilities = ProbabilityDecisionCounts([30.0], 2)
    probabilities.add((forecast / 64)[None], observed)
    found = probabilities.choose()
    np.testing.assert_array_equal(found.csi, [[1.0, 1.0]])
    np.testing.assert_allclose(found.thresholds, [[24 / 64, 0.5]], atol=0.005)


@pytest.mark.parametrize("threshold", [20.1, 20.3])
def test_a_threshold_means_the_same_in_both_types(threshold):
    """As float32, 20.1 lies above 20.1 and 20.3 below 20.3."""
    observed = np.array([[[threshold, threshold - 1e-3, 5.0]]])
    found = []
    for dtype in (np.float32, np.float64):
        counts = DbzDecisionCounts([threshold], 1)
        counts.add(np.array([[[30.0, 20.0, 0.0]]], dtype), observed.astype(dtype))
        found.append(counts.choose())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found[0].csi == 1.0
    assert found[0].thresholds == pytest.approx(threshold)
