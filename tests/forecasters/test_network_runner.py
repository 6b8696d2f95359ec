"""How much of a frame a network is given at a time."""

import multiprocessing
import resource
import sys

import pytest
import torch

from nowcast.core.scaling import Scaling
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.models.advected import AdvectionSettings
from nowcast.models.cascade import CascadeSettings
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance import ExceedanceSettings

THRESHOLDS = (10.0, 20.0, 30.0, 40.0)


def runner(cascade=None, advection=None):
    head = ExceedanceSettings(THRESHOLDS, cascade=cascade)
    network = ModelChoice("steady", {}, head, advection).build(1, None, Scaling()).eval()
    meta = CheckpointMeta(
        "steady", {}, 1, None, 5, 10, 600.0, Scaling(), (1.0, 1.0), exceedance=head, advection=advection
    )
    return NetworkRunner(LoadedNetwork(network, meta, "0" * 64), Running(4.0, None, 64, "float32"))


def test_tiles_share_what_the_flow_and_the_cascade_reach():
    cascade = CascadeSettings(scales=(2.0, 32.0))
    side = (1000, 1000)
    assert runner()._overlap(side, 10) == 64
    assert runner(cascade)._overlap(side, 10) == 96
    assert runner(advection=AdvectionSettings(fastest=20.0))._overlap(side, 10) == 200
    assert runner(cascade, AdvectionSettings(fastest=20.0))._overlap(side, 10) == 296
    assert runner(cascade)._overlap((100, 100), 10) == 50


def _bytes_more(side):
    """Peak memory of a forecast with a cascade above that of one without, in a process of its own."""
    past = torch.rand(1, 5, 1, side, side)
    peaks = []
    for found in (runner(), runner(CascadeSettings())):
        with torch.no_grad():
            found._loaded.model(past, 10)
        peaks.append(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peaks[1] - peaks[0]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory in kilobytes is Linux's")
def test_the_memory_of_a_cascade_is_in_the_estimate():
    more = runner(CascadeSettings())._bytes_per_pixel - runner()._bytes_per_pixel
    side = 320
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        measured = pool.apply(_bytes_more, (side,))
    assert 0.2 * more * side * side < measured < 1.1 * more * side * side
