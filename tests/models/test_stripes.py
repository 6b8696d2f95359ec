"""Probabilities made a few rows at a time are those of the whole maps."""

import pytest
import torch

from nowcast.models.base import FrameSpec
from nowcast.models.exceedance import context, stripes
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.unet import ContextUNetSettings
from nowcast.models.exceedance.wrapper import INCREMENTS, ExceedanceProbabilityModel
from nowcast.models.persistence import PersistenceNetwork

LEVELS = (0.2, 0.4, 0.8)
UNET = ContextUNetSettings(widths=(4, 6), patch=4, frames=3)


def model_of(settings):
    torch.manual_seed(0)
    network = PersistenceNetwork(FrameSpec(len(LEVELS), increments=INCREMENTS))
    model = ExceedanceProbabilityModel(network, LEVELS, settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("pixels", [1, 70, 10**6])
@pytest.mark.parametrize("past", [1, 4])
@pytest.mark.parametrize(
    "settings",
    [
        CascadeSettings((1.0, 4.0), 3, 8, UNET),
        CascadeSettings((1.0, 2.0, 4.0), 2, 8),
        CascadeSettings((2.0,), 3, 0),
    ],
)
def test_stripes_equal_the_whole(settings, past, pixels, monkeypatch):
    monkeypatch.setattr(stripes, "_PIXELS", pixels)
    for name in ("_BAND", "_WHOLE"):
        monkeypatch.setattr(stripes, name, 2 * pixels)
    monkeypatch.setattr(stripes, "_SMOOTHED", 200)  # a frame that is read whole is smoothed in four bands
    monkeypatch.setattr(context, "_COLUMNS", max(pixels // 10, 5))
    model = model_of(settings)
    frames = torch.rand(2, past, 1, 22, 29, generator=torch.Generator().manual_seed(1)) ** 2
    expected = model(frames, 5)
    with torch.no_grad():
        found = model(frames, 5)
    assert expected.requires_grad
    assert (found - expected).abs().max() < 2e-6
    assert (found[:, :, 1:] <= found[:, :, :-1]).all()
    assert found.std() > 0.05
