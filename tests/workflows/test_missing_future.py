"""Frames missing after a start: their lead time alone loses its counts; with none missing nothing changes."""

import numpy as np
import pytest

from nowcast.evaluation.comparison import Against
from nowcast.evaluation.grouping import Grouping, groups_csv
from nowcast.evaluation.skill_text import summary
from nowcast.forecasters.persistence import Persistence
from nowcast.scores.catalog import METRICS
from nowcast.scores.confidence import Bootstrap
from nowcast.workflows.calibrate import calibrate
from nowcast.workflows.verify import verify, verify_period
from tests.fakes.fields import moving_disc, projected_grid, times
from tests.fakes.forecasters import Probable
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
LEADS = (10.0, 20.0, 30.0)


def archive(frames=12, missing=()):
    field = moving_disc(projected_grid(), frames=frames, velocity=(0.5, 1.0))
    return MemoryArchive(field.isel(time=[i for i in range(frames) if i not in missing]))


def verified(source, most_missing, scores=("csi", "mae", "brier", "crps"), **more):
    return verify_period(
        source,
        [Persistence(), Probable()],
        *DAY,
        lead_times=3,
        thresholds=[20.0, 30.0],
        scores=scores,
        most_missing=most_missing,
        **more,
    )


def test_with_every_frame_there_nothing_changes_to_the_last_bit():
    found = [verified(archive(), most, stride=2, grouping=Grouping(by_event=True)) for most in (0, 1, 3)]
    for other in found[1:]:
        np.testing.assert_equal([tuple(row) for row in other.rows], [tuple(row) for row in found[0].rows])
        np.testing.assert_array_equal(other.reference_times, found[0].reference_times)
        assert groups_csv(other.groups) == groups_csv(found[0].groups)
        for model in other.models:
            for score, sums in other.sums[model].items():
                np.testing.assert_array_equal(sums, found[0].sums[model][score])
        assert other.missing.tolist() == [0, 0, 0]


@pytest.mark.parametrize("gone", [1, 2])
def test_a_missing_frame_takes_the_counts_of_its_lead_time_alone(gone):
    scores = list(METRICS)
    whole = verified(archive(8), 3, scores)
    gappy = verified(archive(8, missing=(4 + gone,)), 3, scores)
    assert whole.nowcasts == gappy.nowcasts == 1
    assert gappy.missing.tolist() == [int(lead == gone) for lead in (1, 2, 3)]
    of_whole = {row[:4]: row.value for row in whole.rows}
    compared = 0
    for row in gappy.rows:
        if row.lead_minutes == 10.0 * gone:
            assert np.isnan(row.value), row
        elif row.lead_minutes is not None:
            np.testing.assert_equal(row.value, of_whole[row[:4]])
            compared += np.isfinite(row.value)
        elif row.score == "csi":
            kept = [of_whole[(*row[:3], lead)] for lead in LEADS if lead != 10.0 * gone]
            assert row.value == pytest.approx(np.mean(kept), abs=1e-15)
    assert compared > 60
    for model in gappy.models:
        counts = gappy.counts[model]
        assert not counts[:, :, gone - 1].any()
        np.testing.assert_array_equal(
            np.delete(counts, gone - 1, axis=2), np.delete(whole.counts[model], gone - 1, axis=2)
        )


def test_the_pages_say_what_was_left_out_and_show_rows_by_event(tmp_path):
    source = archive(20, missing=(9,))
    skill = verify(
        source,
        [Persistence(), Probable()],
        "2025-03-22/2025-03-22",
        tmp_path,
        stride=1,
        lead_times=3,
        thresholds=[20.0],
        by=["event"],
        against=Against(how=Bootstrap(storms=True)),
    )
    found = skill.verification
    assert found.missing.tolist() == [1, 1, 1]
    assert "left out, as no frame was observed: 1 at 10 min, 1 at 20 min, 1 at 30 min" in summary(found)
    page = skill.page.read_text()
    assert "left out, as no frame was observed: 1 at 10 min" in page
    assert "By event" in page
    assert "1 storm of initialisation times" in page
    assert len(skill.verification.reference_times) == len(verified(source, 0).reference_times) + 3
    groups = skill.groups.read_text().splitlines()
    (row,) = [line for line in groups if line.startswith("event,") and ",persistence,csi,20,mean," in line]
    assert row.split(",")[1] == str(times(20)[4])[:16] + "Z"
    assert float(row.split(",")[-1]) == pytest.approx(found.value("persistence", "csi", 20.0), rel=1e-8)


def test_calibration_takes_such_starts_and_counts_what_was_observed():
    source = archive(12, missing=(9,))
    few, more = (
        calibrate([source], [Probable()], [DAY], thresholds=[20], lead_times=2, stride=1, most_missing=most)
        for most in (0, 1)
    )
    assert more.nowcasts == few.nowcasts + 2
    assert more.made["most_missing"] == 1
    assert (
        more.learnt[0].reliability is None or np.isfinite(np.asarray(more.learnt[0].reliability.observed)).any()
    )
