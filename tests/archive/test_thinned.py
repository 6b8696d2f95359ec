"""Every n-th frame of an archive."""

import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import Thinned, thinned
from nowcast.cli.main import main
from nowcast.core.errors import TimeError
from nowcast.core.scaling import Scaling
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.products.cf_netcdf import read_forecast
from tests.fakes.small_archive import write_archive
from tests.fakes.stores import STEP, frame, time_of, write_store


@pytest.fixture
def archive(tmp_path):
    return Archive.open(write_store(tmp_path / "a.zarr", [0, 1, 2, 4, 5, 6]))


def test_frames_are_those_a_longer_step_apart(archive):
    found = Thinned(archive, 2 * STEP)
    np.testing.assert_array_equal(found.times, [time_of(n) for n in (0, 2, 4, 6)])
    assert found.step == 2 * STEP
    np.testing.assert_array_equal(found.frames(found.times[1:2]).values, frame(2)[None])
    assert found.fingerprint != archive.fingerprint
    assert found.grid is archive.grid


def test_the_moment_of_issue_chooses_which(archive):
    np.testing.assert_array_equal(Thinned(archive, 2 * STEP, time_of(5)).times, [time_of(1), time_of(5)])


def test_its_own_step_is_the_archive_itself(archive):
    assert thinned(archive, STEP) is archive
    assert thinned(archive, None) is archive


@pytest.mark.parametrize("step", [STEP * 3 // 2, STEP // 2, -STEP])
def test_a_step_between_frames_is_refused(archive, step):
    with pytest.raises(TimeError, match="a multiple of the"):
        Thinned(archive, step)


def test_a_network_of_a_longer_step_forecasts_from_every_second_frame(tmp_path, capsys):
    path, _ = write_archive(tmp_path, frames=16)
    settings = {"hidden": [4, 4], "filter_size": 3, "patch": 4}
    meta = CheckpointMeta("predrnn", settings, 1, None, 3, 2, 1200.0, Scaling(), (1.0, 1.0))
    save(tmp_path / "a.ckpt", pack(build_model("predrnn", settings).state_dict(), meta))
    out = tmp_path / "out.nc"
    asked = ["--archive", str(path), "--model", str(tmp_path / "a.ckpt")]
    assert main(["forecast", *asked, "--leads", "2", "--out", str(out)]) == 0
    leads = read_forecast(out)["lead_time"].values / np.timedelta64(1, "m")
    assert leads.tolist() == [20, 40]
    verify = ["verify", *asked[:2], "--models", f"persistence,{tmp_path / 'a.ckpt'}", "--leads", "2"]
    whole = ["--period", "2000-01-01/2100-01-01", "--stride", "1", "--cases", "0"]
    period = [*whole, "--out", str(tmp_path / "s")]
    assert main([*verify, *period, "--step", "nan"]) == 2
    assert "--step: got nan" in capsys.readouterr().err
    assert main([*verify, *period]) == 0
    by_itself = (tmp_path / "s" / "scores.csv").read_text()
    assert ",40," in by_itself
    assert main([*verify, *period, "--step", "20"]) == 0
    assert (tmp_path / "s" / "scores.csv").read_text() == by_itself
