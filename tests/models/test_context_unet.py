"""A U-Net over the newest frames: near and far, any size, zero at first."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build
from nowcast.models.catalog import build_model
from nowcast.models.cpu.fast import fast
from nowcast.models.exceedance.cascade import CascadeSettings, LogitCascade
from nowcast.models.exceedance.unet import ContextUNet, ContextUNetSettings
from nowcast.models.exceedance.wrapper import INCREMENTS, ExceedanceProbabilityModel
from tests.fakes.tiny_models import PAST, frames, size_of, tiny_settings

SMALL = ContextUNetSettings(widths=(6, 8, 10), patch=2, frames=3)
LEVELS = (0.2, 0.4, 0.8)


def made(settings=SMALL, channels=4):
    torch.manual_seed(0)
    network = ContextUNet(settings, channels)
    with torch.no_grad():
        network.head.weight.normal_()
        network.head.bias.normal_()
    return network.eval()


def past(rows=32, columns=40, count=3, batch=2):
    return torch.randn(batch, count, rows, columns, generator=torch.Generator().manual_seed(1))


def test_its_output_starts_at_zero_and_it_learns_all_its_weights():
    network = ContextUNet(SMALL, 4)
    assert not network(past()).any()
    network = made().train()
    network(past()).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("size", [(32, 40), (29, 33), (3, 2), (1, 70)])
def test_any_size(size):
    found = made()(past(*size))
    assert found.shape == (2, 4, *size)
    assert found.isfinite().all()


def test_a_sample_alone_equals_itself_in_a_batch():
    torch.testing.assert_close(made()(past())[1:], made()(past()[1:]), atol=1e-5, rtol=0)


def test_only_the_newest_frames_are_read_and_the_oldest_counts_again_where_some_lack():
    network, clip = made(), past(count=5)
    torch.testing.assert_close(network(clip), network(clip[:, -3:]))
    two = clip[:, -2:]
    torch.testing.assert_close(network(two), network(torch.cat([two[:, :1], two], dim=1)))
    assert not torch.allclose(network(clip), network(clip.flip(1)))


def test_nothing_beyond_its_receptive_field_changes_a_pixel_and_much_within_it_does():
    """Also: no output depends on how much of the frame is dry, as that of a norm over the map would."""
    network, wide = made(), torch.zeros(1, 3, 16, 400)
    wide[..., :8] = past(16, 8, batch=1)
    changed = wide.clone()
    changed[..., 300:] = 2.0
    difference = (network(wide) - network(changed)).abs().amax(dim=(0, 1, 2))
    assert SMALL.receptive_field == 3 * 2 * 7
    assert difference[: 300 - int(SMALL.receptive_field)].max() < 1e-5
    assert difference[290:].min() > 1e-5


def test_half_precision_is_near():
    with torch.autocast("cpu", torch.bfloat16):
        found = made()(past()).float()
    exact = made()(past())
    assert (found - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_it_adds_to_the_layers_of_a_cascade():
    torch.manual_seed(0)
    settings = CascadeSettings((1.0, 4.0), lead_times=3, hidden=8, context_unet=SMALL)
    cascade, odds = LogitCascade(3, settings), torch.randn(1, 4, 3, 24, 24)
    for parameter in cascade.pixel_layers.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    before = cascade(odds, 3)
    torch.nn.init.normal_(cascade.context_unet.head.weight)
    assert not torch.allclose(cascade(odds, 3), before)
    assert settings.receptive_field == max(12.0, SMALL.receptive_field)


@pytest.mark.parametrize("name", ["motionrnn_predrnn", "lmc_memory", "astm", "lagrangian_persistence"])
def test_it_stands_beside_every_system(name):
    torch.manual_seed(0)
    settings = CascadeSettings((1.0, 4.0), lead_times=3, hidden=8, context_unet=SMALL)
    network = build_model(name, tiny_settings(name), len(LEVELS), size_of(name), INCREMENTS)
    model, clip = ExceedanceProbabilityModel(network, LEVELS, settings).eval(), frames(name, 2, PAST)
    with torch.no_grad():
        for parameter in model.cascade.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        found = model(clip, 4)
        assert found.shape == (2, 4, 3, *size_of(name))
        assert (found - fast(model)(clip, 4)).abs().max() < 1e-4


@pytest.mark.parametrize("values", [{"widths": []}, {"widths": [4, 0]}, {"patch": 0}, {"frames": 0}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError, match="context_unet"):
        build(ContextUNetSettings, values)


def test_without_layers_to_add_to_it_is_refused():
    with pytest.raises(SettingsError, match=r"cascade\.hidden: got 0"):
        build(CascadeSettings, {"hidden": 0, "context_unet": {}})
