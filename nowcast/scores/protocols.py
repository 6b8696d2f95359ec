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

from nowcast.core.errors import SettingsError
from nowcast.scores.base import Metric
from nowcast.scores.frames import FrameErrors, FrameGdl, FramePsnr, FrameSsim


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
    """How to make a score of frames, and how to read its value."""

    make: Callable[[Backbones], Metric]
    better: Literal["higher", "lower"]
    best: float
    unit: str
    text: str
    """Formula, range and window in short."""
    used_by: str
    """Whose published numbers are made so."""
    needs_weights: bool = False


def _lpips(span: Literal["signed", "unit"], spatial: bool = False) -> Callable[[Backbones], Metric]:
    def make(backbones: Backbones) -> Metric:
        from nowcast.scores.lpips import Lpips
        from nowcast.scores.lpips_weights import find_file

        return Lpips(find_file(backbones.lpips), span, spatial)

    return make


def _fvd(backbones: Backbones) -> Metric:
    from nowcast.scores import fvd

    return fvd.make(backbones.fvd, backbones.fvd_sha256)


PROTOCOLS: dict[str, ProtocolEntry] = {
    "mse": ProtocolEntry(
        lambda _: FrameErrors(2), "lower", 0, "", "mean squared error, mean over pixels and channels",
        "the sound one",
    ),
    "mse_sum": ProtocolEntry(
        lambda _: FrameErrors(2, "sum"), "lower", 0, "",
        "squared errors summed over pixels and channels of a frame",
        "MotionRNN, LMC-Memory, ASTM, PredRNN (their 'MSE')",
    ),
    "mae": ProtocolEntry(
        lambda _: FrameErrors(1), "lower", 0, "", "mean absolute error, mean over pixels and channels",
        "the sound one",
    ),
    "mae_sum": ProtocolEntry(
        lambda _: FrameErrors(1, "sum"), "lower", 0, "",
        "absolute errors summed over pixels and channels of a frame", "MotionRNN (its 'MAE')",
    ),
    "psnr": ProtocolEntry(
        lambda _: FramePsnr(), "higher", 100, "dB",
        "peak signal-to-noise ratio, range 1, of each frame, then the mean", "LMC-Memory, ASTM",
    ),
    "psnr_uint8": ProtocolEntry(
        lambda _: FramePsnr(eight_bit=True), "higher", 100, "dB",
        "as psnr, of frames rounded to eight bits", "numbers taken from pictures on disk",
    ),
    "ssim": ProtocolEntry(
        lambda _: FrameSsim(), "higher", 1, "", "structural similarity, range 1, uniform 7 x 7 windows",
        "the sound one",
    ),
    "ssim_gaussian": ProtocolEntry(
        lambda _: FrameSsim(window="gaussian"), "higher", 1, "",
        "structural similarity, range 1, Gaussian 11 x 11 windows", "Wang et al. 2004",
    ),
    "ssim_range2": ProtocolEntry(
        lambda _: FrameSsim(2.0), "higher", 1, "", "as ssim, with the range 2 for values in [0, 1]",
        "LMC-Memory, ASTM",
    ),
    "ssim_uint8": ProtocolEntry(
        lambda _: FrameSsim(eight_bit=True), "higher", 1, "",
        "as ssim, of frames truncated to eight bits, range 255", "MotionRNN",
    ),
    "gdl": ProtocolEntry(
        lambda _: FrameGdl(1), "lower", 0, "", "gradient difference loss, alpha 1, mean over pairs",
        "the sound one",
    ),
    "gdl_sum": ProtocolEntry(
        lambda _: FrameGdl(1, "sum"), "lower", 0, "", "gradient difference loss, alpha 1, sum of a frame",
        "Mathieu et al. 2016; perhaps MotionRNN",
    ),
    "gdl_alpha2": ProtocolEntry(
        lambda _: FrameGdl(2), "lower", 0, "", "gradient difference loss, alpha 2, mean over pairs",
        "no published number known",
    ),
    "gdl_alpha2_sum": ProtocolEntry(
        lambda _: FrameGdl(2, "sum"), "lower", 0, "", "gradient difference loss, alpha 2, sum of a frame",
        "perhaps MotionRNN",
    ),
    "lpips": ProtocolEntry(
        _lpips("signed"), "lower", 0, "", "distance of AlexNet features, frames given in [-1, 1]",
        "the sound one; Zhang et al. 2018", needs_weights=True,
    ),
    "lpips_unit": ProtocolEntry(
        _lpips("unit"), "lower", 0, "", "as lpips, frames given in [0, 1]",
        "LMC-Memory (printed times 1000), Conv-TT-LSTM", needs_weights=True,
    ),
    "lpips_spatial": ProtocolEntry(
        _lpips("signed", spatial=True), "lower", 0, "",
        "as lpips, maps enlarged to the frame before the mean", "ASTM (printed times 100)", needs_weights=True,
    ),
    "fvd": ProtocolEntry(
        _fvd, "lower", 0, "", "Frechet distance of I3D features of whole videos",
        "MotionRNN; Unterthiner et al. 2018", needs_weights=True,
    ),
}


def build_protocols(names: Sequence[str], backbones: Backbones | None = None) -> list[Metric]:
    """Make every named score of frames.

    Why missing weights are an error here and not when the first batch is scored: hours of forecasts lie
    between. Who would rather leave a score out builds the names one at a time and catches it.

    Raises:
        SettingsError: an unknown name, or one given twice.
        MissingWeightsError: a score whose pretrained weights are nowhere; says how to get them.
    """
    for name in names:
        if name not in PROTOCOLS:
            raise SettingsError(f"score: got '{name}', expected one of {', '.join(PROTOCOLS)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"scores: got {', '.join(names)}, expected each once")
    return [PROTOCOLS[name].make(backbones or Backbones()) for name in names]
