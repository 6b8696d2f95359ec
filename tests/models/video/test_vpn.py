"""VPN: its blocks by hand, its counts, and what its likelihood may read."""

import pytest
import torch
from torch import nn

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.video.vpn.blocks import MultiplicativeBlock, MultiplicativeUnit
from nowcast.training.losses import cross_entropy

TINY = {"channels": 3, "encoder_blocks": 2, "decoder_blocks": 3, "dilations": [1, 2]}


def tiny(**more):
    torch.manual_seed(0)
    return build_model("vpn", {**TINY, **more})


def without_weights(part):
    for parameter in part.parameters():
        nn.init.zeros_(parameter)
    return part


def count(**settings):
    with torch.device("meta"):
        return count_parameters(build_model("vpn", settings))


def test_zero_weights_by_hand():
    unit = without_weights(MultiplicativeUnit(1))
    assert float(unit(torch.full((1, 1, 1, 1), 2.0)).detach()) == pytest.approx(0.38080, abs=1e-5)
    x = torch.randn(1, 4, 3, 3)
    assert torch.equal(without_weights(MultiplicativeBlock(2))(x), x)
    past = torch.rand(1, 2, 1, 64, 64)
    half = without_weights(tiny())(past, 1)
    assert torch.equal(half, torch.full_like(half, 0.5))
    nats = 4096 * cross_entropy(half, torch.rand_like(half), torch.ones_like(half, dtype=torch.bool))
    assert float(nats.detach()) == pytest.approx(2839.13, abs=0.01)


@torch.no_grad()
def test_a_unit_a_gate_at_a_time():
    unit = without_weights(MultiplicativeUnit(1))
    x = torch.full((1, 1, 1, 1), 0.5)
    unit.gates.bias.copy_(torch.tensor([100.0, 100.0, -100.0, 100.0]))  # the update is shut out
    torch.testing.assert_close(unit(x), torch.tanh(x))
    unit.gates.bias.copy_(torch.tensor([100.0, -100.0, 100.0, 100.0]))  # the update, 1, is all there is
    torch.testing.assert_close(unit(x), torch.tanh(torch.ones_like(x)))


def test_counts():
    assert count() == 29_619_073
    assert count(channels=32) == 1_856_737
    assert count_parameters(MultiplicativeUnit(128)) == 590_336
    assert count_parameters(MultiplicativeBlock(128)) == 1_246_592


def test_dilations_go_round():
    blocks = tiny(encoder_blocks=5, dilations=[1, 2, 4]).encoder.blocks
    assert [block.first_unit.gates.dilation[0] for block in blocks] == [1, 2, 4, 1, 2]


@torch.no_grad()
def test_each_forecast_is_given_the_true_frames_before_it():
    model = tiny()
    clip = torch.rand(1, 5, 1, 6, 6)
    one = model.given_truth(clip[:, :2], clip[:, 2:])
    for frames in (2, 3, 4):
        alone = model(clip[:, :frames], 1)[:, 0]
        assert (one[:, frames - 2] - alone).abs().max() < 1e-6
    other = clip.clone()
    other[:, 3:] = 1 - other[:, 3:]  # the frame forecast second, and the last one
    two = model.given_truth(other[:, :2], other[:, 2:])
    assert torch.equal(one[:, :2], two[:, :2])
    assert not torch.equal(one[:, 2], two[:, 2])


@torch.no_grad()
def test_thirty_steps_of_chances():
    out = tiny()(torch.rand(1, 2, 1, 4, 4), 30)
    assert out.shape == (1, 30, 1, 4, 4)
    assert 0 < out.min() < out.max() < 1


def steps_of(model, past, future):
    seen = torch.ones(len(past), past.shape[1] + future.shape[1], *past.shape[2:], dtype=torch.bool)
    (step,) = model.optimiser_steps(ClipBatch(past, future, seen, past[:, :0]), None, torch.Generator())
    return step


def test_training_on_truth_or_on_its_own_forecasts():
    past, future = torch.rand(2, 3, 1, 6, 6), torch.rand(2, 2, 1, 6, 6)
    model = tiny()
    forced, free = steps_of(model, past, future), steps_of(tiny(teacher_forced=False), past, future)
    assert torch.equal(free.prediction, model(past, 2))
    torch.testing.assert_close(forced.prediction[:, 0], free.prediction[:, 0])
    assert not torch.equal(forced.prediction[:, 1], free.prediction[:, 1])


@pytest.mark.parametrize("forced", [True, False])
def test_saving_memory_changes_no_gradient(forced):
    past, future = torch.rand(1, 2, 1, 6, 6), torch.rand(1, 2, 1, 6, 6)
    gradients = []
    for saving in (False, True):
        model = tiny(save_memory=saving, teacher_forced=forced)
        steps_of(model, past, future).prediction.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


@pytest.mark.parametrize("name", ["channels", "encoder_blocks", "decoder_blocks"])
def test_settings_out_of_range_are_refused(name):
    with pytest.raises(SettingsError, match=name):
        build_model("vpn", {name: 0})


def test_dilations_out_of_range_are_refused():
    with pytest.raises(SettingsError, match="dilations"):
        build_model("vpn", {"dilations": []})
