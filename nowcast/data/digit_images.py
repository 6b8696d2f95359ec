"""Pictures of digits: from MNIST's IDX files, or drawn from a font so that nothing needs a file."""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError

Digits = npt.NDArray[np.uint8]
MnistPart = Literal["train", "test"]
SIDE = 28
_STEMS = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_MAGIC = 0x00000803


@lru_cache(maxsize=4)
def load_digits(folder: Path | None, part: MnistPart) -> Digits:
    """Return pictures of digits (N, 28, 28): MNIST's from ``folder``, drawn ones without a folder.

    Raises:
        FileError: no IDX file of that part in the folder, or a damaged one.
    """
    if folder is None:
        return draw_digits()
    stem = _STEMS[part]
    for name in (stem, f"{stem}.gz", stem.replace("-idx3", ".idx3")):
        if (Path(folder) / name).is_file():
            return read_idx(Path(folder) / name)
    raise FileError(
        f"{folder}: got no {stem}[.gz], expected the MNIST images in IDX form; get them from the MNIST "
        "data base (LeCun, Cortes, Burges), or leave the folder out to draw digits from a font"
    )


def read_idx(path: Path) -> Digits:
    """Read an IDX file of unsigned bytes with three axes, gzip'd or plain: (N, 28, 28).

    Raises:
        FileError: not such a file, or truncated.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path}: cannot be read ({error}); get the file again") from error
    if len(content) < 16:
        raise FileError(f"{path}: got {len(content)} bytes, expected an IDX file; get the file again")
    magic, count, rows, columns = struct.unpack(">4I", content[:16])
    if magic != _MAGIC or (rows, columns) != (SIDE, SIDE):
        raise FileError(
            f"{path}: got magic {magic:#x} and {rows} x {columns}, expected {_MAGIC:#x} and "
            f"{SIDE} x {SIDE}; name a file of MNIST images"
        )
    if len(content) != 16 + count * rows * columns or count == 0:
        raise FileError(
            f"{path}: got {len(content)} bytes, expected {16 + count * rows * columns} for {count} "
            "images; get the file again"
        )
    return np.frombuffer(content, np.uint8, offset=16).reshape(count, rows, columns)


def draw_digits() -> Digits:
    """Draw 0 ... 9 in five sizes from the font that Pillow carries: (50, 28, 28), like MNIST's in look."""
    from PIL import Image, ImageDraw, ImageFont

    pictures = []
    for height in (20, 22, 24, 26, 28):
        font = ImageFont.load_default(size=height)
        for digit in "0123456789":
            picture = Image.new("L", (SIDE, SIDE))
            ImageDraw.Draw(picture).text(
                (SIDE / 2, SIDE / 2), digit, fill=255, font=font, anchor="mm", stroke_width=1
            )
            pictures.append(np.asarray(picture))
    return np.stack(pictures)
