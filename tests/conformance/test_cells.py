"""What `RecurrentCell` promises, asked of every cell in every network of the catalog."""

import pytest
import torch

from nowcast.models.catalog import MODELS
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.recurrent import RecurrentStack
from tests.fakes.tiny_models import tiny_model


def _cells():
    found = {}
    for name in MODELS:
        model = tiny_model(name)
        if isinstance(model, RecurrentStack):
            for number, cell in enumerate(model.cells):
                found.setdefault(
                    f"{type(cell).__name__}({type(getattr(cell, 'cell', cell)).__name__})", (name, number)
                )
    return found


CELLS = _cells()
every_cell = pytest.mark.parametrize("which", list(CELLS))


def made(which: str, batch: int, seed: int = 0):
    name, number = CELLS[which]
    model = tiny_model(name)
    cell = model.cells[number]
    draw = torch.Generator().manual_seed(seed)
    clip = (cell.clip_frames,) if cell.clip_frames else ()
    x = torch.rand(batch, cell.in_channels, *clip, *map_of(model), generator=draw)
    like = torch.rand(batch, cell.hidden_channels, *clip, *map_of(model), generator=draw)
    return cell, x, Relay(memory=like if cell.carries_memory else None)


def map_of(model: RecurrentStack) -> tuple[int, int]:
    """The patched map of a 16 x 24 frame, or of the size the network is tied to."""
    rows, columns = model.size or (16, 24)
    return rows // model.patch, columns // model.patch


def steps(cell: RecurrentCell, x, relay, many=3) -> CellOutput:
    state = cell.initial_state(x)
    with torch.no_grad():
        for _ in range(many):
            out = cell(x, state, relay)
            state = out.state
    return out


def tensors(part) -> list[torch.Tensor]:
    if isinstance(part, torch.Tensor):
        return [part]
    return [t for inner in part for t in tensors(inner)] if isinstance(part, tuple) else []


@every_cell
def test_shapes_and_the_gate(which):
    cell, x, relay = made(which, 2)
    out = steps(cell, x, relay)
    assert out.hidden.shape == (2, cell.hidden_channels, *x.shape[2:])
    assert out.hidden.isfinite().all()
    if out.gate is not None:
        assert out.gate.shape == out.hidden.shape
        assert out.gate.min() >= 0
        assert out.gate.max() <= 1
    if cell.carries_memory:
        assert out.relay.memory.shape == out.hidden.shape


@every_cell
def test_nothing_is_kept_on_the_module_and_nothing_given_is_changed(which):
    cell, x, relay = made(which, 2)
    given, state = x.clone(), cell.initial_state(x)
    kept = [t.clone() for t in tensors(state)]
    with torch.no_grad():
        first = cell(x, state, relay)
        again = cell(x, state, relay)
    assert torch.equal(first.hidden, again.hidden)
    assert torch.equal(x, given)
    for before, after in zip(kept, tensors(state), strict=True):
        assert torch.equal(before, after)


@every_cell
def test_samples_do_not_see_each_other(which):
    cell, x, relay = made(which, 3)
    together = steps(cell, x, relay).hidden
    memory = None if relay.memory is None else relay.memory[1:2]
    alone = steps(cell, x[1:2], Relay(memory=memory)).hidden
    assert (together[1:2] - alone).abs().max() <= 1e-6


@every_cell
def test_the_state_starts_from_zeros_in_the_dtype_of_the_frame(which):
    cell, x, relay = made(which, 1)
    cell = cell.double()
    state = cell.initial_state(x.double())
    hidden = getattr(state, "hidden", getattr(getattr(state, "cell", None), "hidden", None))
    assert hidden is not None, "a cell's state has a field `hidden`"
    assert hidden.dtype == torch.float64
    assert not hidden.any()
    relay = Relay(memory=None if relay.memory is None else relay.memory.double())
    assert steps(cell, x.double(), relay).hidden.dtype == torch.float64
