"""Pictures by palette: every colour is one of the mapping's, or the picture is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.grid import Grid
from nowcast.core.rain import z_r
from nowcast.core.settings import build, merged, read_yaml
from nowcast.ingestion.mapped.reader import Mapped, mapped
from nowcast.ingestion.mapped.settings import Mapping

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "ingest" / "picture.yaml"
G, Y, R, W, C, B = (0, 255, 0), (255, 255, 0), (255, 0, 0), (255, 255, 255), (192, 192, 192), (0, 0, 0)
PIXELS = [[G, Y, W, C, R, R], [B, R, W, W, G, G], [W, W, Y, G, Y, Y], [R, R, R, R, R, R]]
"""Width 6, height 4, of which 4 x 3 are the map: the rest is a legend."""
NAN, DRY = np.nan, -32.0
DBZ = [[22.5, 32.5, DRY, NAN], [NAN, 42.5, DRY, DRY], [DRY, DRY, 32.5, 22.5]]


def example(**changes):
    return build(Mapping, merged(read_yaml(EXAMPLE), changes))


def picture(path, pixels=PIXELS, **how):
    image = Image.fromarray(np.array(pixels, np.uint8))
    if path.suffix == ".gif":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(path, **how)
    return path


def values(path, **changes):
    return Mapped(example(**changes)).open(path).compute(scheduler="synchronous").values


@pytest.mark.parametrize(("suffix", "how"), [(".png", {}), (".gif", {}), (".webp", {"lossless": True})])
def test_each_colour_is_its_value_where_the_mapping_places_it(suffix, how, tmp_path):
    path = picture(tmp_path / f"radar_20250301_1205{suffix}", **how)
    field = mapped(EXAMPLE).open(path).compute(scheduler="synchronous")
    np.testing.assert_array_equal(field.values, np.array([DBZ], np.float32))
    assert field.time.values == np.datetime64("2025-03-01T12:05", "ns")
    grid = Grid.of(field)
    np.testing.assert_allclose(grid.y, [5702500, 5701500, 5700500])
    np.testing.assert_allclose(grid.x, [1400500, 1401500, 1402500, 1403500])
    assert grid.crs.to_epsg() == 3857


def test_rows_from_the_south_are_turned(tmp_path):
    path = picture(tmp_path / "radar_20250301_1205.png")
    np.testing.assert_array_equal(values(path, grid={"first_row": "south"})[0], np.array(DBZ)[::-1])


def test_rain_rates_of_the_legend_go_through_the_z_r_relation(tmp_path):
    path = picture(tmp_path / "radar_20250301_1205.png")
    found = values(path, unit="mm/h", z_r="wsr88d")
    assert found[0, 0, 0] == pytest.approx(float(z_r("wsr88d").to_dbz(22.5)), abs=1e-4)
    assert found[0, 0, 2] == DRY


def test_lines_of_the_map_are_filled_only_where_it_is_asked_for(tmp_path):
    path = picture(tmp_path / "radar_20250301_1205.png")
    filled = values(path, picture={"ignored_become": "nearest"})[0]
    assert filled[1, 0] in (22.5, 42.5, DRY)  # its three neighbours are equally near
    expected = np.array(DBZ)
    expected[1, 0] = filled[1, 0]
    np.testing.assert_array_equal(filled, expected)


def test_colours_that_are_not_in_the_mapping_are_refused_with_their_number(tmp_path):
    pixels = [list(row) for row in PIXELS]
    pixels[0][0] = pixels[2][1] = (1, 2, 3)
    pixels[2][2] = (0, 254, 0)
    path = picture(tmp_path / "radar_20250301_1205.png", pixels)
    with pytest.raises(NowcastError) as caught:
        values(path)
    assert "got the colours #010203 (2 pixels), #00fe00 (1 pixels), expected those of the mapping" in str(
        caught.value
    )
    with pytest.raises(NowcastError, match=r"#010203 \(2 pixels\), expected"):
        values(path, picture={"tolerance": 1})
    assert values(path, picture={"tolerance": 3})[0, 0, 0] != 22.5  # 3 off black: a line of the map


def test_within_the_tolerance_the_nearest_colour_counts(tmp_path):
    """#f0ff00 is 15 off yellow and 240 off green; a tolerance of 250 reaches both."""
    pixels = [list(row) for row in PIXELS]
    pixels[0][0] = (240, 255, 0)
    assert (
        values(picture(tmp_path / "radar_20250301_1205.png", pixels), picture={"tolerance": 250})[0, 0, 0]
        == 32.5
    )


def test_transparent_pixels_are_what_the_mapping_says(tmp_path):
    rgba = np.dstack([np.array(PIXELS, np.uint8), np.full((4, 6), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    path = picture(tmp_path / "radar_20250301_1205.png", rgba)
    assert np.isnan(values(path)[0, 0, 0])
    with pytest.raises(NowcastError, match=r"transparent \(1 pixels\)"):
        values(path, picture={"not_observed": ["#c0c0c0"]})


def test_an_animation_needs_its_step(tmp_path):
    frames = [Image.fromarray(np.array(PIXELS, np.uint8)), Image.fromarray(np.array(PIXELS, np.uint8)[:, ::-1])]
    path = tmp_path / "radar_20250301_1205.gif"
    frames[0].convert("P", palette=Image.Palette.ADAPTIVE).save(
        path, save_all=True, append_images=[frames[1].convert("P", palette=Image.Palette.ADAPTIVE)]
    )
    field = mapped(EXAMPLE).open(path).compute(scheduler="synchronous")
    np.testing.assert_array_equal(
        field.time.values, np.array(["2025-03-01T12:05", "2025-03-01T12:10"], "datetime64[ns]")
    )
    np.testing.assert_array_equal(field.values[0], np.array(DBZ, np.float32))
    assert field.values[1, 0, 0] == 42.5
    with pytest.raises(NowcastError, match="holds 2 frames and one time"):
        values(path, time={"step_minutes": None})


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp"])
def test_no_cut_picture_is_taken_for_whole(suffix, tmp_path):
    path = picture(tmp_path / f"radar_20250301_1205{suffix}")
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:length])
        with pytest.raises(NowcastError, match="radar_20250301"):
            values(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"picture": {"size": [7, 4]}}, "is 6 x 4 pixels, expected the 7 x 4 of picture.size"),
        ({"picture": {"crop": [0, 0, 7, 3]}}, "picture.crop: got [0, 0, 7, 3], expected left, top"),
        ({"picture": None}, "picture: got nothing, expected the colours of radar_2025"),
        ({"grid": {"crs": None}}, "grid: got no crs or edges"),
        ({"grid": {"unit": "degrees"}}, "grid.unit: got degrees, expected degrees for latitude and longitude"),
        ({"time": {"file_name": None}}, "time: got nothing, expected file_name or start"),
        ({"unit": None}, "unit: got nothing"),
    ],
)
def test_what_does_not_fit_a_picture_is_one_line(changes, said, tmp_path):
    path = picture(tmp_path / "radar_20250301_1205.png")
    with pytest.raises(NowcastError) as caught:
        values(path, **changes)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": {"green": 20.0}}, "the colour 'green', expected '#rrggbb' or transparent"),
        ({"ignored": ["#00FF00"]}, "'#00FF00' twice"),
        ({"classes": {}, "tolerance": 300}, "picture.tolerance: got 300"),
    ],
)
def test_a_palette_that_contradicts_itself_is_refused(changes, said):
    with pytest.raises(SettingsError, match=said):
        mapped(example(picture=changes))
