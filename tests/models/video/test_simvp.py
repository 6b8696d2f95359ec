"""SimVP and TAU: counts, what is exact by hand, how a past and a forecast of another length are met."""

import math

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.counts import count_parameters
from nowcast.models.video.simvp.frame_layers import SimVPDecoder, SimVPEncoder
from nowcast.models.video.simvp.gated import LargeFilter, SpatialGate, TemporalGate
from nowcast.models.video.simvp.incepu import IncepU
from nowcast.models.video.tau import change_divergence
from tests.fakes.tiny_models import tiny_settings

GATED = {**tiny_settings("tau"), "translator": "gsta"}
NETWORKS = [("simvp", tiny_settings("simvp")), ("simvp", GATED), ("tau", tiny_settings("tau"))]
every_network = pytest.mark.parametrize(("name", "settings"), NETWORKS, ids=["incepu", "gsta", "tau"])


def built(name, settings, **other):
    torch.manual_seed(0)
    return build_model(name, settings, **other)


def with_zero_weights(module):
    for part in module.modules():
        if isinstance(part, (torch.nn.Conv2d, torch.nn.Linear)):
            for parameter in part.parameters():
                torch.nn.init.zeros_(parameter)
    return module


@pytest.mark.parametrize(
    ("name", "settings", "parameters"),
    [
        ("simvp", {}, 57_946_113),
        ("simvp", {"translator": "gsta"}, 46_769_665),
        ("simvp", {"translator": "gsta", "norm": "batch"}, 46_769_665),
        ("tau", {}, 44_656_001),
    ],
)
def test_parameters_of_the_papers(name, settings, parameters):
    with torch.device("meta"):
        assert count_parameters(build_model(name, settings)) == parameters


@every_network
@torch.no_grad()
def test_zero_weights_forecast_zero(name, settings):
    found = with_zero_weights(built(name, settings))(torch.rand(2, 4, 1, 8, 12), 6)
    assert torch.equal(found, torch.zeros(2, 6, 1, 8, 12))


@every_network
@torch.no_grad()
def test_the_newest_frames_of_a_longer_past_and_none_of_a_shorter(name, settings):
    network, past = built(name, settings), torch.rand(1, 6, 1, 8, 8)
    assert torch.equal(network(past, 3), network(past[:, 2:], 3))
    with pytest.raises(SettingsError, match="4 frames or more"):
        network(past[:, :3], 3)


@every_network
@torch.no_grad()
def test_a_longer_forecast_applies_it_again_and_is_cut(name, settings):
    network, past = built(name, settings), torch.rand(1, 4, 1, 8, 8)
    first = network(past, 4)
    torch.testing.assert_close(network(past, 10), torch.cat([first, network(first, 6)], dim=1))
    torch.testing.assert_close(network(past, 2), first[:, :2])


class Doubled:
    """Values are twice the frames."""

    def value(self, frame):
        return 2 * frame

    def add(self, value, output):
        return value + output

    def frame(self, value):
        return value / 2


@torch.no_grad()
def test_increments_start_from_the_newest_frame_read():
    plain, changes = (built("tau", tiny_settings("tau"), increments=i) for i in (None, Doubled()))
    past = torch.rand(1, 4, 1, 8, 8)
    first = 2 * past[:, -1:] + plain(past, 4)
    read = first / 2
    second = 2 * read[:, -1:] + plain(read, 2)
    torch.testing.assert_close(changes(past, 6), torch.cat([first, second], dim=1))


@torch.no_grad()
def test_encoder_and_decoder_halve_twice_and_come_back():
    frames = torch.rand(3, 2, 16, 24)
    maps, skip = SimVPEncoder(2, 4, 4)(frames)
    assert maps.shape == (3, 4, 4, 6)
    assert skip.shape == (3, 4, 16, 24)
    decoder = SimVPDecoder(2, 4, 4)
    assert decoder(maps, skip).shape == frames.shape
    assert not torch.equal(decoder(maps, skip), decoder(maps, 0 * skip))


@torch.no_grad()
def test_the_way_out_of_the_u_net_reads_its_twin():
    network = IncepU(8, 16, 4)
    seen = {}
    for name, blocks in (("down", network.down), ("up", network.up)):
        for n, block in enumerate(blocks):
            block.register_forward_hook(lambda block, x, y, key=(name, n): seen.update({key: (x[0], y)}))
    assert network(torch.rand(1, 8, 4, 4)).shape == (1, 8, 4, 4)
    assert torch.equal(seen["up", 0][0], seen["down", 3][1])
    for n in (1, 2, 3):
        assert torch.equal(seen["up", n][0], torch.cat([seen["up", n - 1][1], seen["down", 3 - n][1]], dim=1))


@torch.no_grad()
def test_gates_by_hand():
    x = torch.rand(2, 4, 5, 5)
    spatial, temporal = with_zero_weights(SpatialGate(4)), with_zero_weights(TemporalGate(4))
    spatial.split.bias[:4] = 3.0
    torch.testing.assert_close(spatial(x), torch.full_like(x, 1.5))
    temporal.mix.bias[:] = 3.0
    torch.testing.assert_close(temporal(x), 1.5 * x)
    temporal.squeeze.weight[0, 0] = 1.0  # the mean of the first channel ...
    temporal.excite.weight[2, 0] = -50.0  # ... shuts the third
    assert float(temporal(x)[:, 2].abs().max()) < 1e-6
    torch.testing.assert_close(temporal(x)[:, :2], 1.5 * x[:, :2])


@torch.no_grad()
def test_the_large_filter_sees_eleven_cells_to_each_side():
    network = LargeFilter(1)
    for conv in (network.near, network.far):
        torch.nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 31, 31)
    reached = (
        network(x + 0).ne(network(x.index_put((*torch.tensor([[0], [0], [15], [15]]),), torch.ones(1))))
    )[0, 0]
    assert reached.any(dim=0).nonzero().flatten().tolist() == list(range(4, 27))


@torch.no_grad()
def test_batch_norm_is_a_choice_that_leaves_samples_alone_in_forecasts():
    network, past = built("simvp", {**GATED, "norm": "batch"}), torch.rand(3, 4, 1, 8, 8)
    network.train()(past, 4)
    network.eval()
    torch.testing.assert_close(network(past, 4)[1:2], network(past[1:2], 4))
    with pytest.raises(SettingsError, match="has no batch norm"):
        build_model("simvp", {"norm": "batch"})


def test_divergence_by_hand():
    prediction = torch.zeros(1, 2, 1, 1, 2)
    prediction[0, 1, 0, 0, 0] = 0.1  # shares e / (1 + e) and 1 / (1 + e)
    target, observed = torch.zeros_like(prediction), torch.ones_like(prediction, dtype=torch.bool)
    p = math.e / (1 + math.e)
    expected = (p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))) / 2
    assert float(change_divergence(prediction, target, observed)) == pytest.approx(expected, rel=1e-5)
    assert float(change_divergence(target + 0.3, target, observed)) == 0.0
    observed[0, 0, 0, 0, 0] = False
    assert float(change_divergence(prediction, target, observed)) == 0.0


def test_divergence_is_a_penalty_unless_it_is_nought_or_of_one_frame():
    frames = torch.rand(2, 7, 1, 8, 8)
    for weight, steps in ((0.1, 3), (0.2, 3), (0.0, 3), (0.1, 1)):
        network = built("tau", {**tiny_settings("tau"), "divergence": weight})
        clip = ClipBatch(frames[:, :4], frames[:, 4 : 4 + steps], frames[:, : 4 + steps] >= 0, frames[:, :0])
        (step,) = network.optimiser_steps(clip, None, torch.Generator())
        if not weight or steps == 1:
            assert step.penalty is None
        else:
            term = change_divergence(step.prediction, step.target, step.observed)
            torch.testing.assert_close(step.penalty, weight * term)
            assert term > 0


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("simvp", {"past": 0}),
        ("simvp", {"blocks": 1}),
        ("simvp", {"hidden": 3}),
        ("simvp", {"translator_hidden": 24}),
        ("simvp", {"past": 3, "hidden": 2}),
        ("tau", {"layers": 0}),
        ("tau", {"expansion": 0}),
        ("tau", {"divergence": -1.0}),
    ],
)
def test_settings_that_cannot_be_are_one_line(name, settings):
    with pytest.raises(SettingsError, match="expected"):
        build_model(name, {**tiny_settings(name), **settings})
