"""Archives read without what is marked: stuck and jumping frames missing, marked cells gone."""

import json
import pickle

import numpy as np
import pytest

from nowcast.archive.create import NewArchive
from nowcast.archive.frame_quality import StuckFrame, jumping_frames, stuck_frames
from nowcast.archive.masked import Masked, masked
from nowcast.archive.packing import PACKING
from nowcast.archive.quality import QualitySettings
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import Thinned, thinned
from nowcast.archive.writer import describe, open_writer
from nowcast.cli.main import main
from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.data.radar_archive import ArchiveSettings, make_cache, open_cached
from nowcast.products.cf_netcdf import read_forecast
from nowcast.workflows.quality import quality, quality_lines
from nowcast.workflows.verify import verify
from tests.fakes.stores import FIRST, STEP, put_chunks, small_grid, source, time_of

SHAPE = (24, 30)


def rain(column, radius=6.0):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    distance = np.hypot(rows - 14, columns - column)
    dbz = np.where(distance < radius, 40.0 - 2.0 * distance, NO_ECHO_DBZ).astype(np.float32)
    dbz[0, :3] = np.nan
    return dbz


def scenes():
    """Nine frames: speckle in 1, spikes in 2 and 5, 4 equals 3, 6 equals 3, 7 and 8 dry and equal, 9 jumps."""
    found = {n: rain(8 + n) for n in range(7)}
    found[1][3, 20] = 20.0
    found[2][14, 10] = found[5][14, 13] = 70.0
    found[4] = found[6] = found[3]
    found[7] = found[8] = np.full(SHAPE, NO_ECHO_DBZ, np.float32)
    found[9] = rain(15, 12.0)
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("quality") / "a.zarr"
    frames = scenes()
    with open_writer(path, NewArchive(small_grid(SHAPE), STEP, FIRST, {"source": "test"})) as writer:
        put_chunks(path, frames)
        records = [describe(n, PACKING.pack(f)) for n, f in frames.items()]
        writer.commit([(source("a.h5", len(frames)), records)])
    return Archive.open(path)


def test_stuck_frames_are_those_with_rain_that_equal_an_earlier_one(archive):
    assert stuck_frames(archive) == [StuckFrame(time_of(4), time_of(3)), StuckFrame(time_of(6), time_of(4))]


def test_a_little_clutter_that_comes_back_is_not_stuck(archive):
    km2 = int((scenes()[4] >= 10).sum())  # cells of nearly 1 km2
    assert stuck_frames(archive, QualitySettings(stuck_km2=1.05 * km2)) == []
    assert len(stuck_frames(archive, QualitySettings(stuck_km2=0.95 * km2))) == 2
    soon = QualitySettings(stuck_minutes=10)
    assert stuck_frames(archive, soon) == [StuckFrame(time_of(4), time_of(3))]


def test_a_frame_jumps_where_far_more_is_wet_than_one_step_before(archive):
    assert list(jumping_frames(archive)) == [time_of(9)]


def test_marked_cells_are_gone_and_the_archive_stays(archive):
    view, before = Masked(archive, ["spike", "speckle"]), archive.fingerprint
    field = view.frames(archive.times[:3])
    assert field.attrs["quality_masks"] == "speckle, spike"
    assert field.chunks[0] == (1, 1, 1)
    expected = archive.frames(archive.times[:3]).values
    expected[1, 3, 20], expected[2, 14, 10] = NO_ECHO_DBZ, np.nan
    np.testing.assert_array_equal(field.values, expected)
    np.testing.assert_array_equal(PACKING.unpack(view.packed(time_of(1))), expected[1])
    assert archive.fingerprint == before != view.fingerprint
    np.testing.assert_array_equal(archive.dbz(time_of(1))[3, 20], 20.0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(view)).dbz(time_of(2)), expected[2])
    with pytest.raises(TimeError, match="expected a frame"):
        view.frames(np.array([time_of(77)]))


def test_marked_frames_are_missing(archive):
    view = Masked(archive, ["stuck", "jump"])
    assert list(view.times) == [time_of(n) for n in (0, 1, 2, 3, 5, 7, 8)]
    assert list(thinned(view, 2 * STEP, time_of(8)).times) == [time_of(n) for n in (0, 2, 8)]
    np.testing.assert_array_equal(view.dbz(time_of(1)), archive.dbz(time_of(1)))


def test_nothing_to_leave_out_is_the_archive_and_a_view_is_refused(archive):
    assert masked(archive, []) is archive
    with pytest.raises(SettingsError, match="Thinned view, expected an archive"):
        masked(Thinned(archive, 2 * STEP), ["speckle"])


def test_counts_of_an_archive(archive):
    found = quality(archive)
    assert found.marked_cells["speckle"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert found.marked_cells["spike"].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    echo = [int((np.nan_to_num(f, nan=-32.0) >= 5).sum()) for f in scenes().values()]
    assert found.echo_cells.tolist() == echo
    assert found.share("spike") == 2 / sum(echo)
    plain = found.as_plain()
    assert plain["cells"]["speckle"]["most"] == [{"time": "2025-03-01T00:10:00Z", "cells": 1}]
    assert plain["stuck_frames"][0] == {"time": "2025-03-01T00:40:00Z", "equals": "2025-03-01T00:30:00Z"}
    assert plain["standing_cells"] is None
    text = "\n".join(quality_lines(plain))
    assert "stuck     2 frames\n          2025-03-01T00:40:00Z equals 2025-03-01T00:30:00Z" in text
    assert "ray       none" in text
    assert "jump      1 frames\n          2025-03-01T01:30:00Z" in text
    assert list(quality(archive, 3).times) == [time_of(n) for n in (0, 4, 9)]
    with pytest.raises(SettingsError, match="got -1"):
        quality(archive, -1)


def test_echoes_that_stand_still_are_counted(tmp_path):
    frames = {n: rain(3 + n) for n in range(24)}
    for dbz in frames.values():
        dbz[4:7, 24:26] = 30.0
    path = tmp_path / "a.zarr"
    grid_step = np.timedelta64(90, "m").astype("timedelta64[ns]")
    with open_writer(path, NewArchive(small_grid(SHAPE), grid_step, FIRST, {})) as writer:
        put_chunks(path, frames)
        writer.commit([(source("a.h5", 24), [describe(n, PACKING.pack(f)) for n, f in frames.items()])])
    assert quality(path).standing_cells == 6


def test_training_reads_through_the_masks(archive, tmp_path):
    folder = make_cache(archive.path, tmp_path / "c.cache", progress=False, mask=("speckle", "stuck"))
    cache = open_cached(ArchiveSettings(archive.path, folder, ("speckle", "stuck")), Scaling())
    assert len(cache.times) == 8
    frame = cache.read(1, 1, slice(0, 24), slice(0, 30))
    assert np.asarray(frame).ravel()[3 * 30 + 20] == 0.0
    beside = open_cached(ArchiveSettings(archive.path, None, ("ray",)), Scaling())
    assert beside.path == archive.path.with_suffix(".ray.cache")


def test_info_counts_and_forecasts_name_what_they_left_out(archive, tmp_path, capsys):
    assert main(["info", str(archive.path), "--quality", "0", "--workers", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["quality"]
    assert found == quality(archive, 0).as_plain()
    assert found["cells"]["spike"]["cells"] == 2
    assert main(["info", str(archive.path), "--quality", "--workers", "1"]) == 0
    assert "speckle   1 cells, 0.0" in capsys.readouterr().out
    out = tmp_path / "out.nc"
    asked = [
        "forecast",
        "--archive",
        str(archive.path),
        "--model",
        "persistence",
        "--leads",
        "1",
        "--out",
        str(out),
    ]
    assert main([*asked, "--at", "2025-03-01T00:20", "--mask", "spike,speckle"]) == 0
    assert "without what bears the quality marks: speckle, spike" in capsys.readouterr().out
    coming = read_forecast(out)
    assert coming.attrs["quality_masks"] == "speckle, spike"
    assert "/without" in coming.attrs["archive_fingerprint"]
    assert np.isnan(coming["reflectivity"].values[0, 14, 10])
    assert main([*asked, "--mask", "hail"]) == 2
    assert "expected some of speckle, spike, ray, stuck, jump" in capsys.readouterr().err


def test_a_stuck_frame_of_the_past_is_interpolated(archive):
    import nowcast

    coming = nowcast.forecast(archive, "extrapolation", "2025-03-01T00:50", 1, mask=["stuck"])
    assert coming.attrs["interpolated_frames"] == "2025-03-01T00:40:00Z"
    assert coming.attrs["quality_masks"] == "stuck"


def test_verification_leaves_marked_cells_out_of_past_and_truth(archive):
    def misses_of_the_spike(mask):
        found = verify(
            archive,
            ["persistence"],
            "2025-03-01T00:00/2025-03-01T01:00",
            lead_times=1,
            thresholds=[60.0],
            mask=mask,
        )
        return found.verification.value("persistence", "pod", 60.0)

    assert misses_of_the_spike([]) == 0.0
    assert np.isnan(misses_of_the_spike(["spike"]))
