"""Colours by hand, coasts where they are, maps that show what is in the data and ask no network."""

import base64
import io
import re
import socket

import numpy as np
import pyproj
import pytest
from PIL import Image

from nowcast.core.grid import Grid
from nowcast.report import coastlines, maps
from nowcast.report.model_colours import MODELS, STYLES, model_style
from nowcast.report.palettes import CLASSIC, NOT_OBSERVED, palette_of, rgb
from nowcast.report.pictures import figure_uri, frame_uri
from tests.fakes.fields import moving_disc, projected_grid

LATLON = pyproj.CRS.from_epsg(4326).to_wkt()
ADRIA = Grid(LATLON, np.linspace(46.0, 44.0, 41), np.linspace(12.0, 14.0, 41))
POLAR = Grid(
    pyproj.CRS.from_proj4("+proj=stere +lat_0=90 +lon_0=25 +lat_ts=60 +ellps=WGS84").to_wkt(),
    -np.linspace(2.2e6, 3.4e6, 61),
    np.linspace(-4e5, 3.6e5, 39),
)


RADAR = palette_of(name=CLASSIC)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a map asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def picture(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_indices_by_hand():
    dbz = np.array([np.nan, -32.0, 4.9, 5.0, 9.9, 10.0, 19.9, 20.0, 69.9, 70.0, 100.0])
    for name in ("safe", "radar"):
        palette = palette_of(name=name)
        assert palette.indices(dbz).tolist() == [1, 0, 0, 2, 2, 3, 4, 5, 14, 15, 15]
        assert palette.table().shape == (16, 4)
        assert palette.table()[:3, 3].tolist() == [0, 115, 255]
        assert len(set(palette.colours)) == len(palette.colours)
    assert tuple(RADAR.table()[5, :3]) == rgb("#02fd02")  # 20 dBZ is the first green
    assert len(set(MODELS)) == 8


def test_no_two_models_look_alike():
    rules = re.findall(r"\.m(\d+)\{--m:(#\w+)\}\.m\1 path\{stroke-dasharray:([^}]+)\}", model_style())
    assert [int(number) for number, *_ in rules] == list(range(STYLES))
    assert len({(colour, dash) for _, colour, dash in rules}) == STYLES


def test_a_frame_shows_absent_dry_and_wet_apart():
    shown = picture(frame_uri(np.array([[np.nan, -32.0, 22.0], [5.0, 52.0, 71.0]], np.float32), palette=RADAR))
    assert shown[0, 0, :3].tolist() == list(rgb(NOT_OBSERVED))
    assert 0 < shown[0, 0, 3] < 255
    assert shown[0, 1, 3] == 0
    assert shown[0, 2].tolist() == [*rgb("#02fd02"), 255]
    assert shown[1, 1].tolist() == [*rgb("#fd0000"), 255]
    assert shown[1, 2].tolist() == [*rgb("#9854c6"), 255]


def test_thinning_takes_every_second_pixel():
    dbz = np.full((6, 8), -32.0, np.float32)
    dbz[2, 4] = 52.0
    thin = picture(frame_uri(dbz, 2, RADAR))
    assert thin.shape == (3, 4, 4)
    assert thin[1, 2].tolist() == [*rgb("#fd0000"), 255]


def test_the_coast_passes_where_it_is():
    lines = coastlines.on_grid(ADRIA, "coast")
    points = np.concatenate(lines)
    for lon, lat in ((12.40, 44.20), (13.63, 45.08), (13.76, 45.65)):  # Cesenatico, Rovinj, Trieste
        assert np.hypot(*(points - [lon, lat]).T).min() < 0.1
    west, _, _, north = ADRIA.extent
    assert points[:, 0].min() > west - 1.5
    assert points[:, 1].max() < north + 1.5


def test_the_border_and_the_coast_are_not_the_same_lines():
    # Italy and Slovenia meet on land near Gorizia (13.6 E, 45.95 N)
    border = np.concatenate(coastlines.on_grid(ADRIA, "border"))
    coast = np.concatenate(coastlines.on_grid(ADRIA, "coast"))
    gorizia = np.array([13.62, 45.94])
    assert np.hypot(*(border - gorizia).T).min() < 0.08
    assert np.hypot(*(coast - gorizia).T).min() > 0.1


def test_a_projected_grid_gets_its_coast_in_metres():
    x, y = pyproj.Transformer.from_crs("EPSG:4326", POLAR.crs, always_xy=True).transform(24.94, 60.16)
    points = np.concatenate(coastlines.on_grid(POLAR, "coast"))
    assert np.hypot(*(points - [x, y]).T).min() < 10_000  # Helsinki lies at the sea
    west, east, south, north = POLAR.extent
    margin = 0.1 * max(east - west, north - south)
    inside = (points[:, 0] > west - 3 * margin) & (points[:, 0] < east + 3 * margin)
    assert inside.all()


def test_the_svg_path_is_in_cells_from_the_north_west_corner():
    path = coastlines.as_path(ADRIA, "coast")
    numbers = np.array([p.split() for p in path[1:].replace("L", "M").split("M")], float)
    columns = (13.72 - ADRIA.extent[0]) / ADRIA.spacing[1]
    rows = (ADRIA.extent[3] - 45.65) / ADRIA.spacing[0]
    assert np.hypot(*(numbers - [columns, rows]).T).min() < 2


@pytest.mark.parametrize("grid", [ADRIA, POLAR], ids=["geographic", "projected"])
def test_a_map_shows_wet_dry_and_unobserved_where_they_are(grid):
    field = moving_disc(grid, frames=1)
    dbz = np.full(grid.shape, -32.0, np.float32)
    dbz[: grid.shape[0] // 4] = np.nan
    dbz[-(grid.shape[0] // 4) :] = 52.0
    figure = maps.map_of_field(field[0].copy(data=dbz), RADAR)
    axes = figure.axes[0]
    shown = picture(figure_uri(figure, dpi=60))
    h, w = shown.shape[:2]
    box = axes.get_position()

    def share(low: float, high: float, colour: tuple[int, int, int]) -> float:
        """Of the map between two heights (0 south, 1 north): share of pixels near a colour."""
        rows = slice(int(h * (1 - box.y0 - high * box.height)), int(h * (1 - box.y0 - low * box.height)))
        part = shown[rows, int(w * box.x0) : int(w * box.x1)].astype(int)
        return float(((abs(part[..., :3] - colour).max(axis=-1) < 24) & (part[..., 3] > 60)).mean())

    assert share(0.05, 0.2, rgb("#fd0000")) > 0.7
    assert share(0.8, 0.95, rgb(NOT_OBSERVED)) > 0.6
    assert share(0.35, 0.65, rgb("#fd0000")) == 0
    assert share(0.35, 0.65, rgb(NOT_OBSERVED)) < 0.35  # lines only


@pytest.mark.parametrize(
    ("height_m", "rows", "columns", "shape"),
    [(1000.0, 60, 40, 1.5), (2000.0, 40, 40, 2.0), (2000.0, 20, 80, 0.5), (500.0, 40, 60, 1 / 3)],
)
def test_a_kilometre_is_as_long_both_ways(height_m, rows, columns, shape):
    figure, axes = maps.base_map(projected_grid(rows, columns, height_m=height_m))
    box, (width, height) = axes.get_position(), figure.get_size_inches()
    assert box.height * height / (box.width * width) == pytest.approx(shape, rel=2e-3)
    assert width == maps.WIDTH_INCHES


def test_arrows_are_drawn():
    grid = Grid(LATLON, np.linspace(46.0, 44.0, 15), np.linspace(12.0, 14.0, 25))
    figure, axes = maps.base_map(grid)
    maps.add_arrows(axes, grid, np.ones(grid.shape), np.zeros(grid.shape), every=6)
    arrows = figure.axes[0].collections[-1]
    assert arrows.U.tolist() == [1.0] * len(arrows.U)
    assert len(arrows.U) == 2 * 4
