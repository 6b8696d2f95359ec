"""Writing: whole or not at all, at both ends, one writer, a disk that fills up."""

import errno
import fcntl
import multiprocessing

import numpy as np
import pytest

from nowcast.archive.create import NewArchive
from nowcast.archive.layout import PAGE
from nowcast.archive.packing import PACKING
from nowcast.archive.reader import Archive
from nowcast.archive.writer import describe, open_writer, sole_writer
from nowcast.core import files
from nowcast.core.errors import ArchiveError
from tests.fakes.stores import FIRST, STEP, frame, put_chunks, small_grid, source, time_of, write_store


def contents(path):
    archive = Archive.open(path)
    return {t: archive.packed(t).tobytes() for t in archive.times}


def test_a_chunk_without_commit_does_not_count_and_is_swept(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 3])
    put_chunks(path, {1: frame(1), 4: frame(4)})
    assert len(Archive.open(path).times) == 2
    with open_writer(path):
        pass
    assert sorted(p.name for p in (path / "reflectivity").glob("c.*")) == ["c.0.0.0", "c.3.0.0"]


@pytest.mark.parametrize("crash_at", [0, 1, 2, 8, 12, 13, 14, 17])
def test_a_commit_that_dies_at_any_write_leaves_the_old_state_and_is_finished_later(
    tmp_path, monkeypatch, crash_at
):
    path = write_store(tmp_path / "a.zarr", [0])
    before = contents(path)
    calls = []
    real = files.replace_bytes

    def dying(target, data):
        calls.append(target)
        if len(calls) > crash_at:
            raise KeyboardInterrupt
        real(target, data)

    with monkeypatch.context() as patch:
        for module in ("create", "ledger"):
            patch.setattr(f"nowcast.archive.{module}.replace_bytes", dying)
        with pytest.raises(KeyboardInterrupt):
            write_store(path, [1, 2], name="b.h5")
    assert contents(path) == before
    assert all(s.name != "b.h5" for s in Archive.open(path).done_sources())
    write_store(path, [1, 2], name="b.h5")
    assert list(contents(path)) == [time_of(0), time_of(1), time_of(2)]
    assert [s.name for s in Archive.open(path).done_sources()] == ["a.h5", "b.h5"]


@pytest.mark.parametrize("stage", ["build", "exchange"])
def test_a_prepend_that_dies_leaves_the_old_state(tmp_path, monkeypatch, stage):
    path = write_store(tmp_path / "a.zarr", [0, 1])
    before = contents(path)
    name = {"build": "archive.writer.write_documents", "exchange": "core.files.exchange"}[stage]
    with monkeypatch.context() as patch:
        patch.setattr(f"nowcast.{name}", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), open_writer(path) as writer:
            writer.prepend(3)
    assert contents(path) == before
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", ".a.zarr.lock"}


def test_frames_in_front_keep_everything_else_in_place(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0, 1])
    before = contents(path)
    write_store(path, [-PAGE - 5], name="b.h5")
    after = contents(path)
    assert {t: after[t] for t in before} == before
    assert min(after) == time_of(-PAGE - 5)
    names = [s.name for s in Archive.open(path).sources]
    assert [names[i] for i in Archive.open(path).over_time("source")] == ["b.h5", "a.h5", "a.h5"]


def test_the_two_step_exchange_recovers_from_a_crash_between_the_steps(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0])
    before = contents(path)
    path.rename(tmp_path / "a.zarr.aside")
    with open_writer(path):
        pass
    assert contents(path) == before


def test_without_the_system_call_folders_are_exchanged_in_two_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "other")
    path = write_store(tmp_path / "a.zarr", [0])
    write_store(path, [-2], name="b.h5")
    assert list(contents(path)) == [time_of(-2), time_of(0)]


def _hold(path, ready, leave):
    with open_writer(path):
        ready.set()
        leave.wait(20)


def test_two_writers_exclude_each_other_until_one_dies(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0])
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, ready, leave))
    other.start()
    assert ready.wait(20)
    with pytest.raises(ArchiveError, match=f"process {other.pid} is writing"), open_writer(path):
        pass
    other.kill()
    other.join()
    with open_writer(path) as writer:
        assert writer.whole.sum() == 1


def test_the_lock_is_the_systems(tmp_path):
    lock = tmp_path / ".a.zarr.lock"
    with sole_writer(tmp_path / "a.zarr"), lock.open() as handle, pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_full_disk_leaves_no_half_written_file(tmp_path, monkeypatch):
    path = write_store(tmp_path / "a.zarr", [0])
    before = contents(path)
    files = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_store(path, [1], name="b.h5")
    assert contents(path) == before
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == files


def test_something_else_is_not_overwritten(tmp_path):
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.jpg").write_bytes(b"x")
    new = NewArchive(small_grid(), STEP, FIRST, {})
    with pytest.raises(ArchiveError, match="exists and is no archive"), open_writer(other, new):
        pass
    assert [p.name for p in other.iterdir()] == ["photo.jpg"]


def test_a_record_counts_by_hand():
    dbz = np.array([[np.nan, -32.0, 9.99], [10.0, 41.5, -32.0]], np.float32)
    record = describe(7, PACKING.pack(dbz))
    assert record.slot == 7
    assert record.observed_share == pytest.approx(5 / 6)
    assert record.wet_share == pytest.approx(2 / 5)
    assert record.max_dbz == pytest.approx(41.5)


def test_many_files_page_the_ledger(tmp_path):
    path = write_store(tmp_path / "a.zarr", [0])
    with open_writer(path) as writer:
        writer.commit([(source(f"{n}.h5", 0), []) for n in range(1100)])
    assert len(Archive.open(path).sources) == 1101
    assert {p.name for p in (path / "sources").iterdir()} == {"zarr.json", "0", "1", "2"}
