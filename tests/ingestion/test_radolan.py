"""DWD RADOLAN: every form of header, word and byte by hand, and what is refused."""

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.ingestion.readers.radolan import Radolan
from tests.fakes import radolan

TIME = "2024-07-04T12:50"


def words(*values, shape=(900, 900), dtype="u2"):
    """A frame whose first (northernmost) cells hold the values, all others 0."""
    raw = np.zeros(shape, dtype)
    raw[0, : len(values)] = values
    return raw


def first_row(path, count, reader=None):
    field = (reader or find_reader(path)).open(path)
    return field.values[0, 0, :count], field


def test_words_hold_a_value_and_what_is_to_think_of_it(tmp_path):
    raw = words(0, 1, 25, 100 | radolan.SECONDARY_WORD, radolan.NODATA_WORD, 7 | radolan.CLUTTER_WORD, 0x4000)
    path = radolan.write(tmp_path / "rw", radolan.frame(raw, TIME, "RW", 60, " E-01"))
    found, field = first_row(path, 8)
    # 0.1, 2.5 and 10 mm in an hour: 10 log10(256) + 14.2 log10(R)
    np.testing.assert_allclose(found, [-32, 9.8824, 29.7331, 38.2824, np.nan, np.nan, -32, -32], atol=1e-4)
    assert field.attrs["accumulation_hours"] == "1"
    assert field.attrs["quantity"] == "RW"
    assert field.attrs["z_r_relation"].startswith("radolan")
    assert str(field.time.values[0]) == "2024-07-04T12:50:00.000000000"


@pytest.mark.parametrize(
    ("product", "minutes", "precision", "unit", "rate"),
    [
        ("RY", 5, " E-02", "", 12.0),
        ("YW", 5, " E-02", "U0", 12.0),
        ("RW", 60, " E-01", "", 10.0),
        ("RQ", 60, " E-01", "", 10.0),
        ("SF", 1440, " E-01", "", 10 / 24),
        ("SF", 1, " E-01", "U1", 10 / 24),
        ("RH", 60, " E+00", "", 100.0),
        ("RV", 5, " E-02", "", 12.0),
    ],
)
def test_sums_become_the_mean_rate_of_their_period(product, minutes, precision, unit, rate, tmp_path):
    frame = radolan.frame(words(100), TIME, product, minutes, precision, unit=unit)
    path = radolan.write(tmp_path / "r.gz", frame)
    found, field = first_row(path, 1, Radolan("marshall_palmer"))
    assert found[0] == pytest.approx(23.0103 + 16 * np.log10(rate), abs=1e-4)
    hours = minutes * 24 if unit == "U1" else minutes / 60
    assert float(field.attrs["accumulation_hours"]) == pytest.approx(hours, rel=1e-5)


@pytest.mark.parametrize("product", ["RX", "WX", "EX"])
def test_bytes_are_reflectivity_in_halves(product, tmp_path):
    shape = {"RX": (900, 900), "WX": (1200, 1100), "EX": (1500, 1400)}[product]
    raw = words(0, 1, 2, 65, 248, 249, 250, 255, shape=shape, dtype="u1")
    path = radolan.write(tmp_path / "x.bz2", radolan.frame(raw, TIME, product))
    found, field = first_row(path, 8)
    np.testing.assert_array_equal(found, np.float32([-32, -32, -31.5, 0, 91.5, np.nan, np.nan, np.nan]))
    assert "z_r_relation" not in field.attrs
    assert "accumulation_hours" not in field.attrs


def test_words_of_reflectivity_in_tenths_of_halves(tmp_path):
    raw = words(0, 650, 1234, radolan.NODATA_WORD, shape=(1200, 1100))
    path = radolan.write(tmp_path / "wn", radolan.frame(raw, TIME, "WN", 5, " E-01", version=5, lead=0))
    np.testing.assert_allclose(first_row(path, 4)[0], [-32, 0, 29.2, np.nan], atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "version", "west", "south", "radius"),
    [
        # DWD, Projektionen und Gitter: lower left corners on the sphere, and offsets of DE1200
        ((900, 900), 3, -523462.2, -4658644.7, 6370040.0),
        ((1100, 900), 3, -443462.2, -4758644.7, 6370040.0),
        ((1500, 1400), 2, -673462.2, -5008644.7, 6370040.0),
        ((900, 900), 5, -523696.8, -4672088.9, 6378137.0),
        ((1200, 1100), 5, -543696.8, -4822088.9, 6378137.0),
    ],
)
def test_corners_of_every_grid(shape, version, west, south, radius, tmp_path):
    raw = np.zeros(shape, "u2")
    raw[-1, 0] = 5  # the southernmost row comes first in the file
    path = radolan.write(tmp_path / "g", radolan.frame(raw, TIME, "RV", 5, " E-02", version))
    field = Radolan().open(path)
    assert field.values[0, -1, 0] > 0
    grid = Grid.of(field)
    assert grid.shape == shape
    assert grid.extent[0] == pytest.approx(west, abs=0.5)
    assert grid.extent[2] == pytest.approx(south, abs=0.5)
    assert grid.spacing == pytest.approx((1000.0, 1000.0))
    assert grid.crs.ellipsoid.semi_major_metre == radius


@pytest.mark.parametrize("name", ["many.tar", "many.tar.bz2", "many.tar.gz"])
def test_frames_of_an_archive_are_one_field_in_order(name, tmp_path):
    times = ["2024-07-04T12:55", "2024-07-04T12:45", "2024-07-04T12:50"]
    path = radolan.write(
        tmp_path / name,
        *(radolan.frame(words(v, dtype="u1"), t) for v, t in zip((100, 101, 102), times, strict=True)),
    )
    field = find_reader(path).open(path)
    assert [str(t)[11:16] for t in field.time.values] == ["12:45", "12:50", "12:55"]
    for order in ([0, 1, 2], [2, 1, 0], [1, 1]):
        assert [float(field[i].values[0, 0]) for i in order] == [[18.0, 18.5, 17.5][i] for i in order]


def test_forecasts_are_refused_but_not_what_they_start_from(tmp_path):
    frames = [radolan.frame(words(100 + lead), TIME, "RQ", 60, " E-01", 5, lead) for lead in (60, 0, 120)]
    with pytest.raises(FileError, match=r"RQ60: is a forecast \(RQ of 2024-07-04T12:50:00Z, 60 minutes"):
        Radolan().open(radolan.write(tmp_path / "RQ60", frames[0]))
    found, field = first_row(radolan.write(tmp_path / "RQ.tar.bz2", *frames), 1, Radolan("marshall_palmer"))
    assert len(field.time) == 1
    assert found[0] == pytest.approx(39.0103, abs=1e-4)
    with pytest.raises(FileError, match="is a forecast"):
        Radolan().open(radolan.write(tmp_path / "later.tar", frames[0], frames[2]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"product": "RE"},
            "is the product RE (the solid share of precipitation), expected reflectivity or rain",
        ),
        ({"product": "RD"}, "is the product RD (a difference of amounts)"),
        ({"product": "QQ"}, "is the product QQ, expected reflectivity or rain"),
        ({"minutes": 0}, "a sum over 0 minutes, expected 1 to 1440"),
        ({"minutes": 7200}, "a sum over 7200 minutes"),
        ({"size": 99}, "says that it has 99 bytes, expected 1620"),
        ({"precision": " E?02"}, "its header is b'RW04"),
        ({"tail": "XX 12"}, "its header is b'RW04"),
        ({"raw": np.zeros((900, 901), "u2")}, "has 900 x 901 cells, expected a composite of 900 x 900"),
        ({"raw": words(0x4001)}, "1 cells are negative, expected rain of 0 mm or more"),
    ],
)
def test_what_is_no_rain_or_contradicts_itself_is_refused(change, said, tmp_path):
    given = {"raw": words(5), "time": TIME, "product": "RW", "minutes": 60, "precision": " E-01", **change}
    path = radolan.write(tmp_path / "wrong.gz", radolan.frame(**given))
    with pytest.raises(FileError) as caught:
        find_reader(path).open(path).compute()
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_members_that_do_not_belong_together_are_refused(tmp_path):
    rain = radolan.frame(words(5), TIME, "RW", 60, " E-01")
    for other, said in (
        (
            radolan.frame(words(5), "2024-07-04T12:55", "RY", 5, " E-02"),
            r"holds RW over 60 minutes on 900 x 900 cells and RY over 5 minutes",
        ),
        (rain, "got 2024-07-04T12:50:00Z twice"),
        (b"read me" * 300, "member 'frame001': its header"),
    ):
        with pytest.raises(FileError, match=said):
            Radolan().open(radolan.write(tmp_path / "x.tar", rain, other))


def test_more_or_less_than_the_header_states_is_refused(tmp_path):
    whole = radolan.frame(words(5), TIME, "RW", 60, " E-01")
    for data, said in ((whole + b"\0", "holds more than the 1620"), (whole[:-1], r"holds 1620\d+ of the 1620")):
        for name in ("a", "a.gz", "a.bz2", "a.tar"):
            path = radolan.write(tmp_path / name, data)
            with pytest.raises(FileError, match=said):
                find_reader(path).open(path).compute()
