"""Five questions to every network of the catalog, and what `SequenceModel` promises besides."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.base import ClipBatch, ScheduledTargets
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from nowcast.models.padding import AnySize
from tests.fakes.tiny_models import PAST, frames, size_of, tiny_model, tiny_settings

every_model = pytest.mark.parametrize("name", list(MODELS))
STEPS = 3


def forecast(model, past, steps=STEPS, targets=None):
    with torch.no_grad():
        return model(past, steps, targets)


@every_model
def test_the_same_input_twice_gives_the_same_output(name):
    model, past = tiny_model(name), frames(name, 2, PAST)
    first = forecast(model, past)
    assert first.std() > 0
    forecast(model, frames(name, 3, PAST, seed=5))
    assert torch.equal(forecast(model, past), first)


@every_model
@pytest.mark.parametrize("batch", [1, 3])
def test_any_batch_size_and_number_of_channels(name, batch):
    channels = 2
    past = frames(name, batch, PAST, channels)
    out = forecast(tiny_model(name, channels), past)
    assert out.shape == (batch, STEPS, channels, *size_of(name))
    assert out.isfinite().all()


@every_model
def test_a_sample_alone_equals_itself_in_a_batch(name):
    model, past = tiny_model(name), frames(name, 3, PAST)
    together = forecast(model, past)
    for sample in range(3):
        alone = forecast(model, past[sample : sample + 1])
        assert (alone - together[sample : sample + 1]).abs().max() <= 1e-6


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = tiny_model(name).train()
    past, future = frames(name, 2, PAST), frames(name, 2, STEPS, seed=2)
    context = frames(name, 2, PAST + STEPS + 4, seed=4)
    seen = torch.ones_like(torch.cat([past, future], dim=1), dtype=torch.bool)
    reached = dict.fromkeys(dict(model.named_parameters()), False)
    clip = ClipBatch(past, future, seen, context)
    for step in model.optimiser_steps(clip, None, torch.Generator().manual_seed(0)):
        model.zero_grad()
        assert step.prediction.shape == step.target.shape == step.observed.shape
        error = (step.prediction - step.target).square().sum()
        (error if step.penalty is None else error + step.penalty).backward()
        for parameter, p in model.named_parameters():
            reached[parameter] |= p.grad is not None and bool(p.grad.abs().max() > 0)
    assert [p for p, found in reached.items() if not found] == []


@every_model
def test_later_frames_do_not_change_earlier_outputs(name):
    model, past = tiny_model(name), frames(name, 2, PAST)
    changed = past.clone()
    changed[:, -1] = 1 - changed[:, -1]
    with torch.no_grad():
        before, after = model.rollout(past, STEPS), model.rollout(changed, STEPS)
    early = before.shape[1] - STEPS
    assert torch.equal(before[:, :early], after[:, :early])
    assert not torch.equal(before[:, early], after[:, early])
    if not model.feeds_back:
        return
    truth = frames(name, 2, STEPS, seed=3)
    other = truth.clone()
    other[:, 1:] = 1 - other[:, 1:]
    use = torch.ones(2, STEPS - 1, dtype=torch.bool)
    one, two = (forecast(model, past, targets=ScheduledTargets(t, use)) for t in (truth, other))
    assert torch.equal(one[:, :2], two[:, :2])
    assert not torch.equal(one[:, 2], two[:, 2])


@every_model
def test_all_observed_is_the_same_as_no_mask(name):
    model, past = tiny_model(name), frames(name, 2, PAST)
    whole = torch.ones_like(past, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(model(past, STEPS, observed=whole), forecast(model, past))
        wrapped = LagrangianModel(model)
        assert torch.equal(wrapped(past, STEPS, observed=whole), forecast(wrapped, past))


@every_model
def test_rollout_ends_with_the_forecast(name):
    model, past = tiny_model(name), frames(name, 2, PAST)
    with torch.no_grad():
        torch.testing.assert_close(model.rollout(past, STEPS)[:, -STEPS:], forecast(model, past))


@every_model
def test_targets_count_only_where_they_are_used(name):
    model, past, truth = tiny_model(name), frames(name, 2, PAST), frames(name, 2, STEPS, seed=3)
    free = forecast(model, past)
    unused = torch.zeros(2, STEPS - 1, dtype=torch.bool)
    assert (forecast(model, past, targets=ScheduledTargets(truth, unused)) - free).abs().max() <= 1e-6
    as_observed = ScheduledTargets(truth, unused, torch.ones(2, PAST - 1, dtype=torch.bool))
    assert (forecast(model, past, targets=as_observed) - free).abs().max() <= 1e-6
    half = unused.clone()
    half[1] = True
    if not model.feeds_back:
        assert torch.equal(forecast(model, past, targets=ScheduledTargets(truth, half)), free)
        return
    guided = forecast(model, past, targets=ScheduledTargets(truth, half))
    assert (guided[0] - free[0]).abs().max() <= 1e-6
    assert (guided[1, 0] - free[1, 0]).abs().max() <= 1e-6
    assert not torch.equal(guided[1, 1], free[1, 1])


@every_model
def test_a_seed_is_a_future(name):
    model, past = tiny_model(name), frames(name, 3, PAST)
    with torch.no_grad():
        one, again, other = (model.draw(past, STEPS, seed) for seed in (3, 3, 4))
        alone = model.draw(past[1:2], STEPS, 3)
    assert torch.equal(one, again)
    assert (one[1:2] - alone).abs().max() <= 1e-6
    assert torch.equal(one, other) is not model.stochastic


@every_model
def test_the_exceedance_head_takes_it_or_says_why_not(name):
    choice = ModelChoice(
        name,
        tiny_settings(name),
        exceedance_probability=ExceedanceProbabilitySettings(thresholds_dbz=(20.0, 30.0, 40.0)),
        lagrangian=LagrangianSettings(),
    )
    if not MODELS[name].changes:
        with pytest.raises(SettingsError, match="moves the pixels"):
            choice.build(1, size_of(name), Scaling())
        return
    torch.manual_seed(0)
    model, past = choice.build(1, size_of(name), Scaling()), frames(name, 2, PAST)
    found = forecast(model, past)
    assert found.shape == (2, STEPS, 3, *size_of(name))
    assert float(found.min()) >= 0.0
    assert float(found.max()) <= 1.0
    clip = ClipBatch(
        past, frames(name, 2, STEPS, seed=2), torch.ones(2, PAST + STEPS, 1, *size_of(name)) > 0, past[:, :0]
    )
    (step, *_) = model.optimiser_steps(clip, None, torch.Generator().manual_seed(0))
    assert step.prediction.shape == step.target.shape == step.observed.shape


@every_model
def test_a_size_that_does_not_fit_is_refused_and_any_size_is_padded(name):
    model = tiny_model(name)
    rows, columns = size_of(name)
    odd = torch.rand(1, PAST, 1, rows - 1, columns - 3)
    if model.multiple_of != (1, 1):
        with pytest.raises(SettingsError, match="would do"):
            model(odd, STEPS)
    assert forecast(AnySize(model), odd).shape == (1, STEPS, 1, rows - 1, columns - 3)


@every_model
def test_another_number_of_channels_is_refused(name):
    with pytest.raises(SettingsError, match="channel"):
        tiny_model(name)(frames(name, 1, PAST, channels=2), STEPS)


@every_model
def test_unknown_settings_are_refused(name):
    with pytest.raises(SettingsError, match="no_such_setting"):
        build_model(name, {**tiny_settings(name), "no_such_setting": 1}, 1, size_of(name))


@every_model
def test_weights_come_back_from_their_state(name, tmp_path):
    model, other = tiny_model(name, seed=0), tiny_model(name, seed=1)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    other.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    past = frames(name, 1, PAST)
    assert torch.equal(forecast(model, past), forecast(other, past))
