"""VPN's PixelCNN decoder: what a pixel may know, and that drawing knows the same as training."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.base import ClipBatch, ScheduledTargets
from nowcast.models.catalog import build_model
from nowcast.models.choice import ModelChoice
from nowcast.models.counts import count as complexity
from nowcast.models.counts import count_parameters
from nowcast.models.cpu.fast import fast
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.video.vpn.pixel_decoder import PixelDecoder
from nowcast.models.video.vpn.settings import VPNSettings

ROWS, COLUMNS = 5, 6
first_block = pytest.mark.parametrize("first", ["added", "joined"])


def tiny(first="added", channels=1, **more):
    """A small network with random weights, large enough that every path shows."""
    torch.manual_seed(0)
    settings = {"channels": 4, "encoder_blocks": 1, "decoder_blocks": 4, "first_block": first}
    model = build_model("vpn", {"decoder": "pixelcnn", **settings, **more}, channels)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def frames(batch=2, length=3, channels=1, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch, length, channels, ROWS, COLUMNS, generator=draw)


def reads_only_what_was_before(decoder):
    """By the gradient of every fifth logit."""
    context = torch.randn(1, 8, ROWS, COLUMNS)
    frame = torch.rand(1, 1, ROWS, COLUMNS, requires_grad=True)
    logits = decoder(context, frame)[0, 0].flatten()
    for place in range(0, ROWS * COLUMNS, 5):
        (gradient,) = torch.autograd.grad(logits[place], frame, retain_graph=True)
        assert gradient.flatten()[place:].abs().max() == 0
        if place > 0:
            assert gradient.flatten()[:place].abs().max() > 0


@first_block
@pytest.mark.parametrize("blocks", [3, 4])
def test_a_pixel_knows_those_before_it_and_no_other(first, blocks):
    reads_only_what_was_before(tiny(first, decoder_blocks=blocks).decoder)


@first_block
def test_what_is_masked_stays_masked_when_it_learns(first):
    model, clip = tiny(first), frames(2, 5)
    optimizer = torch.optim.Adam(model.parameters(), 0.1, weight_decay=0.1)
    model.given_truth(clip[:, :3], clip[:, 3:]).square().sum().backward()
    optimizer.step()
    reads_only_what_was_before(model.decoder)


@first_block
@pytest.mark.parametrize("channels", [1, 2])
@torch.no_grad()
def test_drawing_meets_the_chances_of_training(first, channels):
    """Expected pixels are the chances met while drawing; the decoder at once has to find them again."""
    model, past = tiny(first, channels, pixels="expected"), frames(channels=channels)
    assert model.stochastic is False
    forecast = model(past, 3)
    assert forecast.std() > 1e-3
    assert (model.given_truth(past, forecast) - forecast).abs().max() < 1e-6


@first_block
@torch.no_grad()
def test_ink_is_drawn_by_its_chance(first):
    model, past = tiny(first), frames(1)
    drawn = model.draw(past, 2, seed=3)
    noise = torch.Generator().manual_seed(3)
    chances = model.given_truth(past, drawn)
    for step in range(2):
        expected = torch.rand(1, ROWS, COLUMNS, generator=noise) < chances[0, step]
        assert torch.equal(drawn[0, step], expected.float())


@first_block
@torch.no_grad()
def test_a_seed_is_a_future(first):
    model, past = tiny(first), frames(3)
    drawn, again, other = (model.draw(past, 2, seed) for seed in (0, 0, 1))
    assert torch.equal(drawn, again)
    assert torch.equal(drawn, model(past, 2))
    assert not torch.equal(drawn, other)
    assert torch.equal(drawn[1:2], model.draw(past[1:2], 2, 0))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(fast(model).draw(past, 2, 1), other)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(past, 2).shape == drawn.shape


@torch.no_grad()
def test_the_true_frame_is_read_where_it_is_to_be():
    model, past, truth = tiny(pixels="expected"), frames(), frames(seed=2)
    use = torch.tensor([[False, False], [True, True]])
    free, guided = model(past, 3), model(past, 3, ScheduledTargets(truth, use))
    torch.testing.assert_close(free[0], guided[0])
    torch.testing.assert_close(free[:, 0], guided[:, 0])
    assert (free[1, 1] - guided[1, 1]).abs().max() > 1e-4


@first_block
def test_every_parameter_learns_with_and_without_its_activations(first):
    clip = frames(2, 5)
    batch = ClipBatch(clip[:, :3], clip[:, 3:], torch.ones_like(clip, dtype=torch.bool), clip[:, :0])
    gradients = []
    for saving in (False, True):
        model = tiny(first, save_memory=saving)
        (step,) = model.optimiser_steps(batch, None, torch.Generator())
        (step.prediction - step.target).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(gradient.abs().max() > 0 for gradient in gradients[0])
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


def count(outputs=None, **settings):
    """Of the network, with as many logits a pixel."""
    with torch.device("meta"):
        model = build_model("vpn", {"decoder": "pixelcnn", **settings})
        if outputs is not None:
            model.decoder = PixelDecoder(VPNSettings(decoder="pixelcnn", **settings), 1, outputs)
    return count_parameters(model)


def test_counts_of_the_joined_block():
    joined = {"first_block": "joined"}
    assert count(**joined) == 29_618_816
    assert count(256, **joined) == 29_651_711
    assert count(channels=64, **joined) == 7_412_032
    assert count(channels=32, **joined) == 1_856_672
    assert count(256, channels=32, encoder_blocks=4, decoder_blocks=6, **joined) == 1_083_327


def test_counts_of_the_added_block():
    """One more channel of the context (2 K + 1) and 49 weights a channel that read the frame."""
    assert count() == 29_618_816 + 257 + 49 * 128
    assert count(channels=32) == 1_856_672 + 65 + 49 * 32


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"decoder_blocks": 2}, "decoder_blocks"),
        ({"teacher_forced": False}, "teacher_forced"),
        ({"channels": 1, "first_block": "joined"}, "channels: got 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, match):
    with pytest.raises(SettingsError, match=match):
        build_model("vpn", {"decoder": "pixelcnn", **settings})


def test_probabilities_of_exceeding_need_the_baseline():
    events = ExceedanceProbabilitySettings(thresholds_dbz=(20.0, 30.0))
    with pytest.raises(SettingsError, match="expected baseline"):
        ModelChoice("vpn", {"decoder": "pixelcnn"}, events).build(1, None, Scaling())


def test_counting_its_work_draws_nothing():
    """Drawn pixel by pixel, 64 x 64 without values would take minutes."""
    settings = {"channels": 4, "encoder_blocks": 1, "decoder_blocks": 3}
    one, two = (
        complexity("vpn", {**settings, "decoder": decoder}, 2, 1, (64, 64))
        for decoder in ("baseline", "pixelcnn")
    )
    # One more convolution, of 7 x 7 from one channel to four; all others are the baseline's.
    assert two.multiply_accumulates - one.multiply_accumulates == 64 * 64 * 49 * 4
