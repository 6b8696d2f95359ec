"""MeteoSwiss GIF: palette classes to mm/h to dBZ, the time in comment or name, the Swiss grid."""

import numpy as np
import pytest
from PIL import Image

from nowcast.core.errors import FileError
from nowcast.core.rain import Z_R
from nowcast.ingestion.readers.mch_gif import MchGif, swiss_grid
from tests.fakes.pictures import write_mch
from tests.shared_data import radar_folder


@pytest.fixture
def raw():
    classes = np.zeros((640, 710), np.uint8)
    classes[:10] = 255
    classes[20, :256] = np.arange(256)
    return classes


def test_classes_are_half_decibels(tmp_path, raw):
    field = MchGif().open(write_mch(tmp_path / "m.gif", raw))
    row = field.values[0, 20, :256]
    # class 105 by hand: (10^(33.5/20)/316)^(2/3) = 0.28200 mm in 5 min = 3.3840 mm/h = 32.9377 dBZ
    assert row[105] == pytest.approx(32.9377, abs=1e-3)
    assert Z_R["meteoswiss"].to_rate(row[105]) == pytest.approx(3.3840, abs=1e-3)
    np.testing.assert_allclose(np.diff(row[3:251]), 0.5, atol=1e-4)
    assert (row[:2] == -32.0).all()
    assert (row[251:255] == -32.0).all()
    assert np.isnan(row[255])
    assert np.isnan(field.values[0, :10]).all()
    assert field.time.values[0] == np.datetime64("2016-07-11T20:45")


def test_the_accumulation_period_counts(tmp_path, raw):
    five = MchGif().open(write_mch(tmp_path / "5.gif", raw)).values[0, 20, 105]
    sixty = MchGif().open(write_mch(tmp_path / "60.gif", raw, accumulation=60)).values[0, 20, 105]
    assert five - sixty == pytest.approx(15 * np.log10(12), abs=1e-4)


def test_without_a_comment_the_name_gives_the_time(tmp_path, raw):
    path = write_mch(tmp_path / "AQC161932050V_00005.801.gif", raw, comment=False)
    assert MchGif().open(path).time.values[0] == np.datetime64("2016-07-11T20:50")
    nameless = path.rename(tmp_path / "rain.gif")
    with pytest.raises(FileError, match=r"rain\.gif: neither comment nor name holds a time"):
        MchGif().open(nameless)


def test_another_palette_is_refused(tmp_path, raw):
    palette = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    with pytest.raises(FileError, match=r"p\.gif: the palette"):
        MchGif().open(write_mch(tmp_path / "p.gif", raw, palette=palette))


def test_the_grid_lies_over_switzerland():
    grid = swiss_grid()
    assert grid.extent == (255_000.0, 965_000.0, -160_000.0, 480_000.0)
    # Bern's old observatory is the origin of CH1903: 600 000 m east, 200 000 m north
    lon, lat = grid.lonlat(np.array([200_000.0]), np.array([600_000.0]))
    assert (lon[0], lat[0]) == pytest.approx((7.438637, 46.951081), abs=1e-3)


def test_a_truncated_picture_names_itself(tmp_path):
    raw = np.random.default_rng(0).integers(2, 250, (640, 710)).astype(np.uint8)
    path = write_mch(tmp_path / "t.gif", raw)
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(FileError, match=r"t\.gif"):
        MchGif().open(path).compute()


def test_a_real_file_equals_the_formula_and_its_name():
    path = sorted(radar_folder("mch_gif_20160711").iterdir())[0]
    field = MchGif().open(path)
    with Image.open(path) as image:
        classes = np.asarray(image).astype(int)
    values = field.values[0]
    assert field.time.values[0] == np.datetime64("2016-07-11T20:45")
    assert np.array_equal(np.isnan(values), classes == 255)
    wet = (classes > 1) & (classes < 251)
    expected = (classes[wet] - 71.5) / 2 + 15 * np.log10(12)
    np.testing.assert_allclose(values[wet], np.maximum(expected, -32), atol=1e-4)
