"""Scores of video frames in [0, 1], one number a frame and then the mean over frames of a lead time.

Why the mean of frames and nothing else is pooled: all frames are of one size, so this is what the papers'
tables hold, and no number depends on how frames were put in batches.
Dimensions: B batch, S lead times, C channels, H rows, W columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.scores.arrays import Floats, ScoreError, ratio
from nowcast.scores.base import Sums
from nowcast.scores.categorical import csi
from nowcast.scores.neighbourhood import (
    GradientDifference,
    Reduction,
    WindowShape,
    gradient_gaps,
    similarity_map,
    window_weights,
)

HIGHEST_PSNR_DB = 100.0
"""What a frame without error counts as; see `FramePsnr`."""
_ROUNDING = 1e-6
"""How far beyond [0, 1] a value may lie without being an error of the caller."""


class FramePair(NamedTuple):
    """Forecast and observed, numpy (B, S, C, H, W) in the precision they were passed in."""

    forecast: npt.NDArray[Any]
    observed: npt.NDArray[Any]


def frames(forecast: Any, observed: Any) -> FramePair:
    """Take tensors or arrays (B, S, C, H, W) and make sure both are frames in [0, 1].

    Raises:
        ScoreError: shapes that differ or are not five axes, an empty batch, a value that is NaN or
            outside [0, 1].
    """
    shapes = tuple(tuple(a.shape) for a in (forecast, observed))
    if shapes[0] != shapes[1] or len(shapes[0]) != 5 or 0 in shapes[0]:
        raise ScoreError(
            f"scores: got a forecast of shape {shapes[0]} and an observed of {shapes[1]}, expected one shape "
            "(batch, lead time, channel, y, x) for both, no axis of length 0"
        )
    return FramePair(_in_unit(forecast, "forecast"), _in_unit(observed, "observed"))


@dataclass(frozen=True)
class FrameScore(ABC):
    """The mean over frames of one number a frame; a subclass says which number."""

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``total`` and count ``frames`` a lead time, float64 and int64 (S,).

        Raises:
            ScoreError: see `frames`.
        """
        found = self.per_frame(frames(forecast, observed))
        return {"total": found.sum(axis=0), "frames": np.full(found.shape[1], len(found), np.int64)}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: (S,)."""
        return ratio(sums["total"], sums["frames"])

    @abstractmethod
    def per_frame(self, both: FramePair) -> Floats:
        """The number of each frame, float64 (B, S)."""


@dataclass(frozen=True)
class FrameErrors(FrameScore):
    """Absolute (power 1) or squared (power 2) errors of a frame: their mean, or their sum.

    The sum is over pixels and channels of a frame, as PredRNN, MotionRNN, LMC-Memory and ASTM print it;
    it grows with the frame: of 64 x 64 pixels it is 4096 times the mean.
    """

    power: Literal[1, 2] = 2
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        if self.power not in (1, 2) or self.reduction not in ("mean", "sum"):
            raise SettingsError(
                f"errors: got power {self.power}, reduction {self.reduction!r}, expected 1 (absolute) or 2 "
                "(squared) and 'mean' or 'sum'"
            )

    @property
    def name(self) -> str:
        """``mae`` or ``mse``, and ``_sum`` where it is summed."""
        return ("mae" if self.power == 1 else "mse") + ("" if self.reduction == "mean" else "_sum")

    def per_frame(self, both: FramePair) -> Floats:
        """The mean or the sum of each frame."""
        error = np.abs(_wide(both.forecast) - _wide(both.observed)) ** self.power
        return np.asarray(getattr(error, self.reduction)(axis=(-3, -2, -1)))


@dataclass(frozen=True)
class FramePsnr(FrameScore):
    """Peak signal-to-noise ratio in dB: -10 log10 of a frame's mean squared error, then the mean of frames.

    A frame without error would have an infinite ratio and swallow the mean, so no frame counts as more
    than 100 dB (a root mean squared error of 1e-5, far below one step of eight bits).
    ``eight_bit`` first rounds both to 0 ... 255.
    """

    eight_bit: bool = False

    @property
    def name(self) -> str:
        """``psnr``, or ``psnr_uint8``."""
        return "psnr_uint8" if self.eight_bit else "psnr"

    def per_frame(self, both: FramePair) -> Floats:
        """The ratio of each frame in dB, at most 100."""
        if self.eight_bit:
            both = FramePair(*(np.rint(_wide(a) * 255.0) / 255.0 for a in both))
        squared = ((_wide(both.forecast) - _wide(both.observed)) ** 2).mean(axis=(-3, -2, -1))
        return np.asarray(-10.0 * np.log10(np.maximum(squared, 10.0 ** (-HIGHEST_PSNR_DB / 10))))


@dataclass(frozen=True)
class FrameSsim(FrameScore):
    """Structural similarity: the mean over windows wholly inside a frame, then over its channels.

    The values lie in [0, 1], so the range is 1. ``data_range`` 2 is what published code got from a
    library that took floats to lie in [-1, 1]; it comes out higher by more than the gains reported.
    ``eight_bit`` truncates (not rounds) to 0 ... 255 in float32 and takes the range 255, as published
    code does.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004; see `nowcast.scores.neighbourhood.similarity_map`.
    """

    data_range: float = 1.0
    window: WindowShape = "uniform"
    eight_bit: bool = False

    def __post_init__(self) -> None:
        if not self.data_range > 0 or self.window not in ("uniform", "gaussian"):
            raise SettingsError(
                f"ssim: got a data range of {self.data_range:g}, window {self.window!r}, expected a range "
                "above 0 and 'uniform' or 'gaussian'"
            )

    @property
    def name(self) -> str:
        """``ssim``; what departs from range 1 and the uniform window is in the name."""
        kind = "_uint8" if self.eight_bit else "" if self.data_range == 1 else f"_range{self.data_range:g}"
        return f"ssim{kind}" + ("" if self.window == "uniform" else f"_{self.window}")

    def per_frame(self, both: FramePair) -> Floats:
        """The similarity of each frame; NaN where a frame is smaller than the window."""
        b, s, c, h, w = both.forecast.shape
        if min(h, w) < len(window_weights(self.window)):
            return np.full((b, s), np.nan)
        shades = [(_truncated(a) if self.eight_bit else _wide(a)).reshape(-1, h, w) for a in both]
        data_range = 255.0 if self.eight_bit else self.data_range
        found = [similarity_map(f, o, data_range, self.window).mean() for f, o in zip(*shades, strict=True)]
        return np.asarray(np.reshape(found, (b, s, c)).mean(axis=-1))


@dataclass(frozen=True)
class FrameGdl(GradientDifference, FrameScore):
    """Gradient difference loss of a frame, over vertical and horizontal neighbours: mean or sum of pairs."""

    def per_frame(self, both: FramePair) -> Floats:
        """The mean over the pairs of neighbours of each frame, or their sum."""
        forecast, observed = (_wide(a) for a in both)
        c, h, w = forecast.shape[-3:]
        total = sum(
            gradient_gaps(forecast, observed, axis, self.alpha).sum(axis=(-3, -2, -1)) for axis in (-2, -1)
        )
        pairs = c * ((h - 1) * w + h * (w - 1))
        return np.asarray(total / max(pairs, 1) if self.reduction == "mean" else total)


@dataclass(frozen=True)
class FrameCsi:
    """Critical success index of reaching a value, counts pooled over all frames of a lead time.

    ``pixel`` is MotionRNN's protocol: frames truncated to 0 ... 255, of which a shade v stands for (v + 30) / 2
    dBZ, and 0 where nobody has an event. ``dbz`` is that of radar here: values by the scale of the data, NaN
    where nobody has an event. On the scale from -15 to 112.5 dBZ both have the same events. The published code
    pools within batches of 8 and takes the mean of batches, which would make the number depend on the batch.
    """

    level_dbz: int
    """At least this is an event."""
    scale: Literal["dbz", "pixel"] = "dbz"
    scaling: Scaling = field(default_factory=Scaling)
    """How dBZ became what is scored, where ``scale`` is ``dbz``."""

    @property
    def name(self) -> str:
        """``csi_dbz_30`` or ``csi_pixel_30``."""
        return f"csi_{self.scale}_{self.level_dbz}"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count ``hits``, ``misses`` and ``false_alarms`` a lead time, int64 (S,).

        Raises:
            ScoreError: see `frames`.
        """
        here, there = (self._events(a) for a in frames(forecast, observed))
        pairs = {"hits": here & there, "misses": ~here & there, "false_alarms": here & ~there}
        return {name: events.sum(axis=(0, 2, 3, 4), dtype=np.int64) for name, events in pairs.items()}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: (S,)."""
        found = csi(sums["hits"], sums["misses"], sums["false_alarms"])
        return np.nan_to_num(found, nan=0.0) if self.scale == "pixel" else found

    def _events(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        if self.scale == "pixel":
            return np.asarray(_truncated(values) >= 2 * self.level_dbz - 30)
        return np.asarray(values.astype(np.float32) >= np.float32(self.scaling.scaled(self.level_dbz)))


def _in_unit(values: Any, what: str) -> npt.NDArray[Any]:
    if type(values).__module__.partition(".")[0] == "torch":
        values = values.detach().cpu()
        values = (values if values.dtype.itemsize >= 4 else values.float()).numpy()
    found = np.asarray(values)
    low, high = found.min(), found.max()
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
        raise ScoreError(
            f"scores: got {what} frames with values from {low:g} to {high:g}, expected [0, 1] without NaN; "
            "clamp what a network puts out before it is scored"
        )
    return found


def _wide(values: npt.NDArray[Any]) -> Floats:
    return values.astype(np.float64, copy=False)


def _truncated(values: npt.NDArray[Any]) -> Floats:
    """Cut to whole shades 0 ... 255; in float32, where v / 255 * 255 is v again for every v."""
    shades = values.astype(np.float32).clip(0, 1) * np.float32(255)
    return np.floor(shades).astype(np.float64)
