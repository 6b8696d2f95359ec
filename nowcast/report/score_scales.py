"""The colour scale of a score on the map: ten equal classes of round numbers, or classes of a ratio around 1.

Scores of which more is better are drawn from yellow over green to blue, those of which less is better in
browns; darker is always more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nowcast.report.palette_colours import AROUND_ONE, PROBABILITY, WORSE
from nowcast.report.palettes import SAFE, ColourScale
from nowcast.report.score_texts import text_of

_RATIOS = (0.0, 1 / 3, 0.5, 2 / 3, 0.8, 1.25, 1.5, 2.0, 3.0)
_WITHIN = 0.98
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_BOUNDED = ("csi", "pod", "far", "brier")
"""Scores from 0 to 1."""


def scale_of(score: str, maps: Sequence[npt.NDArray[np.floating]]) -> ColourScale:
    """The scale of a score for all its maps together, so that they can be compared.

    The top is a round number under which 98 of 100 blocks lie: a few extreme ones do not dim the rest.
    """
    better = text_of(score).better
    unit = text_of(score).unit or "ratio"
    if better == "one":
        return ColourScale(SAFE, score, unit, _RATIOS, AROUND_ONE)
    known = np.concatenate([m[np.isfinite(m)] for m in maps])
    step = _round_up((float(np.quantile(known, _WITHIN)) if len(known) else 1.0) / 10)
    if score in _BOUNDED:
        step = min(step, 0.1)
    colours = WORSE if better == "lower" else PROBABILITY
    return ColourScale(SAFE, score, unit, tuple(step * k for k in range(10)), colours)


def bound_texts(scale: ColourScale) -> list[str]:
    """What a legend says where each class begins: as few digits as tell the bounds apart."""
    if scale.bounds == _RATIOS:
        return [f"{bound:.2f}".rstrip("0").rstrip(".") for bound in scale.bounds]
    return [f"{bound:.6g}" for bound in scale.bounds]


def _round_up(step: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    if not step > 1e-6:
        return 1e-6
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in _STEPS if m * power >= step * (1 - 1e-9))
