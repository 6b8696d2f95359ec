"""Video files, and folders of them in categories: any file that FFmpeg reads, and pictures of frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.published_split import SplitPart
from nowcast.data.raw_videos import RawVideo, find_videos, is_chosen
from nowcast.data.video_cache import CachedSettings, VideoSettings, open_decoded, open_without_files

_LOG = logging.getLogger(__name__)
_FOLDERS: dict[str, SplitPart] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class VideoFilesSettings(VideoSettings):
    """A video file, or a folder of videos."""

    categories: tuple[str, ...] = ()
    """Only these (first folder under ``path``, or under that of the part); empty takes all."""
    names: Path | None = None
    """Only the videos that this text file names, one a line as ``category/video.avi`` (a label after a space
    or a comma is left out), as in the split lists of UCF-101; None takes all."""
    part: SplitPart | None = None
    """Only the folder ``train``, ``validation`` (or ``valid``, ``val``) or ``test`` under ``path``."""


def open_video_files(settings: VideoFilesSettings, progress: bool = True) -> list[CachedVideo]:
    """Open videos, in the order of their names, decoding those that the cache does not hold.

    Raises:
        FileError: no such place, no videos in it, none of those asked for, none that can be used.
        MissingExtraError: something must be decoded and PyAV is not installed.
    """
    there = settings.path.exists()
    found = find_videos(settings.path) if there else None
    names = None if settings.names is None else _listed(settings.names, found)
    return open_named(
        found,
        settings,
        lambda video: video.name,
        lambda name: _is_wanted(name, settings, names),
        ("got no videos of those asked for" if there else "no such file or folder") + ", expected a video, or "
        "videos as [category/]video.avi or [category/]video/frame_00001.png; check the path, the categories "
        "and the names",
        progress,
    )


def open_named(
    found: Sequence[RawVideo] | None,
    settings: CachedSettings,
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


def _is_wanted(name: str, settings: VideoFilesSettings, names: Collection[str] | None) -> bool:
    if settings.part is None:
        return is_chosen(name, settings.categories, names)
    folder, _, within = name.partition("/")
    chosen = part_of_folder(folder) == settings.part and is_chosen(within, settings.categories, None)
    return chosen and (names is None or name in names or within in names)


def part_of_folder(folder: str) -> SplitPart | None:
    """Return the part that the videos of a folder of this name are; None where it tells none."""
    return _FOLDERS.get(folder.lower())


def _listed(path: Path, found: Sequence[RawVideo] | None) -> set[str]:
    """Read a list of videos; those that are not there are counted in the log."""
    names = read_names(path)
    if found is not None:
        absent = absent_of(names, [video.name for video in found])
        if absent:
            _LOG.warning(
                "%s: %d of %d videos are not there, first %s", path, len(absent), len(names), absent[0]
            )
    return set(names)


def absent_of(names: Sequence[str], there: Collection[str]) -> list[str]:
    """Return the listed videos that are none of those there, the folder of a part left out or not."""
    within = {name.partition("/")[2] for name in there if part_of_folder(name.partition("/")[0])}
    known = {*there, *within}
    return [name for name in names if name not in known]


def read_names(path: Path) -> list[str]:
    """Read a list of relative names, one a line; labels after a space or a comma are left out.

    Raises:
        FileError: no such file, or no text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: no list of videos ({error}); check the path") from error
    return [
        re.split(r"[\s,]", line.strip())[0].removeprefix("./").rstrip("/") for line in lines if line.strip()
    ]
