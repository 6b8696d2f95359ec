"""Losses by hand, and that what was not seen counts nowhere."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.training.losses import LOSSES, IntensityWeights, cross_entropy, l1, l1_l2, make_loss, mse

SCALING = Scaling(0.0, 50.0)
EVENTS = ExceedanceProbabilitySettings((20.0, 30.0))


def frames(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, 1, -1)


SEEN = frames(1, 1, 1, 0).bool()
SAID, WAS = frames(0.5, 0.1, 0.9, 0.7), frames(0.3, 0.1, 0.5, 0.0)


def test_by_hand():
    assert l1_l2(SAID, WAS, SEEN).item() == pytest.approx((0.2 + 0.04 + 0.4 + 0.16) / 3)
    assert l1(SAID, WAS, SEEN).item() == pytest.approx((0.2 + 0.4) / 3)
    assert mse(SAID, WAS, SEEN).item() == pytest.approx((0.04 + 0.16) / 3)


def test_weights_by_hand():
    """0.3, 0.1, 0.5 are 15, 5 and 25 dBZ; a bound belongs to the class above it."""
    intensity = IntensityWeights(bounds_dbz=(15.0, 20.0), weights=(1.0, 2.0, 7.0))
    loss = make_loss("weighted_l1_l2", SCALING, intensity)
    expected = (2 * (0.2 + 0.04) + 0.0 + 7 * (0.4 + 0.16)) / 3
    assert loss(SAID, frames(0.3, 0.1, 0.5, 0.0), SEEN).item() == pytest.approx(expected, rel=1e-6)
    assert intensity.of(frames(0.0, 0.2999, 0.3, 0.41), SCALING).flatten().tolist() == [1, 1, 2, 7]


def test_the_cross_entropy_by_hand():
    everything = torch.ones(1, 1, 1, 64, 64, dtype=torch.bool)
    half, ink = torch.full((1, 1, 1, 64, 64), 0.5), torch.rand(1, 1, 1, 64, 64)
    assert float(cross_entropy(half, ink, everything)) * 4096 == pytest.approx(2839.13, abs=0.01)
    assert float(cross_entropy(half * 0, half * 2, everything)) == pytest.approx(13.8155, abs=1e-3)
    quarter = torch.full_like(half, 0.25)
    expected = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75))
    assert float(cross_entropy(quarter, half, everything)) == pytest.approx(expected)


def test_the_log_score_by_hand():
    """Two thresholds with weights 1 and 3; the second is seen at one of two pixels."""
    events = ExceedanceProbabilitySettings((20.0, 30.0), (1.0, 3.0))
    loss = make_loss("log_score", None, IntensityWeights(), events)
    said = torch.tensor([[0.9, 0.4], [0.2, 0.5]]).reshape(1, 1, 2, 1, 2)
    was = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).reshape(1, 1, 2, 1, 2)
    seen = torch.tensor([[True, True], [True, False]]).reshape(1, 1, 2, 1, 2)
    expected = 0.25 * -(math.log(0.9) + math.log(0.6)) / 2 + 0.75 * -math.log(0.2)
    assert loss(torch.logit(said), was, seen).item() == pytest.approx(expected, rel=1e-6)


def test_the_soft_jaccard_by_hand():
    """Two thresholds with weights 1 and 3, two lead times; a pixel is added above and below."""
    events = ExceedanceProbabilitySettings((20.0, 30.0), (1.0, 3.0))
    loss = make_loss("soft_jaccard", None, IntensityWeights(), events)
    said = torch.tensor([[[0.9, 0.4], [0.2, 0.5]], [[0.5, 0.5], [0.1, 0.3]]]).reshape(1, 2, 2, 1, 2)
    was = torch.tensor([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]]).reshape(1, 2, 2, 1, 2)
    seen = torch.ones_like(was, dtype=torch.bool)
    seen[0, 0, 1, 0, 1] = False
    first, second = (1.9 / 2.4 + 1 / 2) / 2, (1.2 / 2 + 1.3 / 2.1) / 2
    expected = 1 - 0.25 * first - 0.75 * second
    assert loss(torch.logit(said), was, seen).item() == pytest.approx(expected, rel=1e-6)


def test_the_soft_jaccard_of_yes_and_no_is_one_minus_csi():
    loss = make_loss("soft_jaccard", None, IntensityWeights(), EVENTS)
    said, was = (torch.rand(4, 1, 2, 50, 50, generator=torch.Generator().manual_seed(s)) < 0.5 for s in (1, 2))
    both, either = (said & was).sum(dim=(0, 1, 3, 4)), (said | was).sum(dim=(0, 1, 3, 4))
    found = loss(torch.where(said, 50.0, -50.0), was.float(), torch.ones_like(was))
    assert found.item() == pytest.approx(float((1 - both / either).mean()), abs=1e-3)


@given(honest=st.floats(0.05, 0.95), said=st.floats(0.05, 0.95))
def test_only_the_honest_probability_does_best(honest, said):
    loss = make_loss("log_score", None, IntensityWeights(), ExceedanceProbabilitySettings((20.0, 30.0)))

    def expected(probability):
        all_of = torch.logit(torch.full((1, 1, 2, 1, 1), probability))
        seen = torch.ones_like(all_of, dtype=torch.bool)
        hit, miss = (loss(all_of, torch.full_like(all_of, was), seen).item() for was in (1.0, 0.0))
        return honest * hit + (1 - honest) * miss

    assert expected(honest) <= expected(said) + 1e-5


@pytest.mark.parametrize("name", LOSSES)
def test_unseen_pixels_get_a_gradient_of_exactly_zero(name):
    loss = make_loss(name, SCALING, IntensityWeights(), EVENTS)
    said = torch.rand(2, 3, 1, 4, 5).requires_grad_()
    seen = torch.rand(2, 3, 1, 4, 5) < 0.5
    loss(said, torch.rand(2, 3, 1, 4, 5), seen).backward()
    assert (said.grad[~seen] == 0).all()
    assert (said.grad[seen] != 0).all()


@pytest.mark.parametrize("name", LOSSES)
@given(value=st.floats(-1e3, 1e3, width=32))
def test_what_was_not_seen_changes_nothing(name, value):
    loss = make_loss(name, SCALING, IntensityWeights(), EVENTS)
    changed = frames(0.5, 0.1, 0.9, value)
    assert loss(changed, WAS, SEEN) == loss(SAID, WAS, SEEN)


def test_nothing_seen_is_zero_and_moves_nothing():
    said = SAID.clone().requires_grad_()
    loss = l1_l2(said, WAS, torch.zeros_like(SEEN))
    loss.backward()
    assert loss.item() == 0
    assert (said.grad == 0).all()


def test_half_precision_is_summed_in_float32():
    said = torch.full((1, 1, 1, 300, 300), 0.5, dtype=torch.bfloat16)
    loss = mse(said, torch.zeros_like(said), torch.ones_like(said, dtype=torch.bool))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.25)


def test_mistakes_are_told():
    with pytest.raises(SettingsError, match=r"data\.scaling"):
        make_loss("weighted_l1_l2", None, IntensityWeights())
    with pytest.raises(SettingsError, match=r"model\.exceedance"):
        make_loss("log_score", SCALING, IntensityWeights())
    with pytest.raises(SettingsError, match=r"'soft_jaccard' scores probabilities"):
        make_loss("soft_jaccard", SCALING, IntensityWeights())
    with pytest.raises(SettingsError, match="got 'l3'"):
        make_loss("l3", SCALING, IntensityWeights())
    with pytest.raises(SettingsError, match="expected 2"):
        IntensityWeights(bounds_dbz=(20.0,), weights=(1.0,))
    with pytest.raises(SettingsError, match="rising"):
        IntensityWeights(bounds_dbz=(30.0, 20.0), weights=(1.0, 1.0, 1.0))
