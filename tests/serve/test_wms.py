"""The Web Map Service: what QGIS and OWSLib send is answered, axes in the order of each version and CRS."""

import json
from xml.etree import ElementTree

import numpy as np
import pyproj
import pytest

from nowcast.report.palettes import palette_of
from nowcast.serve.settings import Limits
from tests.fakes.place_forecast import dbz_of
from tests.fakes.served import GRIDS, Client, colours, place_of, write_known, write_service

WET = "2025-03-22T23:50:00Z"
SIZE = 64


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return Client(write_known(tmp_path_factory.mktemp("wms") / "a.nc"), limits=Limits(pixels=512))


def around(crs, metres_or_degrees):
    """A box about the wet cell: left, bottom, right, top."""
    lon, lat = place_of(GRIDS["projected"])
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(lon, lat)
    return x - metres_or_degrees, y - metres_or_degrees, x + metres_or_degrees, y + metres_or_degrees


def ask(client, **query):
    return client.ask("/wms", **{"SERVICE": "WMS", "REQUEST": "GetMap", "LAYERS": "reflectivity", **query})


BOXES = {
    "1.3.0 CRS:84": ("1.3.0", "CRS:84", "OGC:CRS84", 0.004, False),
    "1.3.0 EPSG:4326": ("1.3.0", "EPSG:4326", "OGC:CRS84", 0.004, True),
    "1.3.0 EPSG:3857": ("1.3.0", "EPSG:3857", "EPSG:3857", 500, False),
    "1.3.0 EPSG:3035": ("1.3.0", "EPSG:3035", "EPSG:3035", 400, True),
    "1.3.0 EPSG:25832": ("1.3.0", "EPSG:25832", "EPSG:25832", 400, False),
    "1.1.1 EPSG:4326": ("1.1.1", "EPSG:4326", "OGC:CRS84", 0.004, False),
    "1.1.1 EPSG:3857": ("1.1.1", "EPSG:3857", "EPSG:3857", 500, False),
}


@pytest.mark.parametrize(("version", "name", "crs", "half", "north_first"), BOXES.values(), ids=BOXES)
def test_the_middle_of_the_map_is_where_it_was_asked_for(client, version, name, crs, half, north_first):
    left, bottom, right, top = around(crs, half)
    box = (bottom, left, top, right) if north_first else (left, bottom, right, top)
    key = "CRS" if version == "1.3.0" else "SRS"
    query = {
        "VERSION": version,
        key: name,
        "BBOX": ",".join(map(str, box)),
        "WIDTH": str(SIZE),
        "HEIGHT": str(SIZE),
        "STYLES": "",
        "FORMAT": "image/png",
        "TRANSPARENT": "TRUE",
        "TIME": WET,
    }
    picture = colours(ask(client, **query).content)
    expected = palette_of("reflectivity").rgba(np.array([dbz_of(6.0)]))[0].tolist()
    assert picture[SIZE // 2, SIZE // 2].tolist() == expected
    corner = "i", "j"
    column, row = corner if version == "1.3.0" else ("X", "Y")
    info = {**query, "REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "reflectivity", column: "32", row: "32"}
    found = ask(client, **info, INFO_FORMAT="application/json").json()["features"][0]
    assert found["properties"]["value"] == pytest.approx(dbz_of(6.0), abs=0.006)
    assert found["geometry"]["coordinates"] == pytest.approx(list(place_of(GRIDS["projected"])), abs=1e-4)
    assert "value: 35.4" in ask(client, **info, INFO_FORMAT="text/plain").text


def test_the_pixel_under_the_pointer_is_counted_from_the_top_left(client):
    left, bottom, right, top = around("OGC:CRS84", 0.004)
    query = {"CRS": "CRS:84", "WIDTH": "32", "HEIGHT": "96", "TIME": WET, "REQUEST": "GetFeatureInfo"}
    query |= {"QUERY_LAYERS": "reflectivity", "INFO_FORMAT": "application/json"}
    query["BBOX"] = f"{left},{bottom - 2 * (top - bottom)},{right},{top}"  # the cell lies in its upper third
    found = [ask(client, **query, I="16", J=row).json()["features"][0] for row in ("16", "79")]
    values = [feature["properties"]["value"] for feature in found]
    assert values[0] == pytest.approx(dbz_of(6.0), abs=0.006)
    assert values[1] is None or values[1] < 0.0


def test_as_qgis_asks(client):
    """The forms that QGIS 3 sends, in its order and with its case and encoding."""
    start = (
        "/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&BBOX=5591000%2C1119000%2C5601000%2C1129000&CRS=EPSG%3A3857"
        "&WIDTH=300&HEIGHT=200&LAYERS=exceedance_probability&STYLES=&FORMAT=image%2Fpng&DPI=96&MAP_RESOLUTION=96"
        "&FORMAT_OPTIONS=dpi%3A96&TRANSPARENT=TRUE&TIME=2025-03-22T23%3A50%3A00Z&DIM_THRESHOLD=20"
    )
    assert client.ask(start).status_code == 200
    assert client.ask("/wms?SERVICE=WMS&REQUEST=GetCapabilities").status_code == 200
    info = start.replace("GetMap", "GetFeatureInfo") + (
        "&QUERY_LAYERS=exceedance_probability&INFO_FORMAT=application%2Fjson&I=10&J=20&FEATURE_COUNT=10"
    )
    feature = client.ask(info).json()["features"][0]
    assert feature["properties"]["threshold"] == "20 dBZ"
    assert feature["properties"]["value"] is None
    legend = "/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetLegendGraphic&LAYER=reflectivity&FORMAT=image/png"
    assert client.ask(f"{legend}&STYLE=default&SLD_VERSION=1.1.0&TRANSPARENT=true").status_code == 200


def test_background_where_nothing_is(client):
    query = {"CRS": "CRS:84", "BBOX": "-70,0,-69,1", "WIDTH": "8", "HEIGHT": "8", "BGCOLOR": "0x102030"}
    assert colours(ask(client, **query).content)[0, 0].tolist() == [16, 32, 48, 255]
    clear = colours(ask(client, **query, TRANSPARENT="true").content)
    assert clear[0, 0, 3] == 0


def test_legend_has_every_class_and_the_size_that_is_promised(client):
    for layer, quantity in (("reflectivity", "reflectivity"), ("exceedance_probability", "probability")):
        answer = client.ask("/wms", service="WMS", request="GetLegendGraphic", layer=layer, style="radar")
        picture = colours(answer.content)
        shown = {tuple(c) for c in picture.reshape(-1, 4)[:, :3].tolist()}
        for rgb in palette_of(quantity, "radar").rgb().tolist():
            assert tuple(rgb) in shown
        about = ElementTree.fromstring(client.ask("/wms?request=GetCapabilities&service=WMS").content)
        names = {"w": "http://www.opengis.net/wms"}
        layers = {e.find("w:Name", names).text: e for e in about.iterfind(".//w:Layer/w:Layer", names)}
        promised = layers[layer].find("w:Style/w:LegendURL", names).attrib
        assert (int(promised["width"]), int(promised["height"])) == picture.shape[1::-1]


def test_capabilities_of_both_versions(tmp_path):
    client = Client(write_service(tmp_path))
    root = ElementTree.fromstring(client.ask("/wms?service=WMS&request=GetCapabilities").content)
    names = {"w": "http://www.opengis.net/wms"}
    layer = root.find(".//w:Layer/w:Layer", names)
    assert layer.find("w:Name", names).text == "reflectivity"
    dimensions = {d.attrib["name"]: d for d in layer.iterfind("w:Dimension", names)}
    assert dimensions["time"].text.split(",")[1] == WET
    assert dimensions["reference_time"].text == "2025-03-22T23:00:00Z,2025-03-22T23:30:00Z"
    boxes = {b.attrib["CRS"]: b.attrib for b in root.iterfind(".//w:BoundingBox", names)}
    assert float(boxes["EPSG:4326"]["minx"]) == pytest.approx(float(boxes["CRS:84"]["miny"]))
    old = client.ask("/wms?service=WMS&version=1.1.1&request=GetCapabilities")
    assert old.headers["content-type"] == "application/vnd.ogc.wms_xml"
    root = ElementTree.fromstring(old.content)
    assert root.tag == "WMT_MS_Capabilities"
    assert root.find(".//Layer/Layer/Extent").attrib["name"] == "time"
    assert root.find(".//LatLonBoundingBox") is not None


def test_an_earlier_nowcast_by_its_reference_time(tmp_path):
    client = Client(write_service(tmp_path))
    left, bottom, right, top = around("OGC:CRS84", 0.004)
    query = {
        "CRS": "CRS:84",
        "BBOX": f"{left},{bottom},{right},{top}",
        "WIDTH": "9",
        "HEIGHT": "9",
        "TIME": WET,
    }
    info = {**query, "REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "rain_rate", "I": "4", "J": "4"}
    info["INFO_FORMAT"] = "application/json"
    values = [
        ask(client, **info, DIM_REFERENCE_TIME=time).json()["features"][0]["properties"]["value"]
        for time in ("2025-03-22T23:00:00Z", "2025-03-22T23:30:00.000Z", "default")
    ]
    assert values == pytest.approx([1.0, 2.0, 2.0], rel=2e-3)


GOOD = {"CRS": "CRS:84", "BBOX": "9,44,10,45", "WIDTH": "8", "HEIGHT": "8", "STYLES": "", "FORMAT": "image/png"}
REFUSED = {
    "no operation": ({"REQUEST": "GetCoverage"}, "OperationNotSupported"),
    "no such layer": ({"LAYERS": "snow"}, "LayerNotDefined"),
    "two layers": ({"LAYERS": "reflectivity,rain_rate"}, "LayerNotDefined"),
    "no such style": ({"STYLES": "rainbow"}, "StyleNotDefined"),
    "no such CRS": ({"CRS": "EPSG:999999"}, "InvalidCRS"),
    "a CRS of heights": ({"CRS": "EPSG:5773"}, "InvalidCRS"),
    "no CRS": ({"CRS": "EPSG:../../x"}, "InvalidCRS"),
    "no such format": ({"FORMAT": "image/gif"}, "InvalidFormat"),
    "no such time": ({"TIME": "2020-01-01T00:00:00Z"}, "InvalidDimensionValue"),
    "no such nowcast": ({"DIM_REFERENCE_TIME": "../x"}, "InvalidDimensionValue"),
    "too wide": ({"WIDTH": "513"}, None),
    "no width": ({"WIDTH": "0"}, None),
    "a width in words": ({"WIDTH": "1e3"}, None),
    "a box upside down": ({"BBOX": "9,45,10,44"}, None),
    "half a box": ({"BBOX": "9,45"}, None),
    "a box of nan": ({"BBOX": "nan,nan,nan,nan"}, None),
    "a box without end": ({"BBOX": "0,0,inf,inf"}, None),
    "a colour in words": ({"BGCOLOR": "red"}, None),
    "a pixel outside": (
        {"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "rain_rate", "I": "8", "J": "0"},
        "InvalidPoint",
    ),
    "no pixel": ({"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "rain_rate"}, "MissingParameterValue"),
    "markup": ({"LAYERS": "<script>&"}, "LayerNotDefined"),
}


@pytest.mark.parametrize(("change", "code"), REFUSED.values(), ids=REFUSED)
def test_refusals_are_reports_that_clients_read(client, change, code):
    answer = ask(client, **{**GOOD, **change})
    assert answer.status_code == 400
    report = ElementTree.fromstring(answer.content)
    assert report.tag.endswith("ServiceExceptionReport")
    said = report[0]
    assert said.attrib.get("code") == code
    assert said.text
    assert "\n" not in said.text
    as_json = ask(client, **{**GOOD, **change}, EXCEPTIONS="JSON")
    assert json.loads(as_json.text)["description"] == said.text
