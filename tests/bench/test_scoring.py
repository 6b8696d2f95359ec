"""What a benchmark scores: by hand, where coverage moves and a forecast has something to say everywhere."""

import numpy as np
import pytest
import torch

from nowcast.bench import costs
from nowcast.bench.scoring import ForecastError, score, to_pixels
from nowcast.data.clips import VideoDataset
from nowcast.data.windows import ClipWindow
from nowcast.scores.frames import FrameErrors
from tests.fakes.frames import STEP, ArraySource, times_of

PAST, FUTURE, STRIDE = 2, 3, 2


def rain(frames=9, size=(4, 6)):
    """Frames (T, 1, H, W) that differ from one another; two columns are not observed, others in each frame."""
    values = np.random.default_rng(7).uniform(0.2, 0.9, (frames, 1, *size)).astype(np.float32)
    for t in range(frames):
        values[t, :, :, [t % size[1], (t + 1) % size[1]]] = np.nan
    return values


def dataset(values):
    source = ArraySource("rain", values, times_of(np.arange(len(values))), STEP)
    return VideoDataset([source], ClipWindow(past=PAST, future=FUTURE, stride=STRIDE), train=False)


def constant(past, steps, *_, **__):
    """Half of the range everywhere, a quarter more at each lead time: not observed pixels are no exception."""
    leads = 0.5 + 0.125 * torch.arange(steps, dtype=torch.float32)
    return leads[None, :, None, None, None].expand(len(past), steps, *past.shape[2:])


@pytest.mark.parametrize("batch", [1, 2])
def test_what_was_not_observed_adds_no_error(batch):
    values = rain()
    clips = dataset(values)
    assert len(clips) == 3
    metrics = {"mse": FrameErrors(2), "mae_sum": FrameErrors(1, "sum")}
    found = score(constant, clips, [0, 2], metrics, batch=batch)
    squared, absolute = np.zeros((2, 2, FUTURE))
    for i, clip in enumerate((0, 2)):
        for s in range(FUTURE):
            truth = values[clip * STRIDE + PAST + s, 0].astype(np.float64)
            error = np.where(np.isnan(truth), 0.0, 0.5 + 0.125 * s - truth)
            squared[i, s], absolute[i, s] = (error**2).mean(), np.abs(error).sum()
    np.testing.assert_allclose(found.scores["mse"], squared.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.scores["mae_sum"], absolute.mean(axis=0), rtol=1e-6)


def test_a_forecast_is_told_what_of_the_past_was_observed():
    values, told = rain(), []

    def spy(past, steps, observed):
        told.append((past, observed))
        return constant(past, steps)

    score(spy, dataset(values), [1], {"mse": FrameErrors(2)})
    ((past, observed),) = told
    truth = values[STRIDE : STRIDE + PAST]
    np.testing.assert_array_equal(observed[0].numpy(), ~np.isnan(truth))
    np.testing.assert_array_equal(past[0].numpy(), np.nan_to_num(truth))


def test_pictures_show_nothing_where_nothing_was_observed():
    values = rain()
    kept = score(constant, dataset(values), [0], {}, keep=[1]).frames[1]
    expected = np.broadcast_to((0.5 + 0.125 * np.arange(FUTURE))[:, None, None, None], kept.shape)
    hidden = np.isnan(values[STRIDE + PAST : STRIDE + PAST + FUTURE])
    np.testing.assert_array_equal(kept, to_pixels(np.where(hidden, 0.0, expected)))
    assert hidden.sum(axis=(1, 2, 3)).tolist() == [8, 8, 8]


def test_a_forecast_beyond_the_range_is_clamped_and_one_that_is_not_finite_refused():
    clips = dataset(np.ones((5, 1, 4, 6), np.float32))
    found = score(lambda p, s, *_, **__: 3 * constant(p, s), clips, [0], {"mse": FrameErrors(2)})
    assert found.scores["mse"] == [0.0] * FUTURE
    with pytest.raises(ForecastError, match=r"not finite.*gradient_clip"):
        score(lambda p, s, *_, **__: constant(p, s) / 0, clips, [0], {"mse": FrameErrors(2)})


def test_frames_a_second_are_those_that_are_forecast(monkeypatch):
    monkeypatch.setattr(costs, "_median", lambda forecast, past, steps: float(len(past)))
    shape = costs.Sequences(past=2, steps=5, size=(8, 12), channels=1)
    assert costs._times(constant, shape, torch.device("cpu")) == (1.0, 5.0)  # eight times five frames in 8 s
