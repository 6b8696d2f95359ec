import numpy as np
import pytest

from nowcast.cli.main import main
from nowcast.products.cf_netcdf import read_forecast
from tests.fakes.fields import moving_disc, projected_grid


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Nine frames every 10 minutes from 10:00; that of 10:10 is missing."""
    from nowcast.products.odim_h5 import OdimPacking, write_composite
    from nowcast.workflows.ingest import ingest

    folder = tmp_path_factory.mktemp("forecast")
    grid = projected_grid()
    storm = moving_disc(grid, frames=9)
    files = [
        write_composite(
            folder / f"{i}.h5",
            storm.values[i],
            storm["time"].values[i],
            grid,
            packing=OdimPacking(gain=0.01, bits=16),
        )
        for i in range(9)
        if i != 1
    ]
    ingest(files, folder / "a.zarr", workers_count=1, progress=False)
    return folder / "a.zarr"


def forecast(archive, out, *more):
    return main(["forecast", "--archive", str(archive), "--out", str(out), *more])


def test_persistence_from_files_to_forecast_file_keeps_every_value(archive, tmp_path, capsys):
    assert forecast(archive, tmp_path / "a.nc", "--model", "persistence", "--leads", "3") == 0
    found = read_forecast(tmp_path / "a.nc")
    truth = moving_disc(projected_grid(), frames=9).values[-1]
    np.testing.assert_allclose(found.reflectivity.values[2], truth, atol=0.00501)
    np.testing.assert_array_equal(found.reflectivity.values[2] == -32, truth == -32)
    assert found["forecast_reference_time"].values == np.datetime64("2025-03-22T11:20")
    assert len(found.attrs["archive_fingerprint"]) == 16
    assert found.attrs["archive"] == "a.zarr"
    printed = capsys.readouterr().out
    assert "3 frames of 48 x 64 by persistence" in printed
    assert "valid 2025-03-22T11:30:00Z to 2025-03-22T11:50:00Z (lead 10 to 30 min)" in printed


def test_at_a_time_with_settings(archive, tmp_path):
    out = tmp_path / "b.nc"
    code = forecast(archive, out, "--model", "extrapolation", "--at", "2025-03-22T11:00", "--set", "past=3")
    assert code == 0
    found = read_forecast(out)
    assert found.sizes["lead_time"] == 10
    assert found["forecast_reference_time"].values == np.datetime64("2025-03-22T11:00")
    assert '"past": 3' in found.attrs["settings"]


def test_members_of_a_network_and_of_a_seed(archive, tmp_path, capsys):
    more = ("--model", "motionrnn", "--leads", "1", "--members", "3")
    for name, seed in (("a.nc", "4"), ("b.nc", "5")):
        assert forecast(archive, tmp_path / name, *more, "--seed", seed) == 0
    assert "with 3 members drawn from the probabilities, seed 4; " in capsys.readouterr().out
    a, b = (read_forecast(tmp_path / name)["reflectivity_members"].values for name in ("a.nc", "b.nc"))
    assert a.shape == (3, 1, 48, 64)
    assert read_forecast(tmp_path / "a.nc").attrs["computed_on"] == "CPU in float32"
    assert (a != b).any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "motionrnn", "--members", "0"], "members (--members): got 0, expected 1 to 1000"),
        (["--model", "motionrnn", "--members", "10000"], "members (--members): got 10000"),
        (["--model", "motionrnn", "--members", "2", "--seed", "-1"], "seed of members (--seed): got -1"),
        (["--model", "persistence", "--members", "2"], "a forecast of persistence without probabilities"),
        (
            ["--model", "extrapolation", "--at", "2025-03-22T10:40", "--most-missing", "0"],
            "no frame at 2025-03-22T10:10:00Z, expected 5 frames without a gap; --at 2025-03-22T11:00:00Z",
        ),
        (["--model", "persistence", "--at", "2025-03-22T10:12"], "the nearest is 2025-03-22T10:20:00Z"),
        (["--model", "persistence", "--at", "noon"], "expected ISO 8601"),
        (["--model", "persistense"], "did you mean 'persistence'?"),
        (["--model", "absent.ckpt"], "no such checkpoint"),
        (["--model", "persistence", "--leads", "0"], "(--leads): got 0"),
        (["--model", "extrapolation", "--set", "pst=3"], "extrapolation.pst: unknown setting"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(archive, tmp_path, capsys, more, message):
    assert forecast(archive, tmp_path / "c.nc", *more) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_absent(tmp_path, capsys):
    assert forecast(tmp_path / "none.zarr", tmp_path / "c.nc", "--model", "persistence") == 2
    assert "got no archive" in capsys.readouterr().err


def test_a_forecast_without_motion_says_so_in_the_file_and_in_print(tmp_path, capsys):
    from tests.fakes.small_archive import write_archive

    path, field = write_archive(tmp_path, frames=8)
    at = str(field.time.values[5])[:16]
    assert forecast(path, tmp_path / "moving.nc", "--model", "extrapolation", "--at", at) == 0
    assert "motion" not in read_forecast(tmp_path / "moving.nc").attrs
    assert "motion:" not in capsys.readouterr().out
    assert forecast(path, tmp_path / "still.nc", "--model", "extrapolation", "--set", "floor_dbz=46") == 0
    why = "none found: no echo above 46 dBZ in 5 frames; the newest frame stands still"
    assert read_forecast(tmp_path / "still.nc").attrs["motion"] == why
    assert f"  motion: {why}" in capsys.readouterr().out.splitlines()
