"""Missing frames of a past: where the rain was, not where its neighbours in time had it."""

import numpy as np
import pytest

from nowcast.core.errors import TimeError
from nowcast.core.field import check
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.interpolated_frames import _mean, with_interpolated
from tests.fakes.fields import moving_disc, projected_grid


def without(field, *missing):
    keep = [i for i in range(field.sizes["time"]) if i not in missing]
    return field.isel(time=keep)


def centre(frame):
    rows, columns = np.nonzero(frame > 20)
    return rows.mean(), columns.mean()


@pytest.mark.parametrize("missing", [(2,), (1, 2), (0,), (0, 3), (1, 2, 3)])
def test_a_moving_disc_is_where_it_was(missing):
    whole = moving_disc(projected_grid(64, 80), 5, (1.0, 3.0))
    found = check(with_interpolated(without(whole, *missing), whole["time"].values))
    np.testing.assert_array_equal(found["time"].values, whole["time"].values)
    for i in range(5):
        if i in missing:
            assert np.hypot(*np.subtract(centre(found.values[i]), centre(whole.values[i]))) < 1.0, i
            wrong = (found.values[i] > 20) != (whole.values[i] > 20)
            assert wrong.sum() < 0.15 * (whole.values[i] > 20).sum()
        else:
            np.testing.assert_array_equal(found.values[i], whole.values[i])


def test_the_mean_of_two_frames_by_hand():
    nan, dry = np.nan, NO_ECHO_DBZ
    early = np.array([[40.0, 40.0, nan, nan, dry]], np.float32)
    late = np.array([[20.0, dry, 30.0, nan, dry]], np.float32)
    np.testing.assert_allclose(_mean(early, late, 0.25), [[35.0, 0.75 * 40 + 0.25 * 5, 30.0, nan, dry]])
    np.testing.assert_allclose(_mean(early, late, 0.75)[0, 1], dry)


def test_not_observed_and_dry_stay_what_they_are():
    whole = moving_disc(projected_grid(40, 48), 4, (0.0, 0.0))
    whole.values[:, :, :6] = np.nan
    found = with_interpolated(without(whole, 1), whole["time"].values).values[1]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(whole.values[1]))
    np.testing.assert_array_equal(found == NO_ECHO_DBZ, whole.values[1] == NO_ECHO_DBZ)


def test_nothing_is_made_of_one_frame_or_in_place_of_the_newest():
    whole = moving_disc(projected_grid(), 4)
    for kept in ([3], [0, 1, 2]):
        with pytest.raises(TimeError, match="expected at least two, the newest among them"):
            with_interpolated(whole.isel(time=kept), whole["time"].values)
