"""DFN by hand: filters, what they do to a frame, and the size of the released network."""

import pytest
import torch
import torch.nn.functional as F

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.size_limit import build_without_memory
from tests.fakes.tiny_models import tiny_model, tiny_settings

FRAME = torch.rand(2, 2, 16, 24, generator=torch.Generator().manual_seed(0))


def filtered(logits, **changes):
    """One forecast of a network whose last layer says the same logits everywhere."""
    model = build_model("dfn", {**tiny_settings("dfn"), **changes}, 2).eval()
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
        model.decoder[-1].bias.copy_(logits.flatten())
        return model(FRAME.unsqueeze(1), 1)[:, 0]


def test_parameters_of_the_released_network():
    assert count_parameters(build_without_memory(lambda: build_model("dfn", {}))) == 637_361


def test_filters_of_each_place_sum_to_one():
    model = tiny_model("dfn")
    _, state = model.step(FRAME[:, :1], model.start(FRAME[:, :1], None), emit=False)
    filters = model.filters(state)
    assert filters.shape == (2, tiny_settings("dfn")["kernel"] ** 2, 16, 24)
    torch.testing.assert_close(filters.sum(dim=1), torch.ones(2, 16, 24))
    assert filters.min() > 0


def test_weights_of_zero_forecast_the_mean_of_the_neighbourhood():
    found = filtered(torch.zeros(81), kernel=9)
    torch.testing.assert_close(found, F.avg_pool2d(FRAME, 9, 1, 4), atol=1e-6, rtol=0)


def test_one_tap_stays_or_moves():
    stay, right = torch.full((5, 5), -99.0), torch.full((5, 5), -99.0)
    stay[2, 2], right[2, 3] = 0.0, 0.0
    torch.testing.assert_close(filtered(stay, kernel=5), FRAME)
    moved = filtered(right, kernel=5)
    torch.testing.assert_close(moved[..., :-1], FRAME[..., 1:])
    assert moved[..., -1].max() < 1e-30
    kept = filtered(right, kernel=5, border="replicate")
    torch.testing.assert_close(kept[..., -1], FRAME[..., -1])


def test_one_filter_for_all_places_keeps_what_does_not_reach_the_edge():
    inside = torch.zeros(1, 1, 2, 16, 24)
    inside[..., 6:9, 8:12] = 1.0
    model = build_model("dfn", {**tiny_settings("dfn"), "kernel": 5}, 2)
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
        model.decoder[-1].bias.normal_()
        found = model(inside, 2)
    torch.testing.assert_close(found.sum((3, 4)), inside.sum((3, 4)).expand(-1, 2, -1))


def test_the_state_adds_up_without_a_gate():
    model = tiny_model("dfn")
    x = FRAME[:, :1]
    with torch.no_grad():
        _, one = model.step(x, model.start(x, None), emit=False)
        _, two = model.step(x, one, emit=False)
        torch.testing.assert_close(two.hidden, model.encoder(x) + model.recurrence(one.hidden))
        assert model(x.unsqueeze(1), 12).shape == (2, 12, 1, 16, 24)


def test_a_forecast_stays_between_the_least_and_the_largest_pixel():
    with torch.no_grad():
        found = tiny_model("dfn", channels=2)(FRAME.unsqueeze(1), 5)
    assert 0 <= float(found.min()) <= float(found.max()) <= float(FRAME.max())


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match="kernel"):
        build_model("dfn", {"kernel": 4})
    with pytest.raises(SettingsError, match="hidden"):
        build_model("dfn", {"hidden": [0, 1, 1]})
    with pytest.raises(SettingsError, match="would do"):
        build_model("dfn", {}, 1, (15, 16))
