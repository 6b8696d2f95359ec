"""What a page shows, as plain data: cases, scores and cells. Whoever calls makes these from its own results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.grid import Grid


@dataclass(frozen=True)
class Case:
    """Forecasts from one forecast reference time by every model, with the frames around it."""

    reference_time: np.datetime64
    past: xr.DataArray
    """Field (time, y, x) of the frames up to ``reference_time``."""
    forecasts: Mapping[str, xr.DataArray]
    """By model: dBZ (lead_time, y, x) as `nowcast.forecasters` gives it, all with the same lead times."""
    observed: xr.DataArray | None = None
    """Field (time, y, x) of the frames after ``reference_time``; absent ones are shown as not there yet."""
    captions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By model: one short line a lead time to stand under its map, for example its CSI."""
    name: str = ""
    """What the list of cases calls it; the forecast reference time if empty."""


@dataclass(frozen=True)
class CellMap:
    """One score of each block of cells of a grid, to be drawn on the map."""

    model: str
    threshold_dbz: float
    grid: Grid
    """The grid of single cells."""
    values: npt.NDArray[np.float64]
    """(ceil(H / block), ceil(W / block)) in [0, 1]; NaN where it is undefined."""
    block: int = 1


class Comparison(NamedTuple):
    """CSI of a model less that of another, mean over lead times, at one threshold, with its interval."""

    model: str
    reference: str
    threshold_dbz: float
    difference: float
    low: float
    """NaN, like ``high``, where there is no interval."""
    high: float
    blocks: int
    """How many blocks of start times were drawn from."""
    block_hours: float
    resamples: int
    confidence: float


class SkillHorizon(NamedTuple):
    """Lead time up to which the CSI of a model at a threshold stays above a value."""

    model: str
    threshold_dbz: float
    csi: float
    """The value that it falls under."""
    minutes: float
    """Infinity if not up to the longest lead time, NaN if CSI is undefined."""
    longest: float
    """Longest lead time in minutes."""


class ScoreText(NamedTuple):
    """How a score is shown."""

    label: str
    better: str
    """``higher``, ``lower``, ``one``, ``zero`` (nearest to it), or empty when nothing is known."""
    digits: int
    unit: str
    text: str


SCORE_TEXTS: Mapping[str, ScoreText] = {
    "csi": ScoreText(
        "CSI", "higher", 3, "", "Critical success index: of all pixels where the event was forecast or came, "
        "the share where both. 1 is perfect.",
    ),
    "pod": ScoreText("POD", "higher", 3, "", "Probability of detection: share of observed events forecast."),
    "far": ScoreText("FAR", "lower", 3, "", "False alarm ratio: share of forecast events that did not come."),
    "bias": ScoreText(
        "Bias", "one", 2, "", "Frequency bias: forecast events over observed events. 1 is perfect, less is "
        "too few.",
    ),
    "mae": ScoreText("MAE", "lower", 2, "dB", "Mean absolute error; echoes under 5 dBZ count as 5."),
    "mse": ScoreText("MSE", "lower", 1, "dB²", "Mean squared error; echoes under 5 dBZ count as 5."),
    "rmse": ScoreText("RMSE", "lower", 2, "dB", "Root of the pooled mean squared error."),
    "mean_error": ScoreText("Mean error", "zero", 2, "dB", "Forecast minus observed; above 0 is too strong."),
    "gdl": ScoreText(
        "GDL", "lower", 3, "dB", "Gradient difference loss (alpha 1, mean): how much the steps between "
        "neighbouring pixels differ.",
    ),
    "ssim": ScoreText(
        "SSIM", "higher", 3, "", "Structural similarity of 5 to 65 dBZ (data range 60 dB), 7 x 7 windows."
    ),
    "rapsd_ratio": ScoreText(
        "RAPSD 8 to 16 km", "one", 2, "", "Power at wavelengths of 8 to 16 km, forecast over observed: "
        "1 keeps all structure of that size, less is blurred.",
    ),
    "brier": ScoreText(
        "Brier", "lower", 4, "", "Brier score: mean squared difference of probability and event. A forecast "
        "of dBZ alone counts as certain.",
    ),
    "reliability": ScoreText(
        "Reliability", "lower", 4, "", "Reliability term of the Brier score: how far what comes departs "
        "from the probability that was given. 0 is perfect.",
    ),
}


def text_of(score: str) -> ScoreText:
    """Say how a score is shown; one that is not known is shown by its name alone."""
    plain = ScoreText(score, "", 3, "", "")
    if score.startswith("fss_"):
        return ScoreText(score.upper().replace("_", " "), "higher", 3, "", "Fractions skill score.")
    return SCORE_TEXTS.get(score, plain)
