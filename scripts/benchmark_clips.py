"""How fast clips load: from a radar cache, beside slicing a bare memory map, in one run, interleaved.

    python scripts/benchmark_clips.py [ARCHIVE.zarr | CACHE_FOLDER] [--clips 1500]

Clips are past 5 + future 10 in random crops of 128 x 128 with mask, scaling, flips and quarter turns.
Without an argument the cache is a made-up one of 2 400 frames of 479 x 617 in a temporary folder. The
target is 600 clips/s. ``--cpu`` counts CPU seconds instead of the clock's, for a busy
machine. Also prints sequences/s of moving digits.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import NowcastError
from nowcast.data.clips import VideoDataset
from nowcast.data.importance_sampling import ImportanceSampling
from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.data.radar_archive import BLOCK, WET_DBZ, make_cache
from nowcast.data.radar_cache import FRAMES, WET, CacheMetadata, RadarCache
from nowcast.data.windows import ClipWindow

WINDOW, CROP, ROUNDS = ClipWindow(5, 10), (128, 128), 7
DIGITS_VARIED = DigitSettings(speed=(2.0, 5.0), turn_degrees=12.0, scale_range=(0.7, 1.3))


def main() -> int:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, help="an archive or its cache folder")
    parser.add_argument("--clips", type=int, default=1500, help="clips a way of loading (default 1500)")
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            cache = RadarCache(_folder(args.path, Path(scratch)))
        except NowcastError as error:
            print(error, file=sys.stderr)
            return 2
        _report(cache, max(1, args.clips // ROUNDS), time.process_time if args.cpu else time.perf_counter)
    return 0


def _report(cache: RadarCache, count: int, clock: Callable[[], float]) -> None:
    plain = VideoDataset([cache], WINDOW, crop=CROP, length=10**9)
    wet = VideoDataset([cache], WINDOW, crop=CROP, length=10**9, importance=ImportanceSampling())
    frames = np.load(cache.path / FRAMES, mmap_mode="r").view(np.ndarray)
    ways: dict[str, Callable[[int, int], None]] = {
        "slice of a bare memory map": lambda first, last: _slice(frames, first, last),
        "clip from the cache": lambda first, last: _load(plain, first, last),
        "clip from the cache, wet weighted": lambda first, last: _load(wet, first, last),
        "DataLoader, batches of 8, no workers": lambda first, last: _batches(plain, first, last),
        "DataLoader, wet weighted": lambda first, last: _batches(wet, first, last),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            began = clock()
            way(number * count, (number + 1) * count)
            if number:  # the first round warms the page cache
                seconds[name].append(clock() - began)
    _, height, width = cache.frame_shape
    print(f"{len(cache.times)} frames of {height} x {width}, {plain.windows} windows, {ROUNDS} rounds")
    bare = float(np.median(seconds["slice of a bare memory map"]))
    for name, taken in seconds.items():
        middle, best = float(np.median(taken)), min(taken)
        print(
            f"{name:38s}{count / middle:7.0f} clips/s (best {count / best:5.0f})"
            f"{1e3 * middle / count:7.3f} ms   x {middle / bare:.1f}"
        )
    for name, settings in (("Moving MNIST", DigitSettings()), ("V-MNIST", DIGITS_VARIED)):
        source = MovingDigits(settings)
        began = time.perf_counter()
        for index in range(count):
            source.read(index * settings.length, settings.length, slice(0, 64), slice(0, 64))
        print(f"{name:40s}{count / (time.perf_counter() - began):9.0f} sequences/s of 20 frames, 64 x 64")


def _load(data: VideoDataset, first: int, last: int) -> None:
    for index in range(first, last):
        data[index]


def _slice(frames: npt.NDArray[np.int16], first: int, last: int) -> None:
    random = np.random.default_rng(first)
    starts = random.integers(len(frames) - WINDOW.steps, size=last - first)
    tops = random.integers(frames.shape[1] - CROP[0], size=last - first)
    lefts = random.integers(frames.shape[2] - CROP[1], size=last - first)
    for start, top, left in zip(starts.tolist(), tops.tolist(), lefts.tolist(), strict=True):
        frames[start : start + WINDOW.steps, top : top + CROP[0], left : left + CROP[1]].copy()


def _batches(data: VideoDataset, first: int, last: int) -> None:
    from nowcast.training.data_module import Batches

    for _ in Batches(
        data, [[(0, i) for i in range(at, min(at + 8, last))] for at in range(first, last, 8)], 0, False
    ):
        pass


def _folder(path: Path | None, scratch: Path) -> Path:
    if path is None:
        return _made_up(scratch / "made_up.cache")
    return path if (path / FRAMES).exists() else make_cache(path)


def _made_up(folder: Path) -> Path:
    folder.mkdir()
    shape = (2400, 479, 617)
    random = np.random.default_rng(0)
    frames = np.lib.format.open_memmap(folder / FRAMES, "w+", np.int16, shape)
    rain = random.integers(-3000, 6000, (50, *shape[1:])).astype(np.int16)
    for first in range(0, shape[0], 50):
        frames[first : first + 50] = rain
    frames.flush()
    blocks = (-(-shape[1] // BLOCK), -(-shape[2] // BLOCK))
    np.save(folder / WET, random.integers(0, BLOCK**2, (shape[0], *blocks)).astype(np.uint16))
    CacheMetadata(
        times_ns=tuple(range(0, shape[0] * 600 * 10**9, 600 * 10**9)),
        step_ns=600 * 10**9,
        scale=0.01,
        offset=0.0,
        fill=-32768,
        no_echo=-32767,
        fingerprint="made up",
        grid_km=(1.0, 1.0),
        wet_dbz=WET_DBZ,
        block=BLOCK,
    ).write(folder)
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
