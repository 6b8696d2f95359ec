"""PredRNN++: Causal LSTM and Gradient Highway Unit by hand, and how they stand in the stack."""

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.causal_lstm import CausalLSTM, GradientHighwayUnit
from tests.fakes.by_hand import batch_of, close, conv, normalised, shaken, sigmoid

WIDE, MEMORY, SIDE = 2, 3, (2, 3)


def part(w, name, x):
    found = conv(x, w[f"{name}.conv.weight"])
    if f"{name}.norm.weight" not in w:
        return found
    return normalised(found, w[f"{name}.norm.weight"], w[f"{name}.norm.bias"])


@pytest.mark.parametrize("map_size", [None, SIDE])
def test_causal_lstm_by_hand(map_size):
    cell = CausalLSTM(3, WIDE, 3, MEMORY, map_size)
    w = shaken(cell)
    draw = np.random.default_rng(1)
    frames, memories = draw.normal(size=(2, 3, *SIDE)), draw.normal(size=(2, MEMORY, *SIDE))
    h = c = np.zeros((WIDE, *SIDE))
    state = cell.initial_state(batch_of(frames[0]))
    assert not state.hidden.any()
    for x, below in zip(frames, memories, strict=True):
        xi, xf, xg, xi2, xf2, xg2, xo = np.split(part(w, "conv_x", x), 7)
        hi, hf, hg = np.split(part(w, "conv_h", h), 3)
        ci, cf, cg = np.split(part(w, "conv_c", c), 3)
        mi, mf, mg, mm = np.split(part(w, "conv_m", below), 4)
        c = sigmoid(xf + hf + cf + 1) * c + sigmoid(xi + hi + ci) * np.tanh(xg + hg + cg)
        ni, nf, ng, no = np.split(part(w, "conv_new_c", c), 4)
        m = sigmoid(xf2 + mf + nf + 1) * np.tanh(mm) + sigmoid(xi2 + mi + ni) * np.tanh(xg2 + mg + ng)
        o = np.tanh(xo + no + part(w, "conv_new_m", m))
        h = o * np.tanh(conv(np.concatenate([c, m]), w["conv_last.weight"]))
        out = cell(batch_of(x), state, Relay(memory=batch_of(below)))
        state = out.state
        close(out.hidden, h)
        close(state.cell, c)
        close(out.relay.memory, m)
    assert out.gate is None  # a tanh is no share


@pytest.mark.parametrize("map_size", [None, SIDE])
def test_gradient_highway_unit_by_hand(map_size):
    cell = GradientHighwayUnit(3, WIDE, 3, map_size)
    w = shaken(cell)
    frames = np.random.default_rng(2).normal(size=(2, 3, *SIDE))
    z, state = np.zeros((WIDE, *SIDE)), cell.initial_state(batch_of(frames[0]))
    relay = Relay(memory=torch.ones(1))
    for x in frames:
        p, s = np.split(part(w, "conv_x", x) + part(w, "conv_z", z), 2)
        z = sigmoid(s) * np.tanh(p) + (1 - sigmoid(s)) * z
        out = cell(batch_of(x), state, relay)
        state = out.state
        close(out.hidden, z)
    assert out.relay is relay


def test_layers_of_the_paper_have_different_widths_and_the_unit_stands_above_the_bottom():
    model = build_model("predrnnpp", {"hidden": [6, 4, 3], "filter_size": 3, "patch": 2})
    kinds = [type(cell).__name__ for cell in model.cells]
    assert kinds == ["CausalLSTM", "GradientHighwayUnit", "CausalLSTM", "CausalLSTM"]
    assert [cell.memory_channels for cell in model.cells if isinstance(cell, CausalLSTM)] == [3, 6, 4]
    assert model(torch.rand(2, 3, 1, 8, 12), 2).isfinite().all()


def test_a_gradient_comes_through_the_highway_from_far_back():
    """With the switch nearly closed the unit hands the past on as it is."""
    unit = GradientHighwayUnit(1, 1, 3)
    with torch.no_grad():
        unit.conv_x.conv.weight.zero_()
        unit.conv_z.conv.weight.zero_()
        unit.conv_x.conv.weight[1, 0, 1, 1] = -20.0
    x = torch.ones(1, 1, 3, 3)
    first = torch.rand(1, 1, 3, 3, requires_grad=True)
    state = unit.initial_state(x)._replace(hidden=first)
    for _ in range(50):
        state = unit(x, state, Relay()).state
    state.hidden.sum().backward()
    torch.testing.assert_close(first.grad, torch.ones_like(first))


def test_layer_norm_has_the_width_of_what_it_norms():
    settings = {"hidden": [6, 4], "filter_size": 3, "patch": 2, "layer_norm": True}
    with pytest.raises(SettingsError, match="size"):
        build_model("predrnnpp", settings)
    model = build_model("predrnnpp", settings, size=(8, 12))
    model(torch.rand(1, 4, 1, 8, 12), 2).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert model.cells[1].conv_x.norm.normalized_shape == (12, 4, 6)


def test_one_layer_needs_no_highway():
    model = build_model("predrnnpp", {"hidden": [4], "filter_size": 3, "patch": 2})
    assert len(model.cells) == 1


def test_half_precision_trains():
    model = build_model("predrnnpp", {"hidden": [4, 4], "filter_size": 3, "patch": 2})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.rand(1, 3, 1, 8, 12), 2).float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
