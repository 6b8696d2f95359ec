"""Moving MNIST's fixed test file, which papers compare on: ``mnist_test_seq.npy``, 10 000 sequences.

Dimensions: F frames of a sequence (20), N sequences, H = W = 64.

Source: Srivastava, Mansimov, Salakhutdinov, "Unsupervised Learning of Video Representations using
LSTMs", ICML 2015. A test file alone: train on `nowcast.data.moving_digits`, which makes its sequences.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.times import Times
from nowcast.data.reel import REEL_STEP, reel_times
from nowcast.data.source import FrameArray, SentWithoutCaches, check_span, from_bytes

NAME = "mnist_test_seq.npy"
HOW_TO_GET = (
    "get mnist_test_seq.npy (82 MB) from http://www.cs.toronto.edu/~nitish/unsupervised_video/ (made of MNIST; "
    "its authors state no licence, cite Srivastava et al., ICML 2015) and name it as path, or its folder"
)


@dataclass(frozen=True)
class MovingMnistFileSettings:
    """Moving MNIST's test file, or some of its sequences."""

    path: Path
    """The file, or the folder it lies in."""
    first: int = 0
    """Number of the first sequence to take."""
    count: int | None = None
    """How many; None takes all that follow."""

    def __post_init__(self) -> None:
        if self.first < 0 or (self.count is not None and self.count < 1):
            raise SettingsError(
                f"moving_mnist_file: got first={self.first}, count={self.count}, expected >= 0 and >= 1"
            )


class MovingMnistFile(SentWithoutCaches):
    """The sequences of the file as a reel: between two of them a second is left out of the times.

    Args:
        settings: which file, and which of its sequences.

    Raises:
        FileError: no such file (the message says where to get it), or not one like it.
        SettingsError: sequences beyond its end.
    """

    step = REEL_STEP

    def __init__(self, settings: MovingMnistFileSettings) -> None:
        self.path = settings.path / NAME if settings.path.is_dir() else settings.path
        self.name = str(self.path)
        self._first = settings.first
        length, total, *size = self._frames.shape
        self._length = length
        self._count = total - settings.first if settings.count is None else settings.count
        if self._count < 1 or self._first + self._count > total:
            raise SettingsError(
                f"moving_mnist_file: got sequences {self._first} to {self._first + self._count}, expected "
                f"them among the {total} of {self.path}"
            )
        self.frame_shape = (1, int(size[0]), int(size[1]))

    @cached_property
    def times(self) -> Times:
        """Seconds from 1970 on."""
        return reel_times(self._count, self._length)

    @cached_property
    def fingerprint(self) -> str:
        """The content of the file, and which sequences are taken."""
        with self.path.open("rb") as file:
            return f"{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}:{self._first}:{self._count}"

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames of the reel: (T, 1, h, w) in [0, 1]."""
        check_span(self, first, count, self._count * self._length)
        sequence, frame = np.divmod(np.arange(first, first + count), self._length)
        frames = self._frames[frame, self._first + sequence, rows, columns]
        return from_bytes(frames[:, np.newaxis])

    @cached_property
    def _frames(self) -> npt.NDArray[np.uint8]:
        if not self.path.is_file():
            raise FileError(f"{self.path}: no such file; {HOW_TO_GET}")
        try:
            found = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FileError(f"{self.path}: damaged ({error}); {HOW_TO_GET}") from error
        if getattr(found, "dtype", None) != np.uint8 or found.ndim != 4:
            shown = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "an archive"
            raise FileError(f"{self.path}: got {shown}, expected uint8 (20, N, 64, 64); {HOW_TO_GET}")
        frames: npt.NDArray[np.uint8] = found.view(np.ndarray)
        return frames
