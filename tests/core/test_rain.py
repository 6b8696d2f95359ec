"""Z-R relations: by hand, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.core.rain import Z_R, z_r


@pytest.mark.parametrize(
    ("name", "rate", "dbz"),
    [
        # 10 log10(a R^b), by hand: Z = 200, 200 * 10^1.6, 316 * 2^1.5, 300 * 10^1.4, 256, 256 * 10^1.42,
        # 223, 223 * 10^1.53
        ("marshall_palmer", 1.0, 23.0103),
        ("marshall_palmer", 10.0, 39.0103),
        ("meteoswiss", 2.0, 29.5123),
        ("wsr88d", 10.0, 38.7712),
        ("radolan", 1.0, 24.0824),
        ("radolan", 10.0, 38.2824),
        ("fmi", 1.0, 23.4830),
        ("fmi", 10.0, 38.7830),
    ],
)
def test_by_hand(name, rate, dbz):
    assert float(z_r(name).to_dbz(rate)) == pytest.approx(dbz, abs=1e-4)
    assert float(z_r(name).to_rate(dbz)) == pytest.approx(rate, rel=1e-4)


@given(st.sampled_from(sorted(Z_R)), st.floats(0.01, 300.0))
def test_there_and_back(name, rate):
    assert float(Z_R[name].to_rate(Z_R[name].to_dbz(rate))) == pytest.approx(rate, rel=1e-5)


def test_no_rain_is_no_echo_and_not_observed_stays():
    relation = Z_R["marshall_palmer"]
    np.testing.assert_array_equal(
        relation.to_dbz([0.0, 1e-20, -1.0, np.nan]), np.float32([-32, -32, -32, np.nan])
    )
    np.testing.assert_array_equal(relation.to_rate([-32.0, np.nan]), np.float32([0.0, np.nan]))


def test_each_names_itself_and_its_source():
    for name, relation in Z_R.items():
        assert relation.name == name
        assert name in str(relation)
        assert any(c.isdigit() for c in relation.source)
    with pytest.raises(SettingsError, match="got 'marshal', expected one of marshall_palmer"):
        z_r("marshal")
