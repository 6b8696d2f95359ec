"""Scores of each block of cells, for the map: the same sums as over a whole frame, kept where they lie.

Dimensions: S lead times, H rows, W columns, h, w rows and columns of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.base import Metric, Reads, Sums, reads


@runtime_checkable
class OfPixels(Metric, Protocol):
    """A metric whose sums are sums over pixels."""

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """What each pixel adds to each of the sums, (S, H, W) each; 0 where it was not observed."""
        ...


@dataclass(frozen=True)
class CellSums:
    """The sums of a metric over each block of ``block`` x ``block`` cells, lead time by lead time.

    Why blocks: over a few dozen nowcasts one cell of 1 km sees too few events to mean anything. Sums are added
    within a block before they are divided, by the metric itself; rows and columns that fill no whole block at
    the south and east edge make a smaller one. numpy only: what is drawn is small and computed.
    """

    metric: OfPixels
    block: int = 1

    def __post_init__(self) -> None:
        if self.block < 1:
            raise SettingsError(f"block: got {self.block}, expected a number of cells of at least 1")

    @property
    def reads(self) -> Reads:
        """What its forecasts are, as for the metric."""
        return reads(self.metric)

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up over (S, H, W): arrays of S x ceil(H / block) x ceil(W / block)."""
        return {name: self._blocks(values) for name, values in self.metric.fields(forecast, observed).items()}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: a value a block; NaN where nothing was counted in it."""
        return self.metric.value(sums)

    def _blocks(self, values: Any) -> Any:
        found = np.asarray(values)
        kind = np.int64 if found.dtype == np.bool_ or found.dtype.kind in "iu" else np.float64
        for axis in (-2, -1):
            found = np.add.reduceat(found, np.arange(0, found.shape[axis], self.block), axis=axis, dtype=kind)
        return found
