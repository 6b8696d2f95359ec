"""Errors, gradients, similarity and fractions: by hand and against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from nowcast.core.errors import NowcastError
from nowcast.scores.continuous import Mae, MeanError, Mse, Rmse
from nowcast.scores.spatial import Fss, Gdl, Ssim

NAN = np.nan


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(np.asarray(forecast), np.asarray(observed))))


def test_errors_by_hand_with_no_echo_at_the_floor():
    forecast = [[[10.0, -32.0, NAN, 50.0]]]  # errors 3, 0 (5 against 5), -15 (5 against 20), unobserved
    observed = [[[7.0, 3.0, 20.0, NAN]]]
    assert value(Mae(), forecast, observed) == [6.0]
    assert value(MeanError(), forecast, observed) == [-4.0]
    assert value(Mse(), forecast, observed) == [78.0]
    assert value(Rmse(), forecast, observed) == [78.0**0.5]
    assert value(Mae(floor_dbz=0.0), forecast, observed) == [(3 + 3 + 20) / 3]


def test_gdl_by_hand():
    # observed steps: down 3 and 10; across 10 and 3.  forecast steps: down 0 and 0; across 4 and 4.
    observed = [[[10.0, 20.0], [13.0, 10.0]]]
    forecast = [[[10.0, 14.0], [10.0, 14.0]]]
    differences = np.array([3.0, 10.0, 6.0, 1.0])
    assert value(Gdl(), forecast, observed) == [differences.mean()]
    assert value(Gdl(reduction="sum"), forecast, observed) == [differences.sum()]
    assert value(Gdl(2), forecast, observed) == [(differences**2).mean()]
    assert value(Gdl(2, "sum"), forecast, observed) == [(differences**2).sum()]
    assert value(Gdl(), forecast, [[[10.0, NAN], [13.0, 10.0]]]) == [(3 + 1) / 2]


def test_gdl_sum_is_the_mean_over_frames():
    observed = np.broadcast_to([5.0, 9.0], (2, 1, 1, 2))
    forecast = np.full(observed.shape, 5.0)
    forecast[1, ..., 1] = 7.0
    assert value(Gdl(reduction="sum"), forecast, observed) == [(4 + 2) / 2]


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_ssim_is_that_of_scikit_image(window):
    rng = np.random.default_rng(0)
    observed = rng.normal(20, 15, (3, 40, 33)).astype(np.float32)
    forecast = (observed + rng.normal(0, 9, observed.shape)).astype(np.float32)
    a, b = (np.clip(v.astype(np.float64), 5, 65) - 5 for v in (forecast, observed))
    extra = {}
    if window == "gaussian":
        extra = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    theirs = [structural_similarity(a[i], b[i], data_range=60, **extra) for i in range(3)]
    np.testing.assert_allclose(value(Ssim(window=window), forecast, observed), theirs, atol=1e-9)


def test_ssim_by_hand_of_two_flat_frames():
    c1 = (0.01 * 60) ** 2
    expected = (2 * 10 * 20 + c1) / (10**2 + 20**2 + c1)
    found = value(Ssim(), np.full((1, 9, 9), 15.0), np.full((1, 9, 9), 25.0))
    assert found[0] == pytest.approx(expected, abs=1e-12)


def test_ssim_takes_only_windows_that_were_wholly_observed():
    rng = np.random.default_rng(1)
    observed = rng.normal(20, 15, (1, 30, 40))
    forecast = observed + rng.normal(0, 9, observed.shape)
    left = value(Ssim(), forecast[..., :20], observed[..., :20])
    observed[..., 20:] = NAN
    np.testing.assert_allclose(value(Ssim(), forecast, observed), left, rtol=1e-12)
    assert Ssim().sums(forecast, observed)["windows"].tolist() == [24 * 14]


def test_a_frame_smaller_than_the_window_has_no_similarity():
    assert np.isnan(value(Ssim(), np.zeros((1, 6, 9)), np.zeros((1, 6, 9)))).all()
    assert np.isnan(value(Fss(20.0, 7), np.full((1, 6, 9), 30.0), np.full((1, 6, 9), 30.0))).all()


def test_fss_by_hand():
    observed, forecast = np.zeros((1, 3, 4)), np.zeros((1, 3, 4))
    observed[0, 1, 1] = forecast[0, 1, 0] = 30.0
    # 3 x 3 windows start at columns 0 and 1: observed fractions 1/9, 1/9; forecast 1/9, 0
    assert value(Fss(20.0, 3), forecast, observed)[0] == pytest.approx(1 - (1 / 81) / (3 / 81))
    assert value(Fss(20.0, 1), forecast, observed) == [0.0]


def test_a_displacement_costs_less_in_wider_windows():
    rng = np.random.default_rng(2)
    observed = np.where(rng.random((1, 60, 60)) > 0.9, 40.0, 0.0)
    forecast = np.roll(observed, 2, axis=2)
    found = [float(value(Fss(20.0, n), forecast, observed)[0]) for n in (1, 5, 15)]
    assert found == sorted(found)
    assert found[0] < 0.3 < 0.9 < found[2]


def test_bad_parameters_are_refused():
    with pytest.raises(NowcastError, match="alpha=3"):
        Gdl(3)
    with pytest.raises(NowcastError, match="low < high"):
        Ssim(low_dbz=30, high_dbz=20)
    with pytest.raises(NowcastError, match="window of 0 cells"):
        Fss(20.0, 0)


def test_fractions_are_of_observed_cells_and_a_window_half_observed_counts():
    # windows of 2 x 2: the first has three observed cells, the second one (left out), the third two
    observed = np.array([[[30, NAN, NAN, 5], [5, 30, NAN, 30.0]]])
    forecast = np.array([[[30, 50, 50, 5], [5, 5, 50, 30.0]]])
    difference = (1 / 3 - 2 / 3) ** 2 + 0
    reference = (1 / 3) ** 2 + (2 / 3) ** 2 + 2 * 0.5**2
    assert value(Fss(20.0, 2), forecast, observed) == pytest.approx([1 - difference / reference])
