"""Brier and reliability: by hand, against scores, and their decomposition."""

import numpy as np
import pytest
import scores.probability
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.scores.catalog import build_metrics
from nowcast.scores.evaluate import Tally
from nowcast.scores.probabilistic import Brier, BrierSkill, Uncertainty, certain
from nowcast.scores.probability_classes import Reliability, Resolution

NAN = np.nan


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(np.asarray(forecast), np.asarray(observed))))


def test_brier_by_hand():
    # errors .2, .7, 0 (silence is probability 0, and nothing came), unobserved
    probability = [[[0.2, 0.3, NAN, 0.9]]]
    observed = [[[19.9, 20.0, -32.0, NAN]]]
    assert value(Brier(20.0), probability, observed) == pytest.approx([(0.04 + 0.49) / 3])
    assert value(Brier(15.0), probability, observed) == pytest.approx([(0.64 + 0.49) / 3])


def test_skill_against_the_climatology_of_the_sample_by_hand():
    # two of four pixels are events: always saying .5 has no skill; squared errors .04 + .04 + .09 + .25
    observed = [[[30.0, 25.0, 5.0, 0.0, NAN]]]
    assert value(BrierSkill(20.0), [[[0.5] * 5]], observed) == pytest.approx([0.0])
    said = [[[0.8, 0.8, 0.3, 0.5, 0.9]]]
    assert value(BrierSkill(20.0), said, observed) == pytest.approx([1 - 0.42 / 4 / 0.25])
    assert np.isnan(value(BrierSkill(40.0), [[[0.5] * 5]], observed)).all()  # it never came
    assert value(Uncertainty(20.0), [[[0.5] * 5]], observed) == pytest.approx([0.25])


def test_brier_is_that_of_scores():
    rng = np.random.default_rng(0)
    probability, observed = rng.random((4, 3, 9, 9)), rng.normal(20, 9, (4, 3, 9, 9))
    theirs = scores.probability.brier_score(
        xr.DataArray(probability, dims=tuple("bsyx")),
        xr.DataArray((observed >= 20) * 1.0, dims=tuple("bsyx")),
        preserve_dims="s",
    )
    np.testing.assert_allclose(value(Brier(20.0), probability, observed), theirs, atol=1e-12)


def test_reliability_by_hand():
    # two bins: below .5 are .1 and .3, of which one came; from .5 on .5, .9 and 1, of which two came
    probability = [[[0.1, 0.3, 0.5, 0.9, 1.0, 0.7]]]
    observed = [[[30.0, 0.0, 30.0, 0.0, 30.0, NAN]]]
    metric = Reliability(20.0, bins=2)
    expected = (2 * (0.2 - 0.5) ** 2 + 3 * (0.8 - 2 / 3) ** 2) / 5
    assert value(metric, probability, observed) == pytest.approx([expected])
    diagram = metric.diagram(metric.sums(np.array(probability), np.array(observed)))
    np.testing.assert_allclose(diagram.forecast, [[0.2], [0.8]])
    np.testing.assert_allclose(diagram.observed, [[0.5], [2 / 3]])
    assert diagram.pixels.tolist() == [[2], [3]]


def test_an_empty_bin_is_not_a_number_in_the_diagram_and_no_gap_in_the_score():
    metric = Reliability(20.0)
    sums = metric.sums(np.full((1, 2, 2), 0.55), np.array([[[30.0, 0], [0, 0]]]))
    diagram = metric.diagram(sums)
    assert np.isnan(diagram.forecast[[0, 4, 6, 9], 0]).all()
    assert diagram.forecast[5, 0] == pytest.approx(0.55)
    assert metric.value(sums) == pytest.approx([(0.55 - 0.25) ** 2])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_brier_is_reliability_minus_resolution_plus_uncertainty(seed):
    """Exact where all forecasts of a bin say the same."""
    rng = np.random.default_rng(seed)
    probability = (rng.integers(0, 10, (1, 12, 12)) + 0.5) / 10
    observed = np.where(rng.random((1, 12, 12)) < probability**2, 30.0, 0.0)
    brier, skill, reliability, resolution, uncertainty = (
        value(kind(20.0), probability, observed)[0]
        for kind in (Brier, BrierSkill, Reliability, Resolution, Uncertainty)
    )
    assert brier == pytest.approx(reliability - resolution + uncertainty, abs=1e-12)
    assert skill == pytest.approx((resolution - reliability) / uncertainty, abs=1e-12)
    assert uncertainty == pytest.approx((observed >= 20).mean() * (observed < 20).mean())
    sharp = value(Resolution(20.0), np.where(observed >= 20, 0.9, 0.1), observed)[0]
    assert resolution <= sharp == pytest.approx(uncertainty)  # nothing is left to tell apart


def test_honest_probabilities_are_reliable_and_exaggerated_ones_are_not():
    rng = np.random.default_rng(1)
    probability = rng.random((1, 200, 200))
    observed = np.where(rng.random((1, 200, 200)) < probability, 30.0, 0.0)
    honest = value(Reliability(20.0), probability, observed)[0]
    bold = value(Reliability(20.0), probability**0.5, observed)[0]
    assert honest < 0.001 < 0.01 < bold


def test_a_tally_gives_each_score_the_probabilities_of_its_threshold_and_certainty_without():
    rng = np.random.default_rng(2)
    dbz, observed = rng.normal(22, 9, (2, 3, 8, 8))
    known = {20.0: rng.random((3, 8, 8))}
    metrics = build_metrics([20.0, 30.0], ["csi", "brier", "reliability"])
    tally = Tally(metrics)
    tally.add(dbz, observed, known)
    for metric in metrics:
        t = metric.threshold_dbz
        said = dbz if metric.name == "csi" else known.get(t, certain(dbz, t))
        np.testing.assert_array_equal(tally.value(metric), value(metric, said, observed))
    wrong = (dbz >= 30) != (observed >= 30)
    np.testing.assert_allclose(tally.value(Brier(30.0)), wrong.mean(axis=(1, 2)))


@pytest.mark.parametrize("bad", [-0.01, 1.01, 20.0])
def test_what_is_no_probability_is_refused_in_one_line(bad):
    for metric in (Brier(20.0), Reliability(20.0)):
        with pytest.raises(NowcastError, match=r"probability: got values .*expected \[0, 1\]") as caught:
            metric.sums(np.full((1, 2, 2), bad), np.zeros((1, 2, 2)))
        assert "\n" not in str(caught.value)


def test_bad_parameters_are_refused():
    with pytest.raises(NowcastError, match="0 bins"):
        Reliability(20.0, bins=0)
    with pytest.raises(NowcastError, match="threshold: got -1"):
        Brier(-1.0)
