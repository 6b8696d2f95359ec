"""Small gaps among observed pixels are filled; the edge of the coverage stays where it is."""

import pytest
import torch

from nowcast.models.lagrangian.flow_settings import FlowSettings
from nowcast.models.lagrangian.gaps import fill_gaps
from nowcast.models.lagrangian.lucas_kanade import lucas_kanade

ROWS, COLUMNS = 40, 56


def texture(rows=ROWS, columns=COLUMNS):
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return 20 + 0.5 * i + 0.25 * j


def stack(maps):
    return torch.stack(maps)[None]


def test_a_gap_takes_the_mean_of_what_was_observed_around_it():
    frames, observed = stack([texture(), texture()]), torch.ones(1, 2, ROWS, COLUMNS, dtype=torch.bool)
    observed[0, 1, 10, 20:22] = False
    observed[0, 1, 12, 18] = False
    filled, known = fill_gaps(torch.where(observed, frames, 99.0), observed)
    assert known.all()
    assert torch.equal(filled[0, 0], frames[0, 0])
    around = observed[0, 1, 7:14, 17:24]
    assert filled[0, 1, 10, 20] == pytest.approx(float(frames[0, 1, 7:14, 17:24][around].mean()), rel=1e-6)
    assert torch.equal(filled[observed], frames[observed])


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_blocked_ray_is_a_gap_and_a_wider_one_is_not(width):
    observed = torch.ones(1, 1, ROWS, COLUMNS, dtype=torch.bool)
    observed[..., 20 : 20 + width] = False
    frames = stack([texture()])
    assert fill_gaps(frames, observed)[1].all()
    observed[..., 20:27] = False
    assert torch.equal(fill_gaps(frames, observed)[1], observed)


def test_a_gap_at_the_border_of_the_grid_is_filled():
    observed = torch.ones(1, 1, ROWS, COLUMNS, dtype=torch.bool)
    observed[0, 0, 0, 0] = observed[0, 0, 30, -2:] = False
    filled, known = fill_gaps(stack([texture()]) * observed, observed)
    assert known.all()
    assert filled[0, 0, 0, 0] == pytest.approx(float(texture()[:4, :4].sum() - 20.0) / 15, rel=1e-6)


@pytest.mark.parametrize(
    "coverage",
    [
        lambda i, j: j < 30,
        lambda i, j: i >= 17,
        lambda i, j: 2 * i + j < 60,
        lambda i, j: 3 * j - i > 20,
        lambda i, j: (i - 20) ** 2 + (j - 28) ** 2 < 17.3**2,
    ],
)
def test_the_edge_of_a_coverage_is_no_gap(coverage):
    i, j = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    observed = coverage(i, j)[None, None]
    frames = stack([texture()]) * observed
    filled, known = fill_gaps(frames, observed)
    inner = (..., slice(3, -3), slice(3, -3))  # where an edge meets the border of the grid, a sliver is filled
    assert torch.equal(known[inner], observed[inner])
    assert torch.equal(filled[inner], frames[inner])


def test_what_is_observed_everywhere_comes_back_as_it_is():
    frames, observed = stack([texture()]), torch.ones(1, 1, ROWS, COLUMNS, dtype=torch.bool)
    assert fill_gaps(frames, observed)[0] is frames


def test_a_batch_is_filled_as_each_sequence_alone():
    torch.manual_seed(0)
    frames = 20 + 10 * torch.rand(2, 3, ROWS, COLUMNS)
    observed = torch.rand(2, 3, ROWS, COLUMNS) > 0.1
    observed[0] = True
    flow = lucas_kanade(frames * observed, observed, FlowSettings())
    for n in range(2):
        alone = lucas_kanade(frames[n : n + 1] * observed[n : n + 1], observed[n : n + 1], FlowSettings())
        torch.testing.assert_close(flow[n : n + 1], alone, rtol=0, atol=1e-5)
