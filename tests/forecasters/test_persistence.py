import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.forecasters.persistence import Persistence
from tests.fakes.fields import moving_disc, projected_grid

LEADS = np.array([10, 30], "timedelta64[m]")


def test_every_lead_is_the_newest_frame():
    field = moving_disc(projected_grid())
    field.values[-1, 0, 0] = np.nan
    forecast = Persistence().forecast(field, LEADS).reflectivity
    np.testing.assert_array_equal(forecast.values[0], field.values[-1])
    np.testing.assert_array_equal(forecast.values[1], field.values[-1])
    assert forecast["forecast_reference_time"].values == np.datetime64("2025-03-22T10:40")
    assert forecast["valid_time"].values[1] == np.datetime64("2025-03-22T11:10")


@pytest.mark.parametrize("leads", [[], [0, 10], [20, 10], [-10]])
def test_lead_times_that_make_no_sense_are_refused(leads):
    with pytest.raises(SettingsError, match="lead times"):
        Persistence().forecast(moving_disc(projected_grid()), np.array(leads, "timedelta64[m]"))
