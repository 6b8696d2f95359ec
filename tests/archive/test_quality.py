"""Quality marks: what is marked, and above all what is not."""

import numpy as np
import pytest

from nowcast.archive.quality import CELL_MARKS, QualitySettings, check_marks, quality_marks, without_marked
from nowcast.archive.rays import RaySettings
from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ

KM = (1.0, 1.0)
ROWS, COLUMNS = np.mgrid[:120, :160].astype(float)


def dry():
    return np.full((120, 160), NO_ECHO_DBZ, np.float32)


def rain(seed=0, at=(85, 110), radius=25.0):
    """A shield of stratiform rain with showers in it."""
    rng = np.random.default_rng(seed)
    distance = np.hypot(ROWS - at[0], COLUMNS - at[1])
    dbz = 28.0 - 20.0 * (distance / radius) ** 2 + rng.normal(0, 2.0, ROWS.shape)
    return np.where(distance < radius, np.maximum(dbz, 6.0), NO_ECHO_DBZ).astype(np.float32)


def add_line(dbz, start, angle_deg, length, width, values):
    """Lay a straight strip into a frame; ``values`` of the distance along it."""
    angle = np.deg2rad(angle_deg)
    along = (COLUMNS - start[1]) * np.cos(angle) + (ROWS - start[0]) * np.sin(angle)
    across = (ROWS - start[0]) * np.cos(angle) - (COLUMNS - start[1]) * np.sin(angle)
    inside = (along >= 0) & (along <= length) & (np.abs(across) <= width / 2)
    found = dbz.copy()
    found[inside] = np.fmax(found, values(along))[inside]
    return found, inside


def sun(along):
    """Noise of one power: its reflectivity grows with the square of the range."""
    return (-28.0 + 20.0 * np.log10(along + 60.0)).astype(np.float32)


def cells(bits, mark):
    return (bits & CELL_MARKS[mark]) > 0


def test_lone_cells_are_speckle_and_echoes_that_may_be_larger_are_not():
    dbz = dry()
    dbz[10, 10] = dbz[20, 20] = dbz[21, 21] = 15.0
    dbz[30:32, 30:32] = 15.0  # 4 km2
    dbz[40, 40], dbz[40, 41] = 15.0, np.nan  # goes on where it is not observed
    dbz[0, 50] = 15.0  # or beyond the frame
    dbz[60, 60] = 4.0  # no echo
    expected = np.zeros(dbz.shape, bool)
    expected[10, 10] = expected[20, 20] = expected[21, 21] = True
    np.testing.assert_array_equal(quality_marks(dbz, KM), expected.astype(np.uint8) * CELL_MARKS["speckle"])


def test_the_area_of_speckle_is_in_square_kilometres():
    dbz = dry()
    dbz[10, 10] = 15.0
    assert not quality_marks(dbz, (2.0, 2.0)).any()
    dbz[10, 11] = dbz[10, 12] = 15.0
    assert cells(quality_marks(dbz, (0.5, 1.0)), "speckle").sum() == 3


def test_a_spike_in_rain_is_marked_and_it_alone():
    dbz = rain()
    dbz[85, 110] = 60.0
    bits = quality_marks(dbz, KM)
    assert np.argwhere(bits).tolist() == [[85, 110]]
    assert cells(bits, "spike")[85, 110]
    assert not quality_marks(dbz, (4.0, 4.0)).any()  # such a cell may hold a shower
    dbz[84, 110] = np.nan  # nothing is said beside what is not observed
    assert not quality_marks(dbz, KM).any()


def test_two_cells_may_be_a_spike_and_three_are_a_core():
    dbz = rain()
    dbz[85, 110:112] = 60.0
    assert np.argwhere(quality_marks(dbz, KM)).tolist() == [[85, 110], [85, 111]]
    dbz[86, 110] = 60.0
    assert not quality_marks(dbz, KM).any()


@pytest.mark.parametrize("scale", [1.2, 2.0, 4.0])
def test_a_convective_cell_is_no_spike(scale):
    distance = np.hypot(ROWS - 60, COLUMNS - 80.3)
    dbz = np.where(distance < 4 * scale, 58.0 - 12.0 * distance / scale, NO_ECHO_DBZ).astype(np.float32)
    assert dbz.max() > 50
    assert not quality_marks(dbz, KM).any()


@pytest.mark.parametrize("angle", [0.0, 17.0, 45.0, 90.0, 118.0])
@pytest.mark.parametrize("width", [1.4, 2.2])
def test_a_sun_ray_is_marked(angle, width):
    start = (20, 140) if angle > 90 else (15, 20)
    dbz, inside = add_line(dry(), start, angle, 80.0, width, sun)
    bits = quality_marks(dbz, KM)
    np.testing.assert_array_equal(cells(bits, "ray"), inside)
    assert not (bits & ~np.uint8(CELL_MARKS["ray"])).any()


def test_the_far_end_of_a_ray_belongs_to_it_though_it_is_wider():
    near, inside = add_line(dry(), (15, 20), 17.0, 60.0, 1.4, sun)
    dbz, far = add_line(
        near,
        (15 + 60 * np.sin(np.deg2rad(17)), 20 + 60 * np.cos(np.deg2rad(17))),
        17.0,
        65.0,
        7.0,
        lambda along: sun(along + 60.0),
    )
    np.testing.assert_array_equal(cells(quality_marks(dbz, KM), "ray"), inside | far)
    narrow = QualitySettings(ray=RaySettings(far_width_km=4.0))
    found = cells(quality_marks(dbz, KM, settings=narrow), "ray")
    assert found.sum() > 50
    assert not found[:, 100:].any()


def test_a_ray_that_runs_into_rain_is_marked_outside_of_it():
    dbz, inside = add_line(rain(), (10, 20), 40.0, 115.0, 1.4, sun)
    found = cells(quality_marks(dbz, KM), "ray")
    outside = inside & (rain() < 5.0)
    assert outside.sum() > 60
    assert (found & outside).sum() >= 0.9 * outside.sum()
    assert not (found & ~inside & (rain() > 8.0)).any()


def test_a_line_that_is_met_again_where_the_rain_moved_is_no_ray():
    def scene(shift, line_shift):
        field = np.roll(rain(), shift, axis=1)
        return add_line(field, (10, 5 + line_shift), 80.0, 90.0, 2.2, sun)[0]

    now = scene(8, 8)
    assert cells(quality_marks(now, KM), "ray").any()
    assert not cells(quality_marks(now, KM, before=scene(0, 0)), "ray").any()
    # a transmitter's ray stands still while the rain moves, the sun's was not there
    assert cells(quality_marks(now, KM, before=scene(0, 8)), "ray").sum() > 90
    assert cells(quality_marks(now, KM, before=rain()), "ray").sum() > 90


def test_a_line_alone_is_rain_where_it_has_moved_and_a_ray_where_it_turned():
    now = add_line(dry(), (30, 90), 80.0, 80.0, 1.4, sun)[0]
    moved = add_line(dry(), (30, 80), 80.0, 80.0, 1.4, sun)[0]
    turned = add_line(dry(), (30, 90), 82.5, 80.0, 1.4, sun)[0]
    assert not quality_marks(now, KM, before=moved).any()
    assert cells(quality_marks(now, KM, before=turned), "ray").sum() > 70
    assert cells(quality_marks(now, KM, before=dry()), "ray").sum() > 70


def test_squall_lines_and_fronts_are_no_rays():
    rng = np.random.default_rng(1)
    squall, _ = add_line(dry(), (20, 20), 35.0, 110.0, 12.0, lambda a: np.float32(45.0) + 0 * a)
    front, _ = add_line(dry(), (20, 20), 35.0, 110.0, 5.5, lambda a: np.float32(32.0) + 0 * a)
    # as thin as a ray, but bent by a few kilometres
    bent = np.where(np.abs(ROWS - 60 - 6 * np.sin(COLUMNS / 25)) <= 1.0, 30.0, NO_ECHO_DBZ)
    # thin and straight, with cores and gaps as convection has them
    rough, _ = add_line(
        dry(),
        (20, 20),
        35.0,
        110.0,
        2.2,
        lambda a: (27.0 + 12.0 * np.sin(a) + rng.normal(0, 3, a.shape)).astype(np.float32),
    )
    short, _ = add_line(dry(), (20, 20), 35.0, 30.0, 1.4, sun)
    for name, dbz in {"squall": squall, "front": front, "bent": bent, "rough": rough, "short": short}.items():
        assert not quality_marks(dbz.astype(np.float32), KM).any(), name


def test_what_is_not_observed_bears_no_mark_and_stays():
    dbz, _ = add_line(rain(), (10, 20), 40.0, 90.0, 1.4, sun)
    dbz[5, 5], dbz[85, 110] = 20.0, 60.0
    dbz[:, 70:90] = np.nan
    before = dbz.copy()
    bits = quality_marks(dbz, KM, before)
    assert bits.dtype == np.uint8
    assert not bits[np.isnan(dbz)].any()
    assert cells(bits, "speckle")[5, 5]
    np.testing.assert_array_equal(dbz, before)
    assert not quality_marks(np.full((9, 9), np.nan, np.float32), KM).any()
    assert not quality_marks(np.full((2, 2), 50.0, np.float32), KM).any()


def test_speckle_becomes_no_echo_and_the_others_not_observed():
    dbz = rain()
    dbz[5, 5], dbz[85, 110], dbz[0, 0] = 20.0, 60.0, np.nan
    found = without_marked(dbz, quality_marks(dbz, KM))
    expected = dbz.copy()
    expected[5, 5], expected[85, 110] = NO_ECHO_DBZ, np.nan
    np.testing.assert_array_equal(found, expected)


def test_marks_and_settings_are_checked():
    assert check_marks(["stuck", "speckle", "stuck"]) == ("speckle", "stuck")
    with pytest.raises(SettingsError, match="got rays, expected some of speckle, spike, ray, stuck, jump"):
        check_marks(["rays"])
    with pytest.raises(SettingsError, match="below 0"):
        QualitySettings(spike_db=-1.0)
    ray, _ = add_line(dry(), (15, 20), 17.0, 80.0, 1.4, sun)
    assert not quality_marks(ray, KM, settings=QualitySettings(ray=RaySettings(length_km=100.0))).any()
    assert not quality_marks(ray, KM, marks=["speckle", "spike"]).any()
