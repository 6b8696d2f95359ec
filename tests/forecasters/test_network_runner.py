"""How much of a frame a network is given at a time."""

import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.core.allocator import give_back_freed
from nowcast.core.scaling import Scaling
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.models.exceedance import stripes
from nowcast.models.exceedance.cascade import CascadeSettings, LogitCascade
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from nowcast.models.tiling import Tiled
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.networks import with_head

THRESHOLDS = (10.0, 20.0, 30.0, 40.0)


def runner(cascade=None, lagrangian=None):
    head = ExceedanceProbabilitySettings(THRESHOLDS, cascade=cascade)
    network = with_head("lagrangian_persistence", {}, head, lagrangian)
    return NetworkRunner(network, Running(4.0, None, 64, half=False))


def test_what_stands_around_the_network_is_none_of_the_tiles_business():
    """However far a cascade reads: it is made for the whole frame, as the flow is."""
    cascade, flow = CascadeSettings(scales=(2.0, 32.0)), LagrangianSettings(fastest=20.0)
    for made in ((), (cascade,), (None, flow), (cascade, flow)):
        (tiles,) = (part for part in runner(*made)._network.modules() if isinstance(part, Tiled))
        assert (tiles.overlap, tiles.margin) == (2 * 96 + 16, 96)
        assert not any(isinstance(part, LogitCascade | LagrangianModel) for part in tiles.modules())


def test_a_frame_in_tiles_has_one_motion_and_equals_the_whole():
    """A disc that moves from one tile to the next: neither its motion nor its way ends at a seam."""
    cascade = CascadeSettings(scales=(1.0, 2.0), hidden=0)
    found = runner(cascade, LagrangianSettings())
    dbz = moving_disc(projected_grid(96, 112), 5, (1.5, 3.0)).values
    scaled, observed, leads = Scaling().encode(dbz), ~np.isnan(dbz), np.arange(8)
    whole = found.run(scaled, observed, leads)
    tiled = runner(cascade, LagrangianSettings())
    tiled.how = Running(4.0, (48, 40), 18, half=False)
    np.testing.assert_allclose(tiled.run(scaled, observed, leads), whole, atol=1e-5)
    assert (whole[-1, 0] > 0.5).any()
    assert not np.allclose(whole[-1], whole[0], atol=0.1)


def test_the_past_is_gone_when_the_network_runs():
    found = runner(CascadeSettings(scales=(1.0, 2.0), hidden=0), LagrangianSettings())
    inside, read = found._network.network, []
    motion = inside.motion

    def kept(past, steps, observed):
        read.extend([weakref.ref(past), weakref.ref(observed)])
        return motion(past, steps, observed)

    inside.motion = kept
    inside.network.register_forward_pre_hook(lambda module, args: read.append([one() for one in read]))
    dbz = moving_disc(projected_grid(40, 48), 5, (1.5, 3.0)).values
    found.run(Scaling().encode(dbz), ~np.isnan(dbz), np.arange(2))
    assert read[2] == [None, None]


def kilobytes(name):
    text = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:")))


def taken(work):
    """Return the peak memory of a call, in bytes."""
    give_back_freed()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
    before = kilobytes("VmRSS")
    work()
    return 1024 * (kilobytes("VmHWM") - before)


def taken_by_parts(side):
    """Return the peak memory of the network on a tile in bytes, and what a cascade in narrow bands adds."""
    stripes._WHOLE = stripes._BAND = 8192
    past = torch.rand(1, 5, 1, side, side)
    plain, faded = runner()._network, runner(CascadeSettings())._network
    with torch.no_grad():
        for parts in (plain, faded):
            parts(past[..., :32, :32], 10)  # libraries load what they need
        (tiles,) = (part for part in plain.modules() if isinstance(part, Tiled))
        tile = taken(lambda: tiles(past, 10))
        return tile, taken(lambda: faded(past, 10)) - tile


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's account of memory")
def test_the_memory_of_a_tile_is_in_the_estimate_and_a_cascade_takes_that_of_a_band():
    """In a process of its own: one that has lived for a while holds freed memory that it uses again."""
    side = 320
    code = f"from tests.forecasters.test_network_runner import *; print(*taken_by_parts({side}))"
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    tile, cascade = (int(number) for number in said.stdout.split())
    assert 0.2 < tile / (runner()._bytes_per_pixel * side * side) < 1.0
    every_scale = 2 * 7 * len(THRESHOLDS) * 4 * side * side
    assert cascade < 0.5 * every_scale
