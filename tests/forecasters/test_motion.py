"""The motion of rain whose motion is known: gaps, moving coverage, unequal pairs, cells 1 x 2 km."""

import numpy as np
import pyproj
import pytest

from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.motion import MOTIONS
from tests.fakes.fields import PROJ_LAEA, times

SIZE = (112, 144)
VELOCITY = (1, 2)
MINUTES = np.timedelta64(1, "m")


def oblong_grid(rows, columns):
    """Cells 1 km high and 2 km wide."""
    y, x = 20_000.0 - 1000.0 * np.arange(rows), -30_000.0 + 2000.0 * np.arange(columns)
    return Grid(pyproj.CRS.from_proj4(PROJ_LAEA).to_wkt(), y, x)


def rain(shifts, seed=3):
    """Frames of a texture with dry parts, each moved by whole (rows, columns) since the first."""
    rng = np.random.default_rng(seed)
    wave = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE[1]), np.fft.fftfreq(SIZE[0]))) + 0.01
    found = np.real(np.fft.ifft2(np.fft.fft2(rng.normal(size=SIZE)) * wave**-1.7))
    found = (found - found.mean()) / found.std() * 12 + 15
    frames = np.stack([np.roll(found, shift, (0, 1)) for shift in shifts]).astype(np.float32)
    frames[frames < 5] = NO_ECHO_DBZ
    return frames


def steady(count=5):
    return rain([(VELOCITY[0] * t, VELOCITY[1] * t) for t in range(count)])


def field(frames, step_minutes=10):
    return make_field(frames, times(len(frames), step_minutes), oblong_grid(*frames.shape[1:]))


def found(frames, **settings):
    motion = Extrapolation(**settings).velocity(field(frames))
    return np.median(motion[:, 16:-16, 16:-16], axis=(1, 2))


def without(frames, gone):
    frames = frames.copy()
    frames[np.broadcast_to(gone, frames.shape)] = np.nan
    return frames


RANDOM = np.random.default_rng(5)
ROW, COLUMN = np.mgrid[: SIZE[0], : SIZE[1]]
GAPS = {
    **{
        f"{share:.0%} anew in each frame": RANDOM.random((5, *SIZE)) < share
        for share in (0.002, 0.01, 0.05, 0.1, 0.3, 0.6)
    },
    **{f"{share:.0%} at fixed places": RANDOM.random(SIZE) < share for share in (0.02, 0.1, 0.3)},
    "every tenth column": COLUMN % 10 == 0,
    "slanting bands": (ROW + 2 * COLUMN) % 24 < 4,
    "two blocked rays": (abs(ROW - COLUMN) < 2) | (abs(ROW - 50) < 2),
}


@pytest.mark.parametrize("gaps", GAPS)
def test_scattered_gaps_do_not_hold_the_motion_back(gaps):
    np.testing.assert_allclose(found(without(steady(), GAPS[gaps])), VELOCITY, atol=0.15)


@pytest.mark.parametrize("method", ["ilk", "tvl1"])
@pytest.mark.parametrize("gaps", ["10% at fixed places", "10% anew in each frame", "every tenth column"])
def test_nor_in_the_flows_of_other_libraries(method, gaps):
    frames = without(steady(), GAPS[gaps])
    np.testing.assert_allclose(found(frames, motion=MOTIONS[method]()), VELOCITY, atol=0.2)


def test_no_echo_stored_as_not_observed_leaves_the_motion_inside_the_echoes():
    frames = steady()
    np.testing.assert_allclose(found(without(frames, frames < 5)), VELOCITY, atol=0.15)


def test_a_coverage_that_moves_against_the_rain_does_not_pull_the_motion():
    gone = np.stack([(ROW + 3 * t < 30) | (COLUMN + 5 * t > 110) for t in range(5)])
    motion = Extrapolation().velocity(field(without(steady(), gone)))
    np.testing.assert_allclose(np.median(motion[:, 40:100, 10:80], axis=(1, 2)), VELOCITY, atol=0.15)


def test_what_is_not_observed_in_the_newest_frame_travels_with_it():
    """A gap is filled for the motion alone: in the forecast it is unknown where its air arrives."""
    frames = steady()
    frames[-1, 60, 70] = np.nan
    frames[0, 30, 30] = np.nan
    forecast = Extrapolation().forecast(field(frames), 10 * MINUTES * np.arange(1, 4)).reflectivity.values
    for lead, frame in enumerate(forecast, 1):
        gone = np.argwhere(np.isnan(frame[20:100, 20:130])) + 20
        assert gone.tolist() == [[60 + lead * VELOCITY[0], 70 + lead * VELOCITY[1]]]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ((0, 1, 4), (1 / 6 * 1 + 1 * 3) / (7 / 6)),
        ((0, 3, 4), (1 / 6 * 3 + 1 * 1) / (7 / 6)),
        ((0, 1, 3, 7), (1 / 6 * 1 + 7 / 12 * 2 + 1 * 4) / (21 / 12)),
    ],
)
def test_the_newest_pair_of_frames_weighs_most(columns, expected):
    motion = found(rain([(0, column) for column in columns]), past=len(columns))
    np.testing.assert_allclose(motion, (0, expected), atol=0.1)


class Known:
    """A motion method that returns what it was given."""

    def __init__(self, rows, columns):
        self.motion = np.stack([np.full(SIZE, rows), np.full(SIZE, columns)]).astype(np.float32)

    def estimate(self, frames, observed):
        del frames, observed
        return self.motion


@pytest.mark.parametrize(("motion", "kmh"), [((3.0, 1.0), 13**0.5 * 6), ((1.0, 3.0), 37**0.5 * 6)])
@pytest.mark.parametrize("step_minutes", [10, 5])
def test_the_speed_limit_counts_cells_by_their_own_height_and_width(motion, kmh, step_minutes):
    """(3, 1) cells of 1 x 2 km in 10 minutes are sqrt(9 + 4) km in 10 minutes: 21.6 km/h; in 5, twice that."""
    kmh *= 10 / step_minutes
    for limit, share in ((0.5 * kmh, 0.5), (0.99 * kmh, 0.99), (1.01 * kmh, 1.0)):
        limited = Extrapolation(motion=Known(*motion), fastest_kmh=limit)
        bounded = limited.velocity(field(steady(), step_minutes))
        np.testing.assert_allclose(bounded[:, 3, 4], share * np.array(motion), rtol=1e-3)


def test_each_axis_moves_by_its_own_part():
    """Rain of 20 dBZ in one cell ends where motion (3, 1), two lead times of half a step and two, carry it."""
    frames = np.full((5, *SIZE), NO_ECHO_DBZ, np.float32)
    frames[-1, 40, 50] = 20.0
    leads = MINUTES * np.array([10, 20])
    forecast = Extrapolation(motion=Known(3.0, 1.0)).forecast(field(frames), leads).reflectivity.values
    assert np.argwhere(forecast == 20.0).tolist() == [[0, 43, 51], [1, 46, 52]]


def dry():
    return np.full((5, *SIZE), NO_ECHO_DBZ, np.float32)


def alternating():
    gone = np.zeros((5, *SIZE), bool)
    gone[1::2] = True
    return without(steady(), gone)


def weak():
    frames = dry()
    frames[:, 20:50, 30:80] = 4.0
    return frames


def last_frame_alone():
    frames = np.full((5, *SIZE), np.nan, np.float32)
    frames[-1] = steady()[-1]
    return frames


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (dry(), "no echo above 5 dBZ in 5 frames"),
        (weak(), "no echo above 5 dBZ in 5 frames"),
        (alternating(), "no two frames in a row of 5 observed the same place"),
        (last_frame_alone(), "no two frames in a row of 5 observed the same place"),
        (np.full((5, *SIZE), np.nan, np.float32), "no echo above 5 dBZ in 5 frames"),
        (np.repeat(steady()[:1], 5, axis=0), "all frames are equal"),
    ],
)
def test_where_no_motion_is_found_the_forecast_says_why_and_stands_still(frames, why):
    forecast = Extrapolation().forecast(field(frames), 10 * MINUTES * np.arange(1, 3))
    assert forecast.attrs["motion"] == f"none found: {why}; the newest frame stands still"
    newest = np.where((frames[-1] > NO_ECHO_DBZ) & (frames[-1] <= 5), NO_ECHO_DBZ, frames[-1])
    np.testing.assert_array_equal(forecast.reflectivity.values[1], newest)


def test_where_a_motion_is_found_nothing_is_said():
    assert "motion" not in Extrapolation().forecast(field(steady()), 10 * MINUTES * np.arange(1, 3)).attrs
