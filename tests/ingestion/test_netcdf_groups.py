"""Variables in groups of netCDF and HDF5: IMERG by its mapping, the one group with a field, what is refused."""

import netCDF4
import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.core.errors import FileError, SettingsError
from nowcast.core.grid import Grid
from nowcast.core.packaged_configs import config_path
from nowcast.core.rain import z_r
from nowcast.core.settings import build, merged, read_yaml
from nowcast.ingestion.mapped.reader import Mapped, mapped
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.cf_groups import in_group
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.cf_store import NetcdfStore
from nowcast.workflows.ingest import ingest
from tests.fakes import cf, imerg

RAIN = np.array(
    [
        [0.0, 0.5, 1.0, np.nan, 2.0, 4.0],
        [0.1, 8.0, 0.0, 16.0, 32.0, 0.2],
        [0.0, 0.0, 0.0, 0.0, 0.0, 50.0],
        [np.nan] * 6,
    ]
)
"""mm/h from the south."""


def dbz(rain):
    return np.where(np.isnan(rain), np.nan, np.maximum(z_r("marshall_palmer").to_dbz(rain), -32.0))[::-1]


def example(**changes):
    return Mapped(build(Mapping, merged(read_yaml(config_path("imerg", "ingest")), changes)))


@pytest.mark.parametrize("version", [6, 7])
def test_imerg_by_its_mapping(version, tmp_path):
    path = imerg.write_imerg(tmp_path / "i.HDF5", RAIN, version=version)
    reader = mapped("imerg") if version == 7 else example(variable="precipitationCal")
    assert reader.sniff(path)
    field = reader.open(path)
    np.testing.assert_allclose(field.values[0], dbz(RAIN), atol=1e-4)
    assert field["time"].values == np.datetime64("2024-01-15T00:30")
    grid = Grid.of(field)
    np.testing.assert_allclose(grid.y, imerg.LAT[::-1], atol=1e-5)
    np.testing.assert_allclose(grid.x, imerg.LON, atol=1e-5)
    assert field.attrs["accumulation_hours"] == "0.5"
    assert field.attrs["quantity"] == ("precipitation" if version == 7 else "precipitationCal")


def test_imerg_through_to_an_archive(tmp_path):
    for k, start in enumerate(("2024-01-15T00:00", "2024-01-15T00:30")):
        imerg.write_imerg(tmp_path / f"{k}.HDF5", RAIN + k, start)
    with pytest.raises(FileError, match="is HDF5 of GPM IMERG, which --mapping imerg reads"):
        find_reader(tmp_path / "0.HDF5")
    files = [tmp_path / "0.HDF5", tmp_path / "1.HDF5"]
    report = ingest(files, tmp_path / "a.zarr", 1, False, reader=mapped("imerg"))
    assert (report.frames, report.problems) == (2, ())
    archive = Archive.open(tmp_path / "a.zarr")
    assert [str(t)[11:16] for t in archive.times] == ["00:30", "01:00"]
    np.testing.assert_allclose(archive.dbz(archive.times[1]), dbz(RAIN + 1), atol=0.006)
    assert archive.attrs["measured_quantity"] == "mean rain rate over 30 minutes (precipitation)"


def test_without_the_word_of_the_mapping_another_calendar_is_refused(tmp_path):
    path = imerg.write_imerg(tmp_path / "i.HDF5", RAIN)
    for reader in (CfNetcdf(), example(time={"calendar": None})):
        with pytest.raises(FileError, match=r"got 'julian'.*time: \{calendar: standard\}"):
            reader.open(path)


def grouped(path, groups, root=()):
    """The same scene in groups; ``root`` names variables that stay in the root, with their dimensions."""
    scene = cf.scene()
    scene.write(path.with_name("plain.nc"))
    with netCDF4.Dataset(path.with_name("plain.nc")) as plain, netCDF4.Dataset(path, "w") as data:
        data.Conventions = "CF-1.8"
        for name in groups:
            made = data.createGroup(name)
            for dimension, size in plain.dimensions.items():
                holder = data if root else made
                if dimension not in holder.dimensions:
                    holder.createDimension(dimension, len(size))
            for variable in plain.variables.values():
                holder = data if variable.name in root else made
                if variable.name in holder.variables:
                    continue
                attributes = {n: variable.getncattr(n) for n in variable.ncattrs()}
                fill = attributes.pop("_FillValue", None)
                copied = holder.createVariable(
                    variable.name, variable.dtype, variable.dimensions, fill_value=fill
                )
                copied.setncatts(attributes)
                for one in (variable, copied):
                    one.set_auto_maskandscale(False)
                copied[...] = variable[...]
    return scene


@pytest.mark.parametrize("group", ["radar", "level3/radar"])
@pytest.mark.parametrize("shared", [False, True])
def test_the_one_group_with_a_field_is_read(group, shared, tmp_path):
    path = tmp_path / "g.nc"
    names = set()
    if shared:
        cf.scene().write(tmp_path / "p.nc")
        with netCDF4.Dataset(tmp_path / "p.nc") as data:
            names = {n for n, v in data.variables.items() if v.ndim <= 1}
    scene = grouped(path, [group], names)
    with netCDF4.Dataset(path, "a") as data:
        data.createGroup("about").note = "nothing to read"
    assert CfNetcdf().sniff(path)
    cf.assert_truth(CfNetcdf().open(path), scene)


def test_of_several_groups_one_has_to_be_chosen(tmp_path):
    path = tmp_path / "g.nc"
    scene = grouped(path, ["high", "low", "low/inner"])
    with pytest.raises(FileError, match=r"got in the groups 'high', 'low', expected one .* group: 'high'"):
        CfNetcdf().open(path)
    for group in ("low", "low/inner", "/high/"):
        cf.assert_truth(Mapped(Mapping("m", group=group)).open(path), scene)
    with pytest.raises(FileError, match=r"group: got 'lower', expected one of 'high', 'low'"):
        Mapped(Mapping("m", group="lower")).open(path)


def test_what_a_group_has_hides_what_the_groups_around_it_have(tmp_path):
    path = tmp_path / "g.nc"
    scene = grouped(path, ["low", "low/inner"])
    with netCDF4.Dataset(path, "a") as data:
        data.note, data["low/inner"].note, data["low"].only = "outer", "inner", "around"
        for variable in data["low"].variables.values():
            if variable.ndim >= 2:
                variable.set_auto_maskandscale(False)
                variable[...] = 0
        found = in_group(path, data, "low/inner")
        assert (found.note, found.only, found.ncattrs().count("note")) == ("inner", "around", 1)
    cf.assert_truth(Mapped(Mapping("m", group="low/inner")).open(path), scene)


def test_other_arrays_outside_groups_hide_no_field_and_the_root_can_be_chosen(tmp_path):
    path = tmp_path / "g.nc"
    scene = grouped(path, ["Grid"])
    with netCDF4.Dataset(path, "a") as data:
        data.createDimension("steps", 1)
        data.createDimension("nv", 2)
        data.createVariable("time_bnds", "f8", ("steps", "nv"))[...] = 0.0
    cf.assert_truth(CfNetcdf().open(path), scene)
    with pytest.raises(FileError, match=r"holds 'time_bnds' without units"):
        Mapped(Mapping("m", group="/")).open(path)


def test_the_name_of_a_group_is_quoted_and_cut_wherever_it_is_told(tmp_path):
    path = tmp_path / "g.nc"
    grouped(path, ["a b" + "c" * 200, "low"])
    with pytest.raises(FileError, match=r"group: 'a bc{50}") as told:
        CfNetcdf().open(path)
    assert "c" * 120 not in str(told.value)


def test_groups_without_a_field_and_files_without_groups_are_told(tmp_path):
    with netCDF4.Dataset(tmp_path / "n.nc", "w") as data:
        data.createGroup("a").createGroup("b")
    with pytest.raises(FileError, match="its variables lie in the groups 'a'"):
        CfNetcdf().open(tmp_path / "n.nc")
    cf.scene(data_model="NETCDF3_CLASSIC").write(tmp_path / "c.nc")
    with pytest.raises(SettingsError, match="group: got 'a', expected none but for netCDF-4"):
        Mapped(Mapping("m", group="a")).open(tmp_path / "c.nc")


def test_a_frame_of_a_group_is_found_again_by_both_libraries(tmp_path):
    path = imerg.write_imerg(tmp_path / "i.HDF5", RAIN)
    with NetcdfStore("Grid").opened(path) as data:
        stored = NetcdfStore("Grid").stored(data.variables["precipitation"])
    assert stored.name == "Grid/precipitation"
    with netCDF4.Dataset(path) as data:
        assert data[stored.name].shape == (1, 6, 4)
