"""Every forecaster that has a name can be calibrated, and then holds probabilities that are some."""

import numpy as np
import pytest

from nowcast.core.field import PROBABILITY
from nowcast.evaluation.probability_calibration import ProbabilityLearner
from nowcast.forecasters.calibration_file import ModelCalibration
from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
from nowcast.forecasters.decision_thresholds import identity_of
from tests.conformance.test_forecasters import OTHERS, PEERS, SLOW, pasts

LEADS = np.array([10, 20], "timedelta64[m]")
MINUTES = [10.0, 20.0]
THRESHOLDS = (15.0, 30.0)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in (*FORECASTERS, *OTHERS)]
)
def test_it_is_calibrated_and_forecasts_probabilities(name):
    if name in PEERS:
        pytest.importorskip("pysteps", reason="the extra 'pysteps' is not installed")
    model = OTHERS[name]() if name in OTHERS else build_forecaster(name)
    storm = pasts()["storm"]
    learner = ProbabilityLearner(THRESHOLDS)
    for day in range(2):
        moved = storm.assign_coords(time=storm["time"] + np.timedelta64(day, "D"))
        learner.add(model.forecast(moved, LEADS), np.repeat(storm.values[-1:], 2, axis=0))
    learnt = learner.learn(MINUTES)
    found = ModelCalibration(
        model.name, identity_of(model), None, learnt.dressing, learnt.recalibration, learnt.reliability
    )
    for observed in pasts().values():
        coming = raw = model.forecast(observed, LEADS)
        for step in found.steps:
            coming = step.apply(coming, observed)
        p = coming[PROBABILITY].values
        assert p.dtype == np.float32
        known = ~np.isnan(p)
        assert ((p[known] >= 0) & (p[known] <= 1)).all()
        assert (np.diff(p, axis=0)[known[1:]] <= 0).all()
        np.testing.assert_array_equal(known, np.broadcast_to(~np.isnan(raw.reflectivity.values), p.shape))
        np.testing.assert_array_equal(coming.reflectivity.values, raw.reflectivity.values)
        assert "reliability" in coming.attrs
