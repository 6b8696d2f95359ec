"""Polar files through to an archive: values, gridding in words, beam heights, and what is refused."""

import re
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import yaml

from nowcast.archive.reader import Archive
from nowcast.cli.main import main
from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.settings import build
from nowcast.ingestion.mapped.reader import mapped
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.settings import PolarSettings, polar_settings
from nowcast.workflows.ingest import ingest
from tests.fakes import polar

TEXT = "method=maximum,radius_km=40,cell_km=4"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "polar-volumes.md"


def half(value):
    """No echo in the north, not observed beyond 30 km, else one value."""
    dbz = np.full((36, 25), value)
    dbz[np.r_[0:8, 28:36]] = -32.0
    dbz[:, 15:] = np.nan
    return dbz


@pytest.fixture
def volumes(tmp_path):
    return [
        polar.write_odim(
            tmp_path / f"v{k}.h5",
            {0.5: half(20.0 + k), 2.0: half(10.0)},
            time=f"2025-03-01T12:{5 * k:02d}:07",
            first_azimuth=0.0,
            start_km=0.0,
        )
        for k in range(3)
    ]


def call(files, archive, *more):
    return main(["ingest", *map(str, files), "--archive", str(archive), "--workers", "1", *more])


def test_values_times_and_place_come_into_the_archive(volumes, tmp_path, capsys):
    assert call(volumes, tmp_path / "a.zarr", "--polar", TEXT) == 0
    archive = Archive.open(tmp_path / "a.zarr")
    frames = archive.frames(archive.times).values
    assert [str(t)[11:19] for t in archive.times] == ["12:00:07", "12:05:07", "12:10:07"]
    assert archive.grid.shape == (20, 20)
    for k in range(3):
        assert frames[k, 14, 10] == pytest.approx(20.0 + k, abs=0.21)
        assert frames[k, 5, 10] == -32.0
        assert np.isnan(frames[k, [0, 19, 10], [0, 19, 19]]).all()
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.zarr")]) == 0
    said = capsys.readouterr().out
    assert "gridding  maximum of the column, nearest gate, within 40 km, elevations 0.5 to 2 degrees" in said
    assert "xxaaa 50.0000 N 5.0000 E 120 m" in said
    with netCDF4.Dataset(tmp_path / "a.zarr" / "beam_height.nc") as data:
        height = np.ma.filled(data["beam_height"][:], np.nan)
        assert data["beam_height"].units == "m"
    np.testing.assert_array_equal(np.isnan(height), np.isnan(frames[0]))
    # the gates of 0.5 degrees at about 18 km: 120 m + 157 m + 19 m
    assert height[14, 10] == pytest.approx(296.0, abs=25.0)


def test_the_same_files_again_are_known(volumes, tmp_path):
    settings = polar_settings(TEXT)
    ingest(volumes[:2], tmp_path / "a.zarr", 1, False, polar=settings)
    report = ingest(volumes, tmp_path / "a.zarr", 1, False, polar=settings)
    assert (report.frames, report.known_files, report.problems) == (1, 2, ())


def test_another_method_does_not_go_into_the_same_archive(volumes, tmp_path):
    ingest(volumes[:2], tmp_path / "a.zarr", 1, False, polar=polar_settings(TEXT))
    report = ingest(volumes[2:], tmp_path / "a.zarr", 1, False, polar=PolarSettings())
    assert "holds DBZH lowest_beam, expected DBZH maximum as the archive does" in str(report.problems[0])


def test_scans_that_come_late_fill_their_frame(tmp_path):
    """One scan a file: the second run brings the lower scan of the same time."""
    high = polar.write_odim(tmp_path / "h.h5", {5.0: half(10.0)}, "2025-03-01T12:00:40", kind="SCAN")
    low = half(30.0)
    low[:, 15:] = -32.0
    other = polar.write_odim(tmp_path / "l.h5", {0.5: low}, "2025-03-01T12:01:20", kind="SCAN")
    settings, step = polar_settings("lowest_beam,radius_km=40,cell_km=4"), np.timedelta64(5, "m")
    ingest([high], tmp_path / "a.zarr", 1, False, step=step, polar=settings)
    report = ingest([high, other], tmp_path / "a.zarr", 1, False, polar=settings)
    assert (report.replaced, report.problems) == (1, ())
    archive = Archive.open(tmp_path / "a.zarr")
    assert [str(t)[11:16] for t in archive.times] == ["12:00"]
    frame = archive.frames(archive.times).values[0]
    assert frame[14, 10] == pytest.approx(30.0, abs=0.21)
    assert frame[10, 19] == -32.0
    assert ingest([high, other], tmp_path / "a.zarr", 1, False, polar=settings).known_files == 2


def test_two_radars_become_one_composite(volumes, tmp_path):
    other = [
        polar.write_odim(
            tmp_path / f"w{k}.h5",
            {0.5: half(40.0)},
            f"2025-03-01T12:{5 * k:02d}:30",
            place=(5.5, 50.0, 300.0),
            name="xxbbb",
            first_azimuth=0.0,
        )
        for k in range(3)
    ]
    report = ingest([*volumes, *other], tmp_path / "a.zarr", 1, False, polar=polar_settings(TEXT))
    assert (report.frames, report.problems) == (3, ())
    archive = Archive.open(tmp_path / "a.zarr")
    frame = archive.frames(archive.times).values[0]
    assert [str(t)[11:19] for t in archive.times] == ["12:00:00", "12:05:00", "12:10:00"]
    assert frame.shape == (21, 30)  # both lie a little north of the straight line through their middle
    south = int(np.argmin(np.abs(archive.grid.y + 18_000)))
    middle = archive.grid.shape[1] // 2
    assert frame[south, middle - 5] == pytest.approx(20.0, abs=0.21)
    assert frame[south, middle + 5] == pytest.approx(40.0, abs=0.21)
    assert "maximum of 2 radars" in archive.attrs["gridding"]


def test_without_a_method_volumes_are_refused_and_the_line_says_how(volumes, tmp_path):
    report = ingest(volumes[:1], tmp_path / "a.zarr", 1, False)
    assert "put it on one with --polar lowest_beam" in str(report.problems[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lowest", "--polar: method: got 'lowest', expected one of lowest_beam, cappi, maximum"),
        ("cell=1", "--polar: cell: unknown setting"),
        ("cell_km=0", "polar.cell_km: got 0, expected 0.05 to 20"),
        ("radius_km=x", "--polar: radius_km: got 'x', expected float"),
        ("lowest_elevation_deg=5,highest_elevation_deg=1", "polar.lowest_elevation_deg: got 5"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(text, said, tmp_path, capsys):
    with pytest.raises(SettingsError) as caught:
        polar_settings(text)
    assert said in str(caught.value)
    assert call([tmp_path], tmp_path / "a.zarr", "--polar", text) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_elevations_and_quantity_are_chosen(volumes):
    chosen = read_volume(volumes[0], PolarSettings(quantity="TH", lowest_elevation_deg=1.0))
    assert [s.elevation_deg for s in chosen.sweeps] == [2.0]
    assert chosen.sweeps[0].read()[10, 0] == pytest.approx(11.2, abs=0.21)  # three codes more than DBZH
    with pytest.raises(NowcastError, match="quantity: got DBZH, TH, expected one of ZDR"):
        read_volume(volumes[0], PolarSettings(quantity="ZDR"))
    with pytest.raises(NowcastError, match="holds no sweep of DBZH, expected one or more"):
        read_volume(volumes[0], PolarSettings(lowest_elevation_deg=60.0))


@pytest.mark.parametrize("version", [1, 2])
def test_what_cfradial_has_no_code_for_is_what_the_settings_say(version, tmp_path):
    path = polar.write_cfradial(tmp_path / "c.nc", {0.5: half(20.0)}, version)
    assert (read_volume(path, PolarSettings()).sweeps[0].read()[:, 15:] == -32.0).all()
    assert np.isnan(read_volume(path, PolarSettings(missing="not_observed")).sweeps[0].read()[:, 15:]).all()


@pytest.mark.parametrize("write", [polar.write_odim, polar.write_cfradial])
@pytest.mark.parametrize("percent", range(0, 100, 9))
def test_no_cut_volume_is_taken_for_whole(write, percent, tmp_path):
    path = write(tmp_path / "v.x", {0.5: half(20.0)})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * percent // 100])
    with pytest.raises(NowcastError, match=r"v\.x"):
        [s.read() for s in read_volume(path, PolarSettings()).sweeps]


def change(path, place, **attributes):
    with h5py.File(path, "a") as file:
        for name, value in attributes.items():
            if value is None:
                del file[place].attrs[name]
            else:
                file[place].attrs[name] = value


@pytest.mark.parametrize(
    ("place", "attributes", "said"),
    [
        ("where", {"lat": 95.0}, "stands at 95 N"),
        ("where", {"height": None}, "where/height: got nothing"),
        ("what", {"date": np.bytes_("2025")}, "expected YYYYMMDD"),
        ("dataset1/where", {"rscale": -1.0}, "gates of -1 m"),
        ("dataset1/where", {"rscale": 1e6}, "expected one that a radar can make"),
        ("dataset1/where", {"elangle": np.bytes_("up")}, "elangle: got 'up', expected a number"),
        ("dataset1/where", {"rstart": np.nan}, "rstart"),
        ("dataset1/data2/what", {"gain": 0.0}, "gain: got 0"),
        ("dataset1/data2/what", {"offset": -150.0}, "values: got"),
    ],
)
def test_numbers_that_no_radar_has_are_one_line(place, attributes, said, volumes):
    change(volumes[0], place, **attributes)
    with pytest.raises(NowcastError) as caught:
        [s.read() for s in read_volume(volumes[0], PolarSettings()).sweeps]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_azimuths_of_another_number_than_the_rays_are_not_used(volumes):
    change(volumes[0], "dataset1/how", startazA=np.arange(5.0))
    azimuth = read_volume(volumes[0], PolarSettings()).sweeps[0].azimuth_deg
    np.testing.assert_allclose(azimuth, 5.0 + 10.0 * np.arange(36))


def test_a_volume_that_reaches_outside_itself_is_not_read(volumes, tmp_path):
    with h5py.File(volumes[0], "a") as file:
        del file["dataset1/data2/data"]
        file["dataset1/data2/data"] = h5py.ExternalLink(str(volumes[1]), "dataset1/data2/data")
    with pytest.raises(NowcastError, match="links to another file"):
        read_volume(volumes[0], PolarSettings())
    with h5py.File(volumes[2], "a") as file:
        del file["dataset1/data2/data"]
        file["dataset1/data2"].create_dataset(
            "data", (100, 100), "u1", chunks=(30_000, 30_000), maxshape=(None, None)
        )
    with pytest.raises(NowcastError, match="expected no more than its own"):
        read_volume(volumes[2], PolarSettings())


def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch):
    path = tmp_path / "KLBB"
    path.write_bytes(b"AR2V0006.736" + bytes(12) + b"KLBB" + b"\x12" * 2000)
    monkeypatch.setattr("nowcast.ingestion.polar.by_xradar.available", lambda: False)
    report = ingest([path], tmp_path / "a.zarr", 1, False, polar=PolarSettings())
    wanted = "NEXRAD level 2 needs the library 'xradar', which is not installed: pip install 'nowcast[polar]'"
    assert wanted in str(report.problems[0])


def test_a_mapping_may_say_how_volumes_are_gridded(volumes, tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.M | re.S)
    settings = build(Mapping, yaml.safe_load(text))
    assert settings.polar == PolarSettings(method="cappi", height_km=2.0, cell_km=2.0, radius_km=60.0)
    (tmp_path / "m.yaml").write_text(text)
    assert ingest(volumes, tmp_path / "a.zarr", 1, False, reader=mapped(tmp_path / "m.yaml")).frames == 3
    archive = Archive.open(tmp_path / "a.zarr")
    assert archive.grid.shape == (60, 60)
    assert archive.attrs["gridding"].startswith("CAPPI at 2 km (pseudo)")
