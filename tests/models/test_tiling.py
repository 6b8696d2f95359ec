import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nowcast.core.errors import SettingsError
from nowcast.models.base import SequenceModel
from nowcast.models.tiling import Tiled, blended, spans


@given(st.integers(1, 300), st.integers(4, 80), st.integers(0, 40))
def test_spans_cover_everything_and_overlap_enough(length, tile, overlap):
    overlap = min(overlap, tile // 2)
    found = spans(length, tile, overlap)
    assert found[0].start == 0
    assert found[-1].stop == length
    assert all(s.stop - s.start == min(tile, length) for s in found)
    assert all(a.stop - b.start >= overlap for a, b in pairwise(found))


def test_what_all_tiles_agree_on_comes_out_unchanged():
    whole = torch.rand(2, 37, 53, generator=torch.manual_seed(1))
    found = blended(lambda rows, columns: whole[:, rows, columns], (37, 53), (16, 20), 6)
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=0)


def test_the_middle_of_a_tile_outweighs_the_edge_of_the_next():
    """Two tiles of 8 on 12 columns share 4; by hand the weights there are 4 3 2 1 against 1 2 3 4."""
    found = blended(lambda rows, columns: torch.full((8, 8), float(columns.start > 0)), (8, 12), (8, 8), 4)
    np.testing.assert_allclose(found[0], [0] * 4 + [0.2, 0.4, 0.6, 0.8] + [1] * 4, rtol=1e-6)


@pytest.mark.parametrize(("tile", "overlap"), [((1, 8), 0), ((8, 8), 5), ((8, 8), -1)])
def test_tiles_that_do_not_advance_are_refused(tile, overlap):
    with pytest.raises(SettingsError, match="tile"):
        blended(lambda rows, columns: torch.zeros(2, 2), (20, 20), tile, overlap)


def test_a_tile_is_gone_before_the_next_is_made():
    made = []

    def make(rows, columns):
        assert all(tile() is None for tile in made)
        tile = torch.ones(3, 8, 8)
        made.append(weakref.ref(tile))
        return tile

    blended(make, (20, 20), (8, 8), 2)
    assert len(made) == 9


class Around(SequenceModel):
    """Forecasts the mean within two cells of the newest frame, read no further: a receptive field by hand."""

    def forward(self, past, steps, targets=None, observed=None):
        mean = torch.nn.functional.avg_pool2d(past[:, -1], 5, stride=1, padding=2, count_include_pad=False)
        return mean[:, None].expand(-1, steps, -1, -1, -1)


def test_with_a_margin_of_what_the_network_reads_tiles_equal_the_whole():
    past = torch.rand(1, 3, 1, 61, 83, generator=torch.manual_seed(2))
    whole = Around()(past, 2)
    for overlap, margin, equal in ((6, 2, True), (6, 0, False), (2, 2, False)):
        found = Tiled(Around(), lambda rows, columns: (24, 20), overlap, margin)(past, 2)
        assert torch.allclose(found, whole, atol=1e-5) is equal, (overlap, margin)
