"""MIM: one cell by hand over four steps, and what the difference does."""

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.mim import MIMCell
from nowcast.models.counts import count
from tests.fakes.by_hand import batch_of, close, conv, shaken, sigmoid

WIDE, SIDE = 2, (2, 3)


def block(w, name, x, hidden, memory):
    """MIM-N or MIM-S."""
    i, f, g, o = np.split(conv(x, w[f"{name}.conv_x.weight"]) + conv(hidden, w[f"{name}.conv_h.weight"]), 4)
    peep = [w.get(f"{name}.weight_{gate}", 0.0) for gate in "ifo"]
    memory_new = sigmoid(f + peep[1] * memory + 1) * memory + sigmoid(i + peep[0] * memory) * np.tanh(g)
    return sigmoid(o + peep[2] * memory_new) * np.tanh(memory_new), memory_new


def step(w, x, change, state, memory):
    hidden, cell, stationary, said, nonstationary = state
    said, nonstationary = block(w, "mim_n", change, said, nonstationary)
    kept, stationary = block(w, "mim_s", said, cell, stationary)
    xi, xf, xg, xo = np.split(conv(x, w["conv_x.weight"]), 4)
    hi, hg, ho = np.split(conv(hidden, w["conv_h.weight"]), 3)
    mi, mf, mg, mo = np.split(conv(memory, w["conv_m.weight"]), 4)
    cell = kept + sigmoid(xi + hi) * np.tanh(xg + hg)
    memory = sigmoid(xf + mf + 1) * memory + sigmoid(xi + mi) * np.tanh(xg + mg)
    both = conv(np.concatenate([cell, memory]), w["conv_last.weight"])
    return (sigmoid(xo + ho + mo) * np.tanh(both), cell, stationary, said, nonstationary), memory


@pytest.mark.parametrize("map_size", [None, SIDE])
def test_four_steps_by_hand(map_size):
    cell = MIMCell(3, WIDE, 3, map_size)
    w = shaken(cell)
    draw = np.random.default_rng(1)
    frames, memory = draw.normal(size=(4, 3, *SIDE)), draw.normal(size=(WIDE, *SIDE))
    expected, state = (np.zeros((WIDE, *SIDE)),) * 5, cell.initial_state(batch_of(frames[0]))
    assert all(not part.any() for part in state[:5])
    for t in range(4):
        change = np.zeros_like(frames[0]) if t == 0 else frames[t] - frames[t - 1]
        expected, written = step(w, frames[t], change, expected, memory)
        out = cell(batch_of(frames[t]), state, Relay(memory=batch_of(memory)))
        state, memory = out.state, written
        close(out.relay.memory, written)
        for part, value in zip(state, expected, strict=False):
            close(part, value)
    assert out.hidden is state.hidden
    assert abs(expected[3]).max() > 1e-3  # MIM-N did speak


def test_memory_of_change_stays_empty_while_nothing_changes():
    cell = MIMCell(2, WIDE, 3)
    shaken(cell)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    state = cell.initial_state(x)
    for _ in range(3):
        state = cell(x, state, Relay()).state
    assert not state.nonstationary.any()
    assert not state.difference.any()
    state = cell(x + 1, state, Relay()).state
    assert state.nonstationary.abs().min() > 0


def test_the_published_difference_is_what_the_cell_below_said():
    torch.manual_seed(0)
    paper, released = MIMCell(WIDE, WIDE, 3), MIMCell(WIDE, WIDE, 3, relayed=True)
    released.load_state_dict(paper.state_dict())
    x, said = torch.randn(2, 1, WIDE, 4, 4)
    state = paper.initial_state(x)._replace(below=x - said)
    one = paper(x, state, Relay())
    other = released(x, paper.initial_state(x), Relay(difference=said))
    torch.testing.assert_close(one.hidden, other.hidden)
    assert one.relay.difference is None
    assert other.relay.difference is other.state.difference
    past = torch.rand(1, 3, 1, 8, 8)
    forecasts = []
    for difference in ("hidden", "relayed"):
        torch.manual_seed(0)
        settings = {"hidden": [4, 4, 4], "filter_size": 3, "patch": 2, "difference": difference}
        forecasts.append(build_model("mim", settings)(past, 2))
    assert not torch.equal(*forecasts)


def test_hadamard_weights_tie_to_a_size_and_all_are_trained():
    settings = {"hidden": [4, 4, 4], "filter_size": 3, "patch": 2, "hadamard": True}
    with pytest.raises(SettingsError, match="size"):
        build_model("mim", settings)
    model = build_model("mim", settings, size=(8, 12))
    with pytest.raises(SettingsError, match="8 x 12"):
        model(torch.rand(1, 4, 1, 8, 8), 2)
    model(torch.rand(1, 4, 1, 8, 12), 2).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_table_2_of_the_motionrnn_paper():
    found = count("mim", {}, past=4, steps=4, size=(128, 128), channels=3)
    assert found.parameters == 9_789_440
    assert found.parameters == pytest.approx(9.79e6, rel=0.01)
    assert found.multiply_accumulates == pytest.approx(70.2e9, rel=0.01)
