"""DWD RADOLAN: every pixel and corner of the real files against wradlib, an independent reading."""

import bz2
import gzip
import tarfile
import warnings

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.core.field import check
from nowcast.core.grid import Grid
from nowcast.core.rain import z_r
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.radolan import Radolan
from tests.shared_data import radar_folder

FILES = (
    ("single_files", "raa01-rw*"),
    ("single_files", "raa01-rx*"),
    ("radolan_more", "raa01-ex*"),
    ("radolan_more", "raa01-sf*"),
    ("radolan_ry_binary", "*1555-dwd*"),
    ("radolan_yw_binary", "*0105-dwd*"),
)


def real(folder, pattern):
    return sorted(radar_folder(folder).glob(pattern))[0]


@pytest.fixture(scope="module")
def wradlib():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("wradlib")
        for part in ("wradlib.georef", "wradlib.io"):
            pytest.importorskip(part)
    return found


def as_dbz(wradlib, path):
    """What wradlib reads, in dBZ, the southern row first; NaN where its masks say so."""
    with path.open("rb") as packed:
        opened = gzip.GzipFile(fileobj=packed) if path.suffix == ".gz" else packed
        data, attrs = wradlib.io.read_radolan_composite(opened, missing=-9999)
    data = data.astype(np.float64)
    gone = data == -9999
    gone.flat[attrs.get("cluttermask", [])] = True
    if attrs["producttype"] in ("RX", "EX"):
        return np.where(gone, np.nan, np.where(data == 0, -32.0, data / 2 - 32.5)), attrs
    rate = data / (attrs["intervalseconds"] / 3600)
    return np.where(gone, np.nan, z_r("radolan").to_dbz(np.where(gone, 0, rate))), attrs


@pytest.mark.parametrize(("folder", "pattern"), FILES)
def test_every_pixel_and_the_corners(folder, pattern, wradlib):
    path = real(folder, pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dbz, attrs = as_dbz(wradlib, path)
        crs = wradlib.georef.create_crs("dwd-radolan-sphere")
        edges = wradlib.georef.get_radolan_grid(*dbz.shape, crs=crs, wgs84=True, mode="edge")
    field = check(find_reader(path).open(path))
    np.testing.assert_array_equal(np.isnan(field.values[0]), np.isnan(dbz[::-1]))
    np.testing.assert_allclose(field.values[0], dbz[::-1], rtol=0, atol=2e-5)
    assert field.time.values[0] == np.datetime64(attrs["datetime"].replace(tzinfo=None))
    grid = Grid.of(field)
    west, east, south, north = grid.extent
    lon, lat = grid.lonlat(np.array([south, south, north, north]), np.array([west, east, west, east]))
    expected = edges[[0, 0, -1, -1], [0, -1, 0, -1]]
    # a hundredth of a cell of 1 km is 1e-4 degrees of latitude
    np.testing.assert_allclose(np.stack([lon, lat], 1), expected, rtol=0, atol=8e-5)


def test_the_grid_of_the_ellipsoid_is_where_dwd_publishes_it(wradlib):
    # the offsets that DWD prints for the middle of the upper left cell of its DE1200 composites
    from nowcast.ingestion.readers.radolan_header import radolan_grid

    grid = radolan_grid(1200, 1100, 5)
    assert grid.x[0] == pytest.approx(-543196.83521776402, abs=1.0)
    assert grid.y[0] == pytest.approx(-3622588.8619310018, abs=1.0)
    sphere = radolan_grid(900, 900, 3)  # RADOLAN's own: -523.4622 km, -4658.645 km is the lower left corner
    assert sphere.extent[0] == pytest.approx(-523462.2, abs=0.1)
    assert sphere.extent[2] == pytest.approx(-4658644.7, abs=0.1)
    lon, lat = sphere.lonlat(
        np.array([sphere.extent[2], sphere.extent[3]]), np.array([sphere.extent[0], sphere.extent[1]])
    )
    np.testing.assert_allclose(np.stack([lon, lat]), [[3.5889, 15.7208], [46.9526, 54.7405]], atol=6e-5)


def test_of_an_archive_of_forecasts_what_they_start_from_is_read(wradlib, tmp_path):
    path = real("radolan_more", "DE1200_RV*")
    field = check(find_reader(path).open(path))
    assert field.time.values.tolist() == [np.datetime64("2022-10-18T07:00", "ns").astype(int)]
    assert field.attrs["accumulation_hours"] == "0.0833333"
    with tarfile.open(path) as tape:
        members = {m.name: tape.extractfile(m).read() for m in list(tape)[:2]}
    for name, data in members.items():
        (tmp_path / name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dbz, _ = as_dbz(wradlib, tmp_path / "DE1200_RV2210180700_000")
    np.testing.assert_allclose(field.values[0], dbz[::-1], rtol=0, atol=2e-5)
    with pytest.raises(FileError, match=r"_005: is a forecast \(RV of 2022-10-18T07:00:00Z, 5 minutes ahead\)"):
        Radolan().open(tmp_path / "DE1200_RV2210180700_005")


def test_the_solid_share_is_no_rain():
    path = real("radolan_more", "RE*")
    with pytest.raises(FileError, match=r"is the product RE \(the solid share of precipitation\), expected"):
        find_reader(path).open(path)


def test_packed_in_any_way_it_is_the_same(tmp_path):
    files = sorted(radar_folder("radolan_ry_binary").glob("*"))[:3]
    plain = [gzip.decompress(file.read_bytes()) for file in files]
    alone = np.concatenate([Radolan().open(file).values for file in files])
    (tmp_path / "plain").write_bytes(plain[0])
    (tmp_path / "packed").write_bytes(bz2.compress(plain[0]))
    for name in ("plain", "packed"):
        np.testing.assert_array_equal(find_reader(tmp_path / name).open(tmp_path / name).values, alone[:1])
    for mode, members in (("w:bz2", "gz"), ("w:gz", "plain"), ("w", "gz")):
        path = tmp_path / f"many{mode[1:]}{members}"
        with tarfile.open(path, mode) as tape:
            for number in (2, 0, 1):  # not in order of time
                (tmp_path / "one.gz").write_bytes(files[number].read_bytes())
                (tmp_path / "one").write_bytes(plain[number])
                tape.add(
                    tmp_path / ("one.gz" if members == "gz" else "one"),
                    f"RY{number}" + (".gz" if members == "gz" else ""),
                )
        assert find_reader(path).name == "dwd_radolan"
        field = find_reader(path).open(path)
        np.testing.assert_array_equal(field.values, alone)
        np.testing.assert_array_equal(field.values[1], field[1].values)  # wound back, and read on
        assert (np.diff(field.time.values) == np.timedelta64(5, "m")).all()
