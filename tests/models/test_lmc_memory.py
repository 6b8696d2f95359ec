"""LMC-Memory: variants, lengths, addressing by hand, both steps, warm-up, what is left out and saved."""

import math
from pathlib import Path

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.checkpoint import fill
from nowcast.models.cpu.fast import fast
from nowcast.models.lmc.addressing import MotionMemory
from nowcast.models.lmc.cell import LmcConvLSTM
from nowcast.models.lmc.motion import MotionEncoder, difference_frames, long_motion

TINY = {"hidden": 8, "slot_width": 16, "slots": 5, "layers": 2, "long_length": 6}


def tiny(channels=1, seed=0, **settings):
    torch.manual_seed(seed)
    return build_model("lmc_memory", {**TINY, **settings}, channels)


def clip(past=4, future=5, context=0, batch=2, channels=1, seed=1):
    draw = torch.Generator().manual_seed(seed)
    frames = torch.rand(batch, past + future, channels, 16, 16, generator=draw)
    around = torch.rand(batch, context, channels, 16, 16, generator=draw)
    return ClipBatch(frames[:, :past], frames[:, past:], torch.ones_like(frames, dtype=torch.bool), around)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def moved(net, before):
    return {n for n, p in net.named_parameters() if not torch.equal(p, before[n])}


def copies(net):
    return {n: p.detach().clone() for n, p in net.named_parameters()}


def iteration(net, optimiser, batch, draw):
    """One training iteration: names of the parameters that moved, for each step."""
    groups = []
    for step in net.optimiser_steps(batch, None, draw):
        before = copies(net)
        optimiser.zero_grad()
        (step.prediction - step.target).abs().mean().backward()
        optimiser.step()
        groups.append((step.name, moved(net, before)))
    return groups


# --- the memory, by hand ---


def test_addressing_and_recall_by_hand():
    memory = MotionMemory(2, 16, 8, pooled=False, temperature=1.0)
    with torch.no_grad():
        memory.slots.zero_()
        memory.slots[0, 0] = 2.0
        memory.slots[1, 1] = 5.0
    query = torch.zeros(1, 16, 1, 2)
    query[0, 0, 0, 0] = 3.0  # points along slot 0
    query[0, 1, 0, 1] = -1.0  # points away from slot 1
    weights = memory.address(query)
    match = math.e / (math.e + 1)
    apart = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(weights[0, :, 0, 0], torch.tensor([match, 1 - match]))
    torch.testing.assert_close(weights[0, :, 0, 1], torch.tensor([apart, 1 - apart]))
    heard = []
    memory.embed.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    memory(query)
    torch.testing.assert_close(heard[0][0, :2, 0, 0], torch.tensor([2 * match, 5 * (1 - match)]))


def test_a_perfect_match_among_100_slots_gets_little_at_temperature_1_and_all_at_a_low_one():
    slots = torch.eye(100, 104)
    query = slots[7].view(1, 104, 1, 1)
    for temperature, expected in ((1.0, math.e / (math.e + 99)), (0.05, 1.0)):
        memory = MotionMemory(100, 104, 8, pooled=False, temperature=temperature)
        with torch.no_grad():
            memory.slots.copy_(slots)
        assert memory.address(query)[0, 7, 0, 0].item() == pytest.approx(expected, abs=1e-4)


def test_one_query_for_the_whole_frame_is_the_mean_over_places():
    pooled = MotionMemory(5, 16, 8, pooled=True, temperature=1.0)
    local = MotionMemory(5, 16, 8, pooled=False, temperature=1.0)
    local.load_state_dict(pooled.state_dict())
    queries = torch.rand(2, 16, 3, 4)
    mean = queries.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(pooled.address(queries), local.address(mean).expand(2, 5, 3, 4))


# --- the motion encoder ---


@pytest.mark.parametrize("differences", [1, 2, 3, 4, 5, 7, 8, 9, 20])
def test_any_number_of_difference_frames_gives_one_map(differences):
    encoder = MotionEncoder(2, 16)
    assert encoder(torch.rand(1, differences, 2, 32, 48)).shape == (1, 16, 2, 3)


def test_from_eight_difference_frames_on_it_is_the_published_encoder():
    torch.manual_seed(0)
    encoder = MotionEncoder(1, 16)
    published = torch.nn.Sequential(
        *encoder.stages[0],
        torch.nn.MaxPool3d((1, 2, 2)),
        *encoder.stages[1],
        torch.nn.MaxPool3d(2),
        *encoder.stages[2],
        torch.nn.MaxPool3d(2),
        *encoder.stages[3],
        torch.nn.MaxPool3d(2),
        torch.nn.AdaptiveAvgPool3d((1, None, None)),
    )
    for differences in (8, 9, 19):
        clips = torch.rand(2, differences, 1, 16, 32)
        torch.testing.assert_close(encoder(clips), published(clips.transpose(1, 2))[:, :, 0])


def test_what_was_not_seen_has_not_moved():
    frames = torch.tensor([0.0, 1.0, 3.0, 3.5]).view(1, 4, 1, 1, 1)
    seen = torch.tensor([False, True, True, True]).view(1, 4, 1, 1, 1)
    assert difference_frames(frames).flatten().tolist() == [1.0, 2.0, 0.5]
    assert difference_frames(frames, seen).flatten().tolist() == [0.0, 2.0, 0.5]


# --- the cell ---


def test_the_cell_by_hand():
    """One place, one channel: gates in the order input, candidate, forget, output; no forget bias."""
    cell = LmcConvLSTM(1, 1)
    with torch.no_grad():
        for conv in (cell.conv_x, cell.conv_h):
            conv.weight.zero_()
        cell.conv_x.weight[:, 0, 1, 1] = torch.tensor([0.1, 0.2, 0.3, 0.4])
        cell.conv_h.weight[:, 0, 1, 1] = torch.tensor([0.5, 0.6, 0.7, 0.8])
        cell.conv_x.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04]))
        cell.conv_h.bias.copy_(torch.tensor([0.1, 0.1, 0.1, 0.1]))
    x, h, c = 2.0, 0.5, -0.4
    state = cell.initial_state(torch.full((1, 1, 1, 1), x))
    state = state._replace(hidden=torch.full((1, 1, 1, 1), h), cell=torch.full((1, 1, 1, 1), c))
    out = cell(torch.full((1, 1, 1, 1), x), state, Relay())
    s = lambda v: 1 / (1 + math.exp(-v))  # noqa: E731
    gates = [
        wx * x + wh * h + b + 0.1
        for wx, wh, b in ((0.1, 0.5, 0.01), (0.2, 0.6, 0.02), (0.3, 0.7, 0.03), (0.4, 0.8, 0.04))
    ]
    new = s(gates[2]) * c + s(gates[0]) * math.tanh(gates[1])
    assert out.state.cell.item() == pytest.approx(new, abs=1e-6)
    assert out.hidden.item() == pytest.approx(s(gates[3]) * math.tanh(new), abs=1e-6)


# --- the network ---


@pytest.mark.parametrize("variant", ["none", "pooled", "local"])
@pytest.mark.parametrize("past", [2, 5, 10])
def test_every_variant_takes_any_past(variant, past):
    net = tiny(channels=3, variant=variant).eval()
    with torch.no_grad():
        assert net(torch.rand(2, past, 3, 16, 32), 3).shape == (2, 3, 3, 16, 32)


def test_without_memory_there_is_none():
    net = tiny(variant="none")
    assert not [n for n, _ in net.named_parameters() if n.split(".")[0] not in ("encoder", "cells", "decoder")]
    assert [step.name for step in net.optimiser_steps(clip(), None, generator())] == ["forecast"]
    with pytest.raises(SettingsError, match="memory"):
        net.address(torch.rand(1, 4, 1, 16, 16))


def test_a_sigmoid_keeps_frames_between_0_and_1():
    past = 20 * torch.rand(1, 4, 1, 16, 16)
    plain, squashed = tiny().eval(), tiny(sigmoid=True).eval()
    with torch.no_grad():
        torch.testing.assert_close(squashed(past, 1), torch.sigmoid(plain(past, 1)))


def test_both_motion_encoders_start_alike():
    net = tiny()
    for long, short in zip(net.store_encoder.parameters(), net.match_encoder.parameters(), strict=True):
        assert torch.equal(long, short)
        assert long is not short


def test_the_memory_changes_the_forecast():
    net, past = tiny().eval(), torch.rand(1, 4, 1, 16, 16)
    with torch.no_grad():
        before = net(past, 2)
        net.memory.slots.mul_(3)
        assert not torch.equal(net(past, 2), before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slots", 0),
        ("hidden", 3),
        ("slot_width", 12),
        ("temperature", 0.0),
        ("layers", 0),
        ("long_length", 1),
        ("warmup_iterations", -1),
        ("variant", "global"),
    ],
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        tiny(**{name: value})


@pytest.mark.parametrize("shape", [(1, 1, 1, 16, 16), (1, 4, 2, 16, 16), (1, 4, 1, 24, 16), (4, 1, 16, 16)])
def test_frames_it_cannot_take_are_refused(shape):
    with pytest.raises(SettingsError):
        tiny()(torch.rand(shape), 1)


# --- alignment learning ---


def test_each_phase_moves_what_it_should_and_momentum_moves_nothing_else():
    """Three iterations, so that Adam has momentum for every group when it must not use it."""
    net = tiny().train()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    draw = generator()
    for _ in range(3):
        (store, in_store), (match, in_match) = iteration(net, optimiser, clip(context=12), draw)
        assert (store, match) == ("store", "match")
        assert "memory.slots" in in_store
        assert any(n.startswith("store_encoder.") for n in in_store)
        assert not any(n.startswith("match_encoder.") for n in in_store)
        assert any(n.startswith("match_encoder.") for n in in_match)
        assert not any(n.startswith("store_encoder.") or n == "memory.slots" for n in in_match)
        assert {"encoder.0.weight", "decoder.0.weight", "memory.embed.0.weight"} <= in_store & in_match
    assert all(p.requires_grad for p in net.parameters())


def test_an_interrupted_iteration_leaves_nothing_frozen():
    net = tiny()
    phases = net.optimiser_steps(clip(), None, generator())
    next(phases)
    assert not any(p.requires_grad for p in net.match_encoder.parameters())
    phases.close()
    assert all(p.requires_grad for p in net.parameters())


def test_the_matching_phase_sees_the_moved_weights():
    net, batch = tiny(), clip()
    _, second = (p.prediction.detach() for p in net.optimiser_steps(batch, None, generator()))
    phases = net.optimiser_steps(batch, None, generator())
    next(phases)
    with torch.no_grad():
        net.decoder[0].bias.add_(1.0)
    assert not torch.allclose(next(phases).prediction, second)


def test_the_long_clip_starts_at_an_offset_of_its_own_for_each_sample():
    numbered = torch.arange(20.0).square().view(1, 20, 1, 1, 1).expand(256, 20, 1, 16, 16)
    batch = ClipBatch(numbered[:, :2], numbered[:, 2:4], torch.ones(256, 4, 1, 16, 16).bool(), numbered)
    drawn = long_motion(batch, 6, generator(3))
    assert drawn.shape == (256, 5, 1, 16, 16)
    starts = (drawn[:, 0, 0, 0, 0] - 1) / 2  # (n + 1)^2 - n^2 = 2 n + 1
    assert set(starts.tolist()) == set(range(15))
    torch.testing.assert_close(drawn[:, 4, 0, 0, 0], 2 * (starts + 4) + 1)
    assert torch.equal(drawn, long_motion(batch, 6, generator(3)))
    assert not torch.equal(drawn, long_motion(batch, 6, generator(4)))


def test_without_context_the_long_clip_comes_from_past_and_future_and_counts_only_what_was_seen():
    batch = clip(past=4, future=5)
    batch.observed[0, 3] = False
    drawn = long_motion(batch, 30, generator())
    whole = difference_frames(torch.cat([batch.past, batch.future], dim=1))
    assert torch.equal(drawn[1], whole[1])
    assert (drawn[0, 2:4] == 0).all()
    assert torch.equal(drawn[0, 4:], whole[0, 4:])


def test_warm_up_cuts_horizon_and_long_clip_then_stops():
    net = tiny(warmup_iterations=2, warmup_steps=3).train()
    optimiser = torch.optim.Adam(net.parameters())
    given = []
    net.store_encoder.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].shape[1]))
    batch, lengths = clip(past=4, future=5, context=12), []
    for _ in range(3):
        for step in net.optimiser_steps(batch, None, generator()):
            assert step.prediction.shape == step.target.shape == step.observed.shape
            assert torch.equal(step.target, batch.future[:, : step.target.shape[1]])
            lengths.append(step.prediction.shape[1])
            optimiser.step()
    assert lengths == [3, 3, 3, 3, 5, 5]
    assert given == [6, 6, 5]
    again = tiny(warmup_iterations=2, warmup_steps=3)
    again.load_state_dict(net.state_dict())
    assert int(again.batches_seen) == 3


def test_validation_is_neither_counted_nor_warmed_up():
    net = tiny(warmup_iterations=2, warmup_steps=3).eval()
    assert [p.prediction.shape[1] for p in net.optimiser_steps(clip(), None, generator())] == [5, 5]
    assert int(net.batches_seen) == 0


def test_saving_memory_changes_no_number():
    batch = clip(context=12)
    gradients = []
    for save in (False, True):
        net = tiny(save_memory=save).train()
        for step in net.optimiser_steps(batch, None, generator()):
            (step.prediction - step.target).square().sum().backward()
        gradients.append({n: p.grad for n, p in net.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_under_bf16_the_addressing_stays_float32():
    net, frames = tiny().eval(), torch.rand(1, 4, 1, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        weights = net.address(frames)
        said = net(frames, 2)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(1, 1, 1))
    with torch.no_grad():
        torch.testing.assert_close(said.float(), net(frames, 2), atol=2e-2, rtol=0)


# --- forecasting needs no long clips ---


def test_what_only_training_needs_is_left_out_of_forecasting():
    net = tiny().eval()
    light = tiny(seed=1).forecast_only().eval()
    fill(light, net.state_dict(), Path("w.pt"))
    assert not [n for n in light.state_dict() if n.startswith("store_encoder.")]
    frames = torch.rand(1, 4, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(light(frames, 2), net(frames, 2))
    with pytest.raises(SettingsError, match="store_encoder"):
        light.address(frames, long=True)


@pytest.mark.parametrize("variant", ["none", "local"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_the_fast_copy_says_the_same(variant, dtype, tolerance):
    net, frames = tiny(variant=variant).eval(), torch.rand(2, 4, 1, 16, 32)
    with torch.no_grad():
        torch.testing.assert_close(fast(net, dtype)(frames, 4), net(frames, 4), atol=tolerance, rtol=0)


def test_the_fast_copy_packs_every_convolution_but_the_enlarging_ones():
    parts = [part for part in fast(tiny()).modules() if isinstance(part, torch.nn.modules.conv._ConvNd)]
    assert {type(part) for part in parts} == {torch.nn.ConvTranspose2d}
    assert {part.stride for part in parts} == {(2, 2)}
