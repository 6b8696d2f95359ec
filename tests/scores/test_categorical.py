"""Events by hand, against independent counters, and on blocks of the map."""

import numpy as np
import pytest
import torch

from nowcast.core.errors import NowcastError
from nowcast.scores.catalog import build_metrics
from nowcast.scores.categorical import Contingency, Csi, Far, FrequencyBias, Pod
from nowcast.scores.cells import CellSums

NAN = np.nan
# one lead time, threshold 20:  hit, miss, false alarm, correct negative, unobserved, silent miss
FORECAST = np.array([[[20.0, 19.9, 35.0, -32.0, 50.0, NAN]]])
OBSERVED = np.array([[[20.0, 20.0, 19.9, -32.0, NAN, 44.0]]])


def value(metric):
    return float(metric.value(metric.sums(FORECAST, OBSERVED))[0])


def test_counts_by_hand():
    sums = Contingency(20.0).sums(FORECAST, OBSERVED)
    assert {k: v.tolist() for k, v in sums.items()} == {
        "hits": [1],
        "misses": [2],
        "false_alarms": [1],
        "correct_negatives": [1],
    }
    assert all(v.dtype == np.int64 for v in sums.values())


@pytest.mark.parametrize("threshold", [20.1, 20.3, np.float64(20.3)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.float32, torch.float64])
def test_a_threshold_means_the_same_in_any_type(kind, threshold):
    """As float32, 20.1 lies above 20.1 and 20.3 below 20.3."""
    at, under = threshold, float(np.nextafter(np.float32(threshold), np.float32(0)))
    pairs = np.array([[[at, at, under, under]]]), np.array([[[at, under, at, under]]])
    if isinstance(kind, torch.dtype):
        pairs = [torch.from_numpy(a).to(kind) for a in pairs]
    else:
        pairs = [a.astype(kind) for a in pairs]
    sums = Contingency(threshold).sums(*pairs)
    assert {k: int(v[0]) for k, v in sums.items()} == {
        "hits": 1,
        "false_alarms": 1,
        "misses": 1,
        "correct_negatives": 1,
    }


def test_scores_by_hand():
    assert value(Csi(20.0)) == 1 / 4
    assert value(Pod(20.0)) == 1 / 3
    assert value(Far(20.0)) == 1 / 2
    assert value(FrequencyBias(20.0)) == 2 / 3


def test_what_never_happened_has_no_score():
    dry = np.full((2, 3, 3), -32.0)
    for metric in (Csi(20.0), Pod(20.0), Far(20.0), FrequencyBias(20.0)):
        assert np.isnan(metric.value(metric.sums(dry, dry))).all()


def test_pooled_is_not_the_mean_of_ratios():
    # frame 1: 1 hit of 1; frame 2: 0 of 3. Pooled 1/4, mean of ratios 1/2.
    forecast, observed = np.zeros((2, 1, 1, 3)), np.zeros((2, 1, 1, 3))
    forecast[0, 0, 0, 0] = observed[0, 0, 0, 0] = 30.0
    observed[1] = 30.0
    metric = Csi(20.0)
    assert metric.value(metric.sums(forecast, observed)).tolist() == [0.25]


def test_torchmetrics_counts_the_same():
    torchmetrics = pytest.importorskip("torchmetrics")
    rng = np.random.default_rng(0)
    forecast, observed = (torch.from_numpy(rng.normal(15, 12, (4, 30, 30))) for _ in range(2))
    theirs = torchmetrics.regression.CriticalSuccessIndex(20.0)(forecast, observed)
    metric = Csi(20.0)
    ours = metric.value(metric.sums(forecast[:, None], observed[:, None]))
    assert float(ours[0]) == pytest.approx(float(theirs), abs=1e-6)


def test_the_scores_package_counts_the_same():
    scores = pytest.importorskip("scores.categorical")
    xr = pytest.importorskip("xarray")
    rng = np.random.default_rng(1)
    forecast, observed = (xr.DataArray(rng.normal(15, 12, (1, 30, 30))) for _ in range(2))
    operator = scores.ThresholdEventOperator(default_event_threshold=20.0)
    theirs = operator.make_contingency_manager(forecast, observed)
    for metric, its in (
        (Csi(20.0), theirs.critical_success_index()),
        (Pod(20.0), theirs.probability_of_detection()),
        (Far(20.0), theirs.false_alarm_ratio()),
        (FrequencyBias(20.0), theirs.frequency_bias()),
    ):
        ours = metric.value(metric.sums(forecast, observed))
        assert float(ours[0]) == pytest.approx(float(its), abs=1e-12)


def test_cells_by_hand_with_a_ragged_edge():
    forecast, observed = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    forecast[0, 0, 0] = observed[0, 0, 0] = 30  # hit in block (0, 0)
    observed[1, 1, 1] = 30  # miss in block (0, 0), at the other lead time
    forecast[1, 2, 2] = 30  # false alarm in block (1, 1), which has one cell
    observed[0, 0, 2] = NAN
    forecast[0, 0, 2] = 30  # unobserved
    cells = CellSums(Csi(20.0), block=2)
    by_lead = cells.sums(forecast, observed)
    assert by_lead["misses"].tolist() == [[[0, 0], [0, 0]], [[1, 0], [0, 0]]]
    sums = {name: part.sum(axis=0) for name, part in by_lead.items()}
    assert sums["hits"].tolist() == [[1, 0], [0, 0]]
    assert sums["misses"].tolist() == [[1, 0], [0, 0]]
    assert sums["false_alarms"].tolist() == [[0, 0], [0, 1]]
    np.testing.assert_array_equal(cells.value(sums), [[0.5, NAN], [NAN, 0.0]])


def test_all_cells_together_are_the_whole():
    rng = np.random.default_rng(2)
    forecast, observed = rng.normal(15, 12, (2, 3, 20, 21))
    observed[:, 4:9] = NAN
    whole = Contingency(20.0).sums(forecast, observed)
    for block in (1, 4, 50):
        cells = CellSums(Csi(20.0), block).sums(forecast, observed)
        for key, values in cells.items():
            assert values.sum() == whole[key].sum()


def test_bad_parameters_are_refused():
    with pytest.raises(NowcastError, match="block: got 0"):
        CellSums(Csi(20.0), block=0)
    with pytest.raises(NowcastError, match="each once"):
        build_metrics([20.0, 20.0])
    with pytest.raises(NowcastError, match="at least one"):
        build_metrics([])
    with pytest.raises(NowcastError, match="score: got 'cis', expected one of csi"):
        build_metrics([20.0], ["cis"])
    with pytest.raises(NowcastError, match="tensor and an array"):
        Csi(20.0).sums(torch.zeros(1, 2, 2), np.zeros((1, 2, 2)))
