"""The service with a calibration: forecasts hold probabilities; a file that does not fit is told at once."""

import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.settings import build
from nowcast.forecasters.calibration_file import write_calibration
from nowcast.forecasters.persistence import Persistence
from nowcast.service.model_run import ModelProcess, run_model
from nowcast.service.settings import ServiceSettings, check_model
from nowcast.workflows.calibrate import calibrate
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")


@pytest.fixture(scope="module")
def source():
    return MemoryArchive(moving_disc(projected_grid(), 16, (0.2, 0.3)))


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("service") / "p.calibration.json"
    found = calibrate([source], [Persistence()], [DAY], thresholds=[20, 30], lead_times=2, stride=4)
    write_calibration(path, found.learnt, found.made)
    return path


def settings(tmp_path, file, model="persistence"):
    return build(
        ServiceSettings,
        {
            "name": "x",
            "archive": "a.zarr",
            "output": str(tmp_path),
            "inputs": [{"folder": "in"}],
            "model": model,
            "calibration": str(file),
            "lead_times": 2,
        },
    )


def test_its_forecasts_hold_probabilities_and_their_reliability(source, file, tmp_path):
    asked = settings(tmp_path, file)
    check_model(asked)
    notes = []
    run = run_model(asked, source, source.times[-1], ModelProcess(asked), notes.append)
    assert (run.fallback, notes) == ("", [])
    assert run.forecast["threshold"].values.tolist() == [20.0, 30.0]
    assert {"decision_thresholds", "dressing"} <= set(run.forecast.attrs)


def test_a_file_that_does_not_fit_is_told_before_it_starts(file, tmp_path):
    with pytest.raises(SettingsError, match="got one of persistence, expected one of extrapolation"):
        check_model(settings(tmp_path, file, "extrapolation"))
    with pytest.raises(FileError, match="no readable file"):
        check_model(settings(tmp_path, tmp_path / "absent.json"))
