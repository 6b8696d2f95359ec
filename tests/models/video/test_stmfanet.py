"""STMFANet by hand: the bands of its wavelets, what zero weights forecast, and what each module sees."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.size_limit import build_without_memory
from nowcast.models.video.gradient_difference import signed_gradient_difference
from nowcast.models.video.stmfanet.network import _decoder
from nowcast.models.video.stmfanet.wavelets import count_time_bands, haar, time_bands

SMALL = {"growth": 4, "layers": 1, "width": 2, "window": 4}


def stmfanet(seed=0, channels=1, **settings):
    torch.manual_seed(seed)
    return build_model("stmfanet", {**SMALL, **settings}, channels).double()


def clip(batch=1, length=4, channels=1, size=8, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch, length, channels, size, size, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize(
    ("settings", "parameters"), [({}, 1_587_175), ({"temporal": True}, 1_716_071)], ids=["spatial", "temporal"]
)
def test_parameters(settings, parameters):
    made = build_without_memory(lambda: build_model("stmfanet", settings))
    assert count_parameters(made) == parameters
    if made.temporal is None:
        assert count_parameters(made.spatial) == 127_708 + 23_130
        assert count_parameters(made.spatial.wavelets) == 23_130
        assert count_parameters(made.lstm) == 1_180_160
        assert count_parameters(made.decoder) == 256_177


def test_bands_of_a_frame():
    cell = torch.tensor([[1.0, 2.0], [4.0, 8.0]]).view(1, 1, 2, 2)
    assert haar(cell).flatten().tolist() == [7.5, -4.5, -2.5, 1.5]
    image = torch.rand(2, 3, 8, 12, dtype=torch.float64)
    bands = haar(image)
    torch.testing.assert_close(bands.square().sum(), image.square().sum())
    ll, lh, hl, hh = bands.chunk(4, dim=1)
    back = torch.empty_like(image)
    back[..., ::2, ::2], back[..., ::2, 1::2] = ll + lh + hl + hh, ll + lh - hl - hh
    back[..., 1::2, ::2], back[..., 1::2, 1::2] = ll - lh + hl - hh, ll - lh - hl + hh
    torch.testing.assert_close(back / 2, image)


def test_a_constant_is_in_the_low_band_and_a_checkerboard_in_the_highest():
    ll, *others = haar(torch.full((1, 1, 4, 4), 0.3)).unbind(1)
    torch.testing.assert_close(ll, torch.full((1, 2, 2), 0.6))
    assert all(float(band.abs().max()) == 0 for band in others)
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2).view(1, 1, 4, 4)
    *others, hh = haar(board).unbind(1)
    assert all(float(band.abs().max()) == 0 for band in others)
    torch.testing.assert_close(hh, torch.full((1, 2, 2), 2.0))


def test_bands_over_time():
    still = torch.ones(1, 10, 1, 1, 1)
    fast, slow, low = time_bands(still).flatten().split([5, 3, 3])
    assert float(torch.cat([fast, slow]).abs().max()) == 0
    torch.testing.assert_close(low, torch.full((3,), 2.0))
    sign = torch.tensor([1.0, -1.0] * 5).view(1, 10, 1, 1, 1)
    fast, slow, low = time_bands(sign).flatten().split([5, 3, 3])
    torch.testing.assert_close(fast, torch.full((5,), 2**0.5))
    assert float(torch.cat([slow, low]).abs().max()) == 0
    ramp = time_bands(torch.arange(4.0).view(1, 4, 1, 1, 1)).flatten()
    torch.testing.assert_close(ramp, torch.tensor([-(2**-0.5), -(2**-0.5), -2.0, 3.0]))
    assert [count_time_bands(frames) for frames in (2, 3, 5, 10)] == [3, 4, 7, 11]


def test_zero_weights_forecast_grey():
    model = stmfanet(temporal=True)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        assert torch.equal(model(clip(), 3), torch.full((1, 3, 1, 8, 8), 0.5, dtype=torch.float64))


def test_no_wavelet_weights_are_the_plain_dense_encoder():
    coder, frame = stmfanet().spatial, clip()[:, 0]
    for wavelet in coder.wavelets:
        torch.nn.init.zeros_(wavelet[3].weight)
        torch.nn.init.zeros_(wavelet[3].bias)
    with torch.no_grad():
        maps = coder.first(frame)
        for dense, transition in zip(coder.dense, coder.transitions, strict=True):
            maps = transition(dense(maps))
        torch.testing.assert_close(coder(frame), coder.last(maps))


def test_the_decoder_is_that_of_spread_values_and_convolutions():
    torch.manual_seed(0)
    decoder, x = _decoder(2, 1).double(), torch.rand(1, 16, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        found, y = decoder(x), x
        for layer in decoder:
            if isinstance(layer, torch.nn.ConvTranspose2d):
                spread = y.new_zeros(1, y.shape[1], 2 * y.shape[2], 2 * y.shape[3])
                spread[..., ::2, ::2] = y
                y = torch.nn.functional.conv_transpose2d(spread, layer.weight, layer.bias, padding=1)
            else:
                y = layer(y)
    torch.testing.assert_close(found, y)


def test_the_window_and_the_frame():
    model, past = stmfanet(temporal=True), clip(length=4)
    other = past.clone()
    other[:, 0] = 1 - other[:, 0]
    seen = {"spatial": [], "temporal": []}
    for name, kept in seen.items():
        getattr(model, name).register_forward_hook(lambda _, __, out, kept=kept: kept.append(out))
    with torch.no_grad():
        model(past, 2)
        model(other, 2)
    assert [len(kept) for kept in seen.values()] == [10, 10]  # five frames are read, each time
    newest, oldest_left = 3, 4
    assert torch.equal(seen["spatial"][newest], seen["spatial"][5 + newest])
    assert not torch.equal(seen["temporal"][newest], seen["temporal"][5 + newest])
    # the next window has lost the oldest frame and holds the first forecast, which differs
    assert not torch.equal(seen["temporal"][oldest_left], seen["temporal"][5 + oldest_left])


def test_a_window_is_filled_with_the_first_frame_and_forgets_the_oldest():
    model, past = stmfanet(temporal=True), clip(length=6)
    windows = []
    model.temporal.register_forward_pre_hook(lambda _, given: windows.append(given[0]))
    with torch.no_grad():
        found = model(past, 2)
    frames = 2 * torch.cat([past, found[:, :1]], dim=1) - 1
    expected = [
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 2],
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4, 5],
        [3, 4, 5, 6],
    ]
    for window, places in zip(windows, expected, strict=True):
        torch.testing.assert_close(window, frames[:, places])


@pytest.mark.parametrize("temporal", [False, True])
def test_alone_and_in_a_batch_and_over_three_times_the_horizon(temporal):
    model, past = stmfanet(temporal=temporal, channels=2), clip(3, 3, channels=2)
    with torch.no_grad():
        together, alone = model(past, 9), model(past[1:2], 3)
    assert together.shape == (3, 9, 2, 8, 8)
    torch.testing.assert_close(together[1:2, :3], alone)


def test_batch_norm_has_statistics_of_each_step():
    model = stmfanet(norm="batch").train()
    model(clip(2, 3), 2)
    assert int(model.spatial.last[0].num_batches_tracked) == 4


def test_the_loss_of_steps_by_hand():
    target, seen = torch.zeros(1, 1, 1, 2, 2), torch.ones(1, 1, 1, 2, 2, dtype=torch.bool)
    frame = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).view(1, 1, 1, 2, 2)
    # each way two of six steps are 1: into the pixel and out of it
    assert float(signed_gradient_difference(frame, target, seen)) == pytest.approx(2 / 6 + 2 / 6)
    assert float(signed_gradient_difference(frame, -frame, seen)) == pytest.approx(8 / 6)  # the sign counts
    seen[..., 0, 0] = False
    assert float(signed_gradient_difference(frame, target, seen)) == 0


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_training_adds_the_loss_of_steps(weight):
    model, past, future = stmfanet(gradient_difference=weight), clip(2), clip(2, 3, seed=2)
    observed = torch.ones(2, 7, 1, 8, 8, dtype=torch.bool)
    (step,) = model.optimiser_steps(ClipBatch(past, future, observed, past[:, :0]), None, torch.Generator())
    torch.testing.assert_close(step.prediction, model(past, 3))
    if weight:
        expected = weight * signed_gradient_difference(step.prediction, future, observed[:, 4:])
        torch.testing.assert_close(step.penalty, expected)
    else:
        assert step.penalty is None


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"window": 1}, "window"),
        ({"growth": 1, "layers": 1}, "growth"),
        ({"gradient_difference": -1.0}, "gradient"),
    ],
)
def test_settings_that_cannot_be(wrong, what):
    with pytest.raises(SettingsError, match=what):
        build_model("stmfanet", wrong)
