"""CF netCDF: what is read is reflectivity or rain that was observed, and nothing that only looks so."""

import math

import netCDF4
import pytest

from nowcast.core.errors import FileError
from nowcast.core.times import to_text
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.cf_netcdf import CfNetcdf
from nowcast.ingestion.readers.cf_quantity import factor_to
from tests.fakes import cf
from tests.shared_data import radar_folder


def grid_file(path, variables, dims=("time", "lat", "lon"), root=None, scalars=()):
    """A file of one frame 2 x 3 at 12:00; ``variables`` are name -> (units, further attributes, value)."""
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts(root or {})
        for name, size in (("time", 1), ("lat", 2), ("lon", 3), ("member", 2)):
            data.createDimension(name, size)
        for name, unit, numbers in (
            ("time", "minutes since 2021-07-04 12:00", [0]),
            ("lat", "degrees_north", [51, 50]),
            ("lon", "degrees_east", [6, 7, 8]),
        ):
            var = data.createVariable(name, "f8", (name,))
            var.units = unit
            var[:] = numbers
        for name, attrs in scalars:
            data.createVariable(name, "f8", ()).setncatts(attrs)
        for name, (units, attrs, value) in variables.items():
            var = data.createVariable(name, "f4", dims)
            var.setncatts({"units": units, **attrs})
            var[:] = value
    return path


def value_of(path, variable=None):
    return float(CfNetcdf(variable=variable).open(path).values[0, 0, 0])


@pytest.mark.parametrize(
    "units",
    [
        "dBZ",
        "dbz",
        "DBZ",
        "dBz",
        "dB",
        "DB",
        "dB(Z)",
        "10*log10(mm6 m-3)",
        "10 log10(mm^6 m^-3)",
        "10lg(Z)",
        "lg(re 1e-18 m^3)/10",
    ],
)
@pytest.mark.parametrize(
    "named", [{"standard_name": "equivalent_reflectivity_factor"}, {"long_name": "Radar reflectivity"}]
)
def test_decibels_however_they_are_spelt(tmp_path, units, named):
    assert value_of(grid_file(tmp_path / "z.nc", {"Z": (units, named, 27.5)})) == pytest.approx(27.5, abs=1e-4)


def test_bels_are_ten_decibels(tmp_path):
    path = grid_file(tmp_path / "z.nc", {"Z": ("lg(re 1 mm^6 m^-3)", {"long_name": "reflectivity"}, 2.75)})
    assert value_of(path) == pytest.approx(27.5, abs=1e-4)


@pytest.mark.parametrize(
    ("units", "value"),
    [
        ("mm h-1", 10),
        ("mm/h", 10),
        ("mm/hr", 10),
        ("mm hr^-1", 10),
        ("millimeters per hour", 10),
        ("mm h**-1", 10),
        ("kg m-2 s-1", 10 / 3600),
        ("kg m**-2 s**-1", 10 / 3600),
        ("kg/m^2/h", 10),
        ("m s-1", 1e-2 / 3600),
        ("mm s-1", 10 / 3600),
        ("cm h-1", 1),
        ("mm day-1", 240),
        ("inch/hour", 10 / 25.4),
        ("0.1 mm/h", 100),
        ("mm/(5 min)", 10 / 12),
        ("10^-3 m h-1", 10),
    ],
)
def test_rates_in_any_unit_are_millimetres_an_hour(tmp_path, units, value):
    path = grid_file(tmp_path / "r.nc", {"rr": (units, {"standard_name": "lwe_precipitation_rate"}, value)})
    assert value_of(path) == pytest.approx(39.0103, abs=1e-3)  # 10 log10(200 * 10^1.6)


@pytest.mark.parametrize(
    ("units", "attrs", "name"),
    [
        ("m s-1", {"standard_name": "upward_air_velocity"}, "w"),
        ("m s-1", {"long_name": "vertical velocity"}, "w"),
        ("m s-1", {}, "w"),
        ("mm h-1", {}, "data"),
        ("mm h-1", {"standard_name": "lwe_water_evaporation_rate"}, "rate"),
        ("mm h-1", {"long_name": "precipitation minus evaporation"}, "pme"),
        ("kg m-2 s-1", {"standard_name": "runoff_flux"}, "ro"),
        ("mm/5min", {"long_name": "rain"}, "rr"),
        ("dB", {"long_name": "differential reflectivity"}, "zdr"),
        ("dB", {}, "snr"),
        ("dBZ", {"long_name": "uncertainty of reflectivity"}, "e"),
        ("K", {"long_name": "rain"}, "t"),
        ("mm6 m-3", {"standard_name": "equivalent_reflectivity_factor"}, "zlin"),
        ("kg m-2", {"standard_name": "lwe_precipitation_rate"}, "rr"),
        ("1", {"standard_name": "equivalent_reflectivity_factor status_flag"}, "q"),
    ],
)
def test_what_only_looks_like_rain_is_named_with_its_unit(tmp_path, units, attrs, name):
    path = grid_file(tmp_path / "w.nc", {name: (units, attrs, 1)})
    with pytest.raises(FileError) as caught:
        CfNetcdf().open(path)
    assert f"w.nc: holds '{name}' in '{units}'" in str(caught.value)
    assert "damaged" not in str(caught.value)
    assert find_reader(path).name == "cf_netcdf"


@pytest.mark.parametrize(
    ("units", "attrs", "rate"),
    [
        ("mm h-1", {"standard_name": "lwe_precipitation_rate"}, 4.5),
        ("mm s-1", {"standard_name": "lwe_precipitation_rate"}, 4.5 * 3600),
        ("cm day-1", {"standard_name": "lwe_precipitation_rate"}, 4.5 / 2.4),
        ("mm", {"standard_name": "precipitation_amount", "cell_methods": "time: sum (interval: 15 min)"}, 18.0),
    ],
)
def test_scale_and_offset_are_both_converted(tmp_path, units, attrs, rate):
    """A stored 20, times 0.1 and plus 2.5, is 4.5 of the unit; a stored 3 is 2.8."""
    path = grid_file(tmp_path / "o.nc", {"rr": (units, {**attrs, "scale_factor": 0.1, "add_offset": 2.5}, 0)})
    with netCDF4.Dataset(path, "a") as data:
        data["rr"].set_auto_maskandscale(False)
        data["rr"][:] = [[[20, 3, 20]] * 2]
    values = CfNetcdf().open(path).values[0, 0]
    expected = [10 * math.log10(200 * r**1.6) for r in (rate, rate * 2.8 / 4.5, rate)]
    assert values.tolist() == pytest.approx(expected, abs=1e-3)


def test_reflectivity_goes_before_rain_and_a_choice_before_both(tmp_path):
    path = grid_file(
        tmp_path / "m.nc",
        {
            "a": ("dBZ", {}, 20),
            "b": ("dBZ", {}, 30),
            "rain": ("mm h-1", {}, 1),
            "x": ("mm h-1", {}, 10),
            "w": ("m s-1", {"standard_name": "upward_air_velocity"}, 1),
        },
    )
    with pytest.raises(FileError, match=r"got 'a' in 'dBZ', 'b' in 'dBZ', .*choose with --variable 'a'"):
        CfNetcdf().open(path)
    assert value_of(path, "b") == 30
    assert value_of(path, "rain") == pytest.approx(23.0103, abs=1e-4)
    assert value_of(path, "x") == pytest.approx(39.0103, abs=1e-4)
    with pytest.raises(FileError, match=r"has no variable 'c', expected one of 'a' in 'dBZ'"):
        CfNetcdf(variable="c").open(path)
    with pytest.raises(FileError, match=r"variable 'w' in 'm s-1' \('upward_air_velocity'\) is neither"):
        CfNetcdf(variable="w").open(path)


RAIN = {"rain": ("mm h-1", {}, 1)}


@pytest.mark.parametrize(
    "marks",
    [
        {"scalars": [("frt", {"standard_name": "forecast_reference_time", "units": "hours since 2021-07-04"})]},
        {"scalars": [("fp", {"standard_name": "forecast_period", "units": "min"})]},
        {"scalars": [("leadtime", {"units": "min"})]},
        {"root": {"nowcast_format": "nowcast forecast 1"}},
        {"dims": ("member", "lat", "lon")},
        {"dims": ("time", "member", "lat", "lon")},
        {"scalars": [("realization", {"standard_name": "realization", "units": "1"})]},
    ],
)
def test_a_forecast_is_not_an_observation(tmp_path, marks):
    path = grid_file(tmp_path / "f.nc", RAIN, **marks)
    with pytest.raises(FileError, match=r"f\.nc: .*forecast"):
        CfNetcdf().open(path)


def test_times_called_forecast_times_are_a_forecast(tmp_path):
    path = grid_file(tmp_path / "f.nc", RAIN)
    with netCDF4.Dataset(path, "a") as data:
        data["time"].long_name = "forecast time"
    with pytest.raises(FileError, match=r"its times are 'forecast time'.*a forecast"):
        CfNetcdf().open(path)


@pytest.mark.parametrize("named", ["rain forecast", "predicted precipitation", "Radar nowcast of rain"])
def test_a_variable_called_a_forecast_is_one(tmp_path, named):
    path = grid_file(tmp_path / "f.nc", {"rain": ("mm h-1", {"long_name": named}, 1)})
    with pytest.raises(FileError, match=rf"f\.nc: 'rain' is a forecast \('{named}'\)"):
        CfNetcdf().open(path)
    path = grid_file(tmp_path / "n.nc", {"rain": ("mm h-1", {"long_name": "rain rate for nowcasting"}, 1)})
    assert value_of(path) == pytest.approx(23.0103, abs=1e-4)


@pytest.mark.parametrize("kind", ["conventions", "dimensions", "groups"])
def test_polar_volumes_are_called_polar(tmp_path, kind):
    path = tmp_path / "p.nc"
    with netCDF4.Dataset(path, "w") as data:
        data.Conventions = "CF/Radial instrument_parameters" if kind == "conventions" else "CF-1.6"
        group = data.createGroup("sweep_0001") if kind == "groups" else data
        for name, size in (("time", 3), ("range", 4)):
            group.createDimension(name, size)
        for name in ("azimuth", "elevation"):
            group.createVariable(name, "f4", ("time",)).units = "degrees"
        group.createVariable("DBZ", "f4", ("time", "range")).units = "dBZ"
    with pytest.raises(FileError, match=r"p\.nc: is a polar volume .*expected a composite.*Py-ART"):
        CfNetcdf().open(path)


def test_a_real_polar_volume_is_called_polar():
    path = radar_folder("polar") / "MLL2217907250U.003.nc"
    with pytest.raises(FileError, match="is a polar volume"):
        find_reader(path).open(path)


def test_variables_in_groups_are_found_by_the_name_of_the_group(tmp_path):
    with netCDF4.Dataset(tmp_path / "g.nc", "w") as data:
        data.createGroup("Grid").createDimension("lat", 2)
    with pytest.raises(FileError, match=r"g\.nc: its variables lie in the groups 'Grid'"):
        CfNetcdf().open(tmp_path / "g.nc")


def test_text_of_the_file_reaches_no_terminal_raw(tmp_path):
    path = grid_file(tmp_path / "e.nc", {"rain": ("\x1b[31mmm\n", {}, 1)}, root={"institution": "a\x1b[2Jb"})
    with pytest.raises(FileError) as caught:
        CfNetcdf().open(path)
    assert "\x1b" not in str(caught.value)
    scene = cf.scene()
    scene.write(tmp_path / "s.nc")
    with netCDF4.Dataset(tmp_path / "s.nc", "a") as data:
        data.institution = "a\x1b[2Jb\n" + "x" * 5000
    source = CfNetcdf().open(tmp_path / "s.nc").attrs["source"]
    assert source.startswith("a [2Jb x")
    assert len(source) == 1000


@pytest.mark.parametrize(
    ("units", "target", "factor"),
    [
        ("km", "m", 1000.0),
        ("K", "degC", None),
        ("mm6 m-3", "dBZ", None),
        ("", "m", None),
        ("%%%", "m", None),
        ("hours since 2000-01-01", "s", None),
        ("degrees", "degrees", 1.0),
        ("-1 m", "m", None),
    ],
)
def test_factors_of_units(units, target, factor):
    assert factor_to(units, target) == factor


def test_times_of_the_fake_are_what_is_said():
    assert to_text(cf.scene().times[0]) == "2025-03-01T11:50:00Z"


@pytest.mark.parametrize(
    ("name", "units", "attrs"),
    [
        ("w", "m s-1", {"long_name": "rain drop terminal fall speed"}),
        ("pwat", "mm", {"long_name": "precipitable water"}),
        ("lwc", "kg m-2", {"standard_name": "atmosphere_mass_content_of_rain_water"}),
        ("vil", "kg m-2", {"long_name": "vertically integrated rain water"}),
        ("d0", "mm", {"long_name": "median diameter of rain drops"}),
        ("clutter", "dBZ", {"long_name": "clutter map, reflectivity"}),
    ],
)
def test_rain_in_the_air_is_no_rain_at_the_ground(tmp_path, name, units, attrs):
    path = grid_file(tmp_path / "r.nc", {name: (units, {"accumulation_period": "PT1H", **attrs}, 1.0)})
    with pytest.raises(FileError, match="expected exactly one variable"):
        value_of(path)


@pytest.mark.parametrize("name", ["column maximum reflectivity", "reflectivity without clutter"])
def test_words_that_part_rain_leave_reflectivity_alone(tmp_path, name):
    assert value_of(grid_file(tmp_path / "z.nc", {"cmax": ("dBZ", {"long_name": name}, 30.0)})) == 30.0
