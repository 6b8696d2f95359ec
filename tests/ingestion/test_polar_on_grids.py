"""Polar volumes on a grid that is asked for: the gate over each cell, means of places in it, other sources."""

import netCDF4
import numpy as np
import pyproj
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import GridError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.geometry import reach
from nowcast.ingestion.polar.gridding import gridded
from nowcast.ingestion.polar.reader import compose
from nowcast.ingestion.polar.settings import PolarSettings, polar_settings
from nowcast.ingestion.polar.volume import Site
from nowcast.ingestion.regridding.target import wanted_grid
from nowcast.workflows.ingest import ingest
from tests.fakes import cf, polar
from tests.ingestion.test_polar_gridding import ground_m

ELEVATION, GATE_M = 0.5, 2000.0
WAY = "lowest_beam,radius_km=40,cell_km=1"
RNG = np.random.default_rng(5)
DBZ = polar.OFFSET + polar.GAIN * RNG.integers(1, 255, (36, 25))
DBZ[RNG.random(DBZ.shape) < 0.2] = NO_ECHO_DBZ
DBZ[RNG.random(DBZ.shape) < 0.1] = np.nan
STEP = np.timedelta64(10, "m")


def volume(path, time="2025-03-01T00:00:00", dbz=DBZ, place=(polar.LON, polar.LAT, polar.HEIGHT)):
    return polar.write_odim(path, {ELEVATION: dbz}, time, GATE_M, 0.0, 0.0, place=place)


def truth(grid, radius_m=40_000.0):
    """The gate over each cell by the ground distance of gates, and where it is no matter of rounding."""
    y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
    lon, lat = grid.lonlat(y, x)
    toward, _, distance = pyproj.Geod(ellps="WGS84").inv(
        np.full(lon.shape, polar.LON), np.full(lon.shape, polar.LAT), lon, lat
    )
    edges = ground_m(GATE_M * np.arange(26.0), ELEVATION, polar.HEIGHT)
    gate = np.searchsorted(edges, distance, side="right") - 1
    ray = (toward % 360.0) // 10.0
    off = np.abs((toward / 10.0 + 0.5) % 1.0 - 0.5) < 1e-3
    off |= np.abs(distance[..., None] - [*edges, radius_m]).min(axis=-1) < 10.0
    dbz = DBZ[ray.astype(int), np.clip(gate, 0, 24)]
    return np.where((gate > 24) | (distance > radius_m), np.nan, dbz), ~off


def run(paths, archive, grid=None, resample=None, way=WAY):
    return ingest(paths, archive, 1, False, step=STEP, polar=polar_settings(way), grid=grid, resample=resample)


def frame(path, index=0):
    archive = Archive.open(path)
    return archive.grid, archive.dbz(archive.times[index])


@pytest.mark.parametrize("wanted", ["EPSG:3035@2km", "EPSG:4326@0.03deg", "file"])
def test_each_cell_holds_the_gate_over_its_middle(wanted, tmp_path):
    if wanted == "file":
        wanted = str(tmp_path / "g.yaml")
        (tmp_path / "g.yaml").write_text(
            "crs: EPSG:3857\ncell: 3km\nwest: 4e5\nnorth: 66e5\nrows: 70\ncolumns: 90"
        )
    run([volume(tmp_path / "v.h5")], tmp_path / "a.zarr", wanted)
    grid, dbz = frame(tmp_path / "a.zarr")
    assert grid.matches(wanted_grid(wanted).over([grid]))
    expected, sure = truth(grid)
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(np.isnan(dbz)[sure], np.isnan(expected)[sure])
    np.testing.assert_allclose(dbz[sure], expected[sure], atol=0.006)
    with netCDF4.Dataset(tmp_path / "a.zarr" / "beam_height.nc") as data:
        height = np.ma.filled(data["beam_height"][:], np.nan)
    np.testing.assert_array_equal(np.isnan(height), np.isnan(dbz))
    assert Archive.open(tmp_path / "a.zarr").attrs["regridding"]["sources"] == ["polar volumes"]


@pytest.mark.parametrize("method", [pytest.param("mean", marks=pytest.mark.slow), "conservative"])
def test_means_are_of_places_in_each_cell(method, tmp_path, capsys):
    resample = f"{method},observed_share=0.75"
    arguments = ["--grid", "EPSG:3035@4km", "--resample", resample, "--polar", WAY, "--step", "10"]
    path = volume(tmp_path / "v.h5")
    assert main(["ingest", str(path), "--archive", str(tmp_path / "a.zarr"), *arguments, "--workers", "1"]) == 0
    grid, dbz = frame(tmp_path / "a.zarr")
    parts = np.arange(4) * 1000.0 - 1500.0
    fine, sure = truth(
        Grid(grid.crs_wkt, (grid.y[:, None] - parts).reshape(-1), (grid.x[:, None] + parts).reshape(-1))
    )
    each = fine.reshape(grid.shape[0], 4, grid.shape[1], 4)
    sure = sure.reshape(each.shape).all(axis=(1, 3))
    z = np.where(each == NO_ECHO_DBZ, 0.0, 10.0 ** (each / 10.0))
    known = np.isfinite(each).mean(axis=(1, 3)) >= 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = 10.0 * np.log10(np.nansum(z, axis=(1, 3)) / np.isfinite(each).sum(axis=(1, 3)))
    expected = np.where(known, np.maximum(mean, NO_ECHO_DBZ), np.nan)
    assert sure.mean() > 0.5
    np.testing.assert_allclose(dbz[sure], expected[sure], atol=0.006)
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.zarr")]) == 0
    said = capsys.readouterr().out
    assert f"regridded {method},mean_in=z,observed_share=0.75 onto EPSG:3035@4km from polar volumes" in said
    assert "gridding  lowest beam, nearest gate, within 40 km" in said


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_beside_a_composite_the_first_wins_where_it_observes(order, tmp_path):
    """A composite in degrees beside the radar: one frame, over both."""
    composite = cf.frames(2, (30, 40), seed=3)
    cf.write_italian(
        tmp_path / "c.nc", composite, cf.times("2025-03-01", 2), west=polar.LON, north=polar.LAT + 0.3
    )
    files = [volume(tmp_path / "v.h5"), tmp_path / "c.nc"]
    report = run([files[i] for i in order], tmp_path / "a.zarr", "EPSG:3035@3km")
    assert (report.frames, report.replaced, report.problems) == (2, 1, ())
    grid, dbz = frame(tmp_path / "a.zarr")
    run([files[1]], tmp_path / "c.zarr", str(tmp_path / "a.zarr"))
    other = frame(tmp_path / "c.zarr")[1]
    own, sure = truth(grid)
    first, second = (own, other) if order == (0, 1) else (other, own)
    both = np.isfinite(own) & np.isfinite(other)
    assert both.any()
    assert (np.isnan(own) & np.isfinite(other)).any()
    expected = np.where(np.isnan(first), second, first)
    np.testing.assert_allclose(dbz[sure], expected[sure], atol=0.006)
    held = Archive.open(tmp_path / "a.zarr").attrs
    assert held["gridding"].startswith("lowest beam")
    assert "polar volumes" in held["regridding"]["sources"]


def test_an_archive_takes_volumes_later_and_says_how(tmp_path):
    cf.write_italian(
        tmp_path / "c.nc", cf.frames(2, (30, 40)), cf.times("2025-03-01", 2), north=polar.LAT, west=polar.LON
    )
    run([tmp_path / "c.nc"], tmp_path / "a.zarr", "EPSG:3035@3km")
    report = run([volume(tmp_path / "v.h5", "2025-03-01T00:20:00")], tmp_path / "a.zarr")
    assert (report.frames, report.problems) == (1, ())
    grid, dbz = frame(tmp_path / "a.zarr", 2)
    expected, sure = truth(grid)
    np.testing.assert_allclose(dbz[sure], expected[sure], atol=0.006)
    assert Archive.open(tmp_path / "a.zarr").attrs["gridding"].startswith("lowest beam")
    assert (tmp_path / "a.zarr" / "beam_height.nc").exists()
    assert run([tmp_path / "v.h5"], tmp_path / "a.zarr").known_files == 1


def test_a_radar_nowhere_on_the_grid_is_a_problem_and_the_rest_goes_in(tmp_path):
    far = volume(tmp_path / "far.h5", "2025-03-01T00:10:00", place=(25.0, 60.0, 100.0))
    like = wanted_grid("EPSG:3035@4km").over(
        [Grid(pyproj.CRS(4326).to_wkt(), np.r_[50.5, 49.5], np.r_[4.5, 5.5])]
    )
    report = run([far, volume(tmp_path / "v.h5")], tmp_path / "a.zarr", like)
    assert "no cell of the grid is within 40 km of its radar" in str(report.problems[0])
    grid, dbz = frame(tmp_path / "a.zarr")
    expected, sure = truth(grid)
    np.testing.assert_allclose(dbz[sure], expected[sure], atol=0.006)
    assert (tmp_path / "a.zarr" / "beam_height.nc").exists()


def test_means_of_too_many_places_are_refused(tmp_path):
    grid = wanted_grid("EPSG:3035@5km").over(
        [Grid(pyproj.CRS(4326).to_wkt(), np.array([60.0, 40.0]), np.array([0.0, 10.0]))]
    )
    with pytest.raises(GridError, match="take a larger cell_km with --polar"):
        run([volume(tmp_path / "v.h5")], tmp_path / "a.zarr", grid, "mean", "lowest_beam,cell_km=0.1")


PLACES = [(5.0, 50.0), (179.9, 10.0), (-179.5, -20.0), (11.0, 89.5), (0.0, -89.9), (100.0, 75.0)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4326",
        "EPSG:3035",
        "+proj=stere +lat_0=90 +lon_0=10 +ellps=WGS84",
        "+proj=eqc +lon_0=30 +ellps=WGS84",
        "+proj=tmerc +lon_0=9 +ellps=WGS84",
        "+proj=ob_tran +o_proj=longlat +o_lat_p=39 +lon_0=18 +ellps=WGS84",
    ],
)
def test_the_part_of_a_grid_holds_every_cell_that_the_radar_reaches(crs, place):
    site, radius_m = Site("a", *place, 0.0), 450_000.0
    crs = pyproj.CRS(crs)
    lattice = (
        (np.arange(88.5, -90.0, -3.0), np.arange(-178.5, 180.0, 3.0))
        if crs.is_geographic
        else (np.arange(9e6, -9e6, -2e5), np.arange(-15e6, 15e6, 2e5))
    )
    grid = Grid(crs.to_wkt(), *lattice)
    y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
    lon, lat = grid.lonlat(y, x)
    good = np.isfinite(lon) & np.isfinite(lat)
    flat = [np.full(good.sum(), v) for v in place]
    near = np.zeros(good.shape, bool)
    near[good] = pyproj.Geod(ellps="WGS84").inv(*flat, lon[good], lat[good])[2] <= radius_m
    window = reach(grid, site, radius_m)
    if window is None:
        assert not near.any()
    else:
        (top, bottom), (left, right) = window
        inside = np.zeros_like(near)
        inside[top:bottom, left:right] = True
        assert not (near & ~inside).any()
        assert bottom - top >= 2
        assert right - left >= 2


def test_a_part_of_a_grid_gives_the_values_of_the_whole(tmp_path):
    path = volume(tmp_path / "v.h5")
    settings = PolarSettings(radius_km=40.0)
    grid = wanted_grid("EPSG:3035@2km").over(
        [Grid(pyproj.CRS(4326).to_wkt(), np.arange(52.0, 48.0, -1.0), np.arange(2.0, 8.0))]
    )
    found = read_volume(path, settings)
    whole = gridded(found.site, found.sweeps, grid, settings)
    (top, bottom), (left, right) = reach(grid, found.site, 40_000.0)
    assert (bottom - top) * (right - left) < 0.1 * whole.dbz.size
    dbz, height = compose([path], grid, settings)
    np.testing.assert_array_equal(dbz, whole.dbz)
    np.testing.assert_array_equal(height, whole.height_m)
