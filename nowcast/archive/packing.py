"""dBZ as packed int16 and as the bytes of one chunk: hundredths of a dBZ, compressed with Zstandard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import ArchiveError
from nowcast.core.scaling import NO_ECHO_DBZ

Codes = npt.NDArray[np.int16]
ZSTD_LEVEL = 3
_ZSTD = numcodecs.Zstd(level=ZSTD_LEVEL, checksum=True)
"""With the checksum of RFC 8878, so that whoever reads a chunk of which a bit has changed is told."""


@dataclass(frozen=True)
class Packing:
    """How a code becomes dBZ: ``code * scale + offset``; ``fill`` is not observed.

    Why hundredths: every 8-bit product has steps of a tenth of a dBZ or more, so its codes come back
    exactly, and values are off by at most 0.005 dBZ otherwise. No echo has its own code, which
    decodes to the floor of the field by the same rule, so that any CF reader sees it right.
    """

    scale: float = 0.01
    offset: float = 0.0
    fill: int = -32768
    no_echo: int = round(NO_ECHO_DBZ * 100)

    def pack(self, dbz: npt.NDArray[np.floating]) -> Codes:
        """Pack dBZ (any shape); NaN becomes ``fill``."""
        scaled = np.rint(dbz * np.float32(1.0 / self.scale))
        np.nan_to_num(scaled, copy=False, nan=self.fill)
        return np.asarray(scaled, dtype=np.float32).astype(np.int16)

    def unpack(self, codes: Codes) -> npt.NDArray[np.float32]:
        """Return float32 dBZ, each the nearest float32 to its decimal value; ``fill`` becomes NaN."""
        dbz = codes.astype(np.float32)
        dbz /= np.float32(1.0 / self.scale)
        dbz[codes == self.fill] = np.nan
        return dbz


PACKING = Packing()


def encode_chunk(values: npt.NDArray[Any]) -> bytes:
    """Return the bytes that Zarr's codecs ``bytes`` (little endian) and ``zstd`` make of an array."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return bytes(_ZSTD.encode(little))


def decode_chunk(data: bytes, dtype: npt.DTypeLike, shape: tuple[int, ...], where: str) -> Any:
    """Undo `encode_chunk`.

    Raises:
        ArchiveError: the bytes are not such a chunk; ``where`` names the file.
    """
    try:
        kind = np.dtype(dtype).newbyteorder("<")
        if _unpacked_size(data) != math.prod(shape) * kind.itemsize:
            raise ValueError("it holds another number of values")
        return np.frombuffer(_ZSTD.decode(data), dtype=kind).reshape(shape).astype(dtype)
    except (RuntimeError, ValueError) as error:
        raise ArchiveError(
            f"{where}: this chunk of the archive is damaged ({error}); remove the archive and ingest "
            "its files again"
        ) from error


def _unpacked_size(data: bytes) -> int | None:
    """Return the size that a Zstandard frame says it unpacks to, before any room is made for it.

    Source: RFC 8878, section 3.1.1.
    """
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6:
        return None
    flag, single, dictionary = data[4] >> 6, data[4] >> 5 & 1, data[4] & 3
    start = 6 - single + (0, 1, 2, 4)[dictionary]
    length = (single, 2, 4, 8)[flag]
    found = int.from_bytes(data[start : start + length], "little")
    return found + 256 * (length == 2)
