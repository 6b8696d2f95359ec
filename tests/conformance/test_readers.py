"""What every reader in the catalog must do, on tiny true-to-format files and on the real ones."""

import numpy as np
import pytest

from nowcast.core.errors import FileError, NowcastError, SettingsError
from nowcast.core.field import check
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.catalog import READERS, find_reader, reader_named
from tests.fakes import cf, knmi, odim, pictures
from tests.shared_data import radar_folder

BYTES = np.random.default_rng(1).integers(60, 120, (32, 24)).astype(np.uint8)
BYTES[:, :4], BYTES[:, 4:9] = 255, 0
SWISS = np.zeros((640, 710), np.uint8)
SWISS[:, :4], SWISS[40:90, 40:90] = 255, 120

FAKES = {
    "odim_h5": lambda p: odim.write_sweden(p, BYTES),
    "cf_netcdf": lambda p: cf.write_italian(p, np.stack([BYTES] * 3), cf.times("2025-02-01", 3)),
    "knmi_h5": lambda p: knmi.write_knmi(p, BYTES),
    "fmi_pgm": lambda p: pictures.write_fmi(p, BYTES),
    "mch_gif": lambda p: pictures.write_mch(p, SWISS),
}
REAL = {
    "odim_h5": ("opera_odim_20180824", "*.hdf"), "cf_netcdf": ("dpc_north_cf_netcdf", "*.nc"),
    "knmi_h5": ("knmi_hdf5_20100826", "*.h5"),
    "fmi_pgm": ("fmi_pgm_20160928", "*.gz"), "mch_gif": ("mch_gif_20160711", "*.gif"),
}
each = pytest.mark.parametrize("name", READERS)


@pytest.fixture
def tiny(tmp_path):
    return lambda name: FAKES[name](tmp_path / f"{name}.dat")


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
@pytest.mark.parametrize("content", [
    b"", b"\x89HDF\r\n\x1a\n", b"CDF", b"GIF89a", b"P5\n", b"\x1f\x8b\x08", b"<html>", b"\0" * 2000,
])
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
def test_the_three_kinds_of_values_are_there(name, tiny):
    values = READERS[name].open(tiny(name)).values
    assert values.dtype == np.float32
    assert np.isnan(values[..., :4]).all()
    assert (values == NO_ECHO_DBZ).any()
    assert (values > 0).any()


@each
def test_reading_twice_gives_the_same(name, tiny):
    path = tiny(name)
    first, second = READERS[name].open(path), READERS[name].open(path)
    np.testing.assert_array_equal(first.values, second.values)
    assert first.attrs == second.attrs


@each
@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_a_truncated_file_names_itself(name, share, tiny):
    path = tiny(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
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


def _said(reader, path):
    """What a reader says of a file: its one error, or the name of the file when it can be read."""
    try:
        reader.open(path).compute()
    except NowcastError as error:
        return str(error)
    return path.name


@each
def test_real_files_keep_the_contract(name):
    folder, pattern = REAL[name]
    path = sorted(radar_folder(folder).glob(pattern))[-1]
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
