"""CSV and GeoJSON of places: what is right is read, what is wrong is one line that names it."""

import json

import numpy as np
import pytest

from nowcast.core.errors import FileError, SettingsError
from nowcast.postprocessing.places import files
from nowcast.postprocessing.places.coordinates import parse_pairs, place_name
from nowcast.postprocessing.places.files import read_areas, read_places
from tests.fakes.place_forecast import box, collection, feature


def test_points_as_people_write_them():
    assert parse_pairs(["45.46", "9.19", "-33.9", "151.2"]) == [(45.46, 9.19), (-33.9, 151.2)]
    assert parse_pairs(["45.46N", "9.19e", "33.9S", "70.6°W"]) == [(45.46, 9.19), (-33.9, -70.6)]
    assert parse_pairs(["9.19E", "45.46N"]) == [(45.46, 9.19)]
    assert parse_pairs(["45.46,9.19", "-33.9, 151.2"]) == [(45.46, 9.19), (-33.9, 151.2)]
    assert parse_pairs(["10", "190", "0", "360", "0", "180", "90", "-180"]) == [
        (10, -170),
        (0, 0),
        (0, 180),
        (90, -180),
    ]
    assert place_name(-33.9, 151.2) == "33.9000S 151.2000E"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["45"], "got 1 numbers, expected LAT LON"),
        (["90.01", "9"], "latitude 90.01, expected -90 to 90"),
        (["45", "361"], "longitude 361, expected -180 to 360"),
        (["45", "-181"], "longitude -181"),
        (["nan", "9"], "got 'nan'"),
        (["45", "inf"], "got 'inf'"),
        (["45N", "9N"], "expected a latitude and a longitude"),
        (["45E", "9E"], "expected a latitude and a longitude"),
        (["-45S", "9E"], "got '-45S'"),
        (["Milan", "9"], "got 'Milan', expected degrees"),
    ],
)
def test_points_that_are_none(words, message):
    with pytest.raises(SettingsError, match=message):
        parse_pairs(words)


@pytest.mark.parametrize(
    "text",
    [
        "name,lat,lon\nMilan,45.46,9.19\nSydney,-33.9,151.2\n",
        "lon;Name;LATITUDE;more\n9,19;Milan;45,46;x\n\n151,2;Sydney;-33,9;\n",
        "\ufeffname\tlat\tlong\r\nMilan\t45.46N\t9.19E\r\nSydney\t33.9S\t151.2\r\n",
        'name,lat,lon\n"Milan",45.46,9.19\nSydney,-33.9,151.2',
    ],
)
def test_csv_of_several_habits(tmp_path, text):
    (tmp_path / "p.csv").write_bytes(text.encode())
    places = read_places(tmp_path / "p.csv", within_km=5)
    assert [(p.name, p.latitude, p.longitude, p.within_km) for p in places] == [
        ("Milan", 45.46, 9.19, 5),
        ("Sydney", -33.9, 151.2, 5),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got columns '', expected name, lat and lon"),
        (b"name,lat,lon\n", "got no places, expected at least one"),
        (b"Milan,45.46,9.19\n", "got columns 'milan, 45.46, 9.19'"),
        (b"name,lat,latitude,lon\nMilan,1,2,3", "each once"),
        (b"name,lat,lon\nMilan,45.46\n", "line 2: got '', expected degrees"),
        (b"name,lat,lon\nMilan,95.46,9\n", "line 2: got latitude 95.46"),
        (b"name,lat,lon\n,45.46,9\n", "line 2: got a name of 0 characters"),
        (b"name,lat,lon\n" + b"x" * 101 + b",45.46,9\n", "a name of 101 characters"),
        (b"name,lat,lon\nMilan,45,9\nMilan,46,9\n", "got the name 'Milan' twice"),
        (b'name,lat,lon\n"Milan,45,9\n', "expected CSV"),
        (b"\xff\xfe\x00", "bytes that are no text"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 50, "no text|columns"),
    ],
)
def test_csv_that_is_none(tmp_path, content, message):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises((FileError, SettingsError), match=message) as error:
        read_places(tmp_path / "p.csv")
    assert "\n" not in str(error.value)


def test_what_a_terminal_would_obey_is_made_harmless(tmp_path):
    (tmp_path / "p.csv").write_text("name,lat,lon\n\x1b[2JMilan\u202e,45,9\nTu\x00rin,45,7\n")
    assert [p.name for p in read_places(tmp_path / "p.csv")] == ["\\x1b[2JMilan\\u202e", "Tu\\x00rin"]
    areas = read_areas(feature("<b>\n\x07$x$", box(0, 0, 1, 1)))
    assert areas[0].name == "<b> \\x07$x$"


@pytest.mark.parametrize("read", [read_places, read_areas])
def test_files_absent_or_too_large(tmp_path, monkeypatch, read):
    with pytest.raises(FileError, match="No such file"):
        read(tmp_path / "none")
    with pytest.raises(FileError, match="directory"):
        read(tmp_path)
    monkeypatch.setattr(files, "_MOST_BYTES", 10)
    (tmp_path / "big").write_text("x" * 11)
    with pytest.raises(FileError, match="larger than 10 bytes"):
        read(tmp_path / "big")


def test_geojson_of_every_form(tmp_path):
    ring = box(9, 45, 10, 46)
    for document in (feature(None, ring)["geometry"], feature(None, ring), collection(feature(None, ring))):
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps(document))
        (found,) = read_areas(path)
        assert (found.name, found.kind, found.latitude, found.longitude) == ("area 1", "area", 45.5, 9.5)
        assert found.outline.bounds == (9, 45, 10, 46)
    several = collection(feature("a", ring), feature(7, [ring], [box(20, 45, 21, 46)], kind="MultiPolygon"))
    assert [(p.name, p.outline.area) for p in read_areas(several)] == [("a", 1.0), ("7", 2.0)]
    high = [[*place, 300.0] for place in ring]
    assert read_areas(feature("a", high))[0].outline.area == 1.0


def test_a_bow_tie_is_repaired_and_says_so():
    (found,) = read_areas(feature("bow", [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]))
    assert found.outline.area == 2.0
    assert "repaired" in found.note
    assert read_areas(feature("a", box(0, 0, 1, 1)))[0].note == ""


def test_a_ring_over_the_dateline_runs_on():
    (found,) = read_areas(feature("a", box(179, 0, -179, 1)))
    assert found.outline.bounds == (179, 0, 181, 1)
    (whole,) = read_areas(feature("a", box(-180, 80, 180, 90)))
    assert whole.outline.bounds == (-180, 80, 180, 90)


NO_RING = [[0, 0], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "got JSON"),
        ({}, "GeoJSON of type None"),
        ({"type": "Topology"}, "GeoJSON of type 'Topology'"),
        ({"type": "FeatureCollection", "features": 3}, "of type 'FeatureCollection'"),
        ({"type": "FeatureCollection", "features": []}, "got no places"),
        ({"type": "FeatureCollection", "features": [3]}, "feature 1: got"),
        ({"type": "Feature", "geometry": None}, "a geometry of type None"),
        ({"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}}, "'area 1': got a geometry"),
        (feature("x"), "'x': got coordinates"),
        (feature("x", NO_RING), "'x': got a ring .* at least four"),
        (feature("x", box(0, 0, 1, 1)[:-1]), "the last as the first"),
        (feature("x", [["0", "0"]] * 4), "'x': got a ring"),
        (feature("x", [[0, 0], [1], [1, 1], [0, 0]]), "'x': got a ring"),
        (feature("x", "abcd"), "'x': got a ring"),
        (feature("x", 3), "'x': got a ring"),
        (feature("x", box(0, 0, 1, 91)), r"'x': got a position \[1.0, 91.0\]"),
        (feature("x", box(0, 0, 1e300, 9)), "'x': got a position"),
        (feature("x", box(500000, 0, 600000, 9)), "'x': got a position"),
        (feature("x", [[0, 0], [1, float("nan")], [1, 1], [0, 0]]), "'x': got a position"),
        (feature("x", [[0, 0], [1, 1], [2, 2], [0, 0]]), "'x': got an outline without extent"),
        (collection(feature("x", box(0, 0, 1, 1)), feature("x", box(0, 0, 1, 1))), "the name 'x' twice"),
        (feature("", box(0, 0, 1, 1)), "a name of 0 characters"),
        (
            {**feature("x", box(0, 0, 1, 1)), "crs": {"type": "name", "properties": {"name": "EPSG:32632"}}},
            "crs",
        ),
    ],
)
def test_geojson_that_is_none(tmp_path, document, message):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(document))
    with pytest.raises((FileError, SettingsError), match=message) as error:
        read_areas(path)
    assert len(str(error.value)) < 800


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "name,lat,lon\nMilan,45,9\n", '{"type": "Feat'])
def test_json_that_is_none(tmp_path, text):
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(FileError, match=r"a.geojson: got no JSON .* expected GeoJSON"):
        read_areas(tmp_path / "a.geojson")


def test_the_old_crs_member_may_say_what_is_so_anyway():
    document = {
        **feature("x", box(0, 0, 1, 1)),
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
    }
    assert np.isclose(read_areas(document)[0].outline.area, 1.0)
