"""The texture of rain as the power of each wavenumber of a Gaussian field, from observed frames.

Most pixels are dry, and a few strong cells would dominate any spectrum of dBZ. So a frame is turned into
normal scores first: a pixel takes the value that a standard normal variable has at the pixel's rank, and all
dry pixels that of the dry share. What is estimated is the Gaussian field behind that, part of which they hide.

Dimensions: H rows, W columns; h, w rows and columns of the periodic field, wavenumbers (h, w // 2 + 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.postprocessing.distribution import FARTHEST

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
CellKm = tuple[float, float]

FEWEST_WET = 300
"""Wet pixels of a frame without which it says nothing of texture."""
LONGEST_KM = 128.0
"""Distance at which the correlation of one frame is no longer told from chance: the lag window ends there."""
SMOOTHED_KM = 2.5
"""Wavelength whose power is halved; without it members are rougher than rain at wavelengths below 8 km."""
FALLBACK_KM = 45.0
"""Distance at which correlation falls to 1/e where there is too little rain to estimate it from."""
_TERMS = 60


class NormalScores(NamedTuple):
    """A frame as normal scores."""

    values: Array
    """(H, W), mean zero over what was observed, 0 where not observed."""
    observed: npt.NDArray[np.bool_]
    dry_score: float
    """The score that no wet pixel is below."""
    wet: int


def normal_scores(dbz: Array, rain_dbz: float) -> NormalScores:
    """Turn a frame (H, W) into normal scores; NaN is not observed, below ``rain_dbz`` is dry.

    A frame of one value has no texture: zeros, and none of it counts as wet.
    """
    from scipy.special import ndtri

    observed = ~np.isnan(dbz)
    wet = observed & (np.nan_to_num(dbz, nan=-np.inf) >= rain_dbz)
    count, rain = int(observed.sum()), dbz[wet]
    if not len(rain) or (len(rain) == count and np.ptp(rain) == 0.0):
        return NormalScores(np.zeros_like(dbz), observed, 0.0, 0)
    ordered = np.sort(rain)
    middle = 0.5 * (np.searchsorted(ordered, rain, "left") + np.searchsorted(ordered, rain, "right"))
    dry = count - len(rain)
    lowest = max(float(ndtri(dry / count)), -FARTHEST)
    values = np.full(dbz.shape, lowest, np.float32)
    values[wet] = ndtri((dry + middle) / count)
    np.maximum(values, np.float32(lowest), out=values)
    values -= np.float32(values[observed].mean())
    values[~observed] = 0.0
    return NormalScores(values, observed, lowest, len(rain))


def latent_correlation(correlation: Floats, dry_score: float) -> Floats:
    """Correlation of the Gaussian field behind a censored one max(Z, c), from that of the censored one.

    In Hermite polynomials max(Z, c) is the sum of b_n He_n(Z), so the correlation of the censored field is the
    sum of b_n^2 n! rho^n over that of b_n^2 n!, n from 1. It rises with rho and is inverted from a table;
    correlations of zero and less are taken as zero.

    Source: Guillot (1999), J. Appl. Meteor. 38, 1627-1637, for rain as a censored Gaussian field.
    """
    from scipy.special import ndtr

    c = dry_score
    density = float(np.exp(-0.5 * c * c) / np.sqrt(2 * np.pi))
    weights = [float(ndtr(-c)) ** 2]
    before, now = 0.0, 1.0  # He_{n} / sqrt(n!) of n = -1, 0
    for n in range(2, _TERMS + 1):
        weights.append((density * now) ** 2 / (n * (n - 1)))  # b_n^2 n!, b_n = density He_{n-2} / n!
        before, now = now, (c * now - np.sqrt(n - 2) * before) / np.sqrt(n - 1)
    rho = np.linspace(0.0, 1.0, 257)
    powers = np.cumprod(np.broadcast_to(rho[:, None], (len(rho), len(weights))), axis=1)
    table = powers @ np.asarray(weights)
    return np.interp(correlation, table / table[-1], rho)


def power_of(frame: NormalScores, cell_km: CellKm, periodic: tuple[int, int]) -> Array:
    """Power of each wavenumber of a periodic field (h, w) of variance one with the texture of a frame.

    The autocorrelation is estimated from pairs of observed pixels alone, freed of the effect of dry pixels,
    damped to nothing at `LONGEST_KM` and transformed (Blackman and Tukey's estimate of a spectrum: anisotropic
    and of any shape, as that of STEPS, without the noise of a periodogram). Where the frame has fewer than
    `FEWEST_WET` wet pixels it falls with distance as exp(-d / `FALLBACK_KM`).
    """
    from scipy import fft

    h, w = periodic
    rows = np.minimum(np.arange(h), h - np.arange(h)) * cell_km[0]
    columns = np.minimum(np.arange(w), w - np.arange(w)) * cell_km[1]
    distance = np.hypot(rows[:, None], columns[None, :])
    longest = min(LONGEST_KM, float(rows.max()), float(columns.max()))
    if frame.wet >= FEWEST_WET:
        found = latent_correlation(_autocorrelation(frame, periodic), frame.dry_score)
    else:
        found = np.exp(-distance / FALLBACK_KM)
    found = found * np.where(distance < longest, 0.5 + 0.5 * np.cos(np.pi * distance / longest), 0.0)
    power = np.maximum(fft.rfft2(found).real, 0.0)
    power /= 1.0 + (SMOOTHED_KM / wavelengths_km(periodic, cell_km)) ** 2
    return np.asarray(power / variance(power, w), np.float32)


def _autocorrelation(frame: NormalScores, periodic: tuple[int, int]) -> Floats:
    """Correlation of pairs of observed pixels by their offset, on the lattice of a periodic field (h, w)."""
    from scipy import fft

    height, width = frame.values.shape
    size = tuple(fft.next_fast_len(2 * n, real=True) for n in (height, width))
    products, pairs = (
        fft.irfft2(np.abs(fft.rfft2(values.astype(np.float32), size)) ** 2, size)
        for values in (frame.values, frame.observed)
    )
    found = np.where(pairs > 0.5, products / np.maximum(pairs, 1.0), 0.0)
    found = found / max(found[0, 0], 1e-12)
    rows, columns = (np.where(np.arange(n) <= n // 2, np.arange(n), np.arange(n) - n) for n in periodic)
    return np.asarray(found[np.ix_(rows, columns)], np.float64)


def variance(power: npt.NDArray[np.floating], width: int) -> float:
    """Variance of a field (h, w) whose half-plane of wavenumbers (h, w // 2 + 1) has this mean power."""
    both = 2.0 * float(power.sum(dtype=np.float64)) - float(power[:, 0].sum(dtype=np.float64))
    if width % 2 == 0:
        both -= float(power[:, -1].sum(dtype=np.float64))
    return both


def wavelengths_km(periodic: tuple[int, int], cell_km: CellKm) -> Array:
    """The wavelength of each wavenumber (h, w // 2 + 1); infinite for the mean."""
    rows = np.fft.fftfreq(periodic[0], cell_km[0])[:, None]
    columns = np.fft.rfftfreq(periodic[1], cell_km[1])[None, :]
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.hypot(rows, columns), np.float32)
