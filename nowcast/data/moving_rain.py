"""Made-up rain, made on the fly: cells that a wind carries while they turn, grow and decay.

Dimensions: F frames of a sequence, K cells, H = W side of a frame. A sequence follows from (seed, its number).

Why: a table of radar networks must run where no archive may be handed out. Advection explains most of it, as of
rain; the life of each cell it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.data.reel import Reel
from nowcast.data.source import FrameArray

_LOWEST_ECHO_DBZ = 5.0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RainSettings:
    """Made-up rain; lengths in pixels, times in frames."""

    seed: int = 0
    count: int = 10_000
    """Sequences in the reel."""
    length: int = 15
    """Frames of a sequence."""
    size: int = 64
    cells: tuple[int, int] = (3, 9)
    """Fewest and most cells of a sequence."""
    speed: tuple[float, float] = (0.5, 2.5)
    """Slowest and fastest wind, pixels a frame."""
    radius: tuple[float, float] = (3.0, 8.0)
    """Smallest and largest radius of a cell."""
    lifetime: tuple[float, float] = (10.0, 30.0)
    """Shortest and longest life of a cell."""

    def __post_init__(self) -> None:
        for name in ("count", "length", "size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"moving_rain.{name}: got {getattr(self, name)}, expected >= 1")
        if self.seed < 0:
            raise SettingsError(f"moving_rain.seed: got {self.seed}, expected >= 0")
        for name in ("cells", "speed", "radius", "lifetime"):
            low, high = getattr(self, name)
            if not 0 <= low <= high or (name != "speed" and low == 0):
                raise SettingsError(
                    f"moving_rain.{name}: got {low:g} to {high:g}, expected rising values above zero"
                )


class MovingRain(Reel):
    """A reel of sequences of made-up rain as a frame source; the same settings give the same frames."""

    def __init__(self, settings: RainSettings, scaling: Scaling) -> None:
        super().__init__(settings.count, settings.length)
        self.settings, self.scaling = settings, scaling
        self.name = f"moving_rain(seed {settings.seed})"
        self.frame_shape = (1, settings.size, settings.size)

    @property
    def fingerprint(self) -> str:
        """The settings and the scale."""
        return f"{self.settings}:{self.scaling}"

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames of the reel: (T, 1, h, w) in [0, 1]."""
        return np.array(self.frames(first, count, rows, columns), np.float32)

    def make(self, number: int) -> FrameArray:
        """Make sequence ``number``: (F, H, W)."""
        return self.scaling.encode(make_rain(self.settings, number))


def make_rain(s: RainSettings, number: int) -> Floats:
    """Make one sequence (F, H, W) in dBZ from ``(seed, number)``; no echo is `NO_ECHO_DBZ`."""
    random = np.random.default_rng((s.seed, number))
    many = int(random.integers(s.cells[0], s.cells[1] + 1))
    frames = np.arange(s.length, dtype=np.float32)[:, np.newaxis]
    heading, speed = random.uniform(0, 2 * np.pi), random.uniform(*s.speed)
    wind = speed * np.array([np.sin(heading), np.cos(heading)])
    velocity = wind + random.normal(0, 0.15 * s.speed[1], (many, 2))
    middle = wind * (s.length - 1) / 2  # so that most cells cross the frame and few only touch it
    start = random.uniform(0, s.size, (many, 2)) - middle
    lifetime = random.uniform(*s.lifetime, many)
    age = (frames - random.uniform(-lifetime, s.length, many)) / lifetime  # (F, K)
    alive = np.sin(np.pi * np.clip(age, 0, 1))
    strength = 14.0 * np.exp(random.normal(0, 0.9, many))
    radius = random.uniform(*s.radius, many) * (0.5 + alive**0.7)
    angle = random.uniform(0, np.pi, many) + frames * random.normal(0, 0.06, many)
    stretch = random.uniform(1.1, 1.6, many)
    place = np.arange(s.size, dtype=np.float32)
    down = place[:, None] - (start[:, 0] + frames * velocity[:, 0])[:, :, None, None]  # (F, K, H, 1)
    right = place[None, :] - (start[:, 1] + frames * velocity[:, 1])[:, :, None, None]  # (F, K, 1, W)
    sine, cosine = (turn(angle)[:, :, None, None] for turn in (np.sin, np.cos))
    along = (right * cosine + down * sine) / (radius * stretch)[:, :, None, None]
    across = (down * cosine - right * sine) / (radius / stretch)[:, :, None, None]
    shape = np.exp(-(along**2 + across**2).astype(np.float32))
    rain = np.einsum("fk,fkhw->fhw", (strength * alive**1.5).astype(np.float32), shape)
    return _to_dbz(rain)


def _to_dbz(rain: Floats) -> Floats:
    """Turn mm/h to dBZ by Marshall-Palmer, in steps of 0.5 dB as an 8-bit product has them."""
    dbz = 10.0 * np.log10(200.0 * np.maximum(rain, 1e-3) ** 1.6)
    dbz = np.round(np.minimum(dbz, 65.0) * 2.0) / 2.0
    return np.where(dbz < _LOWEST_ECHO_DBZ, NO_ECHO_DBZ, dbz).astype(np.float32)
