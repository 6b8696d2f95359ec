"""TrajGRU: two steps by hand, and links that carry the state where the flow says."""

import itertools

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.trajgru import TrajGRU
from tests.fakes.by_hand import batch_of, bilinear, close, conv, shaken, sigmoid

WIDE, LINKS, SIDE = 2, 3, (3, 4)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def gathered(old, flows):
    """Channel c of link k at c * K + k, each place read at its flow."""
    found = np.zeros((WIDE, LINKS, *SIDE))
    for k, y, x in itertools.product(range(LINKS), range(SIDE[0]), range(SIDE[1])):
        found[:, k, y, x] = bilinear(old, y + flows[k, y, x], x + flows[LINKS + k, y, x])
    return found.reshape(WIDE * LINKS, *SIDE)


def test_two_steps_by_hand():
    cell = TrajGRU(3, WIDE, 3, LINKS)
    w = shaken(cell, size=0.3)
    frames = np.random.default_rng(1).normal(size=(2, 3, *SIDE))
    h, state = np.zeros((WIDE, *SIDE)), cell.initial_state(batch_of(frames[0]))
    assert not state.hidden.any()
    for x in frames:
        inner = conv(x, w["flow_x.weight"], w["flow_x.bias"]) + conv(h, w["flow_h.weight"])
        flows = conv(leaky(inner), w["flow.weight"], w["flow.bias"])
        xz, xr, xg = np.split(conv(x, w["conv_x.weight"], w["conv_x.bias"]), 3)
        hz, hr, hg = np.split(conv(gathered(h, flows), w["conv_links.weight"]), 3)
        z = sigmoid(xz + hz)
        h = (1 - z) * leaky(xg + sigmoid(xr + hr) * hg) + z * h
        out = cell(batch_of(x), state, Relay())
        state = out.state
        close(out.hidden, h, 1e-10)
    assert abs(flows).max() > 1  # far enough to leave the cell, and the map


def test_links_bring_the_state_from_where_the_flow_points():
    cell = TrajGRU(1, 1, 3, links=1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.flow.bias.copy_(torch.tensor([-1.0, 2.0]))  # one row up, two columns to the right
        cell.conv_links.weight[2] = 1.0
        cell.conv_x.bias.copy_(torch.tensor([-50.0, 50.0, 0.0]))  # take the candidate, reset nothing
    x = torch.zeros(1, 1, 4, 5)
    old = torch.rand(1, 1, 4, 5)
    out = cell(x, cell.initial_state(x)._replace(hidden=old), Relay())
    expected = torch.zeros_like(old)
    expected[..., 1:, :3] = old[..., :3, 2:]
    torch.testing.assert_close(out.hidden, expected)
    assert out.gate is None


def test_links_are_asked_for():
    with pytest.raises(SettingsError, match="links: got 0"):
        build_model("trajgru", {"links": 0})


def test_half_precision_trains():
    model = build_model("trajgru", {"hidden": [4, 4], "filter_size": 3, "patch": 2})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.rand(1, 3, 1, 8, 12), 2).float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
