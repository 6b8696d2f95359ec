import numpy as np
import pytest
from scipy import fft

from nowcast.postprocessing import rain_texture
from nowcast.postprocessing.rain_lifetime import FALLBACK, Lifetime, lifetime_of
from nowcast.postprocessing.rain_texture import (
    NormalScores,
    latent_correlation,
    normal_scores,
    power_of,
    variance,
    wavelengths_km,
)


def gaussian_field(power, seed, size):
    white = fft.rfft2(np.random.default_rng(seed).standard_normal(size))
    return fft.irfft2(white * np.sqrt(power / variance(power, size[1]) * size[0] * size[1]), size)


def test_normal_scores_by_hand():
    """Two of eight observed pixels are wet: ranks 6.5 and 7.5 of 8, the dry six share the score of 6 / 8."""
    frame = np.array([[-32, 31, -32], [5, np.nan, 12], [-32, -32, 9]], np.float32)
    found = normal_scores(frame, 10.0)
    assert found.wet == 2
    assert found.dry_score == pytest.approx(0.67449, abs=1e-4)
    shape = found.values - found.values[0, 0]
    assert shape[0, 1] == pytest.approx(1.53412 - 0.67449, abs=1e-4)  # N^-1(7.5 / 8)
    assert shape[1, 2] == pytest.approx(0.88715 - 0.67449, abs=1e-4)  # N^-1(6.5 / 8)
    assert shape[1, 0] == shape[2, 2] == 0
    assert found.values[found.observed].mean() == pytest.approx(0, abs=1e-6)
    assert found.values[1, 1] == 0


def test_equal_values_share_a_score_and_frames_of_one_value_have_no_texture():
    found = normal_scores(np.array([[20, 20, -32, -32]], np.float32), 10.0).values
    assert found[0, 0] == found[0, 1] > found[0, 2]
    for value in (-32.0, 30.0, np.nan):
        flat = normal_scores(np.full((3, 4), value, np.float32), 10.0)
        assert flat.wet == 0
        assert not flat.values.any()


@pytest.mark.parametrize("dry_score", [-1.0, 0.0, 1.3])
def test_correlation_behind_a_censored_field_is_found_again(dry_score):
    """The censored correlation is measured on a million pairs of known correlation."""
    rng = np.random.default_rng(3)
    rho = 0.6
    first = rng.standard_normal(1_000_000)
    second = rho * first + np.sqrt(1 - rho**2) * rng.standard_normal(len(first))
    censored = np.corrcoef(np.maximum(first, dry_score), np.maximum(second, dry_score))[0, 1]
    assert censored < rho
    assert latent_correlation(np.array([censored]), dry_score)[0] == pytest.approx(rho, abs=0.01)
    np.testing.assert_allclose(latent_correlation(np.array([-0.2, 0.0, 1.0]), dry_score), [0, 0, 1], atol=1e-6)


def test_power_of_a_known_field_is_found_from_its_wet_fifth_and_a_part_of_its_pixels():
    """Its correlation falls twice as slowly along rows as along columns; a corner was not observed."""
    size = (160, 200)
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in size)
    true = np.exp(-np.hypot(rows[:, None] / 6.0, columns[None, :] / 12.0))
    power = np.maximum(fft.rfft2(true).real, 0)
    correlations = []
    for seed in range(4):
        dbz = (10 + 10 * (gaussian_field(power, seed, size) - 0.8)).astype(np.float32)
        dbz[:60, :50] = np.nan
        found = fft.irfft2(power_of(normal_scores(dbz, 10.0), (1.0, 1.0), size), size)
        correlations.append(found / found[0, 0])
    mean = np.mean(correlations, axis=0)
    assert mean[5, 0] == pytest.approx(true[5, 0], abs=0.1)
    assert mean[0, 5] == pytest.approx(true[0, 5], abs=0.1)
    assert mean[0, 10] > 1.5 * mean[10, 0]


def test_power_sums_to_a_variance_of_one_and_falls_back_where_there_is_little_rain():
    size, cell = (48, 63), (1.0, 2.0)
    dry = normal_scores(np.full((40, 50), -32, np.float32), 10.0)
    power = power_of(dry, cell, size)
    assert variance(power, size[1]) == pytest.approx(1, abs=1e-5)
    correlation = fft.irfft2(power * size[0] * size[1], size)
    assert correlation[0, 0] == pytest.approx(1, abs=1e-4)
    assert correlation[4, 0] == pytest.approx(correlation[0, 2], abs=0.02)  # 4 km either way


@pytest.mark.parametrize(("width", "pixels"), [(4, 24), (5, 30)])
def test_the_variance_of_a_half_plane_counts_each_wavenumber_of_the_whole_plane_once(width, pixels):
    assert variance(np.ones((6, 3)), width) == pixels


def test_pairs_at_any_distance_weigh_alike():
    """A wave of 20 pixels on 60 of them is the same again after two periods, of which a third is left."""
    wave = np.cos(2 * np.pi * np.arange(60) / 20)[None].repeat(30, axis=0).astype(np.float32)
    found = rain_texture._autocorrelation(NormalScores(wave, np.ones(wave.shape, bool), -6.0, 1800), (64, 96))
    assert found[0, 40] == pytest.approx(1.0, abs=0.05)
    assert found[0, 10] == pytest.approx(-1.0, abs=0.05)
    assert found[12, 0] == found[-12, 0] == pytest.approx(1.0, abs=0.05)


def test_wavelengths_in_kilometres():
    found = wavelengths_km((8, 10), (2.0, 1.0))
    assert found.shape == (8, 6)
    assert found[0, 0] == np.inf
    assert found[1, 0] == found[-1, 0] == 16
    assert found[0, 1] == 10


def test_lifetime_from_fields_that_forget_as_told():
    """Each wavenumber of the later field keeps exp(-dt / T) of the earlier one."""
    size, cell, minutes = (256, 300), (1.0, 1.0), 10.0
    wavelength = wavelengths_km(size, cell)
    true = Lifetime(15.0, 1.0)
    power = np.minimum(wavelength, 200.0) ** 2.5
    kept = np.exp(-minutes / true.at(wavelength))
    observed = np.ones(size, bool)

    def scores(field):
        return NormalScores(field.astype(np.float32), observed, -6.0, observed.sum())

    pairs = []
    for seed in range(3):
        early = gaussian_field(power, seed, size)
        late = gaussian_field(power * (1 - kept**2), 100 + seed, size)
        late *= np.sqrt(variance(power * (1 - kept**2), size[1]) / variance(power, size[1]))
        pairs.append((scores(early), scores(fft.irfft2(fft.rfft2(early) * kept, size) + late)))
    found = lifetime_of(pairs, minutes, cell)
    assert found.minutes == pytest.approx(15, rel=0.1)
    assert found.exponent == pytest.approx(1.0, abs=0.15)


def test_lifetime_falls_back_where_pairs_are_dry_or_there_are_none():
    dry = normal_scores(np.full((40, 50), -32, np.float32), 10.0)
    assert lifetime_of([], 10.0, (1.0, 1.0)) == lifetime_of([(dry, dry)], 10.0, (1.0, 1.0)) == FALLBACK
