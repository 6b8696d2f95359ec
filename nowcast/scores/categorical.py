"""Events at or above a threshold: hits, misses and false alarms, and the scores made of them.

The counts are pooled over all pixels, times and batches of a lead time before anything is divided, so a
score never depends on the batch size. Averages of per-batch ratios, as some published code takes, do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import pair, per_lead, ratio
from nowcast.scores.base import Sums

DEFAULT_THRESHOLDS_DBZ = (10.0, 20.0, 30.0, 40.0, 50.0)


def check_threshold(threshold_dbz: float) -> float:
    """Give a threshold back if it can be one.

    Raises:
        SettingsError: NaN, infinite, negative, or beyond any reflectivity.
    """
    if not math.isfinite(threshold_dbz) or not 0 <= threshold_dbz <= 100:
        raise SettingsError(
            f"threshold: got {threshold_dbz:g}, expected dBZ from 0 to 100; echoes worth a threshold lie "
            "there, for example 20"
        )
    return float(threshold_dbz)


@dataclass(frozen=True)
class Contingency:
    """Counts of an event: reflectivity >= ``threshold_dbz``.

    A pixel that was not observed never counts. A pixel that was observed but where the forecast says
    nothing (NaN) counts as "no event": a forecaster gains nothing by staying silent.

    Source: the 2 x 2 contingency table of WMO-No. 485 and Wilks, Statistical Methods, ch. 8.
    """

    threshold_dbz: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold_dbz)

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count ``hits``, ``misses``, ``false_alarms`` and ``correct_negatives`` a lead time, int64 (S,)."""
        both = pair(forecast, observed)
        seen = ~both.xp.isnan(both.observed)
        said = (both.forecast >= self.threshold_dbz) & seen
        came = both.observed >= self.threshold_dbz  # NaN >= t is False
        hits = per_lead(said & came, both.xp)
        misses = per_lead(came, both.xp) - hits
        false_alarms = per_lead(said, both.xp) - hits
        return {
            "hits": hits, "misses": misses, "false_alarms": false_alarms,
            "correct_negatives": per_lead(seen, both.xp) - hits - misses - false_alarms,
        }


@dataclass(frozen=True)
class Csi(Contingency):
    """Critical success index, hits / (hits + misses + false alarms), from 0 to 1 (best)."""

    name: ClassVar[str] = "csi"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was neither forecast nor observed."""
        return ratio(sums["hits"], sums["hits"] + sums["misses"] + sums["false_alarms"])


@dataclass(frozen=True)
class Pod(Contingency):
    """Probability of detection, hits / (hits + misses), from 0 to 1 (best)."""

    name: ClassVar[str] = "pod"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never observed."""
        return ratio(sums["hits"], sums["hits"] + sums["misses"])


@dataclass(frozen=True)
class Far(Contingency):
    """False alarm ratio, false alarms / (hits + false alarms), from 0 (best) to 1."""

    name: ClassVar[str] = "far"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never forecast."""
        return ratio(sums["false_alarms"], sums["hits"] + sums["false_alarms"])


@dataclass(frozen=True)
class FrequencyBias(Contingency):
    """Frequency bias, forecast events / observed events; 1 is best, below 1 is too few."""

    name: ClassVar[str] = "bias"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was never observed."""
        return ratio(sums["hits"] + sums["false_alarms"], sums["hits"] + sums["misses"])


@dataclass(frozen=True)
class CellCounts(Contingency):
    """Hits, misses and false alarms of each block of ``block`` x ``block`` cells, for CSI on the map.

    Why blocks: over a few dozen nowcasts one cell of 1 km sees too few events to mean anything. Counts
    are added within a block before they are divided; rows and columns that fill no whole block at the
    south and east edge are counted in a smaller one. Lead times are pooled.

    numpy only: what is drawn is small and computed.
    """

    block: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block < 1:
            raise SettingsError(f"block: got {self.block}, expected a number of cells of at least 1")

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count over (S, H, W): three int64 arrays of ceil(H / block) x ceil(W / block)."""
        both = pair(forecast, observed)
        said = (both.forecast >= self.threshold_dbz) & ~both.xp.isnan(both.observed)
        came = both.observed >= self.threshold_dbz
        parts = {"hits": said & came, "misses": came & ~said, "false_alarms": said & ~came}
        return {name: self._blocks(values) for name, values in parts.items()}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish with the CSI of each block; NaN where there was nothing to forecast."""
        return ratio(sums["hits"], sums["hits"] + sums["misses"] + sums["false_alarms"])

    def _blocks(self, values: Any) -> Any:
        import numpy as np

        counts = np.asarray(values).sum(axis=0, dtype=np.int64)
        h, w = counts.shape
        padded = np.pad(counts, ((0, -h % self.block), (0, -w % self.block)))
        rows, columns = padded.shape[0] // self.block, padded.shape[1] // self.block
        return padded.reshape(rows, self.block, columns, self.block).sum(axis=(1, 3))
