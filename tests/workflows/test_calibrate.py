"""Calibration over archives and periods: by hand, one forecast an initialisation time, what it refuses."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.forecasters.decision import Decision
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.workflows.calibrate import calibrate, summary
from nowcast.workflows.verify import Reading, verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
EMPTY = np.datetime64("2024-03-22", "ns"), np.datetime64("2024-03-23", "ns")


def archive(frames=14, velocity=(0.0, 0.0), step=10):
    return MemoryArchive(moving_disc(projected_grid(), frames, velocity, step), step)


def test_a_forecaster_that_is_six_db_too_weak_is_put_right():
    weak = Weak()
    found = calibrate([archive()], [weak], [DAY], thresholds=[30, 20], lead_times=2, stride=3)
    chosen = found.learnt[0].decision
    assert (chosen.kind, chosen.thresholds_dbz, chosen.lead_minutes) == ("dbz", (20.0, 30.0), (10.0, 20.0))
    assert chosen.identity == identity_of(weak)
    assert chosen.csi == ((1.0, 1.0), (1.0, 1.0))
    assert all(before < 1 for row in chosen.csi_before for before in row)
    for row, threshold in zip(chosen.values, (20, 30), strict=True):
        assert all(threshold - 10 < level < threshold for level in row)
    assert weak.asked == found.nowcasts == 3
    text = summary(found)
    assert "weak" in text
    assert "1.000" in text


def test_verifying_the_calibrated_one_gives_the_csi_that_calibration_promised():
    weak, source = Weak(), archive(velocity=(0.5, 1.0))
    chosen = calibrate([source], [weak], [DAY], thresholds=[20, 30], lead_times=3, stride=2).learnt[0].decision
    found = verify_period(
        source,
        {"raw": Reading(weak), "made": Reading(weak, (Decision(chosen),))},
        *DAY,
        lead_times=3,
        stride=2,
        thresholds=[20, 30],
    )
    for k, threshold in enumerate((20.0, 30.0)):
        for s, lead in enumerate((10.0, 20.0, 30.0)):
            assert found.value("made", "csi", threshold, lead) == chosen.csi[k][s]
            assert found.value("raw", "csi", threshold, lead) == chosen.csi_before[k][s]


def test_probabilities_are_calibrated_on_their_own_thresholds():
    odds, source = Probable(), archive(velocity=(0.5, 1.0))
    chosen = calibrate([source], [odds], [DAY], thresholds=[15], lead_times=2, stride=2).learnt[0].decision
    assert (chosen.kind, chosen.thresholds_dbz) == ("probability", (20.0, 30.0, 40.0))
    found = verify_period(
        source,
        {"made": Reading(odds, (Decision(chosen),))},
        *DAY,
        lead_times=2,
        stride=2,
        thresholds=[20, 30, 40],
    )
    for k, threshold in enumerate(chosen.thresholds_dbz):
        assert found.value("made", "csi", threshold, 10.0) == chosen.csi[k][0]
        assert chosen.csi[k][0] >= chosen.csi_before[k][0]
    assert max(map(max, chosen.values)) < 0.5  # as all odds are too low


def test_archives_and_periods_are_pooled_and_an_empty_period_is_left_out():
    weak = Weak()
    both = calibrate([archive(), archive(8)], [weak], [DAY, EMPTY], thresholds=[20], lead_times=2, stride=1)
    assert both.nowcasts == 8 + 2
    assert [a["nowcasts"] for a in both.made["archives"]] == [8, 2]
    assert both.made["periods"][1].startswith("2024-03-22T00:00:00Z/")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"archives": []}, "no archive or no period"),
        ({"periods": []}, "no archive or no period"),
        ({"periods": [EMPTY]}, "the archive has no frames"),
        ({"thresholds": [20, 20]}, "each once"),
        ({"thresholds": []}, "thresholds: got"),
        ({"stride": 0}, "stride: got 0"),
        ({"lead_times": 0}, "lead_times: got 0"),
        ({"min_wet_pixels": 99_999}, "none has 99999 pixels"),
        ({"archives": [archive(), archive(step=5)]}, "a step of 5 min, expected 10 min"),
    ],
)
def test_mistakes_are_one_clear_line(change, message):
    asked = {"archives": [archive()], "periods": [DAY], "thresholds": [20], "lead_times": 2, **change}
    with pytest.raises(NowcastError, match=message) as caught:
        calibrate(asked.pop("archives"), [Weak()], asked.pop("periods"), **asked)
    assert "\n" not in str(caught.value)


def test_probabilities_of_another_shape_are_refused():
    class Short(Probable):
        def forecast(self, observed, lead_times):
            return super().forecast(observed, lead_times).isel(lead_time=slice(1))

    with pytest.raises(NowcastError, match="this forecaster is at fault"):
        calibrate([archive()], [Short()], [DAY], thresholds=[20], lead_times=2)
