"""FMI PGM: bytes to dBZ, and the corners against the pixel size that the file states."""

import gzip

import numpy as np
import pytest

from nowcast.core.errors import FileError, GridError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.fmi_pgm import FmiPgm
from tests.fakes.pictures import write_fmi
from tests.shared_data import radar_folder

RAW = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize("compress", [True, False])
def test_every_byte_is_exact(tmp_path, compress):
    field = FmiPgm().open(write_fmi(tmp_path / "f.pgm", RAW, compress=compress))
    expected = (np.arange(256) / 2 - 32).astype(np.float32)
    expected[255] = np.nan
    np.testing.assert_array_equal(field.values.ravel(), expected)
    assert field.time.values[0] == np.datetime64("2016-09-28T14:45")
    np.testing.assert_allclose(Grid.of(field).spacing, (1000.0, 1000.0), rtol=1e-6)


def test_what_is_refused_says_why(tmp_path):
    with pytest.raises(FileError, match=r"f\.pgm: holds 'Velocity'"):
        FmiPgm().open(write_fmi(tmp_path / "f.pgm", RAW, param="Velocity"))
    with pytest.raises(GridError, match="contradicts itself"):
        FmiPgm().open(write_fmi(tmp_path / "f.pgm", RAW, stated=1100.0))
    with pytest.raises(FileError, match="8-bit"):
        FmiPgm().open(write_fmi(tmp_path / "f.pgm", RAW, maximum=65535))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("keep", [0.3, 0.95])
def test_a_truncated_file_names_itself(tmp_path, compress, keep):
    raw = np.random.default_rng(0).integers(0, 255, (64, 64))
    path = write_fmi(tmp_path / "t.pgm", raw, compress=compress)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(FileError, match=r"t\.pgm.*truncated"):
        FmiPgm().open(path).compute()


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    path = write_fmi(tmp_path / "b.pgm", RAW, compress=False)
    path.write_bytes(gzip.compress(path.read_bytes().replace(b"16 16\n", b"160000 160000\n")))
    with pytest.raises(FileError, match="160000 x 160000"):
        FmiPgm().open(path)


def test_a_real_file_agrees_with_its_comments_and_bytes():
    path = sorted(radar_folder("fmi_pgm_20160928").iterdir())[0]
    field = FmiPgm().open(path)
    grid = Grid.of(field)
    assert grid.shape == (1226, 760)
    np.testing.assert_allclose(grid.spacing, (999.62859, 999.674053), atol=1e-4)
    lon, lat = grid.lonlat(
        np.array([grid.extent[2], grid.extent[3]]), np.array([grid.extent[0], grid.extent[1]])
    )
    np.testing.assert_allclose(lon, [18.6, 34.903], atol=0.01 * 0.009)
    assert lat[0] == pytest.approx(57.93, abs=0.2)  # a sphere's latitude, not the ellipsoid's
    raw = np.frombuffer(gzip.decompress(path.read_bytes())[-1226 * 760 :], np.uint8).reshape(1226, 760)
    values = field.values[0]
    assert np.array_equal(np.isnan(values), raw == 255)
    np.testing.assert_array_equal(values[raw < 255], raw[raw < 255] / np.float32(2) - np.float32(32))
