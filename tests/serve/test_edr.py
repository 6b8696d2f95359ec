"""EDR queries: values of cells known by hand, in every format, and what is refused with which status."""

import json

import numpy as np
import pytest

from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.products.cf_netcdf import read_forecast
from nowcast.serve.edr_query import read_area, read_box
from nowcast.serve.regions import of_area, of_box
from nowcast.serve.settings import Limits
from tests.fakes.fields import geographic_grid
from tests.fakes.place_forecast import CELL, RATES, THRESHOLDS, dbz_of
from tests.fakes.served import GRIDS, LEADS, PROBABILITY, Client, place_of, write_known, write_service

HERE = "/collections/nowcast"
FIRST, LAST = "2025-03-22T23:40:00Z", "2025-03-23T00:40:00Z"


@pytest.fixture(scope="module", params=list(GRIDS))
def served(request, tmp_path_factory):
    """A client of one forecast, and its grid."""
    grid = GRIDS[request.param]
    return Client(write_known(tmp_path_factory.mktemp("edr") / "a.nc", grid)), grid


def point(grid, cell=CELL):
    lon, lat = place_of(grid, cell)
    return f"POINT({lon} {lat})"


def test_position_is_the_cell_that_holds_it(served):
    client, grid = served
    answer = client.ask(f"{HERE}/position", coords=point(grid), **{"parameter-name": "reflectivity,rain_rate"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/prs.coverage+json"
    found = answer.json()
    assert found["type"] == "Coverage"
    axes = found["domain"]["axes"]
    assert found["domain"]["domainType"] == "PointSeries"
    assert axes["t"]["values"][0], axes["t"]["values"][-1] == (FIRST, LAST)
    lon, lat = place_of(grid)
    assert axes["x"]["values"] == [pytest.approx(lon, abs=1e-5)]
    assert axes["y"]["values"] == [pytest.approx(lat, abs=1e-5)]
    values = found["ranges"]["reflectivity"]
    assert (values["axisNames"], values["shape"]) == (["t", "y", "x"], [LEADS, 1, 1])
    np.testing.assert_allclose(values["values"], dbz_of(RATES), atol=0.006)
    np.testing.assert_allclose(found["ranges"]["rain_rate"]["values"], RATES, rtol=2e-3)
    assert found["parameters"]["rain_rate"]["unit"] == {"label": {"en": "mm/h"}, "symbol": "mm/h"}
    systems = {system["system"]["type"] for system in found["domain"]["referencing"]}
    assert systems == {"GeographicCRS", "TemporalRS"}


def test_each_threshold_is_a_coverage_of_its_own(served):
    client, grid = served
    query = {"parameter-name": "exceedance_probability", "coords": point(grid)}
    found = client.ask(f"{HERE}/position", **query).json()
    assert found["type"] == "CoverageCollection"
    assert [c["domain"]["axes"]["threshold"]["values"] for c in found["coverages"]] == [[t] for t in THRESHOLDS]
    for k, coverage in enumerate(found["coverages"]):
        values = coverage["ranges"]["exceedance_probability"]["values"]
        np.testing.assert_allclose(values, PROBABILITY[k], atol=0.0021)
    one = client.ask(f"{HERE}/position", **query, threshold="20", datetime=f"{FIRST}/2025-03-22T23:50Z").json()
    assert one["type"] == "Coverage"
    assert one["domain"]["axes"]["threshold"] == {"values": [20.0]}
    np.testing.assert_allclose(one["ranges"]["exceedance_probability"]["values"], [0.05, 0.1], atol=0.0021)
    for span, count in ((f"{LAST}/..", 1), (f"../{FIRST}", 1), ("../..", LEADS)):
        part = client.ask(f"{HERE}/position", **query, threshold="20", datetime=span).json()
        assert len(part["domain"]["axes"]["t"]["values"]) == count


def test_several_points_and_unknown_values(served):
    client, grid = served
    lon, lat = place_of(grid)
    edge_lon, edge_lat = place_of(grid, (2, 7))
    coords = f"MULTIPOINT(({lon} {lat}),({edge_lon} {edge_lat}))"
    query = {"parameter-name": "reflectivity", "datetime": FIRST, "coords": coords}
    found = client.ask(f"{HERE}/position", **query).json()
    values = [c["ranges"]["reflectivity"]["values"] for c in found["coverages"]]
    assert values == [[NO_ECHO_DBZ], [None]]


def test_csv_has_a_line_for_each_known_value(served):
    client, grid = served
    query = {"parameter-name": "exceedance_probability", "threshold": "10,30", "f": "CSV", "datetime": LAST}
    answer = client.ask(f"{HERE}/position", coords=point(grid), **query)
    assert answer.headers["content-type"].startswith("text/csv")
    lon, lat = place_of(grid)
    assert answer.text.splitlines() == [
        "parameter,unit,time,latitude,longitude,threshold,value",
        f"exceedance_probability,1,{LAST},{lat:g},{lon:g},10,0.7",
        f"exceedance_probability,1,{LAST},{lat:g},{lon:g},30,0.176",
    ]


def test_area_holds_the_cells_whose_centres_lie_in_it(served):
    client, grid = served
    (west, south), (east, north) = place_of(grid, (3, 1)), place_of(grid, (1, 3))
    tiny = 1e-4
    west, south, east, north = west - tiny, south - tiny, east + tiny, north + tiny
    ring = f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"
    query = {"parameter-name": "reflectivity", "datetime": "2025-03-22T23:50:00Z", "coords": ring}
    found = client.ask(f"{HERE}/area", **query).json()
    values = found["ranges"]["reflectivity"]
    wet = dbz_of(6.0).round(2)
    if grid.geographic:
        assert found["domain"]["domainType"] == "Grid"
        assert (values["axisNames"], values["shape"]) == (["t", "y", "x"], [1, 3, 3])
        assert values["values"].index(pytest.approx(wet, abs=0.01)) == 5  # row 2 of 1-3, column 3 of 1-3
    else:
        assert found["domain"]["domainType"] == "MultiPointSeries"
        places = found["domain"]["axes"]["composite"]["values"]
        at = values["values"].index(pytest.approx(wet, abs=0.01))
        assert places[at] == pytest.approx(list(place_of(grid)), abs=1e-5)
        assert values["shape"] == [1, len(places)]
    assert sorted(v for v in values["values"] if v is not None)[-2] == NO_ECHO_DBZ


def test_cube_as_netcdf_is_a_forecast_file_of_that_window(served, tmp_path):
    client, grid = served
    (west, south), (east, north) = place_of(grid, (3, 2)), place_of(grid, (2, 3))
    box = f"{west - 2e-4},{south - 2e-4},{east + 2e-4},{north + 2e-4}"
    query = {"parameter-name": "exceedance_probability", "threshold": "20/30", "f": "netCDF", "bbox": box}
    answer = client.ask(f"{HERE}/cube", **query)
    assert answer.status_code == 200, answer.text
    (tmp_path / "part.nc").write_bytes(answer.content)
    found = read_forecast(tmp_path / "part.nc")
    assert found.sizes["y"] == found.sizes["x"] == 2
    assert found["threshold"].values.tolist() == [20.0, 30.0]
    np.testing.assert_allclose(found["reflectivity"].values[:, 0, 1], dbz_of(RATES), atol=0.006)
    np.testing.assert_allclose(found["exceedance_probability"].values[:, :, 0, 1], PROBABILITY[1:], atol=0.0021)
    assert found.attrs["licence"] == "CC BY 4.0"
    assert found["crs"].attrs["crs_wkt"] == grid.crs_wkt


def test_what_there_is_is_described(served):
    client, grid = served
    found = client.ask("/collections").json()["collections"]
    assert [c["id"] for c in found] == ["nowcast"]
    about = client.ask(HERE).json()
    assert about["extent"]["temporal"]["interval"] == [[FIRST, LAST]]
    west, south, east, north = about["extent"]["spatial"]["bbox"][0]
    lon, lat = place_of(grid)
    assert west < lon < east
    assert south < lat < north
    assert about["extent"]["custom"][0]["values"] == list(THRESHOLDS)
    assert set(about["data_queries"]) == {"position", "area", "cube"}
    assert about["parameter_names"]["exceedance_probability"]["unit"]["symbol"] == "1"
    paths = client.ask("/api").json()["paths"]
    assert "/collections/nowcast/instances/{instance}/area" in paths
    links = {link["rel"]: link["href"] for link in client.ask("/", f="json").json()["links"]}
    assert links["data"] == "http://127.0.0.1:8080/collections"


REFUSED = {
    "no such collection": ("/collections/other/position", {}, 404),
    "no such query": (f"{HERE}/trajectory", {}, 404),
    "no such instance": (f"{HERE}/instances/..%2f..%2fetc/position", {}, 404),
    "no place": (f"{HERE}/position", {}, 400),
    "no text of a place": (f"{HERE}/position", {"coords": "POINT(1"}, 400),
    "a polygon as a position": (f"{HERE}/position", {"coords": "POLYGON((9 45,10 45,10 46,9 45))"}, 400),
    "a point as an area": (f"{HERE}/area", {"coords": "POINT(10 45)"}, 400),
    "off the Earth": (f"{HERE}/position", {"coords": "POINT(10 95)"}, 400),
    "not a number": (f"{HERE}/position", {"coords": "POINT(nan nan)"}, 400),
    "off the grid": (f"{HERE}/position", {"coords": "POINT(-70 45)"}, 404),
    "an area off the grid": (f"{HERE}/area", {"coords": "POLYGON((-70 4,-69 4,-69 5,-70 4))"}, 404),
    "no area": (f"{HERE}/area", {"coords": "POLYGON((9 45,9 45,9 45,9 45))"}, 400),
    "no box": (f"{HERE}/cube", {"bbox": "9,46,10,45"}, 400),
    "half a box": (f"{HERE}/cube", {"bbox": "9,46"}, 400),
    "a box off the grid": (f"{HERE}/cube", {"bbox": "-70,4,-69,5"}, 404),
    "no such parameter": (f"{HERE}/position", {"coords": "POINT(10 45)", "parameter-name": "snow"}, 404),
    "no such time": (f"{HERE}/position", {"coords": "POINT(10 45)", "datetime": "2020-01-01T00:00Z"}, 400),
    "no time": (f"{HERE}/position", {"coords": "POINT(10 45)", "datetime": "soon"}, 400),
    "no such threshold": (f"{HERE}/position", {"coords": "POINT(10 45)", "threshold": "21"}, 400),
    "one such threshold of two": (f"{HERE}/position", {"coords": "POINT(10 45)", "threshold": "10,21"}, 400),
    "no such format": (f"{HERE}/position", {"coords": "POINT(10 45)", "f": "exe"}, 400),
    "no such CRS": (f"{HERE}/position", {"coords": "POINT(10 45)", "crs": "EPSG:3857"}, 400),
    "a height": (f"{HERE}/position", {"coords": "POINT(10 45)", "z": "100"}, 400),
    "a word that nothing knows": (f"{HERE}/position", {"coords": "POINT(10 45)", "datatime": "x"}, 400),
    "netCDF of a point": (f"{HERE}/position", {"coords": "POINT(10 45)", "f": "netCDF"}, 400),
}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return Client(write_known(tmp_path_factory.mktemp("refused") / "a.nc"))


@pytest.mark.parametrize(("path", "query", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_one_line_with_its_status(one, path, query, status):
    answer = one.ask(path, **query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    said = json.loads(answer.text)
    assert set(said) == {"code", "description"}
    assert "\n" not in said["description"]
    assert "Traceback" not in answer.text


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    limits = Limits(values=50, points=2, vertices=4)
    client = Client(write_known(tmp_path / "a.nc"), limits=limits)
    places = (place_of(GRIDS["projected"], cell) for cell in (CELL, (2, 3)))
    two = ",".join(f"({lon} {lat})" for lon, lat in places)
    for path, query in (
        ("cube", {"bbox": "9,44,11,46"}),
        ("position", {"coords": "MULTIPOINT((10 45),(10 45.01),(10 45.02))"}),
        ("position", {"coords": f"MULTIPOINT({two})"}),  # few cells, many frames
        ("area", {"coords": "POLYGON((9 44,11 44,11 46,9 46,9 44))"}),
    ):
        answer = client.ask(f"{HERE}/{path}", **query)
        assert answer.status_code == 413, answer.text
        assert "expected at most" in answer.json()["description"]


def pacific():
    return Grid(geographic_grid().crs_wkt, 10.0 - 0.5 * np.arange(20), 175.0 + 0.5 * np.arange(20))


def test_of_the_window_of_a_triangle_half_is_inside():
    text = "POLYGON((174.9 0.9,179.3 0.9,174.9 5.3,174.9 0.9))"
    region = of_area(pacific(), read_area({"coords": text}, Limits()))
    lon, lat = region.degrees(pacific())
    assert region.inside.shape == (9, 9)
    np.testing.assert_array_equal(region.inside, (lon - 175) + (lat - 1) < 4.2)


def test_a_box_across_the_dateline_and_one_with_heights():
    grid = pacific()
    region = of_box(grid, (178.9, 1.9, -178.9, 4.1))
    lon, lat = region.degrees(grid)
    assert sorted(set(lon[region.inside].tolist())) == [-180.0, -179.5, -179.0, 179.0, 179.5]
    assert sorted(set(lat[region.inside].tolist())) == [2.0, 2.5, 3.0, 3.5, 4.0]
    assert read_box({"bbox": "9,45,0,10,46,500"}) == read_box({"bbox": "9,45,10,46"}) == (9.0, 45.0, 10.0, 46.0)


def test_every_kept_nowcast_can_be_asked(tmp_path):
    client = Client(write_service(tmp_path))
    names = [line["id"] for line in client.ask(f"{HERE}/instances").json()["instances"]]
    assert names == ["20250322T230000Z", "20250322T233000Z"]
    query = {"coords": point(GRIDS["projected"]), "parameter-name": "rain_rate", "datetime": FIRST}
    old = client.ask(f"{HERE}/instances/{names[0]}/position", **query).json()
    new = client.ask(f"{HERE}/position", **query).json()
    assert old["ranges"]["rain_rate"]["values"] == [pytest.approx(1.0, rel=2e-3)]
    assert new["ranges"]["rain_rate"]["values"] == [pytest.approx(2.0, rel=2e-3)]
    assert client.ask(f"{HERE}/instances/{names[0]}").json()["id"] == names[0]
