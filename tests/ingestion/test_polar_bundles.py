"""Which polar files belong to one frame: scans of a volume, volumes of several radars, by the step."""

from pathlib import Path

import numpy as np
import pytest

from nowcast.core.errors import TimeError
from nowcast.ingestion.polar.bundles import bundles_of
from nowcast.ingestion.polar.look import PolarFile
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site

FIVE = np.timedelta64(5, "m")


def file(clock, elevations=(0.5, 1.5), radar="a", lon=5.0):
    return PolarFile(
        Path(f"{radar}{clock}"),
        1,
        1,
        f"{radar}{clock}",
        Site(radar, lon, 50.0, 0.0),
        np.datetime64(f"2025-03-01T{clock}", "ns"),
        "DBZH",
        tuple(elevations),
    )


def grouped(files, step=FIVE, **how):
    bundles, problems, _ = bundles_of(files, PolarSettings(**how), step)
    return {str(b.time)[11:16]: [f.path.name for f in b.files] for b in bundles}, problems


def test_whole_volumes_of_one_radar_stand_alone_at_their_own_time():
    files = [file("12:00:05"), file("12:05:04")]
    bundles, problems, together = bundles_of(files, PolarSettings(), None)
    assert [(str(b.time)[11:19], b.sha256) for b in bundles] == [
        ("12:00:05", "a12:00:05"),
        ("12:05:04", "a12:05:04"),
    ]
    assert (problems, together) == ([], False)


def test_scans_of_one_radar_become_the_volume_of_their_time():
    files = [file("12:00:41", [8.0]), file("12:01:25", [3.6]), file("12:02:29", [1.6]), file("12:02:31", [0.5])]
    assert grouped(files)[0] == {"12:00": ["a12:00:41", "a12:01:25", "a12:02:29"], "12:05": ["a12:02:31"]}
    assert grouped(files, rounding="down")[0] == {"12:00": ["a12:00:41", "a12:01:25", "a12:02:29", "a12:02:31"]}


def test_of_two_scans_of_one_elevation_the_nearer_counts():
    files = [file("12:02:00", [0.5]), file("12:00:30", [0.5]), file("11:58:00", [1.5])]
    assert grouped(files)[0] == {"12:00": ["a12:00:30", "a11:58:00"]}


def test_volumes_of_several_radars_become_one_frame_and_the_order_of_files_does_not_matter():
    files = [
        file("12:00:10"),
        file("12:05:20"),
        file("12:01:00", radar="b", lon=7.0),
        file("12:10:00"),
        file("12:05:30", radar="b", lon=7.0),
    ]
    expected = {
        "12:00": ["a12:00:10", "b12:01:00"],
        "12:05": ["a12:05:20", "b12:05:30"],
        "12:10": ["a12:10:00"],
    }
    assert grouped(files)[0] == expected
    assert grouped(files[::-1])[0] == expected
    assert grouped(files, step=None)[0] == expected  # the step of the radar with most files
    (one, *_), _, together = bundles_of(files, PolarSettings(), FIVE)
    (again, *_), _, _ = bundles_of(files[::-1], PolarSettings(), FIVE)
    assert one.sha256 == again.sha256 != files[0].sha256
    assert together


def test_two_places_of_one_name_are_two_radars():
    files = [file("12:00:00"), file("12:01:00", lon=5.5)]
    assert grouped(files)[0] == {"12:00": ["a12:00:00", "a12:01:00"]}


def test_a_file_too_far_from_its_time_is_named():
    files = [file("12:00:10", [0.5]), file("12:02:10", [1.5])]
    found, problems = grouped(files, tolerance_minutes=2.0)
    assert found == {"12:00": ["a12:00:10"]}
    assert "a12:02:10: of 2025-03-01T12:02:10Z is 2.17 minutes from 2025-03-01T12:00:00Z, expected at most" in (
        str(problems[0])
    )


def test_a_phase_that_is_not_on_the_clock_is_kept():
    phase = np.datetime64("2025-03-01T11:01", "ns")
    bundles, _, _ = bundles_of([file("12:00:10", [0.5]), file("12:02:10", [1.5])], PolarSettings(), FIVE, phase)
    assert [str(b.time)[11:16] for b in bundles] == ["12:01"]


def test_scans_without_a_step_say_what_to_give():
    with pytest.raises(TimeError, match="give it with --step MINUTES"):
        bundles_of([file("12:00:41", [8.0]), file("12:01:25", [3.6])], PolarSettings(), None)
