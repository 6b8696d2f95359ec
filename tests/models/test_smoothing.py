"""Smoothing maps."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from nowcast.models.smoothing import _band, gaussian


def test_smoothing_by_a_matrix_by_hand():
    kernel = torch.tensor([0.25, 0.5, 0.25])
    line = torch.tensor([[4.0, 0.0, 8.0]])
    assert (line @ _band(kernel, 3, "zeros")).tolist() == [[2.0, 3.0, 4.0]]
    assert (line @ _band(kernel, 3, "replicate")).tolist() == [[3.0, 3.0, 6.0]]


@pytest.mark.parametrize(("edge", "named"), [("replicate", "nearest"), ("zeros", "constant")])
@pytest.mark.parametrize("sigma", [0.8, 3.0, 20.0])
def test_it_is_the_gaussian_of_scipy(edge, named, sigma):
    maps = torch.rand(2, 3, 24, 31, generator=torch.manual_seed(0), dtype=torch.float64)
    expected = gaussian_filter(maps.numpy(), sigma, mode=named, truncate=3.0, axes=(2, 3))
    torch.testing.assert_close(gaussian(maps, sigma, edge), torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_no_width_leaves_the_map_as_it_is():
    maps = torch.rand(1, 1, 4, 4)
    assert gaussian(maps, 0.0, "zeros") is maps
