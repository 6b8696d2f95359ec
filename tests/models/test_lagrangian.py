"""Networks in Lagrangian coordinates, the frame of reference of the moving rain."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build
from nowcast.models.base import ClipBatch, ScheduledTargets, SequenceModel
from nowcast.models.cpu.fast import fast
from nowcast.models.lagrangian import semilagrangian
from nowcast.models.lagrangian.semilagrangian import trajectories
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from tests.fakes.tiny_models import PAST, frames, size_of, tiny_model
from tests.models.test_optical_flow import disc

SYSTEMS = pytest.mark.parametrize("name", ["motionrnn_predrnn", "lmc_memory", "astm"])


class Recorder(SequenceModel):
    """Repeats the newest frame and remembers what it was given."""

    def forward(self, past, steps, targets=None, observed=None):
        self.given, self.targets = past, targets
        return past[:, -1:].expand(-1, steps, -1, -1, -1)


def storm(velocity, frames=15):
    """A disc (1, N, 1, H, W) in [0, 1] that is at (40, 40) in the fifth frame."""
    centre = tuple(40.0 + (frames - 5) * v for v in velocity)
    return ((disc(velocity, frames=frames, centre=centre) - 5) / 55)[None, :, None]


def test_past_frames_meet_where_the_storm_is_now():
    inner = Recorder()
    LagrangianModel(inner)(storm((2.0, 3.0))[:, :5], 1)
    newest = inner.given[:, -1]
    for t in range(4):
        assert (inner.given[:, t] - newest).abs().max() < 0.06
    assert torch.equal(newest, storm((2.0, 3.0))[:, 4])


def test_a_network_that_changes_nothing_gives_the_extrapolation():
    clip = storm((2.0, 3.0))
    found = LagrangianModel(Recorder())(clip[:, :5], 8)
    for s in range(8):
        assert (found[:, s] - clip[:, 5 + s]).abs().max() < 0.12
        assert (clip[:, 4] - clip[:, 5 + s]).abs().max() > 0.15


def test_future_frames_are_advected_back_and_what_left_is_not_observed():
    clip = storm((0.0, 6.0))
    seen = torch.ones_like(clip, dtype=torch.bool)
    advected = LagrangianModel(Recorder()).advected(ClipBatch(clip[:, :5], clip[:, 5:], seen, clip))
    assert advected.context.shape[1] == 0
    for s in range(10):
        known = advected.observed[:, 5 + s]
        assert not known[..., 30, 95 - 6 * s - 3 :].any()
        assert known[..., 30, : 90 - 6 * (s + 1)].all()
        assert ((advected.future[:, s] - clip[:, 4]).abs() * known).max() < 0.25
        assert (advected.future[:, s][~known] == 0).all()
    values = set(clip[:, 5:].unique().tolist()) | {0.0}
    assert set(advected.future.unique().tolist()) <= values


def test_pixels_not_observed_do_not_hold_the_motion_back_and_enter_as_dry():
    past = storm((0.0, 3.0))[:, :5].clone()
    observed = torch.ones_like(past, dtype=torch.bool)
    past[..., :38, :], observed[..., :38, :] = 0, False
    inner = Recorder()
    model = LagrangianModel(inner)
    assert model.motion(past, 1, observed)[0, 0, 0, 1, 42, 40] == pytest.approx(3.0, abs=0.3)
    assert model(past, 2, observed=observed).isfinite().all()
    assert (inner.given[:, -1, :, :38] == 0).all()


def test_what_one_channel_did_not_observe_stays_out_of_the_motion():
    """One of two channels ends at column 44, across the motion: its edge is no echo that stands still."""
    past = storm((0.0, 3.0))[:, :5].expand(-1, -1, 2, -1, -1).clone()
    observed = torch.ones_like(past, dtype=torch.bool)
    past[:, :, 1, :, 44:], observed[:, :, 1, :, 44:] = 0, False
    model = LagrangianModel(Recorder())
    assert model.motion(past, 1, observed)[0, 0, 0, 1, 40, 30:40].min() > 2.6
    assert model.motion(past, 1)[0, 0, 0, 1, 40, 30:40].max() < 2.4


def test_too_fast_a_motion_is_slowed_down():
    past = storm((0.0, 5.0))[:, :5]
    found = LagrangianModel(Recorder(), LagrangianSettings(fastest=2.0)).motion(past, 1)
    assert found.square().sum(dim=3).sqrt().max() == pytest.approx(2.0, abs=1e-4)


def test_scheduled_sampling_targets_are_advected_too():
    clip = storm((2.0, 3.0))
    inner = Recorder()
    LagrangianModel(inner)(clip[:, :5], 10, ScheduledTargets(clip[:, 5:], torch.ones(1, 9, dtype=torch.bool)))
    assert (inner.targets.frames[:, 2] - clip[:, 4]).abs().max() < 0.15


@SYSTEMS
def test_all_three_systems_train_and_forecast_in_it(name):
    model = LagrangianModel(tiny_model(name))
    past, future = frames(name, 2, PAST), frames(name, 2, 3, seed=2)
    seen = torch.ones_like(torch.cat([past, future], dim=1), dtype=torch.bool)
    reached = dict.fromkeys(dict(model.named_parameters()), False)
    targets = ScheduledTargets(future, torch.ones(2, 2, dtype=torch.bool))
    clip = ClipBatch(past, future, seen, past[:, :0])
    for step in model.train().optimiser_steps(clip, targets, torch.Generator()):
        model.zero_grad()
        assert step.prediction.shape == step.target.shape == step.observed.shape
        ((step.prediction - step.target) * step.observed).square().sum().backward()
        for parameter, p in model.named_parameters():
            reached[parameter] |= p.grad is not None and bool(p.grad.abs().max() > 0)
    assert [p for p, found in reached.items() if not found] == []
    model.eval()
    with torch.no_grad():
        both = model(past, 3)
        for i in range(2):
            assert (model(past[i : i + 1], 3) - both[i : i + 1]).abs().max() < 1e-5
        quick = fast(model)(past, 3)
    assert (quick - both).abs().max() < 1e-4
    assert both.shape == (2, 3, 1, *size_of(name))


@pytest.mark.parametrize("values", [{"fastest": 0.0}, {"contrast": -1.0}, {"flow": {"iterations": 0}}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError):
        build(LagrangianSettings, values)


def test_a_large_map_in_stripes_is_the_same_to_the_last_bit(monkeypatch):
    generator = torch.manual_seed(3)
    motion, maps = (torch.rand(1, n, 61, 83, generator=generator) * 9 - 3 for n in (2, 3))
    whole = [(places, semilagrangian.sample(maps, places)) for places in trajectories(motion, 3)]
    monkeypatch.setattr(semilagrangian, "_PIXELS", 5 * 83)
    for (places, read), found in zip(whole, trajectories(motion, 3), strict=True):
        assert torch.equal(found, places)
        assert torch.equal(semilagrangian.sample_in_stripes(maps, found), read)


@pytest.mark.parametrize("steps", [2, 4, 7])
def test_forecast_frames_come_from_where_past_ones_did_to_the_last_bit(steps):
    generator = torch.manual_seed(4)
    motion, forecast = (torch.rand(1, *shape, 24, 31, generator=generator) * 3 for shape in ((2,), (steps, 2)))
    model, past = LagrangianModel(Recorder()), torch.zeros(1, 5, 1, 24, 31)
    with torch.no_grad():
        anew = model.at_own_times(forecast.clone(), motion)
        known = model.at_own_times(forecast.clone(), motion, model.origins(past, motion))
    assert torch.equal(known, anew)
