"""What an archive takes: one quantity, times on its step within a tolerance, near to the others, re-issues."""

import os

import h5py
import numpy as np
import pytest

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import SettingsError
from nowcast.core.files import replace_bytes
from nowcast.ingestion.readers.odim_h5 import OdimH5
from nowcast.workflows.ingest import ingest
from tests.fakes import cf, knmi, odim

NOW = np.datetime64("2025-06-01T00:00")
SCENE = np.full((6, 8), 50, np.uint8)


def run(paths, archive, **settings):
    return ingest(paths, archive, **{"workers_count": 1, "progress": False, "now": NOW, **settings})


def sweden(folder, *times, raw=SCENE, **changes):
    return [
        odim.write_sweden(folder / f"{t.replace(':', '')}.h5", raw, f"2025-03-01T{t}", **changes) for t in times
    ]


def stamps(archive):
    return [str(t)[11:19] for t in Archive.open(archive).times]


def test_seconds_of_jitter_are_moved_onto_the_step(tmp_path):
    files = sweden(tmp_path, "12:00:13", "12:04:51", "12:10:07", "12:14:40", "12:20:20", "12:30:02")
    report = run(files, tmp_path / "a.zarr")
    assert report.problems == ()
    assert Archive.open(tmp_path / "a.zarr").step == np.timedelta64(5, "m")
    assert stamps(tmp_path / "a.zarr") == [f"12:{m:02d}:00" for m in (0, 5, 10, 15, 20, 30)]


def test_a_first_frame_with_seconds_keeps_no_later_one_out(tmp_path):
    files = sweden(tmp_path, "12:00:07", "12:10:00", "12:19:58")
    for file in files:
        assert run([file], tmp_path / "a.zarr", step=np.timedelta64(10, "m")).problems == ()
    assert stamps(tmp_path / "a.zarr") == ["12:00:00", "12:10:00", "12:20:00"]


def test_a_lone_first_frame_off_the_step_makes_room_and_is_named(tmp_path):
    files = sweden(tmp_path, "12:03", "12:10", "12:20")
    step = np.timedelta64(10, "m")
    run(files[:1], tmp_path / "a.zarr", step=step, licence="CC BY 4.0")
    report = run(files[1:2], tmp_path / "a.zarr", step=step)
    assert [str(p).partition(", of ")[2][:20] for p in report.problems] == ["2025-03-01T12:03:00Z"]
    assert run(files[2:], tmp_path / "a.zarr", step=step).problems == ()
    assert stamps(tmp_path / "a.zarr") == ["12:10:00", "12:20:00"]
    assert Archive.open(tmp_path / "a.zarr").attrs["licence"] == "CC BY 4.0"
    late = run(files[:1], tmp_path / "a.zarr")
    assert "off the archive's step of 10 minutes" in str(late.problems[0])


def test_earlier_frames_begin_the_archive_anew_where_they_are(tmp_path):
    files = sweden(tmp_path, "12:40", "12:50", "12:20", "12:10")
    for part, slots, first in ((files[:2], 2, "12:40"), (files[2:3], 4, "12:20"), (files[3:], 5, "12:10")):
        assert run(part, tmp_path / "a.zarr", step=np.timedelta64(10, "m")).problems == ()
        archive = Archive.open(tmp_path / "a.zarr")
        assert (archive.slots, str(archive.origin)[11:16]) == (slots, first)
    assert stamps(tmp_path / "a.zarr") == [f"12:{m}:00" for m in (10, 20, 40, 50)]


def test_a_series_that_runs_off_the_clock_on_purpose_is_left_there(tmp_path):
    run(sweden(tmp_path, "12:01", "12:11", "12:21"), tmp_path / "a.zarr")
    assert stamps(tmp_path / "a.zarr") == ["12:01:00", "12:11:00", "12:21:00"]


@pytest.mark.parametrize("first", [True, False])
def test_a_frame_of_1970_makes_no_millions_of_empty_slots(first, tmp_path):
    odd = odim.write_sweden(tmp_path / "odd.h5", SCENE, "1970-01-01T00:00")
    good = sweden(tmp_path, "12:00", "12:10", "12:20")
    reports = [
        run([odd, *good] if first else files, tmp_path / "a.zarr")
        for files in ([[]] if first else [good, [odd]])
    ]
    assert "1 frame is years away from all others, the first at 1970-01-01" in str(reports[-1].problems[0])
    assert Archive.open(tmp_path / "a.zarr").slots == 3


def test_years_in_a_row_are_no_gap(tmp_path):
    """Ten years of one frame each: none is more than five years from its neighbour."""
    files = [odim.write_sweden(tmp_path / f"{y}.h5", SCENE, f"{y}-03-01T00:00") for y in range(2015, 2026)]
    step = np.timedelta64(60, "m")
    run(files[-1:], tmp_path / "a.zarr", step=step)
    assert run(files[:-1], tmp_path / "a.zarr").problems == ()
    assert len(Archive.open(tmp_path / "a.zarr").times) == 11


@pytest.mark.parametrize("year", [1440, 1969, 9999])
def test_years_that_no_radar_saw_are_refused(year, tmp_path):
    path = odim.write_sweden(tmp_path / "y.h5", SCENE, f"{year}-03-01T00:00")
    report = run([path], tmp_path / "a.zarr", step=np.timedelta64(5, "m"))
    assert f"give '{year}0301000000', expected YYYYMMDD and HHMMSS of the years 1970 to 2199" in str(
        report.problems[0]
    )


def test_sums_of_an_hour_do_not_fill_gaps_between_rates(tmp_path):
    rate = np.full((6, 8), 3.0)
    rates = [odim.write_opera(tmp_path / f"r{m}.h5", rate, f"2025-03-01T12:{m}") for m in ("00", "15")]
    sums = [odim.write_opera(tmp_path / f"s{m}.h5", rate, f"2025-03-01T12:{m}", "ACRR") for m in ("30", "45")]
    report = run([*sums[:1], *rates, *sums[1:]], tmp_path / "a.zarr")
    assert [p.path.name for p in report.problems] == ["s30.h5", "s45.h5"]
    assert "holds ACRR over 5 minutes, expected RATE as the archive does" in str(report.problems[0])
    assert stamps(tmp_path / "a.zarr") == ["12:00:00", "12:15:00"]
    again = run(sums, tmp_path / "a.zarr")
    assert len(again.problems) == 2


def test_another_period_or_moment_is_another_quantity(tmp_path):
    raw = np.full((6, 8), 7, np.uint8)
    five = [
        knmi.write_knmi(
            tmp_path / f"{m}.h5",
            raw,
            f"26-AUG-2010;01:{m - 5:02d}:00.000",
            f"26-AUG-2010;01:{m:02d}:00.000",
            rain=True,
        )
        for m in (5, 10)
    ]
    hour = knmi.write_knmi(
        tmp_path / "h.h5", raw, "26-AUG-2010;00:15:00.000", "26-AUG-2010;01:15:00.000", rain=True
    )
    dbz = knmi.write_knmi(tmp_path / "d.h5", raw, end="26-AUG-2010;01:20:00.000")
    report = run([*five, hour, dbz], tmp_path / "a.zarr")
    assert report.frames == 2
    assert [str(p).partition("holds ")[2].partition(", expected")[0] for p in report.problems] == [
        "ACCUMULATED_PRECIPITATION_[MM] over 60 minutes",
        "REFLECTIVITY_[DBZ]",
    ]


def test_one_bad_frame_of_many_is_named_with_its_time_and_costs_no_other(tmp_path, capsys):
    raw = cf.frames(24)
    raw[5, 3, 3] = 254  # 127 dBZ
    path = cf.write_italian(tmp_path / "day.nc", raw, cf.times("2025-03-01", 24))
    assert main(["ingest", str(path), "--archive", str(tmp_path / "a.zarr"), "--workers", "1"]) == 2
    err = capsys.readouterr().err
    assert "day.nc: the frame of 2025-03-01T00:50:00Z: got values from -32 to 127" in err
    assert "everything else is in the archive" in err
    archive = Archive.open(tmp_path / "a.zarr")
    times = cf.times("2025-03-01", 24)
    np.testing.assert_array_equal(archive.times, np.delete(times, 5))
    np.testing.assert_array_equal(archive.field().values, np.delete(cf.truth(raw), 5, axis=0))


def test_when_nothing_is_in_it_is_not_said_that_everything_else_is(tmp_path, capsys):
    (tmp_path / "x.h5").write_bytes(b"<html>")
    assert main(["ingest", str(tmp_path / "x.h5"), "--archive", str(tmp_path / "a.zarr")]) == 2
    err = capsys.readouterr().err
    assert "everything else" not in err
    assert "nothing is in the archive" in err


@pytest.mark.parametrize(
    "error", [KeyError("gone"), ZeroDivisionError(), TypeError("no\nwords"), RecursionError()]
)
@pytest.mark.parametrize("place", ["open", "sniff"])
def test_whatever_a_reader_raises_is_that_files_problem(error, place, tmp_path, monkeypatch):
    def broken(self, path):
        if path.name == "1210.h5":
            raise error
        return real(self, path)

    real = getattr(OdimH5, place)
    monkeypatch.setattr(OdimH5, place, broken)
    report = run(sweden(tmp_path, "12:00", "12:10", "12:20"), tmp_path / "a.zarr")
    assert report.frames == 2
    assert [p.path.name for p in report.problems] == ["1210.h5"]
    assert "\n" not in str(report.problems[0])


def _reissue(tmp_path, first, second, later=10, **settings):
    """Ingest ``first``, then ``second`` for the same time and one more, some seconds younger."""
    run(sweden(tmp_path, "12:00", raw=first), tmp_path / "a.zarr", step=np.timedelta64(10, "m"))
    (tmp_path / "new").mkdir()
    files = [*sweden(tmp_path / "new", "12:00", raw=second), *sweden(tmp_path / "new", "12:10", raw=first)]
    stat = (tmp_path / "1200.h5").stat()
    for file in files:
        os.utime(file, (stat.st_atime, stat.st_mtime + later))
    report = run(files, tmp_path / "a.zarr", **settings)
    values = Archive.open(tmp_path / "a.zarr").dbz(np.datetime64("2025-03-01T12:00"))
    return report, float(values[-1, -1])


PARTLY = SCENE.copy()
PARTLY[:3] = 255
CORRECTED = SCENE + np.uint8(20)


def test_by_default_a_fuller_issue_of_the_same_source_replaces(tmp_path):
    report, value = _reissue(tmp_path, PARTLY, CORRECTED)
    assert (report.frames, report.replaced, report.problems) == (1, 1, ())
    assert value == pytest.approx(-2.0)
    archive = Archive.open(tmp_path / "a.zarr")
    assert archive.over_time("observed_share").tolist() == [1.0, 0.5]
    old, new = archive.sources[:2]
    assert (old.frames, new.frames) == (0, 1)
    assert new.replaced == (f"2025-03-01T12:00:00Z of 1200.h5 (SHA-256 {old.sha256[:16]})",)
    assert {s.name for s in archive.done_sources()} == {"1200.h5", "1210.h5"}
    again = run([tmp_path / "1200.h5", tmp_path / "new"], tmp_path / "a.zarr")
    assert (again.frames, again.replaced, again.known_files, again.problems) == (0, 0, 3, ())


@pytest.mark.parametrize(
    ("first", "second", "later", "reissued", "value", "problems"),
    [
        (SCENE, CORRECTED, 10, "complete", -10, 1),
        (SCENE, PARTLY, 10, "complete", -10, 1),
        (PARTLY, CORRECTED, -10, "complete", -10, 1),
        (SCENE, CORRECTED, 10, "replace", -2, 0),
        (SCENE, CORRECTED, -10, "replace", -10, 1),
        (PARTLY, CORRECTED, 10, "keep", -10, 0),
        (PARTLY, CORRECTED, 10, "refuse", -10, 1),
    ],
)
def test_the_policy_decides_which_issue_stays(first, second, later, reissued, value, problems, tmp_path):
    report, found = _reissue(tmp_path, first, second, later, reissued=reissued)
    assert found == pytest.approx(value)
    assert len(report.problems) == problems
    assert all("differs from the one of 1200.h5" in str(p) for p in report.problems)
    assert report.replaced == (value == -2)


def test_what_was_refused_once_replaces_when_the_user_says_so(tmp_path):
    """The way to it: the default keeps the first and says so, then the same files come with ``replace``."""
    report, value = _reissue(tmp_path, SCENE, CORRECTED)
    assert (len(report.problems), value) == (1, pytest.approx(-10.0))
    for known in (2, 3):
        report = run([tmp_path / "1200.h5", tmp_path / "new"], tmp_path / "a.zarr", reissued="replace")
        assert (report.replaced, report.known_files, report.problems) == (3 - known, known, ())
    archive = Archive.open(tmp_path / "a.zarr")
    assert float(archive.dbz(np.datetime64("2025-03-01T12:00"))[-1, -1]) == pytest.approx(-2.0)
    ledger = [(s.frames, s.problems, len(s.replaced)) for s in archive.sources]
    assert ledger == [(0, (), 0), (1, (), 1), (1, (), 0)]


def test_another_source_never_replaces(tmp_path):
    raw = np.full((1, 6, 8), 60, np.uint8)
    raw[:, :3] = 255
    step = np.timedelta64(10, "m")
    run([cf.write_italian(tmp_path / "a.nc", raw, cf.times("2025-03-01", 1))], tmp_path / "a.zarr", step=step)
    other = cf.write_italian(tmp_path / "b.nc", np.full((1, 6, 8), 61, np.uint8), cf.times("2025-03-01", 1))
    with h5py.File(other, "a") as file:
        file.move("reflectivity", "corrected")
    os.utime(other, (2e9, 2e9))
    report = run([other], tmp_path / "a.zarr", reissued="replace")
    assert "one quantity in one archive" in str(report.problems[0])


def test_a_policy_that_is_none_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="got 'newest', expected one of complete, replace, keep, refuse"):
        run([], tmp_path / "a.zarr", reissued="newest")


def test_names_and_kinds_of_files_that_are_none_do_no_harm(tmp_path, capfdbinary):
    (tmp_path / "in").mkdir()
    evil = os.fsencode(tmp_path / "in") + b"/\xff\x1b[2J\nname.h5"
    with open(evil, "wb") as handle:  # noqa: PTH123
        handle.write(b"nothing")
    os.mkfifo(tmp_path / "pipe")
    sweden(tmp_path / "in", "12:00", "12:10")
    paths = [str(tmp_path / "in"), str(tmp_path / "pipe"), "/dev/zero"]
    assert main(["ingest", *paths, "--archive", str(tmp_path / "a.zarr"), "--workers", "1"]) == 2
    err = capfdbinary.readouterr().err
    lines = err.split(b"nowcast ingest: ")[1].splitlines()
    assert lines[0].startswith(b"3 problems")
    assert len(lines) == 4
    assert b"\x1b" not in b"".join(lines)
    assert b"\xff" not in b"".join(lines)
    assert sum(b"no ordinary file" in line for line in lines) == 2
    assert len(Archive.open(tmp_path / "a.zarr").times) == 2


@pytest.mark.parametrize("writes", range(9))
def test_a_replacement_that_dies_at_any_write_is_finished_by_the_next_run(writes, tmp_path, monkeypatch):
    archive = tmp_path / "a.zarr"
    run(sweden(tmp_path, "12:00", raw=PARTLY), archive, step=np.timedelta64(10, "m"))
    (tmp_path / "new").mkdir()
    file = sweden(tmp_path / "new", "12:00", raw=CORRECTED)[0]
    os.utime(file, (2e9, 2e9))
    left = [writes]

    def dying(target, data):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        replace_bytes(target, data)

    with monkeypatch.context() as patch:
        patch.setattr("nowcast.archive.create.replace_bytes", dying)
        patch.setattr("nowcast.archive.ledger.replace_bytes", dying)
        try:
            run([file], archive)
        except KeyboardInterrupt:
            between = float(Archive.open(archive).dbz(np.datetime64("2025-03-01T12:00"))[-1, -1])
            assert between in (-10.0, -2.0)
    assert run([file], archive).problems == ()
    found = Archive.open(archive)
    assert found.dbz(found.times[0])[-1, -1] == pytest.approx(-2.0)
    assert found.over_time("observed_share").tolist() == [1.0]
    old, new = found.sources
    assert (old.frames, new.frames, len(new.replaced)) == (0, 1, 1)
    assert len(found.done_sources()) == 2
    assert sorted(p.name for p in (archive / "reflectivity").iterdir()) == ["c.0.0.0", "zarr.json"]
