"""Diagrams of a verification: the points are those of the sums, and consistency bars hold what they promise."""

import numpy as np
import pytest

from nowcast.evaluation.diagrams import consistency_bars, diagrams_of
from nowcast.evaluation.nowcast_sums import CLASSES
from nowcast.forecasters.persistence import Persistence
from nowcast.scores.confidence import Bootstrap
from nowcast.scores.probability_classes import Reliability
from nowcast.workflows.verify import verify_period
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable
from tests.fakes.memory_archive import MemoryArchive

DAY = np.datetime64("2025-03-22", "ns"), np.datetime64("2025-03-23", "ns")
ASKED = ["csi", "reliability", "roc_area", "economic_value", "rank_histogram", "rank_histogram_20"]


@pytest.fixture(scope="module")
def found():
    source = MemoryArchive(moving_disc(projected_grid(), frames=40, velocity=(0.3, 0.4)))
    return verify_period(
        source, [Persistence(), Probable()], *DAY, lead_times=2, stride=6, thresholds=[20.0, 30.0], scores=ASKED
    )


@pytest.fixture(scope="module")
def shown(found):
    return diagrams_of(found, Bootstrap(block_hours=1, resamples=50))


def test_performance_is_of_each_lead_time(found, shown):
    (curve,) = [c for c in shown.performance if (c.model, c.threshold_dbz) == ("persistence", 30.0)]
    counts = found.counts["persistence"].sum(axis=0)[1]
    assert curve.x == pytest.approx((counts[:, 0] / (counts[:, 0] + counts[:, 2])).tolist())
    assert curve.y == pytest.approx((counts[:, 0] / (counts[:, 0] + counts[:, 1])).tolist())
    assert curve.texts == ["+10 min", "+20 min"]


def test_reliability_pools_lead_times_and_nowcasts(found, shown):
    (curve,) = [c for c in shown.reliability if (c.model, c.threshold_dbz) == ("probable", 20.0)]
    classes = found.sums["probable"][CLASSES][:, 0].sum(axis=0)
    assert sum(curve.cases) == classes[:, 0].sum() == found.nowcasts * 2 * 48 * 64
    assert curve.climatology == pytest.approx(classes[:, 1].sum() / classes[:, 0].sum())
    top = Reliability(20.0).edges >= 0.5
    last = np.nansum([n * o for n, o in zip(curve.cases[5:], curve.observed[5:], strict=True)])
    assert last == pytest.approx(classes[top, 1].sum())
    assert shown.blocks == len(np.unique(found.reference_times.astype("datetime64[h]"))) > 1


def test_curves_end_where_they_must(shown):
    assert {(c.model, c.threshold_dbz) for c in shown.roc} == {
        (m, t) for m in ("persistence", "probable") for t in (20.0, 30.0)
    }
    for curve in shown.roc:
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (1, 1, 0, 0)
        assert (np.diff(curve.x) <= 0).all()
    assert all(0 <= y <= 1 for curve in shown.value for y in curve.y)
    for ranks in shown.ranks:
        assert np.mean(ranks.shares) == pytest.approx(1)
    assert {r.least_dbz for r in shown.ranks} == {None, 20.0}


def sums_of(metric, probability, events):
    """Sums by class of nowcasts, each a row of pixels."""
    return np.stack(
        [
            np.stack(
                [
                    np.asarray(metric.sums(p[None, None], e[None, None] * 30.0)[k])[0]
                    for k in ("pixels", "events", "forecast")
                ],
                axis=-1,
            )
            for p, e in zip(probability, events, strict=True)
        ]
    )


def test_consistency_bars_hold_reliable_frequencies_and_not_others():
    rng = np.random.default_rng(0)
    times = np.datetime64("2025-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
    metric = Reliability(20.0, bins=4)
    # eight pixels are one case: what comes, comes to all
    probability, fate = (np.repeat(rng.random((40, 25)), 8, axis=1) for _ in range(2))
    honest, bold = fate < probability, fate < probability**2

    def frequencies(events):
        return [events[(probability >= a) & (probability < a + 0.25)].mean() for a in (0, 0.25, 0.5, 0.75)]

    pixels = sums_of(metric, probability, honest)
    low, high = consistency_bars(pixels, metric, times, Bootstrap(resamples=400))
    assert (low < frequencies(honest)).all()
    assert (frequencies(honest) < high).all()
    of_one = consistency_bars(pixels, metric, times, Bootstrap(block_hours=24 * 365))
    assert (high - low > 2 * (of_one[1] - of_one[0])).all()  # pixels are not independent
    unreliable = consistency_bars(sums_of(metric, probability, bold), metric, times, Bootstrap(resamples=400))
    assert (unreliable[0][1:3] > frequencies(bold)[1:3]).all()


def test_bars_of_one_block_are_binomial():
    metric = Reliability(20.0, bins=2)
    sums = sums_of(metric, np.full((1, 100), 0.3), np.zeros((1, 100)))
    low, high = consistency_bars(sums, metric, np.array(["2025-01-01"], "datetime64[ns]"), Bootstrap())
    assert low[0] == pytest.approx(0.21)  # of 100 cases at .3 fewer than 21 come in 2.5 of 100 samples
    assert high[0] == pytest.approx(0.39)
    assert np.isnan([low[1], high[1]]).all()
