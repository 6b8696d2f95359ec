"""The made-up storm season: repeatable, within range, with all three kinds of pixels, and moving."""

from dataclasses import replace

import numpy as np
import pytest

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.demo.storm import StormSettings, coverage, make_storms, storm_grid

SMALL = StormSettings(frames=24, size=48, cell_km=4.0, radar_range_km=80.0)


@pytest.fixture(scope="module")
def season():
    return make_storms(SMALL)


def test_the_same_seed_gives_the_same_season_and_another_another(season):
    assert np.array_equal(season, make_storms(SMALL), equal_nan=True)
    other = make_storms(replace(SMALL, seed=8))
    assert not np.array_equal(season, other, equal_nan=True)


def test_outside_coverage_is_never_observed_and_inside_always(season):
    seen = coverage(SMALL)
    assert 0.5 < seen.mean() < 0.95
    assert np.isnan(season[:, ~seen]).all()
    assert np.isfinite(season[:, seen]).all()


def test_values_are_no_echo_or_half_decibels_from_5_to_70(season):
    values = np.unique(season[np.isfinite(season)])
    assert values[0] == NO_ECHO_DBZ
    echoes = values[1:]
    assert echoes.min() >= 5.0
    assert echoes.max() <= 70.0
    assert np.array_equal(echoes * 2, np.round(echoes * 2))
    assert (season > 35).any()


def test_storms_move_more_than_they_change(season):
    """Shifting a frame by the right displacement explains the next frames better than standing still."""
    first, later = season[:-3], season[3:]

    def disagreement(rows, columns):
        moved = np.roll(first, (rows, columns), axis=(1, 2))[:, 8:-8, 8:-8]
        truth = later[:, 8:-8, 8:-8]
        both = np.isfinite(moved) & np.isfinite(truth)
        return ((moved >= 20) != (truth >= 20))[both].mean()

    still = disagreement(0, 0)
    best = min(disagreement(r, c) for r in range(-3, 4) for c in range(0, 5))
    assert best < 0.8 * still


def test_the_grid_is_centred_and_has_square_cells():
    grid = storm_grid(SMALL)
    assert grid.shape == (48, 48)
    lon, lat = grid.lonlat(np.array([0.0]), np.array([0.0]))
    assert (round(lon[0], 6), round(lat[0], 6)) == (10.0, 45.0)
    assert grid.cell_km == pytest.approx((4.0, 4.0), rel=1e-3)
