"""Frame sources, caches and archives whose every value we know."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nowcast.archive.packing import Packing
from nowcast.data.importance_sampling import WetBlocks
from nowcast.data.radar_cache import FRAMES, WET, CacheMetadata

STEP = np.timedelta64(600, "s").astype("timedelta64[ns]")
START = np.datetime64("2025-03-01T00:00", "ns")
FILL, NO_ECHO, SCALE, OFFSET = -32768, -32767, 0.01, 0.0


def times_of(steps):
    """Times at whole steps after START."""
    return START + np.asarray(steps) * STEP


def numbered(steps, size=(8, 8), channels=1, name="numbered"):
    """A source whose frame at step k holds k / 1000 + row / 100 000 + column / 10 000 000 everywhere."""
    rows, columns = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    frames = np.asarray(steps)[:, None, None] / 1e3 + rows / 1e5 + columns / 1e7
    frames = np.repeat(frames[:, None], channels, axis=1).astype(np.float32)
    return ArraySource(name, frames, times_of(steps), STEP)


@dataclass
class ArraySource:
    """Frames (T, C, H, W) in memory."""

    name: str
    frames: np.ndarray
    times: np.ndarray
    step: np.timedelta64
    wet: WetBlocks | None = None

    @property
    def frame_shape(self):
        return self.frames.shape[1:]

    def read(self, first, count, rows, columns):
        if first < 0 or first + count > len(self.frames):
            raise IndexError("outside the source")
        return self.frames[first : first + count, :, rows, columns].copy()


def write_cache(folder: Path, codes, steps=None, block=4, wet_dbz=20.0, fingerprint="abc"):
    """Write a cache by hand, as `nowcast.data.radar_archive` must write it."""
    folder.mkdir(parents=True, exist_ok=True)
    times = times_of(np.arange(len(codes)) if steps is None else steps)
    np.save(folder / FRAMES, codes.astype(np.int16))
    wet = (codes.astype(np.float64) * SCALE + OFFSET >= wet_dbz) & (codes > NO_ECHO)
    np.save(folder / WET, np.stack([WetBlocks.count(frame, block) for frame in wet]))
    CacheMetadata(
        times_ns=tuple(times.astype(np.int64).tolist()),
        step_ns=int(STEP.astype(np.int64)),
        scale=SCALE,
        offset=OFFSET,
        fill=FILL,
        no_echo=NO_ECHO,
        fingerprint=fingerprint,
        grid_km=(1.0, 1.0),
        wet_dbz=wet_dbz,
        block=block,
    ).write(folder)
    return folder


def storm_codes(frames=40, size=(32, 40), seed=0):
    """Packed dBZ: no echo, echoes of 5 to 60 dBZ in the left half, a corner never observed."""
    random = np.random.default_rng(seed)
    codes = np.full((frames, *size), NO_ECHO, np.int16)
    wet = random.random((frames, size[0], size[1] // 2)) < 0.5
    codes[:, :, : size[1] // 2][wet] = random.integers(500, 6000, int(wet.sum()))
    codes[:, -4:, -4:] = FILL
    return codes


@dataclass
class FakeGrid:
    shape: tuple
    cell_km: tuple = (1.0, 1.5)


@dataclass
class FakeArchive:
    """What making a cache asks of an archive."""

    path: Path
    codes: np.ndarray
    fingerprint: str = "first"
    fails_at: int | None = None
    reads: int = 0

    step = STEP
    packing = Packing(SCALE, OFFSET, FILL, NO_ECHO)

    @property
    def grid(self):
        return FakeGrid(self.codes.shape[1:])

    @property
    def times(self):
        return times_of(np.arange(len(self.codes)))

    def packed(self, time):
        index = int((time - START) / STEP)
        if index == self.fails_at:
            raise OSError(28, "No space left on device")
        self.reads += 1
        return self.codes[index]
