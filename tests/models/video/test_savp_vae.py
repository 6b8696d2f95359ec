"""SAVP-VAE by hand: kernels, masks, latent vectors, and what a seed does behind every wrapper."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch, FrameSpec
from nowcast.models.counts import count, count_parameters
from nowcast.models.cpu.fast import fast
from nowcast.models.lagrangian.wrapper import LagrangianModel
from nowcast.models.padding import AnySize
from nowcast.models.tiling import Tiled
from nowcast.models.video.basic_lstm import BasicLSTMState
from nowcast.models.video.savp.kernels import convex, mirrored, moved
from nowcast.models.video.savp.latent import Gaussian, LatentLSTM, noise_of
from nowcast.models.video.savp.layers import NormedConvLSTM, doubled
from nowcast.models.video.savp.network import SavpVae, SavpVaeSettings, build_savp_vae

SIZE = (8, 12)
TINY = SavpVaeSettings(width=4, latent=3, kernels=4, posterior_width=4)


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = build_savp_vae(TINY, FrameSpec(1, SIZE))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


@pytest.fixture
def past():
    return torch.rand(2, 4, 1, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("side", "generator", "posterior"), [(64, 7_542_597, 675_072), (128, 39_780_965, 675_072)]
)
def test_counts_of_the_published_networks(side, generator, posterior):
    with torch.device("meta"):
        net = SavpVae(SavpVaeSettings(), FrameSpec(1, (side, side)))
    assert count_parameters(net.generator) + count_parameters(net.latent_lstm) == generator
    assert count_parameters(net.posterior) == posterior
    assert count_parameters(net.latent_lstm) == 8320


def test_work_is_counted_without_computing_and_weights_start_small(net):
    settings = {"width": 4, "latent": 3, "posterior_width": 4}
    assert count("savp_vae", settings, 4, 2, SIZE).multiply_accumulates > 0
    fresh = build_savp_vae(TINY, FrameSpec(1, SIZE)).generator.kernel_head.weight
    assert 0.016 < float(fresh.detach().std()) < 0.019
    assert float(fresh.detach().abs().max()) <= 0.04


@torch.no_grad()
def test_zero_weights_mix_all_images_evenly(net, past):
    for name, parameter in net.named_parameters():
        parameter.fill_(float("norm" in name and name.endswith("weight")))
    first, newest = past[:, 0], past[:, -1]
    expected = (5 * newest + first + 0.5) / 7
    torch.testing.assert_close(net(past, 1)[:, 0], expected)
    torch.testing.assert_close(net(past, 2)[:, 1], (5 * expected + first + 0.5) / 7)
    known = net.posterior(past)
    assert float(known.mean.abs().max()) == float(known.divergence()) == 0.0


def test_divergence_by_hand():
    zero, one = torch.zeros(2, 3, 8), torch.ones(2, 3, 8)
    assert float(Gaussian(zero, zero).divergence()) == 0.0
    assert float(Gaussian(one, zero).divergence()) == pytest.approx(8 / 2)
    assert torch.equal(Gaussian(one, zero).sample(2 * one), 3 * one)


def test_kernels_are_convex_and_start_as_the_identity():
    frames = torch.rand(2, 3, 6, 7)
    kernels = convex(torch.randn(2, 4, 5, 5))
    assert float(kernels.min()) >= 0
    torch.testing.assert_close(kernels.sum(dim=(-2, -1)), torch.ones(2, 4))
    still = moved(frames, convex(torch.zeros(2, 4, 5, 5)))
    torch.testing.assert_close(still, frames[:, None].expand(-1, 4, -1, -1, -1))


def test_a_kernel_reads_its_neighbour_and_the_border_is_a_mirror():
    frames = torch.arange(12.0).view(1, 1, 3, 4).repeat(2, 1, 1, 1)
    raw = torch.full((2, 1, 5, 5), -2.0)
    raw[0, 0, 2, 3], raw[1, 0, 1, 2] = 1.0, 1.0  # the pixel to the right; the one above
    found = moved(frames, convex(raw))[:, 0, 0]
    torch.testing.assert_close(found[0, 0], torch.tensor([1.0, 2.0, 3.0, 3.0]))
    torch.testing.assert_close(found[1, :, 0], torch.tensor([0.0, 0.0, 4.0]))
    assert mirrored(frames, 2)[0, 0, 2].tolist() == [1, 0, 0, 1, 2, 3, 3, 2]


def test_doubling_lies_between_pixel_centres_with_zeros_around():
    found = doubled(torch.tensor([[[[4.0, 8.0]]]]))[0, 0]
    middle = torch.tensor([3.0, 5.0, 7.0, 6.0])
    torch.testing.assert_close(found, torch.stack([0.75 * middle, 0.75 * middle]))


@torch.no_grad()
def test_the_normed_cell_by_hand():
    layer = NormedConvLSTM(1, 1, 1)
    x, state = torch.randn(1, 1, 3, 3), BasicLSTMState(torch.randn(1, 1, 3, 3), torch.randn(1, 1, 3, 3))

    def normed(m):
        return (m - m.mean()) / (m.var(correction=0) + 1e-6).sqrt()

    w = layer.gates.weight[:, :, 0, 0]
    i, g, f, o = (normed(w[n, 0] * x + w[n, 1] * state.hidden) for n in range(4))
    cell = normed(state.cell * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(g))
    out = layer(x, state)
    torch.testing.assert_close(out.cell, cell)
    torch.testing.assert_close(out.hidden, torch.tanh(cell) * torch.sigmoid(o))


@torch.no_grad()
def test_latent_vectors_are_carried_over_time():
    torch.manual_seed(0)
    lstm, vectors = LatentLSTM(3), torch.randn(2, 5, 3)
    changed = vectors.clone()
    changed[:, 1] += 1
    one, two = lstm(vectors), lstm(changed)
    assert torch.equal(one[:, 0], two[:, 0])
    assert float((one[:, 4] - two[:, 4]).abs().min()) > 0


@torch.no_grad()
def test_frames_are_mixtures_and_a_longer_forecast_begins_with_a_shorter(net, past):
    found = net(past, 12)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    torch.testing.assert_close(found[:, :4], net(past, 4))
    assert torch.equal(noise_of(3, 5, 2, past), noise_of(3, 9, 2, past)[:5])


def test_training_reads_the_future_and_forecasts_do_not(net, past):
    future = torch.rand(2, 3, 1, *SIZE)
    seen = torch.ones(2, 7, 1, *SIZE, dtype=torch.bool)

    def step(future, seed=0):
        clip = ClipBatch(past, future, seen, past[:, :0])
        (found,) = net.eval().optimiser_steps(clip, None, torch.Generator().manual_seed(seed))
        return found

    one, again, other = step(future), step(future), step(1 - future)
    assert one.prediction.shape == one.target.shape == (2, 6, 1, *SIZE)
    assert torch.equal(one.target[:, -3:], future)
    assert torch.equal(one.prediction, again.prediction)
    assert torch.equal(one.prediction[:, :3], other.prediction[:, :3])
    assert not torch.equal(one.prediction[:, 3], other.prediction[:, 3])
    assert not torch.equal(one.prediction, step(future, seed=1).prediction)


def test_the_weight_of_the_divergence_rises_with_the_batches(past):
    settings = SavpVaeSettings(
        width=4, latent=3, posterior_width=4, divergence_weight=2.0, divergence_from=1, divergence_full=3
    )
    net = build_savp_vae(settings, FrameSpec(1, SIZE)).train()
    clip = ClipBatch(past, past[:, :1], torch.ones(2, 5, 1, *SIZE, dtype=torch.bool), past[:, :0])
    weights, penalties = [], []
    for _ in range(5):
        weights.append(float(net.divergence_weight()))
        penalties += [
            float(step.penalty.detach()) for step in net.optimiser_steps(clip, None, torch.Generator())
        ]
    assert weights == [0.0, 0.0, 1.0, 2.0, 2.0]
    assert penalties[1] == 0.0
    assert penalties[3] == pytest.approx(2 * penalties[2])
    again = build_savp_vae(settings, FrameSpec(1, SIZE))
    again.load_state_dict(net.state_dict())
    assert float(again.divergence_weight()) == 2.0  # a resumed training goes on where it was
    at_once = SavpVaeSettings(divergence_from=0, divergence_full=0, width=4, posterior_width=4)
    assert float(build_savp_vae(at_once, FrameSpec(1, SIZE)).divergence_weight()) == pytest.approx(1e-5)


@torch.no_grad()
@pytest.mark.parametrize("wrap", [AnySize, LagrangianModel, fast, lambda net: Tiled(net, lambda h, w: SIZE, 2)])
def test_every_wrapper_hands_the_seed_on(net, past, wrap):
    wrapped = wrap(net)
    assert wrapped.stochastic
    one, again, other = (wrapped.draw(past, 2, seed) for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.testing.assert_close(wrapped.draw(past, 2, TINY.seed), wrapped(past, 2))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scales": 6}, "2, 3, 4 or 5"),
        ({"latent": 0}, "1 or more"),
        ({"divergence_weight": -1.0}, "0 or more"),
        ({"divergence_from": 9, "divergence_full": 3}, "the second at least the first"),
    ],
)
def test_settings_that_cannot_be(values, words):
    with pytest.raises(SettingsError, match=words):
        SavpVaeSettings(**values)


def test_sizes_that_cannot_be(net, past):
    with pytest.raises(SettingsError, match="give the size"):
        build_savp_vae(TINY, FrameSpec(1))
    with pytest.raises(SettingsError, match="8 or more a side"):
        build_savp_vae(TINY, FrameSpec(1, (4, 8)))
    with pytest.raises(SettingsError, match="8 x 12, to which"):
        net(past[..., :8], 1)
