"""MCNet: what its two encoders may see, its counts, and its loss, by hand."""

import pytest
import torch
from torch import nn

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.video.gradient_difference import gradient_difference
from nowcast.models.video.mcnet import unpool

TINY = {"width": 4}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return build_model("mcnet", TINY).eval()


@pytest.fixture(scope="module")
def published():
    with torch.device("meta"):
        return build_model("mcnet", {})


def test_counts_of_the_published_width(published):
    parts = {name: count_parameters(part) for name, part in published.named_children()}
    assert parts == {
        "motion_encoder": 1_812_480,
        "lstm": 4_719_616,
        "content_encoder": 1_734_336,
        "combination": 1_770_112,
        "residuals": 2_323_328,
        "decoder": 1_734_081,
    }
    assert count_parameters(published) == 14_093_953
    with torch.device("meta"):
        assert count_parameters(build_model("mcnet", {"residual": False})) == 11_770_625


def test_unpooling_fills_with_zeros():
    assert unpool(torch.ones(1, 1, 1, 1)).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]
    assert unpool(torch.rand(2, 3, 4, 6)).shape == (2, 3, 8, 12)


def test_zero_weights_give_middle_grey():
    model = build_model("mcnet", TINY, channels=3)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(model(torch.rand(1, 2, 3, 8, 8), 3), torch.full((1, 3, 3, 8, 8), 0.5))


def heard(part, run):
    """What a part of a network returns while something runs."""
    found = []
    handle = part.register_forward_hook(lambda module, given, out: found.append(out))
    with torch.no_grad():
        run()
    handle.remove()
    return found


def test_the_content_encoder_reads_the_newest_frame_alone(net):
    past = torch.rand(1, 4, 1, 8, 16)
    other = torch.cat([torch.rand(1, 3, 1, 8, 16), past[:, -1:]], dim=1)
    (content, _), *_ = heard(net.content_encoder, lambda: net(past, 1))
    (again, _), *_ = heard(net.content_encoder, lambda: net(other, 1))
    assert torch.equal(content, again)


def test_the_motion_encoder_reads_changes_alone(net):
    past = torch.randint(0, 9, (1, 4, 1, 8, 16)) / 16  # sixteenths: the shift is exact in binary
    still = past[:, -1:].expand(-1, 4, -1, -1, -1)
    states = [heard(net.lstm, lambda p=p: net(p, 1))[-1].hidden for p in (past, past + 0.25, still, still * 0)]
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[2], states[3])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize("steps", [1, 3])
def test_the_lstm_steps_once_a_change(net, steps):
    assert len(heard(net.lstm, lambda: net(torch.rand(1, 4, 1, 8, 8), steps))) == 3 + steps - 1


def test_one_forecast_is_read_for_the_next_and_thirty_steps_run(net):
    past = torch.rand(1, 3, 1, 8, 8)
    with torch.no_grad():
        long = net(past, 30)
        assert torch.equal(long[:, :2], net(past, 2))
        assert (long[:, 1:2] - net(torch.cat([past, long[:, :1]], dim=1), 1)).abs().max() < 1e-6
    assert long.isfinite().all()
    assert long.min() >= 0
    assert long.max() <= 1


def test_the_gradient_difference_by_hand():
    everything = torch.ones(1, 1, 1, 2, 2, dtype=torch.bool)
    true = torch.tensor([[0.0, 1.0], [0.5, 0.5]]).view(1, 1, 1, 2, 2)
    made = torch.tensor([[0.0, 0.4], [0.5, 0.5]]).view(1, 1, 1, 2, 2)
    assert gradient_difference(true, true, everything) == 0
    assert gradient_difference(-true, true, everything) == 0  # sizes of gradients, not their signs
    # Along columns 1, and 1 at the edge, become 0.4; along rows |0.5 - 1| becomes |0.5 - 0.4|.
    assert float(gradient_difference(made, true, everything)) == pytest.approx((0.6 + 0.6) / 4 + 0.4 / 4)
    hidden = everything.clone()
    hidden[..., 0, 1] = False
    assert gradient_difference(made, true, hidden) == 0
    assert gradient_difference(made, true, everything & False) == 0


def test_training_adds_the_gradient_difference(net):
    past, future = torch.rand(1, 3, 1, 8, 8), torch.rand(1, 2, 1, 8, 8)
    clip = ClipBatch(past, future, torch.ones(1, 5, 1, 8, 8, dtype=torch.bool), past[:, :0])
    (step,) = net.optimiser_steps(clip, None, torch.Generator())
    expected = 0.25 * gradient_difference(step.prediction, future, step.observed)
    assert float(step.penalty.detach()) == pytest.approx(float(expected.detach()))
    assert step.penalty > 0
    plain = build_model("mcnet", {**TINY, "gradient_difference": 0.0})
    (step,) = plain.optimiser_steps(clip, None, torch.Generator())
    assert step.penalty is None


def test_four_clips_are_learnt_by_heart():
    torch.manual_seed(0)
    model = build_model("mcnet", {"width": 12})
    column = (torch.arange(4)[:, None] + torch.arange(4)) % 8  # a bar that moves on by one a frame
    clips = torch.nn.functional.one_hot(column, 8).float()[:, :, None, None].expand(4, 4, 1, 8, 8)
    adam = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for _ in range(32):
        loss = (model(clips[:, :3], 1) - clips[:, 3:]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("name", ["width", "gradient_difference"])
def test_settings_out_of_range_are_refused(name):
    with pytest.raises(SettingsError, match=name):
        build_model("mcnet", {name: -1})
