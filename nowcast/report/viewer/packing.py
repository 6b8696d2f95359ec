"""Frames of a page as text: integers, each less what its neighbours let expect, deflated, base64.

A browser undoes it (``templates/viewer/frames.js``): atob, DecompressionStream, and the same prediction again.
Nothing is lost, so that the value under the pointer is that of the file.

Dimensions: N planes, H rows, W columns.

Source: the predictor is the median edge detector of LOCO-I (Weinberger, Seroussi and Sapiro 2000, IEEE Trans.
Image Processing 9); RFC 1951 for the stream.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger]
_LEVEL = 6


@dataclass(frozen=True)
class PackedPlanes:
    """Planes of whole numbers and how they become values: code 0 is unknown, code 1 dry if ``dry``.

    The value of any other code is ``low + (code - first) / steps``.
    """

    text: str
    planes: int
    bytes_each: int
    low: float
    steps: float
    dry: bool

    def as_json(self) -> dict[str, object]:
        """Return it as the page's script reads it."""
        return {
            "text": self.text,
            "planes": self.planes,
            "bytes": self.bytes_each,
            "low": self.low,
            "steps": self.steps,
            "dry": self.dry,
        }


def pack_values(
    values: npt.NDArray[np.floating], low: float, steps: float, dry_at: float | None = None
) -> PackedPlanes:
    """Pack values (N, H, W) in ``steps`` steps a unit from ``low`` up; NaN is unknown.

    Args:
        values: any floats; what the codes do not reach becomes the lowest or highest.
        low: lowest value.
        steps: steps a unit.
        dry_at: what is at or below it has a code of its own.
    """
    first = 1 if dry_at is None else 2
    found = np.rint((values.astype(np.float64) - low) * steps) + first
    unknown = np.isnan(found)
    highest = np.max(found, where=~unknown, initial=first)
    kind = np.uint8 if highest <= 255 else np.uint16
    np.clip(found, first, np.iinfo(kind).max, out=found)
    if dry_at is not None:
        found[values <= dry_at] = 1
    found[unknown] = 0
    codes: Codes = found.astype(kind)
    return PackedPlanes(_text(codes), len(codes), codes.itemsize, low, steps, dry_at is not None)


def _text(codes: Codes) -> str:
    """Return planes (N, H, W) of 8 or 16 bits as text."""
    residual = np.stack([_residual(plane) for plane in codes])
    if codes.itemsize == 1:
        raw = residual.astype(np.uint8).tobytes()
    else:
        halves = residual.astype(np.uint16)
        raw = (halves >> 8).astype(np.uint8).tobytes() + (halves & 255).astype(np.uint8).tobytes()
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, 9)
    return base64.b64encode(stream.compress(raw) + stream.flush()).decode("ascii")


def _residual(codes: Codes) -> npt.NDArray[np.int32]:
    """Return what a plane (H, W) is above its prediction, small numbers of either sign as small numbers."""
    bits = 8 * codes.itemsize
    here = codes.astype(np.int32)
    padded = np.pad(here, ((1, 0), (1, 0)))
    west, north, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    low, high = np.minimum(west, north), np.maximum(west, north)
    expected = np.where(corner >= high, low, np.where(corner <= low, high, west + north - corner))
    half = 1 << (bits - 1)
    signed = (here - expected + half) % (2 * half) - half
    return np.where(signed < 0, -2 * signed - 1, 2 * signed)
