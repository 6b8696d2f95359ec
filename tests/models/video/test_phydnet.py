"""PhyDNet: count, zero weights, gate and moments by hand, predictions of the past."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.video.phydnet import PhyCell, moment_error, moments
from tests.fakes.tiny_models import tiny_settings

TINY = tiny_settings("phydnet")


def built(**settings):
    torch.manual_seed(0)
    return build_model("phydnet", {**TINY, **settings})


def with_zero_weights(module):
    for part in module.modules():
        if isinstance(part, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            for parameter in part.parameters():
                torch.nn.init.zeros_(parameter)
    return module


def test_parameters_of_the_paper():
    with torch.device("meta"):
        assert count_parameters(build_model("phydnet", {})) == 3_091_732


@torch.no_grad()
def test_zero_weights_forecast_grey():
    network = with_zero_weights(built())
    assert torch.equal(network(torch.rand(2, 3, 1, 8, 12), 2), torch.full((2, 2, 1, 8, 12), 0.5))
    seen, state = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(network.physical(seen, state), state + 0.5 * (seen - state))


@torch.no_grad()
def test_a_shut_gate_predicts_and_an_open_one_copies():
    torch.manual_seed(0)
    cell, seen, state = PhyCell(6, 3), torch.randn(2, 6, 5, 5), torch.randn(2, 6, 5, 5)
    torch.nn.init.zeros_(cell.gate.weight)
    torch.nn.init.constant_(cell.gate.bias, -100.0)
    predicted = state + cell.mixture(cell.norm(cell.derivatives(state)))
    torch.testing.assert_close(cell(seen, state), predicted)
    torch.nn.init.constant_(cell.gate.bias, 100.0)
    torch.testing.assert_close(cell(seen, state), seen)


def test_moments_of_stencils_by_hand():
    across = torch.zeros(7, 7)
    across[3, 2], across[3, 4] = -0.5, 0.5  # half the difference of both neighbours in a row
    found = moments(across)
    assert float(found[0, 1]) == pytest.approx(1.0)
    assert float(found[0, 3]) == pytest.approx(1 / 6)
    rest = found[:4, :4].clone()
    rest[0, 1] = rest[0, 3] = 0.0
    assert float(rest.abs().max()) == 0.0
    torch.testing.assert_close(moments(across.T), found.T)


def test_exact_derivatives_have_no_error_and_autocast_changes_nothing():
    place = torch.arange(3.0, dtype=torch.float64) - 1
    power = torch.stack([place**0, place, place**2 / 2])
    back = torch.linalg.inv(power)
    exact = torch.einsum("yi,xj->ijyx", back, back).reshape(9, 1, 3, 3).repeat(1, 4, 1, 1).float()
    assert float(moment_error(exact)) < 1e-10
    with torch.autocast("cpu", torch.bfloat16):
        assert float(moment_error(exact)) < 1e-10
    zero = torch.zeros(9, 4, 3, 3)
    assert float(moment_error(zero)) == pytest.approx(4 / 9)  # each of 4 channels lacks 9 ones of 81


def test_moments_are_a_penalty_over_all_frames_predicted():
    frames = torch.rand(2, 6, 1, 8, 8)
    clip = ClipBatch(frames[:, :3], frames[:, 3:], frames >= 0, frames[:, :0])
    network = built(moments=2.0)
    (step,) = network.optimiser_steps(clip, None, torch.Generator())
    assert step.prediction.shape[1] == 5  # frames 1 to 5: reading the past predicts it
    assert torch.equal(step.target, frames[:, 1:])
    torch.testing.assert_close(step.penalty, 2 * moment_error(network.physical.derivatives.weight) / 5)
    (step,) = built(moments=0.0).optimiser_steps(clip, None, torch.Generator())
    assert step.penalty is None


@torch.no_grad()
def test_thirty_steps_and_no_state_is_kept():
    network, past = built(), torch.rand(2, 3, 1, 8, 8)
    long = network(past, 30)
    assert long.shape == (2, 30, 1, 8, 8)
    torch.testing.assert_close(long[:, :10], network(past, 10))
    torch.testing.assert_close(network.rollout(past, 10)[:, 2:], long[:, :10])


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 6},
        {"groups": 0},
        {"lstm_hidden": [8, 6]},
        {"lstm_hidden": []},
        {"filter_size": 4},
        {"moments": -1.0},
    ],
)
def test_settings_that_cannot_be_are_one_line(settings):
    with pytest.raises(SettingsError, match="expected"):
        build_model("phydnet", {**TINY, **settings})
