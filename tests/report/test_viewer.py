"""The page of a forecast before a browser sees it: packing loses nothing, places are right, text stays text."""

import base64
import hashlib
import json
import re
import zlib

import numpy as np
import pyproj
import pytest

from nowcast.core.grid import Grid
from nowcast.report.gazetteer import towns_on
from nowcast.report.viewer import page as viewer_page
from nowcast.report.viewer.content import ShownForecast
from nowcast.report.viewer.ground import ground
from nowcast.report.viewer.lattice import directions, lattice_of
from nowcast.report.viewer.packing import pack_values
from nowcast.report.viewer.page import render_forecast_page
from tests.fakes.fields import geographic_grid, projected_grid
from tests.fakes.shown_forecast import EVIL, full_forecast, observed_frames


def raw(packed):
    return list(zlib.decompress(base64.b64decode(packed.text), -15))


def test_codes_are_packed_as_what_their_neighbours_do_not_tell():
    """West 1, north 0 and corner 0 expect 1; falling steps become odd numbers, rising ones even."""
    packed = pack_values(np.array([[[0.0, 0.1], [0.3, 0.0]]]), 0.0, 10.0)
    # codes 1 2 / 4 1; expected 0 1 / 1 max(4, 2) as the corner is low
    assert raw(packed) == [2, 2, 6, 5]
    assert (packed.planes, packed.bytes_each, packed.dry) == (1, 1, False)


def test_unknown_dry_and_hundredths_have_codes_of_their_own():
    packed = pack_values(np.array([[[np.nan, -32.0, -31.99, 68.0]]]), -32.0, 100.0, -32.0)
    # codes 0, 1, 3 and 10002: differences 0, 1, 2 and 9999, doubled, as high bytes and then low ones
    assert raw(packed) == [0, 0, 0, 78, 0, 2, 4, 30]
    assert (packed.bytes_each, packed.dry) == (2, True)


def test_codes_up_to_255_take_a_byte_and_larger_steps_than_half_go_round():
    assert [pack_values(np.array([[[code - 1.0]]]), 0.0, 1.0).bytes_each for code in (255, 256)] == [1, 2]
    # 40000 above 0 is 25536 below it modulo 2^16, and so 51071
    assert raw(pack_values(np.array([[[39_999.0]]]), 0.0, 1.0)) == [51_071 >> 8, 51_071 & 255]


def stereographic():
    """A grid around the north pole and across the dateline."""
    crs = pyproj.CRS.from_proj4("+proj=stere +lat_0=90 +lon_0=170 +ellps=WGS84")
    return Grid(crs.to_wkt(), 150e3 - 4e3 * np.arange(91), -200e3 + 4e3 * np.arange(101))


def pacific():
    return Grid(pyproj.CRS.from_epsg(4326).to_wkt(), 10.0 - 0.05 * np.arange(80), 177.0 + 0.05 * np.arange(120))


def africa():
    """A grid so wide that it takes many nodes, across the equator, where few would do."""
    steps = 0.05 * np.arange(1000)
    return Grid(pyproj.CRS.from_epsg(4326).to_wkt(), 40.0 - steps, -15.0 + steps)


@pytest.mark.parametrize("grid", [stereographic(), pacific(), africa(), projected_grid(), geographic_grid()])
def test_between_the_nodes_places_are_right_to_a_fraction_of_a_cell(grid):
    nodes = lattice_of(grid).vectors.astype(float)
    rng = np.random.default_rng(0)
    n = nodes.shape[0] - 1
    for u, v in rng.uniform(0, 1, (40, 2)):
        i, j = min(int(u * n), n - 1), min(int(v * n), n - 1)
        a, b = u * n - i, v * n - j
        found = (1 - a) * ((1 - b) * nodes[i, j] + b * nodes[i, j + 1])
        found = found + a * ((1 - b) * nodes[i + 1, j] + b * nodes[i + 1, j + 1])
        right = directions(grid, np.array([u * grid.shape[0]]), np.array([v * grid.shape[1]]))[0, 0]
        off_km = np.linalg.norm(found / np.linalg.norm(found) - right) * 6371
        assert off_km < 0.03 * min(grid.cell_km)


def test_directions_count_from_the_corner_of_the_grid():
    lon, lat = np.radians([177.0 - 0.025, 10.0 + 0.025])
    corner = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    np.testing.assert_allclose(directions(pacific(), np.zeros(1), np.zeros(1))[0, 0], corner, atol=1e-9)


def test_towns_stand_in_their_cells_the_largest_first():
    grid = Grid(pyproj.CRS.from_epsg(4326).to_wkt(), 46.0 - 0.01 * np.arange(120), 8.5 + 0.01 * np.arange(150))
    towns = towns_on(grid, 5)
    assert [town.name for town in towns[:2]] == ["Milan", "Monza"]
    assert len(towns) == 5
    milan = towns[0]
    assert milan.row == pytest.approx((46.005 - 45.464) / 0.01, abs=1e-6)
    assert milan.column == pytest.approx((9.19 - 8.495) / 0.01, abs=1e-6)
    assert towns_on(stereographic(), 5) == []


def test_the_graticule_runs_where_the_degrees_are():
    found = {line["label"]: line["line"] for line in ground(geographic_grid(200, 200))["graticule"]}
    north, east = (45, 45.5, 46, 46.5), (8, 8.5, 9, 9.5, 10, 10.5)
    assert set(found) == {f"{v}\u00b0N" for v in north} | {f"{v}\u00b0E" for v in east}
    column, row = found["46\u00b0N"][:2]
    assert row == round((46.5045 - 46.0) / 0.009 * 10)
    assert column == pytest.approx(0, abs=10)


def shown(**more):
    forecast = full_forecast()
    return ShownForecast(
        frames=forecast["reflectivity"],
        variable=forecast.get,
        metadata={EVIL: EVIL},
        title=EVIL,
        model=EVIL,
        observed=observed_frames(),
        notes=(EVIL,),
        **more,
    )


@pytest.fixture(scope="module")
def html():
    return render_forecast_page(shown(trained_minutes=20.0))


def data_of(text):
    (found,) = re.findall(r'<script type="application/json" id="forecast">(.*?)</script>', text, flags=re.S)
    return json.loads(found)


def test_text_from_outside_cannot_become_markup_and_could_not_run(html):
    assert "<script>window" not in html
    assert "<img" not in html
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.S)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    for text, name in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    body = html.split("<body>")[1].split('<script type="app')[0]
    assert not re.search(r"\s(src|srcset|style|on\w+)=", re.sub(">[^<]*<", "><", body))


def test_the_licence_of_the_map_library_and_whose_the_data_are_stand_there(html):
    assert "Redistribution and use in source and binary forms" in html
    assert "Natural Earth, public domain" in html
    assert "GeoNames (CC BY 4.0)" in html


def test_the_slider_has_observed_and_forecast_frames_and_those_beyond_training(html):
    moments = data_of(html)["moments"]
    assert [m["lead"] for m in moments] == [-20, -10, 0, 10, 20, 30, 40]
    assert data_of(html)["layers"][0]["variants"][0]["frames"] == [0, 1, 2, 3, 4, 5, 6]
    assert [m["observed"] for m in moments] == [True] * 3 + [False] * 4
    assert [m["beyond"] for m in moments] == [False] * 5 + [True] * 2
    assert "Beyond +20 min the model forecasts further ahead than it was trained for" in html


def test_every_variable_is_a_layer(html):
    layers = {layer["key"]: [v["label"] for v in layer["variants"]] for layer in data_of(html)["layers"]}
    assert layers == {
        "reflectivity": [""],
        "rain_rate": [""],
        "exceedance_probability": ["10 dBZ", "30 dBZ"],
        "rain_sum_mean": ["next 15 min", "next 30 min"],
        "rain_sum_exceedance_probability": ["next 15 min, 5 mm", "next 30 min, 5 mm"],
        "rain_onset_quantile": ["50 %"],
        "reflectivity_spread": [""],
        "reflectivity_members": ["1 of 2", "2 of 2"],
    }


def test_a_page_without_room_shows_the_field_and_says_what_is_left_out(monkeypatch, html):
    monkeypatch.setattr(viewer_page, "BUDGET_BYTES", len(html) - 20_000)
    small = render_forecast_page(shown())
    keys = [layer["key"] for layer in data_of(small)["layers"]]
    assert "reflectivity" in keys
    assert "reflectivity_members" not in keys
    assert "The file holds more than the page has room for" in small


def test_frames_that_do_not_fit_are_thinned_and_it_says_so(monkeypatch):
    grid = projected_grid(90, 110)
    wide = ShownForecast(full_forecast(grid)["reflectivity"], lambda name: None, {}, "t", "m")
    whole = render_forecast_page(wide)
    assert "rows and columns of the file" not in whole
    monkeypatch.setattr(viewer_page, "BUDGET_BYTES", len(whole) - 20_000)
    thin = render_forecast_page(wide)
    assert "The map shows one in 2 rows and columns of the file" in thin
    assert [data_of(thin)["ground"][key] for key in ("rows", "columns")] == [45, 55]
    assert data_of(thin)["ground"]["km_y"] == pytest.approx(2 * data_of(whole)["ground"]["km_y"], rel=1e-3)


def test_without_a_relation_mm_h_say_by_which(html):
    assert "The forecast names no Z-R relation; mm/h are by marshall_palmer: Z = 200 R^1.6" in html
