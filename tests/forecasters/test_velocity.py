"""The learned motion of a network, as arrows want it: on the grid, in cells a frame."""

import numpy as np
import pytest
import torch

from nowcast.core.errors import SettingsError
from nowcast.forecasters.neural import Neural
from nowcast.models.catalog import build_model
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.networks import Repeat, loaded

SETTINGS = {"hidden": [4, 4], "filter_size": 3, "patch": 2}


def _network():
    torch.manual_seed(0)
    network = build_model("motionrnn_predrnn", SETTINGS, channels=1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "output" in name and parameter.ndim == 1:
                parameter.fill_(0.5)
    return network.eval()


def test_it_lies_on_the_grid_also_where_the_network_needs_padding():
    grid = projected_grid(45, 61)
    motion = Neural(loaded(_network(), past=3)).velocity(moving_disc(grid, frames=5))
    assert motion.shape == (2, 45, 61)
    assert np.isfinite(motion).all()
    assert np.abs(motion).max() > 0


def test_it_is_the_networks_own_momentum_averaged_over_layers():
    grid = projected_grid(48, 64)
    network = _network()
    observed = moving_disc(grid, frames=3)
    neural = Neural(loaded(network, past=3))
    frames = torch.from_numpy(np.nan_to_num(neural._scaling.encode(observed.values)))[None, :, None]
    with torch.no_grad():
        expected = network.motion(frames, 1)[0, -1].mean(dim=0)
    found = neural.velocity(observed)
    # Bilinear enlargement keeps the mean of a map.
    assert found.mean(axis=(1, 2)) == pytest.approx(expected.mean(dim=(1, 2)).numpy(), rel=0.05, abs=1e-4)


def test_a_network_without_motion_is_refused():
    with pytest.raises(SettingsError, match="expected a MotionRNN"):
        Neural(loaded(Repeat(), past=3)).velocity(moving_disc(projected_grid(), frames=3))
