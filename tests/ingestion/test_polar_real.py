"""Real volumes of six formats: every cell against the gate that stands over it, read by other libraries."""

import gzip
from dataclasses import replace

import h5py
import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.gridding import gridded
from nowcast.ingestion.polar.reader import compose
from nowcast.ingestion.polar.scans import grid_around
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.regridding.target import wanted_grid
from tests.ingestion.test_polar_gridding import ground_m
from tests.shared_data import radar_folder

SETTINGS = PolarSettings(radius_km=240.0, cell_km=2.0)


def over_each_cell(dbz, azimuth, first_m, gate_m, elevation, site, grid):
    """What stands over each cell by the forward equation of the ground distance and the nearest ray."""
    import pyproj

    y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
    lon, lat = grid.lonlat(y, x)
    toward, _, distance = pyproj.Geod(ellps="WGS84").inv(
        np.full(lon.shape, site.lon), np.full(lon.shape, site.lat), lon, lat
    )
    edges = ground_m(first_m + gate_m * (np.arange(dbz.shape[1] + 1) - 0.5), elevation, site.altitude_m)
    gate = np.searchsorted(edges, distance, side="right") - 1
    ray = np.stack([np.abs((azimuth - row[:, None] + 180) % 360 - 180).argmin(axis=1) for row in toward])
    found = dbz[ray, np.clip(gate, 0, dbz.shape[1] - 1)]
    outside = (gate < 0) | (gate >= dbz.shape[1]) | (distance > SETTINGS.radius_km * 1000)
    return np.where(outside, np.nan, found), toward


def odim_files():
    return sorted(p for p in radar_folder("polar").iterdir() if p.suffix in (".hdf", ".h5"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(11))
def test_every_cell_of_an_odim_sweep_is_the_gate_that_h5py_reads(number):
    check_cells(odim_files()[number], None)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["EPSG:3035@2km", "EPSG:4326@0.02deg"])
def test_every_cell_of_a_grid_that_is_asked_for_is_the_gate_that_h5py_reads(wanted):
    check_cells(odim_files()[0], wanted)


def check_cells(path, wanted):
    volume = read_volume(path, SETTINGS)
    grid = grid_around([volume.site], SETTINGS)
    if wanted is not None:
        grid = wanted_grid(wanted).over([grid])
    sweep = volume.sweeps[0]
    with h5py.File(path) as file:
        name = min(
            (k for k in file if k.startswith("dataset")), key=lambda k: file[k]["where"].attrs["elangle"]
        )
        raw = file[name]["data1/data"][:]
        what, where = file[name]["data1/what"].attrs, file[name]["where"].attrs
        assert what["quantity"] == b"DBZH"
        dbz = np.where(raw == 255, np.nan, np.where(raw == 0, -32.0, raw * what["gain"] + what["offset"]))
        first = where["rstart"] * 1000 + where["rscale"] / 2
        azimuth = np.arange(360.0) + (0.0 if "startazA" in file[name]["how"].attrs else 0.5)
        expected, toward = over_each_cell(
            np.maximum(dbz, -32.0), azimuth, first, where["rscale"], where["elangle"], volume.site, grid
        )
    if wanted is None:
        found = gridded(volume.site, [sweep], grid, SETTINGS).dbz
    else:
        only = replace(SETTINGS, highest_elevation_deg=sweep.elevation_deg)
        found = compose([path], grid, only)[0]
    off = np.abs(toward * 2 - np.round(toward * 2)) < 2e-2  # between two rays to a hundredth of a degree
    np.testing.assert_array_equal(found[~off], expected.astype(np.float32)[~off])
    assert off.mean() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "opener"),
    [
        ("2013051000000600dBZ.vol", "rainbow"),
        ("KLBB20160601_150025_V06", "nexradlevel2"),
        ("MLL2217907250U.003.nc", "cfradial1"),
        ("SUR210819000227.RAWKPJV", "iris"),
        ("20200207130000.rad.behel.pvol.dbzh.scanz.hdf", "odim"),
        ("T_PAZC63_C_LFPW_20230420065228.h5", "odim"),
    ],
)
def test_gates_and_places_are_those_of_xradar(name, opener):
    import io
    import warnings

    xradar = pytest.importorskip("xradar")
    path = radar_folder("polar") / name
    volume = read_volume(path, PolarSettings())
    source = io.BytesIO(path.read_bytes()) if opener == "iris" else str(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = getattr(xradar.io, f"open_{opener}_datatree")(source)
    nodes = sorted(
        (tree[c] for c in tree.children if c.startswith("sweep_")), key=lambda n: float(n["sweep_fixed_angle"])
    )
    assert len(volume.sweeps) == len(nodes)
    assert volume.site.lat == pytest.approx(float(tree["latitude"]), abs=1e-5)
    for sweep, node in zip(volume.sweeps, nodes, strict=True):
        dbz = np.asarray(node[volume.quantity].transpose("azimuth", "range"))
        place = np.argsort(sweep.azimuth_deg)
        here = sweep.read()[place]
        np.testing.assert_allclose(sweep.azimuth_deg[place], np.sort(node["azimuth"].values), atol=1e-3)
        ranges = sweep.first_m + sweep.gate_m * np.arange(sweep.gates)
        np.testing.assert_allclose(ranges, node["range"], atol=1.0)
        theirs = dbz[np.argsort(node["azimuth"].values)]
        echo = here > -31.9
        np.testing.assert_allclose(here[echo], theirs[echo], atol=1e-3)
        known = ~np.isnan(theirs) & (theirs > -31.4)
        assert (echo[known] | np.isnan(here[known])).all()
    tree.close()


@pytest.mark.slow
def test_a_packed_nexrad_volume_is_the_same(tmp_path):
    pytest.importorskip("xradar")
    path = radar_folder("polar") / "KLBB20160601_150025_V06"
    (tmp_path / "KLBB.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    one, other = (read_volume(p, PolarSettings()) for p in (path, tmp_path / "KLBB.gz"))
    np.testing.assert_array_equal(one.sweeps[0].read(), other.sweeps[0].read())
    assert one.time == other.time
    (tmp_path / "cut").write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(NowcastError, match="cut"):
        compose([tmp_path / "cut"], grid_around([one.site], SETTINGS), SETTINGS)


@pytest.mark.parametrize("name", ["20200207130000.rad.behel.pvol.dbzh.scanz.hdf", "MLL2217907250U.003.nc"])
def test_a_real_volume_keeps_the_contract_of_a_field(name):
    volume = read_volume(radar_folder("polar") / name, SETTINGS)
    found = gridded(volume.site, volume.sweeps, grid_around([volume.site], SETTINGS), SETTINGS)
    assert 0.2 < np.isnan(found.dbz).mean() < 0.6
    assert 40 < np.nanmax(found.dbz) < 80
    assert (found.dbz[~np.isnan(found.dbz)] >= -32).all()
    assert 0 < np.nanmin(found.height_m) < np.nanmax(found.height_m) < 12_000
