"""Members within a verification: drawn once, shared by readings, left out where there are no probabilities."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.core.field import MEMBERS
from nowcast.forecasters.decision import Decision
from nowcast.forecasters.persistence import Persistence
from nowcast.postprocessing.members import Members
from nowcast.scores.catalog import build_metrics
from nowcast.workflows.drawn_members import DrawnMembers, with_members
from nowcast.workflows.forecast import forecast
from nowcast.workflows.score_nowcast import Reading
from nowcast.workflows.verify import verify, verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
PERIOD = "2025-03-22/2025-03-22"


def archive(frames=8):
    return MemoryArchive(moving_disc(projected_grid(24, 30), frames=frames))


def test_scores_of_members_are_those_of_the_members_that_the_step_draws():
    source, asked = archive(), ["crps", "spread_error"]
    models = [Persistence(), Probable()]
    found = verify(source, models, PERIOD, lead_times=2, stride=9, scores=asked, members=6, seed=3)
    verified = found.verification
    (start,) = verified.reference_times
    made = forecast(source, Probable(), start, 2, post=[Members(6, 3)])
    observed = source.frames(start + source.step * np.arange(1, 3)).values
    for metric in build_metrics([20.0], asked):
        expected = metric.value(metric.sums(made[MEMBERS].values, observed))
        for lead, value in zip((10.0, 20.0), expected, strict=True):
            assert verified.value("probable", metric.name, None, lead) == pytest.approx(value)
    assert verified.value("persistence", "spread_error") == 0  # one member, certain
    assert "6 members" in verified.metadata["probable"]["members"]
    assert "members" not in verified.metadata["persistence"]


def test_readings_of_one_forecaster_share_members(monkeypatch):
    drawn = []
    monkeypatch.setattr(Members, "apply", lambda self, forecast, _: drawn.append(1) or forecast)
    model, other = Probable(), Probable("other")

    class Alike(Decision):
        def apply(self, forecast, observed):
            return forecast

    readings = {"raw": Reading(model), "other": Reading(other), "decided": Reading(model, (Alike(None),))}
    found = verify_period(archive(), with_members(readings, Members(4)), *DAY, lead_times=1, stride=9)
    assert found.nowcasts == 1
    assert found.models == ("raw", "other", "decided")
    assert (model.asked, other.asked, len(drawn)) == (1, 1, 2)


def test_members_stand_behind_whatever_changes_probabilities():
    class Lowered:
        name, past = "lowered", 0

        def apply(self, forecast, observed):
            return forecast

    members = Members(4)
    found = with_members({"a": Reading(Probable(), (Lowered(),)), "b": Reading(Probable())}, members)
    assert [type(step).__name__ for step in found["a"].post] == ["Lowered", "DrawnMembers"]
    assert found["b"].post == (DrawnMembers(members),)
    assert found["b"].post[0].past == members.past


def test_models_without_probabilities_and_bad_numbers_are_refused():
    with pytest.raises(NowcastError, match="--members: got models without probabilities: persistence"):
        verify(archive(), [Persistence()], PERIOD, lead_times=1, stride=9, members=4)
    with pytest.raises(NowcastError, match=r"members \(--members\): got 0"):
        verify(archive(), [Probable()], PERIOD, lead_times=1, members=0)
