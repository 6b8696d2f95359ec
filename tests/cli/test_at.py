"""`nowcast at` from the command line: table, JSON, meteogram, exit codes, mistakes."""

import json

import numpy as np
import pyproj
import pytest
from PIL import Image

from nowcast.cli.main import main
from nowcast.core.grid import Grid
from nowcast.products.cf_netcdf import write_forecast
from tests.fakes.fields import projected_grid
from tests.fakes.place_forecast import CELL, box, collection, feature, middle_of, place_forecast
from tests.fakes.small_archive import write_archive

GRID = projected_grid(6, 8)
LAT, LON = (f"{value:.5f}" for value in middle_of(GRID, *CELL))
BLIND = [f"{value:.5f}" for value in middle_of(GRID, 0, 7)]
Z_R = ("--z-r", "marshall_palmer")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    ladder = np.array([[0.0, 0.6, 0.9, 0.6, 0.2, 0.0, 0.3], [0.0, 0.2, 0.6, 0.3, 0.1, 0.0, 0.1], [0.0] * 7])
    path = tmp_path_factory.mktemp("at") / "f.nc"
    return write_forecast(path, place_forecast(probabilities={CELL: ladder}))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path, field = write_archive(tmp_path_factory.mktemp("at"), frames=8)
    return path, field


def at(file, *words):
    return main(["at", "--forecast", str(file), *words])


def test_a_table_and_a_block_in_a_forecasters_words(file, capsys):
    assert at(file, LAT, LON, *BLIND, "10", "20", *Z_R) == 0
    head, table, block = capsys.readouterr().out.split("\n\n")
    assert "fake, forecast reference time 2025-03-22T23:30:00Z, 10 to 70 min ahead; times are UTC" in head
    assert "begin and end: while 10 dBZ has a probability of 50 % or more" in head
    assert "mm/h by marshall_palmer: Z = 200 R^1.6" in head
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert lines[0] == "place remark begins ends peak dBZ mm/h P(10) % P(20) % P(30) % mm in 60 min"
    assert lines[1].endswith("E 23:50 00:20 on 2025-03-23 51.5 60.0 90 60 0 4.0")
    assert lines[2].endswith("E nothing known - - - - - - - -")
    assert lines[3] == "10.0000N 20.0000E outside the grid - - - - - - - -"
    assert "  rain begins at 23:50 UTC, ends at 00:20 on 2025-03-23 UTC\n" in block
    assert "  strongest 51.5 dBZ = 60.0 mm/h at 00:40 on 2025-03-23 UTC\n" in block
    assert "  rain of the next 60 min: 4.0 mm\n" in block
    assert " ".join(block.splitlines()[-3].split()) == "10 dBZ 0 60 90 60 20 0 30"


def test_what_is_missing_is_said(file, capsys):
    assert at(file, LAT, LON) == 0
    printed = capsys.readouterr().out
    assert "no mm/h and no mm: the forecast names no Z-R relation; choose one with --z-r (marsh" in printed
    assert "mm in 60 min" not in printed


def test_southern_and_western_places_and_letters(tmp_path, capsys):
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=-33.9 +lon_0=-70.6 +ellps=WGS84")
    grid = Grid(crs.to_wkt(), GRID.y - 17_000.0, GRID.x + 27_000.0)
    path = write_forecast(tmp_path / "s.nc", place_forecast(grid=grid))
    lat, lon = middle_of(grid, *CELL)
    assert (round(lat), round(lon)) == (-34, -71)
    for words in (
        [f"{lat:.5f}", f"{lon:.5f}"],
        [f"{-lat:.5f}S", f"{-lon:.5f}W"],
        [f"{lat:.5f},{lon:.5f}"],
        [f"{lat:.5f}", f"{lon + 360:.5f}"],
    ):
        for order in (["at", *words, "--forecast", str(path)], ["at", "--forecast", str(path), *words]):
            assert main(order) == 0
            assert "strongest 51.5 dBZ" in capsys.readouterr().out


def test_nothing_known_of_any_place_is_exit_code_2(file, capsys):
    assert at(file, *BLIND, "10", "20") == 2
    printed = capsys.readouterr()
    assert "nothing known" in printed.out
    assert "outside the grid" in printed.out
    assert "nothing is known of any of these places" in printed.err


def test_files_of_places_and_areas_as_json(file, tmp_path, capsys):
    (tmp_path / "p.csv").write_text(f"name,lat,lon\nhere,{LAT},{LON}\nfar,10,20\n")
    lat, lon = float(LAT), float(LON)
    area = collection(feature("basin", box(lon - 0.02, lat - 0.015, lon + 0.02, lat + 0.015)))
    (tmp_path / "a.geojson").write_text(json.dumps(area))
    code = at(
        file,
        "--places",
        str(tmp_path / "p.csv"),
        "--areas",
        str(tmp_path / "a.geojson"),
        *Z_R,
        "--json",
        str(tmp_path / "out" / "found.json"),
    )
    assert code == 0
    assert "basin" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "found.json").read_text(encoding="utf-8"))
    assert [(p["name"], p["kind"], p["status"]) for p in found["places"]] == [
        ("here", "point", "known"),
        ("far", "point", "outside"),
        ("basin", "area", "known"),
    ]
    assert found["places"][2]["cells"] == 9
    assert found["places"][0]["rain"]["begins"] == "2025-03-22T23:50:00Z"
    assert at(file, LAT, LON, "--within", "2.5", "--json", "-") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["places"][0]["kind"], printed["places"][0]["cells"]) == ("within", 21)
    assert printed["z_r_relation"] is None


def test_a_meteogram(file, tmp_path, capsys):
    assert at(file, LAT, LON, *BLIND, "--out", str(tmp_path / "m.png"), "--time-zone", "Asia/Kolkata") == 0
    assert f"meteogram: {tmp_path / 'm.png'}" in capsys.readouterr().out
    with Image.open(tmp_path / "m.png") as picture:
        assert min(picture.size) > 500


def test_from_an_archive_as_from_the_file_of_the_same_forecast(archive, tmp_path, capsys):
    path, field = archive
    lat, lon = (f"{v:.5f}" for v in middle_of(projected_grid(24, 32), 11, 16))
    given = ["--archive", str(path), "--model", "persistence", "--leads", "7"]
    assert main(["at", lat, lon, *given, *Z_R, "--json", "-"]) == 0
    (now,) = json.loads(capsys.readouterr().out)["places"]
    assert main(["forecast", *given, "--out", str(tmp_path / "f.nc")]) == 0
    capsys.readouterr()
    assert at(tmp_path / "f.nc", lat, lon, *Z_R, "--json", "-") == 0
    (later,) = json.loads(capsys.readouterr().out)["places"]
    observed = now["series"].pop("observed_reflectivity_dbz")
    assert now["series"].pop("observed_rain_rate_mm_h")
    assert now["series"] == later["series"]
    np.testing.assert_allclose(observed, field.values[-6:, 11, 16], atol=0.25)
    assert (now["rain"]["begins"], later["rain"]["begins"]) == ("2025-03-22T11:10:00Z", "2025-03-22T11:20:00Z")
    assert (now["sentence"], later["sentence"]) == (
        "it rains now, and goes on beyond 12:20 UTC",
        "rain by 11:20 UTC, and goes on beyond 12:20 UTC",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "got none, expected LAT LON, --places or --areas"),
        (["45"], "got 1 numbers"),
        (["95", "9"], "latitude 95"),
        (["45", "9", "45", "9"], "twice"),
        (["45", "9", "--within", "-5"], "--within"),
        (["45", "9", "--z-r", "none"], "z_r: got 'none'"),
        (["45", "9", "--rain", "200"], "rain: got 200"),
        (["45", "9", "--model", "persistence"], "with --forecast"),
        (["45", "9", "--time-zone", "../etc"], "--time-zone: got '../etc'"),
        (["45", "9", "--time-zone", "Mars"], "--time-zone: got 'Mars'"),
        (["--places", "none.csv"], "none.csv: got No such file"),
        (["--areas", "none.geojson"], "none.geojson: got No such file"),
        ([*(str(v) for k in range(13) for v in (45, k)), "--out", "m.png"], "--out: got 13 places"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(file, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert at(file, *words) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_needed_with_an_archive_and_a_place_for_what_is_written(archive, file, tmp_path, capsys):
    assert main(["at", "45", "9", "--archive", str(archive[0])]) == 2
    assert "expected a model with --archive" in capsys.readouterr().err
    folder = tmp_path / "folder.png"
    folder.mkdir()
    for flag in ("--json", "--out"):
        assert at(file, LAT, LON, flag, str(folder)) == 2
        assert "cannot be written" in capsys.readouterr().err
    assert at(file, LAT, LON, "--out", str(tmp_path / "meteogram.doc")) == 2
    assert "expected a file name ending in .png" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder]
    assert at(tmp_path / "none.nc", LAT, LON) == 2
    assert "got no file" in capsys.readouterr().err
    (tmp_path / "bad.nc").write_bytes(b"CDF\x01 no")
    assert at(tmp_path / "bad.nc", LAT, LON) == 2
    assert "expected a whole forecast file" in capsys.readouterr().err
