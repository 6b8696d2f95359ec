"""Correlated Gaussian noise that looks, moves and changes as rain does: what tells members apart.

Each wavenumber k of the noise is a complex random number that forgets at its own pace,
a(t + dt) = f a(t) + sqrt(1 - f^2) e with f = exp(-dt / (2 T)), T the lifetime of its wavelength. The field of a
lead time t weighs them with the power P(k) of rain and with the share that a forecast has lost by then,
G(k, t) = 1 - exp(-(t / (0.4 T))^1.25), so that small scales become uncertain first; it is scaled to variance
one in every pixel. The field is periodic, and each pixel reads it where its air was at the forecast reference
time.

Dimensions: S lead times, H rows, W columns; h, w rows and columns of the periodic field, its wavenumbers are
(h, w // 2 + 1).

Source: noise with the spectrum of the newest frame and an autoregression by scale: Seed (2003), J. Appl.
Meteor. 42, 381-388; Bowler, Pierce and Seed (2006), Q. J. R. Meteorol. Soc. 132, 2127-2155; Seed, Pierce and
Norman (2013), Water Resour. Res. 49, 6624-6641. The three constants are fitted:
`docs/explanation/ensembles.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.postprocessing.motion import motion_of
from nowcast.postprocessing.rain_lifetime import Lifetime, lifetime_of
from nowcast.postprocessing.rain_texture import CellKm, normal_scores, power_of, variance, wavelengths_km

Array = npt.NDArray[np.float32]
Complexes = npt.NDArray[np.complex64]
MEMORY, GROWTH, GROWTH_EXPONENT = 2.0, 0.4, 1.25
"""The constants above: errors of a forecast last longer than rain, and grow faster than rain is lost."""
_MARGIN = 32
"""Rows and columns by which the periodic field is larger than the grid, at least."""


class Noise(NamedTuple):
    """The statistics of the noise of one forecast: everything that its members share."""

    periodic: tuple[int, int]
    memory: Array
    """(S, h, w // 2 + 1): what is left of each wavenumber from the lead time before; none at the first."""
    weights: Array
    """(S, h, w // 2 + 1): amplitude of each wavenumber, the variance of the field being one."""
    origins: npt.NDArray[np.intp]
    """(S, H, W): the pixel of the periodic field that each pixel reads."""
    lifetime: Lifetime

    def member(self, seed: Sequence[int], member: int) -> Iterator[Array]:
        """Yield the noise (H, W) of each lead time: the same for a seed and member, whatever else is drawn."""
        from scipy import fft

        draw = np.random.Generator(np.random.Philox(np.random.SeedSequence([*seed, member])))
        h, w = self.periodic
        half = (h, w // 2 + 1)
        state = np.zeros(half, np.complex64)
        for memory, weights, origins in zip(self.memory, self.weights, self.origins, strict=True):
            fresh = draw.standard_normal((*half, 2), np.float32).view(np.complex64)[..., 0]
            fresh *= np.sqrt(1 - memory * memory)
            state *= memory
            state += fresh
            field = fft.irfft2(np.multiply(state, weights, out=fresh), (h, w), overwrite_x=True)
            yield field.ravel()[origins]


def estimate_noise(
    dbz: Array, steps: Sequence[float], cell_km: CellKm, step_minutes: float, rain_dbz: float
) -> Noise:
    """Estimate the noise of a forecast from the past frames.

    Args:
        dbz: (T, H, W), the last of the forecast reference time; NaN is not observed.
        steps: S rising lead times in steps of the past, not necessarily whole.
        cell_km: height and width of a cell.
        step_minutes: between two past frames.
        rain_dbz: what is weaker counts as dry.
    """
    from scipy import fft

    height, width = dbz.shape[1:]
    periodic = tuple(fft.next_fast_len(n + _MARGIN, real=True) for n in (height, width))
    motion = motion_of(dbz, rain_dbz, cell_km, step_minutes)
    scores = [normal_scores(frame, rain_dbz) for frame in dbz]
    pairs = [
        (normal_scores(_advected(early, motion), rain_dbz), late)
        for early, late in zip(dbz[:-1], scores[1:], strict=True)
    ]
    lifetime = lifetime_of(pairs, step_minutes, cell_km)
    lives = lifetime.at(wavelengths_km(periodic, cell_km))
    power = power_of(scores[-1], cell_km, periodic)
    minutes = np.asarray(steps, np.float64) * step_minutes
    memory = np.exp(-np.diff(minutes, prepend=-np.inf)[:, None, None] / (MEMORY * lives)).astype(np.float32)
    lost = (-np.expm1(-((reached / (GROWTH * lives)) ** GROWTH_EXPONENT)) for reached in minutes)
    weights = np.stack([_amplitude(power * share, periodic) for share in lost])
    return Noise(periodic, memory, weights, _origins(motion, steps, periodic), lifetime)


def _amplitude(power: Array, periodic: tuple[int, int]) -> Array:
    """What complex numbers of variance 2 are weighed with for a field of this spectrum and of variance one.

    Of the wavenumbers without a mirror image, the transform takes the real part alone.
    """
    h, w = periodic
    weights = np.sqrt(power / np.float32(2.0 * variance(power, w))) * np.float32(h * w)
    alone = [0, w // 2] if w % 2 == 0 else [0]
    weights[:, alone] *= np.float32(np.sqrt(2.0))
    return np.asarray(weights, np.float32)


def _origins(motion: Array, steps: Sequence[float], periodic: tuple[int, int]) -> npt.NDArray[np.intp]:
    """The nearest pixel of the periodic field where the air of each pixel was at the reference time.

    The nearest, because interpolation would take variance away, and most from what is small.
    """
    import torch

    from nowcast.models.lagrangian.semilagrangian import trajectories

    found = []
    for places in trajectories(torch.from_numpy(motion)[None], list(steps)):
        rows, columns = places[0].round().long().numpy()
        found.append((rows % periodic[0]) * periodic[1] + columns % periodic[1])
    return np.stack(found)


def _advected(dbz: Array, motion: Array) -> Array:
    """A frame one step later in Lagrangian coordinates: the value of the nearest pixel, NaN from outside."""
    import torch

    from nowcast.models.lagrangian.semilagrangian import inside, trajectories

    places = next(trajectories(torch.from_numpy(motion)[None], 1))
    rows, columns = places[0].round().long()
    height, width = dbz.shape
    moved = dbz[rows.clamp(0, height - 1).numpy(), columns.clamp(0, width - 1).numpy()]
    return np.where(inside(places)[0, 0].numpy(), moved, np.float32(np.nan))
