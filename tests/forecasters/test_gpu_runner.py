"""A network on a GPU says what it says on a CPU; without one, the same code is run on the CPU."""

import json
import logging
import pickle

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.forecasters import neural
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.gpu_runner import GpuRunner
from nowcast.forecasters.network_runner import NetworkRunner, Running
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.models import cuda_graph, device, on_device
from nowcast.models.exceedance.cascade import CascadeSettings
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianSettings
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.gpu import recordings_that_break
from tests.fakes.networks import Repeat, loaded, with_head

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
THRESHOLDS = (10.0, 20.0, 30.0, 40.0)
LEADS = np.arange(1, 4) * np.timedelta64(10, "m")


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    head = ExceedanceProbabilitySettings(THRESHOLDS, cascade=CascadeSettings(scales=(1.0, 2.0), hidden=4))
    return with_head("motionrnn_predrnn", {"hidden": [8, 8], "filter_size": 3}, head, LagrangianSettings())


@pytest.fixture(scope="module")
def frames():
    dbz = moving_disc(projected_grid(61, 75), 5, (1.5, 3.0)).values
    dbz[:, 30, 20:22] = np.nan
    return Scaling().encode(dbz), ~np.isnan(dbz)


@pytest.fixture
def gpu_with(monkeypatch):
    """A GPU with so many GB free."""

    def make(free):
        monkeypatch.setattr(device, "free_gpu_gb", lambda: free)
        monkeypatch.setattr(device, "why_no_gpu", lambda: "")
        monkeypatch.setattr(device, "device_name", lambda found: found.upper())

    return make


def running(where, tile=None, memory_gb=4.0):
    return Running(memory_gb, tile, 8, half=False, device=where)


@pytest.mark.parametrize("tile", [None, (40, 48)])
def test_by_the_same_way_on_a_cpu_it_says_the_same_to_the_bit(trained, frames, gpu_with, tile):
    gpu_with(100.0)
    expected = NetworkRunner(trained, running("cpu", tile)).run(*frames, np.array([0, 2]))
    found = GpuRunner(trained, running("cpu", tile)).run(*frames, np.array([0, 2]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_what_the_gpu_has_not_free_is_not_taken(trained, gpu_with, caplog):
    gpu_with(100.0)
    plenty = GpuRunner(trained, running("cpu"))
    assert plenty._fits(479, 617)
    assert not caplog.records
    gpu_with(0.1)
    little = GpuRunner(trained, running("cpu"))
    assert not little._fits(479, 617)
    assert little._tile_size(480, 624) < (479, 617)
    assert [r.getMessage() for r in caplog.records] == ["memory_gb: the GPU has 0.08 of 4 GB free, taking it"]


def test_memory_that_ends_is_one_line(trained, frames, gpu_with, monkeypatch):
    gpu_with(100.0)

    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmany lines")

    monkeypatch.setattr(on_device, "forecast_on", full)
    with pytest.raises(
        SettingsError, match=r"^GPU memory for 61 x 75: got out of memory, .* smaller memory_gb"
    ):
        GpuRunner(trained, running("cpu")).run(*frames, np.arange(2))


def test_memory_that_ends_while_a_forecast_is_recorded_is_one_line(trained, frames, gpu_with, monkeypatch):
    """On a CPU nothing is recorded; here frames say that they are not on one, as far as recordings ask."""
    gpu_with(100.0)
    runner = GpuRunner(trained, running("cpu"))
    known = runner._whole
    recordings_that_break(monkeypatch)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))
    monkeypatch.setattr(known.network, "forward", lambda past, steps, *_: torch.ones(1, steps, 4, 61, 75))
    assert runner.run(*frames, np.arange(2)).shape == (2, 4, 61, 75)  # the first of a size is not recorded

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmany lines")

    monkeypatch.setattr(known.network, "forward", full)
    with pytest.raises(
        SettingsError, match=r"^GPU memory for 61 x 75: got out of memory, .* smaller memory_gb"
    ):
        runner.run(*frames, np.arange(2))


def test_another_process_makes_its_own_copy(trained, frames, gpu_with):
    gpu_with(100.0)
    runner = GpuRunner(trained, running("cpu"))
    found = runner.run(*frames, np.arange(2))
    other = pickle.loads(pickle.dumps(runner))
    assert {"_copy", "_whole"} <= runner.__dict__.keys()
    assert not {"_copy", "_whole", "_in_tiles", "_memory_gb"} & other.__dict__.keys()
    np.testing.assert_array_equal(other.run(*frames, np.arange(2)), found)


def test_the_first_of_a_size_is_not_recorded(trained, monkeypatch):
    """On a CPU nothing is recorded; here frames say that they are not on one."""
    made = []
    network = cuda_graph.Graphed(trained.model, at_once=False)
    monkeypatch.setattr(network, "_record", lambda past, steps, observed: made.append(past.shape))
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))
    past = torch.zeros(1, 5, 1, 32, 32)
    with torch.no_grad():
        monkeypatch.setattr(network.network, "forward", lambda *args: torch.ones(1))
        assert network(past, 2) == 1
        assert made == []
        with pytest.raises(AttributeError):  # plays what was not recorded
            network(past, 2)
        assert made == [past.shape]


def test_the_default_is_the_cpu_and_says_nothing_new(trained):
    plain, asked = Neural(trained), Neural(trained, settings=NeuralSettings(device="cpu"))
    assert plain.describe() == asked.describe()
    assert "device" not in json.loads(plain.describe()["settings"])["forecast"]
    assert plain.describe()["computed_on"] == "CPU in float32"
    assert type(plain._runner) is NetworkRunner


def test_a_network_on_the_gpu_says_so_and_a_baseline_is_left_alone(monkeypatch, gpu_with):
    gpu_with(100.0)
    monkeypatch.setattr(neural, "device_name", lambda found: f"made up {found}")
    one = build_forecaster("motionrnn", device="cuda")
    assert type(one._runner) is GpuRunner
    assert one.describe()["computed_on"] == "made up cuda in float32"
    assert json.loads(one.describe()["settings"])["forecast"]["device"] == "cuda"
    assert build_forecaster("motionrnn", {"device": "cpu"}, device="cuda").settings.device == "cpu"
    mean = build_forecaster("motionrnn+astm", device="cuda")
    assert mean.describe()["computed_on"] == "made up cuda in float32"
    assert mean.describe()["settings"] == build_forecaster("motionrnn+astm").describe()["settings"]
    assert build_forecaster("persistence", device="cuda").name == "persistence"


def test_bfloat16_is_asked_of_the_device_that_computes(monkeypatch, gpu_with, caplog):
    from nowcast.models.cpu import capability

    gpu_with(100.0)
    monkeypatch.setattr(capability, "native_bfloat16", lambda where: where == "cuda")
    monkeypatch.setattr(neural, "device_name", lambda found: found)
    asked = NeuralSettings(precision="bfloat16", device="cuda")
    assert Neural(loaded(Repeat()), settings=asked).describe()["computed_on"] == "cuda in bfloat16"
    assert not caplog.records


@needs_gpu
@pytest.mark.parametrize("tile", [None, (40, 48)])
def test_a_gpu_says_what_the_cpu_says(trained, frames, tile):
    expected = NetworkRunner(trained, running("cpu", tile)).run(*frames, np.array([0, 2]))
    runner = GpuRunner(trained, running("cuda", tile))
    for _ in range(3):  # launched, recorded, played
        np.testing.assert_allclose(runner.run(*frames, np.array([0, 2])), expected, atol=1e-4)


@needs_gpu
@pytest.mark.parametrize("name", ["motionrnn", "motionrnn_5min", "motionrnn_italy", "lmc_memory", "astm"])
def test_the_networks_of_the_package_say_on_a_gpu_what_they_say_on_the_cpu(name, caplog):
    caplog.set_level(logging.WARNING)
    there, here = build_forecaster(name, device="cuda"), build_forecaster(name)
    step = int(there.needs.step / np.timedelta64(1, "m"))
    observed = moving_disc(projected_grid(120, 141), there.needs.past, (1.5, 3.0), step_minutes=step)
    leads = np.arange(1, 11) * there.needs.step
    expected = here.forecast(observed, leads).exceedance_probability.values
    for _ in range(2):
        found = there.forecast(observed, leads).exceedance_probability.values
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert not caplog.records


@needs_gpu
def test_networks_of_a_mean_share_no_motion_there():
    there, here = build_forecaster("motionrnn+astm", device="cuda"), build_forecaster("motionrnn+astm")
    observed = moving_disc(projected_grid(96, 96), 5, (1.5, 3.0))
    for _ in range(3):
        found = there.forecast(observed, LEADS).exceedance_probability.values
        expected = here.forecast(observed, LEADS).exceedance_probability.values
        np.testing.assert_allclose(found, expected, atol=1e-3)
