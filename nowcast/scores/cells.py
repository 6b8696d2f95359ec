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

_MOST_IN_A_BYTE = 256


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
        """Add up over (S, H, W): arrays of S x ceil(H / block) x ceil(W / block).

        One lead time after the other: what its pixels add stays in the cache of a core.
        """
        leads = zip(np.split(forecast, len(observed)), np.split(observed, len(observed)), strict=True)
        found = [self.metric.fields(*lead) for lead in leads]
        return {
            name: np.concatenate([self._blocks(np.asarray(part[name])) for part in found]) for name in found[0]
        }

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: a value a block; NaN where nothing was counted in it."""
        return self.metric.value(sums)

    def _blocks(self, values: Any) -> Any:
        exact = values.dtype == np.bool_ or values.dtype.kind in "iu"
        if values.dtype == np.bool_ and self.block < _MOST_IN_A_BYTE:
            values = values.view(np.uint8)
        rows = _added(values, self.block, -2, values.dtype if values.dtype == np.uint8 else None)
        return _added(rows, self.block, -1, np.int64 if exact else np.float64)


def _added(values: Any, block: int, axis: int, kind: Any) -> Any:
    """Add up each ``block`` neighbours along an axis, and what is left at its end."""
    size = values.shape[axis]
    whole = size - size % block
    first, rest = np.split(values, [whole], axis=axis)
    shape = list(first.shape)
    shape[axis : axis + 1 or None] = [whole // block, block]
    added = first.reshape(shape).sum(axis=axis, dtype=kind)
    if not rest.shape[axis]:
        return added
    return np.concatenate([added, rest.sum(axis=axis, keepdims=True, dtype=kind)], axis=axis)
