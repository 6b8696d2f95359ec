"""Paired bootstrap and how long a CSI holds: by hand, and what must hold for any counts."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.scores.confidence import (
    Bootstrap,
    blocks_of,
    mean_over_leads,
    paired_difference,
    pooled_csi,
    skill_horizon,
)

DAY = np.datetime64("2025-03-22T00:00", "ns")


def hours(*values):
    return DAY + np.array(values) * np.timedelta64(1, "h")


def counts(*rows):
    """Hits, misses, false alarms of each start time, for one threshold and one lead time."""
    return np.array(rows, np.int64)[:, None, None, :]


def draw(seed, n=20, k=2, s=3):
    return np.random.default_rng(seed).integers(0, 50, (n, k, s, 3))


def test_pooled_and_mean_by_hand():
    found = pooled_csi(np.array([[[3, 1, 0], [0, 0, 0]], [[1, 0, 1], [0, 2, 2]]]))
    np.testing.assert_array_equal(found, [[0.75, np.nan], [0.5, 0.0]])
    np.testing.assert_array_equal(mean_over_leads(found), [0.75, 0.25])
    assert np.isnan(mean_over_leads(np.array([np.nan, np.nan])))


def test_blocks_begin_at_midnight_and_are_numbered_without_gaps():
    issued = hours(0, 1, 5.99, 6, 11, 24, 48 + 23).astype("datetime64[ns]")
    assert blocks_of(hours(0, 1, 5, 6, 11, 24, 71)).tolist() == [0, 0, 0, 1, 1, 2, 3]
    assert blocks_of(issued[:3], 1.0).tolist() == [0, 1, 2]
    assert blocks_of(hours(5, 6, 10, 12)).tolist() == [0, 1, 1, 2]  # the first is not where blocks begin


def test_two_blocks_by_hand():
    # block one: CSI 1 against 1/2; block two: 1/4 against 1/2; pooled 5/8 against 1/2
    model = counts((4, 0, 0), (1, 3, 0))
    reference = counts((2, 2, 0), (2, 0, 2))
    found = paired_difference(model, reference, hours(0, 6))
    assert found.blocks == 2
    assert found.value == pytest.approx([5 / 8 - 1 / 2])
    # of the resamples a quarter is block one twice, a quarter block two twice
    assert found.low == pytest.approx([1 / 4 - 1 / 2])
    assert found.high == pytest.approx([1 - 1 / 2])


def test_blocks_are_drawn_with_replacement():
    """Three blocks, against all 27 draws of three of them."""
    model, reference = counts((4, 0, 0), (1, 3, 0), (0, 9, 2)), counts((2, 2, 0), (2, 0, 2), (6, 4, 1))
    both = [
        np.array([m[list(d)].sum(axis=0)[0, 0] for d in itertools.product(range(3), repeat=3)])
        for m in (model, reference)
    ]
    csi, other = (c[:, 0] / c.sum(axis=1) for c in both)
    expected = np.quantile(csi - other, [0.25, 0.75], method="inverted_cdf")
    found = paired_difference(model, reference, hours(0, 6, 12), Bootstrap(resamples=20_000, confidence=0.5))
    assert found.low[0] == pytest.approx(expected[0])
    assert found.high[0] == pytest.approx(expected[1])


def test_start_times_of_one_block_are_drawn_together():
    model, reference = draw(1), draw(2)
    apart = paired_difference(model, reference, hours(*(6 * np.arange(20))))
    joined = paired_difference(model, reference, hours(*(np.arange(20) // 10 * 6 + np.arange(20) % 10 / 10)))
    assert (apart.blocks, joined.blocks) == (20, 2)
    np.testing.assert_allclose(apart.value, joined.value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_model_against_itself_differs_by_nothing(seed):
    model = draw(seed)
    found = paired_difference(model, model.copy(), hours(*(3 * np.arange(20))), Bootstrap(resamples=50))
    for part in found[:3]:
        np.testing.assert_array_equal(part, [0.0, 0.0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_exchanging_the_two_turns_the_interval_round(seed):
    model, reference, issued = draw(seed), draw(seed + 1), hours(*(3 * np.arange(20)))
    one = paired_difference(model, reference, issued)
    other = paired_difference(reference, model, issued)
    np.testing.assert_allclose(one.value, -other.value, atol=1e-12)
    np.testing.assert_allclose(one.low, -other.high, atol=1e-12)
    assert (one.low <= one.high).all()


def test_a_model_better_everywhere_is_above_zero_and_more_data_say_so_more_surely():
    random = np.random.default_rng(4)
    events = random.integers(50, 150, (64, 1, 1, 1))
    share = random.uniform(0.4, 0.6, (64, 1, 1, 1))
    reference = np.concatenate([events * share, events * (1 - share), events * 0.2], axis=-1).astype(int)
    better = reference + np.array([10, -10, 0])
    few = paired_difference(better[:16], reference[:16], hours(*(6 * np.arange(16))))
    many = paired_difference(better, reference, hours(*(6 * np.arange(64))))
    assert 0 < many.low[0] < many.value[0] < many.high[0]
    assert many.high[0] - many.low[0] < few.high[0] - few.low[0]


def test_the_seed_decides_the_draw():
    args = draw(1), draw(2), hours(*(3 * np.arange(20)))
    first, again, other = (paired_difference(*args, Bootstrap(seed=s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()


def test_one_block_has_no_interval():
    found = paired_difference(counts((4, 0, 0), (1, 3, 0)), counts((2, 2, 0), (2, 0, 2)), hours(0, 1))
    assert found.value == pytest.approx([1 / 8])
    assert np.isnan([*found.low, *found.high]).all()
    assert found.blocks == 1


def test_an_event_in_one_block_of_many_has_no_interval():
    model = np.zeros((8, 1, 1, 3), np.int64)
    model[3] = [2, 1, 0]
    found = paired_difference(model, model, hours(*(6 * np.arange(8))))
    assert found.value == [0.0]
    assert np.isnan(found.low[0])


def test_an_event_that_never_was_has_no_difference():
    nothing = np.zeros((8, 1, 2, 3), np.int64)
    found = paired_difference(nothing, nothing, hours(*(6 * np.arange(8))))
    assert np.isnan([*found.value, *found.low, *found.high]).all()


def test_how_long_a_csi_holds_by_hand():
    leads = [10, 20, 30]
    assert skill_horizon(np.array([0.5, 0.3, 0.2]), leads, 0.25) == pytest.approx(25)
    assert skill_horizon(np.array([0.5, 0.2, 0.4]), leads, 0.25) == pytest.approx(10 + 10 * 0.25 / 0.3)
    assert skill_horizon(np.array([0.1, 0.1, 0.0]), leads, 0.25) == pytest.approx(10 * 0.75 / 0.9)
    assert skill_horizon(np.array([0.5, np.nan, 0.1]), leads, 0.3) == pytest.approx(20)
    assert skill_horizon(np.array([0.5, 0.3, 0.25]), leads, 0.25) == np.inf
    assert np.isnan(skill_horizon(np.full(3, np.nan), leads, 0.25))


@pytest.mark.parametrize("level", [0.0, -1.0, 1.5, float("nan")])
def test_a_level_that_cannot_be(level):
    with pytest.raises(SettingsError, match="CSI of the skill horizon"):
        skill_horizon(np.array([0.5]), [10], level)


@pytest.mark.parametrize(
    "change", [{"block_hours": 0}, {"resamples": 0}, {"confidence": 1.0}, {"seed": -1}, {"block_hours": np.nan}]
)
def test_a_bootstrap_that_cannot_be(change):
    with pytest.raises(SettingsError, match="bootstrap: got"):
        Bootstrap(**change)


def test_counts_that_do_not_belong_together():
    with pytest.raises(SettingsError, match="for 3 initialisation times"):
        paired_difference(draw(1, n=3), draw(1, n=2), hours(0, 1, 2))
    with pytest.raises(SettingsError, match="for 0 initialisation times"):
        paired_difference(draw(1, n=0), draw(1, n=0), hours())
