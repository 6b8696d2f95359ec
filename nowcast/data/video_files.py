"""Video files, and folders of them in categories: any file that FFmpeg reads, and pictures of frames.

What is one video: a video file, or a folder that holds pictures with numbers in their names. Folders
above it are its category (``category/video.avi``), as in UCF-101.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.video_cache import VideoSettings, open_decoded, open_without_files
from nowcast.data.video_decode import RawVideo

VIDEO_SUFFIXES = {
    ".avi", ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts",
}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp"}
_SIZE = re.compile(r"[_-]\d+x\d+$")
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


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
    wanted = None if settings.names is None else _read_names(settings.names)
    if not settings.path.exists():
        kept = [v for v in open_without_files(settings) if _is_wanted(v.name, settings, wanted)]
        if kept:
            return kept
        raise FileError(
            f"{settings.path}: no such file or folder, expected a video, or videos as "
            "[category/]video.avi or [category/]video/frame_00001.png; check the path"
        )
    takes = [take for take in find_videos(settings.path) if _is_wanted(take.name, settings, wanted)]
    if not takes:
        raise FileError(
            f"{settings.path}: got no videos of those asked for, expected [category/]video.avi or "
            "[category/]video/frame_00001.png; check the path, the categories and the names"
        )
    return open_decoded(takes, settings, progress)


def find_videos(root: Path) -> list[RawVideo]:
    """Find every video under a folder, or the one that ``root`` is, sorted by name."""
    if root.is_file():
        return [RawVideo(root.name, root)]
    found = []
    for folder, files in _walk(root):
        found += [
            RawVideo(path.relative_to(root).as_posix(), path)
            for path in files if path.suffix.lower() in VIDEO_SUFFIXES
        ]
        if pictures := numbered_pictures(files):
            name = folder.relative_to(root).as_posix() if folder != root else root.name
            found.append(RawVideo(name, folder, pictures))
    return sorted(found, key=lambda take: take.name)


def numbered_pictures(files: list[Path]) -> tuple[tuple[int, Path], ...]:
    """Give the pictures among some files by frame number: the last number of their names.

    A size at the end of a name (``image-001_128x128.jpg``) is no number; pictures without one are left out.

    Raises:
        FileError: two pictures with one number.
    """
    found: dict[int, Path] = {}
    for path in files:
        number = _NUMBER.search(_SIZE.sub("", path.stem))
        if path.suffix.lower() in PICTURE_SUFFIXES and number is not None:
            twin = found.setdefault(int(number[1]), path)
            if twin is not path:
                raise FileError(
                    f"{path}: got the frame number of {twin.name}, expected one picture a number; "
                    "put each video into a folder of its own"
                )
    return tuple(sorted(found.items()))


def _walk(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(folder), sorted(Path(folder, name) for name in files if not name.startswith("."))


def _is_wanted(name: str, settings: VideoFilesSettings, names: set[str] | None) -> bool:
    category = name.split("/", 1)[0] if "/" in name else ""
    return (not settings.categories or category in settings.categories) and (
        names is None or name in names
    )


def _read_names(path: Path) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: no list of videos ({error}); check the path") from error
    return {line.split()[0] for line in lines if line.strip()}
