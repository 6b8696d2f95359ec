"""The parts of a GRIB2 message that are read without ecCodes, which aborts the process on damaged ones.

Source: WMO Manual on Codes, FM 92 GRIB edition 2, sections 0 to 8 and data template 5.41.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nowcast.core.errors import FileError

_FIRST, _END, _SHORTEST, _LOCAL = 16, 4, 5, 2
_SECTIONS = [1, 3, 4, 5, 6, 7]
_PNG = b"\x89PNG\r\n\x1a\n"


def check_sections(path: Path, message: bytes) -> None:
    """Refuse a message whose sections do not fill it in order.

    Raises:
        FileError: damaged, or several fields in one message.
    """
    place, numbers = _FIRST, []
    while place < len(message) - _END:
        length = int.from_bytes(message[place : place + 4], "big")
        numbers.append(message[place + 4])
        if length < _SHORTEST:
            break
        place += length
    if place != len(message) - _END or [n for n in numbers if n != _LOCAL] != _SECTIONS:
        raise FileError(
            f"{path}: a message has the sections {numbers[:12]}, expected {_SECTIONS} in full; it "
            "is damaged, or holds several fields"
        )


def picture_codes(path: Path, message: bytes, shape: tuple[int, int], bits: int) -> npt.NDArray[Any]:
    """Return the integers of a message that is packed as a PNG picture (data template 5.41), rows first.

    Why not by ecCodes: it aborts the process where the picture is damaged or of another depth than stated.

    Raises:
        FileError: another size or depth than the message states.
    """
    start = message.find(_PNG)
    if start < 0:
        raise FileError(f"{path}: holds no picture where it says that one is, it is damaged; fetch it again")
    with Image.open(io.BytesIO(message[start:]), formats=("PNG",)) as picture:
        stated = (picture.size[1], picture.size[0]), {"L": 8, "I;16": 16}.get(picture.mode)
        if stated != (shape, bits):
            raise FileError(
                f"{path}: its picture has {picture.size[1]} x {picture.size[0]} pixels of the mode "
                f"{picture.mode}, expected {shape[0]} x {shape[1]} of {bits} bits; it is damaged"
            )
        return np.asarray(picture)
