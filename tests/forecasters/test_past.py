import dask.array
import numpy as np
import pytest

from nowcast.core.errors import SettingsError, TimeError
from nowcast.forecasters.base import Needs
from nowcast.forecasters.inputs import check_leads, newest
from tests.fakes.fields import moving_disc, projected_grid


def test_the_last_frames_with_their_step():
    field = moving_disc(projected_grid(), frames=6)
    past = newest(field, Needs(past=3), "m")
    np.testing.assert_array_equal(past.dbz, field.values[3:])
    assert past.step == np.timedelta64(10, "m")
    assert past.reference_time == field["time"].values[-1]
    assert past.grid.matches(projected_grid())


def test_only_the_needed_frames_are_computed():
    field = moving_disc(projected_grid(), frames=6)

    def frame(block_info=None):
        t = block_info[None]["chunk-location"][0]
        assert t >= 4, "an old frame was read"
        return field.values[t : t + 1]

    shape = field.shape
    lazy = field.copy(
        data=dask.array.map_blocks(
            frame,
            chunks=((1,) * 6, shape[1:2], shape[2:]),
            dtype=np.float32,
            meta=np.empty((0, 0, 0), np.float32),
        )
    )
    assert newest(lazy, Needs(past=2), "m").dbz.shape == (2, *shape[1:])


def test_too_few_frames():
    with pytest.raises(TimeError, match="2 frames, expected at least 3"):
        newest(moving_disc(projected_grid(), frames=2), Needs(past=3), "m")


def test_a_gap_is_named():
    field = moving_disc(projected_grid(), frames=5).isel(time=[0, 1, 2, 4])
    with pytest.raises(TimeError, match="no frame at 2025-03-22T10:30:00Z"):
        newest(field, Needs(past=4), "m")
    newest(field, Needs(past=1), "m")


def test_another_step_names_both():
    with pytest.raises(TimeError, match="got 10 minutes, expected 5 minutes"):
        newest(moving_disc(projected_grid()), Needs(past=3, step=np.timedelta64(5, "m")), "m")


def test_an_old_gap_or_another_old_step_does_not_matter():
    field = moving_disc(projected_grid(), frames=7).isel(time=[0, 2, 4, 5, 6])
    assert newest(field, Needs(past=3), "m").step == np.timedelta64(10, "m")


@pytest.mark.parametrize("minutes", [[], [0], [0, 10], [-10, 10], [20, 10], [10, 10]])
def test_lead_times_rise_from_above_zero(minutes):
    assert check_leads(np.array([5, 10], "timedelta64[m]"), "m").dtype == np.dtype("timedelta64[ns]")
    with pytest.raises(SettingsError, match="rising times above zero"):
        check_leads(np.array(minutes, "timedelta64[m]"), "m")
