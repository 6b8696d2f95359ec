"""LMC-Memory gives the published numbers: outputs, what is inside, gradients, two training iterations."""

import json
import math

import numpy as np
import pytest
import torch

from nowcast.models.base import ClipBatch, FrameSpec
from nowcast.models.lmc.motion import difference_frames
from nowcast.models.lmc.network import LmcMemory, LmcSettings, _Sequence, frozen
from nowcast.models.lmc.published import our_name
from nowcast.models.published import load_published_with_settings
from nowcast.models.unroll import unroll
from tests.fakes.published_weights import made_weights
from tests.shared_data import golden


@pytest.fixture(scope="module")
def published():
    with np.load(golden("lmc_memory.npz"), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def weights(published) -> dict[str, torch.Tensor]:
    return made_weights(str(published["state"]))


def network(weights, **settings) -> LmcMemory:
    net = LmcMemory(LmcSettings(**settings), FrameSpec())
    state = {our_name(f"module.{k}"): v for k, v in weights.items()}
    result = net.load_state_dict(state, strict=False)
    assert result.unexpected_keys == []
    assert result.missing_keys == ["batches_seen"]
    return net


def frames(published, name, dtype=torch.float64):
    return torch.from_numpy(published[name]).to(dtype)


def forecast(net, published, phase, dtype, batch=2):
    motion = None
    if phase == "phase1":
        motion = difference_frames(frames(published, "long", dtype)[:batch])
    steps = int(published["out_len"])
    return unroll(_Sequence(net, motion), frames(published, "short", dtype)[:batch], steps)


@pytest.mark.parametrize(
    ("phase", "dtype", "tolerance", "batch"),
    [
        ("phase1", torch.float32, 1e-5, 2),
        ("phase2", torch.float32, 1e-5, 2),
        pytest.param("phase1", torch.float64, 1e-10, 1, marks=pytest.mark.slow),
        ("phase2", torch.float64, 1e-10, 1),
    ],
)
@torch.no_grad()
def test_outputs(published, weights, phase, dtype, tolerance, batch):
    net = network(weights).to(dtype).eval()
    expected = published[f"{phase}/output_f64"][:batch]
    said = forecast(net, published, phase, dtype, batch)
    np.testing.assert_allclose(said, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("phase", "clip"), [("phase1", "long"), ("phase2", "short")])
@torch.no_grad()
def test_what_is_inside(published, weights, phase, clip):
    net = network(weights).eval()
    inside = {
        name: published[f"{phase}/mid/{name}"]
        for name in ("query_map", "addressing_vec", "memory_embedded_128", "attention_step0")
    }
    queries: list[torch.Tensor] = []
    attention: list[torch.Tensor] = []
    net.memory.register_forward_pre_hook(lambda module, inputs: queries.append(inputs[0]))
    net.attention.register_forward_hook(lambda module, inputs, output: attention.append(output))
    motion = difference_frames(frames(published, clip, torch.float32))
    run = _Sequence(net, motion if clip == "long" else None)
    unroll(run, frames(published, "short", torch.float32), 1)
    np.testing.assert_allclose(queries[0], inside["query_map"][:, :, 0], atol=1e-5)
    vectors = net.memory.address(queries[0]).permute(0, 2, 3, 1).flatten(0, 2)
    np.testing.assert_allclose(vectors, inside["addressing_vec"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(run.recollection.map, inside["memory_embedded_128"], atol=1e-5)
    np.testing.assert_allclose(attention[0][:, :, 0, 0], inside["attention_step0"], atol=1e-5, rtol=0)


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


WATCHED = (
    "memory.slots",
    "store_encoder.stages.0.0.weight",
    "match_encoder.stages.0.0.weight",
    "encoder.0.weight",
)


@pytest.mark.slow
@pytest.mark.parametrize("set_to_none", [True, False])
def test_two_training_iterations_with_adam(published, weights, set_to_none):
    """Both phases, twice: the losses, and how far each group of weights moves in which phase.

    With gradients zeroed instead of dropped, the published code's momentum moves the memory in the
    matching phase too; dropping them keeps it still, as Algorithm 1 demands.
    """
    net = network(weights)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-4)
    clip = ClipBatch(
        past=frames(published, "short", torch.float32),
        future=frames(published, "gt", torch.float32),
        observed=torch.ones(2, 16, 1, 64, 64, dtype=torch.bool),
        context=frames(published, "long", torch.float32),
    )
    rows = []
    for _ in range(2):
        losses, moved = [], []
        for step in net.optimiser_steps(clip, None, torch.Generator().manual_seed(0)):
            before = {n: p.detach().clone() for n, p in net.named_parameters() if n in WATCHED}
            error = step.prediction - step.target
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


def test_a_published_checkpoint_loads_and_says_what_the_published_code_says(published, weights, tmp_path):
    path = tmp_path / "model.pth"
    torch.save({f"module.{name}": value for name, value in weights.items()}, path)
    net, settings = load_published_with_settings(path, "lmc_memory", settings={"sigmoid": True})
    assert settings == {
        "variant": "local",
        "slots": 100,
        "slot_width": 512,
        "hidden": 128,
        "layers": 4,
        "sigmoid": True,
    }
    with torch.no_grad():
        said = net(frames(published, "short", torch.float32)[:1], int(published["out_len"]))
    np.testing.assert_allclose(said, published["kth_phase2/output"], atol=1e-5, rtol=0)


def test_counts_of_parameters_are_the_published_ones(weights):
    net = network(weights)
    count = lambda model: sum(p.numel() for p in model.parameters())  # noqa: E731
    assert count(net) == 33_911_825
    assert count(net.forecast_only()) == 20_416_145
