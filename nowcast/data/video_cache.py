"""The cache of videos: each is decoded once, and again when its file or the wanted frames changed.

A cache is a folder with one folder in it for each `FrameTransform` (colour, size, …), in which every video
has its own two files (`nowcast.data.cached_video`). So parts of a data set share it, a video that changed
is decoded alone, and what was done before a kill stays done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.lock import sole_holder
from nowcast.core.processes import Workers
from nowcast.data.cached_video import CachedVideo, VideoMetadata, forget_maps, metadata_path
from nowcast.data.frame_transform import Colour, FrameTransform, Resize
from nowcast.data.raw_videos import RawVideo
from nowcast.data.video_decode import cache_video, check_decoder

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedSettings:
    """What all data that is laid into a cache has in common.

    Raises:
        SettingsError: a value outside its range.
    """

    path: Path
    """The file, or the folder."""
    shortest: int = 2
    """Videos with fewer frames are skipped."""
    cache: Path | None = None
    """Where decoded frames lie; None is beside the videos, as NAME.cache."""
    processes: int = 2
    """That decode side by side."""

    def __post_init__(self) -> None:
        for name in ("shortest", "processes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"video.{name}: got {getattr(self, name)}, expected >= 1")

    @property
    def transform(self) -> FrameTransform:
        """How frames become those of a clip."""
        return FrameTransform()

    @property
    def key(self) -> str:
        """A folder name that differs between any two ways in which frames may be laid into the cache."""
        return self.transform.key

    @property
    def rate(self) -> float | None:
        """Frames a second instead of what a video says."""
        return None

    @property
    def transform_folder(self) -> Path:
        """Where frames that were decoded in this way lie."""
        return self.cache_folder / self.key

    @property
    def cache_folder(self) -> Path:
        """Where decoded frames lie: ``videos/kth`` -> ``videos/kth.cache`` beside it."""
        path = Path(os.path.abspath(self.path))  # noqa: PTH100 - not resolved: a link stays where it is
        return self.cache if self.cache is not None else path.with_name(f"{path.name}.cache")


@dataclass(frozen=True)
class VideoSettings(CachedSettings):
    """What all kinds of videos have in common.

    Raises:
        SettingsError: a value outside its range.
    """

    colour: Colour = "gray"
    size: tuple[int, int] | None = None
    """Rows and columns to which frames are resized; None keeps them."""
    middle: float = 1.0
    """Share of the rows and of the columns that is kept around the middle, before resizing."""
    resize: Resize = "antialiased"
    """See `nowcast.data.frame_transform.FrameTransform`."""
    frame_step: int = 1
    """Keep every n-th frame. `ClipWindow.every` does the same later and leaves the others in the cache."""
    frames_per_second: float | None = None
    """Instead of what a video says; None takes that, and 25 for pictures. Nothing is interpolated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.transform
        if self.frames_per_second is not None and not 0 < self.frames_per_second <= 1e6:
            raise SettingsError(f"video.frames_per_second: got {self.frames_per_second:g}, expected above 0")

    @property
    def transform(self) -> FrameTransform:
        """How frames become those of a clip."""
        return FrameTransform(self.colour, self.size, self.middle, self.resize, self.frame_step)

    @property
    def rate(self) -> float | None:
        """Frames a second instead of what a video says."""
        return self.frames_per_second


def open_decoded(
    videos: Sequence[RawVideo], settings: CachedSettings, progress: bool = True
) -> list[CachedVideo]:
    """Open every usable video as a frame source, decoding those that the cache does not hold.

    Damaged and too short videos are named in the log, and counted.

    Raises:
        MissingExtraError: something must be decoded and PyAV is not installed.
        FileError: not one video can be used, or the cache cannot be written.
    """
    folder, transform = settings.transform_folder, settings.transform
    known = _fresh(videos, transform, folder)
    if len(known) < len(videos):
        if any(video.needs_decoder for video in videos if video.name not in known):
            check_decoder()
        wait = partial(_wait_for, settings.cache_folder)
        with sole_holder(settings.cache_folder / ".lock", wait, "set another place as 'cache'"):
            _remove_remains(folder)
            known = _fresh(videos, transform, folder)  # another process may have been at it
            stale = [video for video in videos if video.name not in known]
            for metadata in _decode(stale, settings, folder, progress):
                known[metadata.name] = metadata
        forget_maps()
    return _sources([known[video.name] for video in videos], settings, {v.name: v.place for v in videos})


def open_without_files(settings: CachedSettings) -> list[CachedVideo]:
    """Open the videos that a cache holds where the videos themselves are not: on a GPU box, say.

    Returns:
        None at all if there is no such cache.
    """
    folder = settings.transform_folder
    found = [VideoMetadata.read(path) for path in sorted(folder.rglob("*.json"))]
    metadata = [one for one in found if one is not None and one.is_whole(folder)]
    if not metadata:
        return []
    _LOG.info("%s: not there, its cache is read: %s", settings.path, folder)
    return _sources(metadata, settings, {})


def _fresh(videos: Sequence[RawVideo], transform: FrameTransform, folder: Path) -> dict[str, VideoMetadata]:
    found = {}
    for video in videos:
        known = VideoMetadata.read(metadata_path(folder, video.name))
        if known is not None and known.identity == video.identity(transform) and known.is_whole(folder):
            found[video.name] = known
    return found


def _decode(
    videos: Sequence[RawVideo], settings: CachedSettings, folder: Path, progress: bool
) -> Iterator[VideoMetadata]:
    work, crashed = (
        partial(function, transform=settings.transform, folder=folder) for function in (cache_video, _crashed)
    )
    frames = 0
    with (
        Workers(settings.processes) as pool,
        tqdm(
            pool.each(work, videos, crashed),
            f"decode {settings.path.name}",
            total=len(videos),
            unit="video",
            disable=not progress,
            delay=2,
            mininterval=1,
        ) as bar,
    ):
        for metadata in bar:
            frames += metadata.shape[0]
            bar.set_postfix_str(f"{frames} frames", refresh=False)
            yield metadata


def _crashed(video: RawVideo, how: str, transform: FrameTransform, folder: Path) -> VideoMetadata:
    """Record a video on which the decoder crashed."""
    metadata = VideoMetadata(video.name, video.identity(transform), problem=f"decoding it {how}")
    metadata.write(folder)
    return metadata


def _sources(
    known: Sequence[VideoMetadata], settings: CachedSettings, places: Mapping[str, str]
) -> list[CachedVideo]:
    problems = {one.name: problem for one in known if (problem := one.problem_within(settings.shortest))}
    for name, problem in problems.items():
        _LOG.warning("%s: video '%s' skipped: %s", settings.path, name, problem)
    if problems:
        _LOG.warning("%s: %d of %d videos skipped", settings.path, len(problems), len(known))
    if len(problems) == len(known):
        name, problem = next(iter(problems.items()))
        raise FileError(
            f"{settings.path}: got no video that can be used of {len(known)}, the first is '{name}': "
            f"{problem}; get the files again"
        )
    return [
        CachedVideo(
            settings.transform_folder,
            metadata,
            settings.rate,
            places.get(metadata.name) or str(settings.cache_folder / metadata.name),
        )
        for metadata in known
        if metadata.name not in problems
    ]


def _wait_for(folder: Path, holder: str) -> None:
    _LOG.info("%s: another process decodes into it, waiting for it (process %s)", folder, holder)


def _remove_remains(folder: Path) -> None:
    """Remove what a process that was killed had begun to write."""
    for part in folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
