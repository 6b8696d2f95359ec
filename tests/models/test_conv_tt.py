"""Conv-TT-LSTM: the train by hand over four steps, and what it remembers."""

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.conv_tt import ConvTTLSTM
from tests.fakes.by_hand import batch_of, close, conv, shaken, sigmoid

WIDE, SIDE = 2, (2, 3)


def test_four_steps_by_hand():
    """Order 2 over 3 past steps: two windows of two maps each."""
    cell = ConvTTLSTM(3, WIDE, 3, order=2, past_steps=3, rank=2)
    w = shaken(cell)
    frames = np.random.default_rng(1).normal(size=(4, 3, *SIDE))
    zeros = np.zeros((WIDE, *SIDE))
    past, c = [zeros] * 3, zeros
    state = cell.initial_state(batch_of(frames[0]))
    for x in frames:
        oldest, newest = np.concatenate(past[:2]), np.concatenate(past[1:])
        v = conv(oldest, w["windows.0.weight"], w["windows.0.bias"])
        v = conv(newest, w["windows.1.weight"], w["windows.1.bias"]) + conv(v, w["train_links.0.weight"])
        gates = conv(np.concatenate([x, v]), w["conv.weight"], w["conv.bias"])
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        past = [*past[1:], h]
        out = cell(batch_of(x), state, Relay())
        state = out.state
        close(out.hidden, h)
        close(state.cell, c)
        for kept, value in zip((*state.older, state.hidden), past, strict=True):
            close(kept, value)


@pytest.mark.parametrize(("order", "past_steps"), [(1, 1), (1, 3), (3, 3), (3, 5)])
def test_it_sees_as_many_past_steps_as_asked(order, past_steps):
    torch.manual_seed(0)
    cell = ConvTTLSTM(1, 2, 3, order, past_steps, rank=2)
    x = torch.rand(1, 1, 4, 4)
    start = cell.initial_state(x)
    before = cell(x, start, Relay()).hidden
    assert len(start.older) == past_steps - 1
    for age in range(past_steps - 1):
        older = list(start.older)
        older[age] = torch.ones_like(older[age])
        assert not torch.allclose(cell(x, start._replace(older=tuple(older)), Relay()).hidden, before)


def test_a_train_longer_than_the_past_is_refused():
    with pytest.raises(SettingsError, match=r"past_steps: got 2.*order \(3\) or more"):
        build_model("conv_tt_lstm", {"past_steps": 2})
