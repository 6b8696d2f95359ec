"""FRNN by hand: what is tied, what is shared, and what reading and forecasting leave alone."""

import math

import pytest
import torch
import torch.nn.functional as F

from nowcast.core.errors import SettingsError
from nowcast.models.base import FrameSpec
from nowcast.models.counts import count_parameters
from nowcast.models.video.bijective_gru import BijectiveGRU, TiedConvolution, draw_orthonormal
from nowcast.models.video.frnn import Frnn, FrnnSettings, build_frnn

SMALL = FrnnSettings(convolutions=(4, 4), hidden=(6, 6, 8), filter_sizes=(3, 3, 3))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return build_frnn(SMALL, FrameSpec(1, (8, 8)))


@pytest.fixture
def past():
    return torch.rand(2, 4, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def gradients(part):
    return {name for name, p in part.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_counts_of_the_published_network():
    with torch.device("meta"):
        net = Frnn(FrnnSettings(), FrameSpec(1))
    counts = [count_parameters(part) for part in (*net.convolutions, *net.layers)]
    assert counts[:6] == [833, 51_296, 2_765_504, 4_916_096, 11_060_608, 19_662_592]
    assert counts[6:] == [15_928_064, 28_315_136, 15_927_808, 7_079_680]
    assert count_parameters(net) == 105_707_617
    assert net.multiple_of == (16, 16)


def test_zero_weights_give_grey_and_halve_what_lies_below_each_layer(net, past):
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(net(past, 2), torch.full((2, 2, 1, 8, 8), 0.5))
    layer = net.layers[0]
    below = torch.randn(1, 4, 4, 4)
    assert torch.equal(layer.down(below, torch.randn(1, 6, 4, 4)), below / 2)


@torch.no_grad()
def test_a_scalar_state_halves_its_distance():
    layer = BijectiveGRU(1, 1, 1)
    for parameter in layer.parameters():
        parameter.zero_()
    layer.up_candidate.bias.fill_(math.atanh(0.5))
    state, runs = torch.zeros(1, 1, 1, 1), []
    for _ in range(3):
        state = layer.up(torch.rand(1, 1, 1, 1), state)
        runs.append(round(float(state), 6))
    assert runs == [0.25, 0.375, 0.4375]


@torch.no_grad()
def test_which_state_each_gate_reads():
    """Both ways by the equations, with the convolutions taken apart: order of channels and what is reset."""
    torch.manual_seed(0)
    layer = BijectiveGRU(2, 3, 3)
    a, s = torch.randn(1, 2, 4, 4), torch.randn(1, 3, 4, 4)

    def by_hand(gates, candidate, own, joined, reset_joined):
        wide = own.shape[1]
        both = F.conv2d(joined, gates.weight, gates.bias, padding=1)
        reset, z = torch.sigmoid(both[:, :wide]), torch.sigmoid(both[:, wide:])
        n = torch.tanh(F.conv2d(reset_joined(reset), candidate.weight, candidate.bias, padding=1))
        return z * n + (1 - z) * own

    joined = torch.cat([a, s], 1)
    up = by_hand(layer.up_gates, layer.up_candidate, s, joined, lambda r: torch.cat([a, s * r], 1))
    down = by_hand(layer.down_gates, layer.down_candidate, a, joined, lambda r: torch.cat([a * r, s], 1))
    torch.testing.assert_close(layer.up(a, s), up)
    torch.testing.assert_close(layer.down(a, s), down)


@torch.no_grad()
def test_the_way_down_of_a_convolution_is_its_transpose():
    conv = TiedConvolution(2, 3, 5).double()
    x, y = torch.randn(1, 2, 6, 6).double(), torch.randn(1, 3, 6, 6).double()
    forth = torch.atanh(conv.up(x)) * y
    back = torch.atanh(conv.down(y)) * x
    torch.testing.assert_close(forth.sum(), back.sum())


def test_filters_start_orthonormal_up_to_their_spread():
    weight = torch.empty(4, 3, 5, 5)
    draw_orthonormal(weight)
    rows = weight.flatten(1)
    torch.testing.assert_close(rows.square().mean(dim=1), torch.full((4,), 4 / (75 + 4)))
    torch.testing.assert_close(rows @ rows.T, torch.eye(4) * 75 * 4 / 79, atol=1e-5, rtol=0)


def test_reading_learns_nothing_about_the_way_down(net, past):
    net.read(past).top.square().sum().backward()
    assert gradients(net) == {name for name, _ in net.named_parameters() if "down" not in name}


def test_forecasting_learns_of_the_way_up_only_at_the_top(net, past):
    state = net.read(past)
    state = type(state)(tuple(a.detach() for a in state.below), state.top.detach())
    for steps, top in ((1, set()), (2, {f"layers.2.up_{n}" for n in ("gates", "candidate")})):
        net.zero_grad()
        net.predict(state, steps).square().sum().backward()
        up = {name.rsplit(".", 1)[0] for name in gradients(net) if ".up_" in name}
        assert up == top
        assert not any("start" in name or "up_bias" in name for name in gradients(net))


@torch.no_grad()
def test_with_shut_gates_every_frame_is_the_stored_input_of_the_bottom_layer(net, past):
    for layer in net.layers:
        wide = layer.down_gates.out_channels // 2
        layer.down_gates.weight.zero_()
        layer.down_gates.bias[wide:] = -1e4
    stored = net.read(past).below[0]
    y = F.interpolate(stored, scale_factor=2)
    for conv in reversed(net.convolutions):
        y = torch.tanh(F.conv_transpose2d(y, conv.weight, conv.down_bias, padding=2))
    found = net(past, 3)
    for n in range(3):
        torch.testing.assert_close(found[:, n], (y + 1) / 2)


@torch.no_grad()
def test_a_longer_forecast_begins_with_a_shorter_and_a_layer_can_be_left_out(net, past):
    assert torch.equal(net(past, 30)[:, :10], net(past, 10))
    shorter = Frnn(FrnnSettings(convolutions=(4, 4), hidden=(6, 6), filter_sizes=(3, 3)), FrameSpec(1))
    left = shorter.load_state_dict(net.state_dict(), strict=False)
    assert left.missing_keys == []
    assert shorter(past, 2).shape == (2, 2, 1, 8, 8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"filter_sizes": (3, 3)}, "8, one a layer"),
        ({"hidden": (), "filter_sizes": ()}, "one size a layer"),
        ({"convolution_filter_size": 4}, "odd"),
        ({"layers_per_scale": 0}, "1 or more"),
    ],
)
def test_settings_that_cannot_be(values, words):
    with pytest.raises(SettingsError, match=words):
        FrnnSettings(**values)
