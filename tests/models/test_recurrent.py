"""The stack: what climbs it, what it refuses, how its cells fit."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import FrameSpec
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.convlstm import ConvLSTM
from nowcast.models.cells.stlstm import STLSTM
from nowcast.models.recurrent import RecurrentStack

SMALL = {"hidden": [4, 4], "filter_size": 3, "patch": 2}


class Probe(RecurrentCell):
    """Notes the relay it gets; adds 1 to the memory, passes on a difference and a highway of its own."""

    carries_memory = True

    def __init__(self, seen, channels=4):
        super().__init__()
        self.in_channels = self.hidden_channels = channels
        self.seen = seen

    def initial_state(self, x):
        return ()

    def forward(self, x, state, relay):
        memory = torch.zeros_like(x) if relay.memory is None else relay.memory
        self.seen.append((memory.flatten()[0].item(), relay.difference is None, relay.highway is None))
        return CellOutput(x, state, Relay(memory + 1, x, x))


def test_memory_goes_from_the_top_to_the_next_bottom_and_the_rest_starts_anew():
    seen = []
    stack = RecurrentStack([Probe(seen), Probe(seen)], FrameSpec(1), patch=2)
    stack(torch.rand(1, 2, 1, 4, 4), 1)
    assert seen == [(0, True, True), (1, False, False), (2, True, True), (3, False, False)]


def test_cells_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match=r"layer 0: got 5 channels in, expected 4"):
        RecurrentStack([ConvLSTM(5, 4, 3)], FrameSpec(1), patch=2)
    with pytest.raises(SettingsError, match="layer 1: got 4 channels in, expected 6"):
        RecurrentStack([ConvLSTM(4, 6, 3), ConvLSTM(4, 4, 3)], FrameSpec(1), patch=2)
    with pytest.raises(SettingsError, match=r"spatial memory.*take \[6, 6\]"):
        RecurrentStack([STLSTM(4, 6, 3), STLSTM(6, 4, 3)], FrameSpec(1), patch=2)
    with pytest.raises(SettingsError, match="no layers"):
        RecurrentStack([], FrameSpec(1), patch=2)


def test_layer_norm_ties_the_network_to_its_size():
    with pytest.raises(SettingsError, match="layer norm"):
        build_model("predrnn", {**SMALL, "layer_norm": True})
    model = build_model("predrnn", {**SMALL, "layer_norm": True}, size=(8, 12))
    assert model(torch.rand(1, 2, 1, 8, 12), 1).shape == (1, 1, 1, 8, 12)
    with pytest.raises(SettingsError, match="expected 8 x 12"):
        model(torch.rand(1, 2, 1, 8, 8), 1)


@pytest.mark.parametrize("channels", [0, -1, True, 1.5])
def test_channels_below_one_are_refused(channels):
    with pytest.raises(SettingsError, match="channels"):
        build_model("convlstm", SMALL, channels=channels)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (1, 0, 1, 8, 8), (1, 2, 3, 8, 8)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(SettingsError, match="past frames: got"):
        build_model("convlstm", SMALL)(torch.zeros(shape), 1)


def test_convlstm_step_by_hand():
    cell = ConvLSTM(1, 1, 1)
    weights = {
        "conv_x": [0.5, -0.25, 1.0, 0.75],
        "conv_h": [0.1, 0.2, 0.3, 0.4],
        "conv_c": [0.6, -0.7],
        "conv_o": [0.8],
    }
    with torch.no_grad():
        for name, values in weights.items():
            getattr(cell, name).weight.copy_(torch.tensor(values).view(-1, 1, 1, 1))
    x, h, c = 2.0, 0.5, -1.0
    state = cell.initial_state(torch.zeros(1, 1, 1, 1))
    state = state._replace(hidden=torch.full((1, 1, 1, 1), h), cell=torch.full((1, 1, 1, 1), c))
    out = cell(torch.full((1, 1, 1, 1), x), state, Relay())

    def sigmoid(v):
        return 1 / (1 + torch.tensor(-v, dtype=torch.float64).exp().item())

    i = sigmoid(0.5 * x + 0.1 * h + 0.6 * c)
    f = sigmoid(-0.25 * x + 0.2 * h - 0.7 * c + 1)
    g = torch.tensor(1.0 * x + 0.3 * h, dtype=torch.float64).tanh().item()
    new = f * c + i * g
    o = sigmoid(0.75 * x + 0.4 * h + 0.8 * new)
    assert out.state.cell.item() == pytest.approx(new, abs=1e-6)
    assert out.gate.item() == pytest.approx(o, abs=1e-6)
    assert out.hidden.item() == pytest.approx(o * torch.tensor(new).tanh().item(), abs=1e-6)


def test_without_peephole_the_old_cell_does_not_reach_the_gates():
    cell = ConvLSTM(1, 1, 1, peephole=False)
    x = torch.ones(1, 1, 1, 1)
    state = cell.initial_state(x)
    gates = [cell(x, state._replace(cell=x * value), Relay()).gate for value in (0.0, 5.0)]
    assert torch.equal(*gates)
    assert sum(p.numel() for p in cell.parameters()) == 8
