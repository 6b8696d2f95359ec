"""How each score is shown: its label, what is better, digits, unit, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


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
        "CSI", "higher", 3, "", "Critical success index: of all pixels where the event was forecast or "
        "observed, the share where both. 1 is perfect.",
    ),
    "pod": ScoreText("POD", "higher", 3, "", "Probability of detection: share of observed events forecast."),
    "far": ScoreText("FAR", "lower", 3, "", "False alarm ratio: share of forecast events not observed."),
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
        "Reliability", "lower", 4, "", "Reliability term of the Brier score: how far observed frequencies "
        "depart from the forecast probability. 0 is perfect.",
    ),
}


def text_of(score: str) -> ScoreText:
    """How a score is shown; one that is not known by its name alone."""
    plain = ScoreText(score, "", 3, "", "")
    if score.startswith("fss_"):
        return ScoreText(score.upper().replace("_", " "), "higher", 3, "", "Fractions skill score.")
    return SCORE_TEXTS.get(score, plain)
