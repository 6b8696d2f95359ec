"""A radar every five minutes: the service publishes by the network of such frames, or of a step it is told."""

import json

import numpy as np
import pytest

from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.products.cf_netcdf import read_forecast
from nowcast.products.odim_h5 import write_composite
from nowcast.service.cycle import FALLBACK, PUBLISHED
from tests.fakes.storm_service import START, StormService

STEP = np.timedelta64(5, "m")
STORMS = StormSettings(frames=10, size=64, cell_km=1.0, step_minutes=5, radar_range_km=40.0)


@pytest.fixture
def service(tmp_path):
    made = StormService(tmp_path, step_minutes=5.0, model="motionrnn", budget_seconds=300.0)
    grid = storm_grid(STORMS)
    for i, frame in enumerate(make_storms(STORMS)):
        write_composite(made.inbox / f"{i:02d}.h5", frame, START + i * STEP, grid)
    return made


def published(service):
    folder = service.output / "latest"
    return json.loads((folder / "manifest.json").read_text()), read_forecast(folder / "nowcast.nc")


TEN = {"model_settings": {"step_minutes": 10}}


@pytest.mark.parametrize(
    ("changes", "model", "leads"),
    [({}, "motionrnn_5min", [5, 10, 15]), pytest.param(TEN, "motionrnn", [10, 20, 30], marks=pytest.mark.slow)],
)
def test_it_publishes_by_the_network_with_its_probabilities(service, changes, model, leads):
    cycle = service.cycle(4.5, **changes)  # the newest frame is that of 45 minutes
    assert cycle.exit_code == PUBLISHED, cycle.message
    manifest, coming = published(service)
    assert (manifest["model"], manifest["fallback"]) == (model, "")
    assert coming["forecast_reference_time"].values == START + 9 * STEP
    assert (coming["lead_time"].values / np.timedelta64(1, "m")).tolist() == leads
    assert coming.exceedance_probability.dims == ("threshold", "lead_time", "y", "x")
    assert coming.exceedance_probability.max() > 0.2
    assert coming.attrs["licence"]


@pytest.mark.slow
def test_it_chooses_by_the_step_of_its_first_files_too(service):
    assert service.cycle(4.5, step_minutes=None).exit_code == PUBLISHED
    assert published(service)[0]["model"] == "motionrnn_5min"


@pytest.mark.slow
def test_what_is_published_in_its_place_has_the_same_lead_times(service):
    (service.inbox / "05.h5").unlink()  # the network's past has a gap, that of the motion is short
    cycle = service.cycle(4.5, most_missing=0, **TEN)
    assert cycle.exit_code == FALLBACK, cycle.message
    manifest, coming = published(service)
    assert manifest["model"] == "extrapolation"
    assert "expected 5 frames without a gap" in manifest["fallback"]
    assert (coming["lead_time"].values / np.timedelta64(1, "m")).tolist() == [10, 20, 30]


@pytest.mark.slow
def test_where_frames_may_be_missing_the_network_goes_on_and_says_which_it_interpolated(service):
    (service.inbox / "05.h5").unlink()
    cycle = service.cycle(4.5, **TEN)
    assert cycle.exit_code == PUBLISHED, cycle.message
    manifest, coming = published(service)
    assert (manifest["model"], manifest["fallback"]) == ("motionrnn", "")
    missing = np.datetime_as_string(START + 5 * STEP, unit="s") + "Z"
    assert coming.attrs["interpolated_frames"] == manifest["interpolated_frames"] == missing


@pytest.mark.slow
def test_a_network_that_cannot_even_be_loaded_leaves_the_lead_times_as_they_were(service):
    assert service.cycle(4.5, **TEN).exit_code == PUBLISHED
    write_composite(service.inbox / "10.h5", make_storms(STORMS)[-1], START + 10 * STEP, storm_grid(STORMS))
    broken = service.output.parent / "broken.ckpt"
    broken.write_bytes(b"not a checkpoint")
    cycle = service.cycle(5.0, model=str(broken))
    assert cycle.exit_code == FALLBACK, cycle.message
    manifest, coming = published(service)
    assert manifest["model"] == "extrapolation"
    assert (coming["lead_time"].values / np.timedelta64(1, "m")).tolist() == [10, 20, 30]
