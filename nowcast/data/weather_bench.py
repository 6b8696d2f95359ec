"""Global fields on a grid of latitudes and longitudes in netCDF, as WeatherBench has them: a channel a
variable.

All files of a folder make one video with real times, so that it is parted by periods as radar is. Values
are scaled to [0, 1] by a range for each variable, which no field may leave: nothing is cut.

Source: Rasp, Dueben, Scher, Weyn, Mouatadid, Thuerey, "WeatherBench: A Benchmark Data Set for Data-Driven
Weather Forecasting", JAMES 2020 (to train on 1979-2015, to validate on 2016, to test on 2017 and 2018).
Dimensions: T frames, C channels, H latitudes from the north, W longitudes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from nowcast.core.errors import FileError, SettingsError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.frame_stack import DamagedVideoError, FrameBatch
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.netcdf_fields import Channel, FilePart, check_times, parts_of, read_channel
from nowcast.data.raw_videos import RawVideo
from nowcast.data.video_cache import CachedSettings
from nowcast.data.video_files import open_named

RANGES: dict[str, tuple[float, float]] = {
    "t2m": (170.0, 350.0),
    "t": (160.0, 350.0),
    "z": (-10_000.0, 600_000.0),
    "u10": (-80.0, 80.0),
    "v10": (-80.0, 80.0),
    "u": (-150.0, 150.0),
    "v": (-150.0, 150.0),
    "tcc": (0.0, 1.0),
    "tp": (0.0, 1.0),
    "r": (-20.0, 200.0),
    "q": (-0.01, 0.05),
}
"""Lowest and highest value of each variable in its own unit, wide enough for the whole globe: our choice."""
_SUFFIXES = (".nc", ".nc4")
_CHUNK = 256
HOW_TO_GET = (
    "get 2m_temperature_5.625deg.zip or another variable of WeatherBench from "
    "https://github.com/pangeo-data/WeatherBench (made of ERA5 by ECMWF; see there for the terms, cite Rasp "
    "et al., JAMES 2020) and unpack it as weather/2m_temperature/2m_temperature_1979_5.625deg.nc"
)


@dataclass(frozen=True)
class WeatherBenchSettings(CachedSettings):
    """Variables of a netCDF file or of a folder of them.

    Raises:
        SettingsError: no variable, one twice, or one whose range is not known or does not rise.
    """

    variables: tuple[str, ...] = ("t2m",)
    """Names in the files; with a level after a slash (``z/500``) where they have an axis of levels."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value by variable, which become 0 and 1; for those not named see `RANGES`."""
    frame_step: int = 1
    """Keep every n-th time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.variables or len(set(self.variables)) < len(self.variables):
            raise SettingsError(
                f"weather_bench.variables: got {self.variables}, expected at least one, each once"
            )
        if self.frame_step < 1:
            raise SettingsError(
                f"weather_bench.frame_step: got {self.frame_step}, expected a whole number >= 1"
            )
        for variable in self.variables:
            low, high = self.range_of(variable)
            if not low < high:
                raise SettingsError(
                    f"weather_bench.ranges: got {low:g} to {high:g} of {variable}, expected them rising"
                )

    def range_of(self, variable: str) -> tuple[float, float]:
        """Return what becomes 0 and 1."""
        name = variable.split("/", maxsplit=1)[0]
        found = self.ranges.get(variable) or self.ranges.get(name) or RANGES.get(name)
        if found is None:
            raise SettingsError(
                f"weather_bench.ranges: got none of '{variable}', expected its lowest and highest value, "
                f"such as {{{variable}: [0, 1]}}"
            )
        return found

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of a frame."""
        return tuple(Channel(variable, *self.range_of(variable)) for variable in self.variables)

    @property
    def transform(self) -> FrameTransform:
        """Which times are kept; fields are scaled where they are read."""
        return FrameTransform(step=self.frame_step)

    @property
    def key(self) -> str:
        """Which variables, scaled how."""
        described = f"{self.channels}:{self.frame_step}"
        return f"fields_{hashlib.sha256(described.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class WeatherFields:
    """All times of some files: where each channel lies at each time is found when they are read."""

    paths: tuple[Path, ...]
    channels: tuple[Channel, ...]
    step: int
    """Keep every n-th time."""
    start: int
    seconds: int
    """From one time to the next."""

    missing = None

    @property
    def rate(self) -> Fraction:
        """Frames a second."""
        return Fraction(1, self.seconds)

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.paths

    def batches(self) -> Iterator[FrameBatch]:
        """Read time after time: float32 (T, C, H, W) in [0, 1], the north first."""
        try:
            parts = [parts_of(self.paths, channel.variable) for channel in self.channels]
            check_times(self.channels, parts)
            for places in zip(*parts, strict=True):
                yield from self._of_files(places)
        except (FileError, OSError, RuntimeError, ValueError, IndexError) as error:
            raise DamagedVideoError(str(error)) from error

    def _of_files(self, places: tuple[FilePart, ...]) -> Iterator[FrameBatch]:
        stamps = places[0].times.astype(np.int64)
        numbers = (stamps - self.start) // (self.seconds * 1_000_000_000)
        kept = np.flatnonzero(numbers % self.step == 0)
        for first in range(0, len(kept), _CHUNK):
            chosen = kept[first : first + _CHUNK]
            frames = np.stack(
                [
                    read_channel(place, chosen, channel)
                    for place, channel in zip(places, self.channels, strict=True)
                ],
                axis=1,
            )
            yield FrameBatch(numbers[chosen].tolist(), frames)


def open_weather_bench(settings: WeatherBenchSettings, progress: bool = True) -> list[CachedVideo]:
    """Open the fields as one video.

    Raises:
        FileError: there are none (the message says where to get them), or they are damaged or of several grids.
    """
    there = settings.path.exists()
    return open_named(
        [find_fields(settings)] if there else None,
        settings,
        lambda video: video.name,
        lambda name: True,
        f"got no netCDF files; {HOW_TO_GET}",
        progress,
    )


def find_fields(settings: WeatherBenchSettings) -> RawVideo:
    """Find the files that hold the variables, and the times of the first of these.

    Raises:
        FileError: no netCDF files, none with a variable, times that do not rise evenly.
    """
    root = settings.path
    paths = netcdf_files(root)
    if not paths:
        raise FileError(f"{root}: got no netCDF files; {HOW_TO_GET}")
    parts = [parts_of(paths, variable) for variable in settings.variables]
    check_times(settings.channels, parts)
    step, first = step_of(root, parts[0]), int(parts[0][0].times[0].astype(np.int64))
    used = tuple(sorted({part.path for found in parts for part in found}))
    name = "+".join(variable.replace("/", "_") for variable in settings.variables)
    stack = WeatherFields(used, settings.channels, settings.frame_step, first, step)
    return RawVideo(name, root, stack=stack)


def netcdf_files(root: Path) -> tuple[Path, ...]:
    """Return the one file, or all netCDF files under a folder."""
    if root.is_file():
        return (root,) if root.suffix in _SUFFIXES else ()
    return tuple(sorted(path for suffix in _SUFFIXES for path in root.rglob(f"*{suffix}")))


def step_of(root: Path, parts: Sequence[FilePart]) -> int:
    """Return the seconds between two times.

    Raises:
        FileError: times that do not lie whole steps apart.
    """
    times = np.concatenate([part.times for part in parts])
    apart = np.diff(times).astype("timedelta64[s]").astype(np.int64)
    step = int(np.median(apart)) if len(apart) else 3600
    if step < 1 or (apart % step != 0).any() or (apart < 1).any():
        raise FileError(
            f"{root}: got times {apart.min()} to {apart.max()} s apart, expected whole steps of one; mend them"
        )
    return step
