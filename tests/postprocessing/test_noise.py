import numpy as np
import pytest

from nowcast.postprocessing import noise as noise_module
from nowcast.postprocessing.noise import GROWTH, GROWTH_EXPONENT, MEMORY, Noise, estimate_noise
from nowcast.postprocessing.rain_lifetime import FALLBACK, Lifetime
from nowcast.postprocessing.rain_texture import wavelengths_km

CELL = (1.0, 1.0)


@pytest.fixture(scope="module")
def past():
    """Five frames of smooth rain on 72 x 90 pixels that moves by (2, -3) pixels a frame; a corner is NaN."""
    y, x = np.mgrid[:100, :130]
    waves = np.sin(y / 5.0) * np.cos(x / 7.0) + np.sin((y + 2 * x) / 11.0)
    dbz = np.where(waves > 0.3, 15 + 15 * waves, -32).astype(np.float32)
    frames = np.stack([dbz[20 - 2 * t : 92 - 2 * t, 10 + 3 * t : 100 + 3 * t] for t in range(5)])
    frames[:, :9, :9] = np.nan
    return frames


def fields(noise, seed=0, members=40):
    return np.array([list(noise.member((seed,), m)) for m in range(members)])


def test_every_pixel_of_every_lead_time_has_mean_0_and_variance_1(past):
    found = fields(estimate_noise(past, [1.0, 2.5, 9.0], CELL, 10.0, 10.0), members=300)
    assert found.shape == (300, 3, 72, 90)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    pooled = np.square(found).mean(axis=0).mean(axis=(1, 2))
    np.testing.assert_allclose(pooled, 1.0, atol=0.03)
    spread = found.std(axis=0)  # of 300 draws: 1 within 0.035 or so in each pixel
    assert 0.8 < spread.min() < spread.max() < 1.2
    assert abs(found.mean(axis=0)).max() < 0.3


def test_same_seed_same_noise_other_seed_or_member_other_noise(past):
    noise = estimate_noise(past, [1.0, 2.0], CELL, 10.0, 10.0)
    first = fields(noise, 7, 2)
    np.testing.assert_array_equal(first, fields(noise, 7, 2))
    others = np.array([first[1], *fields(noise, 8, 2)])
    for other in others:
        assert abs(np.corrcoef(first[0].ravel(), other.ravel())[0, 1]) < 0.5


def still(power, leads, lifetime, size=(64, 80), monkeypatch=None):
    """The noise of a dry past, with a power and lifetimes of our own."""
    monkeypatch.setattr(noise_module, "power_of", lambda *_: power.astype(np.float32))
    monkeypatch.setattr(noise_module, "lifetime_of", lambda *_: lifetime)
    shape = (size[0] - 32, size[1] - 32)
    return estimate_noise(np.full((2, *shape), -32, np.float32), leads, CELL, 10.0, 10.0)


def test_a_single_wave_comes_out_as_that_wave_and_remembers_as_told(monkeypatch):
    """All power in 4 waves along the columns of 80: 20 km; lead times of 1, 2 and 3.5 steps of 10 min."""
    power = np.zeros((64, 41))
    power[0, 4] = 1.0
    noise = still(power, [1.0, 2.0, 3.5], Lifetime(12.0, 1.0), monkeypatch=monkeypatch)
    assert noise.periodic == (64, 80)
    found = fields(noise, members=300)
    np.testing.assert_allclose(found[..., 20:], found[..., :-20], atol=1e-4)  # period 20
    np.testing.assert_allclose(found[..., 10:], -found[..., :-10], atol=1e-4)
    np.testing.assert_allclose(found[:, :, 0], found[:, :, 9], atol=1e-4)
    lives = MEMORY * 12.0 * (20.0 / 16.0)
    for a, b, minutes in ((0, 1, 10.0), (1, 2, 15.0), (0, 2, 25.0)):
        together = np.mean(found[:, a] * found[:, b])
        assert together == pytest.approx(np.exp(-minutes / lives), abs=0.08)


def test_a_wave_along_the_rows_alone_has_variance_1_too(monkeypatch):
    """Its wavenumbers are among those of which the transform takes the real part."""
    power = np.zeros((64, 41))
    power[4, 0] = power[-4, 0] = 1.0
    found = fields(still(power, [1.0], FALLBACK, monkeypatch=monkeypatch), members=300)[:, 0]
    np.testing.assert_allclose(found[:, 16:], found[:, :-16], atol=1e-4)
    np.testing.assert_allclose(found[..., 0], found[..., -1], atol=1e-4)
    assert np.mean(found**2) == pytest.approx(1.0, abs=0.15)


def test_white_noise_is_white_where_all_wavelengths_live_alike(monkeypatch):
    noise = still(np.ones((64, 41)), [1.0], Lifetime(1e-3, 0.0), monkeypatch=monkeypatch)
    found = fields(noise, members=100)[:, 0]
    assert np.mean(found**2) == pytest.approx(1.0, abs=0.02)
    for row, column in ((0, 1), (1, 0), (3, 2)):
        later = found[:, row:, column:] * found[:, : 32 - row, : 48 - column]
        assert later.mean() == pytest.approx(0.0, abs=0.02)


def test_small_scales_become_uncertain_first(monkeypatch):
    """Power by wavelength is P (1 - exp(-(t / (0.4 T))^1.25)), scaled to one."""
    lifetime = Lifetime(20.0, 1.5)
    noise = still(np.ones((64, 41)), [1.0, 20.0], lifetime, monkeypatch=monkeypatch)
    wavelength = wavelengths_km((64, 80), CELL)
    lost = -np.expm1(-((10.0 / (GROWTH * lifetime.at(wavelength))) ** GROWTH_EXPONENT))
    interior = (slice(None), slice(1, 40))
    ratio = noise.weights[0][interior] ** 2 / lost[interior]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)
    early, late = (w[0, 2] / w[0, 39] for w in noise.weights)  # 40 km against 2 km
    assert early < 0.5 * late


def test_patterns_move_with_the_rain(past):
    """What lives for ever is the same field at each lead time, moved by (2, -3) a step."""
    noise = estimate_noise(past, [1.0, 2.0, 4.0], CELL, 10.0, 10.0)
    lasting = noise._replace(memory=np.ones_like(noise.memory), weights=np.repeat(noise.weights[2:], 3, axis=0))
    lasting.memory[0] = 0.0
    first, second, fourth = lasting.member((3,), 0)
    middle = (slice(20, 50), slice(30, 60))
    assert np.corrcoef(second[22:52, 27:57].ravel(), first[middle].ravel())[0, 1] > 0.97
    assert np.corrcoef(fourth[26:56, 21:51].ravel(), first[middle].ravel())[0, 1] > 0.9
    assert np.corrcoef(fourth[middle].ravel(), first[middle].ravel())[0, 1] < 0.9


@pytest.mark.parametrize("frames", [1, 5])
def test_without_rain_or_with_one_frame_noise_stands_still_and_lives_as_stated(frames):
    dry = np.full((frames, 16, 16), -32, np.float32)
    noise = estimate_noise(dry, [1.0], CELL, 10.0, 10.0)
    assert noise.lifetime == FALLBACK
    rows, columns = np.divmod(noise.origins[0], noise.periodic[1])
    np.testing.assert_array_equal(rows, np.arange(16)[:, None] + np.zeros((16, 16)))
    np.testing.assert_array_equal(columns, np.arange(16)[None] + np.zeros((16, 16)))
    assert np.isfinite(next(noise.member((0,), 0))).all()


@pytest.mark.parametrize("fill", [np.nan, 25.0])
def test_nothing_observed_and_rain_everywhere(fill):
    noise = estimate_noise(np.full((3, 20, 24), fill, np.float32), [0.5, 1.0], CELL, 5.0, 10.0)
    assert isinstance(noise, Noise)
    assert fields(noise, members=50).std() == pytest.approx(1.0, abs=0.15)
