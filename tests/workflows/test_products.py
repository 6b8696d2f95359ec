"""Members and products through the one workflow and the command line."""

import numpy as np
import pytest

import nowcast
from nowcast.cli.main import main
from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.rain import z_r
from nowcast.postprocessing.catalog import PRODUCTS
from nowcast.postprocessing.chain import chain
from nowcast.postprocessing.product_lines import product_lines
from nowcast.postprocessing.rain_sums import RainSum
from nowcast.products.cf_netcdf import read_forecast
from tests.fakes.ensembles import constant, ensemble, observed
from tests.fakes.fields import moving_disc, projected_grid
from tests.fakes.forecasters import Probable, Weak
from tests.fakes.memory_archive import MemoryArchive
from tests.fakes.small_archive import write_archive


def memory_archive(frames=8, relation=""):
    archive = MemoryArchive(moving_disc(projected_grid(24, 32), frames, velocity=(0.5, 1.0)))
    archive.attrs = {"z_r_relation": relation} if relation else {}
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("products"), frames=6)[0]


def test_members_then_products_in_one_call():
    coming = nowcast.forecast(
        memory_archive(),
        Probable(factor=0.9),
        lead_times=6,
        members=4,
        seed=3,
        products=["all"],
        z_r="marshall_palmer",
    )
    assert coming.sizes["member"] == 4
    assert {
        "rain_sum_mean",
        "rain_rate_exceedance_probability",
        "neighbourhood_probability",
        "rain_onset_probability",
        "reflectivity_spread",
    } <= set(coming.data_vars)
    again = nowcast.forecast(
        memory_archive(),
        Probable(factor=0.9),
        lead_times=6,
        z_r="marshall_palmer",
        post=chain(members=4, seed=3, products=["all"], z_r="marshall_palmer"),
    )
    relation = coming.attrs["z_r_relation"]  # of the call, for readers of the whole file; steps name theirs
    assert relation.startswith("marshall_palmer: Z = 200 R^1.6")
    assert coming.identical(again.assign_attrs(z_r_relation=relation))


def test_the_archive_names_the_relation_and_settings_go_by_name():
    relation = str(z_r("wsr88d"))
    coming = nowcast.forecast(
        memory_archive(relation=relation),
        Weak(),
        lead_times=6,
        products={"rain_sum": {"periods_minutes": [20, 40]}},
    )
    assert coming.attrs["z_r_relation"] == relation
    assert coming.rain_sum_mean.attrs["z_r_relation"] == relation
    assert coming.accumulation_period.values.tolist() == [20, 40]
    wettest = coming.rain_sum_mean.values[1]
    assert wettest.max() == pytest.approx(float(z_r("wsr88d").to_rate(39.0)) * 40 / 60, rel=0.25)


def test_the_order_is_corrections_members_products():
    first = RainSum()
    steps = chain([first], members=2, products=["rain_sum", "rain_onset"])
    assert [step.name for step in steps] == ["rain_sum", "members", "rain_sum", "rain_onset"]
    assert steps[0] is first
    assert chain() == []


def test_what_is_missing_is_named():
    with pytest.raises(SettingsError, match="archive without a Z-R relation"):
        nowcast.forecast(memory_archive(), Weak(), lead_times=6, products=["rain_sum"])
    with pytest.raises(NowcastError, match="give --members N"):
        nowcast.forecast(memory_archive(), Probable(), lead_times=6, products=["rain_onset"])
    with pytest.raises(SettingsError, match=r"60 min, expected none beyond the last lead time, 20 min"):
        nowcast.forecast(memory_archive(), Weak(), lead_times=2, products=["rain_sum"], z_r="fmi")


def command(archive, out, *more):
    return main(["forecast", "--archive", str(archive), "--model", "persistence", "--out", str(out), *more])


def test_sums_by_the_command_line(archive, tmp_path, capsys):
    out = tmp_path / "a.nc"
    assert (
        command(
            archive,
            out,
            "--products",
            "rain_sum",
            "--z-r",
            "marshall_palmer",
            "--product-set",
            "rain_sum.periods_minutes=[30,60]",
        )
        == 0
    )
    found = read_forecast(out)
    assert found.accumulation_period.values.tolist() == [30, 60]
    highest = float(np.nanmax(found.rain_sum_mean.values[1]))
    rate = float(z_r("marshall_palmer").to_rate(np.nanmax(found.reflectivity.values)))
    assert highest == pytest.approx(rate, rel=1e-3)  # the rain of persistence stands still
    assert f"rain of 60 min, of the one field: up to {highest:.1f} mm at 45.1N 9." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--products", "rain_sum"],
            "without a Z-R relation, expected one, as it is in mm; give --z-r NAME: mar",
        ),
        (["--products", "rain_sum", "--z-r", "mine"], "z_r: got 'mine'"),
        (["--products", "rain"], "got 'rain', expected one of rain_probability"),
        (["--products", "rain_onset"], "one field without members"),
        (
            ["--products", "rain_sum", "--product-set", "rain_sum.periods_minutes"],
            "--product-set: got rain_sum.periods_minutes, expected NAME.KEY=VALUE",
        ),
        (["--most-missing", "-1"], "missing frames (--most-missing): got -1, expected 0 or more"),
        (["--products", "rain_sum", "--product-set", "rain_onset.depth_db=5"], "--product-set: got rain_onset"),
        (["--products", "rain_sum", "--product-set", "rain_sum.depth=5"], "rain_sum.depth: unknown setting"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(archive, tmp_path, capsys, more, message):
    assert command(archive, tmp_path / "a.nc", *more) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_product(capsys):
    with pytest.raises(SystemExit):
        main(["forecast", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(PRODUCTS)}, or all" in printed


def test_lines_that_a_forecaster_reads():
    shower = constant([-32.0] * 4, 6, (9, 11))
    shower[1:, :, 2, 8] = z_r("marshall_palmer").to_dbz(12.0)
    made, past = ensemble(shower), observed(shower[0, 0])
    for step in chain(products=["all"]):
        made = step.apply(made, past)
    grid = projected_grid(9, 11)
    lon, lat = grid.lonlat(grid.y[[2]], grid.x[[8]])
    place = f"{lat[0]:.1f}N {lon[0]:.1f}E"
    lines = product_lines(made)
    assert f"at least 10 mm in 60 min: up to 75% at {place}" in lines
    assert "at least 20 mm in 60 min: nowhere likely" in lines
    assert f"at least 10 mm/h: up to 75% at {place} in 10 min" in lines
    assert "rain (20 dBZ) now or within 60 min with 50 % or more on 1.0%" in lines
    assert any(line.startswith("20 dBZ within 5 km: up to 75% at") for line in lines)
    made.rain_sum_exceedance_probability.values[:] = np.nan
    assert "at least 1 mm in 60 min: nothing is known" in product_lines(made)
