"""A made-up storm season: seeded cells that move, grow, decay and rotate, with a power-law texture.

Dimensions: T frames, H rows, W columns. Everything follows from `StormSettings`; nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import as_step

Array = npt.NDArray[np.floating]

_LOWEST_ECHO_DBZ = 5.0
_SPECTRAL_SLOPE = -2.4
"""Slope of the texture's power spectrum; rain fields lie between -2 and -3. Source: Seed (2003)."""


@dataclass(frozen=True)
class StormSettings:
    """What the season is like. Lengths in km, times in minutes, speeds in km/h."""

    seed: int = 7
    frames: int = 300
    step_minutes: int = 5
    size: int = 128
    cell_km: float = 2.0
    cells_at_once: float = 14.0
    lifetime_minutes: float = 110.0
    radius_km: float = 13.0
    wind_kmh: tuple[float, float] = (36.0, 60.0)
    """Lowest and highest speed of the steering wind, whose direction turns slowly."""
    radar_range_km: float = 110.0

    @property
    def step(self) -> np.timedelta64:
        """Time between two frames."""
        return as_step(np.timedelta64(self.step_minutes, "m"))


@dataclass(frozen=True)
class _Cells:
    """One row a cell: all arrays have the shape (number of cells,)."""

    born: Array
    lifetime: Array
    y: Array
    x: Array
    v: Array
    u: Array
    radius: Array
    stretch: Array
    angle: Array
    turning: Array
    strength: Array


def storm_grid(settings: StormSettings) -> Grid:
    """The grid of the made-up country: Lambert azimuthal equal-area around 45 N, 10 E."""
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=45 +lon_0=10 +x_0=0 +y_0=0 +ellps=WGS84 +units=m")
    offsets = (np.arange(settings.size) - (settings.size - 1) / 2) * settings.cell_km * 1000.0
    return Grid(crs.to_wkt(), offsets[::-1].copy(), offsets.copy())


def coverage(settings: StormSettings) -> npt.NDArray[np.bool_]:
    """The cells that one of the two made-up radars observes, (H, W)."""
    y, x = _axes(settings)
    half = settings.size * settings.cell_km / 2
    observed = np.zeros((settings.size, settings.size), dtype=bool)
    for at_y, at_x in ((-0.15 * half, -0.35 * half), (0.2 * half, 0.4 * half)):
        observed |= np.hypot(y - at_y, x - at_x) <= settings.radar_range_km
    return observed


def make_storms(settings: StormSettings) -> npt.NDArray[np.float32]:
    """Make the season as dBZ (T, H, W): NaN outside coverage, `NO_ECHO_DBZ` where nothing echoes.

    Why: a demonstration needs data that a network can learn something from which advection cannot
    know: each cell grows and decays on its own schedule and rotates while the wind carries it.
    """
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    minutes = np.arange(settings.frames) * float(settings.step_minutes)
    wind_v, wind_u = _steering_wind(settings, minutes, rng)
    cells = _draw_cells(settings, wind_v, wind_u, rng)
    texture = _Texture(settings, rng)
    blind = ~coverage(settings)
    frames = np.empty((settings.frames, settings.size, settings.size), dtype=np.float32)
    for t, minute in enumerate(minutes):
        grain = texture.step(wind_v[t], wind_u[t], settings.step_minutes)
        frames[t] = _to_dbz(_rain(settings, cells, minute) * np.exp(0.55 * grain))
        frames[t][blind] = np.nan
    return frames


def _axes(settings: StormSettings) -> tuple[Array, Array]:
    offsets = (np.arange(settings.size) - (settings.size - 1) / 2) * settings.cell_km
    return offsets[::-1, None], offsets[None, :]


def _steering_wind(settings: StormSettings, minutes: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    low, high = settings.wind_kmh
    phase = rng.uniform(0, 2 * np.pi, 2)
    direction = 0.35 * np.sin(2 * np.pi * minutes / 1100.0 + phase[0]) + 0.3
    speed = (low + high) / 2 + (high - low) / 2 * np.sin(2 * np.pi * minutes / 800.0 + phase[1])
    return speed * np.sin(direction), speed * np.cos(direction)


def _draw_cells(settings: StormSettings, wind_v: Array, wind_u: Array, rng: np.random.Generator) -> _Cells:
    lead_in = 2 * settings.lifetime_minutes
    span = settings.frames * settings.step_minutes + lead_in
    number = int(np.ceil(settings.cells_at_once * span / settings.lifetime_minutes))
    born = rng.uniform(-lead_in, span - lead_in, number)
    at = np.clip((born / settings.step_minutes).astype(int), 0, settings.frames - 1)
    half = settings.size * settings.cell_km / 2
    return _Cells(
        born=born,
        lifetime=settings.lifetime_minutes * rng.uniform(0.6, 1.5, number),
        y=rng.uniform(-1.1 * half, 1.1 * half, number),
        x=rng.uniform(-1.4 * half, 1.0 * half, number),
        v=wind_v[at] + rng.normal(0, 5.0, number),
        u=wind_u[at] + rng.normal(0, 5.0, number),
        radius=settings.radius_km * np.exp(rng.normal(0, 0.35, number)),
        stretch=rng.uniform(1.2, 2.6, number),
        angle=rng.uniform(0, np.pi, number),
        turning=rng.normal(0, 0.9, number),
        strength=8.0 * np.exp(rng.normal(0, 0.9, number)),
    )


def _rain(settings: StormSettings, cells: _Cells, minute: float) -> Array:
    """Sum the living cells' rain, mm/h, (H, W)."""
    y, x = _axes(settings)
    rain = np.zeros((settings.size, settings.size))
    age = (minute - cells.born) / cells.lifetime
    for i in np.flatnonzero((age > 0) & (age < 1)):
        hours = (minute - cells.born[i]) / 60.0
        dy = y - (cells.y[i] + cells.v[i] * hours)
        dx = x - (cells.x[i] + cells.u[i] * hours)
        angle = cells.angle[i] + cells.turning[i] * hours
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        size = cells.radius[i] * (0.5 + np.sin(np.pi * age[i]) ** 0.7)
        squared = (along / (size * cells.stretch[i] ** 0.5)) ** 2
        squared = squared + (across * cells.stretch[i] ** 0.5 / size) ** 2
        rain += cells.strength[i] * np.sin(np.pi * age[i]) ** 1.5 * np.exp(-squared)
    return rain


class _Texture:
    """Power-law noise that the wind carries; small scales forget themselves faster than large ones."""

    def __init__(self, settings: StormSettings, rng: np.random.Generator) -> None:
        self._rng = rng
        self._km = settings.cell_km
        self._size = settings.size
        self._ky = np.fft.fftfreq(settings.size)[:, None]
        self._kx = np.fft.rfftfreq(settings.size)[None, :]
        k = np.hypot(self._ky, self._kx)
        k[0, 0] = np.inf
        self._amplitude = k ** (_SPECTRAL_SLOPE / 2)
        self._memory_minutes = 20.0 + 6.0 / k
        self._memory_minutes[0, 0] = 1.0
        self._spectrum = self._draw()

    def _draw(self) -> npt.NDArray[np.complex128]:
        white = np.fft.rfft2(self._rng.standard_normal((self._size, self._size)))
        return np.asarray(white * self._amplitude)

    def step(self, v_kmh: float, u_kmh: float, minutes: float) -> Array:
        """Advance by one frame; give the texture with mean 0 and standard deviation 1, (H, W)."""
        rows, columns = np.array([-v_kmh, u_kmh]) * minutes / 60.0 / self._km
        shift = np.exp(-2j * np.pi * (self._ky * rows + self._kx * columns))
        kept = np.exp(-minutes / self._memory_minutes)
        self._spectrum = self._spectrum * shift * kept + self._draw() * np.sqrt(1 - kept**2)
        noise = np.fft.irfft2(self._spectrum, s=(self._size, self._size))
        return np.asarray((noise - noise.mean()) / noise.std())


def _to_dbz(rain: Array) -> npt.NDArray[np.float32]:
    """Turn mm/h to dBZ by Marshall-Palmer, in steps of 0.5 dB as an 8-bit product has them."""
    dbz = 10.0 * np.log10(200.0 * np.maximum(rain, 1e-3) ** 1.6)
    dbz = np.round(np.minimum(dbz, 70.0) * 2.0) / 2.0
    return np.where(dbz < _LOWEST_ECHO_DBZ, NO_ECHO_DBZ, dbz).astype(np.float32)
