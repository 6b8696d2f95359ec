"""The pipeline: what goes in comes out, once, in any order, and the second time nothing is touched."""

import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

from nowcast.archive.ledger import Entries
from nowcast.archive.reader import Archive
from nowcast.core.errors import ArchiveError, SettingsError, TimeError
from nowcast.core.processes import Workers
from nowcast.ingestion.readers.choice import ReaderChoice
from nowcast.ingestion.scan import scan_all
from nowcast.workflows.ingest import ingest
from tests.fakes import cf, odim, pictures


def run(paths, archive, **settings):
    return ingest(
        [paths] if not isinstance(paths, list) else paths,
        archive,
        **{"workers_count": 1, "progress": False, **settings},
    )


def contents(archive):
    found = Archive.open(archive)
    return {str(t): found.packed(t).tobytes() for t in found.times}


def days(folder, *starts, count=3):
    folder.mkdir(exist_ok=True)
    for number, start in enumerate(starts):
        cf.write_italian(folder / f"{start}.nc", cf.frames(count, seed=number), cf.times(start, count))
    return folder


def state(archive):
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in archive.rglob("*")}


def test_values_times_and_provenance_come_out_as_they_went_in(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00", "2025-03-01T01:00")
    report = run(folder, tmp_path / "a.zarr", licence="CC BY-SA 4.0")
    assert (report.frames, report.files, report.known_files, report.problems) == (6, 2, 0, ())
    archive = Archive.open(tmp_path / "a.zarr")
    expected = np.concatenate([cf.truth(cf.frames(3, seed=n)) for n in (0, 1)])
    np.testing.assert_array_equal(archive.field().values, expected)
    times = np.concatenate([cf.times(f"2025-03-01T0{h}:00", 3) for h in (0, 1)])
    np.testing.assert_array_equal(archive.times, times)
    assert archive.step == np.timedelta64(10, "m")
    assert archive.attrs["licence"] == "CC BY-SA 4.0"
    assert archive.attrs["source"] == "Dipartimento (test)"
    assert sorted(s.name for s in archive.sources) == ["2025-03-01T00:00.nc", "2025-03-01T01:00.nc"]
    with xr.open_zarr(tmp_path / "a.zarr") as data:
        assert data.sizes["time"] == 9


def test_bytes_survive_as_codes(tmp_path):
    raw = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (2, 1, 1))
    raw = np.where((raw > 200) & (raw < 255), 200, raw).astype(np.uint8)
    path = cf.write_italian(tmp_path / "i.nc", raw, cf.times("2025-03-01", 2))
    run(path, tmp_path / "a.zarr")
    dbz = Archive.open(tmp_path / "a.zarr").field().values
    codes = np.where(np.isnan(dbz), 255, np.where(dbz == -32, 0, np.rint(dbz * 2))).astype(np.uint8)
    np.testing.assert_array_equal(codes, raw)


def test_again_nothing_is_read_and_nothing_rewritten(tmp_path, monkeypatch):
    folder = days(tmp_path / "in", "2025-03-01T00:00", "2025-03-01T01:00")
    run(folder, tmp_path / "a.zarr")
    before = state(tmp_path / "a.zarr")
    monkeypatch.setattr("nowcast.ingestion.scan.scan_file", lambda *_: pytest.fail("read again"))
    report = run(folder, tmp_path / "a.zarr")
    assert (report.frames, report.known_files) == (0, 2)
    assert state(tmp_path / "a.zarr") == before


def test_a_copied_or_touched_file_is_known_by_its_content(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00")
    run(folder, tmp_path / "a.zarr")
    before = state(tmp_path / "a.zarr")
    copy = tmp_path / "copy.nc"
    copy.write_bytes(next(folder.iterdir()).read_bytes())
    report = run(copy, tmp_path / "a.zarr")
    assert (report.frames, report.known_files, report.problems) == (0, 1, ())
    assert state(tmp_path / "a.zarr") == before
    both = run([folder, copy], tmp_path / "b.zarr")
    assert (both.frames, both.known_files, both.problems) == (3, 1, ())


def test_order_and_portions_do_not_matter(tmp_path):
    starts = ["2025-03-01T02:00", "2025-03-01T00:00", "2025-03-01T04:00", "2025-03-01T01:00"]
    files = sorted(days(tmp_path / "in", *starts).iterdir())
    run(files, tmp_path / "once.zarr")
    for file in [files[2], files[3], files[0], files[1]]:
        run(file, tmp_path / "each.zarr")
    run(files[::-1], tmp_path / "back.zarr")
    assert contents(tmp_path / "each.zarr") == contents(tmp_path / "once.zarr")
    assert contents(tmp_path / "back.zarr") == contents(tmp_path / "once.zarr")
    prints = {Archive.open(tmp_path / f"{n}.zarr").fingerprint for n in ("once", "each", "back")}
    assert len(prints) == 1


def test_equal_frames_in_two_files_are_once(tmp_path):
    raw, times = cf.frames(4), cf.times("2025-03-01", 4)
    first = cf.write_italian(tmp_path / "1.nc", raw[:3], times[:3])
    second = cf.write_italian(tmp_path / "2.nc", raw[1:], times[1:])
    report = run([first, second], tmp_path / "a.zarr")
    assert (report.frames, report.same, report.problems) == (4, 2, ())
    assert run([first, second], tmp_path / "a.zarr").known_files == 2


def test_different_content_for_one_time_names_both_files_and_keeps_the_first(tmp_path):
    times = cf.times("2025-03-01", 3)
    first = cf.write_italian(tmp_path / "1.nc", cf.frames(3, seed=1), times)
    second = cf.write_italian(tmp_path / "2.nc", cf.frames(3, seed=2)[:2], times[:2])
    report = run([second, first], tmp_path / "a.zarr")
    assert report.frames == 3
    assert len(report.problems) == 2
    text = str(report.problems[0])
    assert str(first) in text
    assert "2.nc" in text
    assert "2025-03-01T00:00:00Z" in text
    archive = Archive.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(archive.dbz(times[0]), cf.truth(cf.frames(3, seed=2))[0])
    np.testing.assert_array_equal(archive.dbz(times[2]), cf.truth(cf.frames(3, seed=1))[2])
    again = run([second, first], tmp_path / "a.zarr")
    assert again.known_files == 2
    assert [p.message for p in again.problems] == [p.message for p in report.problems]


def test_single_frame_files_of_each_format(tmp_path):
    swiss = np.zeros((640, 710), np.uint8)
    swiss[100:120, 100:120] = 110
    makers = {
        "odim_h5": lambda p, n: odim.write_sweden(
            p, np.full((6, 5), 100 + n, np.uint8), f"2025-03-01T00:{5 * n:02d}"
        ),
        "fmi_pgm": lambda p, n: pictures.write_fmi(p, np.full((6, 5), 100 + n), f"2025-03-01T00:{5 * n:02d}"),
        "mch_gif": lambda p, n: pictures.write_mch(p, swiss, f"2025-03-01T00:{5 * n:02d}"),
    }
    for name, make in makers.items():
        files = [make(tmp_path / f"{name}{n}", n) for n in range(3)]
        report = run(files, tmp_path / f"{name}.zarr")
        assert (report.frames, report.problems) == (3, ()), name
        archive = Archive.open(tmp_path / f"{name}.zarr")
        assert archive.step == np.timedelta64(5, "m")
        assert archive.sources[0].reader == name


def test_the_step_is_told_from_the_times_or_given(tmp_path):
    one = cf.write_italian(tmp_path / "1.nc", cf.frames(1), cf.times("2025-03-01", 1))
    with pytest.raises(TimeError, match="--step MINUTES"):
        run(one, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    run(one, tmp_path / "a.zarr", step=np.timedelta64(10, "m"))
    assert Archive.open(tmp_path / "a.zarr").step == np.timedelta64(10, "m")
    two = cf.write_italian(tmp_path / "2.nc", cf.frames(1), cf.times("2025-03-02", 1))
    with pytest.raises(ArchiveError, match="got --step 5, expected the 10 minutes"):
        run(two, tmp_path / "a.zarr", step=np.timedelta64(5, "m"))


def test_a_named_reader_is_used_and_an_unknown_one_refused(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00")
    with pytest.raises(SettingsError, match="expected one of odim_h5"):
        run(folder, tmp_path / "a.zarr", reader="odin")
    report = run(folder, tmp_path / "a.zarr", reader="fmi_pgm")
    assert "cannot be read as FMI PGM" in str(report.problems[0]) or "PGM" in str(report.problems[0])
    assert run(folder, tmp_path / "a.zarr", reader="cf_netcdf").frames == 3


def test_workers_read_with_dask_processes(tmp_path):
    folder = days(tmp_path / "in", *[f"2025-03-{d:02d}T00:00" for d in range(1, 6)])
    report = run(folder, tmp_path / "a.zarr", workers_count=2, progress=True)
    assert report.frames == 15
    one = run(folder, tmp_path / "b.zarr")
    assert one.frames == 15
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")


def test_a_reader_may_hold_the_archive_open_meanwhile(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T02:00")
    run(folder, tmp_path / "a.zarr")
    held = Archive.open(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as data:
        days(tmp_path / "in", "2025-03-01T02:00", "2025-03-01T05:00")
        run(folder, tmp_path / "a.zarr")
        np.testing.assert_array_equal(data.reflectivity[2].values.astype(np.float32), held.dbz(held.times[2]))
    run(days(tmp_path / "early", "2025-03-01T00:00"), tmp_path / "a.zarr")
    np.testing.assert_array_equal(held.field().values, cf.truth(cf.frames(3, seed=0)))


def test_hidden_files_in_folders_are_passed_over(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00")
    (folder / ".part").write_bytes(b"half a download")
    assert run(folder, tmp_path / "a.zarr").problems == ()


def test_an_open_netcdf_library_is_never_left_behind(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00")
    run(folder, tmp_path / "a.zarr")
    with netCDF4.Dataset(next(folder.iterdir()), "a") as data:
        data.note = "a file that is still open elsewhere could not be changed"


@pytest.mark.slow
def test_a_script_without_the_guard_of_its_main_part_ingests_with_workers_too(tmp_path):
    """Spawned processes do not import the script again: it runs once."""
    (tmp_path / "in").mkdir()
    cf.write_italian(tmp_path / "in" / "a.nc", cf.frames(2), cf.times("2025-03-01", 2))
    cf.write_italian(tmp_path / "in" / "b.nc", cf.frames(2), cf.times("2025-03-02", 2))
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from nowcast.workflows.ingest import ingest\n"
        "print('once')\n"
        "report = ingest(['in'], 'a.zarr', workers_count=2, progress=False)\n"
        "assert report.frames == 4, report\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["once"]


def test_files_that_are_looked_at_in_parts_give_the_same_archive(tmp_path, monkeypatch):
    starts = [f"2025-03-01T{hour:02d}:00" for hour in range(5)]
    folder = days(tmp_path / "in", *starts)
    (folder / "again.nc").write_bytes((folder / f"{starts[4]}.nc").read_bytes())
    (folder / "broken.nc").write_bytes(b"no radar")
    whole = run(folder, tmp_path / "whole.zarr")
    monkeypatch.setattr("nowcast.workflows.ingest._FILES_A_TIME", 2)
    parts = run(folder, tmp_path / "parts.zarr")
    assert contents(tmp_path / "parts.zarr") == contents(tmp_path / "whole.zarr")
    assert (parts.frames, parts.files, parts.known_files) == (whole.frames, whole.files, whole.known_files)
    assert parts.problems == whole.problems
    assert len(parts.problems) == 1
    assert run(folder, tmp_path / "parts.zarr").known_files == 6


def test_a_grid_is_kept_once_for_all_files_that_lie_on_it(tmp_path):
    folder = days(tmp_path / "in", "2025-03-01T00:00", "2025-03-01T01:00")
    with Workers(1) as pool:
        files = sorted(folder.iterdir())
        scans, _, _ = scan_all(pool, files, ReaderChoice(None, None), Entries(), progress=False)
    assert len(scans) == 2
    assert scans[0].grid is scans[1].grid
