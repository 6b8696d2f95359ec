"""Logits whose small scales fade with lead time."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build
from nowcast.models.base import ClipBatch, FrameSpec
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.choice import ModelChoice
from nowcast.models.cpu.fast import fast
from nowcast.models.exceedance.cascade import CascadeSettings, LogitCascade
from nowcast.models.exceedance.wrapper import (
    INCREMENTS,
    ExceedanceProbabilityModel,
    ExceedanceProbabilitySettings,
)
from nowcast.models.persistence import PersistenceNetwork
from tests.fakes.tiny_models import PAST, frames, size_of, tiny_settings

LEVELS = (0.2, 0.4, 0.8)
SETTINGS = CascadeSettings(scales=(1.0, 4.0), lead_times=3, hidden=8)


def logits(past=4, seed=0):
    return torch.randn(2, past, 3, 20, 24, generator=torch.Generator().manual_seed(seed))


def shaken(cascade):
    with torch.no_grad():
        for parameter in cascade.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return cascade


def test_levels_add_up_and_go_from_small_to_large():
    newest = logits()[:, -1]
    levels = LogitCascade(3, SETTINGS).split(newest)
    assert levels.shape == (2, 3, 3, 20, 24)
    torch.testing.assert_close(levels.sum(dim=2), newest)
    rough = [(level[..., 1:] - level[..., :-1]).std() for level in levels.unbind(2)]
    assert rough[0] > rough[1] > rough[2]


def test_what_is_the_same_everywhere_lives_longest():
    """A field without structure is all in the last level; lifetimes are 0.4 frames a cell of scale."""
    same = torch.full((1, 1, 3, 20, 24), 2.0)
    found = LogitCascade(3, SETTINGS)(same, 3)
    expected = 2.0 * torch.exp(-torch.tensor([1.0, 2.0, 3.0]) / (0.4 * 8.0))
    torch.testing.assert_close(found[0, :, 1, 5, 5], expected)


def test_weights_and_constants_by_hand():
    cascade = LogitCascade(1, CascadeSettings(scales=(1.0,), lead_times=2, hidden=0))
    with torch.no_grad():
        cascade.weights.copy_(torch.tensor([[[0.1, 0.1]], [[0.0, 0.05]]]))
        cascade.constants.copy_(torch.tensor([[0.2], [-0.1]]))
    past = logits()[:, :, :1]
    found = cascade(past, 2)
    torch.testing.assert_close(found[:, 0], past[:, -1] + 2.0)
    torch.testing.assert_close(found[:, 1], 0.5 * cascade.split(past[:, -1])[:, :, 1] - 1.0)


def test_the_layers_start_from_nothing_and_then_see_what_changes():
    torch.manual_seed(0)
    plain, mixed = LogitCascade(3, CascadeSettings((1.0, 4.0), 3, 0)), LogitCascade(3, SETTINGS)
    torch.testing.assert_close(plain(logits(), 3), mixed(logits(), 3))
    shaken(mixed)
    growing = logits()
    growing[:, :-1] -= 1.0
    assert not torch.allclose(mixed(logits(), 3), mixed(growing, 3))
    alone = logits()[:, -1:]
    torch.testing.assert_close(mixed(alone, 3), mixed(alone.expand(-1, 4, -1, -1, -1), 3))


def test_growth_is_against_the_mean_of_the_earlier_frames():
    """Flat frames of 1, 2 and 6: what the layers read of the change is 6 - 1.5 in the largest level, 0 else."""
    cascade, read = LogitCascade(3, SETTINGS), []
    cascade.pixel_layers[0].register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    past = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1, 1).expand(1, 3, 3, 20, 24)
    with torch.no_grad():
        cascade(past, 2)
    newest, change = 0.3 * torch.tensor([0.0, 0.0, 6.0]), 0.3 * torch.tensor([0.0, 0.0, 4.5])
    expected = torch.cat([newest.repeat(3), change.repeat(3)])
    torch.testing.assert_close(read[0][0, :, 5, 7], expected, rtol=0, atol=1e-5)


def test_a_pixel_is_reached_from_as_far_as_the_largest_scale():
    assert CascadeSettings(scales=(2.0, 32.0)).receptive_field == 96.0
    past = torch.zeros(1, 1, 3, 41, 61)
    changed = past.clone()
    changed[..., 20, 30] = 1.0
    cascade = shaken(LogitCascade(3, CascadeSettings((1.0, 4.0), 3, 0)))
    moved = (cascade(changed, 1) != cascade(past, 1))[0, 0, 0].nonzero()
    assert moved.amin(dim=0).tolist() == [8, 18]
    assert moved.amax(dim=0).tolist() == [32, 42]


def test_later_leads_share_the_last_weights():
    cascade = shaken(LogitCascade(3, SETTINGS))
    found = cascade(logits(), 5)
    assert torch.equal(found[:, 2], found[:, 3])
    assert torch.equal(found[:, 2], found[:, 4])
    assert not torch.equal(found[:, 1], found[:, 2])
    torch.testing.assert_close(cascade(logits(), 1), found[:, :1])


def test_half_precision_around_it_leaves_the_logits_whole():
    cascade = shaken(LogitCascade(3, SETTINGS))
    exact = cascade(logits(), 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = cascade(logits(), 3)
    assert found.dtype == torch.float32
    assert (found - exact).abs().max() < 0.05
    assert not torch.equal(found, exact)  # the layers compute in half precision


def tiny(name):
    torch.manual_seed(0)
    network = build_model(name, tiny_settings(name), len(LEVELS), size_of(name), INCREMENTS)
    return ExceedanceProbabilityModel(network, LEVELS, SETTINGS)


def around_persistence():
    network = PersistenceNetwork(FrameSpec(len(LEVELS), increments=INCREMENTS))
    return ExceedanceProbabilityModel(network, LEVELS, SETTINGS).eval()


def test_a_network_that_changes_nothing_leaves_what_fades():
    model, past = around_persistence(), frames("lagrangian_persistence", 2, PAST)
    shaken(model.cascade)
    with torch.no_grad():
        model.network.change.fill_(0.0)
        alone = model.cascade(torch.logit(model.soft_exceedances(past), eps=0.01), 4)
        torch.testing.assert_close(model(past, 4), torch.sigmoid(alone).cummin(2).values)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.changes])
def test_every_network_adds_to_it(name):
    model, past = tiny(name).eval(), frames(name, 2, PAST)
    shaken(model.cascade)
    with torch.no_grad():
        found = model(past, 4)
        assert found.shape == (2, 4, 3, *size_of(name))
        assert (found[:, :, 1:] <= found[:, :, :-1]).all()
        assert (found - fast(model)(past, 4)).abs().max() < 1e-4
        assert (found - fast(model, torch.bfloat16)(past, 4)).abs().max() < 0.05
        past_logits = torch.logit(model.soft_exceedances(past), eps=0.01)
        alone = torch.sigmoid(model.cascade(past_logits, 4)).cummin(2).values
        changed = (found - alone).abs().mean()
    assert changed > 1e-5 or name == "lagrangian_persistence"


@pytest.mark.parametrize("name", ["motionrnn_predrnn", "lmc_memory", "astm", "lagrangian_persistence"])
def test_all_parameters_learn_from_the_forecasts_alone(name):
    model = tiny(name).train()
    shaken(model)
    past, future = frames(name, 2, PAST), frames(name, 2, 3, seed=2)
    seen = torch.ones_like(torch.cat([past, future], dim=1), dtype=torch.bool)
    clip = ClipBatch(past, future, seen, frames(name, 2, 9, seed=3))
    reached = set()
    for step in model.optimiser_steps(clip, None, torch.Generator()):
        assert step.prediction.shape == step.target.shape == step.observed.shape == (2, 3, 3, *size_of(name))
        assert torch.equal(step.target[:, :, :1].bool(), future >= LEVELS[0])
        model.zero_grad()
        (step.prediction - step.target).square().sum().backward()
        reached |= {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert reached == set(dict(model.named_parameters()))


def test_sure_changes_keep_their_logits_in_half_precision():
    """A logit of 4.6 + 1.7 is a probability of 0.998, which bfloat16 would take for 1."""
    model = around_persistence()
    past = torch.rand(1, 3, 1, 12, 12)
    with torch.no_grad():
        model.network.change.fill_(1.7)
        assert (model(past, 8) - fast(model, torch.bfloat16)(past, 8)).abs().max() < 0.02


def test_a_warm_up_of_fewer_steps_is_trained_on_alone():
    settings = {**tiny_settings("lmc_memory"), "warmup_iterations": 5, "warmup_steps": 2}
    model = ExceedanceProbabilityModel(
        build_model("lmc_memory", settings, len(LEVELS), None, INCREMENTS), LEVELS, SETTINGS
    ).train()
    past, future = frames("lmc_memory", 2, PAST), frames("lmc_memory", 2, 4, seed=2)
    seen = torch.ones_like(torch.cat([past, future], dim=1), dtype=torch.bool)
    clip = ClipBatch(past, future, seen, frames("lmc_memory", 2, 9, seed=3))
    for step in model.optimiser_steps(clip, None, torch.Generator()):
        assert step.prediction.shape[1] == step.target.shape[1] == 2
        assert torch.equal(step.target[:, :, :1].bool(), future[:, :2] >= LEVELS[0])


def test_a_network_that_changes_nothing_leaves_the_cascade_alone():
    model = around_persistence()
    past = torch.rand(1, 3, 1, 12, 12)
    with torch.no_grad():
        expected = torch.sigmoid(model.cascade(torch.logit(model.soft_exceedances(past), eps=0.01), 3))
        torch.testing.assert_close(model(past, 3), expected.cummin(dim=2).values, atol=2e-4, rtol=0)


def test_a_steady_change_adds_up_at_every_step():
    network = PersistenceNetwork(FrameSpec(1))
    with torch.no_grad():
        network.change.fill_(0.25)
        found = network(torch.zeros(1, 2, 1, 2, 2), 3)
    assert found[0, :, 0, 0, 0].tolist() == [0.25, 0.5, 0.75]


def test_it_is_chosen_in_an_experiment():
    values = {"thresholds_dbz": [20, 30], "cascade": {"hidden": 16, "lead_times": 4}}
    settings = build(ExceedanceProbabilitySettings, values)
    model = ModelChoice("lagrangian_persistence", {}, settings).build(1, None, Scaling(5.0, 60.0))
    assert model.cascade.weights.shape == (4, 2, 7)


@pytest.mark.parametrize(
    "values", [{"scales": []}, {"scales": [4, 2]}, {"scales": [0, 2]}, {"lead_times": 0}, {"hidden": -1}]
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError, match="cascade"):
        build(CascadeSettings, values)
