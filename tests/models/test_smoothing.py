"""Smoothing maps."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from nowcast.models.smoothing import _band, gaussian


def test_smoothing_by_a_matrix_by_hand():
    kernel = torch.tensor([0.25, 0.5, 0.25])
    line = torch.tensor([4.0, 0.0, 8.0])
    for edge, smooth in (("zeros", [2.0, 3.0, 4.0]), ("replicate", [3.0, 3.0, 6.0])):
        reads, matrix = _band(kernel, range(3), 3, edge)
        assert (matrix @ line[reads]).tolist() == smooth
        reads, matrix = _band(kernel, range(1, 3), 3, edge)
        assert reads == slice(0, 3)
        assert (matrix @ line[reads]).tolist() == smooth[1:]


def test_stretches_of_a_long_axis_are_the_gaussian_of_scipy():
    maps = torch.rand(1, 1, 700, 9, generator=torch.manual_seed(0), dtype=torch.float64)
    expected = gaussian_filter(maps.numpy(), 50.0, mode="nearest", truncate=3.0, axes=(2, 3))
    torch.testing.assert_close(
        gaussian(maps, 50.0, "replicate"), torch.from_numpy(expected), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize(("edge", "named"), [("replicate", "nearest"), ("zeros", "constant")])
@pytest.mark.parametrize("sigma", [0.8, 3.0, 20.0])
def test_it_is_the_gaussian_of_scipy(edge, named, sigma):
    maps = torch.rand(2, 3, 24, 31, generator=torch.manual_seed(0), dtype=torch.float64)
    expected = gaussian_filter(maps.numpy(), sigma, mode=named, truncate=3.0, axes=(2, 3))
    torch.testing.assert_close(gaussian(maps, sigma, edge), torch.from_numpy(expected), atol=1e-12, rtol=0)


@pytest.mark.parametrize("edge", ["replicate", "zeros"])
def test_some_rows_are_those_of_the_whole(edge):
    maps = torch.rand(1, 2, 150, 9, generator=torch.manual_seed(0), dtype=torch.float64)
    for rows in (slice(0, 70), slice(30, 31), slice(80, 150)):
        whole = gaussian(maps, 3.0, edge)[:, :, rows]
        torch.testing.assert_close(gaussian(maps, 3.0, edge, rows), whole, atol=1e-12, rtol=0)
        assert torch.equal(gaussian(maps, 0.0, edge, rows), maps[:, :, rows])


def test_no_width_leaves_the_map_as_it_is():
    maps = torch.rand(1, 1, 4, 4)
    assert gaussian(maps, 0.0, "zeros") is maps
