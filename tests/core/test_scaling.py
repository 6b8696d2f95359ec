"""Scaling: invertible within its range, clipped outside, NaN apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling


def test_by_hand():
    scaling = Scaling(5.0, 65.0)
    dbz = np.float32([NO_ECHO_DBZ, 0, 5, 20, 35, 65, 80, np.nan])
    np.testing.assert_allclose(scaling.encode(dbz), [0, 0, 0, 0.25, 0.5, 1, 1, np.nan], atol=1e-7)
    back = scaling.decode(np.float32([-0.5, 0, 0.25, 0.5, 1, 2, np.nan]))
    np.testing.assert_allclose(back, [-32, -32, 20, 35, 65, 65, np.nan], atol=1e-5)
    assert back.dtype == np.float32
    assert [scaling.scaled(dbz) for dbz in (5.0, 20.0, 65.0, 80.0)] == [0.0, 0.25, 1.0, 1.25]
    assert Scaling(-10.0, 40.0).scaled(15.0) == 0.5


@given(st.floats(5.125, 65.0, width=32))
def test_there_and_back(value):
    scaling = Scaling()
    assert scaling.decode(scaling.encode(np.float32([value])))[0] == pytest.approx(value, abs=1e-4)


def test_the_input_is_left_alone():
    dbz = np.float32([10, 20])
    Scaling().encode(dbz)
    assert dbz.tolist() == [10, 20]


@pytest.mark.parametrize(("low", "high"), [(10.0, 10.0), (20.0, 10.0), (-40.0, 10.0), (float("nan"), 10.0)])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(SettingsError, match="expected"):
        Scaling(low, high)
