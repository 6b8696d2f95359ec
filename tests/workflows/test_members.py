"""Members within the workflows: verification reads a forecast with them, a forecast of them starts in time."""

import numpy as np
import pytest

from nowcast.postprocessing.members import Members
from nowcast.workflows.forecast import forecast
from nowcast.workflows.verify import Reading, verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable
from tests.fakes.memory_archive import MemoryArchive


@pytest.fixture(scope="module")
def archive():
    return MemoryArchive(moving_disc(projected_grid(24, 32), frames=9))


def test_members_are_drawn_from_five_frames_though_the_forecaster_needs_two(archive):
    found = forecast(archive, Probable(), lead_times=2, post=[Members(3, seed=1)])
    assert found["reflectivity_members"].shape == (3, 2, 24, 32)
    assert "3 members drawn from the probabilities, seed 1; rain of 16 km lives " in found.attrs["members"]


def test_verification_scores_a_reading_with_members_as_the_forecast_itself(archive):
    model = Probable()
    readings = {"plain": Reading(model), "members": Reading(model, (Members(2),))}
    times = archive.times
    found = verify_period(
        archive, readings, times[0], times[-1] + archive.step, lead_times=2, thresholds=(20.0,), scores=("csi",)
    )
    assert model.asked == len(found.reference_times)
    for name in readings:
        assert found.value(name, "csi", 20.0) == found.value("plain", "csi", 20.0) > 0
    assert "2 members drawn" in found.metadata["members"]["members"]
    assert np.isfinite(found.seconds["members"]).all()
