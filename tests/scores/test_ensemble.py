"""Scores of ensembles: by hand, properties that any ensemble keeps, and what a good ensemble scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nowcast.core.errors import NowcastError
from nowcast.scores.catalog import build_metrics
from nowcast.scores.continuous import Mae, Rmse
from nowcast.scores.ensemble import Crps, CrpsFair, EnsembleRmse, EnsembleSpread, SpreadError
from nowcast.scores.evaluate import Tally
from nowcast.scores.ladder import CrpsLadder
from nowcast.scores.rank_histogram import RankHistogram

NAN = np.nan
ZERO = np.zeros((1, 2, 2))


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(np.asarray(forecast, float), np.asarray(observed, float))))


def members(*pixels):
    """Members of pixels in a row: each is given as its members."""
    return np.array(pixels, float).T[:, None, None]


def test_crps_by_hand():
    # 10, 20, 40 against 25: distances (15 + 5 + 15) / 3; of pairs 10, 30, 20: over nine twice 60 / 18, over six
    # 60 / 6
    forecast, observed = members([40, 10, 20]), [[[25.0]]]
    assert value(Crps(), forecast, observed) == pytest.approx([35 / 3 - 60 / 9])
    assert value(CrpsFair(), forecast, observed) == pytest.approx([35 / 3 - 60 / 6])
    # beside it a pixel where nothing was observed, and one that is silent (no echo, 5) against 3 (also 5)
    more = members([40, 10, 20], [10, 10, 60], [NAN, NAN, 2])
    assert value(Crps(), more, [[[25.0, NAN, 3.0]]]) == pytest.approx([(35 / 3 - 60 / 9) / 2])


def test_spread_and_error_by_hand():
    # means 20 and 30 against 24 and 27; unbiased variances 200 and 50, times 3 / 2 for two members
    forecast, observed = members([10, 30], [25, 35], [5, 60]), [[[24.0, 27.0, NAN]]]
    assert value(EnsembleRmse(), forecast, observed) == pytest.approx([np.sqrt((16 + 9) / 2)])
    assert value(EnsembleSpread(), forecast, observed) == pytest.approx([np.sqrt(1.5 * (200 + 50) / 2)])
    assert value(SpreadError(), forecast, observed) == pytest.approx([np.sqrt(375 / 25)])


def test_ranks_by_hand():
    forecast = members([10, 20, 30], [10, 20, 30], [30, 10, 20], [6, 7, 8], [2, 3, NAN])
    observed = [[[35.0, 5.0, 20.0, NAN, 4.0]]]
    metric = RankHistogram(classes=4)
    # above all; below all; 20 is a tie of two ranks; unobserved; everything no echo: any of four ranks
    sums = metric.sums(forecast, np.array(observed))
    assert [float(sums[f"class_{b}"][0]) for b in range(4)] == pytest.approx([1.25, 0.75, 0.75, 1.25])
    assert metric.value(sums) == pytest.approx([1.25 * 4 / 4])
    np.testing.assert_allclose(metric.shares(sums)[:, 0], [1.25 / 4, 0.75 / 4, 0.75 / 4, 1.25 / 4])
    wet = RankHistogram(least_dbz=20.0, classes=2)  # four ranks in two classes, without what is dry for all
    sums = wet.sums(forecast, np.array(observed))
    assert [float(sums[f"class_{b}"][0]) for b in range(2)] == pytest.approx([1.5, 1.5])
    assert np.isnan(value(RankHistogram(least_dbz=60.0), forecast, observed)).all()
    # wet where the observed alone is, and where one member alone is
    sums = wet.sums(members([10, 11, 12], [10, 11, 30], [10, 11, 12]), np.array([[[25.0, 7.0, 7.0]]]))
    assert [float(sums[f"class_{b}"][0]) for b in range(2)] == [1.0, 1.0]


def test_ladder_by_hand():
    # P falls from 1 at 10 to .5 at 20 to 0 at 40; observed 20: (0, .5) squared and (.5, 0) squared, each over
    # three
    metric = CrpsLadder((10.0, 20.0, 40.0))
    probability = np.array([1.0, 0.5, 0.0])[:, None, None, None]
    assert value(metric, probability, [[[20.0]]]) == pytest.approx([10 * 0.25 / 3 + 20 * 0.25 / 3])
    # observed 30: halfway P is .25, so from .5 to .25 against 1 and from .25 to 0 against 0
    upper = 10 * (0.25 + 0.5 * 0.75 + 0.5625) / 3 + 10 * 0.0625 / 3
    assert value(metric, probability, [[[30.0]]]) == pytest.approx([10 * 0.25 / 3 + upper])
    assert value(metric, probability, [[[70.0]]]) == value(metric, probability, [[[40.0]]])
    assert value(metric, [[[33.0, 50.0]]], [[[15.0, 80.0]]]) == pytest.approx([(33 - 15) / 2])  # dBZ is certain


def drawn(seed, m=7, shape=(2, 6, 5)):
    rng = np.random.default_rng(seed)
    observed = rng.normal(15, 12, shape)
    observed[..., 0, 0] = NAN
    return rng.normal(15, 12, (m, *shape)), observed, rng


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), m=st.integers(1, 9))
def test_what_holds_for_every_ensemble(seed, m):
    forecast, observed, rng = drawn(seed, m)
    crps, fair = value(Crps(), forecast, observed), value(CrpsFair(), forecast, observed)
    assert (crps >= 0).all()
    assert (fair <= crps + 1e-12).all()
    assert (crps <= np.mean([value(Mae(), member, observed) for member in forecast], axis=0) + 1e-12).all()
    shuffled = rng.permutation(forecast, axis=0)
    for metric in (Crps(), CrpsFair(), SpreadError(), RankHistogram(), RankHistogram(20.0)):
        np.testing.assert_allclose(value(metric, shuffled, observed), value(metric, forecast, observed))
    np.testing.assert_allclose(value(Crps(), np.repeat(forecast, 3, axis=0), observed), crps)
    mean = np.maximum(forecast, 5.0).mean(axis=0)
    np.testing.assert_allclose(value(EnsembleRmse(), forecast, observed), value(Rmse(), mean, observed))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 9999))
def test_of_one_member_it_is_the_mean_absolute_error(seed):
    forecast, observed, _ = drawn(seed, 1)
    for metric in (Crps(), CrpsFair()):
        for said in (forecast, forecast[0]):
            np.testing.assert_allclose(value(metric, said, observed), value(Mae(), forecast[0], observed))
    narrow = np.clip(forecast[0], 10, 50), np.where(np.isnan(observed), NAN, np.clip(observed, 10, 50))
    np.testing.assert_allclose(value(CrpsLadder(), forecast[0], observed), value(Mae(), *narrow))
    assert value(EnsembleSpread(), forecast, observed).tolist() == [0.0, 0.0]


def test_a_ladder_of_many_thresholds_is_the_crps_of_its_members():
    forecast, observed, _ = drawn(3)
    thresholds = np.arange(5.0, 60.0, 0.05)
    probabilities = np.stack([(forecast >= t).mean(axis=0) for t in thresholds])
    integrated = value(CrpsLadder(tuple(thresholds)), probabilities, observed)
    np.testing.assert_allclose(integrated, value(Crps(), forecast, observed), atol=0.02)


def test_an_ensemble_that_the_observed_could_be_one_of_is_flat_and_as_spread_as_wrong():
    rng = np.random.default_rng(4)
    centre = rng.normal(25, 6, (1, 120, 120))
    good = centre + rng.normal(0, 5, (8, 1, 120, 120))
    observed = centre + rng.normal(0, 5, (1, 120, 120))
    assert value(SpreadError(), good, observed)[0] == pytest.approx(1.0, abs=0.02)
    assert value(RankHistogram(20.0), good, observed)[0] < 1.1
    narrow = centre + rng.normal(0, 2, (8, 1, 120, 120))
    assert value(SpreadError(), narrow, observed)[0] < 0.5
    assert value(RankHistogram(20.0), narrow, observed)[0] > 2
    for metric in (Crps(), CrpsFair()):
        assert value(metric, good, observed)[0] < value(metric, narrow, observed)[0]


def test_a_tally_reads_what_a_forecast_has_and_makes_the_rest_of_it():
    forecast, observed, rng = drawn(5)
    dbz, own = forecast.mean(axis=0), {20.0: rng.random(observed.shape)}
    metrics = build_metrics([20.0, 30.0], ["mae", "crps", "brier", "crps_ladder"])
    mae, crps, brier20, brier30, ladder = metrics

    def read(**known):
        tally = Tally(metrics)
        tally.add(dbz, observed, **known)
        return [tally.value(metric) for metric in metrics]

    shares = {t: (forecast >= t).mean(axis=0) for t in (20.0, 30.0)}
    both = [
        value(mae, dbz, observed),
        value(crps, forecast, observed),
        value(brier20, own[20.0], observed),
        value(brier30, shares[30.0], observed),
        value(ladder, [own[20.0], shares[30.0]], observed),
    ]
    np.testing.assert_allclose(read(probabilities=own, members=forecast), both)
    certain = [(dbz >= 30) * 1.0, (dbz >= 20) * 1.0]
    alone = [
        both[0],
        both[0],
        value(brier20, certain[1], observed),
        value(brier30, certain[0], observed),
        value(ladder, dbz, observed),
    ]
    np.testing.assert_allclose(read(), alone)
    np.testing.assert_allclose(read(probabilities=own)[4], value(ladder, [own[20.0], certain[0]], observed))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crps().sums(np.zeros((0, 1, 2, 2)), np.zeros((1, 2, 2))), "got no members"),
        (lambda: Crps().sums(np.zeros((3, 1, 2, 3)), np.zeros((1, 2, 2))), "one shape"),
        (lambda: RankHistogram(classes=0), "0 classes"),
        (lambda: RankHistogram(least_dbz=-3.0), "threshold: got -3"),
        (lambda: CrpsLadder((20.0,)), "crps_ladder: thresholds: got 20 dBZ, expected at least two"),
        (lambda: CrpsLadder((30.0, 20.0)), "expected at least two, rising"),
        (lambda: CrpsLadder((1.0, 2.0)).sums(np.zeros((3, 1, 2, 2)), ZERO), "got 3 probabilities"),
        (lambda: CrpsLadder((1.0, 2.0)).sums(np.full((2, 1, 2, 2), 1.5), ZERO), "from 1.5 to 1.5"),
        (lambda: build_metrics([20.0], ["crps_ladder"]), "at least two"),
    ],
)
def test_mistakes_are_one_line(make, message):
    with pytest.raises(NowcastError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
