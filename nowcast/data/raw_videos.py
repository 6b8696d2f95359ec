"""Videos as they lie on disk: video files, folders of pictures numbered by frame, and parts of array files.

What is one video: a video file, or a folder that holds pictures with numbers in their names. Folders
above it are its category (``category/video.avi``), as in UCF-101.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import FileError
from nowcast.data.cached_video import FORMAT
from nowcast.data.frame_stack import FrameStack
from nowcast.data.frame_transform import Colour, FrameTransform

VIDEO_SUFFIXES = {
    ".avi",
    ".mp4",
    ".m4v",
    ".mkv",
    ".mov",
    ".webm",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ogv",
    ".ts",
}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
_SIZE = re.compile(r"[_-]\d+x\d+$")
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_EIGHT_BITS = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"}


@dataclass(frozen=True)
class RawVideo:
    """One video on disk: a video file, pictures by frame number, or a stack of frames in a file of arrays."""

    name: str
    """With slashes for folders; also the place of its cache file."""
    path: Path
    """The video file, or the folder of the pictures."""
    pictures: tuple[tuple[int, Path], ...] = ()
    """Frame number and file, rising; empty for a video file."""
    stack: FrameStack | None = None
    """How its frames lie in files of arrays; None for a video file and for pictures."""

    @property
    def place(self) -> str:
        """Where it lies, links resolved: two videos of one name are two where this differs."""
        where = os.path.realpath(self.pictures[0][1] if self.pictures else self.path)
        return where if self.stack is None else f"{where}:{self.name}"

    @property
    def counts_from(self) -> int:
        """Number of the first frame: names of pictures count from 1, or from 0 where there is a 0."""
        return min(self.pictures[0][0], 1) if self.pictures else 1

    @property
    def files(self) -> tuple[tuple[int, Path], ...]:
        """Every file that its frames come from, numbered."""
        if self.stack is not None:
            return tuple(enumerate(self.stack.files))
        return self.pictures or ((0, self.path),)

    @property
    def needs_decoder(self) -> bool:
        """Whether FFmpeg must read it."""
        return not self.pictures and self.stack is None

    @property
    def spacing(self) -> int:
        """Numbers from one picture to the next where only every n-th frame was extracted, else 1."""
        apart = np.diff([number for number, _ in self.pictures])
        return int(np.gcd.reduce(apart)) if len(apart) > 1 else 1

    def identity(self, transform: FrameTransform) -> str:
        """Return 16 hexadecimal digits that change with the files' sizes and times, and with the transform.

        Raises:
            FileError: a file has gone.
        """
        what = "" if self.stack is None else f":{self.stack}"
        digest = hashlib.sha256(f"{FORMAT}:{transform}{what}".encode())
        for number, path in self.files:
            try:
                found = path.stat()
            except OSError as error:
                raise FileError(f"{path}: cannot be read ({error.strerror}); check the file") from error
            digest.update(f"{number}:{found.st_size}:{found.st_mtime_ns};".encode())
        return digest.hexdigest()[:16]


def find_videos(
    root: Path, film_of: Callable[[str], str] = lambda stem: "", every_picture_has_a_number: bool = False
) -> list[RawVideo]:
    """Find every video under a folder, or the one that ``root`` is, sorted by name.

    Args:
        root: a video file or a folder.
        film_of: the film that a picture belongs to, by the stem of its name, where one folder holds the
            pictures of several; empty for a folder that is one video.
        every_picture_has_a_number: refuse pictures without one instead of leaving them out.

    Raises:
        FileError: two pictures of one video with one number.
    """
    if root.is_file():
        return [RawVideo(root.name, root)]
    found = []
    for folder, files in _walk(root):
        place = folder.relative_to(root).as_posix() if folder != root else ""
        found += [
            RawVideo(f"{place}/{path.name}".lstrip("/"), path)
            for path in files
            if path.suffix.lower() in VIDEO_SUFFIXES
        ]
        films: defaultdict[str, dict[int, Path]] = defaultdict(dict)
        for path in files:
            if path.suffix.lower() not in PICTURE_SUFFIXES:
                continue
            number = _NUMBER.search(_SIZE.sub("", path.stem))
            if number is not None:
                _add(films[film_of(path.stem)], int(number[1]), path)
            elif every_picture_has_a_number:
                raise FileError(f"{path}: got no frame number, expected a name such as frame_00001.png")
        for film, pictures in films.items():
            name = "/".join(filter(None, (place, film))) or root.name
            found.append(RawVideo(name, folder, tuple(sorted(pictures.items()))))
    return sorted(found, key=lambda video: video.name)


def _add(pictures: dict[int, Path], number: int, path: Path) -> None:
    twin = pictures.setdefault(number, path)
    if twin is not path:
        raise FileError(
            f"{path}: got the frame number of {twin.name}, expected one picture a number; "
            "put each video into a folder of its own"
        )


def _walk(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(folder), sorted(Path(folder, name) for name in files if not name.startswith("."))


def is_chosen(name: str, categories: Collection[str], names: Collection[str] | None) -> bool:
    """Tell whether a video is of one of the categories (none: any) and among the names (None: any)."""
    category = name.split("/", 1)[0] if "/" in name else ""
    return (not categories or category in categories) and (names is None or name in names)


def decode_picture(path: Path, colour: Colour) -> Any:
    """Decode one picture to uint8 (H, W), or (H, W, 3) in colour, upright as its EXIF orientation says.

    Raises:
        FileError: not a picture, truncated, or of more than eight bits a channel.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            if opened.mode not in _EIGHT_BITS:
                raise FileError(
                    f"{path}: got pixels of mode {opened.mode}, expected 8 bits a channel; convert it"
                )
            return np.asarray(ImageOps.exif_transpose(opened).convert("L" if colour == "gray" else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileError(f"{path}: damaged picture ({error}); replace it") from error
