"""How much of a frame a network is given at a time."""

import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.core.scaling import Scaling
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings
from nowcast.models.tiling import Tiled
from tests.fakes.fields import moving_disc, projected_grid

THRESHOLDS = (10.0, 20.0, 30.0, 40.0)


def runner(cascade=None, lagrangian=None):
    head = ExceedanceProbabilitySettings(THRESHOLDS, cascade=cascade)
    network = ModelChoice("lagrangian_persistence", {}, head, lagrangian).build(1, None, Scaling()).eval()
    meta = CheckpointMeta(
        "lagrangian_persistence",
        {},
        1,
        None,
        5,
        10,
        600.0,
        Scaling(),
        (1.0, 1.0),
        exceedance_probability=head,
        lagrangian=lagrangian,
    )
    return NetworkRunner(LoadedNetwork(network, meta, "0" * 64), Running(4.0, None, 64, half=False))


def test_tiles_share_twice_what_the_cascade_reads_and_the_flow_is_none_of_their_business():
    cascade = CascadeSettings(scales=(2.0, 32.0))
    flow = LagrangianSettings(fastest=20.0)
    for network, overlap, margin in (
        (runner()._network, 64, 0),
        (runner(cascade)._network, 2 * 96 + 16, 96),
        (runner(lagrangian=flow)._network.network.network, 64, 0),
        (runner(cascade, flow)._network.network.network, 2 * 96 + 16, 96),
    ):
        assert isinstance(network, Tiled)
        assert (network.overlap, network.margin) == (overlap, margin)


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


def added_by_a_cascade(side):
    """Give the bytes at their highest of a forecast with a cascade, less those of one without."""
    past, highest = torch.rand(1, 5, 1, side, side), []
    for found in (runner(), runner(CascadeSettings())):
        before = kilobytes("VmRSS")
        with torch.no_grad():
            found._loaded.model(past, 10)
        highest.append(kilobytes("VmHWM") - before)
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
    return 1024 * (highest[1] - highest[0])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's account of memory")
def test_the_memory_of_a_cascade_is_in_the_estimate():
    """In a process of its own: one that has lived for a while holds freed memory that it uses again."""
    more, side = runner(CascadeSettings())._bytes_per_pixel - runner()._bytes_per_pixel, 320
    code = f"from tests.forecasters.test_network_runner import *; print(added_by_a_cascade({side}))"
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert 0.05 * more * side * side < int(said.stdout) < 1.1 * more * side * side
