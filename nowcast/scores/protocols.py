"""The scores of video frames as the papers define them, by name, next to the sound ones.

A name fixes everything that changes the number: range, window, rounding, mean or sum. A line in
``PROTOCOLS`` is the registration; `docs/reference/scores.md` shows the table, the conformance tests run
over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from nowcast.core.errors import SettingsError, complain
from nowcast.scores.base import Metric
from nowcast.scores.frames import FrameCsi, FrameErrors, FrameGdl, FramePsnr, FrameSsim


@dataclass(frozen=True)
class Backbones:
    """Where the pretrained weights lie that LPIPS and FVD need; a file named here is the one taken."""

    lpips: Path | None = None
    """Made by ``nowcast fetch-weights lpips``; none: the cache folder is looked in."""
    fvd: Path | None = None
    """A user's own file of I3D weights; there is no other place."""
    fvd_sha256: str | None = None
    """What the SHA-256 of that file must be."""


class ProtocolEntry(NamedTuple):
    """How to make a score of frames, and how to read its value; whose tables print it is in the docs."""

    make: Callable[[Backbones], Metric]
    text: str
    """Formula, range and window in short."""
    best: float = 0
    """Value of a perfect forecast; where it is 0, lower is better, else higher."""
    unit: str = ""
    needs_weights: bool = False

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which of two values is the better one."""
        return "lower" if self.best == 0 else "higher"


def _lpips(span: Literal["signed", "unit"], spatial: bool = False) -> Callable[[Backbones], Metric]:
    def make(backbones: Backbones) -> Metric:
        from nowcast.scores.lpips import Lpips
        from nowcast.scores.lpips_weights import find_file

        return Lpips(find_file(backbones.lpips), span, spatial)

    return make


def _fvd(backbones: Backbones) -> Metric:
    from nowcast.scores import fvd

    return fvd.make(backbones.fvd, backbones.fvd_sha256)


CSI_LEVELS = (30, 40, 50)
"""dBZ, as MotionRNN's Table 4 has them."""


def _csi(level: int, scale: Literal["dbz", "pixel"]) -> ProtocolEntry:
    told = (
        f"shade {2 * level - 30} of 255, 0 without events" if scale == "pixel" else "by the scale of the data"
    )
    return ProtocolEntry(
        lambda _: FrameCsi(level, scale), f"critical success index of {level} dBZ ({told}), counts pooled", 1
    )


PROTOCOLS: dict[str, ProtocolEntry] = {
    "mse": ProtocolEntry(lambda _: FrameErrors(2), "mean squared error, mean over pixels and channels"),
    "mse_sum": ProtocolEntry(
        lambda _: FrameErrors(2, "sum"), "squared errors summed over pixels and channels of a frame"
    ),
    "mae": ProtocolEntry(lambda _: FrameErrors(1), "mean absolute error, mean over pixels and channels"),
    "mae_sum": ProtocolEntry(
        lambda _: FrameErrors(1, "sum"), "absolute errors summed over pixels and channels of a frame"
    ),
    "psnr": ProtocolEntry(
        lambda _: FramePsnr(), "peak signal-to-noise ratio, range 1, of each frame, then the mean", 100, "dB"
    ),
    "psnr_uint8": ProtocolEntry(
        lambda _: FramePsnr(eight_bit=True), "as psnr, of frames rounded to eight bits", 100, "dB"
    ),
    "ssim": ProtocolEntry(lambda _: FrameSsim(), "structural similarity, range 1, uniform 7 x 7 windows", 1),
    "ssim_gaussian": ProtocolEntry(
        lambda _: FrameSsim(window="gaussian"), "structural similarity, range 1, Gaussian 11 x 11 windows", 1
    ),
    "ssim_range2": ProtocolEntry(lambda _: FrameSsim(2.0), "as ssim, with the range 2 for values in [0, 1]", 1),
    "ssim_uint8": ProtocolEntry(
        lambda _: FrameSsim(eight_bit=True), "as ssim, of frames truncated to eight bits, range 255", 1
    ),
    "gdl": ProtocolEntry(lambda _: FrameGdl(1), "gradient difference loss, alpha 1, mean over pairs"),
    "gdl_sum": ProtocolEntry(lambda _: FrameGdl(1, "sum"), "gradient difference loss, alpha 1, sum of a frame"),
    "gdl_alpha2": ProtocolEntry(lambda _: FrameGdl(2), "gradient difference loss, alpha 2, mean over pairs"),
    "gdl_alpha2_sum": ProtocolEntry(
        lambda _: FrameGdl(2, "sum"), "gradient difference loss, alpha 2, sum of a frame"
    ),
    **{f"csi_pixel_{level}": _csi(level, "pixel") for level in CSI_LEVELS},
    **{f"csi_dbz_{level}": _csi(level, "dbz") for level in CSI_LEVELS},
    "lpips": ProtocolEntry(
        _lpips("signed"), "distance of AlexNet features, frames given in [-1, 1]", needs_weights=True
    ),
    "lpips_unit": ProtocolEntry(_lpips("unit"), "as lpips, frames given in [0, 1]", needs_weights=True),
    "lpips_spatial": ProtocolEntry(
        _lpips("signed", spatial=True),
        "as lpips, maps enlarged to the frame before the mean",
        needs_weights=True,
    ),
    "fvd": ProtocolEntry(_fvd, "Frechet distance of I3D features of whole videos", needs_weights=True),
}


def check_scores(names: Sequence[str]) -> None:
    """Refuse scores that no protocol computes.

    Raises:
        SettingsError: none, one twice or an unknown one.
    """
    if not names or len(set(names)) < len(names):
        known = f"known: {', '.join(PROTOCOLS)}"
        raise SettingsError(complain("scores", list(names), "at least one, each once", known))
    for name in names:
        if name not in PROTOCOLS:
            raise SettingsError(complain("scores", f"'{name}'", f"one of {', '.join(PROTOCOLS)}", "correct it"))


def build_protocols(names: Sequence[str], backbones: Backbones | None = None) -> list[Metric]:
    """Make every named score of frames.

    Why missing weights are an error here and not when the first batch is scored: hours of forecasts lie
    between. Who would rather leave a score out builds the names one at a time and catches it.

    Raises:
        SettingsError: as `check_scores`.
        MissingWeightsError: a score whose pretrained weights are nowhere; says how to get them.
    """
    check_scores(names)
    return [PROTOCOLS[name].make(backbones or Backbones()) for name in names]
