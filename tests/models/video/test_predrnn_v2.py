"""PredRNN-V2 by hand: forecasts of a PredRNN, and a loss on what both memories take in."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch, ScheduledTargets
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.counts import count_parameters
from nowcast.models.size_limit import build_without_memory
from tests.fakes.tiny_models import PAST, frames, tiny_model, tiny_settings

STEPS = 3


def clip_of(past, future):
    return ClipBatch(past, future, torch.ones_like(torch.cat([past, future], 1)) > 0, past[:, :0])


def step_of(model, clip, targets=None):
    (step,) = model.optimiser_steps(clip, targets, torch.Generator())
    return step


@pytest.fixture(scope="module")
def clip():
    return clip_of(frames("predrnn_v2", 2, PAST), frames("predrnn_v2", 2, STEPS, seed=2))


def test_parameters_are_those_of_predrnn_and_one_projection():
    """By hand: gate convolutions of four layers, the top's 1 x 1, and 128 x 128."""
    model = build_without_memory(lambda: build_model("predrnn_v2", {}))
    bottom, above = 7 * 16 + 9 * 128, 16 * 128
    by_hand = 25 * 128 * (bottom + 3 * above) + 4 * 2 * 128**2 + 128 * 16
    assert count_parameters(model) == by_hand + 128**2 == 23_855_104
    plain = build_without_memory(lambda: build_model("predrnn_v2", {"decoupling": 0.0}))
    assert count_parameters(plain) == by_hand


def test_it_forecasts_as_predrnn_does(clip):
    model = tiny_model("predrnn_v2")
    plain = build_model("predrnn", tiny_settings("predrnn"))
    weights = {name: w for name, w in model.state_dict().items() if not name.startswith("adapter.")}
    plain.load_state_dict(weights)
    step = step_of(model, clip)
    with torch.no_grad():
        assert torch.equal(model(clip.past, STEPS), plain(clip.past, STEPS))
        torch.testing.assert_close(step.prediction, plain.rollout(clip.past, STEPS))
    alone = model.forecast_only()
    assert set(dict(alone.named_parameters())) == set(weights)
    assert alone.left_out == ("adapter.",)
    assert step_of(alone, clip).penalty is None


def test_the_loss_is_the_cosine_of_what_both_memories_take_in(clip):
    model = tiny_model("predrnn_v2")
    taken = []
    with torch.enable_grad():
        model.run(clip.past, STEPS, warm=True, watch=lambda t, state: taken.extend(state.cells))
    assert len(taken) == (PAST + STEPS - 1) * 3
    by_hand = []
    for cell in taken:
        c, m = (torch.einsum("oi,bihw->bohw", model.adapter.weight[:, :, 0, 0], x) for x in cell.taken_in)
        cosine = (c * m).sum((2, 3)) / (c.square().sum((2, 3)) * m.square().sum((2, 3))).sqrt()
        by_hand.append(cosine.abs())
    penalty = step_of(model, clip).penalty
    torch.testing.assert_close(penalty, 0.1 * torch.stack(by_hand).mean())


def test_what_is_taken_in_is_what_the_memory_gains():
    cell = tiny_model("predrnn_v2").cells[0]
    x = torch.rand(2, cell.in_channels, 4, 6)
    first = cell(x, cell.initial_state(x), Relay())
    assert torch.equal(first.state.cell, first.state.taken_in[0])
    assert torch.equal(first.relay.memory, first.state.taken_in[1])
    with torch.no_grad():
        assert cell(x, cell.initial_state(x), Relay()).state.taken_in is None


def test_memories_that_take_in_the_same_cost_the_whole_weight(clip):
    model = tiny_model("predrnn_v2")
    wide = model.cells[0].hidden_channels
    with torch.no_grad():
        for cell in model.cells:
            cell.conv_h.weight.zero_()
            cell.conv_m.weight.zero_()
            cell.conv_x.weight[3 * wide : 6 * wide] = cell.conv_x.weight[: 3 * wide]
    assert float(step_of(model, clip).penalty.detach()) == pytest.approx(0.1, abs=1e-5)


def test_dry_frames_have_a_loss_and_gradients():
    model = tiny_model("predrnn_v2").train()
    dry = clip_of(torch.zeros(1, PAST, 1, 8, 8), torch.zeros(1, 2, 1, 8, 8))
    step = step_of(model, dry)
    (step.prediction.square().sum() + step.penalty).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_past_may_be_read_as_it_was_predicted(clip):
    model, future = tiny_model("predrnn_v2"), clip.future
    never = torch.zeros(2, STEPS - 1).bool()
    own = ScheduledTargets(future, never, torch.zeros(2, PAST - 1).bool())
    changed = clip._replace(past=torch.cat([clip.past[:, :1], 1 - clip.past[:, 1:]], dim=1))
    with torch.no_grad():
        blind, same = (step_of(model, c, own).prediction for c in (clip, changed))
        assert torch.equal(blind, same)
        assert not torch.equal(blind, step_of(model, clip).prediction)


def test_a_negative_weight_is_refused():
    with pytest.raises(SettingsError, match="decoupling"):
        build_model("predrnn_v2", {"decoupling": -1.0})
