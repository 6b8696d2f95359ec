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
        "CSI",
        "higher",
        3,
        "",
        "Critical success index: of all pixels where the event was forecast or "
        "observed, the share where both. 1 is perfect.",
    ),
    "pod": ScoreText("POD", "higher", 3, "", "Probability of detection: share of observed events forecast."),
    "far": ScoreText("FAR", "lower", 3, "", "False alarm ratio: share of forecast events not observed."),
    "bias": ScoreText(
        "Bias",
        "one",
        2,
        "",
        "Frequency bias: forecast events over observed events. 1 is perfect, less is too few.",
    ),
    "mae": ScoreText("MAE", "lower", 2, "dB", "Mean absolute error; echoes under 5 dBZ count as 5."),
    "mse": ScoreText("MSE", "lower", 1, "dB²", "Mean squared error; echoes under 5 dBZ count as 5."),
    "rmse": ScoreText("RMSE", "lower", 2, "dB", "Root of the pooled mean squared error."),
    "mean_error": ScoreText("Mean error", "zero", 2, "dB", "Forecast minus observed; above 0 is too strong."),
    "gdl": ScoreText(
        "GDL",
        "lower",
        3,
        "dB",
        "Gradient difference loss (alpha 1, mean): how much the steps between neighbouring pixels differ.",
    ),
    "ssim": ScoreText(
        "SSIM", "higher", 3, "", "Structural similarity of 5 to 65 dBZ (data range 60 dB), 7 x 7 windows."
    ),
    "rapsd_ratio": ScoreText(
        "RAPSD 8 to 16 km",
        "one",
        2,
        "",
        "Power at wavelengths of 8 to 16 km, forecast over observed: "
        "1 keeps all structure of that size, less is blurred.",
    ),
    "rapsd_ratio_members": ScoreText(
        "RAPSD of members", "one", 2, "", "The same of members, each by itself: 1 looks like radar."
    ),
    "ets": ScoreText(
        "ETS",
        "higher",
        3,
        "",
        "Equitable threat score (Gilbert): CSI without the hits of chance. 1 is perfect, 0 no skill.",
    ),
    "hss": ScoreText("HSS", "higher", 3, "", "Heidke skill score: accuracy beyond chance. 1 is perfect."),
    "sedi": ScoreText(
        "SEDI",
        "higher",
        3,
        "",
        "Symmetric extremal dependence index of hit rate and false alarm rate; does "
        "not fade with rarity. 1 is perfect, 0 no skill.",
    ),
    "acc": ScoreText("Accuracy", "higher", 4, "", "Share of pixels called rightly, most of them dry."),
    "anomaly_correlation": ScoreText(
        "Anomaly correlation", "higher", 3, "", "Correlation of departures from the sample mean. 1 is perfect."
    ),
    "brier": ScoreText(
        "Brier",
        "lower",
        4,
        "",
        "Brier score: mean squared difference of probability and event. A forecast "
        "of dBZ alone counts as certain.",
    ),
    "brier_skill": ScoreText(
        "Brier skill",
        "higher",
        3,
        "",
        "Brier skill against the climatology of the sample, the frequency of "
        "the event at each threshold and lead time. 1 is perfect, 0 no better than that.",
    ),
    "reliability": ScoreText(
        "Reliability",
        "lower",
        4,
        "",
        "Reliability term of the Brier score: how far observed frequencies "
        "depart from the forecast probability. 0 is perfect.",
    ),
    "resolution": ScoreText(
        "Resolution",
        "higher",
        4,
        "",
        "Resolution term of the Brier score: how far frequencies differ between "
        "probabilities. At best the uncertainty.",
    ),
    "uncertainty": ScoreText(
        "Uncertainty", "", 4, "", "Uncertainty term of the Brier score: that of the climatology itself."
    ),
    "roc_area": ScoreText(
        "ROC area",
        "higher",
        3,
        "",
        "Chance that an event had a higher probability than a non-event. 1 is "
        "perfect, .5 cannot tell them apart.",
    ),
    "economic_value": ScoreText(
        "Economic value",
        "higher",
        3,
        "",
        "Largest relative economic value of any cost/loss ratio. 1 is perfect, 0 no better than climatology.",
    ),
    "crps": ScoreText(
        "CRPS",
        "lower",
        3,
        "dB",
        "Continuous ranked probability score of the members; a single forecast is "
        "one member, of which it is the mean absolute error.",
    ),
    "crps_fair": ScoreText("Fair CRPS", "lower", 3, "dB", "CRPS of infinitely many such members."),
    "crps_ladder": ScoreText(
        "CRPS of probabilities", "lower", 3, "dB", "CRPS integrated from the first to the last threshold."
    ),
    "ensemble_rmse": ScoreText("RMSE of the mean", "lower", 2, "dB", "Root mean squared error of that mean."),
    "ensemble_spread": ScoreText(
        "Spread", "", 2, "dB", "Spread of the members; the RMSE of their mean where the observed could be one."
    ),
    "spread_error": ScoreText("Spread over error", "one", 2, "", "Below 1 the members are too alike."),
    "rank_histogram": ScoreText(
        "Rank histogram",
        "one",
        2,
        "",
        "Largest of ten classes of the observed's rank among the members over its share; 1 is flat.",
    ),
    "rank_histogram_20": ScoreText(
        "Rank histogram, 20 dBZ", "one", 2, "", "The same where the observed or a member reaches 20 dBZ."
    ),
}


def text_of(score: str) -> ScoreText:
    """How a score is shown; one that is not known by its name alone."""
    plain = ScoreText(score, "", 3, "", "")
    if score.startswith("fss_"):
        window, of_probabilities = score.split("_")[1], score.endswith("_probability")
        if of_probabilities:
            return ScoreText(f"FSS {window} of P", "higher", 3, "", "Fractions skill score of probabilities.")
        return ScoreText(f"FSS {window}", "higher", 3, "", "Fractions skill score.")
    return SCORE_TEXTS.get(score, plain)
