"""The layers of the cascade trained in stripes are those that forecast."""

import pytest
import torch

from nowcast.models.cpu import pixel_layers
from nowcast.models.exceedance import cascade as module
from nowcast.models.exceedance.cascade import CascadeSettings, LogitCascade
from nowcast.models.exceedance.unet import ContextUNetSettings

UNET = ContextUNetSettings(widths=(4, 4), patch=2, frames=2)


@pytest.mark.parametrize(("unet", "steps"), [(None, 3), (UNET, 2), (None, 5)])
def test_outputs_and_gradients_are_those_of_whole_maps(unet, steps, monkeypatch):
    monkeypatch.setattr(pixel_layers, "_PIXELS", 50)  # the last stripe is narrower
    torch.manual_seed(1)
    cascade = LogitCascade(2, CascadeSettings((1.0, 3.0), lead_times=3, hidden=8, context_unet=unet))
    for parameter in cascade.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    past = torch.randn(2, 3, 2, 8, 12) * 3
    weights = torch.randn(2, steps, 2, 8, 12)

    def run():
        cascade.zero_grad()
        found = cascade(past, steps)
        (found * weights).sum().backward()
        return [found.detach(), *(p.grad.clone() for p in cascade.parameters())]

    ours = run()
    monkeypatch.setattr(module, "trains_in_stripes", lambda read: False)
    for found, expected in zip(ours, run(), strict=True):
        assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_forecasts_half_precision_and_gradients_of_the_past_take_whole_maps():
    read = torch.zeros(1, 1, 4)
    assert pixel_layers.trains_in_stripes(read)
    assert not pixel_layers.trains_in_stripes(read.double())
    assert not pixel_layers.trains_in_stripes(read.to("meta"))
    with torch.no_grad():
        assert not pixel_layers.trains_in_stripes(read)
    with torch.autocast("cpu", torch.bfloat16):
        assert not pixel_layers.trains_in_stripes(read)
