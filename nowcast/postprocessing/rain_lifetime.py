"""How long rain of each wavelength lives: lifetimes from past frames in Lagrangian coordinates.

Dimensions: H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.postprocessing.rain_texture import FEWEST_WET, CellKm, NormalScores, wavelengths_km

Array = npt.NDArray[np.float32]
REFERENCE_KM = 16.0
LONGEST_KM = 1000.0
"""Longer wavelengths, and the mean, live as long as this one."""
BANDS_KM = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Edges of the octaves of wavelengths in which correlation is measured."""
EXPONENTS = (0.5, 1.5)
"""Bounds of how lifetime rises with wavelength: a band or two of little rain can give any slope."""
_CORRELATIONS = (0.02, 0.995)


class Lifetime(NamedTuple):
    """Minutes until the correlation of a wavelength falls to 1/e: minutes (wavelength / 16 km)^exponent."""

    minutes: float
    exponent: float

    def at(self, wavelength_km: Array) -> Array:
        """Lifetimes in minutes."""
        capped = np.minimum(wavelength_km, np.float32(LONGEST_KM)) / np.float32(REFERENCE_KM)
        return np.asarray(self.minutes * capped**self.exponent, np.float32)


FALLBACK = Lifetime(20.0, 1.5)
"""Where the past has too little rain to measure any: about what days of widespread rain have."""


def lifetime_of(
    pairs: Sequence[tuple[NormalScores, NormalScores]], minutes: float, cell_km: CellKm
) -> Lifetime:
    """Fit lifetimes to the correlation, octave by octave, of frames that follow each other.

    In each octave the correlation r of all pairs together stands for a lifetime of -dt / ln r; a straight line
    is fitted to its logarithm over that of the wavelength.

    Args:
        pairs: an earlier frame advected to the time of a later one, and that one; those with few wet pixels
            are left out.
        minutes: between them.
        cell_km: height and width of a cell.

    Source: correlation by scale as in Seed (2003), J. Appl. Meteor. 42, 381-388; that lifetime rises with scale
    by a power law: Germann, Zawadzki and Turner (2006), J. Atmos. Sci. 63, 2092-2108.
    """
    wide = [pair for pair in pairs if min(pair[0].wet, pair[1].wet) >= FEWEST_WET]
    if not wide:
        return FALLBACK
    cross, early, late = np.sum([_band_products(*pair, cell_km) for pair in wide], axis=0)
    good = (early > 0) & (late > 0)
    if good.sum() < 2:
        return FALLBACK
    correlation = np.clip(cross[good] / np.sqrt(early[good] * late[good]), *_CORRELATIONS)
    middles = np.sqrt(np.array(BANDS_KM[:-1]) * np.array(BANDS_KM[1:]))[good]
    exponent, level = np.polyfit(np.log(middles / REFERENCE_KM), np.log(-minutes / np.log(correlation)), 1)
    return Lifetime(float(np.exp(level)), float(np.clip(exponent, *EXPONENTS)))


def _band_products(early: NormalScores, late: NormalScores, cell_km: CellKm) -> npt.NDArray[np.float64]:
    """Sums over each octave of the cross power and of both powers: (3, octaves)."""
    from scipy import fft

    both = early.observed & late.observed
    size = tuple(fft.next_fast_len(n, real=True) for n in both.shape)
    a, b = (fft.rfft2(np.where(both, f.values, np.float32(0)), size) for f in (early, late))
    octave = np.digitize(wavelengths_km((size[0], size[1]), cell_km), BANDS_KM)
    products = ((a.conj() * b).real, np.abs(a) ** 2, np.abs(b) ** 2)
    bins = len(BANDS_KM) + 1
    return np.stack([np.bincount(octave.ravel(), p.ravel(), bins)[1:-1] for p in products])
