"""CrevNet by hand: nothing is lost on the way in, known frames are read, and what zero weights forecast."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch, ScheduledTargets
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.size_limit import build_without_memory
from nowcast.models.video.crevnet.network import packed
from nowcast.models.video.crevnet.predictor import PacketState, PacketSTLSTM, ReversiblePredictor
from nowcast.models.video.crevnet.reversible import (
    Halves,
    ReversibleAutoencoder,
    depth_to_space,
    space_to_depth,
)

SMALL = {"blocks": [1, 1], "layers": 2}


def crevnet(seed=0, channels=1, **settings):
    torch.manual_seed(seed)
    return build_model("crevnet", {**SMALL, **settings}, channels).double()


def emptied(model):
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def clip(batch=1, length=4, channels=1, size=8, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch, length, channels, size, size, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize(
    ("settings", "parameters"), [({}, 4_997_444), ({"cell": "convlstm"}, 1_883_460)], ids=["stlstm", "convlstm"]
)
def test_parameters_of_the_published_sizes(settings, parameters):
    made = build_without_memory(lambda: build_model("crevnet", settings))
    assert count_parameters(made) == parameters
    assert count_parameters(made.autoencoder) == 104_516


def test_pixels_of_a_cell_become_channels_row_by_row():
    maps = torch.arange(8.0).view(1, 2, 1, 2, 2)
    assert space_to_depth(maps).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    maps = torch.rand(2, 3, 3, 4, 6)
    assert torch.equal(depth_to_space(space_to_depth(maps)), maps)


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("training", [True, False])
def test_what_is_encoded_is_decoded_exactly(norm, training):
    torch.manual_seed(0)
    coder = ReversibleAutoencoder(2, (2, 1, 1), norm).double().train(training)
    for buffer in coder.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0)
    packets = torch.rand(2, 2, 3, 8, 16, dtype=torch.float64)
    with torch.no_grad():
        halves = coder.encode(packets)
        assert halves.first.shape == (2, coder.half_channels, 3, 1, 2) == (2, 64, 3, 1, 2)
        assert (coder.decode(halves) - packets).abs().max() < 1e-10


def test_single_precision_comes_back_to_five_decimals():
    torch.manual_seed(0)
    coder = ReversibleAutoencoder(1, (4, 5, 3), "group")
    packets = torch.rand(1, 1, 3, 16, 16)
    with torch.no_grad():
        assert (coder.decode(coder.encode(packets)) - packets).abs().max() < 1e-5


def test_the_autoencoder_keeps_volumes():
    torch.manual_seed(0)
    coder = ReversibleAutoencoder(1, (2, 1), "group").double()
    packet = torch.rand(1, 1, 3, 4, 4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.cat(coder.encode(x), 1).flatten(), packet)
    assert abs(float(torch.linalg.slogdet(jacobian.view(48, 48)).logabsdet)) < 1e-8


def test_features_before_follow_from_those_after_and_the_hidden_maps():
    torch.manual_seed(0)
    predictor = ReversiblePredictor(4, 3, "stlstm").double()
    before = Halves(*torch.rand(2, 1, 4, 3, 2, 2, dtype=torch.float64))
    with torch.no_grad():
        _, state = predictor(before, predictor.initial_state(before))
        after, state = predictor(before, state)
        read, moved = after
        for layer, attention in zip(state.layers[::-1], list(predictor.attention)[::-1], strict=True):
            gate = torch.sigmoid(attention(layer.hidden))
            read, moved = moved, (read - gate * layer.hidden) / (1 - gate)
    assert (read - before.first).abs().max() < 1e-10
    assert (moved - before.second).abs().max() < 1e-10


@torch.no_grad()
def test_zero_weights_of_the_cell():
    cell = emptied(PacketSTLSTM(2))
    old, memory = torch.rand(2, 1, 2, 3, 2, 2)
    new, after = cell(torch.rand(1, 2, 3, 2, 2), PacketState(old, old), memory)
    assert torch.equal(new.cell, 0.5 * old)
    assert torch.equal(after, 0.5 * memory)
    assert float(new.hidden.abs().max()) == 0


def test_zero_weights_divide_the_packet_by_sixteen():
    model, past = emptied(crevnet(layers=8)), clip(length=5)
    with torch.no_grad():
        found = model(past, 4)
    newest = past[:, -1] / 16  # then: the third frame of the packet fed back, over 16 again
    for step in range(4):
        torch.testing.assert_close(found[:, step], newest / 16**step)


def test_a_shut_gate_makes_the_network_the_identity():
    model, past = crevnet(), clip(length=5)
    for attention in model.predictor.attention:
        torch.nn.init.zeros_(attention.weight)
        torch.nn.init.constant_(attention.bias, -1000.0)
    with torch.no_grad():
        found = model(past, 3)
    torch.testing.assert_close(found, past[:, -1:].expand_as(found))


def test_known_frames_are_read_in_place_of_forecast_ones():
    model, past = crevnet(), clip(length=4)
    read = []
    encode = model.encode
    model.encode = lambda frames: read.append(frames) or encode(frames)
    with torch.no_grad():
        found = model(past, 4)
    fed = read[1:]
    assert torch.equal(read[0], packed(past).flatten(0, 1))
    assert torch.equal(fed[0], torch.cat([past[:, 2], past[:, 3], found[:, 0]], dim=1))
    assert torch.equal(fed[1][:, [0, 2]], torch.cat([past[:, 3], found[:, 1]], dim=1))
    assert not torch.equal(fed[1][:, 1], found[:, 0, 0])  # it is the packet's own second frame
    assert torch.equal(fed[2][:, 2], found[:, 2, 0])


def test_true_frames_are_read_where_the_targets_say():
    model, past, truth = crevnet(channels=2), clip(2, 3, 2), clip(2, 4, 2, seed=2)
    read = []
    encode = model.encode
    model.encode = lambda frames: read.append(frames) or encode(frames)
    use = torch.tensor([[True, True, True], [False, True, False]])
    with torch.no_grad():
        model(past, 4, ScheduledTargets(truth, use))
    true = packed(torch.cat([past, truth], dim=1))
    for step in range(3):
        assert torch.equal(read[step + 1][0], true[0, step + 1])
    assert torch.equal(read[2][1, 4:], true[1, 2, 4:])
    assert not torch.equal(read[1][1, 4:], true[1, 1, 4:])


def test_training_reads_true_packets_and_compares_all_their_frames():
    model, past, future = crevnet(), clip(2, 4), clip(2, 3, seed=2)
    observed = torch.rand(2, 7, 1, 8, 8) > 0.5
    (step,) = model.optimiser_steps(ClipBatch(past, future, observed, past[:, :0]), None, torch.Generator())
    frames = torch.cat([past, future], dim=1)
    places = [1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6]  # first, second and third frame of packets 1 to 4
    assert torch.equal(step.target, frames[:, places])
    assert torch.equal(step.observed, observed[:, places])
    free = model(past, 1)
    torch.testing.assert_close(step.prediction[:, -3], free[:, 0])
    guided = model(past, 3, ScheduledTargets(future, torch.ones(2, 2, dtype=torch.bool)))
    torch.testing.assert_close(step.prediction[:, -3:], guided)


def test_alone_and_in_a_batch_and_over_three_times_the_horizon():
    model, past = crevnet(cell="convlstm"), clip(3, 3)
    with torch.no_grad():
        together, alone = model(past, 9), model(past[1:2], 3)
    assert together.shape == (3, 9, 1, 8, 8)
    torch.testing.assert_close(together[1:2, :3], alone)


def test_batch_norm_has_statistics_of_each_step():
    model, past = crevnet(norm="batch").train(), clip(2, 3)
    counted = model.autoencoder.blocks[0].residual[1].num_batches_tracked
    model(past, 2)
    assert int(counted) == 4  # two steps, each encoded and decoded


@pytest.mark.parametrize(("wrong", "what"), [({"blocks": []}, "blocks"), ({"layers": 0}, "layers")])
def test_settings_that_cannot_be(wrong, what):
    with pytest.raises(SettingsError, match=what):
        build_model("crevnet", wrong)


def test_two_frames_are_too_few():
    with pytest.raises(SettingsError, match="3 frames or more"):
        crevnet()(clip(length=2), 1)
