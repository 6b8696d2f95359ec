"""Networks with exceedance probabilities as forecasters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.forecasters.neural import Neural
from nowcast.models.base import SequenceModel
from nowcast.models.checkpoint import LoadedNetwork
from nowcast.models.exceedance.wrapper import ExceedanceProbabilitySettings
from nowcast.models.lagrangian.wrapper import LagrangianModel, LagrangianSettings
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.networks import Repeat, loaded

LEADS = np.arange(1, 4) * np.timedelta64(10, "m")
THRESHOLDS = (20.0, 40.0)


class Shares(SequenceModel):
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


def test_probabilities_and_the_reflectivity_made_of_them_come_from_one_run():
    observed = moving_disc(projected_grid(), peak_dbz=60.0)
    observed.values[:, :, :5] = np.nan
    forecaster = neural(Shares())
    forecaster.forecast(observed, LEADS)  # measures its memory, once
    before = Shares.calls
    found = forecaster.forecast(observed, LEADS)
    assert Shares.calls == before + 1
    known = found.exceedance_probability
    assert known.dims == ("threshold", "lead_time", "y", "x")
    assert found["threshold"].values.tolist() == list(THRESHOLDS)
    share = Scaling().encode(observed.values[-1])
    np.testing.assert_allclose(known.values[0, 2, :, 5:], share[:, 5:], atol=1e-6)
    np.testing.assert_allclose(known.values[1], known.values[0] / 2, atol=1e-6)
    assert np.isnan(known.values[:, :, :, :5]).all()
    assert (found["valid_time"].values == observed["time"].values[-1] + LEADS).all()
    dbz = found.reflectivity.values[0]
    assert ((dbz >= 20) == (share >= 0.5))[:, 5:].all()
    assert (dbz[:, 5:][share[:, 5:] < 0.5] == NO_ECHO_DBZ).all()


def test_a_network_of_dbz_has_none():
    found = Neural(loaded(Repeat())).forecast(moving_disc(projected_grid()), LEADS)
    assert list(found.data_vars) == ["reflectivity"]


def test_an_advected_network_is_told_what_was_not_seen():
    """A storm half hidden by the edge of the coverage moves on as fast as the part that is seen."""
    observed = moving_disc(projected_grid(96, 96), velocity=(0.0, 3.0), centre=(50, 40), peak_dbz=60.0)
    observed.values[:, :46] = np.nan
    found = loaded(LagrangianModel(Repeat()))
    meta = replace(found.meta, lagrangian=LagrangianSettings())
    forecaster = Neural(LoadedNetwork(found.model, meta, found.sha256))
    motion = forecaster.velocity(observed)
    assert motion[1, 52, 44] == pytest.approx(3.0, abs=0.3)
    forecast = forecaster.forecast(observed, LEADS).reflectivity.values
    before, after = (np.nan_to_num(f, nan=-32.0)[52].argmax() for f in (observed.values[-1], forecast[2]))
    assert after - before == pytest.approx(9, abs=1)
