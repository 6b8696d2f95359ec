"""Beams over a grid: geometry by the forward equations, methods by hand, composites of two radars."""

import numpy as np
import pyproj
import pytest

from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.geometry import beam_height_m, cells_of, slant_range_m
from nowcast.ingestion.polar.gridding import composite, gridded
from nowcast.ingestion.polar.scans import grid_around
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep
from tests.fakes import polar

REFF = 4 / 3 * 6_371_000.0
SITE = Site("a", polar.LON, polar.LAT, polar.HEIGHT)
GRID = grid_around([SITE], PolarSettings(radius_km=60, cell_km=4))


def made(elevation, dbz, first_azimuth=5.0, first_m=1000.0, gate_m=2000.0):
    rays, gates = dbz.shape
    azimuth = (first_azimuth + np.arange(rays) * 360.0 / rays) % 360.0
    return Sweep(elevation, azimuth, first_m, gate_m, gates, lambda: np.array(dbz, np.float32))


def flat(value, rays=36, gates=40):
    return np.full((rays, gates), value, np.float32)


def ground_m(range_m, elevation_deg, altitude_m):
    """Distance along the ground of a gate, Doviak and Zrnic 2.28c."""
    height = beam_height_m(range_m, elevation_deg, altitude_m)
    return REFF * np.arcsin(range_m * np.cos(np.deg2rad(elevation_deg)) / (REFF + height))


@pytest.mark.parametrize("elevation", [-0.5, 0.0, 0.5, 8.0, 30.0, 60.0])
def test_the_range_over_a_place_is_the_inverse_of_the_place_under_a_range(elevation):
    ranges = np.linspace(500.0, 240_000.0, 50)
    angle = ground_m(ranges, elevation, 900.0) / REFF
    np.testing.assert_allclose(slant_range_m(angle, elevation, 900.0), ranges, rtol=1e-9)


def test_a_beam_of_half_a_degree_is_at_100_km_one_and_a_half_kilometres_up():
    """100 km * sin 0.5 deg + (100 km)^2 / (2 * 8495 km) = 873 m + 589 m, and the antenna's 100 m."""
    assert beam_height_m(100_000.0, 0.5, 100.0) == pytest.approx(1561.0, abs=3.0)


def test_a_grid_around_a_radar_has_the_radar_in_its_middle():
    grid = grid_around([SITE], PolarSettings(radius_km=10, cell_km=3))
    assert grid.shape == (8, 8)
    np.testing.assert_allclose(grid.y, np.arange(10_500, -12_000, -3000))
    np.testing.assert_allclose(grid.x, -grid.y)
    lon, lat = grid.lonlat(np.zeros(1), np.zeros(1))
    assert (lon[0], lat[0]) == pytest.approx((polar.LON, polar.LAT))


def test_radars_of_two_continents_have_no_common_grid():
    with pytest.raises(GridError, match="expected radars of one region"):
        grid_around([SITE, Site("b", -100.0, 30.0, 0.0)], PolarSettings())


def by_gates(sweep, grid, site):
    """What stands over each cell, gate by gate: the forward equations and the nearest ray."""
    y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
    lon, lat = grid.lonlat(y, x)
    geod = pyproj.Geod(ellps="WGS84")
    dbz = sweep.read()
    edges = ground_m(
        sweep.first_m + sweep.gate_m * (np.arange(sweep.gates + 1) - 0.5), sweep.elevation_deg, site.altitude_m
    )
    found = np.full(lon.shape, np.nan, np.float32)
    for place in np.ndindex(lon.shape):
        azimuth, _, distance = geod.inv(site.lon, site.lat, lon[place], lat[place])
        off = np.abs((sweep.azimuth_deg - azimuth + 180) % 360 - 180)
        gate = np.searchsorted(edges, distance, side="right") - 1
        if 0 <= gate < sweep.gates:
            found[place] = dbz[np.argmin(off), gate]
    return found


@pytest.mark.parametrize("elevation", [0.3, 12.0])
def test_every_cell_holds_the_gate_over_it(elevation):
    rng = np.random.default_rng(0)
    sweep = made(elevation, rng.uniform(0, 50, (36, 20)), first_azimuth=355.7, first_m=5000.0, gate_m=1500.0)
    found = gridded(SITE, [sweep], GRID, PolarSettings(radius_km=100)).dbz
    np.testing.assert_array_equal(found, by_gates(sweep, GRID, SITE))
    assert 0.05 < np.isnan(found).mean() < 0.95


def test_an_archives_own_grid_does_as_well():
    """Degrees, cells twice as high as wide, the radar off the middle."""
    grid = Grid(pyproj.CRS.from_epsg(4326).to_wkt(), 50.5 - 0.04 * np.arange(20), 4.5 + 0.03 * np.arange(30))
    rng = np.random.default_rng(1)
    sweep = made(0.5, rng.uniform(0, 50, (72, 30)))
    found = gridded(SITE, [sweep], grid, PolarSettings(radius_km=100)).dbz
    np.testing.assert_array_equal(found, by_gates(sweep, grid, SITE))


@pytest.mark.parametrize("method", ["lowest_beam", "cappi", "maximum"])
def test_beyond_the_radius_and_beside_a_sector_nothing_is_observed(method):
    sector = Sweep(0.5, np.arange(0.5, 90.0), 500.0, 1000.0, 80, lambda: flat(20.0, 90, 80))
    found = gridded(SITE, [sector], GRID, PolarSettings(method=method, radius_km=40))
    y, x = np.meshgrid(GRID.y, GRID.x, indexing="ij")
    inside = (x > 0) & (y > 0) & (np.hypot(x, y) < 40_000)
    np.testing.assert_array_equal(~np.isnan(found.dbz), inside)
    np.testing.assert_array_equal(np.isnan(found.height_m), np.isnan(found.dbz))


def test_the_lowest_beam_gives_way_where_it_does_not_observe():
    low, high = flat(10.0), flat(30.0)
    low[:18] = np.nan
    read = []
    sweeps = [
        made(0.5, low),
        made(3.0, high),
        Sweep(9.0, np.arange(360.0), 500.0, 1000.0, 200, lambda: read.append(1)),
    ]
    found = gridded(SITE, sweeps, GRID, PolarSettings(radius_km=40))
    assert set(np.unique(found.dbz[~np.isnan(found.dbz)])) == {10.0, 30.0}
    east, west = found.dbz[15, 20], found.dbz[15, 9]
    assert (east, west) == (30.0, 10.0)
    assert found.height_m[15, 20] > found.height_m[15, 9]
    assert not read  # a sweep that no cell needs is not read


def test_the_maximum_is_that_of_the_column_and_no_echo_is_observed():
    sweeps = [made(0.5, flat(-32.0)), made(3.0, flat(30.0, gates=10)), made(6.0, flat(20.0, gates=20))]
    found = gridded(SITE, sweeps, GRID, PolarSettings(method="maximum", radius_km=60)).dbz
    assert [found[14, 15 + k] for k in (1, 7, 12)] == [30.0, 20.0, -32.0]


def test_a_cappi_takes_the_sweep_nearest_in_height_and_a_strict_one_only_between_two():
    """At 30 km 1 degree is 0.7 km up, 5 degrees 2.8 km; 1 km is nearer to the first, 2.5 km to the second."""
    sweeps = [made(1.0, flat(10.0)), made(5.0, flat(40.0))]

    def at(height, **how):
        settings = PolarSettings(method="cappi", height_km=height, radius_km=60, **how)
        return gridded(SITE, sweeps, GRID, settings).dbz[14, 22]

    assert (at(1.0), at(2.5)) == (10.0, 40.0)
    assert (at(0.3), at(6.0)) == (10.0, 40.0)  # pseudo
    assert np.isnan([at(0.3, pseudo=False), at(6.0, pseudo=False)]).all()
    assert at(1.0, pseudo=False) == 10.0
    y, x = GRID.y[14], GRID.x[22]
    angle = np.hypot(x, y) / REFF
    low, high = (float(beam_height_m(slant_range_m(angle, e, 120.0), e, 120.0)) for e in (1.0, 5.0))
    share = (1500.0 - low) / (high - low)
    assert at(1.5, interpolation="linear") == pytest.approx(
        10 * np.log10((1 - share) * 10.0 + share * 1e4), abs=0.01
    )


def test_linear_interpolation_in_range_is_exact_for_a_field_that_is_linear_in_z():
    sweep = made(0.0, 10 * np.log10(100.0 + 2.0 * np.tile(np.arange(40.0), (360, 1))), first_azimuth=0.0)
    found = gridded(SITE, [sweep], GRID, PolarSettings(interpolation="linear", radius_km=60)).dbz
    cells = cells_of(GRID, SITE)
    gate = (slant_range_m(cells.angle, 0.0, polar.HEIGHT) - 1000.0) / 2000.0
    here = (gate > 0) & ~np.isnan(found)
    np.testing.assert_allclose(10 ** (found[here] / 10), 100.0 + 2.0 * gate[here], rtol=1e-4)
    assert here.sum() > 500


def test_linear_interpolation_leaves_out_what_is_not_observed_and_counts_no_echo_as_none():
    dbz = flat(30.0, 360)
    dbz[:, 10] = np.nan
    dbz[:, 20:] = -32.0
    sweep = made(0.0, dbz, first_azimuth=0.0)
    found = gridded(SITE, [sweep], GRID, PolarSettings(interpolation="linear", radius_km=60)).dbz
    nearest = gridded(SITE, [sweep], GRID, PolarSettings(radius_km=60)).dbz
    np.testing.assert_array_equal(np.isnan(found), np.isnan(nearest))
    gate = (slant_range_m(cells_of(GRID, SITE).angle, 0.0, polar.HEIGHT) - 1000.0) / 2000.0
    known = ~np.isnan(found)
    np.testing.assert_allclose(found[known & (gate < 19)], 30.0, atol=1e-4)
    assert (found[known & (gate > 19.05) & (gate < 19.95)] < 30.0).all()
    np.testing.assert_array_equal(found[known & (gate > 20.05)], -32.0)


def test_a_composite_takes_the_largest_the_nearest_or_the_lowest():
    other = Site("b", polar.LON + 1.0, polar.LAT, 2000.0)
    grid = grid_around([SITE, other], PolarSettings(radius_km=60, cell_km=4))
    parts = [
        gridded(site, [made(0.5, dbz)], grid, PolarSettings(radius_km=60))
        for site, dbz in ((SITE, flat(20.0)), (other, flat(30.0)))
    ]
    found = {
        how: composite(parts, grid.shape, PolarSettings(composite=how))[0]
        for how in ("maximum", "nearest", "lowest")
    }
    row = grid.shape[0] // 2
    middle = grid.shape[1] // 2
    assert (found["maximum"][row, middle - 3], found["maximum"][row, middle + 3]) == (30.0, 30.0)
    assert (found["nearest"][row, middle - 3], found["nearest"][row, middle + 3]) == (20.0, 30.0)
    assert (found["lowest"][row, middle - 3], found["lowest"][row, middle + 3]) == (20.0, 20.0)
    alone = np.isnan(parts[0].dbz) ^ np.isnan(parts[1].dbz)
    for dbz in found.values():
        np.testing.assert_array_equal(dbz[alone], np.fmax(parts[0].dbz, parts[1].dbz)[alone])
        assert np.isnan(dbz[np.isnan(parts[0].dbz) & np.isnan(parts[1].dbz)]).all()


@pytest.mark.parametrize("form", ["odim", 1, 2])
def test_the_gates_of_a_file_are_where_the_format_says(form, tmp_path):
    """ODIM states the start of the first gate and ray, CfRadial their middles; both are the same volume."""
    sweeps = {3.0: polar.sweep(20.0), 0.5: polar.sweep(10.0)}
    path = tmp_path / "v"
    polar.write_odim(path, sweeps) if form == "odim" else polar.write_cfradial(path, sweeps, form)
    volume = read_volume(path, PolarSettings())
    assert volume.site == Site("xxaaa", polar.LON, polar.LAT, polar.HEIGHT)
    assert volume.time == np.datetime64("2025-03-01T12:00", "ns")
    assert [s.elevation_deg for s in volume.sweeps] == [0.5, 3.0]
    for sweep, value in zip(volume.sweeps, (10.0, 20.0), strict=True):
        np.testing.assert_allclose(sweep.azimuth_deg, (8.0 + 10.0 * np.arange(36)) % 360, atol=1e-4)
        assert (sweep.first_m, sweep.gate_m, sweep.gates) == (pytest.approx(2000.0), pytest.approx(2000.0), 50)
        np.testing.assert_allclose(sweep.read(), polar.sweep(value), atol=0.21)
