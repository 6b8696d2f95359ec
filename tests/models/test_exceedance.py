"""Exceedance probabilities as a head of every network."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build
from nowcast.models.base import ClipBatch, ScheduledTargets, SequenceModel
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.choice import ModelChoice
from nowcast.models.cpu.fast import fast
from nowcast.models.exceedance.wrapper import (
    INCREMENTS,
    ExceedanceProbabilityModel,
    ExceedanceProbabilitySettings,
)
from nowcast.models.unroll import unroll
from tests.fakes.tiny_models import PAST, frames, size_of, tiny_settings

LEVELS = (0.2, 0.4, 0.8)


class Silent(SequenceModel):
    """Changes nothing: the output is what the head makes of the frames."""

    def forward(self, past, steps, targets=None, observed=None):
        self.given, self.targets = past, targets
        return unroll(self, past, steps, targets, increments=INCREMENTS)

    def encode(self, maps):
        return maps

    def start(self, first, past):
        return ()

    def step(self, x, state, emit):
        return torch.zeros_like(x), state


def tiny(name, levels=LEVELS):
    torch.manual_seed(0)
    network = build_model(name, tiny_settings(name), len(levels), size_of(name), INCREMENTS)
    return ExceedanceProbabilityModel(network, levels)


def test_soft_exceedances_by_hand():
    """0.3 has climbed the first step and half of the second."""
    values = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.6, 0.8, 1.0]).reshape(1, 1, 1, 1, 7)
    soft = ExceedanceProbabilityModel(Silent(), LEVELS).soft_exceedances(values)[0, 0, :, 0].T
    expected = [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 0.5], [1, 1, 1], [1, 1, 1]]
    torch.testing.assert_close(soft, torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1e-6)


@given(value=st.floats(0, 1, width=32))
def test_an_event_is_a_full_share_and_a_frame_comes_back_at_its_level(value):
    model = ExceedanceProbabilityModel(Silent(), LEVELS)
    frame = torch.full((1, 1, 1, 1, 1), value)
    whole = torch.ones_like(frame, dtype=torch.bool)
    events = model.compared(model.soft_exceedances(frame), frame, whole).target
    tolerance = 1e-4
    for k, level in enumerate(LEVELS):
        if abs(value - level) > tolerance:
            assert bool(events[0, 0, k]) == (value >= level)
    back = model.frames(events).item()
    assert back == pytest.approx(max([0.0, *(v for v, e in zip(LEVELS, events.flatten(), strict=True) if e)]))


def test_a_network_that_changes_nothing_forecasts_the_newest_frame():
    past = torch.tensor([0.0, 0.3, 0.9]).reshape(1, 1, 1, 1, 3).repeat(1, 2, 1, 1, 1)
    found = ExceedanceProbabilityModel(Silent(), LEVELS)(past, 4)
    assert found.shape == (1, 4, 3, 1, 3)
    expected = torch.tensor([[0.01, 0.01, 0.01], [0.99, 0.5, 0.01], [0.99, 0.99, 0.99]]).T
    torch.testing.assert_close(found[0, 3, :, 0], expected, rtol=0, atol=1e-5)


def test_increments_add_to_bounded_logits():
    """A certain frame is read as 0.99, given or forecast, before the next output is added."""
    start = INCREMENTS.value(torch.tensor([0.5, 1.0]))
    after = INCREMENTS.add(start, torch.tensor([math.log(3.0), 5.0]))
    assert INCREMENTS.frame(after).tolist() == pytest.approx([0.75, 1 / (1 + math.exp(-5) / 99)])
    back = INCREMENTS.add(after, torch.tensor([0.0, -math.log(99.0)]))
    assert INCREMENTS.frame(back).tolist() == pytest.approx([0.75, 0.5])


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.changes])
def test_every_network_gives_probabilities_that_fall_with_the_level(name):
    model = tiny(name).eval()
    past = frames(name, 2, PAST)
    with torch.no_grad():
        found = model(past, 3)
        quick = fast(model)(past, 3)
    assert found.shape == (2, 3, 3, *size_of(name))
    assert (found[:, :, 1:] <= found[:, :, :-1]).all()
    assert 0 < found.min() < found.max() < 1
    assert (found - quick).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["motionrnn_predrnn", "lmc_memory", "astm"])
def test_optimiser_steps_hold_events_as_the_target(name):
    model = tiny(name).train()
    past, future = frames(name, 2, PAST), frames(name, 2, 3, seed=2)
    seen = torch.ones_like(torch.cat([past, future], dim=1), dtype=torch.bool)
    clip = ClipBatch(past, future, seen, frames(name, 2, 9, seed=3))
    targets = ScheduledTargets(future, torch.ones(2, 2).bool())
    for step in model.optimiser_steps(clip, targets, torch.Generator()):
        for k, level in enumerate(LEVELS):
            assert torch.equal(step.target[:, -3:, k : k + 1].bool(), future >= level)
        assert step.prediction.shape == step.target.shape == step.observed.shape


def test_the_motion_of_a_motionrnn_inside_is_found():
    model = tiny("motionrnn_predrnn").eval()
    with torch.no_grad():
        found = model.motion(frames("motionrnn_predrnn", 2, PAST), 3)
    assert found.shape[:2] == (2, 3)
    assert found.isfinite().all()


def test_scaled_thresholds_by_hand():
    settings = ExceedanceProbabilitySettings((20.0, 40.0))
    assert settings.scaled_thresholds(Scaling(0.0, 80.0)) == (0.25, 0.5)
    with pytest.raises(SettingsError, match="up to 35"):
        settings.scaled_thresholds(Scaling(0.0, 35.0))


@pytest.mark.parametrize(
    "values",
    [
        {"thresholds_dbz": [30, 20]},
        {"thresholds_dbz": [30]},
        {"weights": [1.0]},
        {"thresholds_dbz": [20, 30], "weights": [1, 0]},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError, match="exceedance_probability"):
        build(ExceedanceProbabilitySettings, values)


def test_frames_without_decibels_have_no_thresholds():
    chosen = ModelChoice("convlstm", {}, ExceedanceProbabilitySettings())
    with pytest.raises(SettingsError, match="expected radar"):
        chosen.build(channels=3)
    with pytest.raises(SettingsError, match="no dBZ scaling"):
        chosen.build(channels=1)


def test_events_that_a_source_cannot_tell_from_dry_are_not_learnt():
    """The second clip knows 0.4 and up: its event of 0.2 counts nowhere, in training and in validation."""
    model = ExceedanceProbabilityModel(Silent(), LEVELS)
    past, future = torch.rand(2, 2, 1, 4, 4), torch.rand(2, 3, 1, 4, 4)
    clip = ClipBatch(
        past, future, torch.ones(2, 5, 1, 4, 4, dtype=torch.bool), past[:, :0], torch.tensor([0, 0.4])
    )
    (step,) = model.optimiser_steps(clip, None, torch.Generator())
    checked = model.compared(model.soft_exceedances(future), future, clip.observed[:, 2:], clip.faintest)
    for observed in (step.observed[:, -3:], checked.observed):
        assert observed[0].all()
        assert not observed[1, :, 0].any()
        assert observed[1, :, 1:].all()
    assert model.compared(model.soft_exceedances(future), future, clip.observed[:, 2:]).observed.all()
