from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.forecasters.tiling import blended, spans


@given(st.integers(1, 300), st.integers(4, 80), st.integers(0, 40))
def test_spans_cover_everything_and_overlap_enough(length, tile, overlap):
    overlap = min(overlap, tile // 2)
    found = spans(length, tile, overlap)
    assert found[0].start == 0
    assert found[-1].stop == length
    assert all(s.stop - s.start == min(tile, length) for s in found)
    assert all(a.stop - b.start >= overlap for a, b in pairwise(found))


def test_what_all_tiles_agree_on_comes_out_unchanged():
    whole = np.random.default_rng(1).random((2, 37, 53)).astype(np.float32)
    found = blended(lambda rows, columns: whole[:, rows, columns], (37, 53), (16, 20), 6)
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_the_middle_of_a_tile_outweighs_the_edge_of_the_next():
    """Two tiles of 8 on 12 columns share 4; by hand the weights there are 4 3 2 1 against 1 2 3 4."""
    found = blended(
        lambda rows, columns: np.full((8, 8), float(columns.start > 0), np.float32), (8, 12), (8, 8), 4
    )
    np.testing.assert_allclose(found[0], [0] * 4 + [0.2, 0.4, 0.6, 0.8] + [1] * 4, rtol=1e-6)


@pytest.mark.parametrize(("tile", "overlap"), [((1, 8), 0), ((8, 8), 5), ((8, 8), -1)])
def test_tiles_that_do_not_advance_are_refused(tile, overlap):
    with pytest.raises(SettingsError, match="tile"):
        blended(lambda rows, columns: np.zeros((2, 2), np.float32), (20, 20), tile, overlap)
