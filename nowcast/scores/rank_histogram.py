"""Where the observed stands among the members: flat where it cannot be told from one of them.

Dimensions: M members, S lead times, P pixels that were observed, B classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, ClassVar

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.scores.arrays import Floats, choose, ratio, reaches
from nowcast.scores.base import Sums
from nowcast.scores.categorical import check_threshold
from nowcast.scores.continuous import FLOOR_DBZ
from nowcast.scores.ensemble import clipped
from nowcast.scores.stacked import by_stacks, stack


@dataclass(frozen=True)
class RankHistogram:
    """Rank histogram in ``classes`` equal classes; its value is the largest class over its share, 1 is best.

    The observed has a rank among M + 1; ranks are put side by side on [0, 1] and cut into classes, so that
    ensembles of different size can be compared (M + 1 classes are the ranks themselves). Where members equal
    the observed, as in dry weather, it could have any of several ranks: each gets an equal part, which is what
    ties broken at random come to on average, without a seed, and adds up exactly.

    ``least_dbz`` leaves all pixels out where neither the observed nor any member reaches it: where it is dry
    for everybody nothing is learnt. (Chosen by all of them alike, which keeps a good histogram flat.)

    Source: Hamill 2001 (Monthly Weather Review 129).
    """

    least_dbz: float | None = None
    classes: int = 10
    floor_dbz: float = FLOOR_DBZ
    reads: ClassVar[str] = "members"

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise SettingsError(complain("rank histogram", f"{self.classes} classes", "at least 1", "take 10"))
        if self.least_dbz is not None:
            check_threshold(self.least_dbz)

    @property
    def name(self) -> str:
        """``rank_histogram``, with the dBZ that some must reach."""
        return "rank_histogram" + ("" if self.least_dbz is None else f"_{self.least_dbz:g}")

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count pixels by class from the lowest rank, ``class_0`` to ``class_B``, each (S,)."""
        found = by_stacks(self._frame, stack(forecast, observed), parts=self.classes)
        return {f"class_{b}": count for b, count in enumerate(found)}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was counted."""
        counts = [sums[f"class_{b}"] for b in range(self.classes)]
        most = reduce(lambda one, other: choose(other > one, other, one), counts)
        return ratio(most * self.classes, sum(counts[1:], counts[0]))

    def shares(self, sums: Mapping[str, Any]) -> Floats:
        """How much of all falls into each class (B, S); sums of several lead times may be pooled."""
        counts = np.stack([np.asarray(sums[f"class_{b}"], np.float64) for b in range(self.classes)])
        return np.asarray(ratio(counts, counts.sum(axis=0)))

    def _frame(self, members: Any, observed: Any) -> Floats:
        x, y = clipped(members, observed, self.floor_dbz)
        if self.least_dbz is not None:
            wet = reaches(np.maximum(x.max(axis=0), y), self.least_dbz)
            x, y = x[:, wet], y[wet]
        m = len(x)
        below, equal = (x < y).sum(axis=0), (x == y).sum(axis=0)
        pairs = np.bincount(below * (m + 1) + equal, minlength=(m + 1) ** 2)
        return np.asarray(pairs @ _shares(m, self.classes))


@lru_cache(maxsize=8)
def _shares(members: int, classes: int) -> Floats:
    """How much of each class a pixel gives: (number below, number equal) -> (classes,)."""
    below, equal = np.divmod(np.arange((members + 1) ** 2), members + 1)
    first, last = below / (members + 1), (below + equal + 1) / (members + 1)
    edges = np.arange(classes + 1) / classes
    under = np.clip((edges - first[:, None]) / (last - first)[:, None], 0.0, 1.0)
    return np.diff(under, axis=1)
