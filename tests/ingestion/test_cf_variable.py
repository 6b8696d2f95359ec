"""`nowcast ingest --variable`: one of several variables that would do, through to the archive."""

import netCDF4
import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import SettingsError
from nowcast.ingestion.readers.catalog import reader_named
from tests.fakes import cf


@pytest.fixture
def two(tmp_path):
    """A day with the variables Z and, 10 dBZ higher where there is echo, W."""
    scene = cf.scene()
    path = tmp_path / "two.nc"
    scene.write(path)
    with netCDF4.Dataset(path, "a") as data:
        data.set_auto_maskandscale(False)
        other = data.createVariable("W", "i2", data["Z"].dimensions, fill_value=np.int16(-999))
        other.set_auto_maskandscale(False)
        other.setncatts({k: data["Z"].getncattr(k) for k in data["Z"].ncattrs() if k != "_FillValue"})
        raw = np.asarray(data["Z"][:])
        other[:] = np.where(raw > -400, raw + 20, raw)
    return path, scene


def run(path, *more):
    return main(["ingest", str(path), "--archive", str(path.parent / "a.zarr"), "--workers", "1", *more])


def test_two_variables_are_refused_and_the_line_says_how_to_choose(two, capsys):
    path, _ = two
    assert run(path) == 2
    assert "got 'Z' in 'dBZ', 'W' in 'dBZ', expected exactly one" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "more"), [("Z", 0.0), ("W", 10.0)])
def test_the_chosen_variable_is_in_the_archive(two, name, more):
    path, scene = two
    assert run(path, "--variable", name) == 0
    archive = Archive.open(path.parent / "a.zarr")
    frames = archive.frames(archive.times)
    expected = np.where(scene.dbz > -32, scene.dbz + more, scene.dbz)
    np.testing.assert_allclose(frames.values, expected, atol=5e-3)
    np.testing.assert_array_equal(archive.times, scene.times)
    assert [s.reader for s in archive.done_sources()] == [f"cf_netcdf:{name}"]


def test_a_file_of_another_format_is_called_by_its_own(tmp_path, capsys):
    from nowcast.products.odim_h5 import write_composite
    from tests.fakes.fields import projected_grid

    grid = projected_grid()
    path = write_composite(tmp_path / "own.h5", np.zeros(grid.shape, "f4"), np.datetime64("2025-03-01"), grid)
    assert run(path, "--variable", "Z") == 2
    wanted = "own.h5: is odim_h5, expected netCDF of a chosen variable; leave --variable out"
    assert wanted in capsys.readouterr().err
    assert run(path, "--reader", "odim_h5", "--step", "10") == 0
    assert "a.zarr: 1 new frame in " in capsys.readouterr().out


def test_a_choice_without_sense_is_refused(two, capsys):
    path, _ = two
    assert run(path, "--variable", "Q") == 2
    assert "has no variable 'Q', expected one of 'Z' in 'dBZ', 'W' in 'dBZ'" in capsys.readouterr().err
    assert run(path, "--variable", "Z", "--reader", "odim_h5") == 2
    assert "--variable: got it with --reader odim_h5" in capsys.readouterr().err
    for name in ("cf_netcdf:", "odim_h5:Z", "nothing:Z"):
        with pytest.raises(SettingsError, match=f"reader: got '{name}'"):
            reader_named(name)
