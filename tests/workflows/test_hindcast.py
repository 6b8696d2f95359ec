"""Hindcast: the forecasts of the one workflow in one store, whole or marked, gone on with where it stopped."""

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nowcast.archive.packing import PACKING
from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import FileError, NowcastError, SettingsError, TimeError
from nowcast.core.field import NAME, PROBABILITY
from nowcast.core.grid import Grid
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.base import Needs, label_forecast
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.persistence import Persistence
from nowcast.forecasters.stored import StoredHindcast
from nowcast.products.hindcast_zarr import HindcastStore, open_hindcast
from nowcast.workflows.forecast import forecast
from nowcast.workflows.hindcast import hindcast
from nowcast.workflows.verify import verify_period
from tests.fakes.forecasters import Probable
from tests.fakes.small_archive import write_archive

ROOT = Path(__file__).resolve().parents[2]
DAY = "2025-03-22"
PERIOD = f"{DAY}/{DAY}"


class Unsure:
    """Forecasts the newest frame, and a probability of one half of 20 dBZ."""

    name, needs = "unsure", Needs(past=2)

    def __init__(self, fails_at=None):
        self.fails_at, self.made = fails_at, 0

    def describe(self):
        return {"model": "unsure"}

    def forecast(self, observed, lead_times):
        self.made += 1
        if self.made == self.fails_at:
            raise SettingsError("unsure: got enough")
        dbz = np.repeat(observed.values[-1:], len(lead_times), axis=0)
        start = observed["time"].values[-1]
        half = np.full((1, *dbz.shape), 0.5, np.float32)
        return label_forecast(dbz, start, lead_times, Grid.of(observed), half, [20.0])


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return Archive.open(write_archive(tmp_path_factory.mktemp("hindcast"), 16, missing=(7,))[0])


def _content(store):
    """Every file but those that tell when it was made."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and path.name != "zarr.json"
    }


def test_the_store_holds_what_the_one_workflow_forecasts(archive, tmp_path):
    report = hindcast(archive, Unsure(), PERIOD, tmp_path / "h.zarr", stride=2, lead_times=3)
    times = archive.times[[4, 6, 11, 13]]  # frame 7 is missing: its place is none, and five frames lead to each
    assert (report.forecasts, report.made) == (4, 4)
    with xr.open_zarr(tmp_path / "h.zarr", chunks=None) as found:
        assert found["forecast_reference_time"].values.tolist() == times.tolist()
        assert found["lead_time"].values.tolist() == [10.0, 20.0, 30.0]
        assert found["valid_time"].values[1, 2] == times[1] + np.timedelta64(30, "m")
        assert found[NAME].dims == ("forecast_reference_time", "lead_time", "y", "x")
        assert found[NAME].encoding["chunks"] == (1, 3, *archive.grid.shape)
        assert found.attrs["hindcast_complete"] == "yes"
        assert found.attrs["archive_fingerprint"] == archive.fingerprint
        np.testing.assert_array_equal(found[PROBABILITY].values, np.full((4, 1, 3, 24, 32), 0.5))
        assert found["threshold"].values.tolist() == [20.0]
        for at, start in enumerate(times):
            said = forecast(archive, Unsure(), start, 3)[NAME].values
            np.testing.assert_allclose(found[NAME].values[at], PACKING.unpack(PACKING.pack(said)), atol=1e-5)
        assert np.isnan(found[NAME].values[:, :, :, :3]).all()
    with xr.open_zarr(tmp_path / "h.zarr", decode_coords="all", chunks=None) as found:
        assert Grid.of(found[NAME]).fingerprint == archive.grid.fingerprint


def test_a_run_that_failed_is_gone_on_with_and_ends_in_the_same_values(archive, tmp_path):
    whole, broken = tmp_path / "whole.zarr", tmp_path / "broken.zarr"
    hindcast(archive, Unsure(), PERIOD, whole, lead_times=2)
    with pytest.raises(SettingsError, match="unsure: got enough"):
        hindcast(archive, Unsure(fails_at=3), PERIOD, broken, lead_times=2)
    with xr.open_zarr(broken, chunks=None) as found:
        assert found["forecast_status"].values.tolist() == [1, 1, *[0] * 5]
        assert np.isnan(found[NAME].values[2:]).all(), "what is not made yet is unknown"
        assert found.attrs["hindcast_complete"] == "no"
    assert open_hindcast(broken).sizes["forecast_reference_time"] == 2
    model = Unsure()
    report = hindcast(archive, model, PERIOD, broken, lead_times=2)
    assert (report.forecasts, report.made, model.made) == (7, 5, 5)
    assert _content(broken) == _content(whole)
    assert hindcast(archive, Unsure(fails_at=1), PERIOD, broken, lead_times=2).made == 0
    with xr.open_zarr(broken, chunks=None) as found:
        assert found.attrs["hindcast_complete"] == "yes"


def test_another_hindcast_is_not_gone_on_with(archive, tmp_path):
    out = tmp_path / "h.zarr"
    hindcast(archive, Unsure(), PERIOD, out, stride=3, lead_times=2)
    before = _content(out)
    for asked, said in (
        ({"lead_times": 3, "stride": 3}, "with lead times 2, expected 3"),
        ({"lead_times": 2, "stride": 4}, "with initialisation times"),
    ):
        with pytest.raises(FileError, match=said):
            hindcast(archive, Unsure(), PERIOD, out, **asked)
    with pytest.raises(FileError, match=r"with model 'unsure', expected 'persistence' as asked for; choose an"):
        hindcast(archive, Persistence(), PERIOD, out, stride=3, lead_times=2)
    assert _content(out) == before
    with pytest.raises(FileError, match="got something else"):
        hindcast(archive, Persistence(), PERIOD, archive.path)
    with pytest.raises(TimeError, match="in which the archive has no frames"):
        hindcast(archive, Persistence(), "2024-01-01/2024-01-02", tmp_path / "none.zarr")
    with pytest.raises(FileError, match="got no hindcast"):
        HindcastStore(tmp_path / "absent.zarr")
    assert not (tmp_path / "none.zarr").exists()


def test_a_mean_run_otherwise_is_not_gone_on_with(archive, tmp_path):
    class Tiled(Probable):
        def __init__(self, tile=None):
            super().__init__("tiled", sha256="a" * 64)
            self.tile = tile

        def describe(self):
            return super().describe() | {"settings": json.dumps({"tile": self.tile})}

    one, other = (Average((Part(Probable()), Part(Tiled(tile)))) for tile in (None, 64))
    assert identity_of(one) == identity_of(other)
    asked = (PERIOD, tmp_path / "h.zarr")
    hindcast(archive, one, *asked, stride=8, lead_times=2)
    with pytest.raises(FileError, match=r"got a hindcast with parts_run .*tile"):
        hindcast(archive, other, *asked, stride=8, lead_times=2)
    assert hindcast(archive, one, *asked, stride=8, lead_times=2).made == 0


def test_a_forecast_of_other_variables_than_the_first_is_refused(archive, tmp_path):
    class Fickle(Unsure):
        def forecast(self, observed, lead_times):
            found = super().forecast(observed, lead_times)
            return found if self.made == 1 else found.drop_vars(PROBABILITY)

    with pytest.raises(NowcastError, match="expected exceedance_probability, reflectivity as in the first"):
        hindcast(archive, Fickle(), PERIOD, tmp_path / "h.zarr", lead_times=2)


def _command(archive, out, *more):
    return [
        "hindcast",
        "--archive",
        str(archive.path),
        "--model",
        "extrapolation",
        "--period",
        PERIOD,
        "--leads",
        "3",
        "--out",
        str(out),
        *more,
    ]


def test_the_command_and_its_mistakes(archive, tmp_path, capsys):
    command = ["hindcast", "--archive", str(archive.path), "--model", "persistence", "--period", PERIOD]
    command.append("--out")
    assert main([*command, str(tmp_path / "h.zarr"), "--stride", "4", "--workers", "1"]) == 0
    assert "h.zarr: 2 forecasts, 2 of them made in" in capsys.readouterr().out
    for more, said in (
        (["--stride", "0"], "stride: got 0"),
        (["--workers", "0"], "--workers: got 0"),
        (["--leads", "0"], "lead_times: got 0"),
        (["--scheduler", "tcp://a:1", "--workers", "2"], "both"),
        (["--set", "a=1"], "persistence: got settings"),
    ):
        assert main([*command, str(tmp_path / "n.zarr"), *more]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
        assert not (tmp_path / "n.zarr").exists()


@pytest.mark.slow
def test_killed_with_its_workers_and_run_again_it_ends_in_the_same_values(archive, tmp_path):
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"
    assert main(_command(archive, whole, "--workers", "1")) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "nowcast.cli.main", *_command(archive, killed, "--workers", "2")],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(list(killed.glob("forecast_status/c/*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = int(HindcastStore(killed).done().sum())
    assert 3 <= there < 7, "it should be killed in the middle"
    assert main(_command(archive, killed, "--workers", "2")) == 0
    assert _content(killed) == _content(whole)


def test_the_period_is_that_of_forecast_reference_times_and_their_past_lies_before_it(archive, tmp_path):
    newest = archive.times[12]
    start, end = (np.datetime_as_string(t, unit="m") for t in (newest, newest + np.timedelta64(5, "m")))
    report = hindcast(archive, Unsure(), f"{start}/{end}", tmp_path / "h.zarr", lead_times=1)
    assert report.forecasts == 1
    with xr.open_zarr(tmp_path / "h.zarr", chunks=None) as found:
        assert found["forecast_reference_time"].values.tolist() == [newest.astype("datetime64[ns]").astype(int)]


def test_a_stored_hindcast_is_scored_as_the_model_that_made_it(archive, tmp_path):
    hindcast(archive, Unsure(), PERIOD, tmp_path / "h.zarr", stride=2, lead_times=3)
    stored = pickle.loads(pickle.dumps(StoredHindcast(tmp_path / "h.zarr")))
    assert (stored.name, stored.describe()["model"]) == ("unsure (h.zarr)", "unsure")
    day = np.datetime64(DAY, "ns"), np.datetime64(DAY, "ns") + np.timedelta64(1, "D")
    scores = ["csi", "mae", "brier"]
    found = verify_period(archive, [Unsure(), stored], *day, lead_times=3, thresholds=[20.0], scores=scores)
    assert found.reference_times.tolist() == archive.times[[11]].tolist()  # the others lack a frame to score
    rows = {name: [row[1:] for row in found.rows if row[0] == name] for name in found.models}
    assert len(rows["unsure"]) == len(rows["unsure (h.zarr)"]) > 6
    for one, other in zip(rows["unsure"], rows["unsure (h.zarr)"], strict=True):
        assert one[:3] == other[:3]
        assert other[3] == pytest.approx(one[3], abs=1e-4, nan_ok=True)
    with pytest.raises(TimeError, match="lead times"):
        verify_period(archive, [stored], *day, lead_times=4)
    with pytest.raises(TimeError, match="--hindcast: got none of 1 initialisation times"):
        verify_period(archive, [stored], archive.times[8], archive.times[14] + archive.step, lead_times=2)


def test_a_hindcast_leaves_marked_echoes_out_and_says_so(archive, tmp_path):
    hindcast(archive, Unsure(), PERIOD, tmp_path / "h.zarr", stride=4, lead_times=2, mask=["speckle"])
    with xr.open_zarr(tmp_path / "h.zarr", chunks=None) as found:
        assert found.attrs["quality_masks"] == "speckle"
        assert found.attrs["archive_fingerprint"] == f"{archive.fingerprint}/without speckle"
    with pytest.raises(FileError, match="got a hindcast with archive_fingerprint"):
        hindcast(archive, Unsure(), PERIOD, tmp_path / "h.zarr", stride=4, lead_times=2)
