"""How fast videos are decoded into the cache, and how fast clips load from it, on films like KTH's.

    python scripts/benchmark_videos.py [--videos 40] [--frames 480] [--processes 2] [--workers 2] [--clips 2000]

Makes MPEG-4 films of 160 x 120 at 25 frames/s in a temporary folder, decodes them as `kth` sources do
(gray, 128 x 128) and loads clips of 20 frames in batches of 8. Targets: 1 500 frames/s decoded and cached
on two cores, 400 clips/s with two workers. The bare limits are measured in the same run: decoding alone,
in this process, and slicing one memory map.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np

from nowcast.core.errors import NowcastError
from nowcast.data.clips import VideoDataset
from nowcast.data.kth import KthSettings, open_kth
from nowcast.data.source import FrameSource
from nowcast.data.windows import ClipWindow

WINDOW, BATCH, FRAME_RATE = ClipWindow(10, 10), 8, 25
ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")


def main() -> int:
    """Make videos, measure and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--frames", type=int, default=480, help="of a video; those of KTH have about 480")
    parser.add_argument("--processes", type=int, default=2, help="that decode")
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="where the temporary folder is made")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(dir=args.out) as scratch:
        try:
            folder = Path(scratch) / "kth"
            _make(folder, args.videos, args.frames)
            _report(folder, args)
        except NowcastError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def _report(folder: Path, args: argparse.Namespace) -> None:
    settings = KthSettings(folder, validation_persons=(), processes=args.processes)
    total = args.videos * args.frames
    size = sum(path.stat().st_size for path in folder.rglob("*.avi")) / 1e6
    print(f"{args.videos} videos of {args.frames} frames of 160 x 120, {size:.0f} MB")
    one = next(folder.rglob("*.avi"))
    _show("decode alone, one video, this process", args.frames, _seconds(lambda: _decode(one)), "frames/s")
    began = time.perf_counter()
    sources = open_kth(settings)
    _show(
        f"decode and cache, {args.processes} processes, start-up included",
        total,
        time.perf_counter() - began,
        "frames/s",
    )
    _show("open again", len(sources), _seconds(lambda: open_kth(settings)), "videos/s")
    _clips(sources, settings.cache_folder, args.clips, args.workers)


def _clips(sources: list[FrameSource], cache: Path, count: int, workers: int) -> None:
    data = VideoDataset(sources, WINDOW, flips_and_rotations=False, length=10**9)
    frames = np.load(next(cache.rglob("*.npy")), mmap_mode="r").view(np.ndarray)
    starts = np.random.default_rng(0).integers(len(frames) - WINDOW.steps, size=count).tolist()
    _show(
        "slice of one memory map",
        count,
        _each(lambda n: frames[starts[n] :][: WINDOW.steps].copy(), count),
        "clips/s",
    )
    _show("clip, no loader", count, _each(data.__getitem__, count), "clips/s")
    for number in sorted({0, workers}):
        _show(f"DataLoader, batches of {BATCH}, {number} workers", count, _load(data, count, number), "clips/s")


def _load(data: VideoDataset, count: int, workers: int) -> float:
    """Time batches after the first one of each worker: a loader starts its processes once."""
    from torch.utils.data import DataLoader

    first = 2 * max(1, workers) * BATCH
    loader: Iterable[Any] = DataLoader(
        cast(Any, data), batch_size=BATCH, sampler=range(first + count), num_workers=workers
    )
    began = 0.0
    for number, _ in enumerate(loader, start=1):
        if number * BATCH == first:
            began = time.perf_counter()
    return time.perf_counter() - began


def _decode(path: Path) -> None:
    import av

    with av.open(str(path)) as container:
        for _ in container.decode(video=0):
            pass


def _make(folder: Path, videos: int, frames: int) -> None:
    """Write films of a bright figure that walks before a noisy ground, 16 persons at most an action."""
    import av

    random = np.random.default_rng(0)
    ground = random.integers(90, 130, (120, 160), dtype=np.uint8)
    for number in range(videos):
        person, action = number % 16 + 1, ACTIONS[number // 16 % len(ACTIONS)]
        scenario = number // (16 * len(ACTIONS)) % 4 + 1
        path = folder / action / f"person{person:02d}_{action}_d{scenario}_uncomp.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = cast(Any, container.add_stream("mpeg4", rate=FRAME_RATE))
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 120, "yuv420p", 800_000
            for index in range(frames):
                pixels = ground + random.integers(0, 6, ground.shape, dtype=np.uint8)
                left = (2 * index + 7 * number) % 140
                pixels[40:100, left : left + 20] = 220 - 40 * (index // 4 % 2)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
            container.mux(stream.encode())


def _each(work: Callable[[int], object], count: int) -> float:
    """Time ``work`` on each number, of whose results none is kept."""
    began = time.perf_counter()
    for number in range(count):
        work(number)
    return time.perf_counter() - began


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _show(what: str, count: int, seconds: float, unit: str) -> None:
    print(f"{what:55s}{count / seconds:9.0f} {unit:9s} ({seconds:.2f} s)")


if __name__ == "__main__":
    raise SystemExit(main())
