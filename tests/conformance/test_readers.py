"""What every reader in the catalog must do, on tiny true-to-format files and on the real ones."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nowcast.core.errors import FileError, NowcastError, SettingsError
from nowcast.core.field import FieldError, check
from nowcast.core.grid import Grid
from nowcast.core.processes import Workers
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.catalog import READERS, find_reader, reader_named
from tests.fakes.known import KNOWN
from tests.fakes.zarr_files import as_zarr
from tests.shared_data import radar_folder

REAL = {
    "odim_h5": ("opera_odim_20180824", "*.hdf"),
    "cf_netcdf": ("dpc_north_cf_netcdf", "*.nc"),
    "cf_zarr": ("dpc_north_cf_netcdf", "*.nc"),
    "knmi_h5": ("knmi_hdf5_20100826", "*.h5"),
    "fmi_pgm": ("fmi_pgm_20160928", "*.gz"),
    "mch_gif": ("mch_gif_20160711", "*.gif"),
    "dwd_radolan": ("single_files", "raa01-rx*"),
    "grib2": ("mrms_grib2_20190610", "*.grib2"),
    "geotiff": ("fmi_geotiff_20160928", "*.tif"),
}
each = pytest.mark.parametrize("name", READERS)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The known scene of each reader, see `tests.fakes.known`, written when it is first asked for."""
    return cache(lambda name: KNOWN[name](tmp_path_factory.mktemp(name)))


@pytest.fixture
def known(scenes, tmp_path):
    """The known scene of a reader in files of the test's own."""

    def copied(name):
        scene = scenes(name)
        return replace(scene, files=tuple(Path(shutil.copy(path, tmp_path)) for path in scene.files))

    return copied


@pytest.fixture
def tiny(known):
    return lambda name: known(name).files[0]


def assert_known(reader, known):
    """What the reader gives is the known scene: absence cell by cell, values, times, place."""
    field = xr.concat([reader.open(path) for path in known.files], "time", join="exact")
    np.testing.assert_array_equal(field.time.values, known.times)
    np.testing.assert_array_equal(np.isnan(field.values), np.isnan(known.dbz))
    np.testing.assert_array_equal(field.values == NO_ECHO_DBZ, known.dbz == NO_ECHO_DBZ)
    np.testing.assert_allclose(field.values, known.dbz, rtol=0, atol=2e-3)
    grid = Grid.of(field)
    assert grid.crs.equals(known.crs) or grid.crs.to_proj4() == known.crs.to_proj4()
    np.testing.assert_allclose(grid.y, known.y, rtol=0, atol=1e-3 * grid.spacing[0])
    np.testing.assert_allclose(grid.x, known.x, rtol=0, atol=1e-3 * grid.spacing[1])


def upside_down(field):
    return field.copy(data=field.data[:, ::-1])


def mirrored(field):
    return field.copy(data=field.data[:, :, ::-1])


def halved(field):
    return field.where((field == NO_ECHO_DBZ) | field.isnull(), field / 2)


def dry_where_not_observed(field):
    return field.fillna(NO_ECHO_DBZ)


def not_observed_where_dry(field):
    return field.where(field != NO_ECHO_DBZ)


def an_hour_late(field):
    return field.assign_coords(time=field.time + np.timedelta64(1, "h"))


def half_a_cell_south(field):
    return field.assign_coords(y=field.y + float(field.y[1] - field.y[0]) / 2)


def half_a_cell_east(field):
    return field.assign_coords(x=field.x + float(field.x[1] - field.x[0]) / 2)


@dataclass
class Mistaken:
    """A reader that makes one mistake."""

    reader: Reader
    mistake: Callable

    def open(self, path):
        return self.mistake(self.reader.open(path)).assign_attrs(self.reader.open(path).attrs)


def test_every_reader_has_its_known_scene_and_its_real_files():
    assert set(KNOWN) == set(READERS)
    assert set(REAL) == set(READERS)


@each
def test_values_times_place_and_absence_are_the_known_ones(name, known):
    assert_known(READERS[name], known(name))


@each
@pytest.mark.parametrize(
    "mistake",
    [
        upside_down,
        mirrored,
        halved,
        dry_where_not_observed,
        not_observed_where_dry,
        an_hour_late,
        half_a_cell_south,
        half_a_cell_east,
    ],
)
def test_the_comparison_notices_every_mistake(name, mistake, known):
    with pytest.raises(AssertionError):
        assert_known(Mistaken(READERS[name], mistake), known(name))


@each
def test_the_name_in_the_catalog_is_the_readers_own(name):
    assert READERS[name].name == name
    assert isinstance(READERS[name], Reader)


@each
def test_content_alone_decides_who_reads(name, tiny):
    assert find_reader(tiny(name)).name == name
    for other in READERS:
        assert READERS[other].sniff(tiny(name)) is (other == name)


@each
@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"CDF", b"GIF89a", b"P5\n", b"\x1f\x8b\x08", b"<html>", b"\0" * 2000]
)
def test_sniffing_never_raises(name, content, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert READERS[name].sniff(path) is False
    assert READERS[name].sniff(tmp_path / "absent") is False
    assert READERS[name].sniff(tmp_path) is False


@each
def test_a_field_comes_out_lazily_one_frame_a_chunk(name, tiny, monkeypatch):
    def never(*_, **__):
        raise AssertionError("values were read while opening")

    with monkeypatch.context() as patch:
        patch.setattr("dask.base.get_scheduler", lambda *_, **__: never)
        field = check(READERS[name].open(tiny(name)), values=False)
        with pytest.raises(AssertionError, match="values were read"):
            field.compute()
    assert field.data.chunks[0] == (1,) * len(field.time)
    assert field.attrs["source"]
    check(field)


@each
def test_the_three_kinds_of_values_are_there(name, known):
    scene = known(name)
    values = READERS[name].open(scene.files[-1]).values
    assert values.dtype == np.float32
    assert np.isnan(values[-1, :, :4]).all()
    assert (values == NO_ECHO_DBZ).any()
    assert (values > 0).any()


@each
def test_reading_twice_gives_the_same(name, tiny):
    path = tiny(name)
    first, second = READERS[name].open(path), READERS[name].open(path)
    np.testing.assert_array_equal(first.values, second.values)
    assert first.attrs == second.attrs


@each
@pytest.mark.parametrize(
    "percent", [p if p % 9 == 1 else pytest.param(p, marks=pytest.mark.slow) for p in range(1, 100)]
)
def test_no_cut_file_is_taken_for_whole(name, percent, tiny):
    path = tiny(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * percent // 100])
    with pytest.raises(NowcastError, match=path.name):
        find_reader(path).open(path).compute()


@each
@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_gives_values_or_one_clear_error(name, seed, tiny):
    path = tiny(name)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(data), 12):
        data[place] = rng.integers(0, 256)
    path.write_bytes(data)
    assert path.name in _said(READERS[name], path)


@pytest.fixture(scope="module")
def whole(scenes):
    """The bytes of one file of each format."""
    return {name: scenes(name).files[0].read_bytes() for name in KNOWN}


@each
@settings(
    max_examples=25,  # tests/fuzz/test_radar_files.py tries many
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    edits=st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=8)), max_size=6),
    cut=st.none() | st.integers(0, 8000),
)
def test_any_change_of_the_first_kilobytes_gives_values_or_one_clear_error(
    name, edits, cut, whole, pool, tmp_path
):
    data = bytearray(whole[name])
    for place, content in edits:
        start = place % len(data)
        data[start : start + len(content)] = content
    path = tmp_path / "fuzzed.dat"
    path.write_bytes(data[:cut])
    said = list(pool.each(_tried, [(path, None), (path, name)], lambda task, how: f"{task[0]} {how}"))
    assert all("fuzzed.dat" in line for line in said)
    assert not any("did not end" in line for line in said)


@pytest.fixture(scope="module")
def pool():
    """As an ingest reads: the HDF5 library itself crashes on some files, which costs that file alone."""
    with Workers(1, seconds=30.0) as workers:
        yield workers


def _tried(task):
    """The one error of a file, or its name when it can be read or only a value is wrong."""
    path, named = task
    try:
        check(find_reader(path, named).open(path).compute())
    except FieldError:
        return path.name
    except NowcastError as error:
        return str(error)
    return path.name


def _said(reader, path):
    """What a reader says of a file: its one error, or the name of the file when it can be read."""
    try:
        reader.open(path).compute()
    except NowcastError as error:
        return str(error)
    return path.name


@each
def test_real_files_keep_the_contract(name, tmp_path):
    folder, pattern = REAL[name]
    path = sorted(radar_folder(folder).glob(pattern))[-1]
    if name == "cf_zarr":  # written of a real file, as services write theirs
        copy = shutil.copy(path, tmp_path / "real.nc")
        path = as_zarr(Path(copy), frames=slice(-2, None))
    assert find_reader(path).name == name
    field = READERS[name].open(path)
    last = check(field[-1:])
    assert np.isnan(last.values).mean() < 0.8
    assert 30 < np.nanmax(last.values) < 80


def test_when_none_fits_the_error_says_what_it_looks_like_and_who_was_asked(tmp_path):
    path = tmp_path / "radar.h5"
    path.write_bytes(b"<!DOCTYPE html><html>503 Service Unavailable</html>")
    with pytest.raises(FileError, match=r"radar\.h5: is an HTML page.*odim_h5, cf_netcdf"):
        find_reader(path)
    path.write_bytes(b"")
    with pytest.raises(FileError, match=r"radar\.h5: is empty"):
        find_reader(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 500)
    with pytest.raises(FileError, match=r"radar\.h5: is a truncated or damaged HDF5"):
        find_reader(path)
    with pytest.raises(FileError, match=r"absent\.h5: cannot be opened"):
        find_reader(tmp_path / "absent.h5")
    with pytest.raises(SettingsError, match="got 'odim', expected one of odim_h5"):
        reader_named("odim")
