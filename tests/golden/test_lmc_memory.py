"""LMC-Memory gives the published numbers: outputs, what is inside, gradients, two training iterations."""

import json
import math
import zlib

import numpy as np
import pytest
import torch

from nowcast.models.base import Clip
from nowcast.models.lmc_alignment import frozen
from nowcast.models.lmc_memory import LmcMemory, LmcSettings, _Sequence
from nowcast.models.lmc_motion import difference_frames
from nowcast.models.lmc_published import our_name, our_state
from nowcast.models.unroll import unroll
from tests.shared_data import golden


@pytest.fixture(scope="module")
def published():
    with np.load(golden("lmc_memory.npz"), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def weights(published) -> dict[str, torch.Tensor]:
    """Make each weight from its name and shape, by the rule that stands beside the golden numbers."""
    state = {}
    for name, shape in json.loads(str(published["state"])).items():
        z = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape)
        value = 0.05 * z if len(shape) <= 1 else z / math.sqrt(math.prod(shape[1:]))
        state[name] = torch.from_numpy(np.asarray(value, np.float32))
    return state


def network(weights, **settings) -> LmcMemory:
    net = LmcMemory(LmcSettings(**settings))
    state = our_state({f"module.{k}": v for k, v in weights.items()})
    result = net.load_state_dict(state, strict=False)
    assert result.unexpected_keys == []
    assert result.missing_keys == ["batches_seen"]
    return net


def frames(published, name, dtype=torch.float64):
    return torch.from_numpy(published[name]).to(dtype)


def forecast(net, published, phase, dtype):
    motion = difference_frames(frames(published, "long", dtype)) if phase == "phase1" else None
    steps = int(published["out_len"])
    return unroll(_Sequence(net, motion), frames(published, "short", dtype), steps)


@pytest.mark.parametrize("phase", ["phase1", "phase2"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@torch.no_grad()
def test_outputs(published, weights, phase, dtype, tolerance):
    net = network(weights).to(dtype).eval()
    expected = published[f"{phase}/output_f64"]
    np.testing.assert_allclose(forecast(net, published, phase, dtype), expected, atol=tolerance, rtol=0)


@torch.no_grad()
def test_forecast_of_kth_ends_in_a_sigmoid(published, weights):
    net = network(weights, sigmoid=True).eval()
    said = net(frames(published, "short", torch.float32)[:1], int(published["out_len"]))
    np.testing.assert_allclose(said, published["kth_phase2/output"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("phase", "clip"), [("phase1", "long"), ("phase2", "short")])
@torch.no_grad()
def test_what_is_inside(published, weights, phase, clip):
    net = network(weights).eval()
    long = phase == "phase1"
    clip = frames(published, clip, torch.float32)
    queries = net._queries(difference_frames(clip), long)
    inside = {name: published[f"{phase}/mid/{name}"] for name in
              ("query_map", "addressing_vec", "memory_embedded_128")}
    np.testing.assert_allclose(queries, inside["query_map"][:, :, 0], atol=1e-5)
    vectors = net.address(clip, long).permute(0, 2, 3, 1).flatten(0, 2)
    np.testing.assert_allclose(vectors, inside["addressing_vec"], atol=1e-6, rtol=0)
    recalled = net.recall(difference_frames(clip), long)
    np.testing.assert_allclose(recalled.map, inside["memory_embedded_128"], atol=1e-5)


@pytest.mark.parametrize("phase", ["phase1", "phase2"])
@torch.no_grad()
def test_first_attention(published, weights, phase):
    net = network(weights).eval()
    given: list[torch.Tensor] = []
    net.attention.register_forward_hook(lambda module, inputs, output: given.append(output))
    motion = difference_frames(frames(published, "long", torch.float32)) if phase == "phase1" else None
    unroll(_Sequence(net, motion), frames(published, "short", torch.float32), 1)
    expected = published[f"{phase}/mid/attention_step0"]
    np.testing.assert_allclose(given[0][:, :, 0, 0], expected, atol=1e-5, rtol=0)


def group_names(published) -> dict[str, str]:
    return {our_name(name): name for name in json.loads(str(published["state"]))}


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["phase1", "phase2"])
def test_losses_and_gradients(published, weights, phase):
    net = network(weights).double()
    said = forecast(net, published, phase, torch.float64)
    truth = frames(published, "gt")
    l1, l2 = (said - truth).abs().mean(), (said - truth).square().mean()
    assert l1.item() == pytest.approx(float(published[f"{phase}/l1_f64"]), abs=1e-10)
    assert l2.item() == pytest.approx(float(published[f"{phase}/l2_f64"]), abs=1e-10)
    (l1 + l2).backward()
    ours = group_names(published)
    for name, parameter in net.named_parameters():
        expected = float(published[f"{phase}/grad/{ours[name]}_f64"])
        if math.isnan(expected):
            assert parameter.grad is None, name
        else:
            assert parameter.grad.norm().item() == pytest.approx(expected, rel=1e-6), name


WATCHED = ("memory.slots", "store_encoder.stages.0.0.weight", "match_encoder.stages.0.0.weight",
           "encoder.0.weight")


@pytest.mark.slow
@pytest.mark.parametrize("set_to_none", [True, False])
def test_two_training_iterations_with_adam(published, weights, set_to_none):
    """Both phases, twice: the losses, and how far each group of weights moves in which phase.

    With gradients zeroed instead of dropped, the published code's momentum moves the memory in the
    matching phase too; dropping them keeps it still, as Algorithm 1 demands.
    """
    net = network(weights)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-4)
    clip = Clip(
        past=frames(published, "short", torch.float32),
        future=frames(published, "gt", torch.float32),
        seen=torch.ones(2, 16, 1, 64, 64, dtype=torch.bool),
        context=frames(published, "long", torch.float32),
    )
    rows = []
    for _ in range(2):
        losses, moved = [], []
        for phase in net.phases(clip, None, torch.Generator().manual_seed(0)):
            before = {n: p.detach().clone() for n, p in net.named_parameters() if n in WATCHED}
            error = phase.prediction - phase.target
            loss = error.abs().mean() + error.square().mean()
            optimiser.zero_grad(set_to_none=set_to_none)
            loss.backward()
            optimiser.step()
            after = dict(net.named_parameters())
            losses.append(loss.item())
            moved += [(after[n] - before[n]).abs().max().item() for n in WATCHED]
        rows.append(losses + moved)
    expected = published[f"protocol_set_to_none_{set_to_none}"]
    np.testing.assert_allclose(np.array(rows)[:, :2], expected[:, :2], rtol=1e-4)
    np.testing.assert_allclose(np.array(rows)[:, 2:], expected[:, 2:], rtol=2e-2, atol=1e-9)


def test_frozen_gives_back_what_was_frozen():
    layer = torch.nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    with frozen(layer):
        assert not layer.weight.requires_grad
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad
