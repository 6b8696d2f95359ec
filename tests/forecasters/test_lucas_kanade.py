import numpy as np
import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build
from nowcast.forecasters.motion import LucasKanade
from tests.fakes.fields import moving_disc, projected_grid


def ready(field):
    seen = ~np.isnan(field.values)
    return np.maximum(np.where(seen, field.values, 5.0), 5.0).astype(np.float32), seen


@pytest.mark.parametrize("velocity", [(0.0, 0.0), (1.0, 2.0), (-2.5, 0.5), (0.0, -5.0), (6.0, 0.0)])
def test_the_motion_of_a_disc_is_found(velocity):
    field = moving_disc(projected_grid(96, 96), velocity=velocity, centre=(48, 48))
    motion = LucasKanade().estimate(*ready(field))
    assert motion.shape == (2, 96, 96)
    newest = field.values[-1] > 10
    np.testing.assert_allclose(motion[:, newest].mean(1), velocity, atol=0.15)


def test_dry_areas_take_over_the_motion_around_them():
    field = moving_disc(projected_grid(96, 96), velocity=(1.0, 2.0), centre=(20, 20))
    motion = LucasKanade().estimate(*ready(field))
    np.testing.assert_allclose(motion[:, 90, 90], (1.0, 2.0), atol=0.3)


def test_the_edge_of_the_coverage_does_not_hold_the_motion_back():
    """The same storm with half of it hidden must move as fast as without the mask."""
    field = moving_disc(projected_grid(96, 96), velocity=(0.0, 2.0), centre=(48, 40), peak_dbz=60)
    field.values[:, :48] = np.nan
    motion = LucasKanade().estimate(*ready(field))
    np.testing.assert_allclose(motion[:, 52:56, 46:50].mean((1, 2)), (0.0, 2.0), atol=0.15)


def test_a_dry_past_stands_still():
    frames = np.full((3, 20, 30), 5.0, np.float32)
    np.testing.assert_array_equal(LucasKanade().estimate(frames, np.ones_like(frames, bool)), 0.0)


def test_an_unseen_frame_in_between_does_no_harm():
    field = moving_disc(projected_grid(96, 96), velocity=(1.0, 2.0), centre=(40, 40))
    field.values[2] = np.nan
    motion = LucasKanade().estimate(*ready(field))
    np.testing.assert_allclose(motion[:, 40:48, 44:52].mean((1, 2)), (1.0, 2.0), atol=0.2)


@pytest.mark.parametrize(
    "values", [{"levels": [2, 4]}, {"levels": []}, {"iterations": 0}, {"window": 0.0}, {"blur": -1.0}]
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError):
        build(LucasKanade, values)
