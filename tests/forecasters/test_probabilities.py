"""Networks with probabilities of exceedance as forecasters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.forecasters.levels import thresholds_of
from nowcast.forecasters.neural import Neural
from nowcast.models.base import SequenceModel
from nowcast.models.checkpoint import LoadedNetwork
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.networks import Repeat, loaded

LEADS = np.arange(1, 4) * np.timedelta64(10, "m")
THRESHOLDS = (20.0, 40.0)


class Odds(SequenceModel):
    """Says that 20 dBZ is reached with the value of the newest frame, and 40 dBZ with half of that."""

    calls = 0

    def __deepcopy__(self, memo):
        return self

    def forward(self, past, steps, targets=None, observed=None):
        type(self).calls += 1
        both = torch.cat([past[:, -1], past[:, -1] / 2], dim=1)
        return both[:, None].expand(-1, steps, -1, -1, -1)


def neural(model):
    found = loaded(model)
    meta = replace(found.meta, exceedance_probability=ExceedanceProbabilitySettings(THRESHOLDS))
    return Neural(LoadedNetwork(model, meta, found.sha256))


def test_probabilities_and_the_field_that_is_rebuilt_from_them():
    observed = moving_disc(projected_grid(), peak_dbz=60.0)
    observed.values[:, :, :5] = np.nan
    forecaster = neural(Odds())
    assert thresholds_of(forecaster) == THRESHOLDS
    said = forecaster.probabilities(observed, LEADS)
    assert said.dims == ("threshold_dbz", "lead_time", "y", "x")
    assert said["threshold_dbz"].values.tolist() == list(THRESHOLDS)
    odds = Scaling().encode(observed.values[-1])
    np.testing.assert_allclose(said.values[0, 2, :, 5:], odds[:, 5:], atol=1e-6)
    np.testing.assert_allclose(said.values[1], said.values[0] / 2, atol=1e-6)
    assert np.isnan(said.values[:, :, :, :5]).all()
    assert (said["valid_time"].values == observed["time"].values[-1] + LEADS).all()
    dbz = forecaster.forecast(observed, LEADS).values[0]
    assert ((dbz >= 20) == (odds >= 0.5))[:, 5:].all()
    assert (dbz[:, 5:][odds[:, 5:] < 0.5] == NO_ECHO_DBZ).all()


def test_both_from_one_past_run_the_network_once():
    observed = moving_disc(projected_grid())
    forecaster = neural(Odds())
    first = forecaster.probabilities(observed, LEADS)
    before = Odds.calls
    first.values[:] = 7.0
    forecaster.forecast(observed, LEADS)
    assert forecaster.probabilities(observed, LEADS).max() <= 1
    assert Odds.calls == before
    forecaster.forecast(observed, LEADS[:2])
    assert Odds.calls == before + 1


def test_a_network_of_dbz_has_none():
    with pytest.raises(SettingsError, match=r"expected one trained with model\.exceedance"):
        Neural(loaded(Repeat())).probabilities(moving_disc(projected_grid()), LEADS)
    assert thresholds_of(Neural(loaded(Repeat()))) == ()


def test_an_advected_network_is_told_what_was_not_seen():
    """A storm half hidden by the edge of the coverage moves on as fast as the part that is seen."""
    observed = moving_disc(projected_grid(96, 96), velocity=(0.0, 3.0), centre=(50, 40), peak_dbz=60.0)
    observed.values[:, :46] = np.nan
    found = loaded(LagrangianModel(Repeat()))
    meta = replace(found.meta, lagrangian=LagrangianSettings())
    forecaster = Neural(LoadedNetwork(found.model, meta, found.sha256))
    motion = forecaster.velocity(observed)
    assert motion[1, 52, 44] == pytest.approx(3.0, abs=0.3)
    forecast = forecaster.forecast(observed, LEADS).values
    before, after = (np.nan_to_num(f, nan=-32.0)[52].argmax() for f in (observed.values[-1], forecast[2]))
    assert after - before == pytest.approx(9, abs=1)
