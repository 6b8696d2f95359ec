"""What calibration learns of probabilities: blocks of time, held-out reliability, spread of counts, tail."""

import numpy as np
import pytest

from nowcast.evaluation.blocks import MOST_BLOCKS, Blocks
from nowcast.evaluation.probability_calibration import ProbabilityLearner, inflation_of
from nowcast.postprocessing.recalibration_fit import CASES_PER_SAMPLE
from nowcast.postprocessing.reliability import BINS
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak

LEADS = np.array([10], "timedelta64[m]")


def hours(n):
    return np.datetime64("2025-03-20T00:00", "ns") + np.arange(n) * np.timedelta64(6, "h")


def test_blocks_are_six_hours_then_days_and_lose_nothing():
    blocks = Blocks()
    for time in hours(8):
        blocks.add(time, 1)
        blocks.add(time + np.timedelta64(5, "h"), 10)
    assert list(blocks.each.values()) == [11] * 8
    assert blocks.days == {"2025-03-20T00": 44, "2025-03-21T00": 44}
    (own, others), (later, _) = blocks.held_out()
    assert (own, others, later) == ([11] * 4, 44, [11] * 4)
    many, parts = Blocks(), (Blocks(), Blocks())
    for i, time in enumerate(hours(4 * 400)):
        many.add(time, 1)
        parts[i % 3 == 0].add(time, 1)
    assert sum(many.each.values()) == 1600
    assert MOST_BLOCKS / 4 < len(many.each) <= MOST_BLOCKS
    assert many.days == many.each
    for one, other in (parts, parts[::-1], (blocks, many)):
        both = Blocks()
        both.merge(one)
        both.merge(other)
        assert sum(both.each.values()) == sum(one.each.values()) + sum(other.each.values())


def test_one_day_is_judged_by_its_blocks_and_one_block_by_nothing():
    blocks = Blocks()
    blocks.add(hours(1)[0], 1)
    assert list(blocks.held_out()) == []
    blocks.add(hours(2)[1], 5)
    assert list(blocks.held_out()) == [([1], 5), ([5], 1)]


def taught(model, days=3, rain=0.0):
    """A learner that saw the forecasts of some days; observed is the newest frame, ``rain`` dB stronger."""
    learner = ProbabilityLearner([20.0, 30.0])
    storm = moving_disc(projected_grid(), peak_dbz=60.0)
    for day in range(days):
        moved = storm.assign_coords(time=storm["time"] + np.timedelta64(day, "D"))
        observed = moved.values[-1:] + np.float32(rain)
        learner.add(model.forecast(moved, LEADS), observed)
    return learner.learn([10.0])


def test_a_forecaster_without_probabilities_is_dressed_and_its_reliability_is_that_of_held_out_days():
    found = taught(Weak(by_db=0.0))
    assert found.recalibration is None
    assert found.dressing.thresholds_dbz == (20.0, 30.0)
    table = found.reliability
    assert table.at(20.0, 10.0, 0.99).observed_frequency > 0.9
    assert sum(table.cases[0][0]) == 3 * 48 * 64
    assert table.inflation == CASES_PER_SAMPLE  # three blocks are too few to measure it


def test_odds_that_are_too_low_are_raised_and_then_reliable():
    found = taught(Probable(factor=0.4, thresholds=(20.0, 30.0)), days=8)
    assert found.dressing is None
    assert set(found.recalibration.methods) <= {"isotonic", "logistic"}
    assert found.held_out[0][found.recalibration.methods[0]] < 0.7 * found.held_out[0]["identity"]
    highest = max(b for b in range(BINS) if found.reliability.cases[0][0][b])
    assert found.reliability.forecast[0][0][highest] > 0.6  # the forecaster itself never says more than 0.4
    assert found.reliability.observed[0][0][highest] > 0.95


def test_the_tail_is_the_mean_excess_over_the_last_threshold():
    found = taught(Weak(), days=2)
    storm = moving_disc(projected_grid(), peak_dbz=60.0).values[-1].astype(np.float64)
    assert found.tail_dbz == pytest.approx((storm[storm >= 30] - 30).mean(), abs=1e-3)
    little = ProbabilityLearner([55.0])
    storm = moving_disc(projected_grid())
    little.add(Weak().forecast(storm, LEADS), storm.values[-1:])
    one = little.learn([10.0])
    assert one.tail_dbz is None
    assert one.reliability is None
    assert "tail above 55 dBZ: 0 pixels" in one.notes[0]
    assert "one block of six hours" in one.notes[1]


def test_how_far_blocks_vary_is_measured():
    random = np.random.default_rng(0)
    shape = (400, 1, 1, BINS)
    cases = np.full(shape, 1000.0)
    forecast = 0.3 * cases
    independent = random.binomial(1000, 0.3, shape)
    alike = 50 * random.binomial(20, 0.3, shape)
    for events, wanted in ((independent, 1.0), (alike, 50.0)):
        blocks = np.stack([cases, forecast, events], axis=1)
        assert inflation_of(blocks) == pytest.approx(wanted, rel=0.1)
