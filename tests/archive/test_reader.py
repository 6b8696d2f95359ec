"""Reading: whole frames by time, lazily, and right while another process extends the archive."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from nowcast.archive.ledger import write_ledger
from nowcast.archive.reader import Archive
from nowcast.core.errors import ArchiveError, TimeError
from nowcast.core.field import check
from tests.fakes.stores import FIRST, STEP, frame, small_grid, time_of, write_store


@pytest.fixture
def path(tmp_path):
    return write_store(tmp_path / "a.zarr", [0, 1, 2, 5, 6])


def test_times_grid_and_step_are_as_written(path):
    archive = Archive.open(path)
    np.testing.assert_array_equal(archive.times, [time_of(n) for n in (0, 1, 2, 5, 6)])
    assert archive.step == STEP
    assert archive.grid.matches(small_grid())
    assert archive.attrs["licence"] == "CC BY 4.0"
    assert archive.over_time("max_dbz").tolist() == pytest.approx([10.05, 11.05, 12.05, 15.05, 16.05])
    assert archive.over_time("observed_share").tolist() == pytest.approx([47 / 48] * 5)
    assert archive.over_time("wet_share").tolist() == pytest.approx([24 / 47] * 5)


def test_a_field_holds_the_whole_frames_of_a_half_open_period(path):
    archive = Archive.open(path)
    field = check(archive.field(time_of(1), time_of(6)))
    np.testing.assert_array_equal(field.time, [time_of(n) for n in (1, 2, 5)])
    np.testing.assert_array_equal(field.values, np.stack([frame(n) for n in (1, 2, 5)]))
    assert field.data.chunks[0] == (1, 1, 1)
    assert len(archive.field().time) == 5


def test_it_is_lazy(path, monkeypatch):
    archive = Archive.open(path)
    monkeypatch.setattr(Archive, "packed", lambda *_: pytest.fail("a frame was read"))
    archive.field()
    archive.frames(archive.times[:2])


def test_missing_times_and_periods_are_named(path):
    archive = Archive.open(path)
    with pytest.raises(TimeError, match="2025-03-01T00:30:00Z"):
        archive.frames(np.array([time_of(0), time_of(3), time_of(4)]))
    with pytest.raises(TimeError, match="2025-03-01T00:30:00Z"):
        archive.packed(time_of(3))
    with pytest.raises(TimeError, match="no frames from 2026"):
        archive.field(np.datetime64("2026-01-01"), None)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({}, ["a.h5", "b.h5"]),
        ({"frames": 6}, ["b.h5"]),
        ({"frames": 4}, ["a.h5", "b.h5"]),
        ({"complete": False}, ["b.h5"]),
    ],
)
def test_a_file_is_done_once_all_its_frames_are_there(path, changes, done):
    write_store(path, [8, 9], name="b.h5")
    first, second = Archive.open(path).sources
    assert (first.frames, second.frames) == (5, 2)
    write_ledger(path, [replace(first, **changes), second], 0)
    assert [s.name for s in Archive.open(path).done_sources()] == done


def test_the_fingerprint_tells_apart_what_frames_are_from_and_when(path, tmp_path):
    same = write_store(tmp_path / "same.zarr", [0, 1, 2, 5, 6])
    assert Archive.open(path).fingerprint == Archive.open(same).fingerprint
    others = [
        write_store(tmp_path / "name.zarr", [0, 1, 2, 5, 6], name="b.h5"),
        write_store(tmp_path / "times.zarr", [0, 1, 3, 5, 6]),
        write_store(write_store(tmp_path / "two.zarr", [0, 1, 2]), [5, 6], name="b.h5"),
    ]
    assert len({Archive.open(p).fingerprint for p in (path, *others)}) == 4


def test_it_goes_to_other_processes(path):
    again = pickle.loads(pickle.dumps(Archive.open(path)))
    np.testing.assert_array_equal(again.dbz(time_of(2)), frame(2))


def test_the_fingerprint_changes_with_content_only(path):
    before = Archive.open(path).fingerprint
    assert Archive.open(path).fingerprint == before
    write_store(path, [3], name="b.h5")
    after = Archive.open(path).fingerprint
    assert after != before


def test_the_fingerprint_does_not_depend_on_the_order_of_writing(tmp_path):
    write_store(tmp_path / "1.zarr", [5], first=time_of(5), name="b.h5")
    write_store(tmp_path / "1.zarr", [0], name="a.h5")
    write_store(tmp_path / "2.zarr", [0], name="a.h5")
    write_store(tmp_path / "2.zarr", [5], name="b.h5")
    assert Archive.open(tmp_path / "1.zarr").fingerprint == Archive.open(tmp_path / "2.zarr").fingerprint


def test_an_open_reader_stays_right_when_frames_are_added_at_both_ends(path):
    archive = Archive.open(path)
    field = archive.field()
    write_store(path, [-7, -3], name="early.h5")
    write_store(path, [9], name="late.h5")
    np.testing.assert_array_equal(field.values, np.stack([frame(n) for n in (0, 1, 2, 5, 6)]))
    np.testing.assert_array_equal(archive.dbz(time_of(5)), frame(5))
    reopened = Archive.open(path)
    np.testing.assert_array_equal(reopened.times, [time_of(n) for n in (-7, -3, 0, 1, 2, 5, 6, 9)])
    np.testing.assert_array_equal(reopened.dbz(time_of(-3)), frame(-3))
    assert reopened.origin == time_of(-7)


def test_many_threads_read_the_right_frames_while_slots_shift(path):
    """The reader that notices the shift must not leave another one with half of the new state."""
    from concurrent.futures import ThreadPoolExecutor

    for early in range(-2, -14, -2):
        archive = Archive.open(path)
        write_store(path, [early], name=f"early{early}.h5")
        wanted = [0, 1, 2, 5, 6] * 8
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(archive.dbz, [time_of(n) for n in wanted]))
        for n, values in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(values, frame(n))


def test_what_is_no_archive_says_so(tmp_path, path):
    with pytest.raises(ArchiveError, match="got no archive, expected a folder made by 'nowcast ingest"):
        Archive.open(tmp_path / "absent.zarr")
    root = path / "zarr.json"
    document = json.loads(root.read_bytes())
    document["attributes"]["nowcast_archive"] = 99
    root.write_text(json.dumps(document))
    with pytest.raises(ArchiveError, match="got archive version 99, expected 1"):
        Archive.open(path)
    root.write_text("{")
    with pytest.raises(ArchiveError, match="is not JSON"):
        Archive.open(path)


def test_a_frame_that_vanished_is_an_error_not_dry_weather(path):
    archive = Archive.open(path)
    (path / "reflectivity" / "c.1.0.0").unlink()
    with pytest.raises(ArchiveError, match="counts as whole but its chunk is gone"):
        archive.packed(FIRST + STEP)
    (path / "reflectivity" / "c.2.0.0").write_bytes(b"\0\0")
    with pytest.raises(ArchiveError, match="damaged"):
        archive.packed(FIRST + 2 * STEP)
