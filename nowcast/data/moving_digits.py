"""Moving MNIST and V-MNIST, made on the fly: every sequence from (seed, its number) alone.

Dimensions: F frames of a sequence, D digits, H = W side of a frame, K side of the box a digit is drawn in.

One frame source is a reel of many short sequences with a gap in time between them, so windows fall
within sequences by the same rule that keeps radar clips free of gaps.

Source: Moving MNIST: Srivastava, Mansimov, Salakhutdinov, ICML 2015 (two digits, 64 x 64, velocity in
a random direction, bouncing at the walls, overlaps composed by maximum). V-MNIST: Wu et al., CVPR 2021,
section 4.3 (digits move, rotate and scale at once); the paper gives no rates, so ours are settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.data.digit_images import SIDE, Digits, MnistPart, load_digits
from nowcast.data.reel import Reel
from nowcast.data.source import FrameArray, from_bytes

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DigitSettings:
    """Moving digits; with ``turn_degrees`` or ``scale_range`` they are V-MNIST."""

    path: Path | None = None
    """Folder with MNIST's IDX files; None draws digits from a font."""
    part: MnistPart = "train"
    """Which of MNIST's two files."""
    seed: int = 0
    count: int = 10_000
    """Sequences in the reel."""
    length: int = 20
    """Frames of a sequence."""
    size: int = 64
    digits: int = 2
    speed: tuple[float, float] = (3.6, 3.6)
    """Slowest and fastest, pixels a frame (Moving MNIST: a tenth of the free way of 36 pixels)."""
    turn_degrees: float = 0.0
    """Fastest rotation a frame, either way."""
    scale_range: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest size of a digit, between which it swings."""
    scale_period: tuple[float, float] = (10.0, 20.0)
    """Shortest and longest time of a swing, frames."""

    def __post_init__(self) -> None:
        for name in ("count", "length", "digits"):
            if getattr(self, name) < 1:
                raise SettingsError(f"moving_digits.{name}: got {getattr(self, name)}, expected >= 1")
        if self.size <= SIDE:
            raise SettingsError(f"moving_digits.size: got {self.size}, expected more than {SIDE} pixels")
        if self.seed < 0:
            raise SettingsError(f"moving_digits.seed: got {self.seed}, expected >= 0")
        for name in ("speed", "scale_range", "scale_period"):
            low, high = getattr(self, name)
            if not 0 <= low <= high or (name != "speed" and low == 0):
                raise SettingsError(
                    f"moving_digits.{name}: got {low:g} to {high:g}, expected rising values above zero"
                )
        if self.scale_range[1] > 2:
            raise SettingsError(f"moving_digits.scale_range: got {self.scale_range[1]:g}, expected at most 2")

    @property
    def varied(self) -> bool:
        """Whether the digits rotate or scale (V-MNIST)."""
        return self.turn_degrees != 0 or self.scale_range != (1.0, 1.0)


class MovingDigits(Reel):
    """A reel of sequences of moving digits as a frame source; the same settings give the same frames.

    Raises:
        FileError: the folder of digits holds none.
    """

    def __init__(self, settings: DigitSettings) -> None:
        super().__init__(settings.count, settings.length)
        self.settings = settings
        self.name = f"moving_digits({settings.part}, seed {settings.seed})"
        self.frame_shape = (1, settings.size, settings.size)
        self._digits = load_digits(settings.path, settings.part)

    @property
    def fingerprint(self) -> str:
        """The settings, and how many digits there are to draw from."""
        return f"{self.settings}:{len(self._digits)}"

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames of the reel: (T, 1, h, w) in [0, 1]."""
        return from_bytes(self.frames(first, count, rows, columns))

    def make(self, number: int) -> npt.NDArray[np.uint8]:
        """Make sequence ``number``: (F, H, W)."""
        return make_sequence(self.settings, self._digits, number)


def make_sequence(s: DigitSettings, digits: Digits, number: int) -> npt.NDArray[np.uint8]:
    """Draw one sequence (F, H, W) from ``(seed, number)``: which digits, where, how fast, which way."""
    random = np.random.default_rng((s.seed, number))
    chosen = digits[random.integers(len(digits), size=s.digits)]
    frames = np.arange(s.length)
    heading = random.uniform(0, 2 * np.pi, s.digits)
    speed = random.uniform(*s.speed, s.digits)
    way = s.size - SIDE
    start = random.uniform(0, way, (2, s.digits))
    velocity = speed * np.stack([np.sin(heading), np.cos(heading)])
    corners = reflect(start + velocity * frames[:, None, None], way)  # (F, 2, D)
    if not s.varied:
        return _paste(chosen, np.rint(corners).astype(int), s.size)
    turn = np.radians(random.uniform(-s.turn_degrees, s.turn_degrees, s.digits))
    angle = (turn * frames[:, None]).astype(np.float64)
    swing = 2 * np.pi * frames[:, None] / random.uniform(*s.scale_period, s.digits)
    phase = random.uniform(0, 2 * np.pi, s.digits)
    low, high = s.scale_range
    scale = low + (high - low) * (1 + np.sin(swing + phase)) / 2
    return _warp(chosen, corners.astype(np.float32), angle, scale, s.size)


def reflect(way: npt.NDArray[np.float64], wall: float) -> npt.NDArray[np.float64]:
    """Fold a straight way into [0, wall] as a ball that bounces without loss."""
    folded = np.mod(way, 2 * wall)
    return np.minimum(folded, 2 * wall - folded)


def _paste(digits: Digits, corners: npt.NDArray[np.int_], size: int) -> npt.NDArray[np.uint8]:
    """Lay digits (D, 28, 28) at whole-pixel corners (F, 2, D), the brighter one in front."""
    frames = np.zeros((len(corners), size, size), np.uint8)
    for index, digit in enumerate(digits):
        for frame, (top, left) in zip(frames, corners[:, :, index].tolist(), strict=True):
            place = frame[top : top + SIDE, left : left + SIDE]
            np.maximum(place, digit, out=place)
    return frames


def _warp(
    digits: Digits, corners: Floats, angle: npt.NDArray[np.float64], scale: npt.NDArray[np.float64], size: int
) -> npt.NDArray[np.uint8]:
    """Lay digits turned by ``angle`` and sized by ``scale`` (F, D), the brighter one in front.

    A digit turns about the middle of its picture; what would stand over the wall is cut off. Each pixel
    takes the nearest sample of the digit enlarged four times: within an eighth of a pixel, and four
    times as fast as a bilinear sample of its own.
    """
    count = len(corners)
    side = int(np.ceil(SIDE * float(scale.max()))) + 3
    frames = np.zeros((count, size + 2 * side, size + 2 * side), np.uint8)
    for index, digit in enumerate(digits):
        middle = corners[:, :, index] + np.float32((SIDE - 1) / 2)  # (F, 2)
        whole = np.rint(middle).astype(np.int64)
        boxes = _turned(digit, middle - whole, angle[:, index], scale[:, index], side)
        for frame, box, (top, left) in zip(frames, boxes, (whole - side // 2 + side).tolist(), strict=True):
            place = frame[top : top + side, left : left + side]
            np.maximum(place, box, out=place)
    return frames[:, side:-side, side:-side]


def _turned(
    digit: Digits, rest: Floats, angle: npt.NDArray[np.float64], scale: npt.NDArray[np.float64], side: int
) -> npt.NDArray[np.uint8]:
    """Draw one digit in boxes (F, K, K), its middle ``rest`` (F, 2) pixels beside the box's middle."""
    sine, cosine = _FINE * np.sin(angle) / scale, _FINE * np.cos(angle) / scale
    origin = _FINE * ((SIDE - 1) / 2 + _BORDER) + 0.5  # 0.5: to the nearest by cutting off
    down, right = rest.T
    row_map = np.stack([cosine, sine, origin - cosine * down - sine * right], 1, dtype=np.float32)
    column_map = np.stack([-sine, cosine, origin + sine * down - cosine * right], 1, dtype=np.float32)
    fine = _enlarge(digit)
    last = np.float32(len(fine) - 1)
    rows, columns = (np.clip(way @ _box(side), 0, last).astype(np.int32) for way in (row_map, column_map))
    rows *= len(fine)
    rows += columns
    boxes: npt.NDArray[np.uint8] = np.take(fine, rows).reshape(len(rest), side, side)
    return boxes


@lru_cache(maxsize=8)
def _box(side: int) -> Floats:
    """Row, column and 1 of each pixel of a box around its middle pixel: (3, K * K)."""
    line = np.arange(side, dtype=np.float32) - side // 2
    rows, columns = np.meshgrid(line, line, indexing="ij")
    return np.stack([rows.ravel(), columns.ravel(), np.ones(side * side, np.float32)])


_BORDER, _FINE = 2, 4


@lru_cache(maxsize=1)
def _between() -> Floats:
    """Weights that interpolate 32 samples linearly to four times as many: (4 * 31 + 1, 32)."""
    wide = SIDE + 2 * _BORDER
    place = np.arange(_FINE * (wide - 1) + 1, dtype=np.float32) / _FINE
    apart = np.abs(place[:, None] - np.arange(wide, dtype=np.float32))
    return np.clip(np.float32(1) - apart, 0, 1)


def _enlarge(digit: Digits) -> npt.NDArray[np.uint8]:
    """Interpolate a digit in a border of zeros to quarter pixels, so that a clamped place reads zero."""
    weights = _between()
    fine = weights @ np.pad(digit, _BORDER).astype(np.float32) @ weights.T
    fine += np.float32(0.5)
    return fine.astype(np.uint8)
