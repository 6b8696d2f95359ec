"""Scores of a contingency table that also look at correct negatives: ETS, HSS, SEDI, accuracy.

Counts and events as in `nowcast.scores.categorical.Contingency`. Source of all but SEDI: WMO-No. 485; Wilks,
Statistical Methods, ch. 8. Dimensions: S lead times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nowcast.scores.arrays import choose, ratio
from nowcast.scores.categorical import Contingency


def _counts(sums: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Hits, false alarms, misses and correct negatives, multiplied by 1.0: products of counts leave int64."""
    names = ("hits", "false_alarms", "misses", "correct_negatives")
    hits, false_alarms, misses, correct = (sums[name] * 1.0 for name in names)
    return hits, false_alarms, misses, correct


@dataclass(frozen=True)
class Ets(Contingency):
    """Equitable threat score (Gilbert skill score): CSI without the hits of chance; 1 is best, 0 no skill.

    (hits - r) / (hits + misses + false alarms - r) with r = (hits + misses) (hits + false alarms) / all.
    """

    name: ClassVar[str] = "ets"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was neither forecast nor observed, or everywhere both."""
        a, b, c, d = _counts(sums)
        by_chance = ratio((a + b) * (a + c), a + b + c + d)
        return ratio(a - by_chance, a + b + c - by_chance)


@dataclass(frozen=True)
class Hss(Contingency):
    """Heidke skill score: accuracy against that of chance; 1 is best, 0 no skill.

    2 (a d - b c) / ((a + c) (c + d) + (a + b) (b + d)) of hits a, false alarms b, misses c, correct negatives
    d.
    """

    name: ClassVar[str] = "hss"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was neither forecast nor observed, or everywhere both."""
        a, b, c, d = _counts(sums)
        return ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))


@dataclass(frozen=True)
class Accuracy(Contingency):
    """Accuracy, (hits + correct negatives) / all, from 0 to 1 (best); of rare events mostly the dry."""

    name: ClassVar[str] = "acc"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        a, b, c, d = _counts(sums)
        return ratio(a + d, a + b + c + d)


@dataclass(frozen=True)
class Sedi(Contingency):
    """Symmetric extremal dependence index, from -1 to 1 (best), 0 no skill; does not fade with rarity.

    (log F - log H + log(1 - H) - log(1 - F)) / (log F + log H + log(1 - H) + log(1 - F)) of the hit rate H and
    the false alarm rate F.

    Source: Ferro and Stephenson 2011 (Weather and Forecasting 26), eq. 14.
    """

    name: ClassVar[str] = "sedi"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; 1 where all is right, else NaN where a rate is 0 or 1."""
        a, b, c, d = _counts(sums)
        perfect = (b + c == 0) & (a > 0) & (d > 0)
        h, f = ratio(a, a + c), ratio(b, b + d)
        lf, lh, lf1, lh1 = (_log(x) for x in (f, h, 1 - f, 1 - h))
        index = ratio(lf - lh + lh1 - lf1, lf + lh + lh1 + lf1)
        return choose(perfect, 1.0, index)


def _log(values: Any) -> Any:
    """The logarithm of what is above 0, NaN elsewhere."""
    known = choose(values > 0, values, np.nan)
    return known.log() if hasattr(known, "log") else np.log(known)
