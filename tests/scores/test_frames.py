"""Scores of frames: by hand, against scikit-image and torchmetrics, whatever the batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nowcast.core.errors import NowcastError
from nowcast.scores.base import add
from nowcast.scores.frames import FrameErrors, FrameGdl, FramePsnr, FrameSsim
from nowcast.scores.protocols import PROTOCOLS, build_protocols

PLAIN = [name for name, entry in PROTOCOLS.items() if not entry.needs_weights]


def clips(seed, shape=(3, 2, 3, 16, 18)):
    rng = np.random.default_rng(seed)
    observed = rng.random(shape).astype(np.float32)
    forecast = (observed + rng.normal(0, 0.2, shape)).clip(0, 1).astype(np.float32)
    return forecast, observed


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(forecast, observed)))


def over_frames(function, forecast, observed):
    """The mean over the batch of a number of each frame (C, H, W) in float64."""
    found = [
        [function(f, o) for f, o in zip(fs, os, strict=True)]
        for fs, os in zip(forecast.astype(np.float64), observed.astype(np.float64), strict=True)
    ]
    return np.mean(found, axis=0)


def test_errors_by_hand():
    observed = np.zeros((2, 1, 1, 2, 2))
    forecast = np.array([[0.0, 0.5], [1.0, 0.0], [0.0, 0.0], [0.0, 0.2]]).reshape(2, 1, 1, 2, 2)
    assert value(FrameErrors(1, "sum"), forecast, observed) == pytest.approx([(1.5 + 0.2) / 2])
    assert value(FrameErrors(1), forecast, observed) == pytest.approx([1.7 / 8])
    assert value(FrameErrors(2, "sum"), forecast, observed) == pytest.approx([(1.25 + 0.04) / 2])
    assert value(FrameErrors(2), forecast, observed) == pytest.approx([1.29 / 8])


def test_errors_of_colour_are_summed_over_channels():
    forecast, observed = clips(0)
    ours = value(FrameErrors(2, "sum"), forecast, observed)
    np.testing.assert_allclose(ours, over_frames(lambda f, o: ((f - o) ** 2).sum(), forecast, observed))


def test_psnr_is_that_of_scikit_image_frame_by_frame():
    forecast, observed = clips(1)
    theirs = over_frames(lambda f, o: peak_signal_noise_ratio(o, f, data_range=1), forecast, observed)
    np.testing.assert_allclose(value(FramePsnr(), forecast, observed), theirs, atol=1e-6)


def test_psnr_of_eight_bits_is_that_of_scikit_image():
    forecast, observed = clips(2)

    def theirs(f, o):
        a, b = (np.floor(v * 255 + 0.5).astype(np.uint8) for v in (f, o))
        return peak_signal_noise_ratio(b, a)

    found = value(FramePsnr(eight_bit=True), forecast, observed)
    np.testing.assert_allclose(found, over_frames(theirs, forecast, observed), atol=1e-6)


@pytest.mark.parametrize("eight_bit", [False, True])
def test_a_frame_without_error_counts_as_100_db_and_leaves_the_mean_finite(eight_bit):
    observed = np.zeros((2, 1, 1, 4, 4))
    forecast = observed.copy()
    forecast[1] = 0.2  # 51 of 255
    expected = (100 - 10 * np.log10(0.04)) / 2
    assert value(FramePsnr(eight_bit), forecast, observed) == pytest.approx([expected])


@pytest.mark.parametrize(("data_range", "window"), [(1.0, "uniform"), (2.0, "uniform"), (1.0, "gaussian")])
def test_ssim_is_that_of_scikit_image(data_range, window):
    forecast, observed = clips(3)
    extra = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def theirs(f, o):
        more = extra if window == "gaussian" else {}
        return structural_similarity(f, o, data_range=data_range, channel_axis=0, **more)

    found = value(FrameSsim(data_range, window), forecast, observed)
    np.testing.assert_allclose(found, over_frames(theirs, forecast, observed), atol=1e-6)


def test_ssim_of_eight_bits_is_that_of_scikit_image_on_truncated_shades():
    forecast, observed = clips(4)

    def theirs(f, o):
        a, b = ((v.astype(np.float32) * 255).astype(np.uint8) for v in (f, o))
        return structural_similarity(a, b, channel_axis=0)

    found = value(FrameSsim(eight_bit=True), forecast, observed)
    np.testing.assert_allclose(found, over_frames(theirs, forecast, observed), atol=1e-6)


def test_every_shade_of_eight_bits_survives_truncation():
    shades = np.arange(256).reshape(1, 1, 1, 16, 16)
    for kind in (np.float32, np.float64):
        exact = (shades / 255).astype(kind)
        up = ((shades + 0.5) / 255).clip(0, 1).astype(kind)
        assert value(FrameSsim(eight_bit=True), exact, exact) == [1.0]
        assert value(FrameSsim(eight_bit=True), up, exact) == [1.0]


def test_the_range_moves_ssim_by_more_than_papers_gain():
    ramp = np.linspace(0.2, 0.8, 32)
    observed = (ramp[:, None] * ramp).reshape(1, 1, 1, 32, 32)
    forecast = (observed + np.random.default_rng(5).normal(0, 0.03, observed.shape)).clip(0, 1)
    one, two = (value(FrameSsim(r), forecast, observed)[0] for r in (1.0, 2.0))
    assert two > one + 0.01


def test_a_frame_smaller_than_the_window_has_no_similarity():
    small = np.zeros((1, 2, 1, 6, 9))
    assert np.isnan(value(FrameSsim(), small, small)).all()
    assert np.isnan(value(FrameSsim(window="gaussian"), *clips(0, (1, 2, 1, 10, 20)))).all()


def test_gdl_by_hand():
    # observed steps: down .3 and 1; across 1 and .3.  forecast steps: down 0 and 0; across .4 and .4.
    observed = np.array([0.0, 1.0, 0.3, 0.0]).reshape(1, 1, 1, 2, 2)
    forecast = np.array([0.0, 0.4, 0.0, 0.4]).reshape(1, 1, 1, 2, 2)
    gaps = np.array([0.3, 1.0, 0.6, 0.1])
    assert value(FrameGdl(), forecast, observed) == pytest.approx([gaps.mean()])
    assert value(FrameGdl(1, "sum"), forecast, observed) == pytest.approx([gaps.sum()])
    assert value(FrameGdl(2), forecast, observed) == pytest.approx([(gaps**2).mean()])
    assert value(FrameGdl(2, "sum"), forecast, observed) == pytest.approx([(gaps**2).sum()])
    twice = [np.repeat(a, 3, axis=2) for a in (forecast, observed)]
    assert value(FrameGdl(), *twice) == pytest.approx([gaps.mean()])
    assert value(FrameGdl(1, "sum"), *twice) == pytest.approx([3 * gaps.sum()])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 64))
def test_the_batch_size_changes_nothing(seed, size):
    forecast, observed = clips(seed, (64, 2, 1, 12, 13))
    for metric in build_protocols(PLAIN):
        sums = {}
        for i in range(0, 64, size):
            sums = add(sums, metric.sums(forecast[i : i + size], observed[i : i + size]))
        np.testing.assert_allclose(metric.value(sums), value(metric, forecast, observed), rtol=1e-12)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_tensors_give_the_numbers_of_numpy(kind):
    forecast, observed = clips(6)
    for metric in build_protocols(PLAIN):
        tensors = (torch.from_numpy(a).to(kind).requires_grad_() for a in (forecast, observed))
        np.testing.assert_allclose(value(metric, *tensors), value(metric, forecast, observed), rtol=1e-12)


def test_halved_precision_is_read_as_it_is():
    forecast = torch.full((1, 1, 1, 2, 2), 0.5, dtype=torch.bfloat16)
    assert value(FrameErrors(1), forecast, torch.zeros(1, 1, 1, 2, 2)) == [0.5]


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, np.inf])
def test_values_outside_the_unit_are_refused_in_one_line(bad):
    forecast, observed = clips(7)
    forecast[0, 0, 0, 0, 0] = bad
    with pytest.raises(NowcastError, match=r"forecast frames with values .*clamp") as caught:
        FrameErrors().sums(forecast, observed)
    assert "\n" not in str(caught.value)


def test_shapes_that_differ_are_refused():
    forecast, observed = clips(8)
    for wrong in (observed[:, 1:], observed[0], observed[:0]):
        with pytest.raises(NowcastError, match=r"one shape \(batch, lead time, channel, y, x\)"):
            FrameErrors().sums(forecast, wrong)


def test_bad_parameters_are_refused():
    for make in (
        lambda: FrameErrors(3),
        lambda: FrameErrors(1, "max"),
        lambda: FrameGdl(0),
        lambda: FrameSsim(0.0),
        lambda: FrameSsim(window="round"),
    ):
        with pytest.raises(NowcastError, match="expected"):
            make()
