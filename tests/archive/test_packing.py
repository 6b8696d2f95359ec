"""Packing: hundredths of a dBZ, without loss for 8-bit products, the same by CF's rule and ours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.archive.packing import PACKING, decode_chunk, encode_chunk
from nowcast.core.errors import ArchiveError


@pytest.mark.parametrize(
    ("gain", "offset"),
    [(0.5, 0.0), (0.5, -32.0), (0.4, -30.0), (0.5, -32.5), (0.5, 16.18772 - 35.75), (0.1, -10.0)],
)
def test_the_codes_of_8_bit_products_come_back(gain, offset):
    raw = np.arange(256)
    dbz = np.maximum(raw * gain + offset, -32.0).astype(np.float32)
    back = PACKING.unpack(PACKING.pack(dbz))
    kept = dbz > -32.0
    np.testing.assert_array_equal(np.rint((back[kept] - offset) / gain), raw[kept])


def test_every_code_decodes_to_the_nearest_float_and_as_cf_says():
    codes = np.arange(-3200, 10001, dtype=np.int16)
    ours = PACKING.unpack(codes)
    np.testing.assert_array_equal(ours, (codes.astype(np.int64) / 100).astype(np.float32))
    np.testing.assert_array_equal(ours, (codes * PACKING.scale).astype(np.float32))
    assert ours[0] == np.float32(-32.0)


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-32, 100, width=32)), min_size=1))
def test_values_are_off_by_half_a_hundredth_at_most_and_nan_stays(values):
    dbz = np.array(values, np.float32)
    back = PACKING.unpack(PACKING.pack(dbz))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(dbz))
    np.testing.assert_allclose(back, dbz, atol=0.0051)
    np.testing.assert_array_equal(PACKING.pack(back), PACKING.pack(dbz))


def test_no_echo_and_not_observed_have_codes_of_their_own():
    codes = PACKING.pack(np.float32([-32.0, np.nan, 0.0]))
    assert codes.tolist() == [PACKING.no_echo, PACKING.fill, 0]


def test_a_chunk_comes_back_and_a_damaged_one_is_named():
    values = np.arange(12, dtype=np.int16).reshape(3, 4)
    data = encode_chunk(values)
    np.testing.assert_array_equal(decode_chunk(data, np.int16, (3, 4), "here"), values)
    for bad in (data[:5], b"", b"rubbish", data[:-1], encode_chunk(values[:2])):
        with pytest.raises(ArchiveError, match="here: this chunk"):
            decode_chunk(bad, np.int16, (3, 4), "here")
