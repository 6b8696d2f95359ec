"""Video files, and folders of them in categories: any file that FFmpeg reads, and pictures of frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.raw_videos import RawVideo, find_videos, is_chosen
from nowcast.data.video_cache import VideoSettings, open_decoded, open_without_files


@dataclass(frozen=True)
class VideoFilesSettings(VideoSettings):
    """A video file, or a folder of videos."""

    categories: tuple[str, ...] = ()
    """Only these (first folder under ``path``); empty takes all."""
    names: Path | None = None
    """Only the videos that this text file names, one a line as ``category/video.avi`` (what follows a
    space is left out), as in the split lists of UCF-101; None takes all."""


def open_video_files(settings: VideoFilesSettings, progress: bool = True) -> list[CachedVideo]:
    """Open videos, in the order of their names, decoding those that the cache does not hold.

    Raises:
        FileError: no such place, no videos in it, none of those asked for, none that can be used.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    names = None if settings.names is None else _read_names(settings.names)
    there = settings.path.exists()
    return open_named(
        find_videos(settings.path) if there else None,
        settings,
        lambda video: video.name,
        lambda name: is_chosen(name, settings.categories, names),
        ("got no videos of those asked for" if there else "no such file or folder") + ", expected a video, or "
        "videos as [category/]video.avi or [category/]video/frame_00001.png; check the path, the categories "
        "and the names",
        progress,
    )


def open_named(
    found: Sequence[RawVideo] | None,
    settings: VideoSettings,
    name_of: Callable[[RawVideo], str | None],
    is_wanted: Callable[[str], bool],
    none: str,
    progress: bool = True,
) -> list[CachedVideo]:
    """Open the wanted ones of some videos under the names that a data set gives them, sorted by these.

    Args:
        found: on disk; None where the videos are not and their cache is read.
        settings: of all of them.
        name_of: the name of a video; None for what is none of the data set.
        is_wanted: which names.
        none: what is wrong and what to do where there are none.
        progress: show a bar.

    Raises:
        FileError: ``none``, or two videos of one name.
    """
    named: dict[str, RawVideo] = {}
    for video in found or ():
        name = name_of(video)
        if name is None or not is_wanted(name):
            continue
        if name in named:
            raise FileError(f"{video.path}: got {name} twice, also as {named[name].path}; remove one of them")
        named[name] = replace(video, name=name)
    if found is None:
        videos = [video for video in open_without_files(settings) if is_wanted(video.name)]
    else:
        videos = open_decoded([named[name] for name in sorted(named)], settings, progress) if named else []
    if not videos:
        raise FileError(f"{settings.path}: {none}")
    return videos


def _read_names(path: Path) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: no list of videos ({error}); check the path") from error
    return {line.split()[0] for line in lines if line.strip()}
