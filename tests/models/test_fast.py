"""The fast copy and the naive variant say what the network says."""

import copy

import pytest
import torch
from torch import nn

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.cpu.fast import _lay_channels_last, fast
from nowcast.models.cpu.packed import PackedConvolution
from scripts.naive_networks import naive
from tests.fakes.tiny_models import PAST, frames, tiny_model

STEPS = 3


@pytest.mark.parametrize("name", list(MODELS))
def test_the_fast_copy_forecasts_the_same(name):
    model, past = tiny_model(name).eval(), frames(name, 2, PAST)
    before = {n: w.clone() for n, w in model.state_dict().items()}
    with torch.no_grad():
        slow, quick = model(past, STEPS), fast(model)(past, STEPS)
    assert (slow - quick).abs().max() <= 1e-5
    assert all(torch.equal(w, before[n]) for n, w in model.state_dict().items())
    assert model.training is False
    assert next(model.parameters()).requires_grad


@pytest.mark.parametrize("name", list(MODELS))
def test_maps_that_lie_as_on_a_gpu_say_the_same(name, monkeypatch):
    monkeypatch.setattr("nowcast.models.cpu.packed.packs", lambda weight: False)
    model, past = tiny_model(name).eval(), frames(name, 2, PAST)
    quick = fast(model)
    _lay_channels_last(quick)
    with torch.no_grad():
        assert (model(past, STEPS) - quick(past, STEPS)).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["convlstm", "motionrnn_convlstm", "motionrnn_predrnn"])
def test_bfloat16_keeps_two_decimals_and_gives_float32(name):
    model, past = tiny_model(name).eval(), frames(name, 2, PAST)
    quick = fast(model, torch.bfloat16)(past, STEPS)
    assert quick.dtype == torch.float32
    with torch.no_grad():
        assert (model(past, STEPS) - quick).abs().max() < 0.03


@pytest.mark.parametrize("name", ["convlstm", "motionrnn_convlstm", "motionrnn_predrnn"])
def test_the_naive_variant_computes_the_same(name):
    model, past = tiny_model(name).eval(), frames(name, 2, PAST)
    with torch.no_grad():
        assert (model(past, STEPS) - naive(model)(past, STEPS)).abs().max() <= 1e-5


def test_other_batches_and_sizes_are_packed_anew_and_only_a_few_are_kept():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 5, stride=2, padding=2)
    packed = PackedConvolution(copy.deepcopy(conv))
    with torch.no_grad():
        for batch in (1, 2, 3):
            for side in (6, 8, 10):
                x = torch.rand(batch, 3, side, side + 2)
                torch.testing.assert_close(packed(x), conv(x), atol=1e-6, rtol=0)
    assert len(packed._packed) <= 4


def test_layer_norm_networks_are_packed_too():
    torch.manual_seed(0)
    settings = {"hidden": [8, 8], "filter_size": 3, "patch": 2, "layer_norm": True}
    model = build_model("motionrnn_predrnn", settings, size=(8, 12)).eval()
    past = torch.rand(2, 3, 1, 8, 12)
    with torch.no_grad():
        assert (model(past, 2) - fast(model)(past, 2)).abs().max() <= 1e-5


def test_motion_and_warm_predictions_come_through():
    model, past = tiny_model("motionrnn_predrnn").eval(), frames("motionrnn_predrnn", 1, PAST)
    quick = fast(model)
    with torch.no_grad():
        assert (model.rollout(past, 2) - quick.rollout(past, 2)).abs().max() <= 1e-5
        assert (model.motion(past, 2) - quick.motion(past, 2)).abs().max() <= 1e-4
    with pytest.raises(SettingsError, match="MotionGRU"):
        fast(tiny_model("convlstm")).motion(past, 2)


def test_a_copy_of_the_fast_copy_and_another_dtype():
    model = tiny_model("predrnn").eval()
    past = frames("predrnn", 1, PAST)
    quick = fast(model)
    first = quick(past, 2)
    assert torch.equal(copy.deepcopy(quick)(past, 2), first)
    with pytest.raises(SettingsError, match=r"torch\.float32 or torch\.bfloat16"):
        fast(model, torch.float16)
