"""E3D-LSTM: recall and cell by hand, a global memory that is written, and bounds on what is held."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.eidetic3d import EideticCell, recall
from nowcast.models.counts import count
from tests.fakes.by_hand import batch_of, close, conv, normalised, shaken, sigmoid

WIDE, CLIP = 2, (2, 2, 3)
PLACES = list(itertools.product(*(range(n) for n in CLIP)))


def attended(gate, memories, reach):
    """softmax(R K^T) K, place by place."""
    out = np.zeros_like(gate)
    for place in PLACES:
        here = (slice(None), *place)
        others = PLACES if reach == "everywhere" else [place]
        known = np.stack([memory[(slice(None), *other)] for memory in memories for other in others])
        weights = np.exp(known @ gate[here])
        out[here] = weights @ known / weights.sum()
    return out


def step(w, x, hidden, memories, memory, reach, norm):
    r, i, g, i2, f2, g2, o = np.split(conv(x, w["conv_x.weight"]), 7)
    hr, hi, hg, ho = np.split(conv(hidden, w["conv_h.weight"]), 4)
    mi, mf, mg, mm = np.split(conv(memory, w["conv_m.weight"]), 4)
    kept = memories[-1] + attended(sigmoid(r + hr), memories, reach)
    if norm:
        gain, bias = (w[f"norm.{name}"].reshape(-1, 1, 1, 1) for name in ("weight", "bias"))
        kept = normalised(kept, gain, bias)
    else:
        kept = kept / 2
    cell = sigmoid(i + hi) * np.tanh(g + hg) + kept
    memory = sigmoid(f2 + mf + 1) * np.tanh(mm) + sigmoid(i2 + mi) * np.tanh(g2 + mg)
    both = np.concatenate([cell, memory])
    gate = sigmoid(o + ho + conv(both, w["conv_o.weight"]))
    return gate * np.tanh(conv(both, w["conv_last.weight"])), cell, memory


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("reach", ["everywhere", "in_place"])
def test_three_steps_by_hand(norm, reach):
    cell = EideticCell(3, WIDE, (3, 3, 3), tau=2, clip_frames=2, layer_norm=norm, reach=reach)
    w = shaken(cell, size=0.3)
    frames = np.random.default_rng(1).normal(size=(3, 3, *CLIP))
    zeros = np.zeros((WIDE, *CLIP))
    hidden, memories, memory, relay = zeros, [zeros], zeros, Relay()
    state = cell.initial_state(batch_of(frames[0]))
    for t in range(3):
        hidden, new, memory = step(w, frames[t], hidden, memories, memory, reach, norm)
        memories = [*memories, new][-2:]
        out = cell(batch_of(frames[t]), state, relay)
        state, relay = out.state, out.relay
        close(out.hidden, hidden)
        close(relay.memory, memory)
        assert len(state.history) == len(memories)
        close(state.history[-1], new)


@pytest.mark.parametrize("reach", ["everywhere", "in_place"])
def test_recall_chooses_memories_and_not_channels(reach):
    """A memory that answers the gate strongly is read; its channels come out as they went in."""
    gate = torch.ones(1, 3, 1, 2, 2)
    right = torch.tensor([30.0, 20.0, 10.0]).view(1, 3, 1, 1, 1).expand_as(gate)
    wrong = -right
    found = recall(gate, (wrong, right, wrong), reach)
    torch.testing.assert_close(found, right.clone())
    torch.testing.assert_close(recall(gate, (right, wrong, wrong), reach), found)
    one_hot = torch.zeros_like(gate)
    one_hot[:, 0] = 1.0  # asks for channel 0 large: (5, 0, 0) against (0, 5, 5)
    a = torch.tensor([5.0, 0.0, 0.0]).view(1, 3, 1, 1, 1).expand_as(gate)
    b = torch.tensor([0.0, 5.0, 5.0]).view(1, 3, 1, 1, 1).expand_as(gate)
    share = np.exp(5) / (np.exp(5) + 1)
    expected = torch.tensor([5 * share, 5 * (1 - share), 5 * (1 - share)]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(recall(one_hot, (a, b), reach), expected.float().expand_as(gate).clone())


def test_recall_everywhere_finds_what_lies_elsewhere():
    gate = torch.ones(1, 2, 1, 4, 4)
    memory = torch.zeros(1, 2, 1, 4, 4)
    memory[..., 3, 1] = 40.0
    assert recall(gate, (memory,), "everywhere").min() > 39.9
    torch.testing.assert_close(recall(gate, (memory,), "in_place"), memory)


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for part in out if isinstance(out, tuple) else (out,):
            self.numel = max(self.numel, part.numel() if isinstance(part, torch.Tensor) else 0)
        return out


def test_attention_weights_are_never_held_at_once():
    gate = torch.rand(1, 4, 2, 16, 16)
    history = tuple(torch.randn(5, 1, 4, 2, 16, 16))
    with Largest() as seen, torch.no_grad():
        recall(gate, history)
    places = 2 * 16 * 16
    assert 0 < seen.numel <= 5 * 4 * places < places * 5 * places / 100


def test_the_global_memory_is_written_and_history_is_bounded():
    cell = EideticCell(1, 4, (3, 3, 3), tau=3)
    x = torch.rand(2, 1, 2, 4, 4)
    state, relay, written = cell.initial_state(x), Relay(), []
    for _ in range(6):
        out = cell(x, state, relay)
        state, relay = out.state, out.relay
        written.append(relay.memory)
    assert written[0].abs().max() > 1e-3
    assert not torch.allclose(written[0], written[1])
    assert len(state.history) == 3
    out.hidden.sum().backward()
    assert cell.conv_m.weight.grad.abs().max() > 0


@pytest.mark.parametrize("layer_norm", [True, False])
def test_forty_steps_stay_bounded(layer_norm):
    torch.manual_seed(0)
    cell = EideticCell(2, 4, (3, 3, 3), layer_norm=layer_norm)
    x = torch.rand(1, 2, 2, 6, 6)
    state, relay = cell.initial_state(x), Relay()
    with torch.no_grad():
        for _ in range(40):
            out = cell(x, state, relay)
            state, relay = out.state, out.relay
    assert state.history[-1].abs().max() < 40


def test_table_2_of_the_motionrnn_paper():
    """The paper counts plain 3 x 5 x 5 convolutions on two frames, and no norms.

    Half of that work is left here, as the convolution of two frames takes three products for six.
    """
    found = count("e3d_lstm", {"layer_norm": False}, past=4, steps=4, size=(128, 128), channels=3)
    assert found.parameters == pytest.approx(20.4e6, rel=0.01)
    end = 48 * 64 * 2
    assert found.parameters - end == 20_384_768
    places, steps, pointwise = 32 * 32, 7, 4 * 2 * 64 * 64
    plain = (found.parameters - end) * 2 * places * steps
    assert plain == pytest.approx(292e9, rel=0.01)
    short = plain / 2 + pointwise * places * steps + end * places * 4
    assert found.multiply_accumulates == pytest.approx(short, rel=1e-6)
    normed = count("e3d_lstm", {}, past=4, steps=4, size=(128, 128), channels=3)
    assert normed.parameters - found.parameters == 4 * 2 * 64


def test_motionrnn_takes_clips_down_to_maps():
    model = build_model(
        "motionrnn_e3d", {"hidden": [4, 4], "filter_size": 3, "patch": 2, "tau": 2, "recall": "in_place"}
    )
    past = torch.rand(1, 3, 1, 8, 12)
    assert model.motion(past, 2).shape == (1, 2, 1, 2, 2, 3)
