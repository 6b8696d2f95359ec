"""Frames that lie in files of arrays: HDF5, netCDF, npz. What kinds of data differ in is how they read them.

Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt


class DamagedVideoError(Exception):
    """A video that cannot be used; the message says why."""


class FrameBatch(NamedTuple):
    """Frames that were decoded together."""

    numbers: list[int]
    frames: npt.NDArray[Any]
    """uint8 (T, H, W) or (T, H, W, 3), still to be transformed; or float32 (T, C, H, W) in [0, 1] as it is."""


class FrameStack(Protocol):
    """One video in files of arrays: a frozen dataclass, whose text tells it from any other of these files."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it reads."""
        ...

    @property
    def rate(self) -> Fraction:
        """Frames a second."""
        ...

    @property
    def start(self) -> int:
        """Time of number 0, nanoseconds since 1970."""
        ...

    @property
    def missing(self) -> int | None:
        """The byte that says not observed; None for float32, where NaN does, and where all were observed."""
        ...

    def batches(self) -> Iterator[FrameBatch]:
        """Read all frames, a few megabytes at a time.

        Raises:
            DamagedVideoError: they cannot be read.
        """
        ...
