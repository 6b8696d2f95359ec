"""Every score of probabilities, ensembles and events beside the packages scores and pysteps, to 1e-6."""

import numpy as np
import pytest
import scores.categorical
import scores.continuous
import scores.probability
import xarray as xr

from nowcast.scores.catalog import METRICS
from nowcast.scores.continuous import AnomalyCorrelation
from nowcast.scores.discrimination import EconomicValue, RocArea
from nowcast.scores.ensemble import Crps, CrpsFair, EnsembleRmse, EnsembleSpread
from nowcast.scores.ladder import CrpsLadder
from nowcast.scores.probabilistic import Brier, Uncertainty
from nowcast.scores.probability_classes import Reliability
from nowcast.scores.rank_histogram import RankHistogram

DIMS = ("lead", "y", "x")
THRESHOLD = 20.0
NEAR = {"rtol": 0, "atol": 1e-6}


def rng(seed=12):
    return np.random.default_rng(seed)


def labelled(values, front=()):
    return xr.DataArray(values, dims=(*front, *DIMS))


@pytest.fixture(scope="module")
def dbz():
    forecast = rng().normal(20, 8, (3, 12, 14))
    observed = forecast + rng(13).normal(1, 9, forecast.shape)
    observed[:, :2, :3] = np.nan
    return np.maximum(forecast, 5.0), np.fmax(observed, 5.0) + 0 * observed


@pytest.fixture(scope="module")
def ensemble(dbz):
    """Members above the floor, some of them tied with the observed."""
    observed = dbz[1]
    members = np.maximum(observed + rng(14).normal(-1, 7, (6, *observed.shape)), 5.0)
    members = np.where(np.isnan(members), 10.0, members)
    members[2, :, 5] = observed[:, 5]
    return members, observed


@pytest.fixture(scope="module")
def probability(dbz):
    """Of which every value falls into a class of its own."""
    edges = RocArea(THRESHOLD).edges
    return rng(15).choice(edges, dbz[1].shape), dbz[1]


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(forecast, observed)))


@pytest.mark.parametrize(("metric", "method"), [(Crps(), "ecdf"), (CrpsFair(), "fair")])
def test_crps_is_that_of_scores(ensemble, metric, method):
    members, observed = ensemble
    theirs = scores.probability.crps_for_ensemble(
        labelled(members, ("member",)), labelled(observed), "member", method=method, preserve_dims="lead"
    )
    np.testing.assert_allclose(value(metric, members, observed), theirs, **NEAR)


@pytest.mark.filterwarnings("ignore:numba is not available")
def test_crps_of_a_ladder_is_that_of_scores(dbz):
    observed = dbz[1]
    thresholds = np.array([10.0, 20.0, 25.0, 40.0])
    reached = np.sort(rng().random((4, *observed.shape)), axis=0)[::-1]
    clipped = np.clip(observed, 10.0, 40.0)
    steps = labelled(1.0 - reached, ("threshold",)).assign_coords(threshold=thresholds)
    theirs = scores.probability.crps_cdf(steps, labelled(clipped), preserve_dims=["lead"]).total
    found = value(CrpsLadder(tuple(thresholds.tolist())), reached, observed)
    np.testing.assert_allclose(found, theirs, **NEAR)


def test_ranks_are_those_of_scores(ensemble):
    members, observed = ensemble
    theirs = scores.probability.rank_histogram(
        labelled(members, ("member",)), labelled(observed), "member", preserve_dims="lead"
    )
    metric = RankHistogram(classes=7)
    found = metric.shares(metric.sums(members, observed))
    np.testing.assert_allclose(found, theirs.transpose("rank", "lead"), **NEAR)


def test_spread_and_error_are_those_of_numpy_and_scores(ensemble):
    members, observed = ensemble
    theirs = scores.continuous.rmse(labelled(members.mean(axis=0)), labelled(observed), preserve_dims="lead")
    np.testing.assert_allclose(value(EnsembleRmse(), members, observed), theirs, **NEAR)
    variance = np.where(np.isnan(observed), np.nan, members.var(axis=0, ddof=1)) * 7 / 6
    spread = np.sqrt(np.nanmean(variance, axis=(1, 2)))
    np.testing.assert_allclose(value(EnsembleSpread(), members, observed), spread, **NEAR)


def test_roc_is_that_of_scores(probability):
    said, observed = probability
    events = labelled(np.where(np.isnan(observed), np.nan, observed >= THRESHOLD))
    metric = RocArea(THRESHOLD)
    theirs = scores.probability.roc_curve_data(labelled(said), events, preserve_dims=["lead"])
    sums = metric.sums(said, observed)
    np.testing.assert_allclose(metric.value(sums), theirs.AUC, **NEAR)
    curve = metric.curve(sums)
    found = curve.detection[: len(metric.edges)].T
    wanted = theirs.POD.sel(threshold=metric.edges, method="nearest")
    np.testing.assert_allclose(found, wanted.transpose("lead", "threshold"), **NEAR)
    assert (curve.detection[-1] == 0).all()


def test_economic_value_is_that_of_scores(probability):
    said, observed = probability
    events = labelled(np.where(np.isnan(observed), np.nan, observed >= THRESHOLD))
    metric, ratios = EconomicValue(THRESHOLD), [0.05, 0.2, 0.45, 0.8]
    theirs = scores.probability.relative_economic_value(
        labelled(said),
        events,
        cost_loss_ratios=ratios,
        probability_thresholds=[*metric.edges, 1.0][1:-1],
        preserve_dims=["lead"],
        generate_maximum_rev=True,
    )
    maximum = theirs["maximum"]
    found = metric.curve(metric.sums(said, observed), ratios)
    np.testing.assert_allclose(found.T, np.maximum(maximum.transpose("lead", ...), 0), **NEAR)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("ets", "equitable_threat_score"),
        ("hss", "heidke_skill_score"),
        ("acc", "accuracy"),
        ("sedi", "symmetric_extremal_dependence_index"),
        ("csi", "critical_success_index"),
    ],
)
def test_scores_of_events_are_those_of_scores(dbz, name, theirs):
    operator = scores.categorical.ThresholdEventOperator(default_event_threshold=THRESHOLD)
    table = operator.make_contingency_manager(*map(labelled, dbz)).transform(preserve_dims="lead")
    np.testing.assert_allclose(value(METRICS[name].make(THRESHOLD), *dbz), getattr(table, theirs)(), **NEAR)


def test_correlation_is_that_of_scores(dbz):
    theirs = scores.continuous.correlation.pearsonr(*map(labelled, dbz), preserve_dims="lead")
    np.testing.assert_allclose(value(AnomalyCorrelation(), *dbz), theirs, **NEAR)


@pytest.fixture(scope="module")
def pysteps():
    return pytest.importorskip("pysteps.verification")


def test_crps_is_that_of_pysteps(ensemble, pysteps):
    members, observed = ensemble
    loose = members + 1e-9 * rng().random(members.shape)  # pysteps takes no member that equals the observed
    theirs = [pysteps.probscores.CRPS(loose[:, lead], observed[lead]) for lead in range(3)]
    np.testing.assert_allclose(value(Crps(), loose, observed), theirs, **NEAR)


def test_crps_of_a_tie_is_that_of_scores_and_not_of_pysteps(pysteps):
    members, observed = np.array([10.0, 20.0, 30.0])[:, None, None, None], np.array([[[20.0]]])
    assert pysteps.probscores.CRPS(members[:, 0], observed[0]) == 0
    theirs = scores.probability.crps_for_ensemble(
        labelled(members, ("member",)), labelled(observed), "member", preserve_dims="lead"
    )
    assert theirs.values == pytest.approx([20 / 9])
    assert value(Crps(), members, observed) == pytest.approx([20 / 9])


def test_roc_reliability_and_ranks_are_those_of_pysteps(pysteps):
    observed = rng().normal(20, 9, (1, 20, 20))
    said = np.clip(rng(16).random(observed.shape), 1e-3, 1 - 1e-3)
    tenths = (np.floor(said * 10) + 0.5) / 10
    area = pysteps.probscores.ROC_curve(tenths, observed, THRESHOLD, n_prob_thrs=11, compute_area=True)[2]
    np.testing.assert_allclose(value(RocArea(THRESHOLD), tenths, observed), area, **NEAR)
    theirs = pysteps.probscores.reldiag_init(THRESHOLD, n_bins=10, min_count=0)
    pysteps.probscores.reldiag_accum(theirs, said, observed)
    metric = Reliability(THRESHOLD)
    diagram = metric.diagram(metric.sums(said, observed))
    mean, frequency = pysteps.probscores.reldiag_compute(theirs)
    np.testing.assert_allclose(diagram.observed[:, 0], frequency, **NEAR)
    np.testing.assert_allclose(diagram.forecast[:, 0], mean, **NEAR)
    np.testing.assert_array_equal(diagram.pixels[:, 0], theirs["sample_size"])
    members = rng(17).normal(23, 9, (4, 1, 20, 20))
    histogram = RankHistogram(least_dbz=25.0, classes=5, floor_dbz=-90.0)
    wet = (observed >= 25) | (members >= 25).any(axis=0)
    assert 0 < wet.sum() < wet.size
    ranks = pysteps.ensscores.rankhist_init(4)
    pysteps.ensscores.rankhist_accum(ranks, members[:, wet], observed[wet])
    theirs = pysteps.ensscores.rankhist_compute(ranks)
    np.testing.assert_allclose(histogram.shares(histogram.sums(members, observed))[:, 0], theirs, **NEAR)


@pytest.mark.parametrize(("name", "theirs"), [("ets", "ETS"), ("hss", "HSS"), ("acc", "ACC"), ("sedi", "SEDI")])
def test_scores_of_events_are_those_of_pysteps(dbz, pysteps, name, theirs):
    forecast, observed = dbz
    seen = ~np.isnan(observed[0])
    found = pysteps.detcatscores.det_cat_fct(forecast[0][seen], observed[0][seen], THRESHOLD, [theirs])[theirs]
    ours = value(METRICS[name].make(THRESHOLD), forecast, observed)[0]
    assert ours == pytest.approx(found, abs=1e-6)


def test_brier_and_its_uncertainty_are_those_of_scores(probability):
    said, observed = probability
    events = labelled(np.where(np.isnan(observed), np.nan, observed >= THRESHOLD))
    theirs = scores.probability.brier_score(labelled(said), events, preserve_dims="lead")
    np.testing.assert_allclose(value(Brier(THRESHOLD), said, observed), theirs, **NEAR)
    climate = scores.probability.brier_score(events.mean(("y", "x")) + 0 * events, events, preserve_dims="lead")
    np.testing.assert_allclose(value(Uncertainty(THRESHOLD), said, observed), climate, **NEAR)
