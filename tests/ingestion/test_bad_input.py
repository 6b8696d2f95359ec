"""Whatever is wrong with one file keeps no other out: one clear line each, exit code 2, nothing half."""

import errno

import h5py
import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import ArchiveError
from nowcast.workflows.ingest import ingest
from tests.fakes import cf, odim

NOW = np.datetime64("2025-03-02T00:00")


def run(paths, archive, **settings):
    return ingest(paths, archive, **{"workers_count": 1, "progress": False, "now": NOW, **settings})


@pytest.fixture
def good(tmp_path):
    return cf.write_italian(tmp_path / "good.nc", cf.frames(4), cf.times("2025-03-01", 4))


def truncated(path):
    cf.write_italian(path, cf.frames(3, (64, 64)), cf.times("2025-03-01T06:00", 3))
    path.write_bytes(path.read_bytes()[:9000])


def empty(path):
    path.write_bytes(b"")


def html(path):
    path.write_bytes(b"<html><body>404 Not Found</body></html>")


def absent(path):
    pass


def another_grid(path):
    cf.write_italian(path, cf.frames(3, (6, 9)), cf.times("2025-03-01T06:00", 3))


def shifted_grid(path):
    cf.write_italian(path, cf.frames(3), cf.times("2025-03-01T06:00", 3), north=47.2)


def another_projection(path):
    odim.write_sweden(path, np.full((6, 8), 50, np.uint8), "2025-03-01T06:00")


def off_the_step(path):
    cf.write_italian(path, cf.frames(2), cf.times("2025-03-01T06:05", 2))


def from_the_future(path):
    cf.write_italian(path, cf.frames(2), cf.times("2025-03-07T00:00", 2))


def a_time_twice(path):
    cf.write_italian(path, cf.frames(3), cf.times("2025-03-01T06:00", 3)[[0, 1, 1]])


def all_missing(path):
    raw = np.full((1, 6, 8), 255, np.uint8)
    cf.write_italian(path, raw, cf.times("2025-03-01T06:00", 1))


def too_strong(path):
    odim_like = np.full((1, 6, 8), 254, np.uint8)
    cf.write_italian(path, odim_like, cf.times("2025-03-01T06:00", 1))


def bomb(path):
    odim.write_sweden(path, np.zeros((4, 5), np.uint8), "2025-03-01T06:00", shape=(90_000, 90_000))
    with h5py.File(path, "a") as file:
        del file["dataset1/data1/data"]
        file["dataset1/data1"].create_dataset("data", (90_000, 90_000), "u1", chunks=(500, 500))


BAD = {
    truncated: "truncated or damaged",
    empty: "is empty",
    html: "is an HTML page",
    absent: "does not exist",
    another_grid: "shape 6 x 9 instead of 6 x 8",
    shifted_grid: "y is off by up to",
    another_projection: "projection",
    off_the_step: "off the archive's step of 10 minutes, the first at 2025-03-01T06:05:00Z",
    from_the_future: "dated in the future, the first 2025-03-07T00:00:00Z",
    a_time_twice: "got 2025-03-01T06:10:00Z twice, expected each time once",
    all_missing: "has not one observed cell",
    too_strong: "expected dBZ within",
    bomb: "90000 x 90000",
}


@pytest.mark.parametrize("make", BAD)
def test_a_bad_file_is_listed_and_the_good_one_is_in(make, good, tmp_path):
    bad = tmp_path / f"{make.__name__}.h5"
    make(bad)
    report = run([bad, good], tmp_path / "a.zarr")
    assert report.frames == 4
    assert len(report.problems) == 1
    line = str(report.problems[0])
    assert line.startswith(str(bad))
    assert BAD[make] in line
    assert "\n" not in line
    np.testing.assert_array_equal(Archive.open(tmp_path / "a.zarr").times, cf.times("2025-03-01", 4))


@pytest.mark.parametrize(
    "make", [m for m in BAD if m not in (another_grid, shifted_grid, another_projection, off_the_step)]
)
def test_a_bad_file_alone_leaves_no_archive(make, tmp_path):
    bad = tmp_path / f"{make.__name__}.h5"
    make(bad)
    report = run([bad], tmp_path / "a.zarr", step=np.timedelta64(10, "m"))
    assert report.frames == 0
    assert len(report.problems) == 1
    assert not (tmp_path / "a.zarr").exists()


def test_bad_frames_of_a_good_file_are_told_and_the_others_taken(tmp_path):
    raw = cf.frames(4)
    raw[1] = 255
    times = cf.times("2025-03-01T23:40", 4)
    path = cf.write_italian(tmp_path / "d.nc", raw, times)
    report = run([path], tmp_path / "a.zarr", now=np.datetime64("2025-03-01T23:46"))
    assert [str(p).split(": ")[1][:20] for p in report.problems] == [
        "1 frame is dated in ",
        "the frame of 2025-03",
    ]
    np.testing.assert_array_equal(Archive.open(tmp_path / "a.zarr").times, times[[0, 2]])
    later = run([path], tmp_path / "a.zarr", now=np.datetime64("2025-03-02T12:00"))
    assert later.frames == 1, "a frame that was ahead of the clock is taken another day"
    assert len(Archive.open(tmp_path / "a.zarr").times) == 3


def test_the_grid_of_most_frames_is_the_archives(tmp_path, good):
    odd = cf.write_italian(tmp_path / "a_odd.nc", cf.frames(2, (6, 9)), cf.times("2025-03-01T06:00", 2))
    report = run([odd, good], tmp_path / "a.zarr")
    assert report.frames == 4
    assert "shape 6 x 9 instead of 6 x 8" in str(report.problems[0])


def test_a_full_disk_ends_the_run_and_leaves_the_archive_as_it_was(good, tmp_path, monkeypatch):
    run([good], tmp_path / "a.zarr")
    more = cf.write_italian(tmp_path / "more.nc", cf.frames(3, seed=9), cf.times("2025-03-01T03:00", 3))
    before = {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    calls = []

    def full(*args):
        calls.append(args)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ArchiveError, match=r"the disk is full.*make room and run again"):
            run([more], tmp_path / "a.zarr")
    assert calls
    after = {p: p.read_bytes() for p in (tmp_path / "a.zarr").rglob("*") if p.is_file()}
    assert after == before
    assert run([more], tmp_path / "a.zarr").frames == 3


def test_a_full_disk_at_the_first_ingest_leaves_no_archive(good, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nowcast.ingestion.work.write_within", full)
    with pytest.raises(ArchiveError, match="the disk is full"):
        run([good], tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def test_the_command_lists_the_bad_files_and_exits_with_2(good, tmp_path, capsys):
    html(tmp_path / "page.h5")
    empty(tmp_path / "none.h5")
    archive = str(tmp_path / "a.zarr")
    code = main(["ingest", str(tmp_path), "--archive", archive, "--workers", "1"])
    out, err = capsys.readouterr()
    assert code == 2
    assert "4 new frames" in out
    assert "2 problems" in err
    assert "page.h5: is an HTML page" in err
    assert "none.h5: is empty" in err
    assert main(["ingest", str(good), "--archive", archive]) == 0
    assert "0 new frames" in capsys.readouterr().out


def test_what_ends_the_run_does_not_hide_the_bad_files(tmp_path, capsys):
    html(tmp_path / "page.h5")
    cf.write_italian(tmp_path / "single.nc", cf.frames(1), cf.times("2025-03-01", 1))
    assert main(["ingest", str(tmp_path), "--archive", str(tmp_path / "a.zarr"), "--workers", "1"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "file/s" not in line]
    assert said[-2].startswith("nowcast ingest: step: got a single time")
    assert said[-1].startswith(f"  {tmp_path / 'page.h5'}: is an HTML page")
    assert not (tmp_path / "a.zarr").exists()


def test_the_same_frame_in_two_files_is_once_and_other_content_is_told(good, tmp_path, capsys):
    """As a person sees it: equal content is nothing to tell, different content is one line and exit code 2."""
    archive = str(tmp_path / "a.zarr")
    again = cf.write_italian(tmp_path / "again.nc", cf.frames(4), cf.times("2025-03-01", 4), history="copied")
    assert main(["ingest", str(good), str(again), "--archive", archive, "--workers", "1"]) == 0
    assert "4 new frames" in capsys.readouterr().out
    other = cf.write_italian(tmp_path / "other.nc", cf.frames(4, seed=7), cf.times("2025-03-01", 4))
    before = {t: Archive.open(archive).packed(t) for t in cf.times("2025-03-01", 4)}
    assert main(["ingest", str(other), "--archive", archive, "--workers", "1"]) == 2
    err = capsys.readouterr().err
    assert "other.nc" in err
    assert "good.nc" in err
    for time, codes in before.items():
        np.testing.assert_array_equal(Archive.open(archive).packed(time), codes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--step", "-5"], "--step: got -5"),
        (["--step", "nan"], "--step: got nan"),
        (["--workers", "0"], "--workers: got 0"),
        (["--reader", "odin"], "got 'odin', expected one of"),
    ],
)
def test_bad_options_are_one_line(arguments, words, good, tmp_path, capsys):
    assert main(["ingest", str(good), "--archive", str(tmp_path / "a.zarr"), *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
