"""Recalibration: fits by hand, what synthetic miscalibration is found to be, the choice, and the step."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.forecasters.decision import dbz_from_probabilities
from nowcast.postprocessing.monotone import rising_fit, rising_table
from nowcast.postprocessing.probability_bins import CENTRES, BinCounts, bins_of, count, logit, probability
from nowcast.postprocessing.recalibration import Recalibration, RecalibrationTable
from nowcast.postprocessing.recalibration_fit import fit_recalibration, isotonic, logistic
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak

STEP = np.timedelta64(10, "m")
LEADS = np.arange(1, 3) * STEP
B = len(CENTRES)


def counts_of(p, events, cases=1e6):
    """Counts of one threshold and lead time, (1, 1, B): bins with p happen as often as events says."""
    n = np.full(B, float(cases))
    return BinCounts(*(a[None, None] for a in (n, n * events, n * p)))


def synthetic(a, b, cases=1e6):
    """Forecasts p whose events happen with the odds of logit a * logit(p) + b."""
    p = probability(CENTRES)
    return counts_of(p, probability(a * logit(p) + b), cases)


def test_neighbours_that_fall_are_pooled_by_hand():
    np.testing.assert_allclose(rising_fit([1, 3, 2, 4], [1, 1, 1, 1]), [1, 2.5, 2.5, 4])
    np.testing.assert_allclose(rising_fit([1, 3, 2, 4], [1, 3, 1, 1]), [1, 2.75, 2.75, 4])
    np.testing.assert_allclose(rising_fit([3, 2, 1], [1, 1, 2]), [1.75] * 3)


def test_a_table_falls_along_neither_side_and_one_that_does_not_stays():
    sound = np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.6]])
    np.testing.assert_allclose(rising_table(sound, np.ones((2, 3))), sound)
    np.testing.assert_allclose(
        rising_table([[1.0, 0.0], [0.0, 1.0]], np.ones((2, 2))), [[1 / 3, 1 / 3], [1 / 3, 1]], atol=1e-6
    )


def test_bins_hold_their_centres_and_counts_are_those_of_the_pixels():
    np.testing.assert_array_equal(bins_of(probability(CENTRES)), np.arange(B))
    assert bins_of(np.array([0.0, 1.0])).tolist() == [0, B - 1]
    p = np.array([0.5, 0.5, 0.1, np.nan, 0.9]).reshape(1, 1, 1, 5)
    seen = np.array([30.0, 10, 20, 50, np.nan]).reshape(1, 1, 5)
    found = count(p, seen, [20.0])
    half, tenth = (int(bins_of(np.array([v]))[0]) for v in (0.5, 0.1))
    assert (found.cases[0, 0, half], found.events[0, 0, half], found.total[0, 0, half]) == (2, 1, 1.0)
    assert (found.cases[0, 0, tenth], found.events[0, 0, tenth]) == (1, 1)
    assert found.cases.sum() == 3


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.7, -0.5), (1.3, 0.4)])
def test_the_logistic_fit_recovers_slope_and_offset(a, b):
    found = logistic(synthetic(a, b, 1e9).at(0, 0))
    np.testing.assert_allclose(found, a * CENTRES + b, atol=0.02)


def test_few_cases_leave_the_identity():
    np.testing.assert_allclose(logistic(synthetic(0.5, -1.0, 1.0).at(0, 0)), CENTRES, atol=0.1)
    np.testing.assert_allclose(isotonic(synthetic(0.5, -1.0, 0.01).at(0, 0)), CENTRES, atol=0.1)


def test_the_isotonic_fit_is_the_frequency_where_it_rises_and_its_mean_where_it_falls():
    p = probability(CENTRES)
    wanted = np.where(np.abs(CENTRES) < 0.9, 0.4, np.where(CENTRES < 0, 0.2, 0.7))
    wanted[np.argmin(np.abs(CENTRES))] = 0.1  # a dip that is pooled with its left neighbours
    found = probability(isotonic(counts_of(p, wanted, 1e9).at(0, 0)))
    middle = np.abs(CENTRES) < 0.9
    left = middle & (CENTRES < 0.1)
    np.testing.assert_allclose(found[middle & ~left], 0.4, atol=1e-4)
    np.testing.assert_allclose(found[left], wanted[left].mean(), atol=1e-4)
    np.testing.assert_allclose(found[CENTRES > 1], 0.7, atol=1e-4)


def test_held_out_days_choose_and_what_is_calibrated_stays_as_it_is():
    wrong = {day: synthetic(0.6, -0.8) for day in ("a", "b", "c")}
    found = fit_recalibration(wrong, [20.0], [10.0])
    assert found.table.methods == ("logistic",)
    assert found.held_out[0]["logistic"] < found.held_out[0]["identity"]
    right = {"a": synthetic(1.0, 0.3), "b": synthetic(1.0, -0.3)}  # errors of two days that do not repeat
    assert fit_recalibration(right, [20.0], [10.0]).table.methods == ("identity",)


def test_too_little_is_said_and_changes_nothing():
    one = fit_recalibration({"a": synthetic(0.5, 0)}, [20.0], [10.0])
    assert one.table.methods == ("identity",)
    assert one.notes == ("20 dBZ: 1 day: probabilities stay as they are",)
    rare = fit_recalibration({d: synthetic(0.5, 0, 0.1) for d in "ab"}, [40.0], [10.0])
    assert not rare.table.changes
    assert "events, of at least 1000" in rare.notes[0]


def test_counts_of_two_days_add_up_to_those_of_both():
    random = np.random.default_rng(0)
    p, seen = random.random((1, 1, 40, 20)), random.uniform(0, 40, (1, 40, 20))
    parts = [count(p[:, :, rows], seen[:, rows], [20.0]) for rows in (slice(15), slice(15, 40))]
    both, whole = parts[0] + parts[1], count(p, seen, [20.0])
    for one, other in ((both.cases, whole.cases), (both.events, whole.events), (both.total, whole.total)):
        np.testing.assert_allclose(one, other)


def table(*maps, leads=(10.0, 20.0), thresholds=(20.0, 30.0, 40.0)):
    logits = tuple(() if m is None else tuple(tuple(m * CENTRES) for _ in leads) for m in maps)
    methods = tuple("identity" if m is None else "logistic" for m in maps)
    return RecalibrationTable(thresholds, leads, methods, logits)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 3.0), st.floats(0.2, 3.0))
def test_probabilities_stay_in_range_and_never_rise_with_the_threshold(seed, first, second):
    random = np.random.default_rng(seed)
    p = np.sort(random.random((3, 2, 5, 6)), axis=0)[::-1].astype(np.float32)
    p[:, :, 0, :3] = [0.0, 1.0, np.nan]
    found = table(first, second, None).apply(p, LEADS)
    known = ~np.isnan(p)
    np.testing.assert_array_equal(np.isnan(found), ~known)
    assert (found[known] >= 0).all()
    assert (found[known] <= 1).all()
    assert (np.diff(found, axis=0)[~np.isnan(np.diff(p, axis=0))] <= 0).all()
    order = np.argsort(p[0, 0], axis=None)
    rising = found[0, 0].ravel()[order]
    assert (np.diff(rising[~np.isnan(rising)]) >= 0).all()


def test_maps_are_linear_between_lead_times_from_the_identity_on_and_end_with_the_last():
    made = RecalibrationTable(
        (20.0,), (10.0, 20.0), ("logistic",), ((tuple(CENTRES + 1.0), tuple(CENTRES + 2.0)),)
    )
    p = np.full((1, 5, 1, 1), 0.5, np.float32)
    found = made.apply(p, np.array([5, 10, 15, 20, 30], "timedelta64[m]"))
    np.testing.assert_allclose(found.ravel(), [*probability([0.5, 1.0, 1.5, 2.0]), 0.5], rtol=1e-5)


def test_the_step_replaces_probabilities_alone_and_once():
    odds, storm = Probable(), moving_disc(projected_grid())
    raw = odds.forecast(storm, LEADS)
    step = Recalibration(table(0.5, 0.5, None))
    found = step.apply(raw, storm)
    assert found.attrs["recalibration"] == '{"20": "logistic", "30": "logistic", "40": "identity"}'
    np.testing.assert_array_equal(found.reflectivity.values, raw.reflectivity.values)
    before, after = (d.exceedance_probability.sel(threshold=20.0).values for d in (raw, found))
    inner = before > 1e-3
    np.testing.assert_allclose(after[inner], probability(0.5 * logit(before[inner])), rtol=1e-3)
    with pytest.raises(SettingsError, match="got recalibrated ones"):
        step.apply(found, storm)
    with pytest.raises(SettingsError, match="got those of 25, 30 dBZ, expected those of 20, 30, 40 dBZ"):
        step.apply(Probable(thresholds=(25.0, 30.0)).forecast(storm, LEADS), storm)
    with pytest.raises(SettingsError, match="got those of no dBZ"):
        step.apply(Weak().forecast(storm, LEADS), storm)


def test_a_large_forecast_is_recalibrated_in_its_place_and_a_few_rows_at_a_time():
    known = table(0.5, 0.5, None)
    large = np.linspace(1, 0, 3 * 2 * 400 * 500, dtype=np.float32).reshape(3, 2, 400, 500)
    expected = known.apply(large, LEADS)
    tracemalloc.start()
    try:
        found = known.apply(large, LEADS, overwrite=True)
        assert tracemalloc.get_traced_memory()[1] < large.nbytes
        dbz_from_probabilities(found, known.thresholds_dbz)
        assert tracemalloc.get_traced_memory()[1] < 2 * large.nbytes
    finally:
        tracemalloc.stop()
    assert found is large
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds_dbz": (30.0, 20.0)},
        {"lead_minutes": (20.0, 10.0)},
        {"methods": ("logistic",)},
        {"logits": ((), ())},
        {"logits": (((0.0,) * B,) * 2, ((0.0,) * (B - 1),) * 2)},
        {"logits": ((tuple(-CENTRES),) * 2,) * 2},
        {"logits": ((tuple(9 * CENTRES),) * 2,) * 2},
    ],
)
def test_tables_that_cannot_be_are_refused(change):
    sound = {
        "thresholds_dbz": (20.0, 30.0),
        "lead_minutes": (10.0, 20.0),
        "methods": ("logistic",) * 2,
        "logits": ((tuple(CENTRES),) * 2,) * 2,
    }
    RecalibrationTable(**sound)
    with pytest.raises(SettingsError, match="make it with 'nowcast calibrate'"):
        RecalibrationTable(**{**sound, **change})
