"""ASTM as a network: its settings, its history, its state, and loading what was published."""

import pytest
import torch

from nowcast.core.errors import CheckpointError, SettingsError
from nowcast.models import load_published
from nowcast.models.astm import ASTMSettings
from nowcast.models.catalog import build_model
from nowcast.models.cpu.peak_memory import peak_forecast_mb
from nowcast.models.published import rename_astm

TINY = {"hidden": [4, 4], "filter_size": 3, "patch": 2}


def network(channels=1, size=None, **settings):
    torch.manual_seed(0)
    return build_model("astm", {**TINY, **settings}, channels, size)


def forecast(net, past, steps=3):
    with torch.no_grad():
        return net(past, steps)


PAST = torch.rand(2, 4, 1, 8, 12, generator=torch.Generator().manual_seed(1))


def test_without_attention_and_as_released_it_is_the_same_network_as_with_one_memory():
    one = forecast(network(tau=1), PAST)
    assert torch.equal(forecast(network(attention=False), PAST), one)
    assert torch.equal(forecast(network(history="released"), PAST), one)
    assert (forecast(network(tau=5), PAST) - one).abs().max() > 1e-6


def test_history_grows_to_tau_and_starts_with_the_empty_memory():
    net = network(tau=3).requires_grad_(False)
    lengths, firsts = [], []
    net.run(
        PAST,
        3,
        watch=lambda t, state: (
            lengths.append([len(cell.history) for cell in state.cells]),
            firsts.append(float(state.cells[0].history[0].abs().max())),
        ),
    )
    assert lengths == [[2, 2], [3, 3], [3, 3], [3, 3], [3, 3], [3, 3]]
    assert firsts[:2] == [0, 0]
    assert all(first > 0 for first in firsts[2:])


def test_a_state_can_be_continued_twice_and_is_left_as_it_was():
    net = network()
    frames = net.encode(torch.rand(3, 4, 4, 6))
    with torch.no_grad():
        _, state = net.step(frames[:1], net.start(frames[:1], PAST), emit=False)
        before = [m.clone() for cell in state.cells for m in (cell.hidden, *cell.history)]
        first, _ = net.step(frames[1:2], state, emit=True)
        net.step(frames[2:], state, emit=True)
        again, _ = net.step(frames[1:2], state, emit=True)
    assert torch.equal(first, again)
    after = [m for cell in state.cells for m in (cell.hidden, *cell.history)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_forecasting_with_and_without_a_graph_gives_the_same():
    net = network(layer_norm=True, size=(8, 12))
    torch.testing.assert_close(net(PAST, 3).detach(), forecast(net, PAST), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_frames": 1},
        {"clip_frames": 3},
        {"frame_taps": 1},
        {"encoder": "convolution"},
        {"downsample": 2},
        {"downsample": 2, "encoder": "convolution", "layer_norm": True},
    ],
    ids=str,
)
def test_variants_forecast_and_train_all_their_weights(settings):
    net = network(channels=2, size=(8, 12), **settings)
    past = torch.rand(2, 3, 2, 8, 12)
    net.rollout(past, 2).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []
    assert forecast(net, past, 2).shape == (2, 2, 2, 8, 12)


def test_a_longer_clip_sees_further_back():
    def reach(length):
        net = network(clip_frames=length, hidden=[4])
        for cell in net.cells:
            for name, parameter in cell.named_parameters():
                if not name.startswith(("conv_x", "conv_last")):
                    parameter.data.zero_()
            for forget in (4, 16):  # forget everything: only the clip itself remains
                cell.conv_x.conv.weight.data[forget : forget + 4] = 0
                cell.conv_x.conv.bias.data[forget : forget + 4] = -40
        changed = PAST.clone()
        changed[:, 1] += 1
        return float((forecast(net, changed, 1) - forecast(net, PAST, 1)).abs().max())

    assert reach(3) > 1e-5
    assert reach(2) < 1e-6


def test_published_sizes_come_out():
    def parameters(**how):
        with torch.device("meta"):
            net = build_model("astm", {"layer_norm": True, "patch": how["patch"]}, 1, how["size"])
        return sum(p.numel() for p in net.parameters())

    assert parameters(patch=4, size=(64, 64)) == 22_019_088
    assert parameters(patch=8, size=(128, 128)) == 23_638_080


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": [4, 8]}, "one size for all layers"),
        ({"tau": 0}, "tau: got 0"),
        ({"clip_frames": 0}, "clip_frames: got 0"),
        ({"frame_taps": 2}, "odd"),
        ({"downsample": 3}, "power of two"),
        ({"history": "all"}, "equation7, released"),
        ({"layer_norm": True}, "size"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        network(**settings)


def test_layer_norm_ties_the_network_to_its_size():
    with pytest.raises(SettingsError, match="8 x 12"):
        network(layer_norm=True, size=(8, 8))(PAST, 1)


def test_bfloat16_forecast_stays_near():
    net = network(layer_norm=True, size=(8, 12))
    plain = forecast(net, PAST)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = forecast(net, PAST).float()
    assert (found - plain).abs().max() < 0.05 * plain.abs().max()


def published(net):
    """Give the weights under their published names."""
    theirs = {}
    for name, weight in net.state_dict().items():
        renamed = name.replace("last.0.", "conv_last.").replace("cells.", "cell_list.", 1)
        theirs[renamed.replace(".conv.", ".0.").replace(".norm.", ".1.")] = weight
    return theirs


@pytest.mark.parametrize("layer_norm", [False, True])
def test_published_weights_load_with_either_history(tmp_path, layer_norm):
    net = network(clip_frames=3, layer_norm=layer_norm, size=(8, 12))
    assert {rename_astm(n) for n in published(net)} == set(net.state_dict())
    torch.save({"net_param": published(net)}, tmp_path / "w.ckpt")
    for history in ("equation7", "released"):
        loaded = load_published(tmp_path / "w.ckpt", "astm", patch=2, size=(8, 12), history=history)
        same = network(clip_frames=3, layer_norm=layer_norm, size=(8, 12), history=history)
        same.load_state_dict(net.state_dict())
        assert torch.equal(forecast(loaded, PAST), forecast(same, PAST))


def test_weights_that_may_be_those_of_stam_are_refused_until_it_is_stated_what_they_are(tmp_path):
    net = network(clip_frames=3, size=(8, 12))  # STAM's have the same names and shapes
    torch.save({"net_param": published(net)}, tmp_path / "w.ckpt")
    with pytest.raises(CheckpointError, match=r"history: got nothing.*STAM.*--set history=") as caught:
        load_published(tmp_path / "w.ckpt", "astm", patch=2, size=(8, 12))
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"net_param": {"cell_list.0.conv_h.0.weight": torch.zeros(4, 1, 3, 3)}}, tmp_path / "w.ckpt")
    with pytest.raises(CheckpointError, match="not an ASTM"):
        load_published(tmp_path / "w.ckpt", "astm")
    with pytest.raises(SettingsError, match="history"):
        load_published(tmp_path / "w.ckpt", "motionrnn_predrnn", history="released")


def test_memories_is_one_where_there_is_nothing_to_choose_from():
    assert ASTMSettings(tau=7).memories == 7
    assert ASTMSettings(tau=7, attention=False).memories == 1
    assert ASTMSettings(tau=7, history="released").memories == 1


@pytest.mark.slow
def test_a_forecast_takes_less_memory_than_the_paper_states():
    assert 20 < peak_forecast_mb("astm", {"layer_norm": True}, 10, 10, (64, 64)) <= 225


@pytest.mark.slow
def test_measured_memory_grows_with_the_frames():
    small, large = (peak_forecast_mb("astm", TINY, 2, 2, (side, side)) for side in (16, 512))
    assert large > small + 10


def test_memory_of_an_unknown_network_is_refused():
    with pytest.raises(SettingsError, match="astn"):
        peak_forecast_mb("astn", {}, 2, 2, (16, 16))
