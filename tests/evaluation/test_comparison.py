"""Models against a reference: who is compared with whom, the table, the text, and the page's words."""

import csv
import io

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.evaluation.comparison import Against, compare, confidence_csv, confidence_text, reference_of_each
from nowcast.forecasters.persistence import Persistence
from nowcast.report.confidence import differences
from nowcast.scores.confidence import Bootstrap
from nowcast.workflows.verify import verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Weak
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")


@pytest.fixture(scope="module")
def found():
    source = MemoryArchive(moving_disc(projected_grid(), frames=60, velocity=(0.3, 0.4)))
    models = {"persistence": Persistence(), "weak": Weak(), "same": Persistence()}
    return verify_period(source, models, *DAY, lead_times=3, stride=6, thresholds=[20.0, 30.0])


def test_counts_of_each_start_time_add_up_to_the_score(found):
    counts = found.counts["weak"]
    assert counts.shape == (found.nowcasts, 2, 3, 3)
    hits, misses, false_alarms = counts.sum(axis=0)[1, 2]
    assert found.value("weak", "csi", 30.0, 30.0) == hits / (hits + misses + false_alarms)


def test_a_weak_model_is_surely_worse_and_the_same_one_surely_the_same(found):
    sure = compare(found, Against(horizon_csi=0.8, how=Bootstrap(block_hours=1)))
    weak = next(c for c in sure.comparisons if c.model == "weak" and c.threshold_dbz == 20.0)
    assert weak.reference == "persistence"
    expected = found.value("weak", "csi", 20.0) - found.value("persistence", "csi", 20.0)
    assert weak.difference == pytest.approx(expected)
    assert weak.low <= weak.difference <= weak.high < 0
    same = [c for c in sure.comparisons if c.model == "same"]
    assert {(c.difference, c.low, c.high) for c in same} == {(0.0, 0.0, 0.0)}
    holds = {h.model: h.minutes for h in sure.horizons}
    assert holds["weak"] < 10 < holds["persistence"] == holds["same"] < 30


def test_like_is_compared_with_like():
    models = ["persistence", "net", "net, calibrated", "extrapolation", "extrapolation, calibrated"]
    assert reference_of_each(models, None) == {
        "persistence": "extrapolation",
        "net": "extrapolation",
        "net, calibrated": "extrapolation, calibrated",
        "extrapolation, calibrated": "extrapolation",
    }
    chosen = reference_of_each(models, "extrapolation, calibrated")
    assert set(chosen.values()) == {"extrapolation, calibrated"}
    assert reference_of_each(models[:3], None) == {"net": "persistence", "net, calibrated": "persistence"}


def test_the_table_and_the_text(found):
    sure = compare(found, Against(reference="weak", horizon_dbz=20.0, horizon_csi=0.8))
    rows = list(csv.DictReader(io.StringIO(confidence_csv(sure))))
    assert list(rows[0]) == ["model", "reference", "measure", "threshold_dbz", "value", "low", "high", "blocks"]
    first = sure.comparisons[0]
    assert (rows[0]["model"], rows[0]["reference"]) == ("persistence", "weak")
    assert float(rows[0]["value"]) == pytest.approx(first.difference)
    assert rows[-1]["measure"] == "skill_horizon_minutes_csi_0.8"
    assert float(rows[-1]["value"]) == pytest.approx(sure.horizons[-1].minutes)
    text = confidence_text(sure)
    assert f"{first.difference:+.3f} [{first.low:+.3f}, {first.high:+.3f}]" in text
    assert "bootstrap of 3 blocks of 6 h" in text
    assert "skill horizon, where CSI20 falls under 0.8: persistence" in text


def test_one_block_says_that_there_is_no_interval(found):
    sure = compare(found, Against(how=Bootstrap(block_hours=24)))
    assert "[undefined]" in confidence_text(sure)
    assert "1 block of 24 h" in confidence_text(sure)
    (table,) = differences(sure.comparisons, {})
    assert {cell.detail for row in table.rows for cell in row[1:]} == {"no interval"}


def test_without_30_dbz_nothing_is_followed_unless_it_is_asked_for(found):
    against = Against()
    assert against.threshold([20.0]) is None
    assert against.threshold([20.0, 30.0]) == 30.0


@pytest.mark.parametrize(
    ("against", "message"),
    [
        (Against(reference="other"), "--reference: got 'other', expected one of a"),
        (Against(horizon_dbz=35.0), "--horizon: got 35 dBZ, expected one of 20, 30"),
        (Against(horizon_csi=2.0), "CSI of the skill horizon: got 2"),
    ],
)
def test_mistakes_are_told_before_anything_is_forecast(against, message):
    with pytest.raises(NowcastError, match=message):
        against.check(["a"], [20.0, 30.0])
