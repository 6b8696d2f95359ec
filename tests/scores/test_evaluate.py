"""The tally: shared counts, merging, means over lead times, and the CSV as it is read back."""

import csv
import io

import numpy as np

from nowcast.core.score_row import ScoreRow
from nowcast.scores import categorical
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import Csi, Pod
from nowcast.scores.continuous import Mae
from nowcast.scores.evaluate import Tally, scores_csv

FORECAST = np.array([[[30.0, 0.0]], [[30.0, 30.0]], [[0.0, 0.0]]])
OBSERVED = np.array([[[30.0, 0.0]], [[30.0, 0.0]], [[0.0, 0.0]]])


def test_rows_by_hand_and_the_mean_over_defined_lead_times():
    tally = Tally([Csi(20.0), Mae()])
    tally.add(FORECAST, OBSERVED)
    rows = list(tally.rows("m", [10, 20, 30]))
    assert [r.value for r in rows[:2]] == [1.0, 0.5]
    assert np.isnan(rows[2].value)
    assert rows[3] == ScoreRow("m", "csi", 20.0, None, 0.75)
    assert rows[5] == ScoreRow("m", "mae", None, 20.0, 12.5)


def test_metrics_of_one_threshold_share_one_count(monkeypatch):
    calls = []
    plain = categorical.by_frames
    monkeypatch.setattr(categorical, "by_frames", lambda *a, **b: calls.append(1) or plain(*a, **b))
    tally = Tally([Csi(20.0), Pod(20.0), Pod(30.0)])
    tally.add(FORECAST, OBSERVED)
    assert len(calls) == 2  # thresholds


def test_two_tallies_merged_are_one():
    metrics = build_metrics([20.0])
    first, second, both = Tally(metrics), Tally(metrics), Tally(metrics)
    first.add(FORECAST, OBSERVED)
    second.add(OBSERVED[::-1], FORECAST)
    both.add(FORECAST, OBSERVED)
    both.add(OBSERVED[::-1], FORECAST)
    first.merge(second)
    leads = [10, 20, 30]
    for mine, its in zip(first.rows("m", leads), both.rows("m", leads), strict=True):
        assert mine[:4] == its[:4]
        np.testing.assert_equal(mine.value, its.value)


def test_the_table_reads_back():
    text = scores_csv(
        [ScoreRow("a, b", "csi", 20.0, 10.0, 1 / 3), ScoreRow("a, b", "mae", None, None, float("nan"))]
    )
    assert list(csv.reader(io.StringIO(text))) == [
        ["model", "score", "threshold_dbz", "lead_minutes", "value"],
        ["a, b", "csi", "20", "10", "0.333333333"],
        ["a, b", "mae", "", "mean", "nan"],
    ]


def test_what_was_counted_for_a_metric_can_be_asked_for():
    tally = Tally([Csi(20.0)])
    tally.add(FORECAST, OBSERVED)
    assert tally.sums(Pod(20.0))["hits"].tolist() == [1, 1, 0]
