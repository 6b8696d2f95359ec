"""ASTM's attention over past memories: by hand, against the plain equations, and what it keeps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.models.cells.history import attend, attend_plainly, extended


def case(count, seed=0, shape=(2, 3, 2, 4, 4), grad=False):
    draw = torch.Generator().manual_seed(seed)
    gate = torch.rand(shape, generator=draw, dtype=torch.float64).requires_grad_(grad)
    maps = [torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_(grad) for _ in range(count)]
    return gate, tuple(maps)


@pytest.mark.parametrize("grad", [False, True])
def test_two_memories_by_hand(grad):
    # scores ln 3 * (0, 1) give weights (1, 3) / 4; scores 0 give equal weights
    gate = torch.tensor([math.log(3), 0.0]).requires_grad_(grad)
    history = (torch.zeros(2), torch.tensor([1.0, 5.0]))
    assert attend(gate, history).tolist() == pytest.approx([0.75, 2.5])


def test_one_memory_comes_back_itself():
    gate, (memory,) = case(1)
    assert attend(gate, (memory,)) is memory


@pytest.mark.parametrize("count", [2, 5, 20])
def test_equals_the_plain_equations(count):
    gate, history = case(count)
    torch.testing.assert_close(attend(gate, history), attend_plainly(gate, history), atol=1e-14, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_gradients_equal_those_of_the_plain_equations(count):
    gate, history = case(count, grad=True)
    pull = torch.randn(gate.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    given = (gate, *history) if count > 1 else history
    fused = torch.autograd.grad(attend(gate, history), given, pull)
    plain = torch.autograd.grad(attend_plainly(gate, history), given, pull)
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-13, rtol=0)


def test_gradient_equals_finite_differences():
    gate, history = case(3, shape=(1, 2, 2), grad=True)
    assert torch.autograd.gradcheck(lambda g, *maps: attend(g, maps), (gate, *history))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8), st.floats(0, 1), st.randoms(use_true_random=False)
)
def test_lies_between_the_memories_whatever_their_order_and_size(values, forget, chance):
    gate = torch.tensor([forget])
    history = tuple(torch.tensor([value]) for value in values)
    found = attend(gate, history).item()
    slack = 1e-5 * max(abs(v) for v in values) + 1e-12
    assert min(values) - slack <= found <= max(values) + slack
    shuffled = list(history)
    chance.shuffle(shuffled)
    assert attend(gate, tuple(shuffled)).item() == pytest.approx(found, rel=1e-4, abs=slack)


def test_the_ring_moves_no_map_and_forgets_the_oldest():
    maps = [torch.full((1,), float(i)) for i in range(7)]
    history = ()
    for memory in maps:
        history = extended(history, memory, tau=5)
    assert [m.item() for m in history] == [2, 3, 4, 5, 6]
    assert all(kept is memory for kept, memory in zip(history, maps[2:], strict=True))


@pytest.mark.parametrize("count", [2, 5, 20])
def test_training_keeps_two_maps_whatever_tau(count):
    gate, history = case(count, grad=True)
    there = {t.data_ptr() for t in (gate, *history)}
    kept = set()

    def pack(tensor):
        kept.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        attend(gate, history)
    assert len(kept - there) <= 2  # the result may be saved without the hook
