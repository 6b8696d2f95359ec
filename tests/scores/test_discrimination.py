"""ROC, economic value, fractions of probabilities, scores with correct negatives: by hand, at their ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.scores.categorical import Csi
from nowcast.scores.contingency_skill import Accuracy, Ets, Hss, Sedi
from nowcast.scores.continuous import AnomalyCorrelation
from nowcast.scores.discrimination import EconomicValue, RocArea
from nowcast.scores.probabilistic import certain
from nowcast.scores.probability_classes import FINE, ProbabilityClasses
from nowcast.scores.spatial import Fss, FssProbability

NAN = np.nan
SAID = np.array([[[0.9, 0.6, 0.6, 0.2, 0.2, 0.0, 0.7]]])
SEEN = np.array([[[30.0, 30.0, 0.0, 30.0, 0.0, 0.0, NAN]]])
"""Events at .9, .6 and .2; others at .6, .2 and 0."""


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(np.asarray(forecast), np.asarray(observed))))


def test_roc_by_hand():
    # of nine pairs of an event and another: .9 wins 3, .6 wins 2 and is even once, .2 wins one and is even once
    metric = RocArea(20.0)
    assert value(metric, SAID, SEEN) == pytest.approx([(3 + 2.5 + 1.5) / 9])
    curve = metric.curve(metric.sums(SAID, SEEN))
    at = np.searchsorted(metric.edges, [0.0, 0.2, 0.6, 0.9])
    np.testing.assert_allclose(curve.detection[at, 0], [1, 1, 2 / 3, 1 / 3])
    np.testing.assert_allclose(curve.false_detection[at, 0], [1, 2 / 3, 1 / 3, 0])
    assert curve.detection[-1, 0] == curve.false_detection[-1, 0] == 0


def test_economic_value_by_hand():
    # half of all are events. Acting at .9 or at .6 or at .2 gains 1/3 of detections each; C/L 1/2 is the best
    metric = EconomicValue(20.0)
    sums = metric.sums(SAID, SEEN)
    assert metric.value(sums) == pytest.approx([1 / 3])
    assert metric.curve(sums, [0.5])[:, 0] == pytest.approx([1 / 3])
    # C/L 1/4: climatology acts always, for 1/4; perfect 1/8. At .2: 5/6 of .25 and no event is lost: 5/24
    # C/L 9/10: climatology never acts and loses 1/2; perfect 9/20. At .9: .9 / 6 + 1/3, 1/60 less
    expected = [(1 / 4 - 5 / 24) / (1 / 8), (1 / 60) / (1 / 20)]
    assert metric.curve(sums, [0.25, 0.9])[:, 0] == pytest.approx(expected)
    with pytest.raises(NowcastError, match="between 0 and 1"):
        metric.curve(sums, [1.0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_what_holds_for_every_forecast(seed):
    rng = np.random.default_rng(seed)
    said = rng.random((2, 9, 9))
    seen = np.where(rng.random(said.shape) < said, 30.0, 0.0)
    area, worth = value(RocArea(20.0), said, seen), value(EconomicValue(20.0), said, seen)
    assert ((area >= 0) & (area <= 1)).all()
    np.testing.assert_allclose(value(RocArea(20.0), 1 - said, seen) + area, 1, atol=0.03)
    assert ((worth >= 0) & (worth <= 1)).all()
    frequency = (seen >= 20).mean(axis=(1, 2))
    metric = EconomicValue(20.0)
    for lead in range(2):
        best = metric.curve(metric.sums(said, seen), [frequency[lead]])[0, lead]
        assert best == pytest.approx(worth[lead])
    assert value(RocArea(20.0), certain(seen, 20.0), seen).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(value(RocArea(20.0), np.full_like(said, 0.3), seen), 0.5)


def test_small_probabilities_are_told_apart_and_classes_are_those_of_float32():
    tiny = np.array([[[0.0, 0.0015, 0.004, 0.009]]])
    assert value(RocArea(20.0), tiny, [[[0.0, 0.0, 30.0, 30.0]]]) == 1.0
    metric = ProbabilityClasses(20.0)
    assert set(np.arange(10) / 10) | set(FINE) >= set(metric.edges)
    said = np.float32(metric.edges)[None, None]
    for wide in (said, said.astype(np.float64)):
        assert (metric.sums(wide, np.zeros_like(said))["pixels"] == 1).all()
    assert len(ProbabilityClasses(20.0, bins=3).edges) == len(FINE) + 2
    between = (metric.edges[:-1] + metric.edges[1:]) / 2
    pixels = metric.sums(between[None, None], np.zeros((1, 1, len(between))))["pixels"]
    assert pixels[0].tolist() == [1.0] * len(between) + [0.0]


def test_fractions_of_probabilities_by_hand():
    # one window of three by three, a corner unobserved: the mean of probabilities against 2 of 8
    said = np.full((1, 3, 3), 0.5)
    said[0, 0] = [0.9, NAN, 1.0]
    seen = np.zeros((1, 3, 3))
    seen[0, 1, :2], seen[0, 0, 0] = 30.0, NAN
    f, o = (0 + 1.0 + 6 * 0.5) / 8, 2 / 8
    assert value(FssProbability(20.0, 3), said, seen) == pytest.approx([1 - (f - o) ** 2 / (f * f + o * o)])
    dbz = np.random.default_rng(0).normal(20, 9, (2, 12, 12))
    other = np.random.default_rng(1).normal(20, 9, (2, 12, 12))
    np.testing.assert_allclose(
        value(FssProbability(20.0, 5), certain(dbz, 20.0), other), value(Fss(20.0, 5), dbz, other)
    )
    with pytest.raises(NowcastError, match="probability: got values"):
        value(FssProbability(20.0, 5), dbz, other)


# 3 hits, 2 false alarms, 1 miss, 4 correct negatives
CALLED = np.array([[[30.0] * 5 + [0.0] * 5 + [30.0]]])
CAME = np.array([[[30.0] * 3 + [0.0] * 2 + [30.0] + [0.0] * 4 + [NAN]]])


def test_scores_with_correct_negatives_by_hand():
    by_chance = 5 * 4 / 10
    assert value(Ets(20.0), CALLED, CAME) == pytest.approx([(3 - by_chance) / (6 - by_chance)])
    assert value(Hss(20.0), CALLED, CAME) == pytest.approx([2 * (12 - 2) / (4 * 5 + 5 * 6)])
    assert value(Accuracy(20.0), CALLED, CAME) == pytest.approx([0.7])
    h, f = 3 / 4, 2 / 6
    logs = np.log(f), np.log(h), np.log(1 - h), np.log(1 - f)
    expected = (logs[0] - logs[1] + logs[2] - logs[3]) / sum(logs)
    assert value(Sedi(20.0), CALLED, CAME) == pytest.approx([expected])


def test_scores_with_correct_negatives_at_their_ends():
    for kind in (Ets, Hss, Sedi, Accuracy):
        assert value(kind(20.0), CAME, CAME).tolist() == [1.0]
    never = np.zeros_like(CAME)
    assert value(Ets(20.0), never, CAME) == value(Hss(20.0), never, CAME) == [0.0]
    for kind in (Ets, Hss, Sedi):
        assert np.isnan(value(kind(20.0), never, never)).all()
    without_misses = np.where(CALLED < 20, 0 * CAME, CAME)  # a logarithm that is not there
    assert np.isnan(value(Sedi(20.0), CALLED, without_misses)).all()
    assert value(Hss(20.0), CALLED, without_misses) > 0
    # 2 ** 25 pixels of each kind: products are beyond int64
    counts = dict.fromkeys(("hits", "misses", "false_alarms", "correct_negatives"), np.array([2**40]))
    assert Hss(20.0).value(counts) == [0.0]
    assert Ets(20.0).value(counts) == [0.0]
    assert Csi(20.0).value(counts) == [1 / 3]


def test_correlation_by_hand():
    # what is under 5 dBZ counts as 5: 5, 15, 25 against 5, 10, 30, departures -10, 0, 10 and -10, -5, 15
    found = value(AnomalyCorrelation(), [[[-32.0, 15, 25, 60]]], [[[3.0, 10, 30, NAN]]])
    assert found == pytest.approx([250 / np.sqrt(200 * 350)])
    assert value(AnomalyCorrelation(), [[[50.0, 30, 10]]], [[[10.0, 30, 50]]]) == pytest.approx([-1])
    assert np.isnan(value(AnomalyCorrelation(), [[[20.0, 20, 20]]], [[[10.0, 30, 50]]])).all()
