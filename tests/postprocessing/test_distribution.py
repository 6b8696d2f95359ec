import numpy as np
import pytest
from scipy.stats import norm

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.postprocessing.distribution import Ladder, quantile, survival, tail_db

THRESHOLDS = (10.0, 20.0, 40.0)
ONE = np.array([0.5, 0.2, 0.01], np.float32)


def test_survival_at_between_below_and_above_the_thresholds():
    for p, threshold in zip(ONE, THRESHOLDS, strict=True):
        assert survival(ONE, THRESHOLDS, threshold) == p
    halfway = norm.sf(0.5 * (norm.isf(0.2) + norm.isf(0.01)))  # linear in normal scores
    assert survival(ONE, THRESHOLDS, 30.0) == pytest.approx(halfway, rel=1e-4)
    assert survival(ONE, THRESHOLDS, 46.0, tail=3.0) == pytest.approx(0.01 * np.exp(-2.0), rel=1e-5)
    assert survival(ONE, THRESHOLDS, 5.0) == np.float32(0.5)
    assert survival(ONE, THRESHOLDS, NO_ECHO_DBZ) == 1.0


def test_quantile_by_hand():
    assert quantile(ONE, THRESHOLDS, 0.3) == NO_ECHO_DBZ
    assert quantile(ONE, THRESHOLDS, 0.8) == pytest.approx(20.0, abs=1e-3)
    between = 10 + 10 * (norm.ppf(0.7) - norm.ppf(0.5)) / (norm.ppf(0.8) - norm.ppf(0.5))
    assert quantile(ONE, THRESHOLDS, 0.7) == pytest.approx(between, abs=1e-3)
    assert quantile(ONE, THRESHOLDS, 0.999, tail=3.0) == pytest.approx(40 + 3 * np.log(10), abs=1e-2)


@pytest.mark.parametrize("at", [12.0, 20.0, 33.0, 43.0])
def test_quantile_and_survival_are_each_others_inverse(at):
    share = 1.0 - survival(ONE, THRESHOLDS, at)
    assert quantile(ONE, THRESHOLDS, share) == pytest.approx(at, abs=0.02)


def test_a_pixel_of_many_draws_reaches_each_threshold_as_often_as_it_should():
    """Lopsided: certain, impossible and equal probabilities, and one that rises, beside an ordinary one."""
    pixels = np.array(
        [[0.6, 1.0, 0.3, 0.0, 0.2], [0.25, 1.0, 0.3, 0.0, 0.5], [0.002, 0.0, 0.3, 0.0, 0.1]], np.float32
    )
    expected = np.minimum.accumulate(pixels, axis=0)
    draws = np.random.default_rng(1).standard_normal((200_000, 1)).astype(np.float32)
    ladder = Ladder.of(np.repeat(pixels[:, None], len(draws), axis=1), THRESHOLDS)
    found = ladder.dbz(np.broadcast_to(draws, (len(draws), 5)))
    reached = np.stack([(found >= t).mean(axis=0) for t in THRESHOLDS])
    np.testing.assert_allclose(reached, expected, atol=4e-3)
    np.testing.assert_array_equal(reached[:, 1], [1, 1, 0])
    np.testing.assert_array_equal(reached[:, 3], [0, 0, 0])


def test_nan_at_any_threshold_is_not_known_and_others_are():
    pixels = np.array([[0.5, 0.5, np.nan], [0.1, np.nan, 0.1], [0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(np.isnan(quantile(pixels, THRESHOLDS, 0.9)), [False, True, True])
    np.testing.assert_array_equal(np.isnan(survival(pixels, THRESHOLDS, 15.0)), [False, True, True])
    np.testing.assert_array_equal(np.isnan(survival(pixels, THRESHOLDS, NO_ECHO_DBZ)), [False, True, True])


def test_one_threshold_is_a_ladder_too_and_its_tail_depends_on_it():
    assert quantile(np.array([0.5]), [20.0], 0.75) == pytest.approx(20 + tail_db(20.0) * np.log(2), abs=1e-3)
    assert tail_db(20.0) > tail_db(45.0) > 0


@pytest.mark.parametrize(
    ("thresholds", "tail", "message"),
    [
        ((10.0, 20.0), None, "rising dBZ, and a probability for each"),
        ((10.0, 40.0, 20.0), None, "rising dBZ"),
        (THRESHOLDS, 0.0, "mean excess over the last threshold: got 0 dB"),
    ],
)
def test_refusals(thresholds, tail, message):
    with pytest.raises(SettingsError, match=message):
        quantile(ONE, thresholds, 0.5, tail)


def test_shares_outside_of_0_to_1_are_refused():
    with pytest.raises(SettingsError, match=r"quantile: got 1\.5"):
        quantile(ONE, THRESHOLDS, 1.5)
