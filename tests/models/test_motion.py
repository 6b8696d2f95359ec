"""MotionGRU and Motion Highway by hand: the warp, the recurrence, the two variants, each switch."""

import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.models.catalog import build_model
from nowcast.models.cells.base import Relay
from nowcast.models.cells.convlstm import ConvLSTM
from nowcast.models.cells.motion import (
    MotionCell,
    MotionGRU,
    MotionSettings,
    MotionState,
    gather,
    neighbour_places,
)
from scripts.naive_networks import warp_by_gather
from tests.fakes.naive_motion import gather_by_hand

SMALL = {"hidden": [8, 8], "filter_size": 3, "patch": 2}


@pytest.mark.parametrize("shape", [(5, 7), (1, 4), (3, 1)])
@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 30.0])
def test_gather_reads_bilinearly_with_zero_outside(shape, spread):
    draw = torch.Generator().manual_seed(3)
    features = torch.randn(2, 3, *shape, generator=draw, dtype=torch.float64)
    offsets = spread * torch.randn(2, 18, *shape, generator=draw, dtype=torch.float64)
    found = gather(features, offsets, neighbour_places(3, *shape, features))
    torch.testing.assert_close(found, gather_by_hand(features, offsets, 3), atol=1e-12, rtol=0)


def test_warp_equals_the_enlarged_map_under_a_strided_convolution():
    draw = torch.Generator().manual_seed(4)
    motion = MotionGRU(4, MotionSettings()).double()
    features = torch.randn(2, 4, 6, 5, generator=draw, dtype=torch.float64)
    offsets = 1.5 * torch.randn(2, 18, 6, 5, generator=draw, dtype=torch.float64)
    mask = torch.rand(2, 9, 6, 5, generator=draw, dtype=torch.float64)
    found = gather(features, offsets, neighbour_places(3, 6, 5, features)) * mask.unsqueeze(1)
    ours = torch.nn.functional.conv2d(found.flatten(1, 2), motion.mix.weight.flatten(1)[:, :, None, None])
    torch.testing.assert_close(
        ours, warp_by_gather(features, offsets, mask, motion.mix.weight, 3), atol=1e-12, rtol=0
    )


def filters(settings: MotionSettings, steps: int):
    """Unroll the filter with gates that are constants: update 0.25, reset 0.5, candidate tanh(1)."""
    motion = MotionGRU(2, settings)
    with torch.no_grad():
        for conv, value in ((motion.update, -1.0986122886681098), (motion.reset, 0.0), (motion.output, 1.0)):
            conv.bias.fill_(value)
    zeros, places = torch.zeros(1, 18, 1, 1), neighbour_places(3, 1, 1, torch.zeros(1))
    state, found = MotionState(None, zeros, zeros, places), []
    for _ in range(steps):
        _, carried, trend = motion(torch.zeros(1, 2, 1, 1), state)
        state = MotionState(None, carried, trend, places)
        found.append((carried[0, 0, 0, 0].item(), trend[0, 0, 0, 0].item()))
    return found


def test_filter_recurrence_by_hand():
    z, alpha, f, d = 0.7615941559557649, 0.3, 0.0, 0.0
    by_hand = []
    for _ in range(4):
        transient = 0.75 * f + 0.25 * z
        d = d + alpha * (f - d)
        f = transient + d
        by_hand.append((f, d))
    found = filters(MotionSettings(alpha=alpha, stability="none"), 4)
    assert found == [pytest.approx(pair, abs=1e-6) for pair in by_hand]


def test_without_trend_the_filter_is_the_transient_part():
    f, z = 0.0, 0.7615941559557649
    for found, _ in filters(MotionSettings(trend=False), 3):
        f = 0.75 * f + 0.25 * z
        assert found == pytest.approx(f, abs=1e-6)


@pytest.mark.parametrize(("stability", "bound"), [("limit", 2.0), ("transient", 1.0), ("none", None)])
def test_sixty_steps_stay_bounded_but_for_the_published_recurrence(stability, bound):
    last, trend = filters(MotionSettings(stability=stability, limit=2.0), 60)[-1]
    if bound is None:
        assert last > 1e4
    else:
        assert abs(last) <= bound
        assert abs(trend) <= bound


def test_limit_hardly_changes_what_one_cell_moves():
    free = filters(MotionSettings(stability="none"), 3)[-1][0]
    kept = filters(MotionSettings(stability="limit"), 3)[-1][0]
    assert 0.4 < free < 1
    assert kept == pytest.approx(free, rel=0.03)


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_which_hidden_map_the_cell_reads_back(variant):
    torch.manual_seed(0)
    cell = MotionCell(ConvLSTM(4, 4, 3), MotionSettings(variant=variant), 3)
    x = torch.randn(1, 4, 6, 6)
    out = cell(x, cell.initial_state(x), Relay())
    raw = cell.cell(x, cell.initial_state(x).cell, Relay()).hidden
    assert torch.equal(out.relay.highway, raw)
    assert not torch.allclose(out.hidden, raw)
    kept = out.state.cell.hidden
    assert torch.equal(kept, out.hidden if variant == "released" else raw)


def test_gate_plays_opposite_roles_in_the_two_variants():
    for variant, expected in (("released", "moved"), ("paper", "raw")):
        torch.manual_seed(0)
        cell = MotionCell(ConvLSTM(4, 4, 3), MotionSettings(variant=variant), 3)
        with torch.no_grad():
            cell.gate.bias.fill_(50.0)  # gate 1 everywhere
            cell.restore.bias.fill_(7.0)
        x = torch.randn(1, 4, 6, 6)
        out = cell(x, cell.initial_state(x), Relay())
        if expected == "raw":
            assert torch.equal(out.hidden, out.relay.highway)
        else:
            assert (out.hidden - 7.0).abs().max() < 5.0


def test_highway_adds_what_the_output_gate_closes():
    torch.manual_seed(0)
    cell = MotionCell(ConvLSTM(4, 4, 3), MotionSettings(), 3, moves=False)
    x, below = torch.randn(2, 1, 4, 6, 6)
    plain = cell.cell(x, cell.initial_state(x).cell, Relay())
    out = cell(x, cell.initial_state(x), Relay(highway=below))
    torch.testing.assert_close(out.hidden, plain.hidden + (1 - plain.gate) * below)
    assert torch.equal(out.state.cell.hidden, out.hidden)
    off = MotionCell(cell.cell, MotionSettings(highway=False), 3, moves=False)
    assert torch.equal(off(x, off.initial_state(x), Relay(highway=below)).hidden, plain.hidden)


@pytest.mark.parametrize("off", ["highway", "transient", "trend", "gru"])
@pytest.mark.parametrize("variant", ["released", "paper"])
def test_each_part_can_be_left_out_alone(off, variant):
    past = torch.rand(1, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    outputs = []
    for motion in ({"variant": variant}, {"variant": variant, off: False}):
        torch.manual_seed(0)
        model = build_model("motionrnn_predrnn", {**SMALL, "motion": motion})
        outputs.append((model, model(past, 3)))
    (whole, with_all), (less, without) = outputs
    assert not torch.allclose(with_all, without, atol=1e-7)
    count = [sum(p.numel() for p in model.parameters()) for model in (whole, less)]
    assert count[1] <= count[0]
    without.sum().backward()
    assert [n for n, p in less.named_parameters() if p.grad is None] == []


def test_the_highway_alone_adds_no_weights_but_the_projection_of_the_input():
    settings = {**SMALL, "motion": {"gru": False}}
    model = build_model("motionrnn_predrnn", settings)
    plain = build_model("predrnn", SMALL)
    extra = {n for n, _ in model.named_parameters() if n.startswith("first.")}
    assert len(extra) == 1
    assert len(dict(model.named_parameters())) == len(dict(plain.named_parameters())) + 1
    assert tuple(model.multiple_of) == tuple(plain.multiple_of)
    with pytest.raises(SettingsError, match="without MotionGRU"):
        model.motion(torch.rand(1, 2, 1, 16, 24), 3)


def test_motion_points_where_the_features_go():
    model = build_model("motionrnn_convlstm", {**SMALL, "motion": {"trend": False}})
    with torch.no_grad():
        for conv in (model.cells[0].motion.update, model.cells[0].motion.output):
            conv.weight.zero_()
            conv.bias.fill_(-20.0)  # update 0: the filter stays zero
        assert model.motion(torch.rand(1, 2, 1, 16, 24), 3).abs().max() < 1e-6
        model.cells[0].motion.update.bias.fill_(20.0)  # update 1: the filter is the candidate, -1 ...
        model.cells[0].motion.output.bias[9:] = 20.0  # ... for rows, +1 for columns
        found = model.motion(torch.rand(1, 2, 1, 16, 24), 3)
    assert found.shape == (1, 3, 1, 2, 4, 6)
    torch.testing.assert_close(found[:, :, :, 0], torch.full((1, 3, 1, 4, 6), 4.0))  # down, 4 pixels
    torch.testing.assert_close(found[:, :, :, 1], torch.full((1, 3, 1, 4, 6), -4.0))  # to the left


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"motion": {"filter_size": 4}}, "motion.filter_size: got 4.*take 3 or 5"),
        ({"filter_size": 2}, "filter_size: got 2.*take 1 or 3"),
        ({"motion": {"alpha": 1.5}}, "motion.alpha"),
        ({"motion": {"limit": 0.0}}, "motion.limit"),
        ({"motion": {"trend": False, "transient": False}}, "plain backbone"),
        ({"motion": {"gru": False, "highway": False}}, "neither gru nor highway"),
        ({"hidden": [8, 4]}, "one size for all layers"),
        ({"hidden": [6, 6]}, "multiple of 4"),
        ({"hidden": [8]}, "two layers"),
        ({"patch": 0}, "patch"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, says):
    with pytest.raises(SettingsError, match=says):
        build_model("motionrnn_predrnn", {**SMALL, **settings})


def test_a_size_that_cannot_be_halved_is_refused_before_anything_is_built():
    with pytest.raises(SettingsError, match="56 or 64 rows and 64 or 72 columns"):
        build_model("motionrnn_predrnn", {}, size=(60, 68))
