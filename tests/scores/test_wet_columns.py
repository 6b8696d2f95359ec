"""Where both are dry a score is known: sums from columns with echoes alone are those from all columns."""

import numpy as np
import pytest

from nowcast.scores import continuous, spatial
from nowcast.scores.continuous import Mae
from nowcast.scores.spatial import Gdl, Ssim
from nowcast.scores.wet_columns import wet_columns

NAN = np.nan


def test_runs_by_hand():
    forecast, observed = np.full((2, 1, 3, 100), -32.0, np.float32)
    assert wet_columns(forecast, observed, 5.0) == []
    forecast[0, 1, 2] = 5.0  # no more than what counts as dry
    observed[0, 0, 50] = NAN
    assert wet_columns(forecast, observed, 5.0) == []
    forecast[0, 1, 3], observed[0, 2, 20], observed[0, 0, 99] = 6.0, 6.0, 6.0
    assert wet_columns(forecast, observed, 5.0) == [slice(3, 21), slice(99, 100)]
    assert wet_columns(forecast, observed, 5.0, reach=6) == [slice(0, 27), slice(93, 100)]
    assert wet_columns(forecast, observed, 5.0, reach=40) == [slice(0, 100)]


@pytest.mark.parametrize("metric", [Mae(), Gdl(), Gdl(2, "sum"), Ssim(), Ssim(window="gaussian")])
def test_sums_are_those_of_all_columns(metric, monkeypatch):
    rng = np.random.default_rng(0)
    forecast, observed = np.full((2, 2, 75, 190), -32.0, np.float32)
    for dbz in (forecast, observed):
        dbz[0, 20:30, 5:30] = rng.uniform(0, 50, (10, 25))
        dbz[0, 60:75, 120:190] = rng.uniform(0, 50, (15, 70))
    observed[:, :9, 100:] = NAN
    observed[0, 25, 12], forecast[0, 65, 150], forecast[1, 3, 180] = NAN, NAN, 30.0
    found = metric.sums(forecast, observed)
    for module in (continuous, spatial):
        monkeypatch.setattr(module, "wet_columns", lambda *_, **__: [slice(0, 190)])
    for name, values in metric.sums(forecast, observed).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-9)
