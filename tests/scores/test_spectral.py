"""Power by wavelength: against pysteps, by hand on waves, and what holes do."""

import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.scores.catalog import build_metrics
from nowcast.scores.spectral import RapsdRatio, RapsdRatioMembers, radial_spectrum, ring_wavelengths

NAN = np.nan


def value(metric, forecast, observed):
    return np.asarray(metric.value(metric.sums(forecast, observed)))


@pytest.mark.parametrize("side", [48, 51])
def test_the_spectrum_is_that_of_pysteps_on_a_square(side):
    rapsd = pytest.importorskip("pysteps.utils.spectral", exc_type=ImportError).rapsd
    frame = np.random.default_rng(0).normal(20, 10, (side, side))
    theirs, frequencies = rapsd(frame, np.fft, return_freq=True, d=2.0)
    ours = radial_spectrum(frame, (2.0, 2.0))
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=1e-6)
    wavelengths = ring_wavelengths(frame.shape, (2.0, 2.0))
    np.testing.assert_allclose(1 / wavelengths[1 : len(theirs)], frequencies[1:], rtol=1e-12)


def test_the_spectrum_by_hand():
    frame = np.random.default_rng(1).normal(size=(12, 12))
    rows, columns = np.meshgrid(np.arange(12), np.arange(12), indexing="ij")
    powers: dict[int, list[float]] = {}
    for k in range(-6, 6):
        for m in range(-6, 6):
            wave = np.exp(-2j * np.pi * (k * rows + m * columns) / 12)
            ring = int(np.floor(np.hypot(k, m) + 0.5))
            powers.setdefault(ring, []).append(abs((frame * wave).sum()) ** 2 / 144)
    expected = [np.mean(powers[r]) for r in range(len(powers))]
    np.testing.assert_allclose(radial_spectrum(frame, (1.0, 1.0)), expected, rtol=1e-9)


def waves(shape, cell_km, **amplitudes):
    """20 dBZ and waves along x; names are w and the wavelength in km."""
    x = np.arange(shape[-1]) * cell_km
    found = np.full(shape, 20.0)
    for name, amplitude in amplitudes.items():
        found += amplitude * np.cos(2 * np.pi * x / float(name[1:]))
    return found


def test_waves_in_the_band_count_by_the_square_of_their_height_and_others_do_not():
    observed = waves((1, 64, 64), 1.0, w8=3.0, w16=4.0, w32=5.0)
    assert value(RapsdRatio(), waves((1, 64, 64), 1.0, w8=1.5, w16=2.0), observed) == pytest.approx([0.25])
    rougher = observed + waves((1, 64, 64), 1.0, w4=5.0) - 20
    assert value(RapsdRatio(), rougher, observed) == pytest.approx([1.0])
    assert value(RapsdRatio(), waves((1, 64, 64), 1.0), observed) == pytest.approx([0.0], abs=1e-12)
    short = RapsdRatio(shortest_km=3.0, longest_km=5.0)
    assert short.name == "rapsd_ratio_3_5"
    observed = waves((1, 64, 64), 1.0, w4=2.0)
    assert value(short, waves((1, 64, 64), 1.0, w4=4.0, w8=9.0), observed) == pytest.approx([4.0])


def test_a_wave_is_found_at_its_length_whatever_cells_and_frame():
    for shape, cell in (((1, 32, 64), (2.0, 2.0)), ((1, 96, 64), (1.0, 2.0)), ((1, 40, 128), (3.0, 1.0))):
        observed = waves(shape, cell[1], w16=4.0)
        wavelengths = ring_wavelengths(shape[1:], cell)
        peak = radial_spectrum(observed[0] - observed[0].mean(), cell).argmax()
        assert wavelengths[peak] == pytest.approx(16.0, rel=0.1)
        half = value(RapsdRatio(cell), waves(shape, cell[1], w16=2.0), observed)
        assert half == pytest.approx([0.25])


def test_powers_are_pooled_before_they_are_divided():
    observed = np.stack([waves((1, 64, 64), 1.0, w8=1.0), waves((1, 64, 64), 1.0, w8=3.0)])
    forecast = np.stack([waves((1, 64, 64), 1.0, w8=1.0), waves((1, 64, 64), 1.0)])
    assert value(RapsdRatio(), forecast, observed) == pytest.approx([1 / (1 + 9)])


def test_what_was_not_observed_is_the_same_hole_in_both():
    observed = waves((1, 64, 64), 1.0, w16=4.0)
    forecast = waves((1, 64, 64), 1.0, w16=4.0)
    observed[:, 20:30, 20:40] = NAN
    assert value(RapsdRatio(), forecast, observed) == pytest.approx([1.0])
    observed[:] = NAN
    assert np.isnan(value(RapsdRatio(), forecast, observed)).all()


def test_of_members_each_is_taken_for_itself_and_the_first_few_for_all():
    observed = waves((2, 64, 64), 1.0, w16=4.0)
    half, whole, rough = (waves((2, 64, 64), 1.0, w16=4.0 * size) for size in (0.5, 1.0, 9.0))
    metric = RapsdRatioMembers(most_members=2)
    assert value(metric, np.stack([half, whole, rough]), observed) == pytest.approx([(0.25 + 1) / 2] * 2)
    assert value(metric, half, observed) == pytest.approx([0.25, 0.25])
    assert value(RapsdRatio(), (half + whole) / 2, observed) == pytest.approx([0.75**2] * 2)


def test_dry_or_small_frames_have_no_ratio():
    assert np.isnan(value(RapsdRatio(), np.zeros((1, 64, 64)), np.full((1, 64, 64), -32.0))).all()
    assert np.isnan(value(RapsdRatio(), *np.random.default_rng(0).normal(20, 5, (2, 1, 7, 7)))).all()


def test_cells_come_from_the_grid():
    chosen = ["csi", "rapsd_ratio", "rapsd_ratio_members"]
    csi, ratio, members = build_metrics([20.0], chosen, cell_km=(2.0, 2.5))
    assert ratio == members.of_one == RapsdRatio((2.0, 2.5))
    assert build_metrics([20.0], ["rapsd_ratio"]) == [RapsdRatio((1.0, 1.0))]
    assert csi.threshold_dbz == 20.0


@pytest.mark.parametrize(
    "settings",
    [{"cell_km": (4.1, 1.0)}, {"cell_km": (0.0, 1.0)}, {"cell_km": (1.0, NAN)}, {"shortest_km": 16.0}],
)
def test_cells_too_wide_and_wavelengths_that_cannot_be_are_refused(settings):
    with pytest.raises(NowcastError, match=r"rapsd: got .*expected"):
        RapsdRatio(**settings)
