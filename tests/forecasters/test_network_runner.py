"""How much of a frame a network is given at a time."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.core.scaling import Scaling
from nowcast.forecasters import network_runner
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork
from nowcast.models.choice import ModelChoice
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings

THRESHOLDS = (10.0, 20.0, 30.0, 40.0)


def runner(cascade=None, lagrangian=None):
    head = ExceedanceProbabilitySettings(THRESHOLDS, cascade=cascade)
    network = ModelChoice("lagrangian_persistence", {}, head, lagrangian).build(1, None, Scaling()).eval()
    meta = CheckpointMeta(
        "lagrangian_persistence", {}, 1, None, 5, 10, 600.0, Scaling(), (1.0, 1.0),
        exceedance_probability=head, lagrangian=lagrangian,
    )
    return NetworkRunner(LoadedNetwork(network, meta, "0" * 64), Running(4.0, None, 64, half=False))


def test_tiles_share_what_the_flow_and_the_cascade_reach():
    cascade = CascadeSettings(scales=(2.0, 32.0))
    side = (1000, 1000)
    assert runner()._overlap(side, 10) == 64
    assert runner(cascade)._overlap(side, 10) == 96
    assert runner(lagrangian=LagrangianSettings(fastest=20.0))._overlap(side, 10) == 200
    assert runner(cascade, LagrangianSettings(fastest=20.0))._overlap(side, 10) == 296
    assert runner(cascade)._overlap((100, 100), 10) == 50


@pytest.mark.parametrize(("indices", "overlap"), [([0], 3), ([4], 15), ([1, 4], 15), ([0, 1, 2], 9)])
def test_tiles_share_what_moves_up_to_the_longest_lead_time_asked_for(indices, overlap, monkeypatch):
    asked = []
    monkeypatch.setattr(network_runner, "blended", lambda make, *shapes: asked.append(shapes))
    found = runner(lagrangian=LagrangianSettings(fastest=3.0))
    found.how = Running(4.0, (40, 60), 0, half=False)
    past = np.zeros((5, 100, 200), np.float32)
    found.run(past, past == 0, np.array(indices))
    assert asked == [((100, 200), (40, 60), overlap)]


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
    assert 0.2 * more * side * side < int(said.stdout) < 1.1 * more * side * side
