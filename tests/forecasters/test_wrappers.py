import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from nowcast.core.errors import TimeError
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import Needs
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.wrappers import Fallback, Tiled
from tests.fakes.fields import moving_disc, projected_grid

LEADS = np.array([10, 20], "timedelta64[m]")


@dataclass
class Fails:
    error: Exception
    name: str = "fails"
    needs: Needs = field(default_factory=lambda: Needs(past=1))

    def describe(self):
        return {"model": self.name}

    def forecast(self, observed, lead_times):
        raise self.error


class Hangs(Fails):
    release = threading.Event()

    def forecast(self, observed, lead_times):
        self.release.wait(20)
        return Persistence().forecast(observed, lead_times)


class Forgets(Fails):
    def forecast(self, observed, lead_times):
        return Persistence().forecast(observed, lead_times) * np.float32(np.nan)


def test_tiles_of_persistence_are_persistence():
    observed = moving_disc(projected_grid())
    observed.values[:, :, :9] = np.nan
    forecast = Tiled(Persistence(), tile=(20, 24), overlap=8).forecast(observed, LEADS)
    np.testing.assert_allclose(forecast.values[1], observed.values[-1], rtol=1e-5)
    assert forecast["issued"].values == observed["time"].values[-1]


def test_tiles_say_so():
    found = Tiled(Extrapolation(), tile=(20, 24), overlap=8)
    assert found.name == "extrapolation"
    assert found.describe()["tiles"] == "20 x 24, overlap 8"
    assert found.needs == Extrapolation().needs


def test_a_lone_no_echo_of_one_tile_does_not_lower_the_echo_of_the_other():
    """Where tiles disagree, the floor enters the mean, never the code of no echo."""

    class Edges(Fails):
        def forecast(self, observed, lead_times):
            forecast = Persistence().forecast(observed, lead_times)
            forecast.values[:] = 45.0 if observed["x"].values[0] < -29_000 else NO_ECHO_DBZ
            return forecast

    observed = moving_disc(projected_grid(8, 12))
    values = Tiled(Edges(None), tile=(8, 8), overlap=4).forecast(observed, LEADS).values[0, 0]
    np.testing.assert_allclose(values[:6], [45, 45, 45, 45, 0.8 * 45 + 0.2 * 5, 0.6 * 45 + 0.4 * 5], rtol=1e-5)
    np.testing.assert_array_equal(values[6:], NO_ECHO_DBZ)


@pytest.mark.parametrize("error", [TimeError("too few"), MemoryError("no room"), ZeroDivisionError("x")])
def test_the_second_answers_when_the_first_fails(error):
    observed = moving_disc(projected_grid())
    forecast = Fallback(Fails(error), Persistence()).forecast(observed, LEADS)
    np.testing.assert_array_equal(forecast.values[0], observed.values[-1])
    assert forecast.attrs["fallback"] == f"fails failed ({error}); made by persistence"


def test_the_second_answers_when_the_time_is_up():
    observed = moving_disc(projected_grid())
    wrapped = Fallback(Hangs(None), Persistence(), budget_seconds=0.05)
    forecast = wrapped.forecast(observed, LEADS)
    Hangs.release.set()
    assert "no answer within 0.05 s" in forecast.attrs["fallback"]


def test_the_second_answers_when_the_first_says_nothing():
    observed = moving_disc(projected_grid())
    forecast = Fallback(Forgets(None), Persistence()).forecast(observed, LEADS)
    assert "NaN on 100%" in forecast.attrs["fallback"]


def test_the_first_answers_when_it_can():
    observed = moving_disc(projected_grid())
    wrapped = Fallback(Persistence(), Fails(TimeError("never asked")), budget_seconds=20)
    forecast = wrapped.forecast(observed, LEADS)
    assert "fallback" not in forecast.attrs
    assert wrapped.describe()["fallback_model"] == "fails"
