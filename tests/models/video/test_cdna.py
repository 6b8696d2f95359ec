"""CDNA, DNA and STP by hand: kernels, masks, moved pixels, and the sizes of the released networks."""

import pytest
import torch
import torch.nn.functional as F

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.size_limit import build_without_memory
from nowcast.models.video.moving import composed, moved_affinely, moved_by_kernels, moved_place_by_place, shares
from tests.fakes.tiny_models import tiny_settings

SIZE = (16, 24)
FRAME = torch.rand(3, 2, *SIZE, generator=torch.Generator().manual_seed(0))


def tiny(channels=1, **changes):
    torch.manual_seed(0)
    return build_model("cdna", {**tiny_settings("cdna"), **changes}, channels, SIZE).eval()


def zeros(channels=1, **changes):
    model = tiny(channels, **changes)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return model


def box(frame, side=5):
    return F.avg_pool2d(frame, side, 1, side // 2, count_include_pad=True)


def one_hot(row, column, side=5):
    kernel = torch.zeros(3, 1, side, side)
    kernel[:, :, row, column] = 1.0
    return kernel


@pytest.mark.parametrize(
    ("settings", "size", "parameters"),
    [
        ({}, 64, 8_309_542),
        ({"motion": "stp"}, 64, 7_086_046),
        ({"motion": "dna"}, 64, 6_262_267),
        ({}, 128, 14_453_542),
        ({"every_kernel": True}, 64, 8_309_607),
    ],
)
def test_parameters_of_the_released_networks(settings, size, parameters):
    model = build_without_memory(lambda: build_model("cdna", settings, 1, (size, size)))
    assert count_parameters(model) == parameters


def test_shares_are_positive_and_sum_to_one_and_negative_ones_are_alike():
    found = shares(torch.randn(4, 25, 3), dim=1)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4, 3))
    torch.testing.assert_close(shares(torch.full((1, 25), -3.0), 1), torch.full((1, 25), 1 / 25))


def test_kernels_move_by_the_tap_they_hold():
    assert torch.equal(moved_by_kernels(FRAME, one_hot(2, 2))[:, 0], FRAME)
    right = moved_by_kernels(FRAME, one_hot(2, 3))[:, 0]  # reads its neighbour to the right: moves left
    assert torch.equal(right[..., :-1], FRAME[..., 1:])
    assert torch.equal(right[..., -1], torch.zeros(3, 2, SIZE[0]))
    kept = moved_by_kernels(FRAME, one_hot(2, 3), "replicate")[:, 0]
    assert torch.equal(kept[..., -1], FRAME[..., -1])


def test_a_kernel_for_each_place_is_that_for_all_where_they_are_alike():
    kernels = shares(torch.randn(3, 1, 25), dim=2).view(3, 1, 5, 5)
    everywhere = kernels.view(3, 25, 1, 1).expand(-1, -1, *SIZE)
    by_hand = moved_by_kernels(FRAME, kernels)[:, 0]
    torch.testing.assert_close(moved_place_by_place(FRAME, everywhere), by_hand)
    with torch.no_grad():
        torch.testing.assert_close(moved_place_by_place(FRAME, everywhere), by_hand)


def test_half_precision_weighs_pixels_but_does_not_round_those_that_only_move():
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(moved_by_kernels(FRAME, one_hot(2, 2))[:, 0], FRAME)
        assert tiny()(FRAME[:, :1].unsqueeze(1), 1).dtype == torch.float32


def test_affine_transforms_stay_and_mirror():
    stay, mirror = [1.0, 0, 0, 0, 1, 0], [-1.0, 0, 0, 0, 1, 0]
    moved = moved_affinely(FRAME, torch.tensor([stay, mirror]).expand(3, -1, -1))
    torch.testing.assert_close(moved[:, 0], FRAME, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[:, 1], FRAME.flip(-1), atol=1e-5, rtol=0)


def test_one_mask_takes_one_image():
    images = torch.stack([FRAME, 1 - FRAME], dim=1)
    masks = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(3, -1, *SIZE)
    assert torch.equal(composed(masks, images), FRAME)


@pytest.mark.parametrize("motion", ["cdna", "dna", "stp"])
def test_weights_of_zero_forecast_what_can_be_said_by_hand(motion):
    x = FRAME[:, :1]
    with torch.no_grad():
        found = zeros(motion=motion, masks=10)(x.unsqueeze(1), 1)[:, 0]
    by_hand = {"cdna": (x + 0.5 + 9 * box(x)) / 11, "dna": (x + box(x)) / 2, "stp": (x + 0.5 + 9 * x) / 11}[
        motion
    ]
    torch.testing.assert_close(found, by_hand, atol=1e-5, rtol=0)


def test_every_kernel_can_be_used():
    x = FRAME[:, :1]
    with torch.no_grad():
        found = zeros(masks=10, every_kernel=True)(x.unsqueeze(1), 1)[:, 0]
    torch.testing.assert_close(found, (x + 0.5 + 10 * box(x)) / 12, atol=1e-5, rtol=0)


@pytest.mark.parametrize("motion", ["cdna", "dna", "stp"])
def test_kernels_are_those_of_the_own_sample_and_colours_move_together(motion):
    model, past = tiny(2, motion=motion, border="replicate"), torch.rand(3, 2, 2, *SIZE)
    order = [2, 0, 1]
    with torch.no_grad():
        torch.testing.assert_close(model(past, 2)[order], model(past[order], 2))
        assert model(past, 12).isfinite().all()


@pytest.mark.parametrize("motion", ["cdna", "dna", "stp"])
def test_gradients_reach_all_but_the_kernel_that_is_never_used(motion):
    model, past = tiny(motion=motion).train(), FRAME[:, :1].unsqueeze(1)
    model(past, 2).square().sum().backward()
    assert [name for name, p in model.named_parameters() if not p.grad.abs().max() > 0] == []
    if motion == "cdna":
        by_kernel = model.head.kernels.bias.grad.view(25, 3).abs().amax(dim=0)
        assert (by_kernel > 0).tolist() == [True, True, False]


def test_sizes_are_tied_but_in_dna():
    with pytest.raises(SettingsError, match="linear layer"):
        tiny()(torch.rand(1, 2, 1, 16, 16), 1)
    with pytest.raises(SettingsError, match="size"):
        build_model("cdna", {})
    with pytest.raises(SettingsError, match="masks"):
        tiny(masks=1)
    assert tiny(motion="dna")(torch.rand(1, 2, 1, 8, 16), 1).shape == (1, 1, 1, 8, 16)
